//! What a message must become: what AWS-LC and RustCrypto make of it, which have to agree.
//!
//! AWS-LC's code for x86-64 is assembly. RustCrypto's takes the CPU's instructions, as it is of version 0.10: the cfgs
//! that hold our portable backend to software are of 0.11's crates (docs/decisions/0011). So no two of what is compared
//! share code.

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::cipher::BlockEncrypt;
use aes_gcm::aes::cipher::consts::U16;
use aes_gcm::{Aes256Gcm, AesGcm, aes::Aes256};
use anyhow::Result;
#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce as AwsNonce, UnboundKey};
use tablecrypt_core::{Nonce, Tag};

/// The names of those that were built in.
pub const NAMES: &str = if cfg!(feature = "aws-lc-rs") { "AWS-LC and RustCrypto" } else { "RustCrypto" };

/// Both, under one key.
pub struct Rivals {
    #[cfg(feature = "aws-lc-rs")]
    aws_lc: LessSafeKey,
    rustcrypto: Aes256Gcm,
    /// For nonces of 16 bytes, which AWS-LC's crate does not take.
    hashed: AesGcm<Aes256, U16>,
    /// GHASH's key.
    h: [u8; 16],
}

impl Rivals {
    /// Expands a key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut h = [0; 16].into();
        Aes256::new(key.into()).encrypt_block(&mut h);
        Self {
            #[cfg(feature = "aws-lc-rs")]
            aws_lc: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes")),
            rustcrypto: Aes256Gcm::new(key.into()),
            hashed: AesGcm::new(key.into()),
            h: h.into(),
        }
    }

    /// Seals `text` into `sealed`, which is cleared first, and gives the tag. Fails where the two differ.
    pub fn seal(&self, nonce: &Nonce, aad: &[u8], text: &[u8], sealed: &mut Vec<u8>) -> Result<Tag> {
        sealed.clear();
        sealed.extend_from_slice(text);
        let tag = self.rustcrypto.encrypt_in_place_detached(nonce.into(), aad, sealed).expect("no text is too long");
        let tag = tag.into();
        #[cfg(feature = "aws-lc-rs")]
        {
            let mut other = text.to_vec();
            let nonce = AwsNonce::assume_unique_for_key(*nonce);
            let other_tag = self.aws_lc.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut other);
            let other_tag: Tag = other_tag.expect("no text is too long").as_ref().try_into().expect("16 bytes");
            let agree = other == *sealed && other_tag == tag;
            anyhow::ensure!(agree, "AWS-LC and RustCrypto differ: text {}, AAD {}", text.len(), aad.len());
        }
        Ok(tag)
    }

    /// As [`Self::seal`], from a nonce of 16 bytes; RustCrypto alone.
    pub fn seal_hashed(&self, nonce: &[u8; 16], aad: &[u8], text: &[u8], sealed: &mut Vec<u8>) -> Tag {
        sealed.clear();
        sealed.extend_from_slice(text);
        self.hashed.encrypt_in_place_detached(nonce.into(), aad, sealed).expect("no text is too long").into()
    }

    /// The nonce of 16 bytes that is hashed into this J0 (SP 800-38D section 7.1): J0 = (N H + L) H, with L the block that
    /// has its length, so N = (J0 / H + L) / H.
    #[must_use]
    pub fn nonce_for(&self, j0: &[u8; 16]) -> [u8; 16] {
        let inverse = invert(u128::from_be_bytes(self.h));
        let sum = multiply(u128::from_be_bytes(*j0), inverse) ^ 128;
        multiply(sum, inverse).to_be_bytes()
    }
}

/// The product in GHASH's field, bit by bit (SP 800-38D algorithm 1).
const fn multiply(x: u128, mut v: u128) -> u128 {
    let (mut z, mut bit) = (0, 128);
    while bit > 0 {
        bit -= 1;
        if x >> bit & 1 == 1 {
            z ^= v;
        }
        v = (v >> 1) ^ ((v & 1) * (0xe1 << 120));
    }
    z
}

/// 1 / `h`, which is its power of 2^128 - 2.
const fn invert(h: u128) -> u128 {
    let (mut power, mut product, mut bit) = (h, 1 << 127, 1);
    while bit < 128 {
        power = multiply(power, power);
        product = multiply(product, power);
        bit += 1;
    }
    product
}
