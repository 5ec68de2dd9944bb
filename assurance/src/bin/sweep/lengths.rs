//! Every length of text under lengths of AAD: sealed, opened, and refused with a bit of the tag changed.

use anyhow::Result;
use tablecrypt_assurance::check::{Checker, Message, WAYS};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::share::share;
use tablecrypt_assurance::streams::Stream;

use super::{Found, Sweep};

/// Past sixteen steps of the widest kernel.
const LONGEST: usize = 8192;
/// None, a part of a block, whole ones and one byte more; each number of blocks, up to eight, that is hashed with one
/// reduction; and many.
const AADS: [usize; 18] = [0, 1, 13, 15, 16, 17, 33, 48, 64, 80, 96, 100, 113, 128, 129, 256, 1000, 4096];
/// In the middle of large lengths.
const LARGE: [usize; 2] = [64 << 10, 1 << 20];

/// Calls for one message.
const CALLS: u64 = 3;

/// Every length, under every AAD; with `--edges` those around edges, each under two AADs.
pub(super) fn every_length(sweep: &Sweep) -> Result<Found> {
    let lengths: Vec<_> = (0..=LONGEST).filter(|length| !sweep.edges || is_edge(*length)).collect();
    let aads = |length: usize| -> Vec<usize> {
        if sweep.edges { vec![AADS[length % 18], AADS[(length / 16 + 7) % 18]] } else { AADS.to_vec() }
    };
    let each = aads(0).len();
    let backends = sweep.backends.len();
    Ok(Found {
        line: format!("{} lengths of 0 to {LONGEST} x {each} AADs x {backends} backends, {CALLS} calls", lengths.len()),
        expected: (lengths.len() * each * backends) as u64 * CALLS,
        counted: run(sweep, 0, &lengths, aads)?,
    })
}

/// 64 KiB and 1 MiB, and 64 bytes less to 64 more, each under one AAD.
pub(super) fn large(sweep: &Sweep) -> Result<Found> {
    let reach = if sweep.edges { 1 } else { 64 };
    let middles = if sweep.edges { &LARGE[..1] } else { &LARGE };
    let lengths: Vec<_> = middles.iter().flat_map(|middle| middle - reach..=middle + reach).collect();
    let backends = sweep.backends.len();
    Ok(Found {
        line: format!("{} lengths around {middles:?} x {backends} backends, {CALLS} calls", lengths.len()),
        expected: (lengths.len() * backends) as u64 * CALLS,
        counted: run(sweep, 1 << 32, &lengths, |length| vec![AADS[length % 18]])?,
    })
}

/// A new key each length; `stream` is the first of the streams that make them.
fn run(sweep: &Sweep, stream: u64, lengths: &[usize], aads: impl Fn(usize) -> Vec<usize> + Sync) -> Result<u64> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    // All texts are parts of one.
    let room = Stream::new(sweep.seed, stream).bytes(longest + 64);
    let state = || (Checker::new(longest, sweep.plant), Vec::new());
    share(sweep.threads, 0..lengths.len() as u64, state, |(checker, sealed), number| {
        let length = lengths[number as usize];
        let mut bytes = Stream::new(sweep.seed, stream + 1 + number);
        let key = bytes.array();
        let (ours, rivals) = (ours(&sweep.backends, &key), Rivals::new(&key));
        let associated = bytes.bytes(*AADS.last().expect("eighteen"));
        let text = &room[length % 64..][..length];
        let mut calls = 0;
        for (i, aad) in aads(length).into_iter().enumerate() {
            let (aad, nonce) = (&associated[..aad], bytes.array());
            let tag = rivals.seal(&nonce, aad, text, sealed)?;
            let message = Message { nonce: &nonce, aad, text, sealed, tag };
            // From one to the next another call, and other distances from multiples of 64.
            let way = |call| WAYS[(length + i + call) % WAYS.len()];
            let shifts = (7 * length + 13 * i, 3 * length + 29 * i);
            for ours in &ours {
                checker.seal(ours, way(0), shifts, &message)?;
                checker.open(ours, way(1), shifts, &message)?;
                checker.refuse(ours, way(2), shifts, &message, 5 * length + 11 * i)?;
                calls += CALLS;
            }
        }
        Ok(calls)
    })
}

/// Around blocks while a message may be short, around steps of all kernels after that.
fn is_edge(length: usize) -> bool {
    let near = |multiple: usize, reach: usize| (length + reach) % multiple <= 2 * reach;
    length <= 128 || length <= 1160 && near(16, 1) || length <= 4200 && near(128, 1) || near(512, 1)
}
