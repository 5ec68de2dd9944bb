//! A structure's keys held for a moment, for callers that must not wait: an event loop, an interpreter with a lock of its own.
//!
//! An operation of [`Structure`] waits for the KMS where it finds no keys. Whoever may not wait asks for the keys first, by
//! [`Structure::unlocked`]: either they are there, and the operations here cannot wait, or there is nothing to operate with; and
//! waits for them elsewhere, by [`Structure::wait_to_open`] or [`Structure::wait_to_seal`]. To ask
//! [`Structure::is_unlocked`] and then call the structure would leave a moment between the two, in which a timer may wipe the keys.

use core::fmt;

use crate::access::Purpose;
use crate::batch::Item;
use crate::keys::{Keys, StructureKeys};
use crate::record::{self, OVERHEAD};
use crate::structure::Structure;
use crate::sync::Guard;
use crate::{Error, Result};

/// A structure whose keys are there: no operation of it waits. It keeps them alive when they are wiped for all others, so hold
/// it for an operation and no longer.
pub struct Unlocked<'a> {
    structure: &'a Structure,
    keys: Guard<'a, Keys>,
    /// Keys to seal with may be those of a table that drains, which opens nothing.
    purpose: Purpose,
}

impl<'a> Unlocked<'a> {
    pub(crate) const fn new(structure: &'a Structure, keys: Guard<'a, Keys>, purpose: Purpose) -> Self {
        Self { structure, keys, purpose }
    }

    /// As [`Structure::seal_into`].
    ///
    /// # Errors
    /// [`Error::OutputTooShort`], [`Error::TooLong`], [`Error::NoRandom`].
    #[inline]
    pub fn seal_into(&self, context: &[u8], text: &[u8], out: &mut [u8]) -> Result<usize> {
        let needed = record::sealed_length(text.len())?;
        let out = out.get_mut(..needed).ok_or_else(|| Error::OutputTooShort { needed })?;
        self.structure.sealed(text.len(), self.keys()?.seal(context, Some(text), out))?;
        Ok(needed)
    }

    /// As [`Structure::open_into`].
    ///
    /// # Errors
    /// [`Error::OutputTooShort`]; and as [`Structure::open`]. [`Error::Locked`] after [`Structure::wait_to_seal`].
    #[inline]
    pub fn open_into(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<usize> {
        let needed = record.len().saturating_sub(OVERHEAD);
        let out = out.get_mut(..needed).ok_or_else(|| Error::OutputTooShort { needed })?;
        self.structure.opened(needed, self.keys_to_open()?.open(context, record, out))?;
        Ok(needed)
    }

    /// As [`Structure::seal_many_into`].
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`] if it was dropped.
    pub fn seal_many_into(&self, items: &mut [Item<'_>]) -> Result<()> {
        self.structure.seal_batch(self.keys()?, items);
        Ok(())
    }

    /// As [`Structure::open_many_into`].
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`] if it was dropped; [`Error::Locked`] after [`Structure::wait_to_seal`].
    pub fn open_many_into(&self, items: &mut [Item<'_>]) -> Result<()> {
        self.structure.open_batch(self.keys_to_open()?, items);
        Ok(())
    }

    #[inline(always)]
    fn keys_to_open(&self) -> Result<&StructureKeys> {
        if self.purpose == Purpose::Open { self.keys() } else { Err(Error::Locked) }
    }

    #[inline(always)]
    fn keys(&self) -> Result<&StructureKeys> {
        let keys = self.keys.structure(self.structure.id);
        keys.ok_or_else(|| Error::NoSuchStructure { name: self.structure.id.to_string() })
    }
}

impl fmt::Debug for Unlocked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlocked({:?})", self.structure)
    }
}
