//! The AES rounds of a flight with GHASH between them, by hand: the compiler moves the hash behind the rounds.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::steps::{pair, reduce};
use super::*;

/// One AES round of a flight's vectors, zmm0 to zmm8, or of ten that batches have.
macro_rules! aes_round {
    ($round:tt, 1) => { aes_round!(@ $round, 0) };
    ($round:tt, 2) => { aes_round!(@ $round, 0 1) };
    ($round:tt, 3) => { aes_round!(@ $round, 0 1 2) };
    ($round:tt, 4) => { aes_round!(@ $round, 0 1 2 3) };
    ($round:tt, 5) => { aes_round!(@ $round, 0 1 2 3 4) };
    ($round:tt, 6) => { aes_round!(@ $round, 0 1 2 3 4 5) };
    ($round:tt, 7) => { aes_round!(@ $round, 0 1 2 3 4 5 6) };
    ($round:tt, 8) => { aes_round!(@ $round, 0 1 2 3 4 5 6 7) };
    ($round:tt, 9) => { aes_round!(@ $round, 0 1 2 3 4 5 6 7 8) };
    ($round:tt, 10) => { aes_round!(@ $round, 0 1 2 3 4 5 6 7 8 9) };
    (@ $round:tt, $($state:tt)*) => {
        concat!(
            "vbroadcasti32x4 zmm20, [{rounds} + 16 * ", $round, "]",
            $("\n vaesenc zmm", $state, ", zmm", $state, ", zmm20",)*
        )
    };
}

pub(super) use aes_round;

/// One vector of ciphertext and its products; that of a pair has its own name.
macro_rules! single {
    ($vector:literal) => {
        concat!(
            "vmovdqu64 zmm12, [{hashed} + 64 * ",
            $vector,
            "]
             vpshufb zmm12, zmm12, zmm18
             vpclmulqdq zmm13, zmm12, [{plain} + 64 * ",
            $vector,
            "], 0x00
             vpclmulqdq zmm14, zmm12, [{plain} + 64 * ",
            $vector,
            "], 0x11
             vpxorq zmm9, zmm9, zmm13
             vpshufd zmm15, zmm12, 0x4e
             vpxorq zmm11, zmm11, zmm14
             vpxorq zmm12, zmm12, zmm15
             vpclmulqdq zmm12, zmm12, [{folded} + 64 * ",
            $vector,
            "], 0x00
             vpxorq zmm10, zmm10, zmm12"
        )
    };
}

/// An arm for each number of vectors, with the registers that they are in: the step before is hashed, and reduced.
macro_rules! after {
    (($key:ident, $powers:ident, $before:ident, $state:ident, $hash:ident, $order:ident, $polynomial:ident)
        $($count:tt: $($i:literal $register:tt)*;)*) => {
        match N {
            $(
                // SAFETY: it reads the key and the powers of one step, and the step before, each through a reference to as much
                // or more, writes no memory, and names all registers that it changes.
                $count => unsafe {
                    asm!(
                        aes_round!(1, $count), pair!(load first), pair!(low first),
                        aes_round!(2, $count), pair!(high first), pair!(middle first),
                        aes_round!(3, $count), pair!(load 2), pair!(low 2),
                        aes_round!(4, $count), pair!(high 2), pair!(middle 2),
                        aes_round!(5, $count), pair!(load 4), pair!(low 4),
                        aes_round!(6, $count), pair!(high 4), pair!(middle 4),
                        aes_round!(7, $count), pair!(load 6), pair!(low 6),
                        aes_round!(8, $count), pair!(high 6), pair!(middle 6),
                        aes_round!(9, $count), reduce!(join),
                        aes_round!(10, $count), reduce!(once),
                        aes_round!(11, $count), reduce!(twice),
                        aes_round!(12, $count), reduce!(sum),
                        aes_round!(13, $count),
                        rounds = in(reg) $key.rounds.as_ptr(),
                        plain = in(reg) $powers.plain[P - PAD - 4 * STEP..].as_ptr(),
                        folded = in(reg) $powers.folded[P - PAD - 4 * STEP..].as_ptr(),
                        hashed = in(reg) $before.as_ptr(),
                        $(inout($register) $state[$i],)*
                        inout("zmm11") $hash,
                        out("zmm9") _, out("zmm10") _, out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
                        out("zmm16") _, out("zmm17") _, in("zmm18") $order, in("zmm19") $polynomial, out("zmm20") _,
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_after<const N: usize, const P: usize>(
    key: &Schedule,
    powers: &Powers<P>,
    before: &[u8; 64 * STEP],
    state: &mut [__m512i; N],
    mut hash: __m512i,
) -> __m128i {
    let (order, polynomial) = (order(), polynomial());
    after! {
        (key, powers, before, state, hash, order, polynomial)
        1: 0 "zmm0";
        2: 0 "zmm0" 1 "zmm1";
        3: 0 "zmm0" 1 "zmm1" 2 "zmm2";
        4: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3";
        5: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4";
        6: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5";
        7: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6";
        8: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6" 7 "zmm7";
        9: 0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6" 7 "zmm7" 8 "zmm8";
    }
    _mm512_castsi512_si128(hash)
}

/// An arm for each number of vectors: the rounds with what is hashed behind each, and the registers; then all are reduced.
macro_rules! within {
    (($key:ident, $plain:ident, $folded:ident, $hashed:ident, $state:ident, $sum:ident, $order:ident, $polynomial:ident)
        $($count:tt: { $($hash:tt)* } $($i:literal $register:tt)*;)*) => {
        match N {
            $(
                // SAFETY: it reads the key, N - 2 vectors of text and the powers of one more, which the slices have, writes no
                // memory, and names all registers that it changes.
                $count => unsafe {
                    within!(@ ($key, $plain, $folded, $hashed, $state, $sum, $order, $polynomial)
                        $count { $($hash)* } $($i $register)*)
                },
            )*
            _ => unreachable!("one of up to two vectors has none between the first and the last"),
        }
    };
    (@ ($key:ident, $plain:ident, $folded:ident, $hashed:ident, $state:ident, $sum:ident, $order:ident, $polynomial:ident)
        $count:tt { $($round:literal: [$($hash:expr),*])* } $($i:literal $register:tt)*) => {
        asm!(
            $(aes_round!($round, $count), $($hash,)*)*
            aes_round!(10, $count), reduce!(join),
            aes_round!(11, $count), reduce!(once),
            aes_round!(12, $count), reduce!(twice),
            aes_round!(13, $count), reduce!(sum),
            rounds = in(reg) $key.rounds.as_ptr(),
            plain = in(reg) $plain.as_ptr(),
            folded = in(reg) $folded.as_ptr(),
            hashed = in(reg) $hashed,
            $(inout($register) $state[$i],)*
            inout("zmm9") $sum.low => _, inout("zmm10") $sum.middle => _, inout("zmm11") $sum.high,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            in("zmm18") $order, in("zmm19") $polynomial, out("zmm20") _,
            options(nostack, readonly),
        )
    };
}

/// Rounds 1 to 13 of N vectors, and the hash of their ciphertext: `whole` is what stands between the first vector and the last,
/// `sum` those two and what else there is; `plain` and `folded` begin with the powers of vector 0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn rounds_within<const N: usize>(
    key: &Schedule,
    (plain, folded): (&[__m128i], &[__m128i]),
    whole: &[u8],
    state: &mut [__m512i; N],
    mut sum: QuadSum,
) -> __m128i {
    let vectors = N - 2;
    let (plain, folded) = (&plain[..4 * vectors + 4], &folded[..4 * vectors + 4]);
    // Vector 1 is the first of them.
    let hashed = whole[..64 * vectors].as_ptr().wrapping_sub(64);
    let (order, polynomial) = (order(), polynomial());
    within! {
        (key, plain, folded, hashed, state, sum, order, polynomial)
        3: { 1: [single!(1)] 2: [] 3: [] 4: [] 5: [] 6: [] 7: [] 8: [] 9: [] } 0 "zmm0" 1 "zmm1" 2 "zmm2";
        4: { 1: [pair!(load 1)] 2: [pair!(low 1)] 3: [pair!(high 1)] 4: [pair!(middle 1)] 5: [] 6: [] 7: [] 8: [] 9: [] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3";
        5: { 1: [pair!(load 1)] 2: [pair!(low 1)] 3: [pair!(high 1)] 4: [pair!(middle 1)] 5: [single!(3)] 6: [] 7: [] 8: [] 9: [] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4";
        6: { 1: [pair!(load 1), pair!(low 1)] 2: [pair!(high 1)] 3: [pair!(middle 1)] 4: [pair!(load 3), pair!(low 3)]
             5: [pair!(high 3)] 6: [pair!(middle 3)] 7: [] 8: [] 9: [] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5";
        7: { 1: [pair!(load 1), pair!(low 1)] 2: [pair!(high 1)] 3: [pair!(middle 1)] 4: [pair!(load 3), pair!(low 3)]
             5: [pair!(high 3)] 6: [pair!(middle 3)] 7: [single!(5)] 8: [] 9: [] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6";
        8: { 1: [pair!(load 1), pair!(low 1)] 2: [pair!(high 1)] 3: [pair!(middle 1)] 4: [pair!(load 3), pair!(low 3)]
             5: [pair!(high 3)] 6: [pair!(middle 3)] 7: [pair!(load 5), pair!(low 5)] 8: [pair!(high 5)] 9: [pair!(middle 5)] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6" 7 "zmm7";
        9: { 1: [pair!(load 1), pair!(low 1)] 2: [pair!(high 1)] 3: [pair!(middle 1)] 4: [pair!(load 3), pair!(low 3)]
             5: [pair!(high 3)] 6: [pair!(middle 3)] 7: [pair!(load 5), pair!(low 5)] 8: [pair!(high 5), pair!(middle 5)]
             9: [single!(7)] }
            0 "zmm0" 1 "zmm1" 2 "zmm2" 3 "zmm3" 4 "zmm4" 5 "zmm5" 6 "zmm6" 7 "zmm7" 8 "zmm8";
    }
    _mm512_castsi512_si128(sum.high)
}
