//! Calls every entry point of one backend, with what is secret marked: what `scan/` follows instruction by instruction.
//!
//! `entries <backend>`, or `entries <backend> few` for some calls only; `entries backends` for those of this CPU; `entries
//! controls`: functions that leak, each in a way of its own, called as `control <name>`.
//!
//! Secret are the key, the text, and the tag that a key computes. Ciphertext and tag are public once they were given, the
//! verdict of open by its nature.

use core::hint::black_box;
use std::process::ExitCode;

use tablecrypt_constant_time::{leaks, marks};
use tablecrypt_core::{
    Aes256Gcm, Backend, Key, OpenMessage, SealMessage, XNonce, Xaes256Gcm, hazmat, open_many, seal_many,
};

const NONCE: [u8; 12] = [1; 12];
static AAD: [u8; 300] = [2; 300];
const LONGEST: usize = 3500;
/// Of the lengths each so many-th: an emulated CPU is a hundred times as slow.
const SOME: usize = if cfg!(target_arch = "aarch64") { 4 } else { 1 };

fn main() -> ExitCode {
    let Some(word) = std::env::args().nth(1) else { return ExitCode::FAILURE };
    let mut here = Backend::ALL.iter().copied().filter(|backend| backend.is_available());
    if word == "backends" {
        here.for_each(|backend| println!("{}", backend.name()));
    } else if word == "controls" {
        controls();
    } else if let Some(backend) = here.find(|backend| backend.name() == word) {
        let mut place = Place { text: [0; LONGEST], out: [0; LONGEST] };
        marks::begin(backend.name());
        if std::env::args().nth(2).is_some_and(|word| word == "few") {
            few(backend, &mut place);
        } else {
            run(backend, &mut place);
        }
        marks::end();
    } else {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn controls() {
    let mut secret = [3_u8; 16];
    marks::begin("control none");
    marks::hide(&mut secret);
    black_box(leaks::sum(&secret));
    marks::name("control branch");
    black_box(leaks::branch(secret[0]));
    marks::name("control look-up");
    black_box(leaks::look_up(secret[1]));
    marks::name("control early exit");
    black_box(leaks::early_exit(&secret, &[3; 16]));
    marks::name("control division");
    black_box(leaks::divide(secret[2]));
    marks::end();
}

struct Place {
    text: [u8; LONGEST],
    out: [u8; LONGEST],
}

fn run(backend: Backend, place: &mut Place) {
    marks::name("on");
    let cipher = Aes256Gcm::on(backend, &secret_key());
    let cipher = cipher.as_ref().expect("it is here");
    let other = Aes256Gcm::on(backend, &secret_key());
    let other = other.as_ref().expect("it is here");
    let foreign = if cfg!(target_arch = "x86_64") { Backend::Armv8 } else { Backend::Vaes512 };
    assert!(Aes256Gcm::on(foreign, &secret_key()).is_none(), "it is of another architecture");
    if backend == Backend::best() {
        marks::name("new");
        black_box(&Aes256Gcm::new(&secret_key()));
    }
    // A first long message makes powers of H in its key: with each way to come there.
    for length in [112, 600, 1500] {
        marks::name("the first long message");
        let fresh = Aes256Gcm::on(backend, &secret_key());
        message(fresh.as_ref().expect("it is here"), &AAD, place, length);
    }
    for (i, length) in LENGTHS.iter().copied().enumerate().step_by(SOME) {
        message(cipher, &AAD[..AADS[i % AADS.len()]], place, length);
    }
    for (aad, i) in AADS.into_iter().zip(0..) {
        for length in [300, 1 + i, 600 + 16 * i, 17 + 3 * i, 0, 16, 48, 70, 96, 97 + i].into_iter().step_by(SOME) {
            message(cipher, &AAD[..aad], place, length);
        }
    }
    for (i, length) in [0, 1, 40, 16, 500, 96, 1500, 1024, 2500].into_iter().enumerate().step_by(SOME.div_ceil(2)) {
        any_nonce(cipher, &AAD[..AADS[i]], place, length);
    }
    let lengths = [0, 1, 7, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 97, 112];
    for length in lengths.into_iter().step_by(SOME * SOME) {
        batch(cipher, other, &AAD[..AADS[length % AADS.len()]], place, length);
    }
    // Whole blocks, of AAD too, are a way of their own.
    for (length, aad) in [(16, 16), (32, 32), (48, 0), (64, 48), (64, 112)].into_iter().step_by(SOME) {
        batch(cipher, other, &AAD[..aad], place, length);
    }
    xaes(backend, place);
}

fn few(backend: Backend, place: &mut Place) {
    marks::name("on");
    let cipher = Aes256Gcm::on(backend, &secret_key());
    for length in [0, 20, 70, 700] {
        message(cipher.as_ref().expect("it is here"), &AAD[..AADS[length % AADS.len()]], place, length);
    }
}

/// AAD of each kind: none, part of a block, one, some with a rest and without, more than one reduction takes.
const AADS: [usize; 14] = [0, 16, 13, 32, 1, 37, 128, 17, 160, 299, 144, 255, 48, 7];

/// All shapes of what ends a message: whole blocks and not, of each number that a flight may have; and some steps before.
static LENGTHS: [usize; 233] = lengths();

const fn lengths() -> [usize; 233] {
    let (mut lengths, mut count) = ([0; 233], 0);
    while count < 105 {
        lengths[count] = count;
        count += 1;
    }
    // To two steps of the widest kernel and more, by whole blocks and three bytes less or more.
    let mut block = 7;
    while block < 71 {
        lengths[count] = 16 * block;
        lengths[count + 1] = 16 * block + [3, 13][block % 2];
        (count, block) = (count + 2, block + 1);
    }
    lengths
}

fn message(cipher: &Aes256Gcm, aad: &[u8], place: &mut Place, length: usize) {
    let (text, out) = (&mut place.text[..length], &mut place.out[..length]);
    marks::hide(text);
    marks::name("seal_in_place");
    let mut tag = cipher.seal_in_place(&NONCE, aad, text).expect("short");
    marks::show(text);
    marks::show(&mut tag);
    marks::name("open_detached");
    let mut verdict = cipher.open_detached(&NONCE, aad, text, &tag, out).is_ok();
    marks::show_value(&mut verdict);
    assert!(verdict);
    marks::name("open_in_place, forged");
    tag[length % 16] ^= 0x10;
    let mut verdict = cipher.open_in_place(&NONCE, aad, text, &tag).is_ok();
    marks::show_value(&mut verdict);
    assert!(!verdict);
}

fn any_nonce(cipher: &Aes256Gcm, aad: &[u8], place: &mut Place, length: usize) {
    let text = &mut place.text[..length];
    for nonce in [40, 16, 7, 12, 200].map(|length| &AAD[..length]) {
        marks::hide(text);
        marks::name("seal_any_nonce");
        let mut tag = hazmat::seal_any_nonce(cipher, nonce, aad, text).expect("short");
        marks::show(text);
        marks::show(&mut tag);
        marks::name("open_any_nonce");
        let mut verdict = hazmat::open_any_nonce(cipher, nonce, aad, text, &tag).is_ok();
        marks::show_value(&mut verdict);
        assert!(verdict);
    }
}

/// Messages of a batch, and the bytes that each may have.
const BATCH: usize = 14;
const EACH: usize = 250;

/// Thirteen messages of a length and one that is longer: a group of eight, one of four, one that is left over, and one alone; under
/// one key, and told for each, which is one or, if the length is odd, two.
fn batch(cipher: &Aes256Gcm, other: &Aes256Gcm, aad: &[u8], place: &mut Place, length: usize) {
    for keys in [None, Some([cipher, if length.is_multiple_of(2) { cipher } else { other }])] {
        let lengths: [usize; BATCH] = core::array::from_fn(|i| if i < BATCH - 1 { length } else { length + 130 });
        place.text.chunks_mut(EACH).zip(lengths).for_each(|(text, length)| marks::hide(&mut text[..length]));
        let mut texts = place.text.chunks_mut(EACH).zip(lengths).map(|(text, length)| &mut text[..length]);
        let key = |i: usize| keys.unwrap_or([cipher; 2])[i % 2];
        let mut messages = core::array::from_fn::<_, BATCH, _>(|i| {
            let text = texts.next().expect("a place for each");
            (key(i), SealMessage { nonce: [i as u8; 12], aad, text, tag: [0; 16] })
        });
        marks::name("seal_many");
        let mut tags = if keys.is_some() {
            seal_many(&mut messages).expect("short");
            messages.map(|(_, message)| message.tag)
        } else {
            let mut messages = messages.map(|(_, message)| message);
            cipher.seal_many(&mut messages).expect("short");
            messages.map(|message| message.tag)
        };
        tags.iter_mut().for_each(|tag| marks::show(tag));
        marks::show(&mut place.text);
        let mut texts = place.text.chunks_mut(EACH).zip(lengths).map(|(text, length)| &mut text[..length]);
        let mut messages = core::array::from_fn::<_, BATCH, _>(|i| {
            let text = texts.next().expect("a place for each");
            (key(i), OpenMessage::new([i as u8; 12], aad, text, tags[i]))
        });
        marks::name("open_many");
        let opened = if keys.is_some() {
            open_many(&mut messages);
            marks::show_value(&mut messages);
            messages.iter().filter(|(_, message)| message.verdict.is_ok()).count()
        } else {
            let mut messages = messages.map(|(_, message)| message);
            cipher.open_many(&mut messages);
            marks::show_value(&mut messages);
            messages.iter().filter(|message| message.verdict.is_ok()).count()
        };
        assert_eq!(opened, BATCH);
    }
}

fn xaes(backend: Backend, place: &mut Place) {
    marks::name("xaes on");
    let xaes = Xaes256Gcm::on(backend, &secret_key());
    let xaes = xaes.as_ref().expect("it is here");
    let nonce: XNonce = [5; 24];
    for length in [0, 100, 1000] {
        let text = &mut place.text[..length];
        marks::hide(text);
        marks::name("xaes seal");
        let mut tag = xaes.seal_in_place(&nonce, &AAD, text).expect("short");
        marks::show(text);
        marks::show(&mut tag);
        marks::name("xaes open");
        let mut verdict = xaes.open_in_place(&nonce, &AAD, text, &tag).is_ok();
        marks::show_value(&mut verdict);
        assert!(verdict);
    }
    marks::name("drop");
}

fn secret_key() -> Key {
    let mut bytes = [0x5a; 32];
    marks::hide(&mut bytes);
    Key::from(bytes)
}
