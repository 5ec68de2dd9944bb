//! x86-64 with AES-NI and PCLMULQDQ: CTR and GHASH fused, eight blocks a step, 128-bit vectors.
//!
//! ```text
//!  step i:   AES rounds of the eight counters of step i        (AES unit)
//!            GHASH of eight ciphertext blocks, one a round     (carry-less multiplier)
//!            seal hashes the blocks of step i - 1, open those of step i: neither waits for the other unit
//!  tail:     at most eight blocks and E(J0) in one flight
//! ```
//!
//! GHASH is computed as POLYVAL of byte-reversed blocks (RFC 8452 appendix A): `H' = 2 rev(H)`, products by Karatsuba,
//! eight of them added before one reduction by two multiplications with x^63 + x^62 + x^57 (Gueron's folding).
//! Still to come, under the same trait: powers only as a message needs them, a path bound by latency, masked tails.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use core::arch::asm;
use core::arch::x86_64::*;

use aead::consts::U128;
use aead::inout::InOutBuf;
use zeroize::Zeroize;

use super::Kernel;
use crate::{Key, Nonce, Tag, cpu};

/// Blocks a step.
const STEP: usize = 8;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    _proof: cpu::Aesni,
}

struct Schedule {
    /// Round keys of AES-256.
    rounds: [__m128i; 15],
    /// `powers[i]` is H'^(i + 1).
    powers: [__m128i; STEP],
    /// `folded[i]`: the two halves of `powers[i]` added, in both halves; Karatsuba's middle factor.
    folded: [__m128i; STEP],
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.rounds.zeroize();
        self.powers.zeroize();
        self.folded.zeroize();
    }
}

impl Expanded {
    pub(crate) fn new(proof: cpu::Aesni, key: &Key) -> Self {
        // SAFETY: `proof` exists only if `detect` saw every feature that `expand` enables.
        let schedule = unsafe { expand(key.expose()) };
        clear_vectors();
        Self { schedule, _proof: proof }
    }
}

impl Kernel for Expanded {
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self._proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_nonce::<true>(&self.schedule, nonce, aad, text) };
        clear_vectors();
        tag
    }

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
        unsafe { encrypt_each(&self.schedule, blocks) };
        clear_vectors();
    }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let [a, b, c] = [0, 4, 8].map(|at| i32::from_le_bytes([nonce[at], nonce[at + 1], nonce[at + 2], nonce[at + 3]]));
    let j0 = reverse(_mm_set_epi32(1 << 24, c, b, a));
    crypt::<SEAL>(key, j0, aad, text)
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, reverse(load(j0)), aad, text)
}

/// One message. `j0` is byte-reversed, so that its counter is the lowest 32 bits and counts with one addition.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let lengths = _mm_set_epi64x((aad.len() as u64 * 8).cast_signed(), (text.len() as u64 * 8).cast_signed());
    let mut hash = hash_padded(key, _mm_setzero_si128(), aad);
    let mut counter = _mm_add_epi32(j0, _mm_set_epi32(0, 0, 0, 1));
    let (mut steps, tail) = text.into_chunks::<U128>();

    // Seal hashes a step late: what waits, byte-reversed. The first step has nothing to hash yet.
    let mut waiting = [_mm_setzero_si128(); STEP];
    for step in 0..steps.len() {
        let mut chunk = steps.get(step);
        let blocks = load_blocks(&chunk.get_in().0);
        if !SEAL {
            waiting = reverse_blocks(blocks);
        }
        let keystream;
        if SEAL && step == 0 {
            keystream = encrypt(key, &counters(counter));
        } else {
            (keystream, hash) = encrypt_and_hash(key, &counters(counter), hash, &waiting);
        }
        let out = xor_blocks(blocks, keystream);
        if SEAL {
            waiting = reverse_blocks(out);
        }
        store_blocks(&mut chunk.get_out().0, out);
        counter = _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, STEP as i32));
    }
    if SEAL && !steps.is_empty() {
        hash = hash_step(key, hash, &waiting);
    }
    let (hash, mask) = crypt_tail::<SEAL>(key, j0, counter, hash, tail);
    let tag = reverse(multiply(_mm_xor_si128(hash, lengths), key.powers[0], key.folded[0]));
    to_bytes(_mm_xor_si128(tag, mask))
}

/// The last 0 to 127 bytes, and E(J0): nine blocks in one flight. Gives the hash, all text in it, and the tag's mask.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt_tail<const SEAL: bool>(
    key: &Schedule,
    j0: __m128i,
    counter: __m128i,
    hash: __m128i,
    mut tail: InOutBuf<'_, '_, u8>,
) -> (__m128i, __m128i) {
    if tail.is_empty() {
        return (hash, encrypt(key, &[reverse(j0)])[0]);
    }
    let length = tail.len();
    let [a, b, c, d, e, f, g, h] = counters(counter);
    let [a, b, c, d, e, f, g, h, mask] = encrypt(key, &[a, b, c, d, e, f, g, h, reverse(j0)]);
    let mut keystream = [0; 16 * STEP];
    store_blocks(&mut keystream, [a, b, c, d, e, f, g, h]);
    // What the hash sees: the ciphertext and zeros behind it.
    let mut hashed = [0; 16 * STEP];
    if !SEAL {
        hashed[..length].copy_from_slice(tail.get_in());
    }
    tail.xor_in2out(&keystream[..length]);
    if SEAL {
        hashed[..length].copy_from_slice(tail.get_out());
    }
    keystream.zeroize();
    (hash_up_to_step(key, hash, &hashed[..16 * length.div_ceil(16)]), mask)
}

/// Hashes `bytes`, padded with zeros to whole blocks.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_padded(key: &Schedule, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    let (steps, rest) = bytes.as_chunks::<{ 16 * STEP }>();
    for step in steps {
        hash = hash_step(key, hash, &reverse_blocks(load_blocks(step)));
    }
    let (whole, part) = rest.split_at(rest.len() & !15);
    if !whole.is_empty() {
        hash = hash_up_to_step(key, hash, whole);
    }
    if !part.is_empty() {
        let mut block = [0; 16];
        block[..part.len()].copy_from_slice(part);
        hash = hash_up_to_step(key, hash, &block);
    }
    hash
}

/// Hashes one to eight whole blocks with one reduction.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_up_to_step(key: &Schedule, hash: __m128i, bytes: &[u8]) -> __m128i {
    let blocks = bytes.as_chunks::<16>().0;
    let mut product = Product::zero();
    let mut carried = hash;
    for (block, power) in blocks.iter().zip((0..blocks.len().min(STEP)).rev()) {
        let block = _mm_xor_si128(reverse(load(block)), carried);
        product.add(block, key.powers[power], key.folded[power]);
        carried = _mm_setzero_si128();
    }
    product.reduce()
}

/// Hashes eight byte-reversed blocks with one reduction.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_step(key: &Schedule, hash: __m128i, blocks: &[__m128i; STEP]) -> __m128i {
    let mut product = Product::zero();
    product.add(_mm_xor_si128(blocks[0], hash), key.powers[STEP - 1], key.folded[STEP - 1]);
    for (block, power) in blocks[1..].iter().zip((0..STEP - 1).rev()) {
        product.add(*block, key.powers[power], key.folded[power]);
    }
    product.reduce()
}

/// AES-256 of eight blocks, with the GHASH of eight others spread over its rounds.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn encrypt_and_hash(
    key: &Schedule,
    blocks: &[__m128i; STEP],
    hash: __m128i,
    hashed: &[__m128i; STEP],
) -> ([__m128i; STEP], __m128i) {
    let mut state = blocks.map(|block| _mm_xor_si128(block, key.rounds[0]));
    let mut product = Product::zero();
    product.add(_mm_xor_si128(hashed[0], hash), key.powers[STEP - 1], key.folded[STEP - 1]);
    for (round, block) in (1..STEP).zip(&hashed[1..]) {
        state = state.map(|block| _mm_aesenc_si128(block, key.rounds[round]));
        product.add(*block, key.powers[STEP - 1 - round], key.folded[STEP - 1 - round]);
    }
    for round in &key.rounds[STEP..14] {
        state = state.map(|block| _mm_aesenc_si128(block, *round));
    }
    (state.map(|block| _mm_aesenclast_si128(block, key.rounds[14])), product.reduce())
}

/// AES-256 of N blocks.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn encrypt<const N: usize>(key: &Schedule, blocks: &[__m128i; N]) -> [__m128i; N] {
    let mut state = blocks.map(|block| _mm_xor_si128(block, key.rounds[0]));
    for round in &key.rounds[1..14] {
        state = state.map(|block| _mm_aesenc_si128(block, *round));
    }
    state.map(|block| _mm_aesenclast_si128(block, key.rounds[14]))
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn encrypt_each<const N: usize>(key: &Schedule, blocks: &mut [[u8; 16]; N]) {
    let encrypted = encrypt(key, &core::array::from_fn::<_, N, _>(|i| load(&blocks[i])));
    for (block, encrypted) in blocks.iter_mut().zip(encrypted) {
        *block = to_bytes(encrypted);
    }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let hash = hash_padded(key, _mm_setzero_si128(), nonce);
    let lengths = _mm_set_epi64x(0, (nonce.len() as u64 * 8).cast_signed());
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), key.powers[0], key.folded[0])))
}

/// The key schedule of FIPS 197 section 5.2, and the powers of H.
///
/// `aesenclast` with a word in all four columns is SubWord without ShiftRows' effect: three times faster than
/// `aeskeygenassist` on most CPUs.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn expand(key: &[u8; 32]) -> Schedule {
    let mut rounds = [_mm_setzero_si128(); 15];
    let (halves, _) = key.as_chunks::<16>();
    (rounds[0], rounds[1]) = (load(&halves[0]), load(&halves[1]));
    let rotate_last_word = _mm_set1_epi32(0x0c0f_0e0d);
    let mut constant = _mm_set1_epi32(1);
    for round in 2..15 {
        let last = rounds[round - 1];
        let word = if round % 2 == 0 {
            let word = _mm_aesenclast_si128(_mm_shuffle_epi8(last, rotate_last_word), constant);
            constant = _mm_slli_epi32(constant, 1);
            word
        } else {
            _mm_aesenclast_si128(_mm_shuffle_epi32(last, 0xff), _mm_setzero_si128())
        };
        let mut sum = rounds[round - 2];
        sum = _mm_xor_si128(sum, _mm_slli_si128(sum, 4));
        sum = _mm_xor_si128(sum, _mm_slli_si128(sum, 8));
        rounds[round] = _mm_xor_si128(sum, word);
    }
    let zero = _mm_setzero_si128();
    let mut schedule = Schedule { rounds, powers: [zero; STEP], folded: [zero; STEP] };
    let h = double(reverse(encrypt(&schedule, &[zero])[0]));
    schedule.powers[0] = h;
    schedule.folded[0] = fold(h);
    for i in 1..STEP {
        let power = multiply(schedule.powers[i - 1], h, schedule.folded[0]);
        schedule.powers[i] = power;
        schedule.folded[i] = fold(power);
    }
    rounds.zeroize();
    schedule
}

/// The sum of products in GF(2)[x], not yet reduced: Karatsuba's three parts.
struct Product {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

impl Product {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn zero() -> Self {
        let zero = _mm_setzero_si128();
        Self { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
    fn add(&mut self, block: __m128i, power: __m128i, folded: __m128i) {
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128(block, power, 0x00));
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128(block, power, 0x11));
        self.middle = _mm_xor_si128(self.middle, _mm_clmulepi64_si128(fold(block), folded, 0x00));
    }

    /// The sum modulo x^128 + x^127 + x^126 + x^121 + 1, divided by x^128: two foldings of 64 bits each.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
    fn reduce(self) -> __m128i {
        let middle = _mm_xor_si128(self.middle, _mm_xor_si128(self.low, self.high));
        let low = _mm_xor_si128(self.low, _mm_slli_si128(middle, 8));
        let high = _mm_xor_si128(self.high, _mm_srli_si128(middle, 8));
        let polynomial = _mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed());
        let once = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x00));
        let twice = _mm_xor_si128(_mm_shuffle_epi32(once, 0x4e), _mm_clmulepi64_si128(once, polynomial, 0x00));
        _mm_xor_si128(high, twice)
    }
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn multiply(a: __m128i, power: __m128i, folded: __m128i) -> __m128i {
    let mut product = Product::zero();
    product.add(a, power, folded);
    product.reduce()
}

/// The two halves added, in both halves.
#[inline]
#[target_feature(enable = "sse2")]
fn fold(a: __m128i) -> __m128i {
    _mm_xor_si128(a, _mm_shuffle_epi32(a, 0x4e))
}

/// Twice `a` in POLYVAL's field, without a branch on it.
#[inline]
#[target_feature(enable = "sse2")]
fn double(a: __m128i) -> __m128i {
    let carries = _mm_srli_epi64(a, 63);
    let doubled = _mm_or_si128(_mm_slli_epi64(a, 1), _mm_slli_si128(carries, 8));
    // All ones where the top bit was set: the polynomial is added there.
    let top = _mm_shuffle_epi32(_mm_srai_epi32(a, 31), 0xff);
    let polynomial = _mm_set_epi64x(0xc200_0000_0000_0000_u64.cast_signed(), 1);
    _mm_xor_si128(doubled, _mm_and_si128(top, polynomial))
}

/// Eight counter blocks from a byte-reversed counter on.
#[inline]
#[target_feature(enable = "ssse3")]
fn counters(counter: __m128i) -> [__m128i; STEP] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|i| reverse(_mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, i))))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn reverse(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn reverse_blocks(blocks: [__m128i; STEP]) -> [__m128i; STEP] {
    blocks.map(|block| reverse(block))
}

#[inline]
#[target_feature(enable = "sse2")]
fn xor_blocks(a: [__m128i; STEP], b: [__m128i; STEP]) -> [__m128i; STEP] {
    core::array::from_fn(|i| _mm_xor_si128(a[i], b[i]))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_blocks(bytes: &[u8; 16 * STEP]) -> [__m128i; STEP] {
    let (blocks, _) = bytes.as_chunks::<16>();
    core::array::from_fn(|i| load(&blocks[i]))
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_blocks(bytes: &mut [u8; 16 * STEP], blocks: [__m128i; STEP]) {
    for (bytes, block) in bytes.as_chunks_mut::<16>().0.iter_mut().zip(blocks) {
        *bytes = to_bytes(block);
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is valid for reads of 16 bytes; the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn to_bytes(block: __m128i) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the array is valid for writes of 16 bytes; the store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), block) };
    bytes
}

/// Overwrites the vector registers, where round keys and powers of H stood.
#[inline]
fn clear_vectors() {
    // SAFETY: every x86-64 has these registers; the asm writes them and says so, and touches nothing else.
    unsafe {
        asm!(
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
            "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
            "pxor xmm12, xmm12", "pxor xmm13, xmm13", "pxor xmm14, xmm14", "pxor xmm15, xmm15",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{MaybeUninit, size_of};

    use super::*;

    #[test]
    fn a_dropped_key_leaves_no_round_key_and_no_power_of_h() {
        let Some(proof) = cpu::Aesni::detect() else { return };
        let mut place = MaybeUninit::<Expanded>::uninit();
        place.write(Expanded::new(proof, &Key::from([7; 32])));
        assert!(words(&place).iter().all(|word| *word != 0), "the control: the key stands there");
        // SAFETY: the place was written above and is not used as a key again.
        unsafe { place.assume_init_drop() };
        assert!(words(&place).iter().all(|word| *word == 0));
    }

    fn words(place: &MaybeUninit<Expanded>) -> [u128; size_of::<Expanded>() / 16] {
        // SAFETY: every byte of an Expanded is initialised, it has no padding, and the array has its size.
        unsafe { place.as_ptr().cast::<[u128; size_of::<Expanded>() / 16]>().read() }
    }
}
