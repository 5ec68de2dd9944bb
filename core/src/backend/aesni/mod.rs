//! x86-64 with AES-NI and PCLMULQDQ: one block a vector, 128 bits.
//!
//! ```text
//!  text    | step | step | step |  ...  | rest: 1 to 128 bytes |
//!            eight blocks                 with E(J0) in one flight, then one reduction and the tag
//!
//!  step    AES rounds of eight counters   with, in each round, the GHASH of one block
//!          seal hashes the ciphertext of the step before, open that of the same step: neither waits
//! ```

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

mod steps;

use core::arch::asm;
use core::arch::x86_64::*;

use aead::array::Array;
use aead::consts::U128;
use aead::inout::{InOut, InOutBuf};
use zeroize::Zeroize;

use super::Kernel;
use super::lazy::Lazy;
use super::x86::{
    Powers, Rounds, Sum, encrypt, encrypt_each, expand, fold, hash_key, j0_of, lengths_of, load, load_last, multiply,
    number, ones, reverse, shift, shift_up, square, store, store_short, to_bytes, unroll, wipe,
};
use crate::ct::{clear_stack, clear_vectors};
use crate::{Key, Nonce, Tag, cpu};
use steps::*;

/// Blocks a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Powers of H that longer messages need: those of two steps, which are reduced at once.
const FAR: usize = 2 * STEP;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    proof: cpu::Aesni,
}

struct Schedule {
    rounds: Rounds,
    near: Near,
    /// Made for the first message that needs it.
    far: Lazy<Far>,
}

type Near = Powers<NEAR>;
type Far = Powers<FAR>;

impl Drop for Schedule {
    fn drop(&mut self) {
        wipe(&mut self.rounds);
        self.near.zeroize();
        clear_stack::<1280>(); // with sixteen registers, a message of any length leaves some of them
    }
}

/// Clears what making a key may leave on the stack.
fn clear_frame() {
    clear_stack::<256>();
}

super::x86::kernel!(cpu::Aesni, "aes,pclmulqdq,ssse3,sse4.1");

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, j0_of(nonce), true, aad, text)
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    path!(aesni.from, SEAL, crate::paths::wraps(j0, text.len()));
    crypt::<SEAL>(key, reverse(load(j0)), false, aad, text)
}

/// One message. `j0` is byte-reversed, so that its counter is the lowest 32 bits and counts with one addition. `aligned`: it
/// is 1. That of another nonce comes of H, so nothing asks it.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aligned: bool, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let start = Start {
        j0,
        counter: _mm_add_epi32(j0, one()),
        aad: hash_all_but_last(key, aad),
        hash: _mm_setzero_si128(),
        lengths: lengths_of(aad.len(), text.len()),
    };
    path!(aesni.short, SEAL, text.len().div_ceil(16).min(7));
    if text.len() <= 16 * (NEAR - 2) {
        return fly(SEAL, key, (&key.near.plain, &key.near.folded), &start, text);
    }
    match key.far.get() {
        Some(far) => crypt_long::<SEAL>(key, far, start, aligned, text),
        None => key.far.make(
            Powers::zero(),
            |far| extend(&key.near, far),
            |far| crypt_long::<SEAL>(key, far, start, aligned, text),
        ),
    }
}

/// What a flight starts from, byte-reversed.
struct Start {
    j0: __m128i,
    /// The counter of its first block of text.
    counter: __m128i,
    /// The last block of AAD, with the hash of what came before it; or zero.
    aad: __m128i,
    /// The hash of what came before; added to the first block of text.
    hash: __m128i,
    lengths: __m128i,
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
    mut start: Start,
    aligned: bool,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let steps = (text.len() - 1) / (16 * STEP);
    let (head, rest) = text.split_at(16 * STEP * steps);
    if steps == 0 {
        path!(aesni.flight, SEAL, rest.len().div_ceil(16));
        return fly(SEAL, key, (&far.plain, &far.folded), &start, rest);
    }
    path!(aesni.after, SEAL, rest.len().div_ceil(16));
    start.hash = multiply(start.aad, key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    start.aad = _mm_setzero_si128();
    let (mut steps, _) = head.into_chunks::<U128>();
    if aligned {
        crypt_steps::<SEAL>(key, far, &mut start, steps.reborrow());
    } else {
        crypt_steps_any::<SEAL>(key, far, &mut start, steps.reborrow());
    }
    if SEAL {
        start.hash = hash_step(far, start.hash, &steps.get(steps.len() - 1).get_out().0);
    }
    fly(SEAL, key, (&far.plain, &far.folded), &start, rest)
}

/// The flight of up to eight blocks; a message's, or what follows its steps.
///
/// One for all, with powers that end in H' wherever they stand: a flight of its own for each caller, inlined, and with the hash
/// of the step before in its rounds, took 50 kB more and 5 % less time at 1 KiB. One for both directions, which hashes what it
/// is told to: another for opening, with the hash in its rounds, took 17 kB more and was no faster.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn fly(seal: bool, key: &Schedule, powers: (&[__m128i], &[__m128i]), start: &Start, text: InOutBuf<'_, '_, u8>) -> Tag {
    match text.len().div_ceil(16) {
        0 => flight::<1>(seal, key, powers, start, text),
        1 => flight::<2>(seal, key, powers, start, text),
        2 => flight::<3>(seal, key, powers, start, text),
        3 => flight::<4>(seal, key, powers, start, text),
        4 => flight::<5>(seal, key, powers, start, text),
        5 => flight::<6>(seal, key, powers, start, text),
        6 => flight::<7>(seal, key, powers, start, text),
        7 => flight::<8>(seal, key, powers, start, text),
        _ => flight::<9>(seal, key, powers, start, text),
    }
}

/// One AES round.
#[inline]
#[target_feature(enable = "aes")]
fn round<const N: usize>(state: &mut [__m128i; N], key: __m128i) {
    for block in state {
        *block = _mm_aesenc_si128(*block, key);
    }
}

/// The end of a message, and its tag: N - 1 blocks of text, of which all but the last are whole, and E(J0).
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn flight<const N: usize>(
    seal: bool,
    key: &Schedule,
    (plain, folded): (&[__m128i], &[__m128i]),
    start: &Start,
    mut text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let length = text.len();
    assert!(length <= 16 * N - 16 && (N == 1 || length > 16 * N - 32));
    // From H'^(N + 1), for the AAD, to H', for the lengths.
    let (plain, folded) = (&plain[plain.len() - N - 1..][..N + 1], &folded[folded.len() - N - 1..][..N + 1]);

    let mut counter = start.counter;
    let mut state = [_mm_xor_si128(reverse(start.j0), key.rounds[0]); N];
    for block in &mut state[1..] {
        *block = _mm_xor_si128(reverse(counter), key.rounds[0]);
        counter = _mm_add_epi32(counter, one());
    }
    let hash = start.hash;
    let mut sum = Sum::zero();
    sum.add(start.aad, plain[0], folded[0]);
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        round(&mut state, key.rounds[R]);
    });
    let lengths = if N == 1 { _mm_xor_si128(start.lengths, hash) } else { start.lengths };
    sum.add(lengths, plain[N], folded[N]);
    let mask = _mm_aesenclast_si128(state[0], key.rounds[14]);

    let is_output = _mm_set1_epi8(-i8::from(seal));
    let mut last = _mm_setzero_si128();
    unroll!(I in 1 2 3 4 5 6 7 => {
        if I + 1 < N {
            let input = load(text.get_in()[16 * I - 16..].first_chunk().expect("a block"));
            last = _mm_aesenclast_si128(state[I], _mm_xor_si128(key.rounds[14], input));
            store(text.get_out()[16 * I - 16..].first_chunk_mut().expect("a block"), last);
            let mut block = reverse(_mm_blendv_epi8(input, last, is_output));
            if I == 1 {
                block = _mm_xor_si128(block, hash);
            }
            sum.add(block, plain[I], folded[I]);
        }
    });
    if N > 1 {
        let at = 16 * N - 32;
        let input = load_last(text.get_in());
        let output = _mm_aesenclast_si128(state[N - 1], _mm_xor_si128(key.rounds[14], input));
        let part = length - at;
        path!(aesni.end, seal, usize::from(part < 16) + usize::from(part < 16 && N > 2));
        let mut hashed = _mm_blendv_epi8(input, output, is_output);
        if part == 16 {
            store(text.get_out()[at..].first_chunk_mut().expect("a block"), output);
        } else {
            if N == 2 {
                store_short(text.get_out(), output);
            } else {
                // The last store writes a part of the block before again.
                let window =
                    _mm_or_si128(_mm_shuffle_epi8(last, shift(part)), _mm_shuffle_epi8(output, shift_up(16 - part)));
                store(text.get_out().last_chunk_mut().expect("a block"), window);
            }
            hashed = _mm_and_si128(hashed, ones(part));
        }
        let mut hashed = reverse(hashed);
        if N == 2 {
            hashed = _mm_xor_si128(hashed, hash);
        }
        sum.add(hashed, plain[N - 1], folded[N - 1]);
    }
    to_bytes(_mm_xor_si128(reverse(sum.reduce()), mask))
}

/// What waits for the last block of AAD and is added to it, and that block; zero where there is none.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_all_but_last(key: &Schedule, aad: &[u8]) -> __m128i {
    path!(aesni.aad, crate::paths::aad(aad.len()));
    if aad.is_empty() {
        return _mm_setzero_si128();
    }
    let last = reverse(load_last(aad));
    if aad.len() <= 16 { last } else { _mm_xor_si128(last, hash_whole(key, &aad[..(aad.len() - 1) & !15])) }
}

/// The hash of whole blocks, eight a reduction.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_whole(key: &Schedule, bytes: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for chunk in bytes.as_chunks::<16>().0.chunks(NEAR) {
        path!(aesni.hash, chunk.len());
        let mut sum = Sum::zero();
        for (block, at) in chunk.iter().zip(NEAR - chunk.len()..) {
            sum.add(_mm_xor_si128(reverse(load(block)), hash), key.near.plain[at], key.near.folded[at]);
            hash = _mm_setzero_si128();
        }
        hash = sum.reduce();
    }
    hash
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn schedule<T>(proof: cpu::Aesni, key: [__m128i; 2], wrap: impl FnOnce(Expanded) -> T) -> T {
    let near = Powers::zero();
    let mut expanded =
        Expanded { schedule: Schedule { rounds: [_mm_setzero_si128(); 15], near, far: Lazy::new() }, proof };
    let place = &mut expanded.schedule;
    expand(key, &mut place.rounds);
    let one = hash_key(&place.rounds);
    let two = square(one);
    let four = square(two);
    let three = multiply(one, two, fold(two));
    let [five, six, seven, eight] = [one, two, three, four].map(|power| multiply(power, four, fold(four)));
    place.near.set([eight, seven, six, five, four, three, two, one]);
    wrap(expanded)
}

/// The powers of two steps, from the first eight.
#[cold]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn extend(near: &Near, far: &mut Far) {
    for (i, low) in near.plain.into_iter().enumerate() {
        let high = multiply(low, near.plain[0], near.folded[0]);
        (far.plain[i], far.folded[i]) = (high, fold(high));
        (far.plain[NEAR + i], far.folded[NEAR + i]) = (low, fold(low));
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn one() -> __m128i {
    _mm_set_epi32(0, 0, 0, 1)
}

#[cfg(test)]
super::x86::wiping_test!(Aesni);
