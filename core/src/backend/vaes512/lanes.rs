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

/// Messages of B blocks, of which the last may not be whole, and their tags.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn four_lanes<const SEAL: bool, const B: usize>(key: &Schedule, mut jobs: [Parts<'_>; GROUP]) {
    const { assert!(1 <= B && B <= NEAR - 2) };
    path!(vaes512.lanes, SEAL, B);
    let lengths = jobs.each_ref().map(|job| job.text.len());
    assert!(lengths.iter().all(|length| length.div_ceil(16) == B));
    // The bytes of the quads of a message; those of the last blocks, side by side.
    let bytes = lengths.map(|length| [0, 64].map(|at| !u64::MAX.unbounded_shl(length.saturating_sub(at) as u32)));
    let mut last_bytes = 0;
    unroll!(J in 0 1 2 3 => { last_bytes |= (0xffff >> (16 * B - lengths[J])) << (16 * J); });

    let nonces = quad_of(jobs.each_ref().map(|job| block_of(job.nonce)));
    let waiting = quad_of(jobs.each_ref().map(|job| hash_all_but_last(key, job.aad)));
    let ends = quad_of(jobs.each_ref().map(|job| lengths_of(job.aad.len(), job.text.len())));
    let mut texts = [_mm512_setzero_si512(); 8];
    unroll!(Q in 0 1 => {
        if 4 * Q < B {
            let mut quads = [_mm512_setzero_si512(); GROUP];
            unroll!(J in 0 1 2 3 => { quads[J] = load_masked(&jobs[J].text[64 * Q..], 0, bytes[J][Q]); });
            let quads = transpose(quads);
            unroll!(I in 0 1 2 3 => { texts[4 * Q + I] = quads[I]; });
        }
    });

    let first = _mm512_xor_si512(nonces, broadcast_of(&key.rounds[0]));
    let mut masks = first;
    let mut states = [first; B];
    for (state, counter) in states.iter_mut().zip(2..) {
        *state = _mm512_xor_si512(first, broadcast(_mm_set_epi32((counter ^ 1) << 24, 0, 0, 0)));
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        let round = broadcast_of(&key.rounds[R]);
        masks = _mm512_aesenc_epi128(masks, round);
        for state in &mut states {
            *state = _mm512_aesenc_epi128(*state, round);
        }
    });
    let last = broadcast_of(&key.rounds[14]);
    masks = _mm512_aesenclast_epi128(masks, last);

    let near = &key.near;
    let mut sum = QuadSum::zero();
    let mut add = |block, power: usize| {
        sum.add(block, broadcast_of(&near.plain[NEAR - power]), broadcast_of(&near.folded[NEAR - power]));
    };
    add(waiting, B + 2);
    add(ends, 1);
    unroll!(I in 0 1 2 3 4 5 => {
        if I < B {
            let output = _mm512_aesenclast_epi128(states[I], _mm512_xor_si512(last, texts[I]));
            let mut hashed = if SEAL { output } else { texts[I] };
            if SEAL && I == B - 1 {
                hashed = _mm512_maskz_mov_epi8(last_bytes, hashed);
            }
            add(reverse_quad(hashed), B + 1 - I);
            texts[I] = output;
        }
    });
    unroll!(Q in 0 1 => {
        if 4 * Q < B {
            let quads = transpose([texts[4 * Q], texts[4 * Q + 1], texts[4 * Q + 2], texts[4 * Q + 3]]);
            unroll!(J in 0 1 2 3 => { store_masked(&mut jobs[J].text[64 * Q..], 0, bytes[J][Q], quads[J]); });
        }
    });
    let tags = _mm512_xor_si512(reverse_quad(sum.reduce_each()), masks);
    *jobs[0].tag = to_bytes(_mm512_castsi512_si128(tags));
    *jobs[1].tag = to_bytes(_mm512_extracti32x4_epi32(tags, 1));
    *jobs[2].tag = to_bytes(_mm512_extracti32x4_epi32(tags, 2));
    *jobs[3].tag = to_bytes(_mm512_extracti32x4_epi32(tags, 3));
}

/// A block in each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn quad_of([a, b, c, d]: [__m128i; 4]) -> __m512i {
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
