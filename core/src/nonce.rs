//! Lengths and names of the public values beside a key. Fixed-size arrays: a wrong length does not compile.

/// The length of a [`Nonce`] in bytes.
pub const NONCE: usize = 12;
/// The length of an [`XNonce`] in bytes.
pub const XNONCE: usize = 24;
/// The bytes of an [`XNonce`] that choose the derived key; the other twelve are that key's [`Nonce`].
pub const PREFIX: usize = XNONCE - NONCE;
/// The length of a [`Tag`] in bytes. Shorter tags are not offered.
pub const TAG: usize = 16;

/// A 96-bit nonce of AES-256-GCM. Never twice under one key.
pub type Nonce = [u8; NONCE];
/// A 192-bit nonce of XAES-256-GCM, long enough to be random.
pub type XNonce = [u8; XNONCE];
/// A 128-bit authentication tag.
pub type Tag = [u8; TAG];
