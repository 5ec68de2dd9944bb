//! AES-256-GCM and XAES-256-GCM, at the speed of the hardware, in safe hands.
//!
//! One build runs everywhere: a key chooses the best [`Backend`] of the CPU when it is expanded, and keeps the choice.
//! No std, no alloc, no C compiler, no `RUSTFLAGS`. Nothing else lives here: no key storage, no random numbers, no I/O.
//!
//! ```text
//!  Aes256Gcm / Xaes256Gcm      limits, tag check, clearing           gcm.rs  xaes.rs
//!            | one match a call
//!        Expanded              the key, expanded for one backend     backend/mod.rs
//!   vaes512 | vaes256 | aesni  one file or folder an instruction set backend/
//!       armv8 | portable
//!            | made only with
//!      proof tokens            what this CPU can run                 cpu.rs
//! ```
//!
//! ```
//! use tablecrypt_core::{Aes256Gcm, Key};
//!
//! let cipher = Aes256Gcm::new(&Key::from([7; 32]));
//! let (nonce, aad) = ([1; 12], b"flights/base");
//! let mut sealed = [0; 5 + 16];
//! cipher.seal(&nonce, aad, b"hello", &mut sealed)?;
//! let mut text = [0; 5];
//! cipher.open(&nonce, aad, &sealed, &mut text)?;
//! assert_eq!(&text, b"hello");
//! # Ok::<(), tablecrypt_core::Error>(())
//! ```
//!
//! References: NIST SP 800-38D (GCM), FIPS 197 (AES), C2SP XAES-256-GCM.

#![no_std]

#[macro_use]
mod paths;

mod aead_traits;
mod backend;
mod cpu;
mod ct;
mod error;
mod gcm;
mod key;
mod nonce;
mod xaes;

pub use aead;
pub use aead::inout::InOutBuf;
pub use backend::Backend;
pub use ct::clear;
pub use error::Error;
pub use gcm::{AAD_LIMIT, Aes256Gcm, OpenMessage, SealMessage, TEXT_LIMIT, open_many, seal_many};
pub use key::{KEY, Key};
pub use nonce::{NONCE, Nonce, PREFIX, TAG, Tag, XNONCE, XNonce};
#[cfg(tablecrypt_paths)]
pub use paths::{Direction, WAYS, Way};
pub use xaes::Xaes256Gcm;

/// Pieces that are easy to misuse: nonces of other lengths than 96 bits.
pub mod hazmat {
    pub use crate::gcm::hazmat::*;
}
