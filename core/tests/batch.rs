//! Batches against portable's single calls: a kernel may interleave messages, and nobody may see it. The texts of a batch
//! stand in one buffer between bytes that must survive.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::mem::swap;

use common::{Bytes, backends};
use tablecrypt_core::{Aes256Gcm, Backend, Error, Key, Nonce, OpenMessage, SealMessage, Tag, open_many, seal_many};

const KEYS: [[u8; 32]; 3] =
    [*b"the first key, thirty-two bytes.", *b"another, which is as long as it.", *b"and one more, for good measure. "];
/// Fewer than a group of four, groups with every remainder, and many.
const COUNTS: &[usize] = &[0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 200];
/// Around the borders of vectors of 16, 32 and 64 bytes, and past the longest that is interleaved.
const LENGTHS: &[usize] = &[0, 1, 15, 16, 17, 47, 48, 49, 63, 64, 65, 79, 80, 81, 95, 96, 97, 112, 113, 256, 1000];
const AADS: &[usize] = &[0, 1, 13, 16, 17, 40, 300];
/// What stands around a text.
const FENCE: u8 = 0xa5;

/// A message, and what portable makes of it.
#[derive(Clone, PartialEq)]
struct Message {
    /// Which of KEYS.
    key: usize,
    nonce: Nonce,
    aad: Vec<u8>,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: Tag,
}

/// Makes a message one that must not open; the number says where. Nothing is to flip in what is empty.
type Spoil = fn(&mut Message, usize);

const SPOILS: &[(&str, Spoil)] = &[
    ("tag bit", |message, at| message.tag[at % 16] ^= 1 << (at / 16 % 8)),
    ("text byte", |message, at| flip(&mut message.sealed, at)),
    ("zero behind the text", |message, _| message.sealed.push(0)),
    ("AAD byte", |message, at| flip(&mut message.aad, at)),
    ("zero behind the AAD", |message, _| message.aad.push(0)),
    ("nonce byte", |message, at| flip(&mut message.nonce, at)),
];

#[test]
fn a_batch_of_every_length_is_as_single_calls() {
    for (backend, ciphers) in ciphers("a_batch_of_every_length_is_as_single_calls") {
        for keys in [1, 3] {
            let messages = of_every_length(&mut Bytes(11), keys);
            check(&ciphers.each_ref()[..keys], &messages, &format!("{} {keys} keys", backend.name()));
        }
    }
}

#[test]
fn a_batch_of_any_count_is_as_single_calls() {
    let ciphers = ciphers("a_batch_of_any_count_is_as_single_calls");
    let (reference, mut bytes) = (on(Backend::Portable), Bytes(12));
    for &length in LENGTHS {
        for (keys, aads) in [(1, AADS), (1, &[0]), (1, &[13]), (3, AADS)] {
            let mut make = |i: usize| message(&reference, &mut bytes, i % keys, length, aads[i % aads.len()]);
            let messages: Vec<_> = (0..200).map(&mut make).collect();
            for &count in COUNTS {
                for (backend, ciphers) in &ciphers {
                    let case = format!("{} {count} of {length}, AADs {aads:?}, {keys} keys", backend.name());
                    check(&ciphers.each_ref()[..keys], &messages[..count], &case);
                }
            }
        }
    }
}

#[test]
fn a_batch_under_keys_of_several_backends_is_as_single_calls() {
    let ciphers = ciphers("a_batch_under_keys_of_several_backends_is_as_single_calls");
    let messages = of_every_length(&mut Bytes(13), KEYS.len());
    let check_under = |backend: &dyn Fn(usize) -> usize, case: &str| {
        let keys = messages.iter().enumerate().map(|(i, message)| &ciphers[backend(i)].1[message.key]);
        check(&keys.collect::<Vec<_>>(), &messages, case);
    };
    for (first, (backend, _)) in ciphers.iter().enumerate() {
        check_under(&|i| (first + i) % ciphers.len(), &format!("all in turn from {}", backend.name()));
        for (other, (foreign, _)) in ciphers.iter().enumerate() {
            for place in [0, 1, 2, 3, 64, messages.len() - 1] {
                let case = format!("{}, but {} at {place}", backend.name(), foreign.name());
                check_under(&|i| if i == place { other } else { first }, &case);
            }
        }
    }
}

#[test]
fn bad_messages_of_a_group_clear_themselves_alone() {
    let ciphers = ciphers("bad_messages_of_a_group_clear_themselves_alone");
    let (reference, mut bytes) = (on(Backend::Portable), Bytes(14));
    for (&length, turn) in LENGTHS.iter().zip(0..) {
        // A group and one that is left over: every choice of bad ones among them, and over all lengths every bit of a tag.
        let mut make = |i: usize| message(&reference, &mut bytes, 0, length, AADS[(i + turn) % AADS.len()]);
        let good: Vec<_> = (0..5).map(&mut make).collect();
        for (what, spoil) in SPOILS {
            for choice in 0..1_usize << good.len() {
                let mut messages = good.clone();
                for (i, message) in messages.iter_mut().enumerate().filter(|(i, _)| choice >> i & 1 == 1) {
                    spoil(message, 29 * choice + 5 * i + turn);
                }
                for (backend, [cipher, ..]) in &ciphers {
                    let case = format!("{} {what} of {length}, bad ones {choice:05b}", backend.name());
                    check_open(&[cipher], &messages, &good, &case);
                }
            }
        }
    }
}

#[test]
fn bad_messages_of_any_length_and_key_clear_themselves_alone() {
    let good = of_every_length(&mut Bytes(15), KEYS.len());
    for (backend, ciphers) in ciphers("bad_messages_of_any_length_and_key_clear_themselves_alone") {
        for (what, spoil) in SPOILS {
            for each in [1, 2, 5, 100] {
                let mut messages = good.clone();
                messages.iter_mut().enumerate().step_by(each).for_each(|(i, message)| spoil(message, i));
                let case = format!("{} {what}, each {each}", backend.name());
                check_open(&ciphers.each_ref(), &messages, &good, &case);
            }
        }
    }
}

#[test]
fn a_nonce_aad_tag_or_key_serves_its_own_message_alone() {
    type Swap = fn(&mut Message, &mut Message);
    const SWAPS: &[(&str, Swap)] = &[
        ("nonces", |a, b| swap(&mut a.nonce, &mut b.nonce)),
        ("AADs", |a, b| swap(&mut a.aad, &mut b.aad)),
        ("tags", |a, b| swap(&mut a.tag, &mut b.tag)),
        ("keys", |a, b| swap(&mut a.key, &mut b.key)),
    ];
    // As alike as messages may be: one text, and nonces and AADs that differ in bits of one byte.
    let reference = on(Backend::Portable);
    let nonce = |i| [[0; 11].as_slice(), &[i]].concat();
    let make = |i: u8| sealed(&reference, usize::from(i) % 3, nonce(i), vec![i], vec![7; 50]);
    let good: Vec<_> = (0..6).map(make).collect();
    for (backend, ciphers) in ciphers("a_nonce_aad_tag_or_key_serves_its_own_message_alone") {
        check(&ciphers.each_ref(), &good, backend.name());
        for (i, j) in (0..good.len()).flat_map(|j| (0..j).map(move |i| (i, j))) {
            for (what, swap) in SWAPS {
                let mut messages = good.clone();
                let [a, b] = messages.get_disjoint_mut([i, j]).unwrap();
                swap(a, b);
                let keys: Vec<_> = messages.iter().map(|message| &ciphers[message.key]).collect();
                check_open(&keys, &messages, &good, &format!("{} {what} of {i} and {j}", backend.name()));
            }
        }
    }
}

/// Each backend of this CPU with KEYS expanded for it.
fn ciphers(test: &str) -> Vec<(Backend, [Aes256Gcm; 3])> {
    backends(test).into_iter().map(|backend| (backend, on(backend))).collect()
}

fn on(backend: Backend) -> [Aes256Gcm; 3] {
    KEYS.map(|key| Aes256Gcm::on(backend, &Key::from(key)).unwrap())
}

/// Lengths 0 to 130 in no order, under the first `keys` of KEYS in turn.
fn of_every_length(bytes: &mut Bytes, keys: usize) -> Vec<Message> {
    let reference = on(Backend::Portable);
    let mut lengths: Vec<usize> = (0..=130).collect();
    for i in (1..lengths.len()).rev() {
        lengths.swap(i, usize::try_from(bytes.next() >> 33).unwrap() % (i + 1));
    }
    let each = lengths.iter().zip(0..);
    each.map(|(&length, i)| message(&reference, bytes, i % keys, length, AADS[i % AADS.len()])).collect()
}

fn message(reference: &[Aes256Gcm; 3], bytes: &mut Bytes, key: usize, length: usize, aad: usize) -> Message {
    sealed(reference, key, bytes.take(12), bytes.take(aad), bytes.take(length))
}

fn sealed(reference: &[Aes256Gcm; 3], key: usize, nonce: Vec<u8>, aad: Vec<u8>, text: Vec<u8>) -> Message {
    let (nonce, mut sealed) = (nonce.try_into().unwrap(), text.clone());
    let tag = reference[key].seal_in_place(&nonce, &aad, &mut sealed).unwrap();
    Message { key, nonce, aad, text, sealed, tag }
}

fn flip(bytes: &mut [u8], at: usize) {
    if let Some(place) = at.checked_rem(bytes.len()) {
        bytes[place] ^= 0x10;
    }
}

/// Seals and opens `messages`, which must become what portable made of them. One key: by its methods; several: by the
/// free functions, each message under the next.
fn check(keys: &[&Aes256Gcm], messages: &[Message], case: &str) {
    let mut place = between_fences(messages.iter().map(|m| &m.text[..]));
    let sealing = messages.iter().zip(places(&mut place, messages.iter().map(|m| m.text.len())));
    let sealing = sealing.map(|(m, text)| SealMessage { nonce: m.nonce, aad: &m.aad, text, tag: [FENCE; 16] });
    let tags: Vec<_> = if let [key] = keys {
        let mut batch: Vec<_> = sealing.collect();
        key.seal_many(&mut batch).expect(case);
        batch.iter().map(|message| message.tag).collect()
    } else {
        let mut batch: Vec<_> = keys.iter().copied().cycle().zip(sealing).collect();
        seal_many(&mut batch).expect(case);
        batch.iter().map(|(_, message)| message.tag).collect()
    };
    assert!(tags.iter().eq(messages.iter().map(|m| &m.tag)), "{case}: tags");
    assert!(place == between_fences(messages.iter().map(|m| &m.sealed[..])), "{case}: sealed texts");
    check_open(keys, messages, messages, case);
}

/// Opens `messages`: those that are as in `good` open, the others are refused and cleared.
fn check_open(keys: &[&Aes256Gcm], messages: &[Message], good: &[Message], case: &str) {
    let mut place = between_fences(messages.iter().map(|m| &m.sealed[..]));
    let opening = messages.iter().zip(places(&mut place, messages.iter().map(|m| m.sealed.len())));
    let opening = opening.map(|(m, text)| OpenMessage::new(m.nonce, &m.aad, text, m.tag));
    let verdicts: Vec<_> = if let [key] = keys {
        let mut batch: Vec<_> = opening.collect();
        key.open_many(&mut batch);
        batch.iter().map(|message| message.verdict).collect()
    } else {
        let mut batch: Vec<_> = keys.iter().copied().cycle().zip(opening).collect();
        open_many(&mut batch);
        batch.iter().map(|(_, message)| message.verdict).collect()
    };
    let pairs = || messages.iter().zip(good);
    let expected = pairs().map(|(m, good)| if m == good { Ok(()) } else { Err(Error::Unauthentic) });
    assert!(expected.eq(verdicts.iter().copied()), "{case}: {verdicts:?}");
    let opened = pairs().map(|(m, good)| if m == good { &m.text[..] } else { &[0; 1024][..m.sealed.len()] });
    assert!(place == between_fences(opened), "{case}: opened texts");
}

/// The texts in one buffer with fences around them, at every distance from a multiple of 16.
fn between_fences<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut place = vec![FENCE; 65];
    texts.for_each(|text| place.extend([text, &[FENCE; 65]].into_iter().flatten()));
    place
}

/// Where texts of these lengths stand in what `between_fences` made.
fn places(place: &mut [u8], lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = &mut [u8]> {
    let mut rest = place;
    lengths.map(move |length| rest.split_off_mut(..65 + length).unwrap().split_at_mut(65).1)
}

#[test]
fn a_forged_message_does_not_hold_the_tag_that_it_should_have_had() {
    for backend in backends("a_forged_message_does_not_hold_the_tag_that_it_should_have_had") {
        let cipher = Aes256Gcm::on(backend, &Key::from([7; 32])).expect("it is available");
        let mut text = [3; 40];
        let tag = cipher.seal_in_place(&[1; 12], b"", &mut text).expect("short");
        let mut texts = [text; 5];
        let mut messages: Vec<_> =
            texts.iter_mut().map(|text| OpenMessage::new([1; 12], b"", text, [0xee; 16])).collect();
        let shown =
            |tag: &[u8; 16], messages: &[OpenMessage<'_>]| format!("{messages:?}").contains(&format!("{tag:?}"));
        cipher.open_many(&mut messages);
        assert!(messages.iter().all(|message| message.verdict == Err(Error::Unauthentic)));
        assert!(shown(&[0xee; 16], &messages), "the control: tags are shown");
        assert!(!shown(&tag, &messages), "{}", backend.name());
    }
}
