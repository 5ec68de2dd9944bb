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

use core::arch::asm;
use core::arch::x86_64::*;

use aead::consts::U256;
use aead::inout::InOutBuf;
use zeroize::Zeroize;

use super::Kernel;
use super::lazy::Lazy;
use super::x86::{
    Rounds, Sum, encrypt_each, expand, fold, hash_key, j0_of, lengths_of, load, load_last, load_short, multiply,
    reverse, shift, shift_up, store, store_short, to_bytes, wipe,
};
use crate::{Key, Nonce, Tag, cpu};

/// Vectors a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Powers of H that longer messages need: those of a flight of 16 blocks, its AAD and its lengths.
const FAR: usize = 2 * STEP + 2;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    _proof: cpu::Vaes256,
}

struct Schedule {
    rounds: Rounds,
    near: Powers<NEAR>,
    /// Made for the first message that needs it.
    far: Lazy<Powers<FAR>>,
}

/// Powers of H', the highest first, so that neighbours are multiplied with neighbouring blocks: `plain[N - n]` is H'^n.
#[derive(Clone)]
struct Powers<const N: usize> {
    plain: [__m128i; N],
    /// The two halves of each added, in both halves.
    folded: [__m128i; N],
}

impl<const N: usize> Zeroize for Powers<N> {
    fn zeroize(&mut self) {
        wipe(&mut self.plain);
        wipe(&mut self.folded);
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        wipe(&mut self.rounds);
        self.near.zeroize();
    }
}

impl Expanded {
    pub(crate) fn new(proof: cpu::Vaes256, key: &Key) -> Self {
        // SAFETY: `proof` exists only if `detect` saw every feature that `schedule` enables.
        let schedule = unsafe { schedule(key.expose()) };
        clear_vectors();
        Self { schedule, _proof: proof }
    }
}

impl Kernel for Expanded {
    #[inline]
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_nonce::<true>(&self.schedule, nonce, aad, text) };
        clear_vectors();
        tag
    }

    #[inline]
    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_nonce::<false>(&self.schedule, nonce, aad, text) };
        clear_vectors();
        tag
    }

    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_j0::<true>(&self.schedule, j0, aad, text) };
        clear_vectors();
        tag
    }

    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_j0::<false>(&self.schedule, j0, aad, text) };
        clear_vectors();
        tag
    }

    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16] {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `hash_nonce` enables.
        let j0 = unsafe { hash_nonce(&self.schedule, nonce) };
        clear_vectors();
        j0
    }

    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `encrypt_each` enables.
        unsafe { encrypt_each(&self.schedule.rounds, blocks) };
        clear_vectors();
    }
}

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, j0_of(nonce), aad, text)
}

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, reverse(load(j0)), aad, text)
}

/// One message. `j0` is byte-reversed, so that its counter is the lowest 32 bits and counts with one addition.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let start = Start {
        j0,
        counter: _mm_add_epi32(j0, one()),
        waiting: _mm256_zextsi128_si256(hash_all_but_last(key, aad)),
        lengths: lengths_of(aad.len(), text.len()),
    };
    let near = &key.near;
    match text.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, NEAR>(key, near, start, text),
        2 | 3 => flight::<SEAL, 2, NEAR>(key, near, start, text),
        4 | 5 => flight::<SEAL, 3, NEAR>(key, near, start, text),
        6 => flight::<SEAL, 4, NEAR>(key, near, start, text),
        _ => {
            let mut spare = None;
            let far = key.far.get(&mut spare, || extend(near));
            let tag = crypt_long::<SEAL>(key, far, start, !aad.is_empty(), text);
            spare.zeroize();
            tag
        }
    }
}

/// What a flight starts from, byte-reversed.
struct Start {
    j0: __m128i,
    /// The counter of its first block of text.
    counter: __m128i,
    /// What its hash starts with: the upper half is added to its first block, the lower half to the block before that.
    waiting: __m256i,
    lengths: __m128i,
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Powers<FAR>,
    mut start: Start,
    has_aad: bool,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let steps = (text.len() - 1) / (32 * STEP);
    let (head, rest) = text.split_at(32 * STEP * steps);
    if steps > 0 {
        let mut hash = _mm256_castsi256_si128(start.waiting);
        if has_aad {
            hash = multiply(hash, near(key).0, near(key).1);
        }
        hash = crypt_steps::<SEAL>(key, far, &mut start.counter, hash, head);
        start.waiting = _mm256_inserti128_si256(_mm256_setzero_si256(), hash, 1);
    }
    match rest.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, FAR>(key, far, start, rest),
        2 | 3 => flight::<SEAL, 2, FAR>(key, far, start, rest),
        4 | 5 => flight::<SEAL, 3, FAR>(key, far, start, rest),
        6 | 7 => flight::<SEAL, 4, FAR>(key, far, start, rest),
        8 | 9 => flight::<SEAL, 5, FAR>(key, far, start, rest),
        10 | 11 => flight::<SEAL, 6, FAR>(key, far, start, rest),
        12 | 13 => flight::<SEAL, 7, FAR>(key, far, start, rest),
        14 | 15 => flight::<SEAL, 8, FAR>(key, far, start, rest),
        _ => flight::<SEAL, 9, FAR>(key, far, start, rest),
    }
}

/// All whole steps. Gives the hash with all of their ciphertext in it, and moves `counter` past them.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Powers<FAR>,
    counter: &mut __m128i,
    mut hash: __m128i,
    text: InOutBuf<'_, '_, u8>,
) -> __m128i {
    let (mut steps, _) = text.into_chunks::<U256>();
    let mut counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(*counter), _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0));
    let two = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
    for i in 0..steps.len() {
        let first = broadcast(key.rounds[0]);
        let mut state = [first; STEP];
        for block in &mut state {
            *block = _mm256_xor_si256(reverse_pair(counters), first);
            counters = _mm256_add_epi32(counters, two);
        }
        if !SEAL {
            hash = rounds_and_hash(key, powers, &mut state, hash, &steps.get(i).get_in().0);
        } else if i > 0 {
            hash = rounds_and_hash(key, powers, &mut state, hash, &steps.get(i - 1).get_out().0);
        } else {
            rounds(key, &mut state);
        }
        let last = broadcast(key.rounds[14]);
        let mut chunk = steps.get(i);
        for (j, block) in state.into_iter().enumerate() {
            let text = load_pair(&chunk.get_in().0.as_chunks::<32>().0[j]);
            let out = _mm256_aesenclast_epi128(block, _mm256_xor_si256(last, text));
            store_pair(&mut chunk.get_out().0.as_chunks_mut::<32>().0[j], out);
        }
    }
    if SEAL {
        let mut chunk = steps.get(steps.len() - 1);
        let mut sum = PairSum::zero();
        for (j, bytes) in chunk.get_out().0.as_chunks::<32>().0.iter().enumerate() {
            let mut block = reverse_pair(load_pair(bytes));
            if j == 0 {
                block = _mm256_xor_si256(block, _mm256_zextsi128_si256(hash));
            }
            sum.add(block, powers, FAR - 16 + 2 * j);
        }
        hash = sum.reduce();
    }
    *counter = _mm256_castsi256_si128(counters);
    hash
}

/// The AES rounds of a step, but the last, with the GHASH of eight vectors spread over them.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn rounds_and_hash(
    key: &Schedule,
    powers: &Powers<FAR>,
    state: &mut [__m256i; STEP],
    hash: __m128i,
    hashed: &[u8; 32 * STEP],
) -> __m128i {
    let mut sum = PairSum::zero();
    for (j, bytes) in hashed.as_chunks::<32>().0.iter().enumerate() {
        round(state, key.rounds[j + 1]);
        let mut block = reverse_pair(load_pair(bytes));
        if j == 0 {
            block = _mm256_xor_si256(block, _mm256_zextsi128_si256(hash));
        }
        sum.add(block, powers, FAR - 16 + 2 * j);
    }
    for key in &key.rounds[STEP + 1..14] {
        round(state, *key);
    }
    sum.reduce()
}

/// The AES rounds between the first and the last.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn rounds<const N: usize>(key: &Schedule, state: &mut [__m256i; N]) {
    for key in &key.rounds[1..14] {
        round(state, *key);
    }
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn round<const N: usize>(state: &mut [__m256i; N], key: __m128i) {
    let key = broadcast(key);
    for block in state {
        *block = _mm256_aesenc_epi128(*block, key);
    }
}

/// The end of a message, and its tag: up to 2N - 1 blocks of text, of which 2N - 3 are whole, and E(J0).
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn flight<const SEAL: bool, const N: usize, const P: usize>(
    key: &Schedule,
    powers: &Powers<P>,
    start: Start,
    mut text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let length = text.len();
    assert!(length <= 32 * N - 16 && (N == 1 || length > 32 * N - 48));
    let blocks = length.div_ceil(16);

    let first = broadcast(key.rounds[0]);
    let mut state = [first; N];
    let mut counters = _mm256_inserti128_si256(_mm256_zextsi128_si256(start.j0), start.counter, 1);
    state[0] = _mm256_xor_si256(reverse_pair(counters), first);
    counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(start.counter), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
    for block in &mut state[1..] {
        *block = _mm256_xor_si256(reverse_pair(counters), first);
        counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
    }
    rounds(key, &mut state);
    let last = broadcast(key.rounds[14]);

    // Block 0 has H'^(blocks + 1), and the lane beside it one power more.
    let top = P - blocks - 2;
    let mut sum = PairSum::zero();
    let mut lengths = _mm256_zextsi128_si256(start.lengths);
    if blocks == 2 * N - 1 {
        sum.add(lengths, powers, P - 1);
        lengths = _mm256_setzero_si256();
    } else {
        lengths = _mm256_permute2x128_si256(lengths, lengths, 0x08);
    }

    let (mut mask, mut before) = (start.j0, start.j0);
    for (i, state) in state.into_iter().enumerate() {
        let mut hashed;
        if i == 0 {
            let whole = N > 1 || length == 16;
            let input = if whole { load(text.get_in().first_chunk().expect("one block")) } else { load_short(text.get_in()) };
            let input = _mm256_inserti128_si256(_mm256_setzero_si256(), input, 1);
            let output = _mm256_aesenclast_epi128(state, _mm256_xor_si256(last, input));
            mask = _mm256_castsi256_si128(output);
            before = _mm256_extracti128_si256(output, 1);
            if whole {
                store(text.get_out().first_chunk_mut().expect("one block"), before);
            } else {
                store_short(text.get_out(), before);
            }
            hashed = if SEAL { output } else { input };
            if SEAL && !whole {
                hashed = _mm256_and_si256(hashed, ones(16 + length));
            }
            hashed = _mm256_blend_epi32(reverse_pair(hashed), _mm256_setzero_si256(), 0x0f);
            hashed = _mm256_xor_si256(hashed, start.waiting);
        } else {
            let at = 32 * i - 16;
            let whole = i < N - 1 || length == at + 32;
            if whole {
                let input = load_pair(text.get_in()[at..].first_chunk().expect("two blocks"));
                let output = _mm256_aesenclast_epi128(state, _mm256_xor_si256(last, input));
                store_pair(text.get_out()[at..].first_chunk_mut().expect("two blocks"), output);
                before = _mm256_extracti128_si256(output, 1);
                hashed = if SEAL { output } else { input };
            } else {
                let input = load_last_pair(text.get_in(), at);
                let output = _mm256_aesenclast_epi128(state, _mm256_xor_si256(last, input));
                store_last_pair(text.get_out(), at, before, output);
                hashed = if SEAL { _mm256_and_si256(output, ones(length - at)) } else { input };
            }
            hashed = reverse_pair(hashed);
        }
        if i == N - 1 {
            hashed = _mm256_xor_si256(hashed, lengths);
        }
        sum.add(hashed, powers, top + 2 * i);
    }
    to_bytes(_mm_xor_si128(reverse(sum.reduce()), mask))
}

/// One to 31 bytes from `at` to the end, of 17 or more in all, and zeros behind them.
#[inline]
#[target_feature(enable = "avx2")]
fn load_last_pair(bytes: &[u8], at: usize) -> __m256i {
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
fn store_last_pair(bytes: &mut [u8], at: usize, before: __m128i, pair: __m256i) {
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

/// What waits for the last block of AAD and is added to it, and that block; zero where there is none.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_all_but_last(key: &Schedule, aad: &[u8]) -> __m128i {
    if aad.is_empty() {
        return _mm_setzero_si128();
    }
    let last = reverse(load_last(aad));
    if aad.len() <= 16 { last } else { _mm_xor_si128(last, hash_whole(key, &aad[..(aad.len() - 1) & !15])) }
}

/// The hash of whole blocks, eight a reduction.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_whole(key: &Schedule, bytes: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for chunk in bytes.as_chunks::<16>().0.chunks(NEAR) {
        let mut sum = PairSum::zero();
        let mut carried = _mm256_zextsi128_si256(hash);
        let mut power = NEAR - chunk.len();
        let (pairs, single) = chunk.as_chunks::<2>();
        for [a, b] in pairs {
            let pair = _mm256_inserti128_si256(_mm256_zextsi128_si256(load(a)), load(b), 1);
            sum.add(_mm256_xor_si256(reverse_pair(pair), carried), &key.near, power);
            carried = _mm256_setzero_si256();
            power += 2;
        }
        if let [block] = single {
            let block = _mm256_zextsi128_si256(reverse(load(block)));
            sum.add(_mm256_xor_si256(block, carried), &key.near, power);
        }
        hash = sum.reduce();
    }
    hash
}

#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = near(key);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    // The block of lengths has the nonce's in its second half.
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn schedule(key: &[u8; 32]) -> Schedule {
    let rounds = expand(key);
    let one = hash_key(&rounds);
    let two = multiply(one, one, fold(one));
    let low = _mm256_inserti128_si256(_mm256_zextsi128_si256(two), one, 1);
    let square = _mm256_broadcastsi128_si256(two);
    let high = multiply_pair(low, square);
    let fourth = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(high));
    let pairs = [multiply_pair(high, fourth), multiply_pair(low, fourth), high, low];
    Schedule { rounds, near: Powers::new(pairs), far: Lazy::new() }
}

/// All powers up to 18 from the first eight.
#[cold]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn extend(near: &Powers<NEAR>) -> Powers<FAR> {
    let [a, b, c, d] = [0, 2, 4, 6].map(|i| pair(&near.plain, i));
    let eighth = _mm256_broadcastsi128_si256(near.plain[0]);
    let [e, f, g, h] = [a, b, c, d].map(|pair| multiply_pair(pair, eighth));
    Powers::new([multiply_pair(h, eighth), e, f, g, h, a, b, c, d])
}

impl<const N: usize> Powers<N> {
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn new<const PAIRS: usize>(pairs: [__m256i; PAIRS]) -> Self {
        const { assert!(2 * PAIRS == N) };
        let zero = _mm_setzero_si128();
        let mut powers = Self { plain: [zero; N], folded: [zero; N] };
        for (i, pair) in pairs.into_iter().enumerate() {
            let folded = fold_pair(pair);
            powers.plain[2 * i] = _mm256_castsi256_si128(pair);
            powers.plain[2 * i + 1] = _mm256_extracti128_si256(pair, 1);
            powers.folded[2 * i] = _mm256_castsi256_si128(folded);
            powers.folded[2 * i + 1] = _mm256_extracti128_si256(folded, 1);
        }
        powers
    }
}

/// Two sums of products in GF(2)[x], one a lane, not yet reduced.
struct PairSum {
    low: __m256i,
    middle: __m256i,
    high: __m256i,
}

impl PairSum {
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn zero() -> Self {
        let zero = _mm256_setzero_si256();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds two blocks, times the powers at `at` and behind it.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn add<const N: usize>(&mut self, blocks: __m256i, powers: &Powers<N>, at: usize) {
        if at == N - 1 {
            self.multiply(blocks, _mm256_zextsi128_si256(powers.plain[at]), _mm256_zextsi128_si256(powers.folded[at]));
        } else {
            self.multiply(blocks, pair(&powers.plain, at), pair(&powers.folded, at));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn multiply(&mut self, blocks: __m256i, powers: __m256i, folded: __m256i) {
        self.low = _mm256_xor_si256(self.low, _mm256_clmulepi64_epi128(blocks, powers, 0x00));
        self.high = _mm256_xor_si256(self.high, _mm256_clmulepi64_epi128(blocks, powers, 0x11));
        self.middle = _mm256_xor_si256(self.middle, _mm256_clmulepi64_epi128(fold_pair(blocks), folded, 0x00));
    }

    /// Both lanes added, and reduced.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn reduce(self) -> __m128i {
        let [low, middle, high] = [self.low, self.middle, self.high]
            .map(|sum| _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
        Sum { low, middle, high }.reduce()
    }
}

/// The products of two lanes, each reduced.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn multiply_pair(a: __m256i, b: __m256i) -> __m256i {
    let mut sum = PairSum::zero();
    sum.multiply(a, b, fold_pair(b));
    let middle = _mm256_xor_si256(sum.middle, _mm256_xor_si256(sum.low, sum.high));
    let low = _mm256_xor_si256(sum.low, _mm256_slli_si256(middle, 8));
    let high = _mm256_xor_si256(sum.high, _mm256_srli_si256(middle, 8));
    let polynomial = _mm256_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed(), 0, 0xc200_0000_0000_0000_u64.cast_signed());
    let once = _mm256_xor_si256(_mm256_shuffle_epi32(low, 0x4e), _mm256_clmulepi64_epi128(low, polynomial, 0x00));
    let twice = _mm256_xor_si256(_mm256_shuffle_epi32(once, 0x4e), _mm256_clmulepi64_epi128(once, polynomial, 0x00));
    _mm256_xor_si256(high, twice)
}

#[inline]
#[target_feature(enable = "avx2")]
fn fold_pair(a: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_shuffle_epi32(a, 0x4e))
}

#[inline]
#[target_feature(enable = "avx2")]
fn reverse_pair(blocks: __m256i) -> __m256i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm256_shuffle_epi8(blocks, _mm256_broadcastsi128_si256(order))
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(block: __m128i) -> __m256i {
    _mm256_broadcastsi128_si256(block)
}

/// H' and its halves added.
#[inline]
#[target_feature(enable = "sse2")]
fn near(key: &Schedule) -> (__m128i, __m128i) {
    (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1])
}

#[inline]
#[target_feature(enable = "sse2")]
fn one() -> __m128i {
    _mm_set_epi32(0, 0, 0, 1)
}

/// A vector with its first `length` bytes all ones, the others zero.
#[inline]
#[target_feature(enable = "avx2")]
fn ones(length: usize) -> __m256i {
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
fn pair(blocks: &[__m128i], at: usize) -> __m256i {
    let pair: &[__m128i; 2] = blocks[at..].first_chunk().expect("two are left");
    // SAFETY: the reference is valid for reads of 32 bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(pair.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_pair(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for reads of 32 bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_pair(bytes: &mut [u8; 32], pair: __m256i) {
    // SAFETY: the reference is valid for writes of 32 bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), pair) };
}

/// Overwrites the vector registers, where round keys and powers of H stood.
#[inline]
fn clear_vectors() {
    // SAFETY: this backend's CPUs have AVX; the asm writes these registers, says so, and touches nothing else.
    unsafe {
        asm!(
            "vzeroall",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}
