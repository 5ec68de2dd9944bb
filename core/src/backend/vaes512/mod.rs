//! x86-64 with VAES, VPCLMULQDQ and AVX-512: four blocks a vector, masks for what is not whole.
//!
//! ```text
//!  text    | step | step | step |  ...  | rest: 1 to 512 bytes |
//!            32 blocks, eight vectors     with E(J0) in one flight, then one reduction and the tag
//!
//!  step    AES rounds of eight counter vectors   with, in each round, the GHASH of one vector
//!          seal hashes the ciphertext of the step before, open that of the same step: neither waits
//!
//!  flight  vector 0: J0 | block 0 | 1 | 2   vector 1: block 3 | 4 | 5 | 6   ...
//!          hashed:   A  | block 0 | 1 | 2             block 3 | 4 | ... | lengths
//! ```
//!
//! E(J0) takes the lane that no text needs, the last block of AAD (A, with the hash of what came before it) the same lane
//! of the hash, and the lengths the lane behind the text, so that a short message is one sum of products, one reduction.
//! 32 registers hold all round keys through a step. The shortest messages are flights of `vaes256`, on vectors of 256 bits.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

mod field;
mod flight;
mod lanes;
mod memory;
mod steps;
mod weave;

use core::arch::asm;
use core::arch::x86_64::*;

use aead::array::Array;
use aead::consts::U512;
use aead::inout::{InOut, InOutBuf};
use zeroize::optimization_barrier;

use super::Kernel;
use super::batch::{GROUP, Grouped, Job};
use super::lazy::Lazy;
use super::vaes256;
use super::x86::{
    Powers, Rounds, encrypt, encrypt_each, expand, hash_key, lengths_of, load, multiply, number, reverse, square,
    store, to_bytes, unroll,
};
use crate::{Key, Nonce, Tag, cpu};
use field::*;
use flight::*;
use lanes::*;
use memory::*;
use steps::*;
use weave::*;

/// Vectors a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Blocks of the longest message that goes on vectors of 256 bits: on Zen 4 they take 19 ns for 16 bytes and 25 for 64, where
/// those of 512 take 25 and 29.
const SHORT: usize = 5;
/// Powers of H that such a message needs: its own, and those of its lengths and of the last block of its AAD.
const SHORT_POWERS: usize = SHORT + 2;
/// Powers of H that longer messages need: those of a flight of 32 blocks, and its AAD.
const FAR: usize = 4 * STEP + 4;
/// Steps that make it worth while to have the powers of two.
const ABOVE_FROM: usize = 4;
/// Zeros behind the powers, so that a vector of four may end past H'.
const PAD: usize = 4;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    proof: cpu::Vaes512,
}

/// Clears what making a key may leave on the stack.
fn clear_frame() {
    // SAFETY: only who has this backend's proof makes a key.
    unsafe { clear_frame_wide() };
}

super::x86::kernel!(cpu::Vaes512, "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq");

impl Grouped for Expanded {
    const CLASSES: usize = 5;

    fn of(expanded: &super::Expanded) -> Option<&Self> {
        match expanded {
            super::Expanded::Vaes512(this) => Some(this),
            _ => None,
        }
    }

    /// Blocks: up to four, which are a vector. Five and six, in two, would take 12 kB of code more, and alone idle least.
    #[inline]
    fn class(length: usize) -> usize {
        length.div_ceil(16)
    }

    #[inline]
    fn groups<'k, const SEAL: bool, J: Job<'k>, const G: usize>(
        &self,
        class: usize,
        jobs: &mut [J],
        places: &[[usize; GROUP]; G],
    ) -> bool {
        if class > 0 {
            // SAFETY: `self.proof` exists only if `detect` saw every feature that `lanes` enables.
            unsafe { lanes::<SEAL, J, G>(class, &self.schedule, jobs, places) };
        }
        class > 0
    }

    fn clear() {
        clear_vectors();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, block_of(nonce), true, aad, text)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    path!(vaes512.from, SEAL, crate::paths::wraps(j0, text.len()));
    crypt::<SEAL>(key, load(j0), false, aad, text)
}

/// One message. `aligned`: J0's counter is 1. That of another nonce comes of H, so nothing asks it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aligned: bool, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let near = &key.near;
    path!(vaes512.short, SEAL, text.len().div_ceil(16).min(7));
    match text.len().div_ceil(16) {
        0..=SHORT => {
            let at = NEAR - SHORT_POWERS;
            let (plain, folded) = (near.plain[at..].first_chunk(), near.folded[at..].first_chunk());
            let powers = (plain.expect("NEAR are more"), folded.expect("NEAR are more"));
            let lengths = lengths_of(aad.len(), text.len());
            let start = vaes256::Start::of(reverse(j0), hash_all_but_last(key, aad), lengths);
            vaes256::short::<SEAL, SHORT_POWERS>(&key.rounds, powers, &start, text)
        }
        6 => {
            let start = Start::of(key, j0, aligned, aad, text.len());
            flight::<SEAL, 2, { NEAR + PAD }, false>(key, near, start, &[0; 64 * STEP], text)
        }
        _ => match key.far.get() {
            Some(far) => crypt_long::<SEAL>(key, far, j0, aligned, aad, text),
            None => key.far.make(
                Powers::zero(),
                |far| extend(near, far),
                |far| crypt_long::<SEAL>(key, far, j0, aligned, aad, text),
            ),
        },
    }
}

/// What a flight starts from.
#[derive(Clone, Copy)]
struct Start {
    j0: __m128i,
    /// Whether the flight begins its message, and J0 counts from 1: then all its counters are J0 and a constant.
    aligned: bool,
    /// The counter of its first block of text, byte-reversed, so that it counts with one addition.
    counter: __m128i,
    /// What its hash starts with: lane 1 is added to its first block, lane 0 to the block before that.
    waiting: __m512i,
    lengths: __m128i,
}

impl Start {
    /// That of a message.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn of(key: &Schedule, j0: __m128i, aligned: bool, aad: &[u8], length: usize) -> Self {
        Self {
            j0,
            aligned,
            counter: _mm_add_epi32(reverse(j0), _mm_set_epi32(0, 0, 0, 1)),
            waiting: _mm512_zextsi128_si512(hash_all_but_last(key, aad)),
            lengths: lengths_of(aad.len(), length),
        }
    }
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
    j0: __m128i,
    aligned: bool,
    aad: &[u8],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let start = Start::of(key, j0, aligned, aad, text.len());
    let steps = (text.len() - 1) / (64 * STEP);
    let (head, rest) = text.split_at(64 * STEP * steps);
    if steps == 0 {
        path!(vaes512.flight, SEAL, rest.len().div_ceil(16));
        return fly::<SEAL, false>(key, far, start, &[0; 64 * STEP], rest);
    }
    path!(vaes512.after, SEAL, rest.len().div_ceil(16));
    let mut hash = _mm512_castsi512_si128(start.waiting);
    if !aad.is_empty() {
        hash = multiply(hash, key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    }
    let (mut steps, _) = head.into_chunks::<U512>();
    let mut counter = start.counter;
    hash = if aligned {
        crypt_steps::<SEAL>(key, far, &mut counter, hash, steps.reborrow())
    } else {
        crypt_steps_any::<SEAL>(key, far, &mut counter, hash, steps.reborrow())
    };
    if SEAL {
        let mut last = steps.get(steps.len() - 1);
        let start = Start { counter, aligned: false, waiting: _mm512_zextsi128_si512(hash), ..start };
        fly::<SEAL, true>(key, far, start, &last.get_out().0, rest)
    } else {
        let start = Start { counter, aligned: false, waiting: lane_1(hash), ..start };
        fly::<SEAL, false>(key, far, start, &[0; 64 * STEP], rest)
    }
}

/// The flight of 7 to 32 blocks, or of 1 to 32 after whole steps. Seal without AFTER has no short ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn fly<const SEAL: bool, const AFTER: bool>(
    key: &Schedule,
    far: &Far,
    start: Start,
    before: &[u8; 64 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    match text.len().div_ceil(16) / 4 {
        0 if AFTER || !SEAL => flight::<SEAL, 1, { FAR + PAD }, AFTER>(key, far, start, before, text),
        1 => flight::<SEAL, 2, { FAR + PAD }, AFTER>(key, far, start, before, text),
        2 => flight::<SEAL, 3, { FAR + PAD }, AFTER>(key, far, start, before, text),
        3 => flight::<SEAL, 4, { FAR + PAD }, AFTER>(key, far, start, before, text),
        4 => flight::<SEAL, 5, { FAR + PAD }, AFTER>(key, far, start, before, text),
        5 => flight::<SEAL, 6, { FAR + PAD }, AFTER>(key, far, start, before, text),
        6 => flight::<SEAL, 7, { FAR + PAD }, AFTER>(key, far, start, before, text),
        7 => flight::<SEAL, 8, { FAR + PAD }, AFTER>(key, far, start, before, text),
        _ => flight::<SEAL, 9, { FAR + PAD }, AFTER>(key, far, start, before, text),
    }
}

/// One AES round.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn round<const R: usize, const N: usize>(state: &mut [__m512i; N], keys: &Rounds) {
    let key = broadcast_nth::<R, 15>(keys);
    for block in state {
        *block = _mm512_aesenc_epi128(*block, key);
    }
}

/// Overwrites the vector registers, where round keys and powers of H stood.
#[inline]
fn clear_vectors() {
    // SAFETY: this backend's CPUs have AVX-512VL; the asm writes these registers, says so, and touches nothing else.
    unsafe {
        asm!(
            "vpxor xmm0, xmm0, xmm0", "vpxor xmm1, xmm1, xmm1", "vpxor xmm2, xmm2, xmm2",
            "vpxor xmm3, xmm3, xmm3", "vpxor xmm4, xmm4, xmm4", "vpxor xmm5, xmm5, xmm5",
            "vpxor xmm6, xmm6, xmm6", "vpxor xmm7, xmm7, xmm7", "vpxor xmm8, xmm8, xmm8",
            "vpxor xmm9, xmm9, xmm9", "vpxor xmm10, xmm10, xmm10", "vpxor xmm11, xmm11, xmm11",
            "vpxor xmm12, xmm12, xmm12", "vpxor xmm13, xmm13, xmm13", "vpxor xmm14, xmm14, xmm14",
            "vpxor xmm15, xmm15, xmm15",
            "vzeroupper",
            "vpxord xmm16, xmm16, xmm16", "vpxord xmm17, xmm17, xmm17", "vpxord xmm18, xmm18, xmm18",
            "vpxord xmm19, xmm19, xmm19", "vpxord xmm20, xmm20, xmm20", "vpxord xmm21, xmm21, xmm21",
            "vpxord xmm22, xmm22, xmm22", "vpxord xmm23, xmm23, xmm23", "vpxord xmm24, xmm24, xmm24",
            "vpxord xmm25, xmm25, xmm25", "vpxord xmm26, xmm26, xmm26", "vpxord xmm27, xmm27, xmm27",
            "vpxord xmm28, xmm28, xmm28", "vpxord xmm29, xmm29, xmm29", "vpxord xmm30, xmm30, xmm30",
            "vpxord xmm31, xmm31, xmm31",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
super::x86::wiping_test!(Vaes512);
