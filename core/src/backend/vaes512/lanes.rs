//! Four short messages of one length in blocks under one key, a lane each.
//!
//! ```text
//!              lane 0      lane 1      lane 2      lane 3
//!  vector J    J0          J0          J0          J0         of four messages
//!  vector 0    block 0     block 0     block 0     block 0
//!  vector 1    block 1     ...
//! ```
//!
//! No lane is idle, a power of H serves four blocks, and four reductions are one: the work of a message of 64 bytes is a quarter
//! of 5 vectors of AES and 6 of GHASH, where alone it takes 2 of each and waits for them.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// Messages of one to four blocks each, and their tags.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn lanes<const SEAL: bool>(blocks: usize, key: &Schedule, jobs: &mut [Parts<'_>; GROUP]) {
    match blocks {
        1 => four_lanes::<SEAL, 1>(key, jobs),
        2 => four_lanes::<SEAL, 2>(key, jobs),
        3 => four_lanes::<SEAL, 3>(key, jobs),
        _ => four_lanes::<SEAL, 4>(key, jobs),
    }
}

/// Those of B blocks, of which the last may not be whole.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn four_lanes<const SEAL: bool, const B: usize>(key: &Schedule, jobs: &mut [Parts<'_>; GROUP]) {
    const { assert!(1 <= B && B <= 4) };
    path!(vaes512.lanes, SEAL, B);
    let [a, b, c, d] = &mut *jobs;
    let lengths = [a.text.len(), b.text.len(), c.text.len(), d.text.len()];
    // One to sixteen bytes of the last block; of four messages, side by side.
    let mut last_bytes = 0;
    unroll!(J in 0 1 2 3 => {
        let part = lengths[J].wrapping_sub(16 * (B - 1));
        assert!((1..=16).contains(&part));
        last_bytes |= (0xffff >> (16 - part)) << (16 * J);
    });

    // Hashed first: where this branches, the compiler would put the vectors of the rounds on the stack.
    let near = &key.near;
    let mut sum = QuadSum::zero();
    let blocks = a.aad.len().div_ceil(16);
    let alike = [b.aad.len(), c.aad.len(), d.aad.len()].iter().all(|length| length.div_ceil(16) == blocks);
    if B + 1 + blocks <= NEAR && alike {
        for i in 0..blocks {
            let at = 16 * i;
            let quad = quad_of(block_at(a.aad, at), block_at(b.aad, at), block_at(c.aad, at), block_at(d.aad, at));
            add(&mut sum, reverse_quad(quad), near, B + 1 + blocks - i);
        }
    } else {
        add(&mut sum, hash_each_but_last(key, [a.aad, b.aad, c.aad, d.aad]), near, B + 2);
    }
    let ends = |job: &Parts<'_>| lengths_of(job.aad.len(), job.text.len());
    add(&mut sum, quad_of(ends(a), ends(b), ends(c), ends(d)), near, 1);
    let nonces = quad_of(block_of(a.nonce), block_of(b.nonce), block_of(c.nonce), block_of(d.nonce));
    let mut texts = transpose([quad_at(a.text, 0), quad_at(b.text, 0), quad_at(c.text, 0), quad_at(d.text, 0)]);

    let first = _mm512_xor_si512(nonces, broadcast_nth::<0, 15>(&key.rounds));
    let mut masks = first;
    let mut states = [first; B];
    for (state, counter) in states.iter_mut().zip(2..) {
        *state = _mm512_xor_si512(first, broadcast(_mm_set_epi32((counter ^ 1) << 24, 0, 0, 0)));
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        let round = broadcast_nth::<R, 15>(&key.rounds);
        masks = _mm512_aesenc_epi128(masks, round);
        for state in &mut states {
            *state = _mm512_aesenc_epi128(*state, round);
        }
    });
    let last = broadcast_nth::<14, 15>(&key.rounds);
    masks = _mm512_aesenclast_epi128(masks, last);

    unroll!(I in 0 1 2 3 => {
        if I < B {
            let output = _mm512_aesenclast_epi128(states[I], _mm512_xor_si512(last, texts[I]));
            let mut hashed = if SEAL { output } else { texts[I] };
            if SEAL && I == B - 1 {
                hashed = _mm512_maskz_mov_epi8(last_bytes, hashed);
            }
            add(&mut sum, reverse_quad(hashed), near, B + 1 - I);
            texts[I] = output;
        }
    });
    let quads = transpose(texts);
    put_masked_at(a.text, 0, quads[0]);
    put_masked_at(b.text, 0, quads[1]);
    put_masked_at(c.text, 0, quads[2]);
    put_masked_at(d.text, 0, quads[3]);
    let tags = _mm512_xor_si512(reverse_quad(sum.reduce_each()), masks);
    *a.tag = to_bytes(_mm512_castsi512_si128(tags));
    *b.tag = to_bytes(_mm512_extracti32x4_epi32(tags, 1));
    *c.tag = to_bytes(_mm512_extracti32x4_epi32(tags, 2));
    *d.tag = to_bytes(_mm512_extracti32x4_epi32(tags, 3));
}

/// Adds a block in each lane, times this power of H'.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn add(sum: &mut QuadSum, blocks: __m512i, near: &Near, power: usize) {
    sum.add(blocks, broadcast_of(&near.plain[NEAR - power]), broadcast_of(&near.folded[NEAR - power]));
}

/// What waits for the last block of AAD, and that block, of four messages.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_each_but_last(key: &Schedule, aads: [&[u8]; GROUP]) -> __m512i {
    let [a, b, c, d] = aads;
    let (a, b) = (hash_all_but_last(key, a), hash_all_but_last(key, b));
    quad_of(a, b, hash_all_but_last(key, c), hash_all_but_last(key, d))
}

/// A block in each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn quad_of(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> __m512i {
    let low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    let high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)
}

/// Lane j of vector i becomes lane i of vector j.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee));
    let (cd_low, cd_high) = (_mm512_shuffle_i64x2(c, d, 0x44), _mm512_shuffle_i64x2(c, d, 0xee));
    [
        _mm512_shuffle_i64x2(ab_low, cd_low, 0x88),
        _mm512_shuffle_i64x2(ab_low, cd_low, 0xdd),
        _mm512_shuffle_i64x2(ab_high, cd_high, 0x88),
        _mm512_shuffle_i64x2(ab_high, cd_high, 0xdd),
    ]
}
