//! The AES rounds of a flight with GHASH between them, by hand: the compiler moves the hash behind the rounds and keeps its
//! vectors on the stack, 18 ns of a message of 1 KiB.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::steps::{CONSTANTS, fold, hash, join, products, sum};
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

/// An arm for each number of vectors: the rounds with a vector behind them that is hashed, those without up to round 7, and
/// the registers. The first vector, which waits for the hash of what came before, is hashed last; then all are reduced.
macro_rules! within {
    (($rounds:ident, $plain:ident, $folded:ident, $first:ident, $hashed:ident, $state:ident, $sum:ident, $order:ident)
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
                        rounds = in(reg) $rounds.as_ptr(),
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

/// An arm for each number of vectors: each is turned into the field's order and added with its powers; then all are reduced.
macro_rules! sealed {
    (($plain:ident, $folded:ident, $waiting:ident, $lengths:ident, $state:ident, $sum:ident, $order:ident)
        $($count:tt: $($i:literal $register:tt)*, $last:literal $last_register:tt;)*) => {
        match N {
            $(
                // SAFETY: it reads the constants and `waiting` through references, and the powers of N vectors, which the
                // slices have, writes no memory, and names all registers that it changes.
                $count => unsafe {
                    asm!(
                        "vpshufb ymm12, ymm0, ymm15", "vpxor ymm12, ymm12, [{waiting}]", products!(0),
                        $(concat!("vpshufb ymm12, ", $register, ", ymm15"), products!($i),)*
                        concat!("vpshufb ymm12, ", $last_register, ", ymm15"), "vpxor ymm12, ymm12, ymm11",
                        products!($last), join!(), fold!(), fold!(), sum!(),
                        plain = in(reg) $plain.as_ptr(),
                        folded = in(reg) $folded.as_ptr(),
                        constants = in(reg) &raw const CONSTANTS,
                        waiting = in(reg) &raw const $waiting,
                        in("ymm0") $state[0], $(in($register) $state[$i],)* in($last_register) $state[$last],
                        inout("ymm8") $sum.low => _, inout("ymm9") $sum.middle => _, inout("ymm10") $sum.high,
                        in("ymm11") $lengths, out("ymm12") _, out("ymm13") _, in("ymm15") $order,
                        options(nostack, readonly),
                    );
                },
            )*
            _ => unreachable!("shorter flights are left to the compiler"),
        }
    };
}

/// Rounds 1 to 13 of N vectors, and the hash of their ciphertext: `first` is vector 0 as it is hashed, `whole` those between
/// it and the last, `sum` what else there is; `plain` and `folded` begin with the powers of `first`.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_within<const N: usize>(
    rounds: &Rounds,
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
        (rounds, plain, folded, first, hashed, state, sum, order)
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

/// The hash of N vectors of ciphertext, `state`: `waiting` is added to the first, `lengths` to the last, and `sum` is what
/// else there is.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_sealed<const N: usize>(
    (plain, folded): (&[__m128i], &[__m128i]),
    waiting: __m256i,
    lengths: __m256i,
    state: &[__m256i; N],
    mut sum: PairSum,
) -> __m128i {
    let (plain, folded) = (&plain[..2 * N], &folded[..2 * N]);
    let order = reverse_order();
    sealed! {
        (plain, folded, waiting, lengths, state, sum, order)
        4: 1 "ymm1" 2 "ymm2", 3 "ymm3";
        5: 1 "ymm1" 2 "ymm2" 3 "ymm3", 4 "ymm4";
        6: 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4", 5 "ymm5";
        7: 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5", 6 "ymm6";
        8: 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6", 7 "ymm7";
        9: 1 "ymm1" 2 "ymm2" 3 "ymm3" 4 "ymm4" 5 "ymm5" 6 "ymm6" 7 "ymm7", 8 "ymm14";
    }
    _mm256_castsi256_si128(sum.high)
}
