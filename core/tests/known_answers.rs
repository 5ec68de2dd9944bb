//! Published answers on every backend of this CPU: SP 800-38D's cases and those of the XAES-256-GCM specification.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Case, backends, cases, values};
use shake::{ExtendableOutput, Shake128, Update, XofReader};
use tablecrypt_core::{Aes256Gcm, Backend, Key, Xaes256Gcm, hazmat};

const GCM: &str = include_str!("../../tests/vectors/gcm-spec.txt");
const XAES: &str = include_str!("../../tests/vectors/xaes-spec.txt");

fn key(case: &Case) -> Key {
    Key::from(<[u8; 32]>::try_from(&*case.key).unwrap())
}

#[test]
fn gcm_gives_the_answers_of_its_specification() {
    let cases = cases(GCM);
    assert_eq!(cases.len(), 6);
    for backend in backends("gcm_gives_the_answers_of_its_specification") {
        for case in &cases {
            let cipher = Aes256Gcm::on(backend, &key(case)).unwrap();
            let mut text = case.text.clone();
            let tag = hazmat::seal_any_nonce(&cipher, &case.nonce, &case.aad, &mut text).unwrap();
            assert_eq!((&text, &tag[..]), (&case.ciphertext, &case.tag[..]), "{}", backend.name());
            hazmat::open_any_nonce(&cipher, &case.nonce, &case.aad, &mut text, &tag).unwrap();
            assert_eq!(text, case.text);
        }
    }
}

#[test]
fn xaes_gives_the_answers_of_its_specification() {
    let cases = cases(XAES);
    assert_eq!(cases.len(), 2);
    for backend in backends("xaes_gives_the_answers_of_its_specification") {
        for case in &cases {
            let cipher = Xaes256Gcm::on(backend, &key(case)).unwrap();
            let nonce = case.nonce[..].try_into().unwrap();
            let mut sealed = vec![0; case.text.len() + 16];
            cipher.seal(&nonce, &case.aad, &case.text, &mut sealed).unwrap();
            assert_eq!(sealed, [&case.ciphertext[..], &case.tag[..]].concat(), "{}", backend.name());
            let mut text = vec![0; case.text.len()];
            cipher.open(&nonce, &case.aad, &sealed, &mut text).unwrap();
            assert_eq!(text, case.text);
            let tag = cipher.seal_inout(&nonce, &case.aad, text.as_mut_slice().into()).unwrap();
            assert_eq!((&text, &tag[..]), (&case.ciphertext, &case.tag[..]), "{}", backend.name());
            cipher.open_inout(&nonce, &case.aad, text.as_mut_slice().into(), &tag).unwrap();
            assert_eq!(text, case.text);
        }
    }
}

#[test]
fn xaes_gives_the_accumulated_hash_of_10_000_messages() {
    for backend in backends("xaes_gives_the_accumulated_hash_of_10_000_messages") {
        assert_eq!(accumulated(backend, 10_000), expected("accumulated.10000"), "{}", backend.name());
    }
}

#[test]
fn xaes_gives_the_accumulated_hash_of_1_000_000_messages() {
    for backend in backends("xaes_gives_the_accumulated_hash_of_1_000_000_messages") {
        assert_eq!(accumulated(backend, 1_000_000), expected("accumulated.1000000"), "{}", backend.name());
    }
}

fn expected(name: &str) -> String {
    values(XAES).find(|(found, _)| *found == name).unwrap().1.to_owned()
}

/// Keys, nonces, texts and AADs from one SHAKE-128, ciphertexts into another. Each message is opened again.
fn accumulated(backend: Backend, messages: usize) -> String {
    let mut source = Shake128::default().finalize_xof();
    let mut sink = Shake128::default();
    for _ in 0..messages {
        let mut key = [0; 32];
        source.read(&mut key);
        let mut nonce = [0; 24];
        source.read(&mut nonce);
        let text = short(&mut source);
        let aad = short(&mut source);
        let cipher = Xaes256Gcm::on(backend, &Key::from(key)).unwrap();
        let mut sealed = vec![0; text.len() + 16];
        cipher.seal(&nonce, &aad, &text, &mut sealed).unwrap();
        sink.update(&sealed);
        let mut opened = vec![0; text.len()];
        cipher.open(&nonce, &aad, &sealed, &mut opened).unwrap();
        assert_eq!(opened, text);
    }
    let mut hash = [0; 32];
    sink.finalize_xof().read(&mut hash);
    hex::encode(hash)
}

fn short(source: &mut impl XofReader) -> Vec<u8> {
    let mut length = [0];
    source.read(&mut length);
    let mut bytes = vec![0; usize::from(length[0])];
    source.read(&mut bytes);
    bytes
}
