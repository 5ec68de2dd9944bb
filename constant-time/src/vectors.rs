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
