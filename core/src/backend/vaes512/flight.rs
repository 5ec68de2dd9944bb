//! The flight that ends a message on VAES with 512 bits.

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
    start: Start,
    before: &[u8; 64 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let mut state = counters(key, &start);
    let mut waiting = start.waiting;
    if !SEAL && N > 2 {
        return open::<N, P>(key, powers, start, state, text);
    }
    if AFTER {
        waiting = lane_1(rounds_after(key, powers, before, &mut state, start.waiting));
    } else {
        unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round::<R, _>(&mut state, &key.rounds); });
    }
    finish::<SEAL, N, P, AFTER>(key, powers, Start { waiting, ..start }, state, text)
}

/// Opens a flight of more than two vectors: all of its hash is done during the rounds.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn open<const N: usize, const P: usize>(
    key: &Schedule,
    powers: &Powers<P>,
    start: Start,
    mut state: [__m512i; N],
    mut text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let end = End::<N>::of::<false>(text.len());
    let (plain, folded) = end.powers(powers);
    let at = 64 * N - 80;
    let mut sum = QuadSum::zero();
    let lengths = end.lengths(powers, start, &mut sum);
    let last_input = load_masked(&text.get_in()[at..], 0, end.bytes);
    sum.add(_mm512_xor_si512(reverse_quad(last_input), lengths), quad(plain, 4 * N - 4), quad(folded, 4 * N - 4));
    let first_input = after_lane(load_masked(text.get_in(), 0, FIRST));
    sum.add(_mm512_xor_si512(reverse_quad(first_input), start.waiting), quad(plain, 0), quad(folded, 0));
    let hash = rounds_within(key, (plain, folded), &text.get_in()[48..at], &mut state, sum);

    let last = broadcast_nth::<14, 15>(&key.rounds);
    let output = _mm512_aesenclast_epi128(state[0], _mm512_xor_si512(last, first_input));
    let tag = _mm_xor_si128(reverse(hash), _mm512_castsi512_si128(output));
    store_three(text.get_out().first_chunk_mut().expect("three blocks"), without_lane(output));
    unroll!(I in 1 2 3 4 5 6 7 => {
        if I < N - 1 {
            const AT: usize = 64 * I - 16;
            let input = load_quad(text.get_in()[AT..].first_chunk().expect("four blocks"));
            let output = _mm512_aesenclast_epi128(state[I], _mm512_xor_si512(last, input));
            store_quad(text.get_out()[AT..].first_chunk_mut().expect("four blocks"), output);
        }
    });
    let output = _mm512_aesenclast_epi128(state[N - 1], _mm512_xor_si512(last, last_input));
    put_quad_at(text.get_out(), at, output);
    to_bytes(tag)
}

/// Vector 0: J0, and the counters of blocks 0 to 2; then four blocks a vector; after the first AES key.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn counters<const N: usize>(key: &Schedule, start: &Start) -> [__m512i; N] {
    let first = broadcast_nth::<0, 15>(&key.rounds);
    let mut state = [first; N];
    if start.aligned {
        let j0 = _mm512_xor_si512(broadcast(start.j0), first);
        for (block, counts) in state.iter_mut().zip(&COUNTS) {
            *block = _mm512_xor_si512(j0, load_quad(counts));
        }
        return state;
    }
    // One lane less than it has is added to the counter of block 0.
    let down = _mm512_set_epi32(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, -1);
    let mut counters = _mm512_add_epi32(broadcast(start.counter), down);
    let mixed = _mm512_mask_broadcast_i32x4(reverse_quad(counters), 0x000f, start.j0);
    state[0] = _mm512_xor_si512(mixed, first);
    for block in &mut state[1..] {
        counters = _mm512_add_epi32(counters, four());
        *block = _mm512_xor_si512(reverse_quad(counters), first);
    }
    state
}

/// What makes of a J0 that counts from 1 the counters of its message's first blocks.
static COUNTS: [[u8; 64]; STEP + 1] = {
    let mut counts = [[0; 64]; STEP + 1];
    let mut i = 0;
    while i < 4 * (STEP + 1) {
        counts[i / 4][16 * (i % 4) + 15] = (i as u8 + 1) ^ 1;
        i += 1;
    }
    counts
};

/// The bytes of a first vector's text, which are behind J0's lane, where it is whole.
const FIRST: u64 = u64::MAX >> 16;

/// What a flight has to know of its last vector, which may not be whole.
struct End<const N: usize> {
    blocks: usize,
    /// Its bytes that are text, J0's lane not among them.
    bytes: u64,
}

impl<const N: usize> End<N> {
    #[inline]
    fn of<const SEAL: bool>(length: usize) -> Self {
        assert!(length < 64 * N - 15 && (N == 1 || length > 64 * N - 80));
        let blocks = length.div_ceil(16);
        path!(vaes512.end, SEAL, 4 * usize::from(N > 1) + blocks % 4);
        let last = if N == 1 { FIRST } else { u64::MAX };
        Self { blocks, bytes: last.unbounded_shr((64 * N - 16 - length) as u32) }
    }

    /// Powers from H'^(blocks + 2) down: block 0 has H'^(blocks + 1), and the lane before it one power more.
    #[inline]
    fn powers<'a, const P: usize>(&self, powers: &'a Powers<P>) -> (&'a [__m128i], &'a [__m128i]) {
        let top = P - PAD - self.blocks - 2;
        (&powers.plain[top..][..4 * N], &powers.folded[top..][..4 * N])
    }

    /// The lengths, with H': in the lane behind the text, which is given back, or added alone.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn lengths<const P: usize>(&self, powers: &Powers<P>, start: Start, sum: &mut QuadSum) -> __m512i {
        let lengths = _mm512_maskz_broadcast_i32x4((0xf_u32 << (4 * ((self.blocks + 1) % 4))) as u16, start.lengths);
        if self.blocks % 4 == 3 {
            sum.add(lengths, quad(&powers.plain, P - PAD - 1), quad(&powers.folded, P - PAD - 1));
            return _mm512_setzero_si512();
        }
        lengths
    }
}

/// The last AES round, the text, and the tag.
///
/// AFTER only says who calls: an instance with one caller is inlined, and with two the vectors pass through memory.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn finish<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool>(
    key: &Schedule,
    powers: &Powers<P>,
    start: Start,
    state: [__m512i; N],
    mut text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let end = End::<N>::of::<SEAL>(text.len());
    let (plain, folded) = end.powers(powers);
    let mut sum = QuadSum::zero();
    let lengths = end.lengths(powers, start, &mut sum);
    let last = broadcast_nth::<14, 15>(&key.rounds);
    let mut mask = start.j0;
    // Both masked loads before the first masked store: one that reaches into the 64 bytes of another waits for it to leave the
    // store queue, whatever the masks say, 8 ns on Zen 5.
    let last_input = if N > 1 { load_masked(&text.get_in()[64 * N - 80..], 0, end.bytes) } else { last };
    unroll!(I in 0 1 2 3 4 5 6 7 8 => {
        if I < N {
            const AT: usize = (64 * I).wrapping_sub(16);
            let whole = (1..N - 1).contains(&I);
            let bytes = if I == N - 1 { end.bytes } else { FIRST };
            let input = if I == 0 {
                after_lane(load_masked(text.get_in(), 0, bytes))
            } else if whole {
                load_quad(text.get_in()[AT..].first_chunk().expect("four blocks"))
            } else {
                last_input
            };
            let output = _mm512_aesenclast_epi128(state[I], _mm512_xor_si512(last, input));
            let mut hashed = if SEAL { output } else { input };
            if I == 0 {
                mask = _mm512_castsi512_si128(output);
                let output = without_lane(output);
                if N == 1 {
                    put_quad_at(text.get_out(), 0, output);
                } else {
                    store_three(text.get_out().first_chunk_mut().expect("three blocks"), output);
                }
                if SEAL {
                    hashed = _mm512_maskz_mov_epi8(bytes << 16, hashed);
                }
                hashed = _mm512_xor_si512(reverse_quad(hashed), start.waiting);
            } else if whole {
                store_quad(text.get_out()[AT..].first_chunk_mut().expect("four blocks"), output);
                hashed = reverse_quad(hashed);
            } else {
                put_quad_at(text.get_out(), AT, output);
                if SEAL {
                    hashed = _mm512_maskz_mov_epi8(bytes, hashed);
                }
                hashed = reverse_quad(hashed);
            }
            if I == N - 1 {
                hashed = _mm512_xor_si512(hashed, lengths);
            }
            sum.add(hashed, quad(plain, 4 * I), quad(folded, 4 * I));
        }
    });
    to_bytes(_mm_xor_si128(reverse(sum.reduce()), mask))
}
