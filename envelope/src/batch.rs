//! Many short records at once: laid out first, then sealed or opened by one call of the core, which interleaves them.
//!
//! ```text
//! items    | context, text, out | context, text, out | ...           at most 64 of them, 4 KiB of AAD
//!                |      |    |
//!                |      +----+--> out: head | text | tag             the text is copied to where it is sealed
//!                +--> scratch: header | context                      so that the AAD lies in one piece
//! core     seal_many under the session's key; open_many under one key, or under several
//! ```
//!
//! Memory stays what one batch takes, however many items there are. A long text is sealed or opened on its own, from its
//! place to the output: a copy of it would cost more than its batch saves.

use core::mem;
use std::sync::Arc;

use tablecrypt_core::{self as gcm, Aes256Gcm, InOutBuf, Nonce, OpenMessage, PREFIX, SealMessage, TAG};

use crate::keys::{DataKey, StructureKeys};
use crate::readers::Derived;
use crate::record::{self, HEADER, OVERHEAD, Parts};
use crate::session::Session;
use crate::{Error, Result};

/// One text to seal, or one record to open, of [`Structure::seal_many_into`](crate::Structure::seal_many_into) or
/// [`open_many_into`](crate::Structure::open_many_into).
#[derive(Debug)]
pub struct Item<'a> {
    /// What the record belongs to.
    pub context: &'a [u8],
    /// The text to seal, or the record to open.
    pub input: &'a [u8],
    /// Where the record or the text goes: the first bytes of it.
    pub out: &'a mut [u8],
    /// Afterwards how many bytes those are, or why there are none; 0 until then.
    pub written: Result<usize>,
}

impl<'a> Item<'a> {
    /// An item to seal or to open.
    #[must_use]
    pub const fn new(context: &'a [u8], input: &'a [u8], out: &'a mut [u8]) -> Self {
        Self { context, input, out, written: Ok(0) }
    }

    /// The length of its AAD.
    #[inline]
    const fn aad(&self) -> usize {
        HEADER.saturating_add(self.context.len())
    }

    /// Whether it is too long to be laid out with others.
    #[inline]
    const fn is_alone(&self) -> bool {
        self.input.len() > SHORT || self.aad() > SCRATCH
    }
}

/// Seals all items; each has an answer of its own.
#[inline]
pub(crate) fn seal(keys: &StructureKeys, mut items: &mut [Item<'_>]) {
    let key = keys.current();
    while !items.is_empty() {
        match key.writer.draw(&key.key, |session| seal_first(key, session, items)) {
            Ok((_, done)) => items = &mut items[done..],
            Err(error) => {
                items.iter_mut().for_each(|item| item.written = Err(error.clone()));
                return;
            }
        }
    }
}

/// Opens all items; each has an answer of its own.
#[inline]
pub(crate) fn open(keys: &StructureKeys, mut items: &mut [Item<'_>]) {
    while !items.is_empty() {
        let done = open_first(keys, items);
        items = &mut items[done..];
    }
}

/// Seals the first items, as many as make a batch under this session, and gives how many; None where the session has no
/// nonce for the first.
#[inline]
fn seal_first(key: &DataKey, session: &Session, items: &mut [Item<'_>]) -> Option<usize> {
    let (cipher, mut nonces) = session.nonces()?;
    let most = items.len().min(MESSAGES);
    let (mut messages, mut tags) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let mut scratch = [0; SCRATCH];
    let mut room = &mut scratch[..];
    let mut done = 0;
    for item in items {
        let (needed, is_alone) = (item.input.len() + OVERHEAD, item.is_alone());
        if !is_alone && (messages.len() == MESSAGES || item.aad() > room.len()) {
            break;
        }
        let Some(out) = item.out.get_mut(..needed) else {
            (item.written, done) = (Err(Error::OutputTooShort { needed }), done + 1);
            continue;
        };
        let Some(rest) = nonces.next(item.input.len() as u64) else { break };
        done += 1;
        if is_alone {
            item.written =
                seal_alone(key, cipher, &session.prefix, &rest, (item.context, item.input), out).map(|()| needed);
            continue;
        }
        item.written = Ok(needed);
        if let Some((head, text, tag)) = record::places(out) {
            *head = record::head(key.number, &session.prefix, &rest);
            text.copy_from_slice(item.input);
            let aad = lay_aad(&mut room, record::header(key.number), item.context);
            messages.push(SealMessage { nonce: rest, aad, text, tag: [0; TAG] });
            tags.push(tag);
        }
    }
    // Not passed over: the texts stand in the outputs.
    cipher.seal_many(&mut messages).expect("SHORT and SCRATCH are below the limits");
    for (tag, message) in tags.into_iter().zip(&messages) {
        *tag = message.tag;
    }
    (done > 0).then_some(done)
}

/// A text that is too long to be laid out with others.
#[inline(never)]
fn seal_alone(
    key: &DataKey,
    cipher: &Aes256Gcm,
    prefix: &[u8; PREFIX],
    rest: &Nonce,
    (context, text): (&[u8], &[u8]),
    out: &mut [u8],
) -> Result<()> {
    key.seal_under(cipher, prefix, rest, context, Some(text), out)
}

/// Opens the first items, as many as make a batch under a few derived keys, and gives how many: one at least.
#[inline]
fn open_first(keys: &StructureKeys, items: &mut [Item<'_>]) -> usize {
    let mut held = Vec::<Held<'_>>::with_capacity(1);
    // Under which of them an item is; or that it has its answer already.
    let mut under = [ANSWERED; MESSAGES];
    let mut left = SCRATCH;
    let mut done = 0;
    for (item, under) in items.iter_mut().zip(&mut under) {
        match find(keys, &mut held, item) {
            Ok(None) => break,
            Err(error) => item.written = Err(error),
            Ok(Some(index)) if item.is_alone() => item.written = held[index].open_alone(item),
            Ok(Some(index)) if item.aad() <= left => {
                left -= item.aad();
                *under = index;
            }
            Ok(Some(_)) => break,
        }
        done += 1;
    }

    let items = &mut items[..done];
    let mut scratch = [0; SCRATCH];
    let verdicts = open_laid(&held, items, &under, &mut scratch);
    let answered = items.iter_mut().zip(under).filter(|(_, index)| *index != ANSWERED);
    for ((item, index), verdict) in answered.zip(verdicts) {
        held[index].has_opened |= verdict.is_ok();
        item.written = verdict.map(|()| item.input.len() - OVERHEAD).map_err(Error::from);
    }
    held.into_iter().for_each(Held::keep);
    done
}

/// The derived key that an item is under; None where the batch holds too many already.
#[inline]
fn find<'k>(keys: &'k StructureKeys, held: &mut Vec<Held<'k>>, item: &Item<'_>) -> Result<Option<usize>> {
    let needed = item.input.len().saturating_sub(OVERHEAD);
    if item.out.len() < needed {
        return Err(Error::OutputTooShort { needed });
    }
    let parts = record::parse(item.input)?;
    let is_its = |held: &Held<'_>| held.derived.prefix == *parts.prefix && held.key.number == parts.number;
    if let Some(index) = held.iter().position(is_its) {
        return Ok(Some(index));
    }
    let key = keys.key(parts.number)?;
    if held.len() == KEYS {
        return Ok(None);
    }
    let (derived, is_new) = key.readers.find(&key.key, parts.prefix)?;
    held.push(Held { key, derived, is_new, has_opened: false });
    Ok(Some(held.len() - 1))
}

/// Lays the items out that have no answer yet, opens them, and gives the verdict of each.
#[inline]
fn open_laid<'a>(
    held: &[Held<'_>],
    items: &'a mut [Item<'_>],
    under: &[usize],
    mut room: &'a mut [u8],
) -> Vec<Result<(), gcm::Error>> {
    // Loops, not iterators: those move each message several times.
    let laid = items.iter_mut().zip(under).filter(|(_, index)| **index != ANSWERED);
    if let [held] = held
        && let Ok(cipher) = held.derived.cipher()
    {
        let mut messages = Vec::with_capacity(under.len());
        for (item, _) in laid {
            if let Some(message) = lay(item, &mut room) {
                messages.push(message);
            }
        }
        cipher.open_many(&mut messages);
        messages.iter().map(|message| message.verdict).collect()
    } else {
        // Under keys of their own they are no faster at once.
        let mut verdicts = Vec::with_capacity(under.len());
        for (item, index) in laid {
            if let (Some(message), Ok(cipher)) = (lay(item, &mut room), held[*index].derived.cipher()) {
                verdicts.push(cipher.open_in_place(&message.nonce, message.aad, message.text, &message.tag));
            }
        }
        verdicts
    }
}

/// Copies a record's ciphertext to where it is opened, and lays out its AAD.
#[inline]
fn lay<'a>(item: &'a mut Item<'_>, room: &mut &'a mut [u8]) -> Option<OpenMessage<'a>> {
    let parts = record::parse(item.input).ok()?;
    let text = item.out.get_mut(..parts.text.len())?;
    text.copy_from_slice(parts.text);
    let aad: &'a [u8] = lay_aad(room, record::header(parts.number), item.context);
    Some(OpenMessage::new(*parts.rest, aad, text, *parts.tag))
}

/// A derived key that a batch opens with.
struct Held<'k> {
    key: &'k DataKey,
    derived: Arc<Derived>,
    /// Whether the readers' cache has it not.
    is_new: bool,
    has_opened: bool,
}

impl Held<'_> {
    #[inline(never)]
    fn open_alone(&mut self, item: &mut Item<'_>) -> Result<usize> {
        let Parts { rest, text, tag, .. } = record::parse(item.input)?;
        let needed = text.len();
        let out = item.out.get_mut(..needed).ok_or_else(|| Error::OutputTooShort { needed })?;
        let text = InOutBuf::new(text, out).map_err(|_| Error::OutputTooShort { needed })?;
        let cipher = self.derived.cipher()?;
        record::with_aad(self.key.number, item.context, |aad| cipher.open_inout(rest, aad, text, tag))?;
        self.has_opened = true;
        Ok(needed)
    }

    /// For the next batch, if it opened something: forged records must not push out the others.
    fn keep(self) {
        if self.is_new && self.has_opened {
            self.key.readers.keep(self.derived);
        }
    }
}

/// Takes the AAD's bytes from `room`, which has them, and writes the AAD there.
#[inline]
fn lay_aad<'a>(room: &mut &'a mut [u8], header: [u8; HEADER], context: &[u8]) -> &'a [u8] {
    let (aad, rest) = mem::take(room).split_at_mut(HEADER + context.len());
    *room = rest;
    aad[..HEADER].copy_from_slice(&header);
    aad[HEADER..].copy_from_slice(context);
    aad
}

/// Messages of one batch at the most.
pub(crate) const MESSAGES: usize = 64;
/// Bytes of AAD in one batch: 56 of context for each of its messages.
const SCRATCH: usize = 4096;
/// Bytes of the longest input that is laid out with others.
const SHORT: usize = 1024;
/// Derived keys of one batch at the most.
const KEYS: usize = 8;
/// Stands for the index of a derived key where none is needed any more.
const ANSWERED: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use tablecrypt_core::Key;

    use super::*;

    fn key() -> DataKey {
        DataKey::new(1, &Key::from([1; 32]), Arc::default())
    }

    #[test]
    fn session_that_ends_within_a_batch_is_followed_by_another() {
        let keys = &StructureKeys::of(key());
        let key = keys.current();
        key.writer.draw(&key.key, |session| session.leave(100)).unwrap();
        let mut records = vec![[0_u8; OVERHEAD + 4]; 300];
        let mut items: Vec<_> = records.iter_mut().map(|record| Item::new(b"key", b"text", record)).collect();
        seal(keys, &mut items);
        assert!(items.iter().all(|item| matches!(item.written, Ok(52))));
        let of_first = records.iter().take_while(|record| record[8..20] == records[0][8..20]).count();
        assert_eq!(of_first, 100);
        let mut nonces: Vec<_> = records.iter().map(|record| &record[8..32]).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 300);
        let mut texts = vec![[0; 4]; 300];
        let places = records.iter().zip(&mut texts);
        let mut items: Vec<_> = places.map(|(record, text)| Item::new(b"key", record, text)).collect();
        open(keys, &mut items);
        assert!(items.iter().all(|item| matches!(item.written, Ok(4))));
        assert!(texts.iter().all(|text| text == b"text"));
    }

    #[test]
    fn forged_records_push_no_key_out_of_the_cache() {
        let keys = &StructureKeys::of(key());
        let (key, mut record) = (keys.current(), [0; OVERHEAD]);
        let mut items = [Item::new(b"", b"", &mut record)];
        seal(keys, &mut items);
        let prefix = *record::parse(&record).unwrap().prefix;
        let is_new = || key.readers.find(&key.key, &prefix).unwrap().1;
        assert!(is_new());
        open(keys, &mut [Item::new(b"", &record, &mut [])]);
        assert!(!is_new());
        // Prefixes that share its slot, all forged.
        let forged: Vec<_> = (1..100_u8)
            .map(|i| {
                let mut forged = record;
                forged[9] ^= i;
                forged
            })
            .collect();
        let mut items: Vec<_> = forged.iter().map(|record| Item::new(b"", record, &mut [])).collect();
        open(keys, &mut items);
        assert!(items.iter().all(|item| matches!(item.written, Err(Error::Unauthentic))));
        assert!(!is_new());
    }
}
