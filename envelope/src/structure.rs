//! A structure of a table, where records are sealed and opened: the data path. No lock, no clock, no KMS.

use core::fmt;
use std::sync::Arc;

use crate::access::{Access, Purpose};
use crate::batch::{self, Item, MESSAGES};
use crate::counters::Count;
use crate::keys::StructureKeys;
use crate::record::{self, OVERHEAD, TEXT_AT};
use crate::unlocked::Unlocked;
use crate::{Error, Result};

/// A base table or an index. Clone it freely and use it from any thread.
///
/// `context` is what the record belongs to: an item's primary key, a page's file and number. It is authenticated and not
/// stored, and the record opens with the same context only. Records of another structure or table do not open here.
///
/// Any call gives what [`Connection::open_table`](crate::Connection::open_table) does if the keys are locked, and may have
/// waited for the KMS then; and [`Error::NoSuchStructure`] of an index that was dropped. Sealing and opening give further what
/// their sections name.
#[derive(Clone)]
pub struct Structure {
    access: Arc<Access>,
    pub(crate) id: u32,
}

impl Structure {
    pub(crate) fn new(access: Arc<Access>, id: u32) -> Self {
        Self { access, id }
    }

    /// Seals `text` into a new record, [`OVERHEAD`] bytes longer.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::NoRandom`].
    pub fn seal(&self, context: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        let mut record = vec![0; record::sealed_length(text.len())?];
        self.seal_into(context, text, &mut record)?;
        Ok(record)
    }

    /// Opens a record.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Unauthentic`], [`Error::UnknownKey`], [`Error::UnknownVersion`]; [`Error::TooLong`] for
    /// more than 64 GiB, which was never sealed.
    pub fn open(&self, context: &[u8], record: &[u8]) -> Result<Vec<u8>> {
        let mut text = vec![0; record.len().saturating_sub(OVERHEAD)];
        self.open_into(context, record, &mut text)?;
        Ok(text)
    }

    /// Seals `text` into the first bytes of `out`, and gives how many they are: the text's and [`OVERHEAD`].
    ///
    /// # Errors
    /// [`Error::OutputTooShort`], [`Error::TooLong`], [`Error::NoRandom`].
    #[inline]
    pub fn seal_into(&self, context: &[u8], text: &[u8], out: &mut [u8]) -> Result<usize> {
        let needed = record::sealed_length(text.len())?;
        let out = out.get_mut(..needed).ok_or_else(|| Error::OutputTooShort { needed })?;
        self.with_keys(Purpose::Seal, |keys| self.sealed(text.len(), keys.seal(context, Some(text), out)))?;
        Ok(needed)
    }

    /// Opens a record into the first bytes of `out`, and gives how many they are.
    ///
    /// # Errors
    /// As [`Structure::open`], and [`Error::OutputTooShort`].
    #[inline]
    pub fn open_into(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<usize> {
        let needed = record.len().saturating_sub(OVERHEAD);
        let out = out.get_mut(..needed).ok_or_else(|| Error::OutputTooShort { needed })?;
        self.with_keys(Purpose::Open, |keys| self.opened(needed, keys.open(context, record, out)))?;
        Ok(needed)
    }

    /// Seals in place: the text stands in `record` from byte 32 to 16 before its end, and `record` becomes the record.
    ///
    /// # Errors
    /// [`Error::Truncated`] if `record` is shorter than [`OVERHEAD`]; [`Error::TooLong`], [`Error::NoRandom`].
    #[inline]
    pub fn seal_in_place(&self, context: &[u8], record: &mut [u8]) -> Result<()> {
        if record.len() < OVERHEAD {
            return Err(Error::Truncated);
        }
        self.with_keys(Purpose::Seal, |keys| self.sealed(record.len() - OVERHEAD, keys.seal(context, None, record)))
    }

    /// Opens in place, and gives the text where it stands in `record`.
    ///
    /// # Errors
    /// As [`Structure::open`].
    #[inline]
    pub fn open_in_place<'a>(&self, context: &[u8], record: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let text = record.len().saturating_sub(OVERHEAD);
        self.with_keys(Purpose::Open, |keys| self.opened(text, keys.open_in_place(context, record)))?;
        let end = record.len() - (OVERHEAD - TEXT_AT);
        Ok(&mut record[TEXT_AT..end])
    }

    /// Seals many texts, each with its context.
    ///
    /// # Errors
    /// As [`Structure::seal`]; no record is given then.
    pub fn seal_many(&self, items: &[(&[u8], &[u8])]) -> Result<Vec<Vec<u8>>> {
        self.many(Purpose::Seal, items, |text| text.saturating_add(OVERHEAD), Self::seal_batch)?.into_iter().collect()
    }

    /// Opens many records, each with its context; each has an answer of its own.
    ///
    /// # Errors
    /// If the keys are locked: no record was looked at.
    pub fn open_many(&self, items: &[(&[u8], &[u8])]) -> Result<Vec<Result<Vec<u8>>>> {
        self.many(Purpose::Open, items, |record| record.saturating_sub(OVERHEAD), Self::open_batch)
    }

    /// Seals many texts, each into the first bytes of its output, with no allocation a record. Each item has an answer of
    /// its own: how many bytes those are, or an error of [`Structure::seal_into`].
    ///
    /// Up to 64 short records, of texts up to 1 KiB, are sealed together, which is faster than one by one.
    ///
    /// # Errors
    /// If the keys are locked: no text was looked at, and each item has this error too.
    #[inline]
    pub fn seal_many_into(&self, items: &mut [Item<'_>]) -> Result<()> {
        self.many_into(Purpose::Seal, items, Self::seal_batch)
    }

    /// Opens many records, each into the first bytes of its output, with no allocation a record. Each item has an answer
    /// of its own: how many bytes those are, or an error of [`Structure::open_into`]. One that is
    /// [`Error::Unauthentic`] has its own output cleared, and no other.
    ///
    /// # Errors
    /// If the keys are locked: no record was looked at, and each item has this error too.
    #[inline]
    pub fn open_many_into(&self, items: &mut [Item<'_>]) -> Result<()> {
        self.many_into(Purpose::Open, items, Self::open_batch)
    }

    /// Whether an operation would find its keys now, without waiting for the KMS. Costs one atomic read; the next moment
    /// may be another.
    #[inline]
    #[must_use]
    pub fn is_unlocked(&self) -> bool {
        self.access.is_unlocked()
    }

    /// Its keys, for operations that never wait for the KMS; None where one would have to, or would fail, for want of keys.
    #[inline(always)]
    #[must_use]
    pub fn unlocked(&self) -> Option<Unlocked<'_>> {
        Some(Unlocked::new(self, self.access.keys_now()?, Purpose::Open))
    }

    /// The same, but waits for the KMS where it has to.
    ///
    /// # Errors
    /// If the keys are locked.
    pub fn wait_to_open(&self) -> Result<Unlocked<'_>> {
        Ok(Unlocked::new(self, self.access.wait(Purpose::Open)?, Purpose::Open))
    }

    /// The same, for operations that seal: they go on while the table drains ([`drain`](crate::ServiceBuilder::drain)).
    ///
    /// # Errors
    /// If the keys are locked.
    pub fn wait_to_seal(&self) -> Result<Unlocked<'_>> {
        Ok(Unlocked::new(self, self.access.wait(Purpose::Seal)?, Purpose::Seal))
    }

    /// Each batch into new buffers, made when it is its turn.
    fn many(
        &self,
        purpose: Purpose,
        items: &[(&[u8], &[u8])],
        length: impl Fn(usize) -> usize,
        batch: impl Fn(&Self, &StructureKeys, &mut [Item<'_>]),
    ) -> Result<Vec<Result<Vec<u8>>>> {
        self.with_keys(purpose, |keys| {
            let mut answers = Vec::with_capacity(items.len());
            for items in items.chunks(MESSAGES) {
                let mut outs: Vec<_> = items.iter().map(|(_, input)| vec![0; length(input.len())]).collect();
                let places = items.iter().zip(&mut outs);
                let mut items: Vec<_> = places.map(|((context, input), out)| Item::new(context, input, out)).collect();
                batch(self, keys, &mut items);
                let written: Vec<_> = items.into_iter().map(|item| item.written).collect();
                answers.extend(written.into_iter().zip(outs).map(|(written, out)| written.map(|_| out)));
            }
            Ok(answers)
        })
    }

    #[inline]
    fn many_into(
        &self,
        purpose: Purpose,
        items: &mut [Item<'_>],
        batch: impl Fn(&Self, &StructureKeys, &mut [Item<'_>]),
    ) -> Result<()> {
        let answered = self.with_keys(purpose, |keys| {
            batch(self, keys, items);
            Ok(())
        });
        if let Err(error) = &answered {
            items.iter_mut().for_each(|item| item.written = Err(error.clone()));
        }
        answered
    }

    #[inline]
    pub(crate) fn seal_batch(&self, keys: &StructureKeys, items: &mut [Item<'_>]) {
        batch::seal(keys, items);
        self.count_batch(items, (Count::Sealed, Count::SealedBytes), OVERHEAD);
    }

    #[inline]
    pub(crate) fn open_batch(&self, keys: &StructureKeys, items: &mut [Item<'_>]) {
        batch::open(keys, items);
        self.count_batch(items, (Count::Opened, Count::OpenedBytes), 0);
    }

    #[inline]
    fn count_batch(&self, items: &[Item<'_>], (records, bytes): (Count, Count), overhead: usize) {
        let done = items.iter().filter_map(|item| item.written.as_ref().ok());
        let (done, text) = done.fold((0, 0), |(done, text), written| (done + 1, text + (written - overhead)));
        let shard = self.access.permission().counters().shard();
        shard.add(records, done);
        shard.add(bytes, text);
        shard.add(Count::Refused, items.len() - done);
        shard.add(Count::Batched, items.len().saturating_sub(1));
    }

    /// Counts a text that was sealed, or refused.
    #[inline(always)]
    pub(crate) fn sealed(&self, bytes: usize, sealed: Result<()>) -> Result<()> {
        self.count((Count::Sealed, Count::SealedBytes), bytes, sealed)
    }

    /// Counts a record that was opened, or refused.
    #[inline(always)]
    pub(crate) fn opened(&self, bytes: usize, opened: Result<()>) -> Result<()> {
        self.count((Count::Opened, Count::OpenedBytes), bytes, opened)
    }

    #[inline(always)]
    fn count(&self, (records, bytes): (Count, Count), length: usize, done: Result<()>) -> Result<()> {
        let shard = self.access.permission().counters().shard();
        if done.is_ok() {
            shard.add(records, 1);
            shard.add(bytes, length);
        } else {
            shard.add(Count::Refused, 1);
        }
        done
    }

    #[inline(always)]
    fn with_keys<T>(&self, purpose: Purpose, f: impl FnOnce(&StructureKeys) -> Result<T>) -> Result<T> {
        self.access.with_keys(purpose, |keys| match keys.structure(self.id) {
            Some(structure) => f(structure),
            None => Err(Error::NoSuchStructure { name: self.id.to_string() }),
        })
    }
}

impl fmt::Debug for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Structure({}, {})", self.access.permission().table(), self.id)
    }
}
