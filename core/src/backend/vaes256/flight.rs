//! The flight that ends a message on VAES with 256 bits.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// The end of a message, and its tag: up to 2N - 1 blocks of text, of which 2N - 3 are whole, and E(J0).
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn flight<const SEAL: bool, const N: usize, const P: usize>(
    rounds: &Rounds,
    powers: View<'_, P>,
    start: &Start,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let end = End::<N>::of(&text);
    let mut state = counters(rounds, start);
    if !SEAL && N > 2 {
        return end.open(rounds, powers, start, state, text);
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round(&mut state, rounds[R]); });
    if SEAL && N > 3 {
        return end.seal(rounds, powers, start, state, text);
    }
    end.finish::<SEAL, P>(rounds, powers, start, state, PairSum::zero(), text)
}

/// Vector 0: J0, and the counter of block 0; then two blocks a vector; after the first AES key.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn counters<const N: usize>(rounds: &Rounds, start: &Start) -> [__m256i; N] {
    let first = broadcast(rounds[0]);
    let mut state = [first; N];
    state[0] = _mm256_xor_si256(reverse_pair(start.counters), first);
    let mut counters = _mm256_permute4x64_epi64(start.counters, 0xee);
    counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
    for block in &mut state[1..] {
        *block = _mm256_xor_si256(reverse_pair(counters), first);
        counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
    }
    state
}

/// What a flight has to know of its last vector, which may not be whole: taken before the AES rounds, so that nothing
/// branches between them and the tag.
pub(super) struct End<const N: usize> {
    pub(super) blocks: usize,
    /// Where the last vector's text begins.
    pub(super) at: usize,
    pub(super) whole: bool,
    pub(super) input: __m256i,
    /// Ones where it has text.
    pub(super) bytes: __m256i,
}

impl<const N: usize> End<N> {
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn of(text: &InOutBuf<'_, '_, u8>) -> Self {
        let length = text.len();
        assert!(length <= 32 * N - 16 && (N == 1 || length > 32 * N - 48));
        let at = (32 * N).saturating_sub(48);
        let whole = length == 32 * N - 16;
        let input = if N == 1 {
            let block =
                if whole { load(text.get_in().first_chunk().expect("a block")) } else { load_short(text.get_in()) };
            _mm256_inserti128_si256(_mm256_setzero_si256(), block, 1)
        } else if whole {
            load_pair(text.get_in()[at..].first_chunk().expect("two blocks"))
        } else {
            load_last_pair(text.get_in(), at)
        };
        let bytes = ones(if N == 1 { 16 + length } else { length - at });
        Self { blocks: length.div_ceil(16), at, whole, input, bytes }
    }

    /// Powers from H'^(blocks + 2) down: block 0 has H'^(blocks + 1), and the lane beside it one power more.
    #[inline]
    pub(super) fn powers<'a, const P: usize>(&self, (plain, folded): View<'a, P>) -> (&'a [__m128i], &'a [__m128i]) {
        let top = P - self.blocks - 2;
        (&plain[top..][..2 * N], &folded[top..][..2 * N])
    }

    /// Opens a flight of more than two vectors: all of the hash is done during the rounds.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn open<const P: usize>(
        self,
        rounds: &Rounds,
        powers: View<'_, P>,
        start: &Start,
        mut state: [__m256i; N],
        mut text: InOutBuf<'_, '_, u8>,
    ) -> Tag {
        let (plain, folded) = self.powers(powers);
        let mut sum = PairSum::zero();
        let lengths = self.lengths(powers, start, &mut sum);
        let last = _mm256_xor_si256(reverse_pair(self.input), lengths);
        sum.add(last, pair(plain, 2 * N - 2), pair(folded, 2 * N - 2));
        let block = load(text.get_in().first_chunk().expect("a block"));
        let block = _mm256_inserti128_si256(_mm256_setzero_si256(), block, 1);
        let first = _mm256_xor_si256(reverse_pair(block), start.waiting);
        let whole = &text.get_in()[16..self.at];
        let hash = rounds_within(rounds, (plain, folded), first, whole, &mut state, sum);

        let last = broadcast(rounds[14]);
        let mut output = _mm256_aesenclast_epi128(state[0], _mm256_xor_si256(last, block));
        let tag = _mm_xor_si128(reverse(hash), _mm256_castsi256_si128(output));
        let mut before_last = start.lengths;
        unroll!(I in 1 2 3 4 5 6 7 8 => {
            if I < N {
                const AT: usize = 32 * I - 16;
                before_last = _mm256_extracti128_si256(output, 1);
                if I == 1 {
                    store(text.get_out().first_chunk_mut().expect("a block"), before_last);
                } else {
                    store_pair(text.get_out()[AT - 32..].first_chunk_mut().expect("two blocks"), output);
                }
                let input = if I == N - 1 {
                    self.input
                } else {
                    load_pair(text.get_in()[AT..].first_chunk().expect("two blocks"))
                };
                output = _mm256_aesenclast_epi128(state[I], _mm256_xor_si256(last, input));
            }
        });
        self.store(&mut text, before_last, output);
        to_bytes(tag)
    }

    /// The last AES round of a flight of more than three vectors, its text, and the tag.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn seal<const P: usize>(
        self,
        rounds: &Rounds,
        powers: View<'_, P>,
        start: &Start,
        mut state: [__m256i; N],
        mut text: InOutBuf<'_, '_, u8>,
    ) -> Tag {
        let mut sum = PairSum::zero();
        let lengths = self.lengths(powers, start, &mut sum);
        let last = broadcast(rounds[14]);
        let block = load(text.get_in().first_chunk().expect("a block"));
        let block = _mm256_inserti128_si256(_mm256_setzero_si256(), block, 1);
        state[0] = _mm256_aesenclast_epi128(state[0], _mm256_xor_si256(last, block));
        let mask = _mm256_castsi256_si128(state[0]);
        store(text.get_out().first_chunk_mut().expect("a block"), _mm256_extracti128_si256(state[0], 1));
        state[0] = _mm256_blend_epi32(state[0], _mm256_setzero_si256(), 0x0f);
        unroll!(I in 1 2 3 4 5 6 7 => {
            if I < N - 1 {
                const AT: usize = 32 * I - 16;
                let input = load_pair(text.get_in()[AT..].first_chunk().expect("two blocks"));
                state[I] = _mm256_aesenclast_epi128(state[I], _mm256_xor_si256(last, input));
                store_pair(text.get_out()[AT..].first_chunk_mut().expect("two blocks"), state[I]);
            }
        });
        let output = _mm256_aesenclast_epi128(state[N - 1], _mm256_xor_si256(last, self.input));
        self.store(&mut text, _mm256_extracti128_si256(state[N - 2], 1), output);
        state[N - 1] = _mm256_and_si256(output, self.bytes);
        let hash = hash_sealed(self.powers(powers), start.waiting, lengths, &state, sum);
        to_bytes(_mm_xor_si128(reverse(hash), mask))
    }

    /// The last AES round, the text, and the tag. `sum` has what [`Self::hash_whole`] added, for open.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn finish<const SEAL: bool, const P: usize>(
        self,
        rounds: &Rounds,
        powers: View<'_, P>,
        start: &Start,
        state: [__m256i; N],
        mut sum: PairSum,
        mut text: InOutBuf<'_, '_, u8>,
    ) -> Tag {
        path!(vaes256.end, SEAL, 2 * usize::from(N > 1) + usize::from(!self.whole));
        let (plain, folded) = self.powers(powers);
        let lengths = self.lengths(powers, start, &mut sum);
        let last = broadcast(rounds[14]);
        let mut output = _mm256_setzero_si256();
        let (mut mask, mut before_last) = (start.lengths, start.lengths);
        unroll!(I in 0 1 2 3 4 5 6 7 8 => {
            if I < N {
                const AT: usize = (32 * I).saturating_sub(16);
                let input = if I == N - 1 {
                    self.input
                } else if I == 0 {
                    let block = load(text.get_in().first_chunk().expect("a block"));
                    _mm256_inserti128_si256(_mm256_setzero_si256(), block, 1)
                } else {
                    load_pair(text.get_in()[AT..].first_chunk().expect("two blocks"))
                };
                let previous = _mm256_extracti128_si256(output, 1);
                output = _mm256_aesenclast_epi128(state[I], _mm256_xor_si256(last, input));
                let mut hashed = if SEAL { output } else { input };
                if I == 0 {
                    mask = _mm256_castsi256_si128(output);
                }
                if I == N - 1 {
                    if SEAL {
                        hashed = _mm256_and_si256(hashed, self.bytes);
                    }
                    before_last = previous;
                } else if I == 0 {
                    store(text.get_out().first_chunk_mut().expect("a block"), _mm256_extracti128_si256(output, 1));
                } else {
                    store_pair(text.get_out()[AT..].first_chunk_mut().expect("two blocks"), output);
                }
                if SEAL || I == 0 || I == N - 1 {
                    hashed = reverse_pair(hashed);
                    if I == 0 {
                        hashed = _mm256_blend_epi32(hashed, _mm256_setzero_si256(), 0x0f);
                        hashed = _mm256_xor_si256(hashed, start.waiting);
                    }
                    if I == N - 1 {
                        hashed = _mm256_xor_si256(hashed, lengths);
                    }
                    sum.add(hashed, pair(plain, 2 * I), pair(folded, 2 * I));
                }
            }
        });
        let tag = _mm_xor_si128(reverse(sum.reduce()), mask);
        self.store(&mut text, before_last, output);
        to_bytes(tag)
    }

    /// The lengths, with H': in the lane behind the text, which is given back, or added alone.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub(super) fn lengths<const P: usize>(
        &self,
        (plain, folded): View<'_, P>,
        start: &Start,
        sum: &mut PairSum,
    ) -> __m256i {
        let lengths = _mm256_zextsi128_si256(start.lengths);
        if self.blocks == 2 * N - 1 {
            let (power, folded) = (plain[P - 1], folded[P - 1]);
            sum.add(lengths, _mm256_zextsi128_si256(power), _mm256_zextsi128_si256(folded));
            _mm256_setzero_si256()
        } else {
            _mm256_permute2x128_si256(lengths, lengths, 0x08)
        }
    }

    /// Stores the last vector; `before` is the block before it.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn store(&self, text: &mut InOutBuf<'_, '_, u8>, before: __m128i, output: __m256i) {
        if N == 1 && self.whole {
            store(text.get_out().first_chunk_mut().expect("a block"), _mm256_extracti128_si256(output, 1));
        } else if N == 1 {
            store_short(text.get_out(), _mm256_extracti128_si256(output, 1));
        } else if self.whole {
            store_pair(text.get_out()[self.at..].first_chunk_mut().expect("two blocks"), output);
        } else {
            store_last_pair(text.get_out(), self.at, before, output);
        }
    }
}

/// One to 31 bytes from `at` to the end, of 17 or more in all, and zeros behind them.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_last_pair(bytes: &[u8], at: usize) -> __m256i {
    let last = load_last(bytes);
    if bytes.len() > at + 16 {
        let low = load(bytes[at..].first_chunk().expect("one block"));
        _mm256_inserti128_si256(_mm256_zextsi128_si256(low), last, 1)
    } else {
        _mm256_zextsi128_si256(last)
    }
}

/// Stores what [`load_last_pair`] loaded; `before` is the block before it, which the last store writes again in part.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_last_pair(bytes: &mut [u8], at: usize, before: __m128i, pair: __m256i) {
    let length = bytes.len() - at;
    let (mut before, mut last) = (before, _mm256_castsi256_si128(pair));
    if length > 16 {
        store(bytes[at..].first_chunk_mut().expect("one block"), last);
        (before, last) = (last, _mm256_extracti128_si256(pair, 1));
    }
    let part = (length - 1) % 16 + 1;
    let window = _mm_or_si128(_mm_shuffle_epi8(before, shift(part)), _mm_shuffle_epi8(last, shift_up(16 - part)));
    store(bytes.last_chunk_mut().expect("one block"), window);
}
