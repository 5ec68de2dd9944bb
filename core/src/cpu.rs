//! What this CPU can run: detection only, and nothing that runs on it.
//!
//! Each instruction set has a zero-sized token that only its `detect` makes. A backend stores the token in the key that
//! it expands, so that whoever holds such a key holds the proof: that is the whole safety argument of calling into it.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no token without a backend"))]

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(aesni_bits, "aes", "pclmulqdq", "ssse3", "sse4.1");

/// Proof that this CPU and its operating system can run AES-NI, PCLMULQDQ, SSSE3 and SSE4.1.
/// Zero-sized; only [`Aesni::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Aesni(());

impl Aesni {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Option<Self> {
        aesni_bits::get().then_some(Self(()))
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Option<Self> {
        None
    }
}
