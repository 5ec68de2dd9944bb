//! The libraries of this worker, each by the fastest way that its own documentation shows: a key expanded once, a text in
//! place, a tag apart when sealing and behind the ciphertext when opening.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "boring")]
mod boring;
#[cfg(feature = "graviola")]
mod graviola;
#[cfg(feature = "openssl")]
mod openssl;
#[cfg(feature = "ours")]
mod ours;
#[cfg(feature = "ring")]
mod ring;
#[cfg(feature = "rscrypto")]
mod rscrypto;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;

use crate::bench::{Nonces, Subject};
use crate::case::{MESSAGES, SMALL};

/// Bytes of a nonce.
pub const NONCE: usize = 12;

/// Bytes of a tag.
pub const TAG: usize = 16;

/// Every library that this worker was built with.
#[must_use]
#[allow(unused_mut, clippy::vec_init_then_push, reason = "a worker may hold one library, or none")]
pub fn all() -> Vec<Box<dyn Subject>> {
    let mut all: Vec<Box<dyn Subject>> = Vec::new();
    #[cfg(feature = "ours")]
    all.extend(ours::all());
    #[cfg(feature = "ours")]
    all.extend(crate::ports::all());
    #[cfg(feature = "ring")]
    all.push(Box::new(ring::Ring));
    #[cfg(feature = "aws-lc-rs")]
    all.push(Box::new(aws_lc::AwsLc));
    #[cfg(feature = "boring")]
    all.push(Box::new(boring::Boring));
    #[cfg(feature = "openssl")]
    all.push(Box::new(openssl::OpenSsl));
    #[cfg(feature = "graviola")]
    all.push(Box::new(graviola::Graviola));
    #[cfg(feature = "rscrypto")]
    all.push(Box::new(rscrypto::RsCrypto));
    #[cfg(feature = "rustcrypto")]
    all.push(Box::new(rustcrypto::RustCrypto));
    all
}

/// A library, or one of its implementations.
pub trait Library {
    /// A key as the library takes it. Where it has a type for that, making one is no part of set-up.
    type Key;
    /// A key as the library seals with it.
    type Cipher: Cipher;

    /// Its name, with no blank in it.
    fn name(&self) -> String;

    /// A key as the library takes it.
    fn key(bytes: &[u8; 32]) -> Self::Key;

    /// All that comes before the first message.
    fn expand(&self, key: &Self::Key) -> Self::Cipher;
}

/// AES-256-GCM under one key.
pub trait Cipher {
    /// Seals in place and gives the tag.
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG];

    /// Opens in place a ciphertext with its tag behind it; says whether the tag was right.
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool;

    /// Seals all `texts`, `calls` times over. Overridden where a library has a call for many messages.
    fn seal_batches(
        &mut self,
        calls: u64,
        nonces: &mut Nonces,
        aad: &[u8],
        texts: &mut [[u8; SMALL]; MESSAGES],
        tags: &mut [[u8; TAG]; MESSAGES],
    ) {
        for _ in 0..calls {
            for (text, tag) in texts.iter_mut().zip(&mut *tags) {
                *tag = self.seal(&nonces.fresh(), aad, text);
            }
        }
    }

    /// This key, if threads may share it.
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }
}

/// A key that threads may share.
pub trait Shared: Sync {
    /// Seals in place and gives the tag.
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG];
}
