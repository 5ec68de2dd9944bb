//! x86-64 with VAES and VPCLMULQDQ on 256-bit vectors, without AVX-512: two blocks a vector.
//!
//! ```text
//!  text    | step | step | step |  ...  | rest: 1 to 256 bytes |
//!            16 blocks, eight vectors     with E(J0) in one flight, then one reduction and the tag
//!
//!  step    AES rounds of eight counter vectors   with, in each round, the GHASH of one vector
//!          seal hashes the ciphertext of the step before, open that of the same step: neither waits
//!
//!  flight  vector 0: J0 | block 0   vector 1: block 1 | block 2   ...
//!          hashed:   A  | block 0             block 1 | block 2   ...   lengths
//! ```
//!
//! E(J0) takes the lane that no text needs, and the last block of AAD (A, with the hash of what came before it) the same
//! lane of the hash, so that a message of one flight is one sum of products and one reduction.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

mod field;
mod flight;
mod steps;
mod weave;

use core::arch::asm;
use core::arch::x86_64::*;

use aead::array::Array;
use aead::consts::U256;
use aead::inout::{InOut, InOutBuf};
use zeroize::Zeroize;

use super::Kernel;
use super::lazy::Lazy;
use super::x86::{
    Powers, Rounds, Sum, View, encrypt, encrypt_each, expand, hash_key, j0_of, lengths_of, load, load_last, load_short,
    multiply, number, reverse, shift, shift_up, square, store, store_short, to_bytes, unroll, wipe,
};
use crate::ct::clear_stack;
use crate::{Key, Nonce, Tag, cpu};
use field::*;
use flight::*;
use steps::*;
use weave::*;

/// Vectors a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Powers of H that longer messages need: those of two steps, which are reduced at once.
const FAR: usize = 4 * STEP;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    proof: cpu::Vaes256,
}

/// Clears what making a key may leave on the stack.
fn clear_frame() {
    clear_stack::<256>();
}

super::x86::kernel!(cpu::Vaes256, "avx2,vaes,vpclmulqdq,aes,pclmulqdq");

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, j0_of(nonce), true, aad, text)
}

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    path!(vaes256.from, SEAL, crate::paths::wraps(j0, text.len()));
    crypt::<SEAL>(key, reverse(load(j0)), false, aad, text)
}

/// One message. `j0` is byte-reversed, so that its counter is the lowest 32 bits and counts with one addition. `aligned`: it
/// is 1. That of another nonce comes of H, so nothing asks it.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aligned: bool, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let start = Start::of(j0, hash_all_but_last(key, aad), lengths_of(aad.len(), text.len()));
    let near = &key.near;
    path!(vaes256.short, SEAL, text.len().div_ceil(16).min(7));
    match text.len().div_ceil(16) {
        0..=6 => short::<SEAL, NEAR>(&key.rounds, near.view(), &start, text),
        _ => match key.far.get() {
            Some(far) => crypt_long::<SEAL>(key, far, &start, (aligned, !aad.is_empty()), text),
            None => key.far.make(
                Powers::zero(),
                |far| extend(near, far),
                |far| crypt_long::<SEAL>(key, far, &start, (aligned, !aad.is_empty()), text),
            ),
        },
    }
}

/// A message of up to six blocks; `vaes512` takes its short ones from here.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn short<const SEAL: bool, const P: usize>(
    rounds: &Rounds,
    near: View<'_, P>,
    start: &Start,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    match text.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, P>(rounds, near, start, text),
        2 | 3 => flight::<SEAL, 2, P>(rounds, near, start, text),
        4 | 5 => flight::<SEAL, 3, P>(rounds, near, start, text),
        _ => flight::<SEAL, 4, P>(rounds, near, start, text),
    }
}

/// What a flight starts from, byte-reversed.
pub(super) struct Start {
    /// J0, and the counter of its first block of text: one value, for to load two that were just stored waits for both.
    counters: __m256i,
    /// What its hash starts with: the upper half is added to its first block, the lower half to the block before that.
    waiting: __m256i,
    lengths: __m128i,
}

impl Start {
    /// That of a message: `waiting` is what its AAD has to be hashed with its text, of the lengths `lengths`.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn of(j0: __m128i, waiting: __m128i, lengths: __m128i) -> Self {
        Self {
            counters: _mm256_inserti128_si256(_mm256_zextsi128_si256(j0), _mm_add_epi32(j0, one()), 1),
            waiting: _mm256_zextsi128_si256(waiting),
            lengths,
        }
    }
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
    start: &Start,
    (aligned, has_aad): (bool, bool),
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let steps = (text.len() - 1) / (32 * STEP);
    let (head, rest) = text.split_at(32 * STEP * steps);
    if steps == 0 {
        path!(vaes256.flight, SEAL, rest.len().div_ceil(16));
        return fly::<SEAL>(key, far, start, rest);
    }
    path!(vaes256.after, SEAL, rest.len().div_ceil(16));
    let mut hash = _mm256_castsi256_si128(start.waiting);
    if has_aad {
        hash = multiply(hash, near(key).0, near(key).1);
    }
    let (mut steps, _) = head.into_chunks::<U256>();
    let mut counter = _mm256_extracti128_si256(start.counters, 1);
    hash = if aligned {
        crypt_steps::<SEAL>(key, far, &mut counter, hash, steps.reborrow())
    } else {
        crypt_steps_any::<SEAL>(key, far, &mut counter, hash, steps.reborrow())
    };
    let counters = _mm256_inserti128_si256(start.counters, counter, 1);
    if SEAL {
        hash = hash_step(far, hash, &steps.get(steps.len() - 1).get_out().0);
    }
    let waiting = _mm256_inserti128_si256(_mm256_setzero_si256(), hash, 1);
    fly::<SEAL>(key, far, &Start { counters, waiting, ..*start }, rest)
}

/// The flight of 7 to 16 blocks, or of 1 to 16 after whole steps. The hash of the last step in the rounds of what follows it,
/// and so a flight of its own for that, took 17 kB more and 6 % less time at 1 KiB.
#[inline(never)]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn fly<const SEAL: bool>(key: &Schedule, far: &Far, start: &Start, text: InOutBuf<'_, '_, u8>) -> Tag {
    match text.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, FAR>(&key.rounds, far.view(), start, text),
        2 | 3 => flight::<SEAL, 2, FAR>(&key.rounds, far.view(), start, text),
        4 | 5 => flight::<SEAL, 3, FAR>(&key.rounds, far.view(), start, text),
        6 | 7 => flight::<SEAL, 4, FAR>(&key.rounds, far.view(), start, text),
        8 | 9 => flight::<SEAL, 5, FAR>(&key.rounds, far.view(), start, text),
        10 | 11 => flight::<SEAL, 6, FAR>(&key.rounds, far.view(), start, text),
        12 | 13 => flight::<SEAL, 7, FAR>(&key.rounds, far.view(), start, text),
        14 | 15 => flight::<SEAL, 8, FAR>(&key.rounds, far.view(), start, text),
        _ => flight::<SEAL, 9, FAR>(&key.rounds, far.view(), start, text),
    }
}

/// One AES round.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn round<const N: usize>(state: &mut [__m256i; N], key: __m128i) {
    let key = broadcast(key);
    for block in state {
        *block = _mm256_aesenc_epi128(*block, key);
    }
}

/// Overwrites the vector registers, where round keys and powers of H stood: each by itself, for `vzeroall` takes 6 cycles
/// and this 3. Writing the lower half clears the upper.
#[inline]
fn clear_vectors() {
    // SAFETY: this backend's CPUs have AVX; the asm writes these registers, says so, and touches nothing else.
    unsafe {
        asm!(
            "vpxor xmm0, xmm0, xmm0", "vpxor xmm1, xmm1, xmm1", "vpxor xmm2, xmm2, xmm2",
            "vpxor xmm3, xmm3, xmm3", "vpxor xmm4, xmm4, xmm4", "vpxor xmm5, xmm5, xmm5",
            "vpxor xmm6, xmm6, xmm6", "vpxor xmm7, xmm7, xmm7", "vpxor xmm8, xmm8, xmm8",
            "vpxor xmm9, xmm9, xmm9", "vpxor xmm10, xmm10, xmm10", "vpxor xmm11, xmm11, xmm11",
            "vpxor xmm12, xmm12, xmm12", "vpxor xmm13, xmm13, xmm13", "vpxor xmm14, xmm14, xmm14",
            "vpxor xmm15, xmm15, xmm15",
            "vzeroupper",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
super::x86::wiping_test!(Vaes256);
