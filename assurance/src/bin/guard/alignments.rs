//! Every distance of text and output from a multiple of 64, for every length, at most 63 bytes from a page without access.
//!
//! Portable, which is safe code, takes part in one pair of 64, so that it sees each length with each distance of either.

use anyhow::{Result, ensure};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::pages::Pages;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::share::share;
use tablecrypt_assurance::streams::Stream;
use tablecrypt_core::{Backend, Tag};

use super::{Calls, Edge};

const LONGEST: usize = 1024;
const WIDTH: usize = 64;
/// Sealed and opened from one place to another; in place, too, where both distances are the same.
const CALLS: u64 = 2;
/// What stands between an output and the page.
const FENCE: u8 = 0xa5;

pub(super) fn every_pair(backends: &[Backend], threads: usize) -> Result<Calls> {
    let mut bytes = Stream::new(7, 0);
    let (key, nonce, text, aad) = (bytes.array(), bytes.array(), bytes.bytes(LONGEST), bytes.bytes(40));
    let (ours, rivals) = (ours(backends, &key), Rivals::new(&key));
    // Under one nonce the ciphertext of a shorter text begins as that of a longer one; the tags differ.
    let mut sealed = Vec::new();
    let tag = |length: usize| rivals.seal(&nonce, &aad[..length % 41], &text[..length], &mut sealed);
    let tags: Vec<Tag> = (0..=LONGEST).map(tag).collect::<Result<_>>()?;

    let pairs = (2 * WIDTH * WIDTH) as u64;
    let state = || (Pages::new(2 * LONGEST), Pages::new(2 * LONGEST));
    let counted = share(threads, 0..pairs, state, |(input, output), pair| {
        let pair = pair as usize;
        let (edge, from, to) = (Edge::BOTH[pair % 2], pair / 2 % WIDTH, pair / 2 / WIDTH);
        let mut calls = 0;
        for (length, tag) in tags.iter().enumerate() {
            let (text, sealed, aad) = (&text[..length], &sealed[..length], &aad[..length % 41]);
            for ours in &ours {
                if ours.backend() == Backend::Portable && (from + to + length) % WIDTH != 0 {
                    continue;
                }
                let here = hold(input, edge, from, text);
                let (out, fence) = fenced(output, edge, to, length);
                let mut right = ours.seal_detached(&nonce, aad, here, out) == Ok(*tag) && out == sealed;
                right &= fence.iter().all(|byte| *byte == FENCE);
                let here = hold(input, edge, from, sealed);
                let (out, fence) = fenced(output, edge, to, length);
                right &= ours.open_detached(&nonce, aad, here, tag, out) == Ok(()) && out == text;
                calls += CALLS;
                if from == to {
                    right &= ours.seal_in_place(&nonce, aad, out) == Ok(*tag) && out == sealed;
                    right &= ours.open_in_place(&nonce, aad, out, tag) == Ok(()) && out == text;
                    calls += CALLS;
                }
                right &= fence.iter().all(|byte| *byte == FENCE);
                ensure!(right, "{ours:?}: text {length} at {from}, output at {to}, {edge:?}");
            }
        }
        Ok(calls)
    })?;

    // Portable: each length with 64 pairs, of which one has two equal distances, or two, or none.
    let (lengths, width) = (LONGEST as u64 + 1, WIDTH as u64);
    let wide = backends.len() as u64 - 1;
    let equal = |length: u64| (0..width).filter(|shift| (2 * shift + length).is_multiple_of(width)).count() as u64;
    let portable: u64 = (0..lengths).map(|length| width + equal(length)).sum();
    Ok(Calls { counted, expected: 2 * CALLS * (wide * lengths * (width * width + width) + portable) })
}

fn hold<'a>(pages: &'a mut Pages, edge: Edge, shift: usize, bytes: &[u8]) -> &'a mut [u8] {
    let place = match edge {
        Edge::End => pages.at_end(bytes.len(), gap(shift, bytes.len())),
        Edge::Start => pages.at_start(bytes.len(), shift),
    };
    place.copy_from_slice(bytes);
    place
}

/// An output, and what stands between it and the page.
fn fenced(pages: &mut Pages, edge: Edge, shift: usize, length: usize) -> (&mut [u8], &mut [u8]) {
    let (out, fence) = match edge {
        Edge::End => {
            let gap = gap(shift, length);
            pages.at_end(length + gap, 0).split_at_mut(length)
        }
        Edge::Start => {
            let (fence, out) = pages.at_start(shift + length, 0).split_at_mut(shift);
            (out, fence)
        }
    };
    fence.fill(FENCE);
    (out, fence)
}

/// The bytes behind a text that begins `shift` bytes from a multiple of 64, up to the next: a page begins at one.
const fn gap(shift: usize, length: usize) -> usize {
    (shift + length).next_multiple_of(WIDTH) - shift - length
}
