//! What stands in the vector registers at one moment.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: stores of registers that no Rust value stands for")]

use core::arch::asm;

/// Bytes of a vector register at the most.
pub const WIDTH: usize = 64;
/// Vector registers at the most.
pub const COUNT: usize = 32;

/// How wide the vector registers of this CPU are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// xmm0 to xmm15.
    Sse,
    /// ymm0 to ymm15.
    Avx,
    /// zmm0 to zmm31, k0 to k7.
    Avx512,
    /// v0 to v31.
    Neon,
}

/// The vector registers, and AVX-512's masks behind them; what this CPU has not is zero.
#[repr(align(64))]
pub struct Vectors {
    /// The registers.
    pub registers: [[u8; WIDTH]; COUNT],
    /// AVX-512's masks.
    pub masks: [u64; 8],
    kind: Kind,
}

impl Vectors {
    /// Nothing yet; asks the CPU what it has.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        let kind = if std::arch::is_x86_feature_detected!("avx512bw") {
            Kind::Avx512
        } else if std::arch::is_x86_feature_detected!("avx") {
            Kind::Avx
        } else {
            Kind::Sse
        };
        #[cfg(target_arch = "aarch64")]
        let kind = Kind::Neon;
        Self { registers: [[0; WIDTH]; COUNT], masks: [0; 8], kind }
    }

    /// What it captures here.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Clears what [`Vectors::capture`] stores, so that it is not the caller's own: the C library's functions for strings leave
    /// what they read.
    #[inline(always)]
    pub fn clear(&self) {
        #[cfg(target_arch = "x86_64")]
        match self.kind {
            Kind::Avx512 => {
                // SAFETY: the CPU has AVX-512 F, BW and VL; the compiler, which builds for CPUs without, uses none of these.
                unsafe { clear_wide!(16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31, 0 1 2 3 4 5 6 7) };
                // SAFETY: the CPU has AVX; the asm says which registers it writes.
                unsafe { clear!("vzeroall") }
            }
            Kind::Avx => {
                // SAFETY: the CPU has AVX; the asm says which registers it writes.
                unsafe { clear!("vzeroall") }
            }
            _ => {
                // SAFETY: every x86-64 has SSE2; the asm says which registers it writes.
                unsafe {
                    clear!(
                        "pxor xmm0, xmm0",
                        "pxor xmm1, xmm1",
                        "pxor xmm2, xmm2",
                        "pxor xmm3, xmm3",
                        "pxor xmm4, xmm4",
                        "pxor xmm5, xmm5",
                        "pxor xmm6, xmm6",
                        "pxor xmm7, xmm7",
                        "pxor xmm8, xmm8",
                        "pxor xmm9, xmm9",
                        "pxor xmm10, xmm10",
                        "pxor xmm11, xmm11",
                        "pxor xmm12, xmm12",
                        "pxor xmm13, xmm13",
                        "pxor xmm14, xmm14",
                        "pxor xmm15, xmm15"
                    );
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: every AArch64 that runs this has these registers; the asm says which it writes.
        unsafe {
            clear_arm!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        }
    }

    /// Stores all vector registers. Inlined, so that nothing stands between it and the call before.
    #[inline(always)]
    pub fn capture(&mut self) {
        let (place, masks) = (self.registers.as_mut_ptr(), self.masks.as_mut_ptr());
        #[cfg(target_arch = "x86_64")]
        match self.kind {
            Kind::Avx512 => {
                // SAFETY: the CPU has AVX-512 F and BW; 32 stores of 64 bytes into an array of as many, eight of 8 into another.
                unsafe { store_zmm(place, masks) }
            }
            Kind::Avx => {
                // SAFETY: the CPU has AVX; 16 stores of 32 bytes, 64 apart, into an array of 32 times 64.
                unsafe { store!(place, "vmovdqu", "ymm") }
            }
            _ => {
                // SAFETY: every x86-64 has SSE2; 16 stores of 16 bytes, 64 apart, into an array of 32 times 64.
                unsafe { store!(place, "movdqu", "xmm") }
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            _ = masks;
            // SAFETY: 32 stores of 16 bytes, 64 apart, into an array of 32 times 64.
            unsafe { store_v(place) }
        }
    }
}

impl Default for Vectors {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! clear {
    ($($line:literal),*) => {
        asm!($($line),*,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _,
            out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _,
            out("xmm14") _, out("xmm15") _, options(nostack, preserves_flags))
    };
}
#[cfg(target_arch = "x86_64")]
use clear;

#[cfg(target_arch = "x86_64")]
macro_rules! clear_wide {
    ($($i:literal)*, $($k:literal)*) => {
        asm!($(concat!("vpxord xmm", $i, ", xmm", $i, ", xmm", $i),)* $(concat!("kxorq k", $k, ", k", $k, ", k", $k)),*,
            options(nostack, preserves_flags))
    };
}
#[cfg(target_arch = "x86_64")]
use clear_wide;

#[cfg(target_arch = "aarch64")]
macro_rules! clear_arm {
    ($($i:literal)*) => {
        asm!($(concat!("movi v", $i, ".2d, #0")),*,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            out("v30") _, out("v31") _, options(nostack, preserves_flags))
    };
}
#[cfg(target_arch = "aarch64")]
use clear_arm;

/// Stores sixteen registers, 64 bytes apart.
#[cfg(target_arch = "x86_64")]
macro_rules! store {
    ($place:expr, $store:literal, $register:literal) => {
        store!(@ $place, $store, $register, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $place:expr, $store:literal, $register:literal, $($i:literal)*) => {
        asm!($(concat!($store, " [{place} + 64 * ", $i, "], ", $register, $i)),*,
            place = in(reg) $place, options(nostack, preserves_flags))
    };
}
#[cfg(target_arch = "x86_64")]
use store;

#[cfg(target_arch = "x86_64")]
macro_rules! store_wide {
    ($place:expr, $masks:expr, $($i:literal)*, $($k:literal)*) => {
        asm!($(concat!("vmovdqu64 [{place} + 64 * ", $i, "], zmm", $i),)* $(concat!("kmovq [{masks} + 8 * ", $k, "], k", $k)),*,
            place = in(reg) $place, masks = in(reg) $masks, options(nostack, preserves_flags))
    };
}

/// # Safety
/// The CPU must have AVX-512 F and BW, and the pointers be valid for writes of 32 registers and eight masks.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store_zmm(place: *mut [u8; WIDTH], masks: *mut u64) {
    // SAFETY: the caller vouches for it.
    unsafe {
        store_wide!(place, masks, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31,
            0 1 2 3 4 5 6 7);
    }
}

#[cfg(target_arch = "aarch64")]
macro_rules! store_arm {
    ($place:expr, $($i:literal)*) => {
        asm!($(concat!("str q", $i, ", [{place}, #64 * ", $i, "]")),*,
            place = in(reg) $place, options(nostack, preserves_flags))
    };
}

/// # Safety
/// The pointer must be valid for writes of 32 registers.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn store_v(place: *mut [u8; WIDTH]) {
    // SAFETY: the caller vouches for it.
    unsafe {
        store_arm!(place, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    }
}
