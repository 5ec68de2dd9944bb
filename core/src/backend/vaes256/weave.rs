//! The AES rounds of a flight with GHASH between them, by hand: the compiler moves the hash behind the rounds and keeps its
//! vectors on the stack, 18 ns of a message of 1 KiB.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::steps::{CONSTANTS, fold, hash, hash_first, join, products, sum};
use super::*;

/// One AES round of a flight's vectors: ymm0 to ymm7, and ymm14.
macro_rules! aes {
    ($round:tt, 1) => { aes!(@ $round, 0) };
    ($round:tt, 2) => { aes!(@ $round, 0 1) };
    ($round:tt, 3) => { aes!(@ $round, 0 1 2) };
    ($round:tt, 4) => { aes!(@ $round, 0 1 2 3) };
    ($round:tt, 5) => { aes!(@ $round, 0 1 2 3 4) };
    ($round:tt, 6) => { aes!(@ $round, 0 1 2 3 4 5) };
    ($round:tt, 7) => { aes!(@ $round, 0 1 2 3 4 5 6) };
    ($round:tt, 8) => { aes!(@ $round, 0 1 2 3 4 5 6 7) };
    ($round:tt, 9) => { aes!(@ $round, 0 1 2 3 4 5 6 7 14) };
    (@ $round:tt, $($state:tt)*) => {
        concat!(
            "vbroadcasti128 ymm11, [{rounds} + 16 * ", $round, "]",
            $("\n vaesenc ymm", $state, ", ymm", $state, ", ymm11",)*
        )
    };
}

/// An arm for each number of vectors, with the registers that they are in: the step before is hashed, and reduced.
macro_rules! after {
    (($key:ident, $powers:ident, $before:ident, $state:ident, $hash:ident, $order:ident)
        $($count:tt: $($i:literal $register:tt)*;)*) => {
        match N {
            $(
                // SAFETY: it reads the key, powers and constants of one step, and the step before, each through a reference
                // to as much or more, writes no memory, and names all registers that it changes.
                $count => unsafe {
                    asm!(
                        aes!(1, $count), hash_first!(),
                        aes!(2, $count), hash!(1),
                        aes!(3, $count), hash!(2),
                        aes!(4, $count), hash!(3),
                        aes!(5, $count), hash!(4),
                        aes!(6, $count), hash!(5),
                        aes!(7, $count), hash!(6),
                        aes!(8, $count), hash!(7),
                        aes!(9, $count), join!(),
                        aes!(10, $count), fold!(),
                        aes!(11, $count), fold!(),
                        aes!(12, $count), sum!(),
                        aes!(13, $count),
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

/// An arm for each number of vectors: the rounds with a vector behind them that is hashed, those without up to round 7, and
/// the registers. The first vector, which waits for the hash of what came before, is hashed last; then all are reduced.
macro_rules! within {
    (($key:ident, $plain:ident, $folded:ident, $first:ident, $hashed:ident, $state:ident, $sum:ident, $order:ident)
        $($count:tt: $([$woven:literal])* $($round:literal)*, $($i:literal $register:tt)*;)*) => {
        match N {
            $(
                // SAFETY: it reads the key, the constants and `first` through references, N - 2 vectors of text and the
                // powers of one more, which the slices have, writes no memory, and names all registers that it changes.
                $count => unsafe {
                    asm!(
                        $(aes!($woven, $count), hash!($woven),)*
                        $(aes!($round, $count),)*
                        aes!(8, $count), "vmovdqa ymm12, [{first}]", products!(0),
                        aes!(9, $count), join!(),
                        aes!(10, $count), fold!(),
                        aes!(11, $count), fold!(),
                        aes!(12, $count), sum!(),
                        aes!(13, $count),
                        rounds = in(reg) $key.rounds.as_ptr(),
                        plain = in(reg) $plain.as_ptr(),
                        folded = in(reg) $folded.as_ptr(),
                        constants = in(reg) &raw const CONSTANTS,
                        first = in(reg) &raw const $first,
                        hashed = in(reg) $hashed,
                        $(inout($register) $state[$i],)*
                        inout("ymm8") $sum.low => _, inout("ymm9") $sum.middle => _, inout("ymm10") $sum.high,
                        out("ymm11") _, out("ymm12") _, out("ymm13") _, in("ymm15") $order,
                        options(nostack, readonly),
                    );
                },
            )*
            _ => unreachable!("one of up to two vectors has none between the first and the last"),
        }
    };
}

/// Rounds 1 to 13 of N vectors, and the hash of `before`, with `hash` added to its first block.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_after<const N: usize, const P: usize>(
    key: &Schedule,
    powers: &Powers<P>,
    before: &[u8; 32 * STEP],
    state: &mut [__m256i; N],
    mut hash: __m256i,
) -> __m128i {
    let order = reverse_order();
    after! {
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

/// Rounds 1 to 13 of N vectors, and the hash of their ciphertext: `first` is vector 0 as it is hashed, `whole` those between
/// it and the last, `sum` what else there is; `plain` and `folded` begin with the powers of `first`.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_within<const N: usize>(
    key: &Schedule,
    (plain, folded): (&[__m128i], &[__m128i]),
    first: __m256i,
    whole: &[u8],
    state: &mut [__m256i; N],
    mut sum: PairSum,
) -> __m128i {
    let vectors = N - 2;
    let (plain, folded) = (&plain[..2 * vectors + 2], &folded[..2 * vectors + 2]);
    // Vector 1 is the first of them.
    let hashed = whole[..32 * vectors].as_ptr().wrapping_sub(32);
    let order = reverse_order();
    within! {
        (key, plain, folded, first, hashed, state, sum, order)
        3: [1] 2 3 4 5 6 7, 0 "ymm0" 1 "ymm1" 2 "ymm2";
        4: [1] [2] 3 4 5 6 7, 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3";
        5: [1] [2] [3] 4 5 6 7, 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4";
        6: [1] [2] [3] [4] 5 6 7, 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5";
        7: [1] [2] [3] [4] [5] 6 7, 0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6";
        8: [1] [2] [3] [4] [5] [6] 7,
            0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6" 7 "ymm7";
        9: [1] [2] [3] [4] [5] [6] [7],
            0 "ymm0" 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6" 7 "ymm7" 8 "ymm14";
    }
    _mm256_castsi256_si128(sum.high)
}
