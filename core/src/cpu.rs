//! What this CPU can run: detection only, and nothing that runs on it.
//!
//! Each instruction set has a zero-sized token that only its `detect` makes. A backend stores the token in the key that
//! it expands, so that whoever holds such a key holds the proof: that is the whole safety argument of calling into it.
//!
//! Crate `cpufeatures` 0.3 ties VAES and VPCLMULQDQ to the state of ZMM registers, and so answers no on a CPU that has them
//! without AVX-512 (Zen 3, Alder Lake). [`Vaes256`] therefore asks it for AVX2, and CPUID itself for the two bits.

#![allow(dead_code, reason = "no token without a backend; each build has the backends of one architecture")]

/// Proof that this CPU and its operating system can run AES-NI, PCLMULQDQ, SSSE3 and SSE4.1.
/// Zero-sized; only [`Aesni::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Aesni(());

impl Aesni {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(AESNI).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run AVX2, VAES and VPCLMULQDQ on YMM registers, and what
/// [`Aesni`] proves. Zero-sized; only [`Vaes256::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Vaes256(());

impl Vaes256 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(VAES256).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run AVX-512 F, BW and VL, VAES and VPCLMULQDQ on ZMM registers, and
/// what [`Vaes256`] proves. Zero-sized; only [`Vaes512::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Vaes512(());

impl Vaes512 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(VAES512).then_some(Self(()))
    }
}

const AESNI: u8 = 1;
const VAES256: u8 = 2;
const VAES512: u8 = 4;

#[cfg(target_arch = "x86_64")]
use x86::has;

#[cfg(not(target_arch = "x86_64"))]
fn has(_: u8) -> bool {
    false
}

/// The answers of CPUID, asked once and kept in one byte: a key that is expanded reads it once.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, unused_unsafe, reason = "CPUID became a safe call after our oldest Rust")]
mod x86 {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::{AESNI, VAES256, VAES512};

    cpufeatures::new!(aesni, "aes", "pclmulqdq", "ssse3", "sse4.1");
    // As cpufeatures tests AVX2, that includes that the operating system saves YMM registers, and AVX-512 ZMM.
    cpufeatures::new!(avx2, "avx2");
    cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl", "vaes", "vpclmulqdq");

    /// Bits of leaf 7, register ECX (Intel SDM volume 2, CPUID).
    const VAES_AND_VPCLMULQDQ: u32 = 1 << 9 | 1 << 10;

    const UNKNOWN: u8 = 0x80;
    static ANSWERS: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[inline]
    pub(super) fn has(what: u8) -> bool {
        let answers = ANSWERS.load(Ordering::Relaxed);
        let answers = if answers == UNKNOWN { ask() } else { answers };
        answers & what != 0
    }

    #[cold]
    fn ask() -> u8 {
        let mut answers = 0;
        if aesni::get() {
            answers |= AESNI;
            if avx2::get() && vaes() {
                answers |= VAES256;
                if avx512::get() {
                    answers |= VAES512;
                }
            }
        }
        ANSWERS.store(answers, Ordering::Relaxed);
        answers
    }

    fn vaes() -> bool {
        // SAFETY: every x86-64 has CPUID.
        let highest = unsafe { __cpuid(0) }.eax;
        // SAFETY: every x86-64 has CPUID, and this one has leaf 7.
        highest >= 7 && unsafe { __cpuid_count(7, 0) }.ecx & VAES_AND_VPCLMULQDQ == VAES_AND_VPCLMULQDQ
    }
}

/// Proof that this CPU and its operating system can run AES and PMULL of the ARMv8 cryptography extension.
/// Zero-sized; only [`Armv8::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Armv8(());

impl Armv8 {
    pub(crate) fn detect() -> Option<Self> {
        (LITTLE_ENDIAN && (cfg!(target_feature = "aes") || arm::has(arm::AES_PMULL))).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run EOR3, which came with SHA3.
/// Zero-sized; only [`Eor3::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Eor3(());

impl Eor3 {
    pub(crate) fn detect() -> Option<Self> {
        (cfg!(target_feature = "sha3") || arm::has(arm::SHA3)).then_some(Self(()))
    }
}

/// The backend `armv8` numbers the lanes of its vectors from the lowest address.
const LITTLE_ENDIAN: bool = cfg!(target_endian = "little");

/// Linux says what an ARM CPU has; the instructions that could are not for programs. Each bit is asked for: the features
/// "aes" and "sha3" of crate `cpufeatures` 0.3.1 are two bits each, of which either is enough for it.
#[cfg(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android")))]
#[allow(unsafe_code, reason = "CONTRIBUTING.md: asking the operating system what the CPU has")]
mod arm {
    pub(super) const AES_PMULL: u64 = libc::HWCAP_AES | libc::HWCAP_PMULL;
    pub(super) const SHA3: u64 = libc::HWCAP_SHA3;

    pub(super) fn has(bits: u64) -> bool {
        // SAFETY: the call takes a number and gives one; it has no precondition.
        let found = unsafe { libc::getauxval(libc::AT_HWCAP) };
        found & bits == bits
    }
}

/// Elsewhere the build's target features decide: macOS has them all, bare metal what it was built for.
#[cfg(not(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android"))))]
mod arm {
    pub(super) const AES_PMULL: u64 = 0;
    pub(super) const SHA3: u64 = 0;

    pub(super) fn has(_bits: u64) -> bool {
        false
    }
}
