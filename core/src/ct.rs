//! Comparing and clearing: time that depends on lengths only, stores that the compiler may not drop.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: clearing registers")]

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, optimization_barrier};

use crate::Tag;

/// Whether two tags are equal, without telling by its time where they differ.
///
/// As one number, not byte by byte: that took nearly as long as sealing 16 bytes.
#[inline]
pub(crate) fn tags_match(ours: &Tag, theirs: &Tag) -> bool {
    let difference = u128::from_ne_bytes(*ours) ^ u128::from_ne_bytes(*theirs);
    let folded = (difference >> 64) as u64 | difference as u64;
    folded.ct_eq(&0).into()
}

/// Overwrites `bytes` with zeros, and is not optimised away.
pub fn clear(bytes: &mut [u8]) {
    bytes.zeroize();
}

/// Overwrites so many bytes of the stack below the caller's frame, where what it called may have left a secret: compilers
/// keep there what they have no register for, and nothing else would ever clear it.
///
/// After each message it would take half as long as a short one. What kernels leave, powers of H and round keys, is cleared when
/// the key is dropped, if that happens at about their depth. Another thread's stack is out of reach: what it holds stays until
/// that thread writes over it.
#[inline(never)]
pub(crate) fn clear_stack<const BYTES: usize>() {
    let below = [0_u8; BYTES];
    optimization_barrier(&below);
}

/// Overwrites the vector registers that every CPU of this build has, where the compiler may have left a secret.
#[inline]
pub(crate) fn clear_vectors() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has these registers; the asm writes them and says so, and touches nothing else.
    unsafe {
        core::arch::asm!(
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
            "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
            "pxor xmm12, xmm12", "pxor xmm13, xmm13", "pxor xmm14, xmm14", "pxor xmm15, xmm15",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    // SAFETY: every CPU that runs this build has these registers; the asm writes them and says so, and nothing else.
    unsafe {
        core::arch::asm!(
            "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0",
            "movi v4.2d, #0", "movi v5.2d, #0", "movi v6.2d, #0", "movi v7.2d, #0",
            "movi v8.2d, #0", "movi v9.2d, #0", "movi v10.2d, #0", "movi v11.2d, #0",
            "movi v12.2d, #0", "movi v13.2d, #0", "movi v14.2d, #0", "movi v15.2d, #0",
            "movi v16.2d, #0", "movi v17.2d, #0", "movi v18.2d, #0", "movi v19.2d, #0",
            "movi v20.2d, #0", "movi v21.2d, #0", "movi v22.2d, #0", "movi v23.2d, #0",
            "movi v24.2d, #0", "movi v25.2d, #0", "movi v26.2d, #0", "movi v27.2d, #0",
            "movi v28.2d, #0", "movi v29.2d, #0", "movi v30.2d, #0", "movi v31.2d, #0",
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Overwrites the vector registers that only AVX-512 has, where there are any: this build uses none of them, but the C
/// library's `memcpy` does, and what it copied stays there.
#[inline]
pub(crate) fn clear_wide_vectors() {
    #[cfg(target_arch = "x86_64")]
    if crate::cpu::has_wide_vectors() {
        // SAFETY: the CPU has these registers; the asm writes them and says that a call's registers are lost, touches nothing else.
        unsafe {
            core::arch::asm!(
                "vpxord zmm16, zmm16, zmm16",
                "vpxord zmm17, zmm17, zmm17",
                "vpxord zmm18, zmm18, zmm18",
                "vpxord zmm19, zmm19, zmm19",
                "vpxord zmm20, zmm20, zmm20",
                "vpxord zmm21, zmm21, zmm21",
                "vpxord zmm22, zmm22, zmm22",
                "vpxord zmm23, zmm23, zmm23",
                "vpxord zmm24, zmm24, zmm24",
                "vpxord zmm25, zmm25, zmm25",
                "vpxord zmm26, zmm26, zmm26",
                "vpxord zmm27, zmm27, zmm27",
                "vpxord zmm28, zmm28, zmm28",
                "vpxord zmm29, zmm29, zmm29",
                "vpxord zmm30, zmm30, zmm30",
                "vpxord zmm31, zmm31, zmm31",
                clobber_abi("sysv64"),
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}
