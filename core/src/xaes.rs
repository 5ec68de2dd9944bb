//! XAES-256-GCM (C2SP): AES-256-GCM with nonces of 192 bits, long enough to be random.
//!
//! ```text
//! nonce  = prefix (12) | rest (12)
//! L      = AES(K, 0), K1 = 2 L in GF(2^128)                                            once a key
//! Kx     = AES(K, 00 01 'X' 00 prefix ^ K1) | AES(K, 00 02 'X' 00 prefix ^ K1)         once a prefix: two blocks
//! sealed = AES-256-GCM(Kx, rest, aad, text)
//! ```
//!
//! The derived key can be kept ([`Xaes256Gcm::derive`]): then a message costs what plain GCM costs.

use core::fmt;

use aead::inout::InOutBuf;
use zeroize::Zeroize;

use crate::backend::Expanded;
use crate::{Aes256Gcm, Backend, Error, Key, NONCE, Nonce, PREFIX, TAG, Tag, XNonce, ct};

/// XAES-256-GCM under one key. Neither copied nor printed; wiped when it is dropped.
pub struct Xaes256Gcm {
    /// The key, as AES. Its GCM is never used.
    key: Aes256Gcm,
    /// The CMAC subkey K1.
    subkey: Subkey,
}

/// K1 as a number, its first byte the highest.
struct Subkey(u128);

impl Subkey {
    /// Takes a key that is then dropped, and the key is expanded once more where it will stand: one that was asked for a
    /// block before it is wrapped is moved, and what it leaves on the stack is its round keys.
    #[inline(never)]
    fn of(key: &Aes256Gcm) -> Self {
        let mut block = [[0; TAG]];
        key.encrypt_blocks(&mut block);
        let doubled = double(u128::from_be_bytes(block[0]));
        block.zeroize();
        Self(doubled)
    }
}

impl Drop for Subkey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Xaes256Gcm {
    /// Expands `key` for the best backend of this CPU.
    #[inline(never)] // as `Aes256Gcm::new`
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let once = Aes256Gcm::new(key);
        let subkey = Subkey::of(&once);
        ct::clear_stack::<256>();
        Expanded::best(key, |expanded| Self { key: Aes256Gcm::over(expanded), subkey })
    }

    /// Expands `key` for one backend; None where this CPU or this build does not have it.
    #[inline(never)] // as `Aes256Gcm::new`
    #[must_use]
    pub fn on(backend: Backend, key: &Key) -> Option<Self> {
        let once = Aes256Gcm::on(backend, key);
        let subkey = Subkey::of(once.as_ref()?);
        ct::clear_stack::<256>();
        Expanded::make(backend, key, |expanded| Self { key: Aes256Gcm::over(expanded), subkey })
    }

    /// The backend that the key was expanded for, and derived keys will be.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.key.backend()
    }

    /// The key of all nonces that begin with `prefix`: plain AES-256-GCM, whose nonces are their other twelve bytes.
    #[must_use]
    pub fn derive(&self, prefix: &[u8; PREFIX]) -> Aes256Gcm {
        let [a, b, c] =
            [0, 4, 8].map(|at| u32::from_be_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]));
        let prefix = u128::from(a) << 64 | u128::from(b) << 32 | u128::from(c);
        let masked = prefix ^ self.subkey.0;
        self.key.derive(masked ^ u128::from(b'X') << 104)
    }

    /// Seals `text` into `out`, which is 16 bytes longer: the ciphertext, then the tag.
    ///
    /// # Errors
    /// As [`Aes256Gcm::seal`].
    pub fn seal(&self, nonce: &XNonce, aad: &[u8], text: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).seal(rest, aad, text, out)
    }

    /// Opens `sealed`, a ciphertext with its tag behind it, into `out`, which is 16 bytes shorter.
    ///
    /// # Errors
    /// As [`Aes256Gcm::open`].
    pub fn open(&self, nonce: &XNonce, aad: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).open(rest, aad, sealed, out)
    }

    /// Seals `text` where it stands, and gives the tag.
    ///
    /// # Errors
    /// As [`Aes256Gcm::seal_in_place`].
    pub fn seal_in_place(&self, nonce: &XNonce, aad: &[u8], text: &mut [u8]) -> Result<Tag, Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).seal_in_place(rest, aad, text)
    }

    /// Opens `text` where it stands, if `tag` is its tag.
    ///
    /// # Errors
    /// As [`Aes256Gcm::open_in_place`].
    pub fn open_in_place(&self, nonce: &XNonce, aad: &[u8], text: &mut [u8], tag: &Tag) -> Result<(), Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).open_in_place(rest, aad, text, tag)
    }

    /// Seals from one buffer to another, or in place, and gives the tag.
    ///
    /// # Errors
    /// As [`Aes256Gcm::seal_inout`].
    pub fn seal_inout(&self, nonce: &XNonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Result<Tag, Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).seal_inout(rest, aad, text)
    }

    /// Opens from one buffer to another, or in place, if `tag` is its tag.
    ///
    /// # Errors
    /// As [`Aes256Gcm::open_inout`].
    pub fn open_inout(&self, nonce: &XNonce, aad: &[u8], text: InOutBuf<'_, '_, u8>, tag: &Tag) -> Result<(), Error> {
        let (prefix, rest) = split(nonce);
        self.derive(prefix).open_inout(rest, aad, text, tag)
    }
}

impl fmt::Debug for Xaes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xaes256Gcm({}, ..)", self.backend().name())
    }
}

/// Twice `value` in CMAC's field, without a branch on it (SP 800-38B section 6.1).
const fn double(value: u128) -> u128 {
    (value << 1) ^ ((value >> 127) * 0x87)
}

/// The prefix, which chooses the derived key, and that key's nonce.
pub(crate) fn split(nonce: &XNonce) -> (&[u8; PREFIX], &Nonce) {
    let (prefix, rest) = nonce.as_chunks::<NONCE>().0.split_at(1);
    (&prefix[0], &rest[0])
}
