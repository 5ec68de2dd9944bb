//! What an x86-64 says of itself, and which tokens follow from that.
//!
//! ```text
//! CPUID, XGETBV -> Said -> tokens() ---.
//!                          cpufeatures -+-> both say yes -> kept in one byte
//! ```
//!
//! Crate `cpufeatures` 0.3 ties VAES and VPCLMULQDQ to the state of ZMM registers, and so answers no on a CPU that has them
//! without AVX-512 (Zen 3, Alder Lake); and it asks for leaf 7 of a CPU that may not have it. It is right about the rest,
//! and no test here can be fed to it. [`tokens`] is the same decision as a pure function; a token needs the word of both.
//!
//! References: Intel SDM volume 2, CPUID; volume 1, section 13.3 (XCR0) and chapters 14 and 15 (how to detect AVX, AVX-512).

#![allow(unsafe_code, unused_unsafe, reason = "CPUID and XGETBV; CPUID became a safe call after our oldest Rust")]

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

use super::{AESNI, VAES256, VAES512};

cpufeatures::new!(aesni, "aes", "pclmulqdq", "ssse3", "sse4.1");
cpufeatures::new!(avx2, "avx2");
cpufeatures::new!(wide, "avx512f");
cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl", "vaes", "vpclmulqdq");

const UNKNOWN: u8 = 0x80;
/// The answers, asked once: a key that is expanded reads one byte.
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
    // It first: where CPUID would trap (SGX) and where no SIMD is to be used (no operating system) it says no by itself.
    if aesni::get() {
        let others = if avx2::get() { VAES256 } else { 0 } | if avx512::get() { VAES512 } else { 0 };
        answers = tokens(&Said::here()) & (AESNI | others);
    }
    ANSWERS.store(answers, Ordering::Relaxed);
    answers
}

/// Whether there are ZMM 16 to 31, which no token stands for: the C library copies through them wherever they are.
pub(super) fn has_wide_vectors() -> bool {
    aesni::get() && wide::get()
}

/// What the tokens hang on.
#[derive(Clone, Copy)]
struct Said {
    /// Leaf 0, EAX: the highest leaf. What the CPU says of a higher one is another leaf's.
    highest: u32,
    /// Leaf 1, ECX.
    leaf1: u32,
    /// Leaf 7, EBX and ECX.
    leaf7: [u32; 2],
    /// What the operating system saves: XCR0, or 0 where it does not let programs ask.
    xcr0: u64,
}

impl Said {
    fn here() -> Self {
        // SAFETY: every x86-64 has CPUID and its leaf 0.
        let highest = unsafe { __cpuid(0) }.eax;
        // SAFETY: every x86-64 has leaf 1.
        let leaf1 = unsafe { __cpuid(1) }.ecx;
        // SAFETY: a leaf that is not there gives numbers without a meaning, and does no harm.
        let leaf7 = unsafe { __cpuid_count(7, 0) };
        let xcr0 = if all(leaf1, XSAVE) {
            // SAFETY: the CPU has XGETBV, and the operating system turned it on: both bits of XSAVE.
            unsafe { _xgetbv(0) }
        } else {
            0
        };
        Self { highest, leaf1, leaf7: [leaf7.ebx, leaf7.ecx], xcr0 }
    }
}

/// The tokens of a CPU that says this. Each line has what its token promises, and what rustc takes that to imply.
const fn tokens(said: &Said) -> u8 {
    let [ebx, ecx] = if said.highest >= 7 { said.leaf7 } else { [0; 2] };
    let xcr0 = if all(said.leaf1, XSAVE) { said.xcr0 } else { 0 };

    if !all(said.leaf1, AES | PCLMULQDQ | SSE3 | SSSE3 | SSE41) {
        return 0;
    }
    if !(all(said.leaf1, SSE42 | AVX) && all(ebx, AVX2) && all(ecx, VAES | VPCLMULQDQ) && xcr0 & YMM == YMM) {
        return AESNI;
    }
    if !(all(said.leaf1, FMA | F16C) && all(ebx, AVX512F | AVX512BW | AVX512VL) && xcr0 & ZMM == ZMM) {
        return AESNI | VAES256;
    }
    AESNI | VAES256 | VAES512
}

const fn all(register: u32, bits: u32) -> bool {
    register & bits == bits
}

// Leaf 1, ECX.
const SSE3: u32 = 1 << 0;
const PCLMULQDQ: u32 = 1 << 1;
const SSSE3: u32 = 1 << 9;
const FMA: u32 = 1 << 12;
const SSE41: u32 = 1 << 19;
const SSE42: u32 = 1 << 20;
const AES: u32 = 1 << 25;
/// XSAVE, and that the operating system has turned it on.
const XSAVE: u32 = 1 << 26 | 1 << 27;
const AVX: u32 = 1 << 28;
const F16C: u32 = 1 << 29;
// Leaf 7, EBX.
const AVX2: u32 = 1 << 5;
const AVX512F: u32 = 1 << 16;
const AVX512BW: u32 = 1 << 30;
const AVX512VL: u32 = 1 << 31;
// Leaf 7, ECX.
const VAES: u32 = 1 << 9;
const VPCLMULQDQ: u32 = 1 << 10;
// XCR0: XMM and the upper halves of YMM; with them the masks, the upper halves of ZMM, and ZMM 16 to 31.
const YMM: u64 = 0b110;
const ZMM: u64 = 0b1110_0110;

#[cfg(test)]
#[path = "x86_tests.rs"]
mod tests;
