//! What callers of the core rely on, on every backend: the four ways to call it agree, lengths are errors, one bad
//! message of a batch fails alone. (Forgeries are in forgery.rs; sweeps against other implementations are the assurance
//! suite's.)

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use aead::{Aead, AeadInOut, KeyInit, Payload};
use common::{Bytes, backends};
use tablecrypt_core::{Aes256Gcm, Backend, Error, InOutBuf, Key, OpenMessage, SealMessage, Xaes256Gcm, hazmat};

const KEY: [u8; 32] = *b"a key of thirty-two bytes, no mo";
const NONCE: [u8; 12] = *b"twelve bytes";
/// Around every border of a kernel that works in blocks of 16 and steps of 128 bytes.
const LENGTHS: &[usize] = &[
    0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 111, 112, 113, 127, 128, 129, 143, 144, 145, 239, 240, 255,
    256, 257, 271, 272, 383, 384, 385, 500, 511, 512, 513, 1000, 1023, 1024, 1025, 4095, 4096, 4097, 65_519, 65_536,
    65_537,
];
const AADS: &[usize] = &[0, 1, 8, 13, 15, 16, 17, 24, 64, 112, 127, 128, 129, 143, 144, 255, 300];

fn ciphers(test: &str) -> Vec<(Backend, Aes256Gcm)> {
    backends(test).into_iter().map(|backend| (backend, Aes256Gcm::on(backend, &Key::from(KEY)).unwrap())).collect()
}

#[test]
fn every_backend_and_every_way_to_call_it_gives_the_same_bytes() {
    let ciphers = ciphers("every_backend_and_every_way_to_call_it_gives_the_same_bytes");
    let reference = Aes256Gcm::on(Backend::Portable, &Key::from(KEY)).unwrap();
    let mut bytes = Bytes(1);
    for &length in LENGTHS {
        let text = bytes.take(length);
        for &aad in AADS {
            let aad = bytes.take(aad);
            let mut expected = text.clone();
            let tag = reference.seal_in_place(&NONCE, &aad, &mut expected).unwrap();
            for (backend, cipher) in &ciphers {
                let case = format!("{} text {length} aad {}", backend.name(), aad.len());
                let mut out = vec![0xa5; length];
                assert_eq!(cipher.seal_detached(&NONCE, &aad, &text, &mut out).unwrap(), tag, "{case}");
                assert!(out == expected, "{case}");
                let mut attached = vec![0xa5; length + 16];
                cipher.seal(&NONCE, &aad, &text, &mut attached).unwrap();
                assert!(attached[..length] == expected && attached[length..] == tag, "{case}");
                let mut in_place = text.clone();
                assert_eq!(cipher.seal_in_place(&NONCE, &aad, &mut in_place).unwrap(), tag, "{case}");
                assert!(in_place == expected, "{case}");

                let mut opened = vec![0xa5; length];
                cipher.open(&NONCE, &aad, &attached, &mut opened).unwrap();
                assert!(opened == text, "{case}");
                cipher.open_in_place(&NONCE, &aad, &mut in_place, &tag).unwrap();
                assert!(in_place == text, "{case}");
                opened.fill(0xa5);
                cipher.open_detached(&NONCE, &aad, &expected, &tag, &mut opened).unwrap();
                assert!(opened == text, "{case}");
            }
        }
    }
}

#[test]
fn counters_that_wrap_agree_among_backends() {
    let ciphers = ciphers("counters_that_wrap_agree_among_backends");
    let reference = Aes256Gcm::on(Backend::Portable, &Key::from(KEY)).unwrap();
    let h = hash_key();
    let text = Bytes(2).take(96 * 16);
    for before_end in 1..=64_u32 {
        let mut j0 = [0x77; 16];
        j0[12..].copy_from_slice(&(u32::MAX - before_end + 1).to_be_bytes());
        let nonce = nonce_of(u128::from_be_bytes(j0), h);
        for blocks in 1..=96 {
            let text = &text[..16 * blocks];
            let mut expected = text.to_vec();
            let tag = hazmat::seal_any_nonce(&reference, &nonce, b"", &mut expected).unwrap();
            if blocks == 1 {
                // The control: the first block of keystream is E(inc32(J0)), so the nonce did lead where it should.
                j0[12..].copy_from_slice(&(u32::MAX - before_end + 1).wrapping_add(1).to_be_bytes());
                assert_eq!(expected, xor(text, &aes(j0)));
            }
            for (backend, cipher) in &ciphers {
                let mut out = text.to_vec();
                assert_eq!(hazmat::seal_any_nonce(cipher, &nonce, b"", &mut out).unwrap(), tag, "{}", backend.name());
                assert!(out == expected, "{} {before_end} {blocks}", backend.name());
                hazmat::open_any_nonce(cipher, &nonce, b"", &mut out, &tag).unwrap();
                assert!(out == text, "{} {before_end} {blocks}", backend.name());
            }
        }
    }
}

/// The 16-byte nonce whose hash is `j0`: GHASH of it is (nonce H + lengths) H, so divide twice.
fn nonce_of(j0: u128, h: u128) -> [u8; 16] {
    // H^-1 = H^(2^128 - 2), by squaring.
    let mut inverse = 1 << 127;
    for _ in 0..127 {
        inverse = multiply(multiply(inverse, inverse), h);
    }
    inverse = multiply(inverse, inverse);
    assert_eq!(multiply(inverse, h), 1 << 127, "the inverse is one");
    multiply(multiply(j0, inverse) ^ 128, inverse).to_be_bytes()
}

/// The product in GCM's field, bit by bit (SP 800-38D section 6.3).
fn multiply(a: u128, b: u128) -> u128 {
    let (mut product, mut power) = (0, b);
    for bit in (0..128).rev() {
        product ^= power * (a >> bit & 1);
        power = (power >> 1) ^ ((power & 1) * (0xe1 << 120));
    }
    product
}

fn hash_key() -> u128 {
    u128::from_be_bytes(aes([0; 16]))
}

fn aes(block: [u8; 16]) -> [u8; 16] {
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    let mut block = block.into();
    aes::Aes256::new(&KEY.into()).encrypt_block(&mut block);
    block.into()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[test]
fn wrong_lengths_are_errors_and_write_nothing() {
    for (_, cipher) in ciphers("wrong_lengths_are_errors_and_write_nothing") {
        let mut out = [0xa5; 40];
        assert_eq!(cipher.seal(&NONCE, b"", &[0; 20], &mut out[..35]), Err(Error::OutputLength));
        assert_eq!(cipher.seal(&NONCE, b"", &[0; 20], &mut out[..37]), Err(Error::OutputLength));
        assert_eq!(cipher.seal(&NONCE, b"", &[], &mut out[..15]), Err(Error::OutputLength));
        assert_eq!(cipher.seal_detached(&NONCE, b"", &[0; 20], &mut out[..19]), Err(Error::OutputLength));
        assert_eq!(cipher.open(&NONCE, b"", &[0; 15], &mut out), Err(Error::Truncated));
        assert_eq!(cipher.open(&NONCE, b"", &[0; 36], &mut out[..19]), Err(Error::OutputLength));
        assert_eq!(out, [0xa5; 40]);
        assert_eq!(hazmat::seal_any_nonce(&cipher, b"", b"", &mut out), Err(Error::TooLong));
        assert_eq!(out, [0xa5; 40]);
    }
}

#[test]
fn one_bad_message_of_many_clears_itself_alone() {
    for (backend, cipher) in ciphers("one_bad_message_of_many_clears_itself_alone") {
        let mut texts: Vec<Vec<u8>> = (0..20).map(|i| vec![u8::try_from(i).unwrap(); i * 7]).collect();
        let originals = texts.clone();
        let mut sealing: Vec<_> = (0u8..)
            .zip(&mut texts)
            .map(|(i, text)| SealMessage { nonce: [i; 12], aad: b"many", text, tag: [0; 16] })
            .collect();
        cipher.seal_many(&mut sealing).unwrap();
        let tags: Vec<_> = sealing.iter().map(|message| message.tag).collect();
        for (i, (text, tag)) in texts.iter().zip(&tags).enumerate() {
            let mut one = originals[i].clone();
            assert_eq!(cipher.seal_in_place(&[u8::try_from(i).unwrap(); 12], b"many", &mut one).unwrap(), *tag);
            assert_eq!(&one, text, "{}", backend.name());
        }
        let mut opening: Vec<_> = (0u8..)
            .zip(texts.iter_mut().zip(&tags))
            .map(|(i, (text, tag))| OpenMessage::new([i; 12], b"many", text, *tag))
            .collect();
        opening[7].tag[3] ^= 1;
        cipher.open_many(&mut opening);
        for (i, message) in opening.iter().enumerate() {
            if i == 7 {
                assert_eq!(message.verdict, Err(Error::Unauthentic));
                assert!(message.text.iter().all(|byte| *byte == 0));
            } else {
                assert_eq!(message.verdict, Ok(()));
                assert_eq!(message.text, &originals[i][..]);
            }
        }
    }
}

#[test]
fn it_drops_in_where_rustcrypto_s_aes256gcm_stood() {
    fn round_trip<C: KeyInit + Aead + AeadInOut>(nonce: &[u8]) -> Vec<u8> {
        let cipher = C::new_from_slice(&KEY).unwrap();
        let nonce = nonce.try_into().unwrap();
        let sealed = cipher.encrypt(nonce, Payload { msg: b"text", aad: b"aad" }).unwrap();
        assert_eq!(cipher.decrypt(nonce, Payload { msg: &sealed, aad: b"aad" }).unwrap(), b"text");
        assert!(cipher.decrypt(nonce, Payload { msg: &sealed, aad: b"add" }).is_err());
        let mut buffer = b"text".to_vec();
        cipher.encrypt_in_place(nonce, b"aad", &mut buffer).unwrap();
        assert_eq!(buffer, sealed);
        sealed
    }
    let mut ours = [0; 20];
    Aes256Gcm::new(&Key::from(KEY)).seal(&NONCE, b"aad", b"text", &mut ours).unwrap();
    assert_eq!(round_trip::<Aes256Gcm>(&NONCE), ours);
    round_trip::<Xaes256Gcm>(b"a nonce of 24 bytes long");
}

#[test]
fn a_derived_key_is_the_one_that_xaes_uses() {
    for backend in backends("a_derived_key_is_the_one_that_xaes_uses") {
        let cipher = Xaes256Gcm::on(backend, &Key::from(KEY)).unwrap();
        let nonce = *b"a nonce of 24 bytes long";
        let (mut whole, mut kept) = ([0; 20], *b"text");
        cipher.seal(&nonce, b"aad", b"text", &mut whole).unwrap();
        let session = cipher.derive(nonce.first_chunk().unwrap());
        assert_eq!(session.backend(), backend);
        let tag = session.seal_in_place(nonce.last_chunk().unwrap(), b"aad", &mut kept).unwrap();
        assert_eq!(whole, *[&kept[..], &tag].concat());
    }
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", Key::from(KEY)), "Key(..)");
    let cipher = Aes256Gcm::on(Backend::Portable, &Key::from(KEY)).unwrap();
    assert_eq!(format!("{cipher:?}"), "Aes256Gcm(portable, ..)");
    assert_eq!(
        format!("{:?}", Xaes256Gcm::on(Backend::Portable, &Key::from(KEY)).unwrap()),
        "Xaes256Gcm(portable, ..)"
    );
}

#[test]
fn an_inout_buffer_may_be_one_place_or_two() {
    for (_, cipher) in ciphers("an_inout_buffer_may_be_one_place_or_two") {
        let text = [9; 300];
        let (mut one, mut two) = (text, [0; 300]);
        let first = cipher.seal_inout(&NONCE, b"", InOutBuf::from(&mut one[..])).unwrap();
        let second = cipher.seal_inout(&NONCE, b"", InOutBuf::new(&text, &mut two).unwrap()).unwrap();
        assert_eq!((one, first), (two, second));
        cipher.open_inout(&NONCE, b"", InOutBuf::new(&one, &mut two).unwrap(), &first).unwrap();
        assert_eq!(two, text);
    }
}
