//! The key, GHASH's field and the vectors of VAES with 512 bits.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

pub(super) struct Schedule {
    pub(super) rounds: Rounds,
    pub(super) near: Near,
    /// Made for the first message that needs it.
    pub(super) far: Lazy<Far>,
    /// Those of the first of two steps, made for the first message of several.
    pub(super) above: Lazy<Above>,
}

pub(super) type Near = Powers<{ NEAR + PAD }>;
pub(super) type Far = Powers<{ FAR + PAD }>;
pub(super) type Above = Powers<{ 4 * STEP }>;

impl Drop for Schedule {
    fn drop(&mut self) {
        // SAFETY: `schedule` alone makes one, and its caller has the proof of all that `wipe` enables.
        unsafe { wipe(self) };
    }
}

/// [`clear_stack`](crate::ct::clear_stack) by wide stores, of what making a key may leave.
#[inline(never)]
#[target_feature(enable = "avx512f")]
pub(super) fn clear_frame_wide() {
    let below = [_mm512_setzero_si512(); 4];
    optimization_barrier(&below);
}

/// Wipes all but what is made later, with a quarter of the stores that 128 bits take.
#[target_feature(enable = "avx512f")]
fn wipe(schedule: &mut Schedule) {
    schedule.rounds = [_mm_setzero_si128(); 15];
    schedule.near = Powers::zero();
    optimization_barrier(schedule);
}

/// What waits for the last block of AAD and is added to it, and that block; zero where there is none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_all_but_last(key: &Schedule, aad: &[u8]) -> __m128i {
    path!(vaes512.aad, crate::paths::aad(aad.len()));
    let Some(whole) = aad.len().checked_sub(1) else { return _mm_setzero_si128() };
    let (whole, last) = aad.split_at(whole & !15);
    let last = reverse(block_at(last, 0));
    match whole.len() {
        0 => last,
        // As a record's with a context up to 24 bytes: no call, and a product of 128 bits.
        16 => {
            let (power, folded) = (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
            _mm_xor_si128(last, multiply(reverse(block_at(whole, 0)), power, folded))
        }
        _ => _mm_xor_si128(last, hash_whole(key, whole)),
    }
}

/// The hash of whole blocks, eight a reduction.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_whole(key: &Schedule, bytes: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for chunk in bytes.chunks(16 * NEAR) {
        path!(vaes512.hash, chunk.len() / 16);
        let at = NEAR - chunk.len() / 16;
        let (plain, folded) = (&key.near.plain[at..], &key.near.folded[at..]);
        let mut sum = QuadSum::zero();
        let mut carried = _mm512_zextsi128_si512(hash);
        for (i, bytes) in chunk.chunks(64).enumerate() {
            let block = load_masked(bytes, 0, u64::MAX.unbounded_shr((64 - bytes.len()) as u32));
            let block = _mm512_xor_si512(reverse_quad(block), carried);
            sum.add(block, quad(plain, 4 * i), quad(folded, 4 * i));
            carried = _mm512_setzero_si512();
        }
        hash = sum.reduce();
    }
    hash
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn schedule<T>(proof: cpu::Vaes512, key: [__m128i; 2], wrap: impl FnOnce(Expanded) -> T) -> T {
    let near = Powers::zero();
    let mut expanded = Expanded {
        schedule: Schedule { rounds: [_mm_setzero_si128(); 15], near, far: Lazy::new(), above: Lazy::new() },
        proof,
    };
    let place = &mut expanded.schedule;
    expand(key, &mut place.rounds);
    let one = hash_key(&place.rounds);
    let two = square(one);
    let four = square(two);
    // H'^2 and H'; times H'^2 they are H'^4 and H'^3.
    let pair = _mm512_inserti32x4(_mm512_zextsi128_si512(two), one, 1);
    let above = multiply_quad(pair, broadcast(two));
    let low = _mm512_inserti64x4(above, _mm512_castsi512_si256(pair), 1);
    let high = multiply_quad(low, broadcast(four));
    place.near.set_quads([high, low]);
    wrap(expanded)
}

/// The powers of a step, from the first eight.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn extend(near: &Near, far: &mut Far) {
    let (b, a) = (quad(&near.plain, 0), quad(&near.plain, 4));
    let eighth = broadcast(near.plain[0]);
    let (d, c) = (multiply_quad(b, eighth), multiply_quad(a, eighth));
    let sixteenth = broadcast(_mm512_castsi512_si128(d));
    let [h, g, f, e] = [d, c, b, a].map(|quad| multiply_quad(quad, sixteenth));
    let i = multiply_quad(e, sixteenth);
    far.set_quads([i, h, g, f, e, d, c, b, a]);
}

/// H'^64 to H'^33.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn extend_above(far: &Far, above: &mut Above) {
    let step = broadcast_of(&far.plain[FAR - 4 * STEP]);
    for at in (0..4 * STEP).step_by(4) {
        let quad = multiply_quad(quad(&far.plain, FAR - 4 * STEP + at), step);
        store_powers(&mut above.plain[at..], quad);
        store_powers(&mut above.folded[at..], fold_quad(quad));
    }
}

impl<const N: usize> Powers<N> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn set_quads<const QUADS: usize>(&mut self, quads: [__m512i; QUADS]) {
        const { assert!(4 * QUADS + PAD == N) };
        for (i, quad) in quads.into_iter().enumerate() {
            store_powers(&mut self.plain[4 * i..], quad);
            store_powers(&mut self.folded[4 * i..], fold_quad(quad));
        }
    }
}

/// Four sums of products in GF(2)[x], one a lane, not yet reduced.
#[derive(Clone, Copy)]
pub(super) struct QuadSum {
    pub(super) low: __m512i,
    pub(super) middle: __m512i,
    pub(super) high: __m512i,
}

impl QuadSum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds four blocks, each times its power.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn add(&mut self, blocks: __m512i, powers: __m512i, folded: __m512i) {
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128(blocks, powers, 0x00));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128(blocks, powers, 0x11));
        self.middle = _mm512_xor_si512(self.middle, _mm512_clmulepi64_epi128(fold_quad(blocks), folded, 0x00));
    }

    /// Each lane reduced, and all added: four foldings at once and one sum, where three sums would come before one folding.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        let quad = self.reduce_each();
        let pair = _mm256_xor_si256(_mm512_castsi512_si256(quad), _mm512_extracti64x4_epi64(quad, 1));
        _mm_xor_si128(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1))
    }

    /// Each lane reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn reduce_each(self) -> __m512i {
        let middle = _mm512_ternarylogic_epi64(self.middle, self.low, self.high, 0x96);
        let low = _mm512_xor_si512(self.low, _mm512_bslli_epi128(middle, 8));
        let high = _mm512_xor_si512(self.high, _mm512_bsrli_epi128(middle, 8));
        let once = _mm512_clmulepi64_epi128(low, polynomial(), 0x00);
        let once = _mm512_xor_si512(_mm512_shuffle_epi32(low, 0x4e), once);
        let twice = _mm512_clmulepi64_epi128(once, polynomial(), 0x00);
        _mm512_ternarylogic_epi64(high, _mm512_shuffle_epi32(once, 0x4e), twice, 0x96)
    }
}

/// The products of four lanes, each reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
pub(super) fn multiply_quad(a: __m512i, b: __m512i) -> __m512i {
    let mut sum = QuadSum::zero();
    sum.add(a, b, fold_quad(b));
    sum.reduce_each()
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn fold_quad(a: __m512i) -> __m512i {
    _mm512_xor_si512(a, _mm512_shuffle_epi32(a, 0x4e))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn reverse_quad(blocks: __m512i) -> __m512i {
    _mm512_shuffle_epi8(blocks, order())
}

/// The shuffle that reverses the bytes of each block.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn order() -> __m512i {
    broadcast(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn polynomial() -> __m512i {
    broadcast(_mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn broadcast(block: __m128i) -> __m512i {
    _mm512_broadcast_i32x4(block)
}

/// A block in lane 1, zeros elsewhere.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn lane_1(block: __m128i) -> __m512i {
    _mm512_maskz_broadcast_i32x4(0x00f0, block)
}

/// Its first three lanes behind one of zeros.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn after_lane(quad: __m512i) -> __m512i {
    _mm512_alignr_epi64(quad, _mm512_setzero_si512(), 6)
}

/// Its last three lanes, and one of zeros.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn without_lane(quad: __m512i) -> __m512i {
    _mm512_alignr_epi64(_mm512_setzero_si512(), quad, 2)
}

/// 0, 1, 2 and 3 in the counters of the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn upward() -> __m512i {
    _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0)
}

/// 4 in the counters of the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn four() -> __m512i {
    _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4)
}
