//! Random messages, in rounds of 64: each alone by every backend, and all in batches.
//!
//! A round is made of the seed and its number alone, so a run can be stopped and go on, and a failure is had again with
//! `--from`.

use core::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tablecrypt_assurance::check::{Checker, Fault, Message, Plant, WAYS, Way, failure};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::share::share;
use tablecrypt_assurance::streams::Stream;
use tablecrypt_core::{Aes256Gcm, Backend, Error, OpenMessage, SealMessage, open_many, seal_many};

use super::{Found, Sweep};

pub(super) struct Random {
    pub(super) messages: u64,
    pub(super) from: u64,
    pub(super) portable_each: u64,
}

/// Messages a round.
const ROUND: u64 = 64;
/// Calls for one message: sealed and opened alone, sealed and opened in a batch.
const CALLS: u64 = 4;
const LONGEST: usize = 64 << 10;
const LONGEST_AAD: usize = 4096;
const STREAM: u64 = 4 << 32;
/// Seconds from one line of progress to the next.
const PROGRESS: u64 = 30;
/// What stands around a text of a batch.
const FENCE: [u8; 33] = [0xa5; 33];

/// One of a round, and what the rivals made of it.
struct Random64 {
    keys: Vec<[u8; 32]>,
    messages: Vec<Owned>,
}

struct Owned {
    key: usize,
    nonce: [u8; 12],
    aad: Vec<u8>,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

impl Random {
    pub(super) fn run(&self, sweep: &Sweep) -> Result<Found> {
        let rounds = self.from / ROUND..(self.from + self.messages).div_ceil(ROUND);
        let with = |round: u64| -> Vec<Backend> {
            let takes_part =
                |backend: &&Backend| **backend != Backend::Portable || round.is_multiple_of(self.portable_each);
            sweep.backends.iter().filter(takes_part).copied().collect()
        };
        let (start, said) = (Instant::now(), AtomicU64::new(0));
        let counted = share(
            sweep.threads,
            rounds.clone(),
            || Checker::new(LONGEST, sweep.plant),
            |checker, round| {
                let seconds = start.elapsed().as_secs();
                if seconds >= said.load(Ordering::Relaxed) + PROGRESS {
                    said.store(seconds, Ordering::Relaxed);
                    let done = (round - rounds.start) * ROUND;
                    // Another thread may be some rounds behind.
                    let again = round.saturating_sub(1000).max(rounds.start) * ROUND;
                    eprintln!(
                        "random: {done} messages in {seconds} s, {} a second; --from {again} goes on",
                        done / seconds
                    );
                }
                let calls = self::round(sweep, checker, &with(round), round);
                calls
                    .with_context(|| format!("again with --only random --seed {} --from {}", sweep.seed, round * ROUND))
            },
        )?;
        let expected = rounds.clone().map(|round| ROUND * CALLS * with(round).len() as u64).sum();
        let messages = (rounds.end - rounds.start) * ROUND;
        Ok(Found { line: format!("{messages} random messages of seed {}", sweep.seed), expected, counted })
    }
}

fn round(sweep: &Sweep, checker: &mut Checker, backends: &[Backend], number: u64) -> Result<u64> {
    let mut bytes = Stream::new(sweep.seed, STREAM + number);
    let round = Random64::new(&mut bytes)?;
    let keys: Vec<_> = round.keys.iter().map(|key| ours(backends, key)).collect();
    let mut calls = 0;
    for (backend, _) in backends.iter().enumerate() {
        for message in &round.messages {
            let (ours, message) = (&keys[message.key][backend], &message.borrow());
            let mut shifts = || (bytes.below(0..64), bytes.below(0..64));
            let (here, there) = (shifts(), shifts());
            checker.seal(ours, *bytes.one_of(&WAYS), here, message)?;
            // One of eight is not to open.
            match bytes.below(0..8) {
                0 => checker.refuse(ours, *bytes.one_of(&WAYS), there, message, bytes.below(0..128))?,
                _ => checker.open(ours, *bytes.one_of(&WAYS), there, message)?,
            }
            calls += 2;
        }
        let mut rest = &round.messages[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(1 + bytes.below(0..rest.len()));
            let keys: Vec<_> = batch.iter().map(|message| &keys[message.key][backend]).collect();
            let forged = if bytes.below(0..4) == 0 { bytes.below(0..batch.len()) } else { usize::MAX };
            seal_batch(&keys, batch, sweep.plant)?;
            open_batch(&keys, batch, forged, sweep.plant)?;
            calls += 2 * batch.len() as u64;
            rest = after;
        }
    }
    Ok(calls)
}

impl Random64 {
    /// Mostly short, mostly at edges; under one key or three. In one round of four many of one size side by side, as rows of a table.
    fn new(bytes: &mut Stream) -> Result<Self> {
        let keys: Vec<[u8; 32]> = (0..*bytes.one_of(&[1, 1, 3])).map(|_| bytes.array()).collect();
        let rivals: Vec<_> = keys.iter().map(Rivals::new).collect();
        let rows = bytes.below(0..4) == 0;
        let mut row = (0, 0);
        let message = |i| {
            if rows && (i == 0 || bytes.below(0..32) == 0) {
                row = (row_length(bytes), *bytes.one_of(&[0, 13, 16, 32, 48, 64, 96]));
            }
            let key = if rows && bytes.below(0..32) > 0 { 0 } else { bytes.below(0..keys.len()) };
            let (text, aad) = if rows { row } else { (text_length(bytes), aad_length(bytes)) };
            let (nonce, aad, text) = (bytes.array(), bytes.bytes(aad), bytes.bytes(text));
            let mut sealed = Vec::new();
            let tag = rivals[key].seal(&nonce, &aad, &text, &mut sealed)?;
            Ok(Owned { key, nonce, aad, text, sealed, tag })
        };
        let messages = (0..ROUND).map(message).collect::<Result<_>>()?;
        Ok(Self { keys, messages })
    }
}

fn text_length(bytes: &mut Stream) -> usize {
    match bytes.below(0..1000) {
        0..450 => bytes.below(0..131),
        450..800 => {
            let (unit, up_to) = *bytes.one_of(&[(16, 24), (64, 12), (128, 12), (256, 8), (512, 6)]);
            (unit * bytes.below(0..up_to + 1) + bytes.below(0..5)).saturating_sub(2)
        }
        800..980 => bytes.below(0..1500),
        980..998 => bytes.below(0..8192),
        _ => bytes.below(0..LONGEST + 1),
    }
}

/// Up to four blocks, mostly whole ones.
fn row_length(bytes: &mut Stream) -> usize {
    match bytes.below(0..4) {
        0 => bytes.below(0..66),
        _ => 16 * bytes.below(1..5),
    }
}

fn aad_length(bytes: &mut Stream) -> usize {
    match bytes.below(0..100) {
        0..40 => *bytes.one_of(&[0, 8, 13, 16, 32]),
        40..99 => bytes.below(0..300),
        _ => bytes.below(0..LONGEST_AAD + 1),
    }
}

impl Owned {
    fn borrow(&self) -> Message<'_> {
        Message { nonce: &self.nonce, aad: &self.aad, text: &self.text, sealed: &self.sealed, tag: self.tag }
    }
}

/// Seals a batch where it stands: under one key by its method, under several by the free function.
fn seal_batch(keys: &[&Aes256Gcm], batch: &[Owned], plant: Option<Plant>) -> Result<()> {
    let mut place = in_one_buffer(batch.iter().map(|message| &message.text[..]));
    let mut messages: Vec<_> = keys
        .iter()
        .copied()
        .zip(batch.iter().zip(places(&mut place, batch)))
        .map(|(key, (m, text))| (key, SealMessage { nonce: m.nonce, aad: &m.aad, text, tag: [0; 16] }))
        .collect();
    if batch.iter().all(|message| message.key == batch[0].key) {
        let mut alone: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
        keys[0].seal_many(&mut alone)?;
        messages = keys.iter().copied().zip(alone).collect();
    } else {
        seal_many(&mut messages)?;
    }
    for ((key, found), expected) in messages.iter_mut().zip(batch) {
        if Plant::hits(plant, Fault::SealMany, key.backend(), expected.text.len()) {
            found.text[0] ^= 1;
        }
        let right = found.tag == expected.tag && *found.text == *expected.sealed;
        ensure!(right, failure(key, "seal_many", Way::InPlace, &expected.borrow(), what(batch)));
    }
    drop(messages);
    let whole = in_one_buffer(batch.iter().map(|message| &message.sealed[..]));
    ensure!(place == whole, failure(keys[0], "seal_many", Way::InPlace, &batch[0].borrow(), "it wrote past an output"));
    Ok(())
}

/// Opens a batch where it stands; the one that is forged is refused and cleared, the others open.
fn open_batch(keys: &[&Aes256Gcm], batch: &[Owned], forged: usize, plant: Option<Plant>) -> Result<()> {
    let mut place = in_one_buffer(batch.iter().map(|message| &message.sealed[..]));
    let mut messages: Vec<_> = keys
        .iter()
        .copied()
        .zip(batch.iter().zip(places(&mut place, batch)).enumerate())
        .map(|(key, (i, (m, text)))| {
            let mut tag = m.tag;
            tag[i % 16] ^= u8::from(i == forged) << (i % 8);
            (key, OpenMessage::new(m.nonce, &m.aad, text, tag))
        })
        .collect();
    if batch.iter().all(|message| message.key == batch[0].key) {
        let mut alone: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
        keys[0].open_many(&mut alone);
        messages = keys.iter().copied().zip(alone).collect();
    } else {
        open_many(&mut messages);
    }
    for (i, ((key, found), expected)) in messages.iter_mut().zip(batch).enumerate() {
        if Plant::hits(plant, Fault::OpenMany, key.backend(), expected.text.len()) {
            found.text[0] ^= 1;
        }
        let right = if i == forged {
            found.verdict == Err(Error::Unauthentic) && found.text.iter().all(|byte| *byte == 0)
        } else {
            found.verdict.is_ok() && *found.text == *expected.text
        };
        ensure!(right, failure(key, "open_many", Way::InPlace, &expected.borrow(), what(batch)));
    }
    drop(messages);
    let zeros = vec![0; LONGEST];
    let opened = |(i, m): (usize, &Owned)| if i == forged { zeros[..m.text.len()].to_vec() } else { m.text.clone() };
    let opened: Vec<_> = batch.iter().enumerate().map(opened).collect();
    let whole = in_one_buffer(opened.iter().map(Vec::as_slice));
    ensure!(place == whole, failure(keys[0], "open_many", Way::InPlace, &batch[0].borrow(), "it wrote past an output"));
    Ok(())
}

fn what(batch: &[Owned]) -> String {
    format!("in a batch of {}", batch.len())
}

/// The texts one after the other, with fences around them.
fn in_one_buffer<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut place = FENCE.to_vec();
    texts.for_each(|text| place.extend([text, &FENCE].into_iter().flatten()));
    place
}

/// Where they stand.
fn places<'a>(place: &'a mut [u8], batch: &[Owned]) -> impl Iterator<Item = &'a mut [u8]> {
    let mut rest = place;
    batch.iter().map(move |message| {
        let text = rest.split_off_mut(..FENCE.len() + message.text.len()).expect("it was made so");
        text.split_at_mut(FENCE.len()).1
    })
}
