//! The table of backends, and the key expanded for one of them.
//!
//! A backend is one file and one row of `ROWS`; a backend never names another. The choice is made once, when a key
//! is expanded, and lives in the key as an enum: one `match` a call, and a key that exists only where it can run.

#[cfg(target_arch = "x86_64")]
mod aesni;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod armv8;
mod batch;
#[cfg(target_arch = "x86_64")]
mod lazy;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vaes256;
#[cfg(target_arch = "x86_64")]
mod vaes512;
#[cfg(target_arch = "x86_64")]
mod x86;

use aead::inout::InOutBuf;
use zeroize::Zeroize;

use crate::{Key, Nonce, Tag, cpu};

/// An implementation of AES-256-GCM for one instruction set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Backend {
    /// x86-64 with VAES, VPCLMULQDQ and AVX-512, 512-bit vectors.
    Vaes512,
    /// x86-64 with VAES and VPCLMULQDQ, 256-bit vectors.
    Vaes256,
    /// x86-64 with AES-NI and PCLMULQDQ, 128-bit vectors.
    Aesni,
    /// AArch64 with AES and PMULL of the ARMv8 cryptography extension; EOR3 of SHA3 where the CPU has it.
    Armv8,
    /// Any CPU, constant time, from the crates `aes` and `ghash`.
    Portable,
}

impl Backend {
    /// Every backend of this version, the best first, whether or not this CPU has it.
    pub const ALL: &'static [Self] = &[Self::Vaes512, Self::Vaes256, Self::Aesni, Self::Armv8, Self::Portable];

    /// Its name as benchmarks and logs print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vaes512 => "vaes512",
            Self::Vaes256 => "vaes256",
            Self::Aesni => "aesni",
            Self::Armv8 => "armv8",
            Self::Portable => "portable",
        }
    }

    /// Whether this CPU and this build can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Vaes512 => cpu::Vaes512::detect().is_some(),
            Self::Vaes256 => cpu::Vaes256::detect().is_some(),
            Self::Aesni => cpu::Aesni::detect().is_some(),
            Self::Armv8 => cpu::Armv8::detect().is_some(),
            Self::Portable => true,
        }
    }

    /// The best one that this CPU has: what [`Aes256Gcm::new`](crate::Aes256Gcm::new) takes.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.iter().copied().find(|backend| backend.is_available()).unwrap_or(Self::Portable)
    }
}

/// What a backend can do with a key that it expanded. A call is a whole message, so that a kernel may choose a shape by
/// length and overlap the work of its parts; it checks no limit, compares no tag and clears no output: `gcm.rs` does.
pub(crate) trait Kernel {
    /// Encrypts `text` in CTR mode from `inc32(J0)` and returns the tag. `J0 = nonce || 1`.
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag;

    /// Decrypts `text` and returns the tag that its ciphertext should have had.
    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag;

    /// [`Kernel::seal`] from any J0 (SP 800-38D section 7.1, step 2).
    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag;

    /// [`Kernel::open`] from any J0.
    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag;

    /// J0 of a nonce that is not 96 bits long: GHASH of it, padded, and its length.
    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16];

    /// AES-256 of each block, in place: what XAES derives its keys with.
    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]);

    /// The key that these two blocks are when this one has encrypted them.
    fn encrypted(&self, halves: [u128; 2]) -> Key {
        let mut halves = halves.map(u128::to_be_bytes);
        self.encrypt_blocks(&mut halves);
        let key = Key::joined(&halves);
        halves.as_flattened_mut().zeroize();
        key
    }
}

/// A key, expanded for the backend that its variant names.
#[allow(clippy::large_enum_variant, reason = "no alloc: the largest variant is the size of a key")]
pub(crate) enum Expanded {
    #[cfg(target_arch = "x86_64")]
    Vaes512(vaes512::Expanded),
    #[cfg(target_arch = "x86_64")]
    Vaes256(vaes256::Expanded),
    #[cfg(target_arch = "x86_64")]
    Aesni(aesni::Expanded),
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    Armv8(armv8::Expanded),
    Portable(portable::Expanded),
}

/// Runs one expression on whichever kernel the key was expanded for.
macro_rules! on_kernel {
    ($expanded:expr, $kernel:ident => $call:expr) => {
        match $expanded {
            #[cfg(target_arch = "x86_64")]
            Expanded::Vaes512($kernel) => $call,
            #[cfg(target_arch = "x86_64")]
            Expanded::Vaes256($kernel) => $call,
            #[cfg(target_arch = "x86_64")]
            Expanded::Aesni($kernel) => $call,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Expanded::Armv8($kernel) => $call,
            Expanded::Portable($kernel) => $call,
        }
    };
}

impl Expanded {
    /// Expands `key` for `backend` and wraps it, or answers None where the CPU or the build has it not.
    ///
    /// Wrapped here and not by the caller, so that the key is expanded where the caller's caller wants it: what it expands
    /// to takes 3 KiB, and to move them takes as long as to expand it.
    #[inline]
    pub(crate) fn make<T>(backend: Backend, key: &Key, wrap: impl FnOnce(Self) -> T) -> Option<T> {
        match backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512 => {
                let proof = cpu::Vaes512::detect()?;
                vaes512::Expanded::make(proof, key, |expanded| Some(wrap(Self::Vaes512(expanded))))
            }
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256 => {
                let proof = cpu::Vaes256::detect()?;
                vaes256::Expanded::make(proof, key, |expanded| Some(wrap(Self::Vaes256(expanded))))
            }
            #[cfg(target_arch = "x86_64")]
            Backend::Aesni => {
                let proof = cpu::Aesni::detect()?;
                aesni::Expanded::make(proof, key, |expanded| Some(wrap(Self::Aesni(expanded))))
            }
            #[cfg(not(target_arch = "x86_64"))]
            Backend::Vaes512 | Backend::Vaes256 | Backend::Aesni => None,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Backend::Armv8 => {
                let proof = cpu::Armv8::detect()?;
                armv8::Expanded::make(proof, key, |expanded| Some(wrap(Self::Armv8(expanded))))
            }
            #[cfg(not(all(target_arch = "aarch64", target_feature = "neon")))]
            Backend::Armv8 => None,
            Backend::Portable => portable::Expanded::make(key, |expanded| Some(wrap(Self::Portable(expanded)))),
        }
    }

    /// Expands `key` for the best backend of this CPU, and wraps it.
    #[inline]
    pub(crate) fn best<T>(key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(proof) = cpu::Vaes512::detect() {
                return vaes512::Expanded::make(proof, key, |expanded| wrap(Self::Vaes512(expanded)));
            }
            if let Some(proof) = cpu::Vaes256::detect() {
                return vaes256::Expanded::make(proof, key, |expanded| wrap(Self::Vaes256(expanded)));
            }
            if let Some(proof) = cpu::Aesni::detect() {
                return aesni::Expanded::make(proof, key, |expanded| wrap(Self::Aesni(expanded)));
            }
        }
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        if let Some(proof) = cpu::Armv8::detect() {
            return armv8::Expanded::make(proof, key, |expanded| wrap(Self::Armv8(expanded)));
        }
        portable::Expanded::make(key, |expanded| wrap(Self::Portable(expanded)))
    }

    /// Expands the key that the two [`halves`] of XAES are when this one has encrypted them, for the same backend, and wraps it.
    #[inline]
    pub(crate) fn derive<T>(&self, block: u128, wrap: impl FnOnce(Self) -> T) -> T {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(this) => this.derive(block, |expanded| wrap(Self::Vaes512(expanded))),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256(this) => this.derive(block, |expanded| wrap(Self::Vaes256(expanded))),
            #[cfg(target_arch = "x86_64")]
            Self::Aesni(this) => this.derive(block, |expanded| wrap(Self::Aesni(expanded))),
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Armv8(this) => {
                let key = this.encrypted(halves(block));
                armv8::Expanded::make(this.proof(), &key, |expanded| wrap(Self::Armv8(expanded)))
            }
            Self::Portable(this) => {
                portable::Expanded::make(&this.encrypted(halves(block)), |expanded| wrap(Self::Portable(expanded)))
            }
        }
    }

    /// Encrypts (SEAL) or decrypts messages and computes their tags, each under its own key or else under this one. Their
    /// lengths were checked.
    pub(crate) fn run<'k, J: batch::Job<'k>, const SEAL: bool>(&'k self, jobs: &mut [J]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(key) => batch::run::<_, J, SEAL>(key, jobs),
            _ => batch::one_by_one::<_, J, SEAL>(self, jobs),
        }
    }

    pub(crate) const fn backend(&self) -> Backend {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(_) => Backend::Vaes512,
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256(_) => Backend::Vaes256,
            #[cfg(target_arch = "x86_64")]
            Self::Aesni(_) => Backend::Aesni,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Armv8(_) => Backend::Armv8,
            Self::Portable(_) => Backend::Portable,
        }
    }
}

/// What XAES derives a key from: its block, in big-endian order, with the counters 1 and 2 (C2SP XAES-256-GCM, M1 and M2).
///
/// A number, and so in registers: of bytes that were just written in parts, a vector is loaded when they have left the store
/// queue, 5 ns later.
pub(crate) const fn halves(block: u128) -> [u128; 2] {
    [block ^ 1 << 112, block ^ 2 << 112]
}

// Not inlined into other crates: each would get kernels of its own, 200 KiB of them.
impl Kernel for Expanded {
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        on_kernel!(self, kernel => kernel.seal(nonce, aad, text))
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        on_kernel!(self, kernel => kernel.open(nonce, aad, text))
    }

    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        on_kernel!(self, kernel => kernel.seal_from(j0, aad, text))
    }

    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        on_kernel!(self, kernel => kernel.open_from(j0, aad, text))
    }

    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16] {
        on_kernel!(self, kernel => kernel.hash_nonce(nonce))
    }

    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        on_kernel!(self, kernel => kernel.encrypt_blocks(blocks))
    }
}
