//! Session keys that open: derived from the prefixes of the records that were read last, and kept.
//!
//! Derived keys lie in key memory, which a forked child has not got: it derives them anew. (session.rs has those that seal.)

use std::sync::Arc;

use tablecrypt_core::{Aes256Gcm, PREFIX, Xaes256Gcm};
use tablecrypt_os::KeyBox;

use crate::Result;
use crate::keys::alive;
use crate::sync::Swap;

/// Derived keys of the records that were read last.
pub(crate) struct Readers {
    slots: [Swap<Derived>; READERS],
}

/// Derived keys that one data key keeps at the most.
const READERS: usize = 64;

/// What a data key derives from a prefix.
pub(crate) struct Derived {
    pub(crate) prefix: [u8; PREFIX],
    cipher: KeyBox<Aes256Gcm>,
}

impl Derived {
    fn new(key: &KeyBox<Xaes256Gcm>, prefix: &[u8; PREFIX]) -> Result<Self> {
        let key = alive(key)?;
        Ok(Self { prefix: *prefix, cipher: KeyBox::new(|| key.derive(prefix)) })
    }

    /// The key; an error in a process that was forked since it was derived.
    #[inline(always)]
    pub(crate) fn cipher(&self) -> Result<&Aes256Gcm> {
        alive(&self.cipher)
    }
}

impl Default for Readers {
    fn default() -> Self {
        Self { slots: [const { Swap::empty() }; READERS] }
    }
}

impl Readers {
    /// Calls `open` with the key of this prefix. Only one that opened something is kept, so that forged records cannot
    /// push out the others.
    #[inline(always)]
    pub(crate) fn with_key<T>(
        &self,
        key: &KeyBox<Xaes256Gcm>,
        prefix: &[u8; PREFIX],
        open: impl FnOnce(&Aes256Gcm) -> Result<T>,
    ) -> Result<T> {
        let slot = self.slot(prefix);
        if let Some(derived) = slot.load()
            && derived.prefix == *prefix
        {
            return open(derived.cipher()?);
        }
        let derived = Derived::new(key, prefix)?;
        let opened = open(derived.cipher()?)?;
        slot.store_lazily(Some(Arc::new(derived)));
        Ok(opened)
    }

    /// The key of this prefix for a whole batch, and whether it is a new one: [`Readers::keep`] that if it opened something.
    pub(crate) fn find(&self, key: &KeyBox<Xaes256Gcm>, prefix: &[u8; PREFIX]) -> Result<(Arc<Derived>, bool)> {
        match self.slot(prefix).load_full() {
            Some(derived) if derived.prefix == *prefix => Ok((derived, false)),
            _ => Ok((Arc::new(Derived::new(key, prefix)?), true)),
        }
    }

    /// Keeps a key that opened something.
    pub(crate) fn keep(&self, derived: Arc<Derived>) {
        self.slot(&derived.prefix).store_lazily(Some(derived));
    }

    /// Where the key of this prefix is kept. Prefixes are random: any of their bytes chooses a slot evenly.
    #[inline(always)]
    fn slot(&self, prefix: &[u8; PREFIX]) -> &Swap<Derived> {
        &self.slots[usize::from(prefix[0]) % READERS]
    }
}
