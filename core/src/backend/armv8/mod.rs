//! AArch64 with the ARMv8 cryptography extension (AES and PMULL), and EOR3 of SHA3 where the CPU has it.
//!
//! ```text
//!  step i:   AES rounds of the eight counters of step i        (AESE and AESMC side by side: most CPUs fuse them)
//!            GHASH of eight ciphertext blocks, a pair a round  (PMULL)
//!            seal hashes the blocks of step i - 1, open those of step i: neither waits for the other unit
//!  tail:     at most eight blocks and E(J0) in one flight of 1, 2, 3, 5 or 9 blocks
//! ```
//!
//! **Hash.** RBIT, one instruction, turns the bytes of a block into a plain polynomial, bit i for x^i, modulo
//! x^128 + x^7 + x^2 + x + 1 (SP 800-38D section 6.3 writes the bits the other way round). Products are Karatsuba's; two
//! blocks share the additions of their halves by TRN1 and TRN2. Up to eight products are added before one reduction by
//! two multiplications with 0x87.
//!
//! **Counters.** AESE adds its key first, and adding i to a counter whose low three bits are zero is XOR. So eight
//! vectors, round key 0 with i in its last byte, and the counter that begins a group of eight make eight counters
//! without an instruction for any. After a 96-bit nonce the text begins at counter 2: each step takes six blocks of one
//! group and two of the next. Other starts, which only [`hazmat`](crate::hazmat) has, count one by one.
//!
//! **Registers.** Rust passes vectors through memory to a function that is not inlined. So functions that take or give
//! secret ones are small, or have the parameters of their caller and with them one caller: then they are inlined.
//! AESE and AESMC are intrinsics, which LLVM keeps side by side. PMULL is `asm!`: its intrinsic takes 64-bit integers, and
//! LLVM kept the powers of H in general registers and moved them over, 25 instructions a step.
//!
//! **EOR3.** One source serves CPUs with and without it: [`Xor`] says which, by a token that comes with the key.
//! EOR3 is written as `asm!`, because a function that lacks the feature `sha3` cannot inline its intrinsic.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

mod field;

use core::arch::aarch64::*;
use core::arch::asm;

use aead::array::Array;
use aead::consts::{U16, U128};
use aead::inout::{InOut, InOutBuf};
use zeroize::Zeroize;

use super::Kernel;
use crate::ct::clear_vectors;
use crate::{Key, Nonce, Tag, cpu};
use field::*;

/// Blocks a step.
const STEP: usize = 8;

/// A key expanded for this backend; the tokens say what can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    eor3: Option<cpu::Eor3>,
    proof: cpu::Armv8,
}

struct Schedule {
    /// Round key 0 of AES-256 plus i, for the counter i of a group of eight.
    first: [uint8x16_t; 8],
    /// Round keys 1 to 14.
    rounds: [uint8x16_t; 14],
    /// `powers[i]` is H^(i + 1).
    powers: [uint8x16_t; STEP],
    /// `folded[i]`: the two halves of `powers[i]` added; Karatsuba's middle factor.
    folded: [u64; STEP],
}

impl Drop for Schedule {
    #[inline(never)] // one, which `admin/scan` follows
    fn drop(&mut self) {
        self.first.zeroize();
        self.rounds.zeroize();
        self.powers.zeroize();
        self.folded.zeroize();
    }
}

impl Expanded {
    pub(crate) const fn proof(&self) -> cpu::Armv8 {
        self.proof
    }

    /// Expands `key` and wraps it where the caller wants it: by value it would be moved twice on its way there.
    #[inline(never)]
    pub(crate) fn make<T>(proof: cpu::Armv8, key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
        // SAFETY: `proof` exists only if `detect` saw every feature that `expand` enables.
        let schedule = unsafe { expand(key.expose()) };
        let wrapped = wrap(Self { schedule, eor3: cpu::Eor3::detect(), proof });
        clear_vectors();
        wrapped
    }

    fn crypt<const SEAL: bool>(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        path!(armv8.xor, usize::from(self.eor3.is_some()));
        let tag = match self.eor3 {
            // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt_nonce` enables.
            Some(eor3) => unsafe { crypt_nonce::<SEAL, _>(&self.schedule, eor3, nonce, aad, text) },
            // SAFETY: as above.
            None => unsafe { crypt_nonce::<SEAL, _>(&self.schedule, Eor, nonce, aad, text) },
        };
        clear_vectors();
        tag
    }

    fn crypt_from<const SEAL: bool>(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt_j0` enables.
        let tag = unsafe { crypt_j0::<SEAL>(&self.schedule, j0, aad, text) };
        clear_vectors();
        tag
    }
}

impl Kernel for Expanded {
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        self.crypt::<true>(nonce, aad, text)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        self.crypt::<false>(nonce, aad, text)
    }

    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        self.crypt_from::<true>(j0, aad, text)
    }

    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        self.crypt_from::<false>(j0, aad, text)
    }

    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16] {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `hash_nonce` enables.
        let j0 = unsafe { hash_nonce(&self.schedule, nonce) };
        clear_vectors();
        j0
    }

    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `encrypt_each` enables.
        unsafe { encrypt_each(&self.schedule, blocks) };
        clear_vectors();
    }
}

#[target_feature(enable = "neon,aes")]
fn crypt_nonce<const SEAL: bool, X: Xor>(
    key: &Schedule,
    xor: X,
    nonce: &Nonce,
    aad: &[u8],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let mut group = [0; 16];
    group[..12].copy_from_slice(nonce);
    let group = load(&group);
    // J0 is the counter 1 of the group.
    crypt::<SEAL, true, X>(key, xor, (key.first[1], group), words(group), aad, text)
}

#[target_feature(enable = "neon,aes")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    path!(armv8.from, SEAL, crate::paths::wraps(j0, text.len()));
    let j0 = load(j0);
    crypt::<SEAL, false, Eor>(key, Eor, (key.first[0], j0), plus(words(j0), 1), aad, text)
}

/// One message. `j0` is its first lane of AES. `counter` counts in its last word: if `ALIGNED`, it begins the group in
/// which the text begins at 2; if not, it is the text's first.
#[inline]
#[target_feature(enable = "neon,aes")]
fn crypt<const SEAL: bool, const ALIGNED: bool, X: Xor>(
    key: &Schedule,
    xor: X,
    j0: Lane,
    mut counter: uint32x4_t,
    aad: &[u8],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let lengths = vcombine_u64(
        vcreate_u64((aad.len() as u64 * 8).reverse_bits()),
        vcreate_u64((text.len() as u64 * 8).reverse_bits()),
    );
    let (mut steps, tail) = text.into_chunks::<U128>();
    path!(armv8.steps, SEAL, steps.len().min(5) + if ALIGNED { 0 } else { 6 });
    // The blocks of the tail and the lengths: hashed with the AAD if nothing stands between them.
    let last = tail.len().div_ceil(16) + 1;
    let mut run = hash_aad::<SEAL, ALIGNED, X>(key, xor, aad, if steps.is_empty() { last } else { 0 });
    if !steps.is_empty() {
        let mut hash = run.finish(xor);
        // Seal hashes a step late: what waits. Its first step has nothing to hash.
        let mut waiting = [vdupq_n_u8(0); STEP];
        if SEAL {
            let state = encrypt(key, lanes::<ALIGNED, STEP>(key, counter));
            waiting = polynomials(add_keystream(key, xor, state, steps.get(0)));
            counter = plus(counter, STEP as u32);
        }
        for step in usize::from(SEAL)..steps.len() {
            (hash, waiting) = crypt_step::<SEAL, ALIGNED, X>(hide(key), xor, counter, hash, waiting, steps.get(step));
            counter = plus(counter, STEP as u32);
        }
        if SEAL {
            hash = hash_step(key, xor, hash, &waiting);
        }
        run = Run::new(hash, last);
    }
    let mask = crypt_tail::<SEAL, ALIGNED, X>(key, xor, j0, counter, &mut run, tail);
    run.add(key, xor, vreinterpretq_u8_u64(lengths));
    to_bytes(veorq_u8(vrbitq_u8(run.finish(xor)), mask))
}

/// A step: AES of its eight blocks, with a GHASH of eight spread over the rounds. Gives the hash, and what waits.
#[inline]
#[target_feature(enable = "neon,aes")]
fn crypt_step<const SEAL: bool, const ALIGNED: bool, X: Xor>(
    key: &Schedule,
    xor: X,
    counter: uint32x4_t,
    hash: uint8x16_t,
    waiting: [uint8x16_t; STEP],
    chunk: InOut<'_, '_, Array<u8, U128>>,
) -> (uint8x16_t, [uint8x16_t; STEP]) {
    let text = chunk.get_in().0.as_chunks::<16>().0;
    let hashed = |i| if SEAL { waiting[i] } else { vrbitq_u8(load(&text[i])) };
    let mut state = lanes::<ALIGNED, STEP>(key, counter).map(|(a, b)| vaesmcq_u8(vaeseq_u8(a, b)));
    let [a, b] = Product::pair(key, [veorq_u8(hashed(0), hash), hashed(1)], 3);
    let mut product = a.plus(b);
    for (at, pair) in [(2, 2), (4, 1), (6, 0)] {
        for round in &key.rounds[at - 2..at] {
            state = state.map(|block| vaesmcq_u8(vaeseq_u8(block, *round)));
        }
        product = product.plus_both(xor, Product::pair(key, [hashed(at), hashed(at + 1)], pair));
    }
    for round in &key.rounds[6..9] {
        state = state.map(|block| vaesmcq_u8(vaeseq_u8(block, *round)));
    }
    let hash = product.reduce(xor);
    for round in &key.rounds[9..12] {
        state = state.map(|block| vaesmcq_u8(vaeseq_u8(block, *round)));
    }
    state = state.map(|block| vaeseq_u8(block, key.rounds[12]));
    let out = add_keystream(key, xor, state, chunk);
    (hash, if SEAL { polynomials(out) } else { waiting })
}

/// Adds the keystream, and with it the last round key, to a step's text.
#[inline]
#[target_feature(enable = "neon,aes")]
fn add_keystream<X: Xor>(
    key: &Schedule,
    xor: X,
    state: [uint8x16_t; STEP],
    mut chunk: InOut<'_, '_, Array<u8, U128>>,
) -> [uint8x16_t; STEP] {
    let text = load_blocks(&chunk.get_in().0);
    let out = core::array::from_fn(|i| xor3(xor, state[i], key.rounds[13], text[i]));
    store_blocks(&mut chunk.get_out().0, out);
    out
}

/// The last 0 to 127 bytes, and E(J0), which masks the tag, in one flight. Adds the text's blocks to the hash.
#[inline]
#[target_feature(enable = "neon,aes")]
fn crypt_tail<const SEAL: bool, const ALIGNED: bool, X: Xor>(
    key: &Schedule,
    xor: X,
    j0: Lane,
    counter: uint32x4_t,
    run: &mut Run,
    tail: InOutBuf<'_, '_, u8>,
) -> uint8x16_t {
    let (mut whole, mut part) = tail.into_chunks::<U16>();
    let (blocks, rest) = (whole.len(), part.len());
    path!(armv8.tail, SEAL, blocks + usize::from(rest > 0));
    path!(armv8.part, SEAL, usize::from(rest > 0));
    let mut partial = padded(part.get_in());
    if !SEAL {
        for block in whole.get_in() {
            run.add(key, xor, vrbitq_u8(load(&block.0)));
        }
        if rest > 0 {
            run.add(key, xor, vrbitq_u8(load(&partial)));
        }
    }
    let mut keystream = [vdupq_n_u8(0); 1 + STEP];
    match blocks + usize::from(rest > 0) {
        0 => fly::<ALIGNED, 1>(key, j0, counter, &mut keystream),
        1 => fly::<ALIGNED, 2>(key, j0, counter, &mut keystream),
        2 => fly::<ALIGNED, 3>(key, j0, counter, &mut keystream),
        3 | 4 => fly::<ALIGNED, 5>(key, j0, counter, &mut keystream),
        _ => fly::<ALIGNED, 9>(key, j0, counter, &mut keystream),
    }
    for block in 0..blocks {
        let mut chunk = whole.get(block);
        let out = veorq_u8(load(&chunk.get_in().0), keystream[1 + block]);
        chunk.get_out().0 = to_bytes(out);
        if SEAL {
            run.add(key, xor, vrbitq_u8(out));
        }
    }
    if rest > 0 {
        let keep = vcltq_u8(load(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]), vdupq_n_u8(rest as u8));
        let out = vandq_u8(veorq_u8(load(&partial), keystream[1 + blocks]), keep);
        if SEAL {
            run.add(key, xor, vrbitq_u8(out));
        }
        partial = to_bytes(out);
        copy_short(part.get_out(), &partial[..rest]);
    }
    let mask = keystream[0];
    keystream.zeroize();
    partial.zeroize();
    mask
}

/// E(J0) and the keystream of N - 1 blocks.
#[inline]
#[target_feature(enable = "neon,aes")]
fn fly<const ALIGNED: bool, const N: usize>(
    key: &Schedule,
    j0: Lane,
    counter: uint32x4_t,
    keystream: &mut [uint8x16_t; 1 + STEP],
) {
    let text = lanes::<ALIGNED, N>(key, counter);
    let state: [_; N] = encrypt(key, core::array::from_fn(|i| if i == 0 { j0 } else { text[i - 1] }));
    for (to, state) in keystream.iter_mut().zip(state) {
        *to = veorq_u8(state, key.rounds[13]);
    }
}

/// Where a block of AES begins: two vectors whose sum is the block plus round key 0.
type Lane = (uint8x16_t, uint8x16_t);

/// N counters from `counter` on; see [`crypt`].
#[inline]
#[target_feature(enable = "neon,aes")]
fn lanes<const ALIGNED: bool, const N: usize>(key: &Schedule, counter: uint32x4_t) -> [Lane; N] {
    if ALIGNED {
        let (here, next) = (block(counter), block(plus(counter, 8)));
        core::array::from_fn(|i| (key.first[(i + 2) % 8], if i < 6 { here } else { next }))
    } else {
        core::array::from_fn(|i| (key.first[0], block(plus(counter, i as u32))))
    }
}

/// AES-256 of N blocks but for the last round key, which the caller adds together with the text.
#[inline]
#[target_feature(enable = "neon,aes")]
fn encrypt<const N: usize>(key: &Schedule, lanes: [Lane; N]) -> [uint8x16_t; N] {
    let mut state = lanes.map(|(a, b)| vaesmcq_u8(vaeseq_u8(a, b)));
    for round in &key.rounds[..12] {
        state = state.map(|block| vaesmcq_u8(vaeseq_u8(block, *round)));
    }
    state.map(|block| vaeseq_u8(block, key.rounds[12]))
}

#[target_feature(enable = "neon,aes")]
fn encrypt_each<const N: usize>(key: &Schedule, blocks: &mut [[u8; 16]; N]) {
    let state = encrypt(key, core::array::from_fn::<_, N, _>(|i| (key.first[0], load(&blocks[i]))));
    for (block, state) in blocks.iter_mut().zip(state) {
        *block = to_bytes(veorq_u8(state, key.rounds[13]));
    }
}

#[target_feature(enable = "neon,aes")]
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let lengths = vcombine_u64(vcreate_u64(0), vcreate_u64((nonce.len() as u64 * 8).reverse_bits()));
    let (blocks, part) = nonce.as_chunks::<16>();
    let mut run = Run::new(vdupq_n_u8(0), nonce.len().div_ceil(16) + 1);
    for block in blocks {
        run.add(key, Eor, vrbitq_u8(load(block)));
    }
    if !part.is_empty() {
        run.add(key, Eor, vrbitq_u8(load(&padded(part))));
    }
    run.add(key, Eor, vreinterpretq_u8_u64(lengths));
    to_bytes(vrbitq_u8(run.finish(Eor)))
}

/// Hashes `aad`, padded with zeros to whole blocks, and expects `more` blocks behind it.
#[inline]
#[target_feature(enable = "neon,aes")]
fn hash_aad<const SEAL: bool, const ALIGNED: bool, X: Xor>(key: &Schedule, xor: X, aad: &[u8], more: usize) -> Run {
    let (steps, rest) = aad.as_chunks::<{ 16 * STEP }>();
    path!(armv8.aad, crate::paths::aad(aad.len()));
    path!(armv8.aad_steps, steps.len().min(2));
    let mut hash = vdupq_n_u8(0);
    for step in steps {
        hash = hash_step(key, xor, hash, &polynomials(load_blocks(step)));
    }
    let mut run = Run::new(hash, rest.len().div_ceil(16) + more);
    let (blocks, part) = rest.as_chunks::<16>();
    for block in blocks {
        run.add(key, xor, vrbitq_u8(load(block)));
    }
    if !part.is_empty() {
        run.add(key, xor, vrbitq_u8(load(&padded(part))));
    }
    run
}

/// Hashes eight blocks with one reduction.
#[inline]
#[target_feature(enable = "neon,aes")]
fn hash_step<X: Xor>(key: &Schedule, xor: X, hash: uint8x16_t, blocks: &[uint8x16_t; STEP]) -> uint8x16_t {
    let [a, b] = Product::pair(key, [veorq_u8(blocks[0], hash), blocks[1]], 3);
    let mut product = a.plus(b);
    for (at, pair) in [(2, 2), (4, 1), (6, 0)] {
        product = product.plus_both(xor, Product::pair(key, [blocks[at], blocks[at + 1]], pair));
    }
    product.reduce(xor)
}

/// A hash of blocks that come one by one. Their number is known, so that up to eight share a reduction.
struct Run {
    /// Reduced; to be added to the next block.
    hash: uint8x16_t,
    /// The blocks since then, each multiplied by its power.
    product: Product,
    /// Blocks until the next reduction.
    left: usize,
    /// Blocks after it.
    later: usize,
}

impl Run {
    #[inline]
    #[target_feature(enable = "neon,aes")]
    fn new(hash: uint8x16_t, blocks: usize) -> Self {
        let left = blocks.min(STEP);
        Self { hash, product: Product::zero(), left, later: blocks - left }
    }

    #[inline]
    #[target_feature(enable = "neon,aes")]
    fn add<X: Xor>(&mut self, key: &Schedule, xor: X, block: uint8x16_t) {
        if self.left == 0 {
            *self = Self::new(self.finish(xor), self.later);
        }
        self.left -= 1;
        self.product.add(key, veorq_u8(block, self.hash), self.left);
        self.hash = vdupq_n_u8(0);
    }

    /// The hash so far: of all blocks, or of as many as were to share a reduction.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    fn finish<X: Xor>(&self, xor: X) -> uint8x16_t {
        // One of the two is zero.
        veorq_u8(self.hash, self.product.reduce(xor))
    }
}

/// The key schedule of FIPS 197 section 5.2, and the powers of H.
///
/// AESE of a word in all four columns is SubWord: ShiftRows has no effect there.
#[target_feature(enable = "neon,aes")]
fn expand(key: &[u8; 32]) -> Schedule {
    let (halves, _) = key.as_chunks::<16>();
    let (mut even, mut odd) = (load(&halves[0]), load(&halves[1]));
    let mut rounds = [even; 15];
    rounds[1] = odd;
    let zero = vdupq_n_u8(0);
    let rotate_last_word = vreinterpretq_u8_u32(vdupq_n_u32(0x0c0f_0e0d));
    for i in 0..7 {
        let word = vaeseq_u8(vqtbl1q_u8(odd, rotate_last_word), zero);
        even = veorq_u8(sum_words(even), veorq_u8(word, vreinterpretq_u8_u32(vdupq_n_u32(1 << i))));
        rounds[2 + 2 * i] = even;
        if i < 6 {
            let word = vaeseq_u8(vreinterpretq_u8_u32(vdupq_laneq_u32::<3>(vreinterpretq_u32_u8(even))), zero);
            odd = veorq_u8(sum_words(odd), word);
            rounds[3 + 2 * i] = odd;
        }
    }
    let mut h = zero;
    for round in &rounds[..13] {
        h = vaesmcq_u8(vaeseq_u8(h, *round));
    }
    let h = vrbitq_u8(veorq_u8(vaeseq_u8(h, rounds[13]), rounds[14]));
    // Three products deep, not seven.
    let h2 = multiply(h, h);
    let (h3, h4) = (multiply(h2, h), multiply(h2, h2));
    let powers = [h, h2, h3, h4, multiply(h4, h), multiply(h4, h2), multiply(h4, h3), multiply(h4, h4)];
    let schedule = Schedule {
        first: [0, 1, 2, 3, 4, 5, 6, 7].map(|i| veorq_u8(rounds[0], vsetq_lane_u8::<15>(i, zero))),
        rounds: core::array::from_fn(|i| rounds[1 + i]),
        powers,
        folded: powers.map(|power| vgetq_lane_u64::<0>(vreinterpretq_u64_u8(fold(power)))),
    };
    rounds.zeroize();
    schedule
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::mem::{MaybeUninit, size_of};

    use super::*;

    #[test]
    fn one_eor3_and_two_eor_give_the_same_bytes() {
        let Some(proof) = cpu::Armv8::detect() else {
            return std::eprintln!("one_eor3_and_two_eor_give_the_same_bytes: no armv8 on this CPU");
        };
        let with = Expanded::make(proof, &Key::from([7; 32]), |expanded| expanded);
        let mut without = Expanded::make(proof, &Key::from([7; 32]), |expanded| expanded);
        if without.eor3.take().is_none() {
            return std::eprintln!("one_eor3_and_two_eor_give_the_same_bytes: no EOR3 on this CPU");
        }
        std::eprintln!("one_eor3_and_two_eor_give_the_same_bytes: EOR3 ran");
        let (aad, text) = ([1; 300], [2; 600]);
        for length in 0..=text.len() {
            let (mut one, mut two) = (text, text);
            let (aad, one, two) = (&aad[..length / 2], &mut one[..length], &mut two[..length]);
            let tag = with.seal(&[3; 12], aad, InOutBuf::from(&mut *one));
            assert_eq!(tag, without.seal(&[3; 12], aad, InOutBuf::from(&mut *two)));
            assert!(one == two, "sealed, {length}");
            assert_eq!(tag, with.open(&[3; 12], aad, InOutBuf::from(&mut *one)));
            assert_eq!(tag, without.open(&[3; 12], aad, InOutBuf::from(&mut *two)));
            assert!(one == two && *one == text[..length], "opened, {length}");
        }
    }

    #[test]
    fn a_dropped_key_leaves_no_round_key_and_no_power_of_h() {
        let Some(proof) = cpu::Armv8::detect() else { return };
        let mut place = MaybeUninit::<Schedule>::uninit();
        // SAFETY: `proof` exists only if `detect` saw every feature that `expand` enables.
        place.write(unsafe { expand(&[7; 32]) });
        let _ = proof;
        assert!(words_of(&place).iter().all(|word| *word != 0), "the control: the key stands there");
        // SAFETY: the place was written above and is not used as a key again.
        unsafe { place.assume_init_drop() };
        assert!(words_of(&place).iter().all(|word| *word == 0));
    }

    fn words_of(place: &MaybeUninit<Schedule>) -> [u128; size_of::<Schedule>() / 16] {
        // SAFETY: every byte of a Schedule is initialised, it has no padding, and the array has its size.
        unsafe { place.as_ptr().cast::<[u128; size_of::<Schedule>() / 16]>().read() }
    }
}
