//! Each buffer of a call right before a page without access, then each right behind one.

use anyhow::{Result, ensure};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::pages::Pages;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::share::share;
use tablecrypt_assurance::streams::Stream;
use tablecrypt_core::{Aes256Gcm, Backend, Error, Key, Xaes256Gcm};

use super::{Calls, Edge};

/// Past the longest step, twice.
const LONGEST: usize = 1024;
/// Around blocks, and each number of blocks that is hashed with one reduction.
const AADS: [usize; 18] = [0, 1, 7, 8, 13, 15, 16, 17, 31, 32, 33, 48, 64, 80, 100, 113, 129, 300];
/// Calls under one backend: sealed and opened, apart and in place, and a forgery apart and in place.
const CALLS: u64 = 6;

/// A place for each buffer.
struct Places {
    input: Pages,
    output: Pages,
    aad: Pages,
    nonce: Pages,
    tag: Pages,
}

impl Places {
    fn new() -> Self {
        let pages = || Pages::new(LONGEST + 16);
        Self { input: pages(), output: pages(), aad: pages(), nonce: pages(), tag: pages() }
    }
}

pub(super) fn at_pages(backends: &[Backend], threads: usize) -> Result<Calls> {
    let key = Stream::new(5, 0).array();
    let (ours, rivals) = (ours(backends, &key), Rivals::new(&key));
    let state = || (Places::new(), Vec::new());
    let counted = share(threads, 0..LONGEST as u64 + 1, state, |(places, sealed), length| {
        let length = length as usize;
        let mut bytes = Stream::new(5, 1 + length as u64);
        let mut calls = 0;
        for aad in AADS {
            let (nonce, aad, text) = (bytes.array(), bytes.bytes(aad), bytes.bytes(length));
            let tag = rivals.seal(&nonce, &aad, &text, sealed)?;
            for edge in Edge::BOTH {
                for ours in &ours {
                    let right = one(places, edge, ours, (&nonce, &aad, &text), (sealed, &tag));
                    ensure!(right, "{ours:?}: text {length}, AAD {}, {edge:?}", aad.len());
                    calls += CALLS;
                }
            }
        }
        Ok(calls)
    })?;
    Ok(Calls { counted, expected: (2 * (LONGEST + 1) * AADS.len() * ours.len()) as u64 * CALLS })
}

/// All calls for one message; whether each gave what it must.
fn one(
    places: &mut Places,
    edge: Edge,
    ours: &Aes256Gcm,
    (nonce, aad, text): (&[u8; 12], &[u8], &[u8]),
    (sealed, tag): (&[u8], &[u8; 16]),
) -> bool {
    let aad = edge.hold(&mut places.aad, aad);
    let nonce: &[u8; 12] = (&*edge.hold(&mut places.nonce, nonce)).try_into().expect("twelve bytes");
    let length = text.len();

    let input = edge.hold(&mut places.input, text);
    let out = edge.at(&mut places.output, length);
    let mut right = ours.seal_detached(nonce, aad, input, out) == Ok(*tag) && out == sealed;
    let out = edge.hold(&mut places.output, text);
    right &= ours.seal_in_place(nonce, aad, out) == Ok(*tag) && out == sealed;

    let given: &mut [u8; 16] = edge.hold(&mut places.tag, tag).try_into().expect("sixteen bytes");
    let input = edge.hold(&mut places.input, sealed);
    let out = edge.at(&mut places.output, length);
    right &= ours.open_detached(nonce, aad, input, given, out) == Ok(()) && out == text;
    let out = edge.hold(&mut places.output, sealed);
    right &= ours.open_in_place(nonce, aad, out, given) == Ok(()) && out == text;

    given[length % 16] ^= 4;
    let out = edge.hold(&mut places.output, text);
    right &= ours.open_detached(nonce, aad, input, given, out) == Err(Error::Unauthentic);
    right &= out.iter().all(|byte| *byte == 0);
    let out = edge.hold(&mut places.output, sealed);
    right &= ours.open_in_place(nonce, aad, out, given) == Err(Error::Unauthentic);
    right && out.iter().all(|byte| *byte == 0)
}

/// Sealed with the tag attached and in place, and opened so.
const XAES_CALLS: u64 = 4;

pub(super) fn xaes_at_pages(backends: &[Backend], threads: usize) -> Result<Calls> {
    let key = Stream::new(6, 0).array::<32>();
    let on = |backend: &Backend| Xaes256Gcm::on(*backend, &Key::from(&key)).expect("an available backend");
    let ours: Vec<_> = backends.iter().map(on).collect();
    let counted = share(threads, 0..LONGEST as u64 + 1, Places::new, |places, length| {
        let length = length as usize;
        let mut bytes = Stream::new(6, 1 + length as u64);
        let (nonce, aad, text) = (bytes.array::<24>(), bytes.bytes(length % 35), bytes.bytes(length));
        // What must come out is portable's: of XAES's own part the known answers are the test.
        let mut sealed = vec![0; length + 16];
        ours.last().expect("portable").seal(&nonce, &aad, &text, &mut sealed)?;
        let (body, tag) = sealed.split_at(length);
        let mut calls = 0;
        for edge in Edge::BOTH {
            let aad = edge.hold(&mut places.aad, &aad);
            let nonce: &[u8; 24] = (&*edge.hold(&mut places.nonce, &nonce)).try_into().expect("24 bytes");
            for ours in &ours {
                let input = edge.hold(&mut places.input, &text);
                let out = edge.at(&mut places.output, length + 16);
                let mut right = ours.seal(nonce, aad, input, out).is_ok() && out == sealed;
                let out = edge.hold(&mut places.output, &text);
                right &= ours.seal_in_place(nonce, aad, out).is_ok_and(|found| found == tag) && out == body;
                let input = edge.hold(&mut places.input, &sealed);
                let out = edge.at(&mut places.output, length);
                right &= ours.open(nonce, aad, input, out).is_ok() && out == text;
                let given: &[u8; 16] = (&*edge.hold(&mut places.tag, tag)).try_into().expect("sixteen bytes");
                let out = edge.hold(&mut places.output, body);
                right &= ours.open_in_place(nonce, aad, out, given).is_ok() && out == text;
                ensure!(right, "{ours:?}: text {length}, AAD {}, {edge:?}", aad.len());
                calls += XAES_CALLS;
            }
        }
        Ok(calls)
    })?;
    Ok(Calls { counted, expected: (2 * (LONGEST + 1) * ours.len()) as u64 * XAES_CALLS })
}
