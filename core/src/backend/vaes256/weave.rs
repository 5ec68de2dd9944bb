//! The AES rounds of a flight with the GHASH of the step before it, by hand: the compiler moves the hash behind the rounds
//! and keeps its vectors on the stack, 25 ns of a message of 1 KiB.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::steps::{CONSTANTS, hash, hash_first};
use super::*;

/// One AES round of these vectors.
macro_rules! aes {
    ($round:literal, $($state:tt)*) => {
        concat!(
            "vbroadcasti128 ymm11, [{rounds} + 16 * ", $round, "]",
            $("\n vaesenc ", $state, ", ", $state, ", ymm11",)*
        )
    };
}

/// An arm for each number of vectors: how many, then each with its register.
macro_rules! weave {
    (($key:ident, $powers:ident, $before:ident, $state:ident, $hash:ident, $order:ident)
        $($count:literal: $($i:literal $register:tt)*;)*) => {
        match N {
            $(
                // SAFETY: it reads the key, the powers and constants of one step, and the step before, each through a
                // reference to as much or more, writes no memory, and names all registers that it changes.
                $count => unsafe {
                    asm!(
                        aes!(1, $($register)*), hash_first!(),
                        aes!(2, $($register)*), hash!(1),
                        aes!(3, $($register)*), hash!(2),
                        aes!(4, $($register)*), hash!(3),
                        aes!(5, $($register)*), hash!(4),
                        aes!(6, $($register)*), hash!(5),
                        aes!(7, $($register)*), hash!(6),
                        aes!(8, $($register)*), hash!(7),
                        aes!(9, $($register)*),
                        "vpxor ymm12, ymm8, ymm10",
                        "vpxor ymm9, ymm9, ymm12",
                        "vpslldq ymm12, ymm9, 8",
                        "vpsrldq ymm9, ymm9, 8",
                        "vpxor ymm8, ymm8, ymm12",
                        "vpxor ymm10, ymm10, ymm9",
                        aes!(10, $($register)*),
                        "vpclmulqdq ymm12, ymm8, [{constants} + 32], 0x00",
                        "vpshufd ymm8, ymm8, 0x4e",
                        "vpxor ymm8, ymm8, ymm12",
                        aes!(11, $($register)*),
                        "vpclmulqdq ymm12, ymm8, [{constants} + 32], 0x00",
                        "vpshufd ymm8, ymm8, 0x4e",
                        "vpxor ymm8, ymm8, ymm12",
                        aes!(12, $($register)*),
                        "vpxor ymm10, ymm10, ymm8",
                        "vextracti128 xmm9, ymm10, 1",
                        "vpxor xmm10, xmm10, xmm9",
                        aes!(13, $($register)*),
                        rounds = in(reg) $key.rounds.as_ptr(),
                        plain = in(reg) $powers.plain[P - 2 * STEP..].as_ptr(),
                        folded = in(reg) $powers.folded[P - 2 * STEP..].as_ptr(),
                        constants = in(reg) &raw const CONSTANTS,
                        hashed = in(reg) $before.as_ptr(),
                        $(inout($register) $state[$i],)*
                        inout("ymm10") $hash,
                        out("ymm8") _, out("ymm9") _, out("ymm11") _, out("ymm12") _, out("ymm13") _,
                        in("ymm15") $order,
                        options(nostack, readonly),
                    );
                },
            )*
            _ => unreachable!("a flight has one to nine vectors"),
        }
    };
}

/// Rounds 1 to 13 of N vectors, and the hash of `before`, with `hash` added to its first block.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_and_hash<const N: usize, const P: usize>(
    key: &Schedule,
    powers: &Powers<P>,
    before: &[u8; 32 * STEP],
    state: &mut [__m256i; N],
    mut hash: __m256i,
) -> __m128i {
    let order = reverse_order();
    weave! {
        (key, powers, before, state, hash, order)
        1: 0 "ymm0";
        2: 0 "ymm0" 1 "ymm1";
        3: 0 "ymm0" 1 "ymm1" 2 "ymm2";
        4: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3";
        5: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4";
        6: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5";
        7: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6";
        8: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6" 7 "ymm7";
        9: 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6" 7 "ymm7" 8 "ymm14";
    }
    _mm256_castsi256_si128(hash)
}
