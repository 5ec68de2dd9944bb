//! A 256-bit key as the caller holds it: bytes that are wiped when they are dropped.

use core::fmt;

use zeroize::Zeroize;

/// The length of a [`Key`] in bytes.
pub const KEY: usize = 32;

/// A 256-bit key, not expanded. It is neither copied nor printed, and it is wiped when it is dropped.
pub struct Key([u8; KEY]);

impl Key {
    /// The bytes of the key: for wrapping it under another key, for nothing else.
    #[must_use]
    pub const fn expose(&self) -> &[u8; KEY] {
        &self.0
    }

    /// A key of zeros, for whoever has a place of its own for a key and fills it there with [`Key::expose_mut`].
    #[must_use]
    pub const fn zeroed() -> Self {
        Self([0; KEY])
    }

    /// The bytes of the key, to be written where they lie.
    pub const fn expose_mut(&mut self) -> &mut [u8; KEY] {
        &mut self.0
    }

    /// A zero key to be filled in place, so that no second copy of the bytes is ever made.
    ///
    /// # Errors
    /// What `fill` returns; the half-filled key is wiped.
    pub fn fill_with<E>(fill: impl FnOnce(&mut [u8; KEY]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self([0; KEY]);
        fill(&mut key.0)?;
        Ok(key)
    }

    /// The key whose halves these are.
    pub(crate) fn joined(halves: &[[u8; KEY / 2]; 2]) -> Self {
        let mut key = Self([0; KEY]);
        key.0.copy_from_slice(halves.as_flattened());
        key
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize(); // as a slice: at once, not byte by byte
    }
}

impl From<[u8; KEY]> for Key {
    /// Takes the bytes; the caller's copy, if there is one, is the caller's to wipe.
    fn from(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }
}

impl From<&[u8; KEY]> for Key {
    fn from(bytes: &[u8; KEY]) -> Self {
        Self(*bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
