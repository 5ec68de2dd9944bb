//! Counters that wrap: every start from 64 before 2^32, under texts of 1 to 192 blocks.
//!
//! A counter starts there only after a nonce that is hashed; which nonce that is follows from GHASH, whose key is known
//! here.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockEncrypt, KeyInit};
use anyhow::{Result, ensure};
use tablecrypt_assurance::check::{Checker, Message, Way};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::share::share;
use tablecrypt_assurance::streams::Stream;

use super::{Found, Sweep};

const STARTS: u64 = 64;
/// Past five of the widest kernel's steps, which hits.rs counts one by one.
const BLOCKS: usize = 192;
/// Calls for one message.
const CALLS: u64 = 3;
const STREAM: u64 = 2 << 32;

pub(super) fn every_start(sweep: &Sweep) -> Result<Found> {
    // Whole blocks, and a last one that is not.
    let lengths: Vec<_> = (1..=BLOCKS)
        .filter(|blocks| !sweep.edges || blocks % 7 == 1)
        .flat_map(|blocks| [16 * blocks, 16 * blocks - 1 - blocks % 15])
        .collect();
    let room = Stream::new(sweep.seed, STREAM).bytes(16 * BLOCKS);
    let state = || (Checker::new(16 * BLOCKS, sweep.plant), Vec::new());
    let counted = share(sweep.threads, 1..STARTS + 1, state, |(checker, sealed), before| {
        let mut bytes = Stream::new(sweep.seed, STREAM + before);
        let key = bytes.array();
        let (ours, rivals) = (ours(&sweep.backends, &key), Rivals::new(&key));
        let associated = bytes.bytes(64);
        let mut calls = 0;
        for (i, length) in lengths.iter().enumerate() {
            let nonce = nonce(&rivals, &key, bytes.array(), before)?;
            let (aad, text) = (&associated[..i % 64], &room[..*length]);
            let tag = rivals.seal_hashed(&nonce, aad, text, sealed);
            let message = Message { nonce: &nonce, aad, text, sealed, tag };
            for ours in &ours {
                checker.seal(ours, Way::AnyNonce, (0, *length), &message)?;
                checker.open(ours, Way::AnyNonce, (0, i), &message)?;
                checker.refuse(ours, Way::AnyNonce, (0, i), &message, i)?;
                calls += CALLS;
            }
        }
        Ok(calls)
    })?;
    let backends = sweep.backends.len();
    Ok(Found {
        line: format!(
            "{STARTS} starts before 2^32 x {} lengths to {BLOCKS} blocks x {backends} backends, {CALLS} calls",
            lengths.len()
        ),
        expected: STARTS * (lengths.len() * backends) as u64 * CALLS,
        counted,
    })
}

/// The nonce after which J0 ends with 2^32 - `before`.
fn nonce(rivals: &Rivals, key: &[u8; 32], prefix: [u8; 12], before: u64) -> Result<[u8; 16]> {
    let mut j0 = [0; 16];
    j0[..12].copy_from_slice(&prefix);
    j0[12..].copy_from_slice(&((1 << 32) - before).to_be_bytes()[4..]);
    let nonce = rivals.nonce_for(&j0);
    // The tag of nothing is E(J0).
    let mut mask = j0.into();
    Aes256::new(key.into()).encrypt_block(&mut mask);
    let tag = rivals.seal_hashed(&nonce, b"", b"", &mut Vec::new());
    ensure!(tag == <[u8; 16]>::from(mask), "the nonce does not lead to the start that was wanted");
    Ok(nonce)
}
