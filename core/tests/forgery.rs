//! Forgeries of a message, on every backend, by every way to open it: refused, the output cleared, what stands around it
//! untouched. Records have theirs in envelope/tests/forgery.rs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::forgeries::{AAD, LENGTHS, Message, expected, forge};
use common::{Bytes, backends, say};
use tablecrypt_core::{Aes256Gcm, Backend, Error, InOutBuf, Key, NONCE, Nonce, OpenMessage, TAG, Tag, hazmat};

const KEY: [u8; 32] = *b"thirty-two bytes that nobody has";
/// Longer than any step of a kernel, and with a tail.
const LONG: usize = 4096 + 5;
/// What stands around an output.
const FENCE: u8 = 0xa5;

#[test]
fn every_forgery_is_refused_by_every_way_and_its_output_cleared() {
    each_is_refused("every_forgery_is_refused_by_every_way_and_its_output_cleared", &LENGTHS);
}

#[test]
fn every_forgery_of_a_long_message_is_refused_by_every_way_and_its_output_cleared() {
    each_is_refused("every_forgery_of_a_long_message_is_refused_by_every_way_and_its_output_cleared", &[LONG]);
}

fn each_is_refused(test: &str, lengths: &[usize]) {
    let backends = backends(test);
    let (mut forgeries, mut refused) = (0, 0);
    for &backend in &backends {
        let cipher = cipher(backend);
        for &length in lengths {
            let (whole, text, other) = messages(&cipher, length);
            let all_open = || {
                for way in &WAYS {
                    assert_eq!(open(way, &cipher, &whole), (Ok(()), text.clone()), "{} opens the whole one", way.name);
                    assert!(refuses(way, &cipher, &whole).is_err(), "{}: the control is no forgery", way.name);
                }
            };
            all_open();
            let count = forge(&whole, &other, NONCE, NONCE, |what, forged| {
                for way in WAYS.iter().filter(|way| way.least <= forged.bytes.len()) {
                    refuses(way, &cipher, forged).unwrap_or_else(|wrong| {
                        panic!("{}, {}, {length} bytes, {what}: {wrong}", backend.name(), way.name)
                    });
                    refused += 1;
                }
            });
            assert_eq!(count, expected(NONCE, NONCE, length));
            forgeries += count;
            all_open();
        }
    }
    // Cuts into the tag are for the way that takes it attached.
    let of_all = forgeries - TAG * lengths.len() * backends.len();
    assert_eq!(refused, of_all * WAYS.len() + forgeries - of_all);
    say(&format!(
        "forgeries from Rust: {} of {} messages, {} backends, {} ways: {refused} refused and cleared",
        forgeries / backends.len(),
        lengths.len(),
        backends.len(),
        WAYS.len()
    ));
}

#[test]
fn every_flipped_bit_is_refused_and_its_output_cleared() {
    let test = "every_flipped_bit_is_refused_and_its_output_cleared";
    flip_each_bit(test, &LENGTHS);
}

#[test]
fn every_flipped_bit_of_a_long_message_is_refused_and_its_output_cleared() {
    let test = "every_flipped_bit_of_a_long_message_is_refused_and_its_output_cleared";
    flip_each_bit(test, &[LONG]);
}

/// Of nonce, text, tag and AAD, the ways by turns.
fn flip_each_bit(test: &str, lengths: &[usize]) {
    let mut refused = 0;
    let backends = backends(test);
    for &backend in &backends {
        let cipher = cipher(backend);
        for &length in lengths {
            let (mut forged, _, _) = messages(&cipher, length);
            let (bytes, mut flips) = (forged.bytes.len(), 0);
            for bit in 0..8 * (bytes + AAD) {
                let way = &WAYS[(bit + bit / 8) % WAYS.len()];
                flip(&mut forged, bit);
                refuses(way, &cipher, &forged).unwrap_or_else(|wrong| {
                    panic!("{}, {}, {length} bytes, bit {bit}: {wrong}", backend.name(), way.name)
                });
                flip(&mut forged, bit);
                flips += 1;
                assert!(bit % 64 > 0 || open(way, &cipher, &forged).0.is_ok(), "the control opens");
            }
            assert_eq!(flips, 8 * (NONCE + length + TAG + AAD));
            refused += flips;
        }
    }
    say(&format!(
        "flipped bits from Rust: {} of {} messages, {} backends: {refused} refused and cleared",
        refused / backends.len(),
        lengths.len(),
        backends.len()
    ));
}

/// Counts through the bytes, then the AAD.
fn flip(message: &mut Message, bit: usize) {
    let length = message.bytes.len();
    let byte = message.bytes.get_mut(bit / 8).unwrap_or_else(|| &mut message.aad[bit / 8 - length]);
    *byte ^= 1 << (bit % 8);
}

fn cipher(backend: Backend) -> Aes256Gcm {
    Aes256Gcm::on(backend, &Key::from(KEY)).unwrap()
}

/// A message, its text, and another message under the same key.
fn messages(cipher: &Aes256Gcm, length: usize) -> (Message, Vec<u8>, Message) {
    let mut bytes = Bytes(21 + length as u64);
    let mut message = || {
        let (nonce, aad, text) = (bytes.take(NONCE), bytes.take(AAD), bytes.take(length));
        let mut sealed = vec![0; length + TAG];
        cipher.seal(nonce[..].try_into().unwrap(), &aad, &text, &mut sealed).unwrap();
        (Message { aad, bytes: [nonce, sealed].concat() }, text)
    };
    let (whole, text) = message();
    (whole, text, message().0)
}

/// Whether the message is refused as it must be; if not, what is wrong.
fn refuses(way: &Way, cipher: &Aes256Gcm, forged: &Message) -> Result<(), &'static str> {
    let (answer, out) = open(way, cipher, forged);
    if forged.bytes.len() < NONCE + TAG {
        return match answer {
            Err(Error::Truncated) => Ok(()),
            _ => Err("shorter than a tag and not Truncated"),
        };
    }
    if answer != Err(Error::Unauthentic) {
        return Err("it is not refused as Unauthentic");
    }
    if out.iter().any(|byte| *byte != 0) {
        return Err("the output is not cleared");
    }
    Ok(())
}

/// The answer, and what stands in the output, between fences that must survive.
fn open(way: &Way, cipher: &Aes256Gcm, message: &Message) -> (Result<(), Error>, Vec<u8>) {
    const WIDE: usize = 64;
    let length = message.bytes.len().saturating_sub(NONCE + TAG);
    let mut room = vec![FENCE; WIDE + length + WIDE];
    let answer = (way.open)(cipher, message, &mut room[WIDE..WIDE + length]);
    let (left, rest) = room.split_at(WIDE);
    let (out, right) = rest.split_at(length);
    assert!([left, right].concat().iter().all(|byte| *byte == FENCE), "{} writes beside its output", way.name);
    (answer, out.to_vec())
}

struct Way {
    name: &'static str,
    /// The shortest that it can be asked about: those that take the tag apart take a whole one.
    least: usize,
    open: fn(&Aes256Gcm, &Message, &mut [u8]) -> Result<(), Error>,
}

/// The four of `Aes256Gcm`, its batches, and hazmat.
const WAYS: [Way; 6] = [
    Way {
        name: "attached",
        least: NONCE,
        open: |cipher, message, out| {
            let (nonce, sealed) = message.bytes.split_first_chunk().unwrap();
            cipher.open(nonce, &message.aad, sealed, out)
        },
    },
    Way {
        name: "detached",
        least: NONCE + TAG,
        open: |cipher, message, out| {
            let (nonce, text, tag) = parts(message);
            cipher.open_detached(nonce, &message.aad, text, tag, out)
        },
    },
    Way {
        name: "in place",
        least: NONCE + TAG,
        open: |cipher, message, out| {
            let (nonce, text, tag) = parts(message);
            out.copy_from_slice(text);
            cipher.open_in_place(nonce, &message.aad, out, tag)
        },
    },
    Way {
        name: "inout",
        least: NONCE + TAG,
        open: |cipher, message, out| {
            let (nonce, text, tag) = parts(message);
            cipher.open_inout(nonce, &message.aad, InOutBuf::new(text, out).unwrap(), tag)
        },
    },
    Way { name: "batch", least: NONCE + TAG, open: open_among_others },
    Way {
        name: "hazmat",
        least: NONCE + TAG,
        open: |cipher, message, out| {
            let (nonce, text, tag) = parts(message);
            out.copy_from_slice(text);
            hazmat::open_any_nonce(cipher, nonce, &message.aad, out, tag)
        },
    },
];

/// The third of a group of four, of which the others are good and must open.
fn open_among_others(cipher: &Aes256Gcm, message: &Message, out: &mut [u8]) -> Result<(), Error> {
    const TEXT: [u8; 40] = [7; 40];
    let (nonce, text, tag) = parts(message);
    out.copy_from_slice(text);
    let mut texts = [TEXT; 3];
    let tags = texts.each_mut().map(|text| cipher.seal_in_place(&[9; NONCE], b"others", text).unwrap());
    let mut batch: Vec<_> = texts
        .iter_mut()
        .zip(tags)
        .map(|(text, tag)| OpenMessage::new([9; NONCE], b"others", &mut text[..], tag))
        .collect();
    batch.insert(2, OpenMessage::new(*nonce, &message.aad, out, *tag));
    cipher.open_many(&mut batch);
    let verdict = batch.remove(2).verdict;
    assert!(batch.iter().all(|good| good.verdict == Ok(()) && good.text == TEXT), "a forgery's neighbour opens");
    verdict
}

/// The nonce, the ciphertext and the tag.
fn parts(message: &Message) -> (&Nonce, &[u8], &Tag) {
    let (nonce, sealed) = message.bytes.split_first_chunk().unwrap();
    let (text, tag) = sealed.split_last_chunk().unwrap();
    (nonce, text, tag)
}
