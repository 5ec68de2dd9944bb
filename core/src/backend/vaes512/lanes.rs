//! Short messages of one length in blocks under one key, four of them a lane each, and eight of whole blocks at once.
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

use super::weave::aes_round;
use super::*;

/// Messages of one to four blocks each, and their tags: G groups of four.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn lanes<'k, const SEAL: bool, J: Job<'k>, const G: usize>(
    blocks: usize,
    key: &Schedule,
    jobs: &mut [J],
    places: &[[usize; GROUP]; G],
) {
    let (text, aad) = (16 * blocks, jobs[places[0][0]].aad().len());
    let odd = |job: &J| (job.length() ^ text) | (job.aad().len() ^ aad);
    let whole = places.as_flattened().iter().fold(aad % 16, |all, &i| all | odd(&jobs[i])) == 0;
    // Those that are not whole take 15.6 ns each so, of 61 bytes, and 17.5 eight at once.
    if !whole && G > 1 {
        for group in places {
            lanes::<SEAL, J, 1>(blocks, key, jobs, &[*group]);
        }
        return;
    }
    match (blocks, whole) {
        (1, true) => groups::<SEAL, J, G, 1, true>(key, jobs, places),
        (2, true) => groups::<SEAL, J, G, 2, true>(key, jobs, places),
        (3, true) => groups::<SEAL, J, G, 3, true>(key, jobs, places),
        (_, true) => groups::<SEAL, J, G, 4, true>(key, jobs, places),
        (1, false) => groups::<SEAL, J, G, 1, false>(key, jobs, places),
        (2, false) => groups::<SEAL, J, G, 2, false>(key, jobs, places),
        (3, false) => groups::<SEAL, J, G, 3, false>(key, jobs, places),
        (_, false) => groups::<SEAL, J, G, 4, false>(key, jobs, places),
    }
}

/// Those of B blocks, of which the last may not be whole. WHOLE: all are, and those of the AAD, of which there are equally many:
/// to look at lengths is a third of the instructions otherwise.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn groups<'k, const SEAL: bool, J: Job<'k>, const G: usize, const B: usize, const WHOLE: bool>(
    key: &Schedule,
    jobs: &mut [J],
    places: &[[usize; GROUP]; G],
) {
    const { assert!(1 <= B && B <= 4 && 1 <= G && G <= 2) };
    path!(vaes512.lanes, SEAL, 4 * (G - 1) + 4 * usize::from(WHOLE) + B);
    let one = Group::<B, WHOLE>::of::<J, G, 0>(key, places[0].map(|i| &jobs[i]));
    let two = if G == 2 { Group::<B, WHOLE>::of::<J, G, 1>(key, places[G - 1].map(|i| &jobs[i])) } else { one };
    let mut states = [one.counters(key), two.counters(key)];
    encrypt_lanes::<G, B>(&key.rounds, &mut states);
    one.finish::<SEAL, J, G, 0>(key, states[0], places[0], jobs);
    if G == 2 {
        two.finish::<SEAL, J, G, 1>(key, states[1], places[G - 1], jobs);
    }
}

/// Four messages of B blocks before their rounds, and what is hashed by then.
#[derive(Clone, Copy)]
struct Group<const B: usize, const WHOLE: bool> {
    nonces: __m512i,
    /// Of their AAD.
    sum: QuadSum,
    /// Their lengths, which are hashed last: earlier, the compiler keeps a power of H on the stack for them.
    ends: __m512i,
    /// Of each message's bytes ones.
    masks: [u64; GROUP],
    /// Of those of its last block, of which it has one to sixteen, side by side.
    last_bytes: u64,
}

// G and I only say who calls: an instance with one caller is inlined, and with two the vectors pass through memory.
impl<const B: usize, const WHOLE: bool> Group<B, WHOLE> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn of<'k, J: Job<'k>, const G: usize, const I: usize>(key: &Schedule, [a, b, c, d]: [&J; GROUP]) -> Self {
        let mut masks = [u64::MAX >> (64 - 16 * B); GROUP];
        let mut last_bytes = u64::MAX;
        if !WHOLE {
            last_bytes = 0;
            unroll!(L in 0 1 2 3 => {
                let length = [a, b, c, d][L].length();
                assert!((1..=16).contains(&length.wrapping_sub(16 * (B - 1))));
                masks[L] = u64::MAX >> (64 - length);
                last_bytes |= masks[L] >> (16 * (B - 1)) << (16 * L);
            });
        }
        // Hashed first: where this branches, the compiler would put the vectors of the rounds on the stack.
        let near = &key.near;
        let mut sum = QuadSum::zero();
        let aads = [a.aad(), b.aad(), c.aad(), d.aad()];
        let blocks = aads[0].len().div_ceil(16);
        let alike = WHOLE || aads.iter().all(|aad| aad.len().div_ceil(16) == blocks);
        if B + 1 + blocks <= NEAR && alike {
            for i in 0..blocks {
                let at = 16 * i;
                let [a, b, c, d] = aads.map(|aad| if WHOLE { whole_block_at(aad, at) } else { block_at(aad, at) });
                add(&mut sum, reverse_quad(quad_of(a, b, c, d)), near, B + 1 + blocks - i);
            }
        } else {
            add(&mut sum, hash_each_but_last(key, aads), near, B + 2);
        }
        let ends = if WHOLE {
            broadcast(lengths_of(aads[0].len(), 16 * B))
        } else {
            let ends = |job: &J| lengths_of(job.aad().len(), job.length());
            quad_of(ends(a), ends(b), ends(c), ends(d))
        };
        let nonces = quad_of(block_of(a.nonce()), block_of(b.nonce()), block_of(c.nonce()), block_of(d.nonce()));
        Self { nonces, sum, ends, masks, last_bytes }
    }

    /// Vector 0: J0; then a block a vector; after the first AES key.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn counters(&self, key: &Schedule) -> [__m512i; 5] {
        let first = _mm512_xor_si512(self.nonces, broadcast_nth::<0, 15>(&key.rounds));
        let mut counters = [first; 5];
        for (block, counter) in counters[1..].iter_mut().zip(2..) {
            *block = _mm512_xor_si512(first, broadcast(_mm_set_epi32((counter ^ 1) << 24, 0, 0, 0)));
        }
        counters
    }

    /// The last AES round, the texts, and the tags.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn finish<'k, const SEAL: bool, J: Job<'k>, const G: usize, const I: usize>(
        self,
        key: &Schedule,
        states: [__m512i; 5],
        places: [usize; GROUP],
        jobs: &mut [J],
    ) {
        let Self { mut sum, ends, masks, last_bytes, .. } = self;
        let mut texts = [_mm512_setzero_si512(); 4];
        unroll!(L in 0 1 2 3 => { texts[L] = load_masked(jobs[places[L]].parts().text, 0, masks[L]); });
        texts = transpose(texts);
        let last = broadcast_nth::<14, 15>(&key.rounds);
        unroll!(K in 0 1 2 3 => {
            if K < B {
                let output = _mm512_aesenclast_epi128(states[K + 1], _mm512_xor_si512(last, texts[K]));
                let mut hashed = if SEAL { output } else { texts[K] };
                if SEAL && K == B - 1 && !WHOLE {
                    hashed = _mm512_maskz_mov_epi8(last_bytes, hashed);
                }
                add(&mut sum, reverse_quad(hashed), &key.near, B + 1 - K);
                texts[K] = output;
            }
        });
        let texts = transpose(texts);
        add(&mut sum, ends, &key.near, 1);
        let tags = _mm512_xor_si512(reverse_quad(sum.reduce_each()), _mm512_aesenclast_epi128(states[0], last));
        let tags = [
            _mm512_castsi512_si128(tags),
            _mm512_extracti32x4_epi32(tags, 1),
            _mm512_extracti32x4_epi32(tags, 2),
            _mm512_extracti32x4_epi32(tags, 3),
        ];
        unroll!(L in 0 1 2 3 => {
            let parts = jobs[places[L]].parts();
            store_masked(parts.text, masks[L], texts[L]);
            store(parts.tag, tags[L]);
        });
    }
}

/// An arm for groups and blocks: the rounds of all their vectors.
macro_rules! rounds {
    (($rounds:ident, $states:ident) $($groups:literal $blocks:literal $count:tt: $([$group:literal $vector:literal] $register:tt)*;)*) => {
        match (G, B) {
            $(
                // SAFETY: it reads the key through a reference, writes no memory, and names all registers that it changes.
                ($groups, $blocks) => unsafe {
                    asm!(
                        aes_round!(1, $count), aes_round!(2, $count), aes_round!(3, $count), aes_round!(4, $count), aes_round!(5, $count),
                        aes_round!(6, $count), aes_round!(7, $count), aes_round!(8, $count), aes_round!(9, $count), aes_round!(10, $count),
                        aes_round!(11, $count), aes_round!(12, $count), aes_round!(13, $count),
                        rounds = in(reg) $rounds.as_ptr(),
                        $(inout($register) $states[$group][$vector],)*
                        out("zmm20") _,
                        options(nostack, readonly, preserves_flags),
                    );
                },
            )*
            _ => unreachable!("one group or two, of one to four blocks"),
        }
    };
}

/// Rounds 1 to 13 of G groups, J0 and B blocks each. By hand: the compiler puts those of J0 behind all others.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn encrypt_lanes<const G: usize, const B: usize>(rounds: &Rounds, states: &mut [[__m512i; 5]; 2]) {
    rounds! {
        (rounds, states)
        1 1 2: [0 0] "zmm0" [0 1] "zmm1";
        1 2 3: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2";
        1 3 4: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2" [0 3] "zmm3";
        1 4 5: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2" [0 3] "zmm3" [0 4] "zmm4";
        2 1 4: [0 0] "zmm0" [0 1] "zmm1" [1 0] "zmm2" [1 1] "zmm3";
        2 2 6: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2" [1 0] "zmm3" [1 1] "zmm4" [1 2] "zmm5";
        2 3 8: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2" [0 3] "zmm3" [1 0] "zmm4" [1 1] "zmm5" [1 2] "zmm6" [1 3] "zmm7";
        2 4 10: [0 0] "zmm0" [0 1] "zmm1" [0 2] "zmm2" [0 3] "zmm3" [0 4] "zmm4"
            [1 0] "zmm5" [1 1] "zmm6" [1 2] "zmm7" [1 3] "zmm8" [1 4] "zmm9";
    }
}

/// Adds a block in each lane, times this power of H'.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn add(sum: &mut QuadSum, blocks: __m512i, near: &Near, power: usize) {
    sum.add(blocks, broadcast_now(&near.plain[NEAR - power]), broadcast_now(&near.folded[NEAR - power]));
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
