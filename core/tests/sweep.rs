//! Every length that a wide kernel may treat in a way of its own, against portable: what published answers, the longest of
//! which is short, do not see. Each output stands between bytes that must survive, at every alignment to 16.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::ops::Range;

use common::{Bytes, backends};
use tablecrypt_core::{Aes256Gcm, Backend, Key, OpenMessage, SealMessage, hazmat};

const KEY: [u8; 32] = *b"a key of thirty-two bytes, too, ";
const NONCE: [u8; 12] = *b"other twelve";
/// Past two steps of 256 bytes, the widest that a backend takes, and a tail of every length.
const LENGTHS: Range<usize> = 0..769;
const AADS: &[usize] = &[0, 5, 16, 28, 112, 128, 200, 272];
/// What stands around an output.
const FENCE: u8 = 0xa5;

fn ciphers(test: &str) -> Vec<(Backend, Aes256Gcm)> {
    backends(test).into_iter().map(|backend| (backend, cipher(backend))).collect()
}

fn cipher(backend: Backend) -> Aes256Gcm {
    Aes256Gcm::on(backend, &Key::from(KEY)).unwrap()
}

#[test]
fn every_length_seals_and_opens_as_portable_does() {
    let ciphers = ciphers("every_length_seals_and_opens_as_portable_does");
    let reference = cipher(Backend::Portable);
    let (text, aads) = (Bytes(3).take(LENGTHS.end), Bytes(4).take(512));
    for length in LENGTHS {
        let text = &text[..length];
        // Two AADs a length, so that each meets every remainder of a length by 16 and by 128.
        for aad in [AADS[length / 128 % AADS.len()], AADS[(length / 16 + 3) % AADS.len()]] {
            let aad = &aads[..aad];
            let mut sealed = text.to_vec();
            let tag = reference.seal_in_place(&NONCE, aad, &mut sealed).unwrap();
            for (backend, cipher) in &ciphers {
                let case = format!("{} text {length} aad {}", backend.name(), aad.len());
                let shift = length % 17;
                between_fences(shift, &vec![0; length], &sealed, &case, |out| {
                    assert_eq!(cipher.seal_detached(&NONCE, aad, text, out).unwrap(), tag, "{case}");
                });
                between_fences(shift, text, &sealed, &case, |out| {
                    assert_eq!(cipher.seal_in_place(&NONCE, aad, out).unwrap(), tag, "{case}");
                });
                between_fences(shift, &vec![0; length], text, &case, |out| {
                    cipher.open_detached(&NONCE, aad, &sealed, &tag, out).expect(&case);
                });
                between_fences(shift, &sealed, text, &case, |out| {
                    cipher.open_in_place(&NONCE, aad, out, &tag).expect(&case);
                });
            }
        }
    }
}

#[test]
fn every_length_with_any_nonce_seals_and_opens_as_portable_does() {
    let ciphers = ciphers("every_length_with_any_nonce_seals_and_opens_as_portable_does");
    let reference = cipher(Backend::Portable);
    let (text, nonces) = (Bytes(5).take(LENGTHS.end), Bytes(6).take(512));
    for length in LENGTHS {
        let nonce = &nonces[..1 + length % 300];
        let aad = &text[..length % 40];
        let mut sealed = text[..length].to_vec();
        let tag = hazmat::seal_any_nonce(&reference, nonce, aad, &mut sealed).unwrap();
        for (backend, cipher) in &ciphers {
            let case = format!("{} text {length} nonce {}", backend.name(), nonce.len());
            between_fences(length % 17, &text[..length], &sealed, &case, |out| {
                assert_eq!(hazmat::seal_any_nonce(cipher, nonce, aad, out).unwrap(), tag, "{case}");
            });
            between_fences(length % 17, &sealed, &text[..length], &case, |out| {
                hazmat::open_any_nonce(cipher, nonce, aad, out, &tag).expect(&case);
            });
        }
    }
}

#[test]
fn a_counter_carries_into_its_third_byte() {
    // 65,536 blocks and a tail: with J0 at 1, the third byte of the counter changes two blocks before their end.
    let text = Bytes(7).take((1 << 20) + 1000);
    let mut sealed = text.clone();
    let tag = cipher(Backend::Portable).seal_in_place(&NONCE, b"", &mut sealed).unwrap();
    for (backend, cipher) in ciphers("a_counter_carries_into_its_third_byte") {
        let mut out = text.clone();
        assert_eq!(cipher.seal_in_place(&NONCE, b"", &mut out).unwrap(), tag, "{}", backend.name());
        assert!(out == sealed, "{}", backend.name());
        assert_eq!(cipher.open_in_place(&NONCE, b"", &mut out, &tag), Ok(()), "{}", backend.name());
        assert!(out == text, "{}", backend.name());
    }
}

#[test]
fn many_messages_of_any_shape_are_as_one_at_a_time() {
    let ciphers = ciphers("many_messages_of_any_shape_are_as_one_at_a_time");
    let reference = cipher(Backend::Portable);
    let mut bytes = Bytes(8);
    for count in 0..40_u8 {
        // Alike in half of the groups, as a kernel that interleaves may want them.
        let alike = usize::try_from(bytes.next() % 160).unwrap();
        let mut length = || if count % 2 == 0 { alike } else { usize::try_from(bytes.next() % 300).unwrap() };
        let lengths: Vec<_> = (0..count).map(|_| (length(), length() % 150)).collect();
        let texts: Vec<_> = lengths.iter().map(|(text, _)| bytes.take(*text)).collect();
        let aads: Vec<_> = lengths.iter().map(|(_, aad)| bytes.take(*aad)).collect();
        let mut expected = texts.clone();
        let tags: Vec<_> = (0..count)
            .zip(expected.iter_mut().zip(&aads))
            .map(|(i, (text, aad))| reference.seal_in_place(&[i; 12], aad, text).unwrap())
            .collect();
        for (backend, cipher) in &ciphers {
            let mut sealed = texts.clone();
            let mut messages: Vec<_> = (0..count)
                .zip(sealed.iter_mut().zip(&aads))
                .map(|(i, (text, aad))| SealMessage { nonce: [i; 12], aad, text, tag: [0; 16] })
                .collect();
            cipher.seal_many(&mut messages).unwrap();
            assert!(messages.iter().map(|message| message.tag).eq(tags.iter().copied()), "{} {count}", backend.name());
            assert!(sealed == expected, "{} {count}", backend.name());
            let mut messages: Vec<_> = (0..count)
                .zip(sealed.iter_mut().zip(aads.iter().zip(&tags)))
                .map(|(i, (text, (aad, tag)))| OpenMessage::new([i; 12], aad, text, *tag))
                .collect();
            cipher.open_many(&mut messages);
            assert!(messages.iter().all(|message| message.verdict.is_ok()), "{} {count}", backend.name());
            assert!(sealed == texts, "{} {count}", backend.name());
        }
    }
}

/// Runs `work` on a copy of `from` that stands between fences, `shift` bytes from a multiple of 16. It must become `to`,
/// and the fences must stand.
fn between_fences(shift: usize, from: &[u8], to: &[u8], case: &str, work: impl FnOnce(&mut [u8])) {
    const WIDE: usize = 80;
    let mut place = vec![FENCE; WIDE + 16 + from.len() + WIDE];
    let start = place.as_ptr().align_offset(16).min(16) + WIDE - 16 + shift;
    let here = start..start + from.len();
    place[here.clone()].copy_from_slice(from);
    work(&mut place[here.clone()]);
    assert!(place[here.clone()] == *to, "{case}");
    assert!(place[..here.start].iter().chain(&place[here.end..]).all(|byte| *byte == FENCE), "{case}: past its ends");
}
