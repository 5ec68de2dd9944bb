//! The key, GHASH's field and the vectors of VAES with 256 bits.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

pub(super) struct Schedule {
    pub(super) rounds: Rounds,
    pub(super) near: Near,
    /// Made for the first message that needs it.
    pub(super) far: Lazy<Far>,
}

pub(super) type Near = Powers<NEAR>;
pub(super) type Far = Powers<FAR>;

impl Drop for Schedule {
    fn drop(&mut self) {
        wipe(&mut self.rounds);
        self.near.zeroize();
    }
}

/// What waits for the last block of AAD and is added to it, and that block; zero where there is none.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_all_but_last(key: &Schedule, aad: &[u8]) -> __m128i {
    path!(vaes256.aad, crate::paths::aad(aad.len()));
    match <&[u8; 16]>::try_from(aad) {
        Ok(block) => reverse(load(block)),
        Err(_) => hash_any_aad(key, aad),
    }
}

#[inline(never)]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_any_aad(key: &Schedule, aad: &[u8]) -> __m128i {
    if aad.is_empty() {
        return _mm_setzero_si128();
    }
    let last = reverse(load_last(aad));
    if aad.len() <= 16 { last } else { _mm_xor_si128(last, hash_whole(key, &aad[..(aad.len() - 1) & !15])) }
}

/// The hash of whole blocks, eight a reduction.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_whole(key: &Schedule, bytes: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for chunk in bytes.chunks(16 * NEAR) {
        path!(vaes256.hash, chunk.len() / 16);
        let blocks = chunk.len() / 16;
        let (plain, folded) = (&key.near.plain[NEAR - blocks..], &key.near.folded[NEAR - blocks..]);
        let mut sum = PairSum::zero();
        let mut carried = _mm256_zextsi128_si256(hash);
        let (pairs, single) = chunk.as_chunks::<32>();
        for (i, bytes) in pairs.iter().enumerate() {
            let block = _mm256_xor_si256(reverse_pair(load_pair(bytes)), carried);
            sum.add(block, pair(plain, 2 * i), pair(folded, 2 * i));
            carried = _mm256_setzero_si256();
        }
        if let Some(block) = single.first_chunk::<16>() {
            let block = _mm256_xor_si256(_mm256_zextsi128_si256(reverse(load(block))), carried);
            let (power, folded) = (plain[blocks - 1], folded[blocks - 1]);
            sum.add(block, _mm256_zextsi128_si256(power), _mm256_zextsi128_si256(folded));
        }
        hash = sum.reduce();
    }
    hash
}

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = near(key);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    // The block of lengths has the nonce's in its second half.
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn schedule<T>(proof: cpu::Vaes256, key: [__m128i; 2], wrap: impl FnOnce(Expanded) -> T) -> T {
    let near = Powers::zero();
    let mut expanded =
        Expanded { schedule: Schedule { rounds: [_mm_setzero_si128(); 15], near, far: Lazy::new() }, proof };
    let place = &mut expanded.schedule;
    expand(key, &mut place.rounds);
    let one = hash_key(&place.rounds);
    let two = square(one);
    let four = broadcast(square(two));
    let low = _mm256_inserti128_si256(_mm256_zextsi128_si256(two), one, 1);
    let high = multiply_pair(low, broadcast(two));
    place.near.set_pair(0, multiply_pair(high, four));
    place.near.set_pair(1, multiply_pair(low, four));
    place.near.set_pair(2, high);
    place.near.set_pair(3, low);
    wrap(expanded)
}

/// The powers of two steps, from the first eight.
#[cold]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn extend(near: &Near, far: &mut Far) {
    let eighth = broadcast(near.plain[0]);
    for i in 0..4 {
        let low = pair(&near.plain, 2 * i);
        far.set_pair(12 + i, low);
        far.set_pair(8 + i, multiply_pair(low, eighth));
    }
    let sixteenth = broadcast(far.plain[FAR - 16]);
    for i in 0..8 {
        let low = pair(&far.plain, 2 * (8 + i));
        far.set_pair(i, multiply_pair(low, sixteenth));
    }
}

impl<const N: usize> Powers<N> {
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn set_pair(&mut self, i: usize, pair: __m256i) {
        let folded = fold_pair(pair);
        self.plain[2 * i] = _mm256_castsi256_si128(pair);
        self.plain[2 * i + 1] = _mm256_extracti128_si256(pair, 1);
        self.folded[2 * i] = _mm256_castsi256_si128(folded);
        self.folded[2 * i + 1] = _mm256_extracti128_si256(folded, 1);
    }
}

/// Two sums of products in GF(2)[x], one a lane, not yet reduced.
pub(super) struct PairSum {
    pub(super) low: __m256i,
    pub(super) middle: __m256i,
    pub(super) high: __m256i,
}

impl PairSum {
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn zero() -> Self {
        let zero = _mm256_setzero_si256();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds two blocks, each times its power.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add(&mut self, blocks: __m256i, powers: __m256i, folded: __m256i) {
        self.low = _mm256_xor_si256(self.low, _mm256_clmulepi64_epi128(blocks, powers, 0x00));
        self.high = _mm256_xor_si256(self.high, _mm256_clmulepi64_epi128(blocks, powers, 0x11));
        self.middle = _mm256_xor_si256(self.middle, _mm256_clmulepi64_epi128(fold_pair(blocks), folded, 0x00));
    }

    /// Both lanes added, and reduced.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        let [low, middle, high] = [self.low, self.middle, self.high]
            .map(|sum| _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
        Sum { low, middle, high }.reduce()
    }
}

/// The products of two lanes, each reduced.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
pub(super) fn multiply_pair(a: __m256i, b: __m256i) -> __m256i {
    let mut sum = PairSum::zero();
    sum.add(a, b, fold_pair(b));
    let middle = _mm256_xor_si256(sum.middle, _mm256_xor_si256(sum.low, sum.high));
    let low = _mm256_xor_si256(sum.low, _mm256_slli_si256(middle, 8));
    let high = _mm256_xor_si256(sum.high, _mm256_srli_si256(middle, 8));
    let polynomial =
        _mm256_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed(), 0, 0xc200_0000_0000_0000_u64.cast_signed());
    let once = _mm256_xor_si256(_mm256_shuffle_epi32(low, 0x4e), _mm256_clmulepi64_epi128(low, polynomial, 0x00));
    let twice = _mm256_xor_si256(_mm256_shuffle_epi32(once, 0x4e), _mm256_clmulepi64_epi128(once, polynomial, 0x00));
    _mm256_xor_si256(high, twice)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn fold_pair(a: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_shuffle_epi32(a, 0x4e))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn reverse_pair(blocks: __m256i) -> __m256i {
    _mm256_shuffle_epi8(blocks, reverse_order())
}

/// What shuffles the bytes of each block into their reverse.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn reverse_order() -> __m256i {
    _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn broadcast(block: __m128i) -> __m256i {
    _mm256_broadcastsi128_si256(block)
}

/// H' and its halves added.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn near(key: &Schedule) -> (__m128i, __m128i) {
    (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1])
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn one() -> __m128i {
    _mm_set_epi32(0, 0, 0, 1)
}

/// A vector with its first `length` bytes all ones, the others zero.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn ones(length: usize) -> __m256i {
    static ONES: [u8; 64] = {
        let mut ones = [0; 64];
        let mut i = 0;
        while i < 32 {
            ones[i] = 0xff;
            i += 1;
        }
        ones
    };
    load_pair(ONES[32 - length..].first_chunk().expect("32 are left"))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pair(blocks: &[__m128i], at: usize) -> __m256i {
    let pair: &[__m128i; 2] = blocks[at..].first_chunk().expect("two are left");
    // SAFETY: the reference is valid for reads of 32 bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(pair.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_pair(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for reads of 32 bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_pair(bytes: &mut [u8; 32], pair: __m256i) {
    // SAFETY: the reference is valid for writes of 32 bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), pair) };
}
