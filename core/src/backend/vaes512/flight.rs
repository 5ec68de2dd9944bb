//! The flight that ends a message on VAES with 512 bits, and four of them at once.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// The end of a message, and its tag: up to 4N - 1 blocks of text, of which 4N - 5 are whole, and E(J0).
///
/// AFTER: `before` is the step before, whose ciphertext is hashed during the rounds.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn flight<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool>(
    key: &Schedule,
    powers: &Powers<P>,
    mut start: Start,
    before: &[u8; 64 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let mut state = counters(key, &start);
    let mut sum = QuadSum::zero();
    let mut earlier = QuadSum::zero();
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        round(&mut state, key.rounds[R]);
        if AFTER && R <= STEP {
            let mut block = reverse_quad(load_quad(&before.as_chunks::<64>().0[R - 1]));
            if R == 1 {
                block = _mm512_xor_si512(block, start.waiting);
            }
            let at = FAR - 4 * STEP + 4 * (R - 1);
            earlier.add(block, quad(&powers.plain, at), quad(&powers.folded, at));
        }
        if !SEAL && R + 1 < N {
            hash_whole_quad::<N, P>(R, &text, powers, &mut sum);
        }
    });
    if AFTER {
        start.waiting = lane_1(earlier.reduce());
    }
    finish::<SEAL, N, P, AFTER, false>(key, powers, &start, state, sum, text)
}

/// Four short messages at once, whose AES rounds alternate; each has its own key.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn four_flights<const SEAL: bool, const N: usize>(jobs: [(&Expanded, Parts<'_>); GROUP]) {
    path!(vaes512.four, SEAL, N);
    let keys = jobs.each_ref().map(|(key, _)| &key.schedule);
    let starts =
        jobs.each_ref().map(|(key, parts)| Start::of(&key.schedule, j0_of(parts.nonce), parts.aad, parts.text.len()));
    let mut states = [[_mm512_setzero_si512(); N]; GROUP];
    unroll!(J in 0 1 2 3 => { states[J] = counters(keys[J], &starts[J]); });
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        unroll!(J in 0 1 2 3 => { round(&mut states[J], keys[J].rounds[R]); });
    });
    for (j, (key, parts)) in jobs.into_iter().enumerate() {
        let near = &key.schedule.near;
        let (text, sum) = (InOutBuf::from(parts.text), QuadSum::zero());
        *parts.tag = finish::<SEAL, N, { NEAR + PAD }, false, true>(keys[j], near, &starts[j], states[j], sum, text);
    }
}

/// Vector 0: J0, and the counters of blocks 0 to 2; then four blocks a vector; after the first AES key.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn counters<const N: usize>(key: &Schedule, start: &Start) -> [__m512i; N] {
    let first = broadcast(key.rounds[0]);
    let mut state = [first; N];
    // One lane less than it has is added to the counter of block 0.
    let down = _mm512_set_epi32(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, -1);
    let mut counters = _mm512_add_epi32(broadcast(start.counter), down);
    let mixed = _mm512_mask_broadcast_i32x4(counters, 0x000f, start.j0);
    state[0] = _mm512_xor_si512(reverse_quad(mixed), first);
    for block in &mut state[1..] {
        counters = _mm512_add_epi32(counters, four());
        *block = _mm512_xor_si512(reverse_quad(counters), first);
    }
    state
}

/// Powers from H'^(blocks + 2) down: block 0 has H'^(blocks + 1), and the lane before it one power more.
#[inline]
pub(super) fn powers_of<const N: usize, const P: usize>(length: usize, powers: &Powers<P>) -> (&[__m128i], &[__m128i]) {
    let top = P - PAD - length.div_ceil(16) - 2;
    (&powers.plain[top..][..4 * N], &powers.folded[top..][..4 * N])
}

/// Adds a vector of ciphertext, neither the first nor the last, to open's hash.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_whole_quad<const N: usize, const P: usize>(
    i: usize,
    text: &InOutBuf<'_, '_, u8>,
    powers: &Powers<P>,
    sum: &mut QuadSum,
) {
    let (plain, folded) = powers_of::<N, P>(text.len(), powers);
    let block = reverse_quad(load_quad(text.get_in()[64 * i - 16..].first_chunk().expect("four blocks")));
    sum.add(block, quad(plain, 4 * i), quad(folded, 4 * i));
}

/// The last AES round, the text, and the tag. `sum` has what [`hash_whole_quad`] added, for open.
///
/// AFTER and FOUR only say who calls: an instance with one caller is inlined, and with two the vectors pass through memory.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn finish<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool, const FOUR: bool>(
    key: &Schedule,
    powers: &Powers<P>,
    start: &Start,
    state: [__m512i; N],
    mut sum: QuadSum,
    mut text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let length = text.len();
    assert!(length < 64 * N - 15 && (N == 1 || length > 64 * N - 80));
    let blocks = length.div_ceil(16);
    path!(vaes512.end, SEAL, 4 * usize::from(N > 1) + blocks % 4);
    let (plain, folded) = powers_of::<N, P>(length, powers);
    // Behind the text, with H': the lane that is left in the last vector, or a vector of their own.
    let lengths = _mm512_maskz_broadcast_i32x4((0xf_u32 << (4 * ((blocks + 1) % 4))) as u16, start.lengths);
    let fits = blocks % 4 != 3;
    if !fits {
        sum.add(lengths, quad(&powers.plain, P - PAD - 1), quad(&powers.folded, P - PAD - 1));
    }

    let last = broadcast(key.rounds[14]);
    let mut mask = start.j0;
    unroll!(I in 0 1 2 3 4 5 6 7 8 => {
        if I < N {
            // The bytes that are text: vector 0 starts with J0's lane, the last one ends with the text.
            let mut bytes = u64::MAX;
            if I == N - 1 {
                bytes = bytes.unbounded_shr((64 * N - 16 - length) as u32);
            }
            if I == 0 {
                bytes &= !0xffff;
            }
            const AT: usize = (64 * I).wrapping_sub(16);
            let whole = (1..N - 1).contains(&I);
            let input = if whole {
                load_quad(text.get_in()[AT..].first_chunk().expect("four blocks"))
            } else {
                load_masked(text.get_in(), AT, bytes)
            };
            let output = _mm512_aesenclast_epi128(state[I], _mm512_xor_si512(last, input));
            if I == 0 {
                mask = _mm512_castsi512_si128(output);
            }
            if whole {
                store_quad(text.get_out()[AT..].first_chunk_mut().expect("four blocks"), output);
            } else {
                store_masked(text.get_out(), AT, bytes, output);
            }
            if SEAL || !whole {
                let mut hashed = if SEAL { output } else { input };
                if SEAL && !whole {
                    hashed = _mm512_maskz_mov_epi8(bytes, hashed);
                }
                hashed = reverse_quad(hashed);
                if I == 0 {
                    hashed = _mm512_xor_si512(hashed, start.waiting);
                }
                if I == N - 1 && fits {
                    hashed = _mm512_xor_si512(hashed, lengths);
                }
                sum.add(hashed, quad(plain, 4 * I), quad(folded, 4 * I));
            }
        }
    });
    to_bytes(_mm_xor_si128(reverse(sum.reduce()), mask))
}
