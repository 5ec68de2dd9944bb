//! Batches, each text of which stands beside pages of its own.

use anyhow::{Result, ensure};
use tablecrypt_assurance::ours;
use tablecrypt_assurance::pages::Pages;
use tablecrypt_assurance::rivals::Rivals;
use tablecrypt_assurance::streams::Stream;
use tablecrypt_core::{Aes256Gcm, Backend, OpenMessage, SealMessage, open_many, seal_many};

use super::{Calls, Edge};

/// Past the longest that is interleaved.
const LONGEST: usize = 160;
/// A group of four, and one that is left over.
const COUNT: usize = 5;
/// From one message of a batch to the next: all alike, or of several classes.
const STEPS: [usize; 4] = [0, 1, 16, 29];
/// Sealed and opened, by the method and by the free function.
const CALLS: u64 = 4;

/// A message of a batch, and what it must become.
struct Message {
    nonce: [u8; 12],
    aad: Vec<u8>,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

pub(super) fn at_pages(backends: &[Backend]) -> Result<Calls> {
    let mut bytes = Stream::new(8, 0);
    let key = bytes.array();
    let (ours, rivals) = (ours(backends, &key), Rivals::new(&key));
    let pages = || -> [Pages; COUNT] { core::array::from_fn(|_| Pages::new(2 * LONGEST)) };
    let (mut texts, mut aads) = (pages(), pages());
    let mut counted = 0;
    for length in 0..=LONGEST {
        for step in STEPS {
            let message = |i: usize| {
                let (nonce, aad) = (bytes.array(), bytes.bytes((length + 13 * i) % 50));
                let text = bytes.bytes((length + i * step) % (LONGEST + 1));
                let mut sealed = Vec::new();
                let tag = rivals.seal(&nonce, &aad, &text, &mut sealed)?;
                Ok(Message { nonce, aad, text, sealed, tag })
            };
            let messages: Vec<_> = (0..COUNT).map(message).collect::<Result<_>>()?;
            for edge in Edge::BOTH {
                for ours in &ours {
                    for alone in [true, false] {
                        let right = seal(ours, alone, edge, &messages, &mut texts, &mut aads)
                            && open(ours, alone, edge, &messages, &mut texts, &mut aads);
                        ensure!(right, "{ours:?}: {COUNT} texts of {length}, {step} from one to the next, {edge:?}");
                        counted += 2 * COUNT as u64;
                    }
                }
            }
        }
    }
    Ok(Calls { counted, expected: (2 * (LONGEST + 1) * STEPS.len() * COUNT * ours.len()) as u64 * CALLS })
}

fn seal(
    ours: &Aes256Gcm,
    alone: bool,
    edge: Edge,
    messages: &[Message],
    texts: &mut [Pages],
    aads: &mut [Pages],
) -> bool {
    let places = messages.iter().zip(texts.iter_mut().zip(aads));
    let batch = places.map(|(m, (text, aad))| {
        let (text, aad) = (edge.hold(text, &m.text), &*edge.hold(aad, &m.aad));
        SealMessage { nonce: m.nonce, aad, text, tag: [0; 16] }
    });
    let right = |found: &SealMessage<'_>, m: &Message| *found.text == *m.sealed && found.tag == m.tag;
    if alone {
        let mut batch: Vec<_> = batch.collect();
        ours.seal_many(&mut batch).is_ok() && batch.iter().zip(messages).all(|(found, m)| right(found, m))
    } else {
        let mut batch: Vec<_> = batch.map(|message| (ours, message)).collect();
        seal_many(&mut batch).is_ok() && batch.iter().zip(messages).all(|((_, found), m)| right(found, m))
    }
}

fn open(
    ours: &Aes256Gcm,
    alone: bool,
    edge: Edge,
    messages: &[Message],
    texts: &mut [Pages],
    aads: &mut [Pages],
) -> bool {
    let places = messages.iter().zip(texts.iter_mut().zip(aads));
    let batch = places.map(|(m, (text, aad))| {
        let (text, aad) = (edge.hold(text, &m.sealed), &*edge.hold(aad, &m.aad));
        OpenMessage::new(m.nonce, aad, text, m.tag)
    });
    let right = |found: &OpenMessage<'_>, m: &Message| *found.text == *m.text && found.verdict.is_ok();
    if alone {
        let mut batch: Vec<_> = batch.collect();
        ours.open_many(&mut batch);
        batch.iter().zip(messages).all(|(found, m)| right(found, m))
    } else {
        let mut batch: Vec<_> = batch.map(|message| (ours, message)).collect();
        open_many(&mut batch);
        batch.iter().zip(messages).all(|((_, found), m)| right(found, m))
    }
}
