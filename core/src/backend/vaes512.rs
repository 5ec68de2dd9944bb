//! x86-64 with VAES, VPCLMULQDQ and AVX-512: four blocks a vector, masks for what is not whole.
//!
//! ```text
//!  text    | step | step | step |  ...  | rest: 1 to 512 bytes |
//!            32 blocks, eight vectors     with E(J0) in one flight, then one reduction and the tag
//!
//!  step    AES rounds of eight counter vectors   with, in each round, the GHASH of one vector
//!          seal hashes the ciphertext of the step before, open that of the same step: neither waits
//!
//!  flight  vector 0: J0 | block 0 | 1 | 2   vector 1: block 3 | 4 | 5 | 6   ...
//!          hashed:   A  | block 0 | 1 | 2             block 3 | 4 | ... | lengths
//! ```
//!
//! E(J0) takes the lane that no text needs, the last block of AAD (A, with the hash of what came before it) the same lane
//! of the hash, and the lengths the lane behind the text, so that a short message is one sum of products, one reduction.
//! 32 registers hold all round keys through a step.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use core::arch::asm;
use core::arch::x86_64::*;

use aead::array::Array;
use aead::consts::U512;
use aead::inout::{InOut, InOutBuf};
use zeroize::Zeroize;

use super::Kernel;
use super::batch::{GROUP, Grouped, Parts};
use super::lazy::Lazy;
use super::x86::{
    Rounds, Sum, encrypt_each, expand, hash_key, j0_of, lengths_of, load, multiply, reverse, square, to_bytes, wipe,
};
use crate::{Key, Nonce, Tag, cpu};

/// Writes a block once for each number: what a loop would be if its count were not too large to be unrolled.
macro_rules! unroll {
    ($i:ident in $($n:literal)* => $body:block) => { $({ const $i: usize = $n; $body })* };
}

/// Counter blocks of a step after the first AES key, in zmm0 to zmm7. Their counters are 2 to 33 more than that in zmm14,
/// a multiple of 32, so that all of a window of 32 are one block (zmm12; zmm13 the next) and a constant.
macro_rules! counters {
    () => {
        "vpshufb zmm12, zmm14, zmm15
         vpaddd zmm14, zmm14, [{constants}]
         vpshufb zmm13, zmm14, zmm15
         vpxorq zmm12, zmm12, zmm16
         vpxorq zmm13, zmm13, zmm16
         vinserti64x4 zmm13, zmm12, ymm13, 1
         vpxorq zmm0, zmm12, [{constants} + 64]
         vpxorq zmm1, zmm12, [{constants} + 128]
         vpxorq zmm2, zmm12, [{constants} + 192]
         vpxorq zmm3, zmm12, [{constants} + 256]
         vpxorq zmm4, zmm12, [{constants} + 320]
         vpxorq zmm5, zmm12, [{constants} + 384]
         vpxorq zmm6, zmm12, [{constants} + 448]
         vpxorq zmm7, zmm13, [{constants} + 512]"
    };
}

/// One AES round of eight vectors.
macro_rules! aes {
    ($key:literal) => {
        concat!(
            "vaesenc zmm0, zmm0, zmm",
            $key,
            "
             vaesenc zmm1, zmm1, zmm",
            $key,
            "
             vaesenc zmm2, zmm2, zmm",
            $key,
            "
             vaesenc zmm3, zmm3, zmm",
            $key,
            "
             vaesenc zmm4, zmm4, zmm",
            $key,
            "
             vaesenc zmm5, zmm5, zmm",
            $key,
            "
             vaesenc zmm6, zmm6, zmm",
            $key,
            "
             vaesenc zmm7, zmm7, zmm",
            $key
        )
    };
}

/// Adds one vector of ciphertext, times its powers, to zmm8 (low), zmm9 (middle) and zmm10 (high).
macro_rules! hash {
    ($vector:literal) => {
        concat!(
            "vmovdqu64 zmm11, [{hashed} + 64 * ",
            $vector,
            "]
             vpshufb zmm11, zmm11, zmm15
             vpclmulqdq zmm12, zmm11, [{plain} + 64 * ",
            $vector,
            "], 0x00
             vpclmulqdq zmm13, zmm11, [{plain} + 64 * ",
            $vector,
            "], 0x11
             vpxorq zmm8, zmm8, zmm12
             vpshufd zmm12, zmm11, 0x4e
             vpxorq zmm10, zmm10, zmm13
             vpxorq zmm11, zmm11, zmm12
             vpclmulqdq zmm11, zmm11, [{folded} + 64 * ",
            $vector,
            "], 0x00
             vpxorq zmm9, zmm9, zmm11"
        )
    };
}

/// The first vector after a reduction: the hash, in xmm10, is added to it, and the sums start with it.
macro_rules! hash_first {
    () => {
        "vmovdqu64 zmm11, [{hashed}]
         vpshufb zmm11, zmm11, zmm15
         vpxorq zmm11, zmm11, zmm10
         vpclmulqdq zmm8, zmm11, [{plain}], 0x00
         vpclmulqdq zmm10, zmm11, [{plain}], 0x11
         vpshufd zmm12, zmm11, 0x4e
         vpxorq zmm11, zmm11, zmm12
         vpclmulqdq zmm9, zmm11, [{folded}], 0x00"
    };
}

/// The last AES round of one vector, and its text.
macro_rules! text {
    ($vector:literal) => {
        concat!(
            "vpxorq zmm12, zmm30, [{input} + 64 * ",
            $vector,
            "]
             vaesenclast zmm",
            $vector,
            ", zmm",
            $vector,
            ", zmm12
             vmovdqu64 [{output} + 64 * ",
            $vector,
            "], zmm",
            $vector
        )
    };
}

/// Vectors a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Powers of H that longer messages need: those of a flight of 32 blocks, and its AAD.
const FAR: usize = 4 * STEP + 4;
/// Zeros behind the powers, so that a vector of four may end past H'.
const PAD: usize = 4;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    proof: cpu::Vaes512,
}

struct Schedule {
    rounds: Rounds,
    near: Near,
    /// Made for the first message that needs it.
    far: Lazy<Far>,
}

/// Powers of H', the highest first, so that neighbours are multiplied with neighbouring blocks, then zeros:
/// `plain[N - PAD - n]` is H'^n.
#[repr(C, align(64))]
struct Powers<const N: usize> {
    plain: [__m128i; N],
    /// The two halves of each added, in both halves.
    folded: [__m128i; N],
}

type Near = Powers<{ NEAR + PAD }>;
type Far = Powers<{ FAR + PAD }>;

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
    pub(crate) const fn proof(&self) -> cpu::Vaes512 {
        self.proof
    }

    /// Expands `key` and wraps it where the caller wants it: by value it would be moved twice on its way there.
    #[inline(never)]
    pub(crate) fn make<T>(proof: cpu::Vaes512, key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
        // SAFETY: `proof` exists only if `detect` saw every feature that `schedule` enables.
        let wrapped = unsafe { schedule(proof, key.expose(), wrap) };
        clear_vectors();
        wrapped
    }
}

impl Kernel for Expanded {
    #[inline]
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_nonce::<true>(&self.schedule, nonce, aad, text) };
        clear_vectors();
        tag
    }

    #[inline]
    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_nonce::<false>(&self.schedule, nonce, aad, text) };
        clear_vectors();
        tag
    }

    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_j0::<true>(&self.schedule, j0, aad, text) };
        clear_vectors();
        tag
    }

    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt` enables.
        let tag = unsafe { crypt_j0::<false>(&self.schedule, j0, aad, text) };
        clear_vectors();
        tag
    }

    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16] {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `hash_nonce` enables.
        let j0 = unsafe { hash_nonce(&self.schedule, nonce) };
        clear_vectors();
        j0
    }

    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        // SAFETY: `self.proof` exists only if `detect` saw every feature that `encrypt_each` enables.
        unsafe { encrypt_each(&self.schedule.rounds, blocks) };
        clear_vectors();
    }
}

impl Grouped for Expanded {
    const CLASSES: usize = 2;

    fn of(expanded: &super::Expanded) -> Option<&Self> {
        match expanded {
            super::Expanded::Vaes512(this) => Some(this),
            _ => None,
        }
    }

    #[inline]
    fn class(length: usize) -> usize {
        // Up to three blocks, which are one vector with J0; up to six, whose powers every key has.
        match length.div_ceil(16) {
            0..=3 => 0,
            4..=6 => 1,
            _ => Self::CLASSES,
        }
    }

    #[inline]
    fn group<const SEAL: bool>(class: usize, jobs: [(&Self, Parts<'_>); GROUP]) {
        if class == 0 {
            // SAFETY: a key's proof exists only if `detect` saw every feature that `four_flights` enables.
            unsafe { four_flights::<SEAL, 1>(jobs) };
        } else {
            // SAFETY: as above.
            unsafe { four_flights::<SEAL, 2>(jobs) };
        }
    }

    fn clear() {
        clear_vectors();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_nonce<const SEAL: bool>(key: &Schedule, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, j0_of(nonce), aad, text)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_j0<const SEAL: bool>(key: &Schedule, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    crypt::<SEAL>(key, reverse(load(j0)), aad, text)
}

/// One message. `j0` is byte-reversed, so that its counter is the lowest 32 bits and counts with one addition.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt<const SEAL: bool>(key: &Schedule, j0: __m128i, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
    let start = Start::of(key, j0, aad, text.len());
    let near = &key.near;
    match text.len().div_ceil(16) {
        0..=3 => flight::<SEAL, 1, { NEAR + PAD }, false>(key, near, start, &[0; 64 * STEP], text),
        4..=6 => flight::<SEAL, 2, { NEAR + PAD }, false>(key, near, start, &[0; 64 * STEP], text),
        _ => match key.far.get() {
            Some(far) => crypt_long::<SEAL>(key, far, start, !aad.is_empty(), text),
            None => key.far.make(|| extend(near), |far| crypt_long::<SEAL>(key, far, start, !aad.is_empty(), text)),
        },
    }
}

/// What a flight starts from, byte-reversed.
struct Start {
    j0: __m128i,
    /// The counter of its first block of text.
    counter: __m128i,
    /// What its hash starts with: lane 1 is added to its first block, lane 0 to the block before that.
    waiting: __m512i,
    lengths: __m128i,
}

impl Start {
    /// That of a message.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn of(key: &Schedule, j0: __m128i, aad: &[u8], length: usize) -> Self {
        Self {
            j0,
            counter: _mm_add_epi32(j0, _mm_set_epi32(0, 0, 0, 1)),
            waiting: _mm512_zextsi128_si512(hash_all_but_last(key, aad)),
            lengths: lengths_of(aad.len(), length),
        }
    }
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
    mut start: Start,
    has_aad: bool,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let steps = (text.len() - 1) / (64 * STEP);
    let (head, rest) = text.split_at(64 * STEP * steps);
    if steps == 0 {
        return fly::<SEAL, false>(key, far, start, &[0; 64 * STEP], rest);
    }
    let mut hash = _mm512_castsi512_si128(start.waiting);
    if has_aad {
        hash = multiply(hash, key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    }
    let (mut steps, _) = head.into_chunks::<U512>();
    hash = if _mm_cvtsi128_si32(start.counter) % 32 == 2 {
        crypt_steps::<SEAL>(key, far, &mut start.counter, hash, steps.reborrow())
    } else {
        crypt_steps_any::<SEAL>(key, far, &mut start.counter, hash, steps.reborrow())
    };
    if SEAL {
        start.waiting = _mm512_zextsi128_si512(hash);
        let mut last = steps.get(steps.len() - 1);
        fly::<SEAL, true>(key, far, start, &last.get_out().0, rest)
    } else {
        start.waiting = lane_1(hash);
        fly::<SEAL, false>(key, far, start, &[0; 64 * STEP], rest)
    }
}

/// The flight of 7 to 32 blocks, or of 1 to 32 after whole steps.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn fly<const SEAL: bool, const AFTER: bool>(
    key: &Schedule,
    far: &Far,
    start: Start,
    before: &[u8; 64 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    match text.len().div_ceil(16) / 4 {
        0 => flight::<SEAL, 1, { FAR + PAD }, AFTER>(key, far, start, before, text),
        1 => flight::<SEAL, 2, { FAR + PAD }, AFTER>(key, far, start, before, text),
        2 => flight::<SEAL, 3, { FAR + PAD }, AFTER>(key, far, start, before, text),
        3 => flight::<SEAL, 4, { FAR + PAD }, AFTER>(key, far, start, before, text),
        4 => flight::<SEAL, 5, { FAR + PAD }, AFTER>(key, far, start, before, text),
        5 => flight::<SEAL, 6, { FAR + PAD }, AFTER>(key, far, start, before, text),
        6 => flight::<SEAL, 7, { FAR + PAD }, AFTER>(key, far, start, before, text),
        7 => flight::<SEAL, 8, { FAR + PAD }, AFTER>(key, far, start, before, text),
        _ => flight::<SEAL, 9, { FAR + PAD }, AFTER>(key, far, start, before, text),
    }
}

/// All whole steps, and moves `counter` past them. Gives the hash: open's with all of their ciphertext in it, seal's with
/// that of all but the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U512>>,
) -> __m128i {
    let mut window = _mm_sub_epi32(*counter, _mm_set_epi32(0, 0, 0, 2));
    let mut done = 0;
    if SEAL {
        crypt_step(key, *counter, steps.get(0));
        window = _mm_add_epi32(window, _mm_set_epi32(0, 0, 0, 4 * STEP as i32));
        done = 1;
    }
    let blocks = (4 * STEP * steps.len()) as u32;
    *counter = _mm_add_epi32(*counter, _mm_set_epi32(0, 0, 0, blocks.cast_signed()));
    if steps.len() > done {
        let (input, output) = steps.reborrow().into_raw();
        let (input, output) = (input.wrapping_add(done).cast::<u8>(), output.wrapping_add(done).cast::<u8>());
        let hashed = if SEAL { output.cast_const().wrapping_sub(64 * STEP) } else { input };
        let window = broadcast(window);
        // SAFETY: `steps` is valid for reads of its input and writes of its output, of which `done` steps are skipped; seal
        // has written the step before the first, which it hashes.
        unsafe { crypt_and_hash(key, powers, window, hash, (input, output, hashed), steps.len() - done) }
    } else {
        hash
    }
}

/// `steps` steps of AES, each with the GHASH of one step at `hashed`, which may be the one before.
///
/// By hand, as in [`super::vaes256`], where the compiler's own shape was measured.
///
/// # Safety
/// `input` and `hashed` must be valid for reads of `steps` steps of 512 bytes, `output` for writes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
unsafe fn crypt_and_hash(
    key: &Schedule,
    powers: &Far,
    window: __m512i,
    hash: __m128i,
    (input, output, hashed): (*const u8, *mut u8, *const u8),
    steps: usize,
) -> __m128i {
    let mut hash = _mm512_zextsi128_si512(hash);
    let (order, polynomial) = (order(), polynomial());
    // SAFETY: it reads the key, its powers and the constants, and what the caller vouches for, 512 bytes a turn. It writes
    // `output` alone, and names all registers that it changes.
    unsafe {
        asm!(
            "vbroadcasti32x4 zmm16, [{rounds}]",
            "vbroadcasti32x4 zmm17, [{rounds} + 16]",
            "vbroadcasti32x4 zmm18, [{rounds} + 32]",
            "vbroadcasti32x4 zmm19, [{rounds} + 48]",
            "vbroadcasti32x4 zmm20, [{rounds} + 64]",
            "vbroadcasti32x4 zmm21, [{rounds} + 80]",
            "vbroadcasti32x4 zmm22, [{rounds} + 96]",
            "vbroadcasti32x4 zmm23, [{rounds} + 112]",
            "vbroadcasti32x4 zmm24, [{rounds} + 128]",
            "vbroadcasti32x4 zmm25, [{rounds} + 144]",
            "vbroadcasti32x4 zmm26, [{rounds} + 160]",
            "vbroadcasti32x4 zmm27, [{rounds} + 176]",
            "vbroadcasti32x4 zmm28, [{rounds} + 192]",
            "vbroadcasti32x4 zmm29, [{rounds} + 208]",
            "vbroadcasti32x4 zmm30, [{rounds} + 224]",
            "2:",
            counters!(),
            aes!(17), hash_first!(),
            aes!(18), hash!(1),
            aes!(19), hash!(2),
            aes!(20), hash!(3),
            aes!(21), hash!(4),
            aes!(22), hash!(5),
            aes!(23), hash!(6),
            aes!(24), hash!(7),
            // The reduction of all lanes, and their sum.
            aes!(25),
            "vpternlogq zmm9, zmm8, zmm10, 0x96",
            "vpslldq zmm12, zmm9, 8",
            "vpsrldq zmm9, zmm9, 8",
            "vpxorq zmm8, zmm8, zmm12",
            aes!(26),
            "vpclmulqdq zmm12, zmm8, zmm31, 0x00",
            "vpshufd zmm8, zmm8, 0x4e",
            "vpxorq zmm8, zmm8, zmm12",
            aes!(27),
            "vpclmulqdq zmm12, zmm8, zmm31, 0x00",
            "vpshufd zmm8, zmm8, 0x4e",
            "vpternlogq zmm10, zmm9, zmm8, 0x96",
            "vpxorq zmm10, zmm10, zmm12",
            aes!(28),
            "vextracti64x4 ymm9, zmm10, 1",
            "vpxor ymm10, ymm10, ymm9",
            "vextracti128 xmm9, ymm10, 1",
            "vpxor xmm10, xmm10, xmm9",
            aes!(29),
            text!(0), text!(1), text!(2), text!(3), text!(4), text!(5), text!(6), text!(7),
            "add {input}, 512",
            "add {output}, 512",
            "add {hashed}, 512",
            "dec {steps}",
            "jnz 2b",
            rounds = in(reg) key.rounds.as_ptr(),
            plain = in(reg) powers.plain.as_ptr().wrapping_add(FAR - 4 * STEP),
            folded = in(reg) powers.folded.as_ptr().wrapping_add(FAR - 4 * STEP),
            constants = in(reg) &raw const CONSTANTS,
            input = inout(reg) input => _,
            output = inout(reg) output => _,
            hashed = inout(reg) hashed => _,
            steps = inout(reg) steps => _,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _,
            out("zmm7") _, out("zmm8") _, out("zmm9") _, inout("zmm10") hash, out("zmm11") _, out("zmm12") _,
            out("zmm13") _, inout("zmm14") window => _, in("zmm15") order, out("zmm16") _, out("zmm17") _,
            out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
            out("zmm30") _, in("zmm31") polynomial,
            options(nostack),
        );
    }
    _mm512_castsi512_si128(hash)
}

/// What [`crypt_and_hash`] reads: 32 in each lane's counter; 2 to 31, then 0 and 1, in the last byte of each lane, where a
/// counter block has the lowest of its counter.
#[repr(C, align(64))]
struct Constants {
    thirty_two: [u32; 16],
    counters: [[u32; 16]; STEP],
}

static CONSTANTS: Constants = {
    let mut counters = [[0; 16]; STEP];
    let mut i = 0;
    while i < 4 * STEP as u32 {
        counters[i as usize / 4][3 + 4 * (i as usize % 4)] = ((i + 2) % 32) << 24;
        i += 1;
    }
    Constants { thirty_two: [32, 0, 0, 0, 32, 0, 0, 0, 32, 0, 0, 0, 32, 0, 0, 0], counters }
};

/// One step of AES alone.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_step(key: &Schedule, counter: __m128i, mut chunk: InOut<'_, '_, Array<u8, U512>>) {
    let first = broadcast(key.rounds[0]);
    let mut counters = _mm512_add_epi32(broadcast(counter), upward());
    let mut state = [first; STEP];
    for block in &mut state {
        *block = _mm512_xor_si512(reverse_quad(counters), first);
        counters = _mm512_add_epi32(counters, four());
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round(&mut state, key.rounds[R]); });
    let last = broadcast(key.rounds[14]);
    unroll!(I in 0 1 2 3 4 5 6 7 => {
        let text = load_quad(&chunk.get_in().0.as_chunks::<64>().0[I]);
        let output = _mm512_aesenclast_epi128(state[I], _mm512_xor_si512(last, text));
        store_quad(&mut chunk.get_out().0.as_chunks_mut::<64>().0[I], output);
    });
}

/// As [`crypt_steps`], for the counters that come of nonces which are not 96 bits long.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_steps_any<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    mut hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U512>>,
) -> __m128i {
    let count = steps.len();
    for i in 0..count {
        if SEAL && i > 0 {
            hash = hash_step(powers, hash, &steps.get(i - 1).get_out().0);
        } else if !SEAL {
            hash = hash_step(powers, hash, &steps.get(i).get_in().0);
        }
        crypt_step(key, *counter, steps.get(i));
        *counter = _mm_add_epi32(*counter, _mm_set_epi32(0, 0, 0, 4 * STEP as i32));
    }
    hash
}

/// The hash of one step.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_step(powers: &Far, hash: __m128i, bytes: &[u8; 64 * STEP]) -> __m128i {
    let mut sum = QuadSum::zero();
    let mut carried = _mm512_zextsi128_si512(hash);
    for (i, bytes) in bytes.as_chunks::<64>().0.iter().enumerate() {
        let at = FAR - 4 * STEP + 4 * i;
        let block = _mm512_xor_si512(reverse_quad(load_quad(bytes)), carried);
        sum.add(block, quad(&powers.plain, at), quad(&powers.folded, at));
        carried = _mm512_setzero_si512();
    }
    sum.reduce()
}

/// One AES round.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn round<const N: usize>(state: &mut [__m512i; N], key: __m128i) {
    let key = broadcast(key);
    for block in state {
        *block = _mm512_aesenc_epi128(*block, key);
    }
}

/// The end of a message, and its tag: up to 4N - 1 blocks of text, of which 4N - 5 are whole, and E(J0).
///
/// AFTER: `before` is the step before, whose ciphertext is hashed during the rounds.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn flight<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool>(
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
fn four_flights<const SEAL: bool, const N: usize>(jobs: [(&Expanded, Parts<'_>); GROUP]) {
    let keys = jobs.each_ref().map(|(key, _)| &key.schedule);
    let starts = jobs.each_ref().map(|(key, parts)| {
        Start::of(&key.schedule, j0_of(parts.nonce), parts.aad, parts.text.len())
    });
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
fn counters<const N: usize>(key: &Schedule, start: &Start) -> [__m512i; N] {
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
fn powers_of<const N: usize, const P: usize>(length: usize, powers: &Powers<P>) -> (&[__m128i], &[__m128i]) {
    let top = P - PAD - length.div_ceil(16) - 2;
    (&powers.plain[top..][..4 * N], &powers.folded[top..][..4 * N])
}

/// Adds a vector of ciphertext, neither the first nor the last, to open's hash.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_whole_quad<const N: usize, const P: usize>(
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
fn finish<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool, const FOUR: bool>(
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

/// What waits for the last block of AAD and is added to it, and that block; zero where there is none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_all_but_last(key: &Schedule, aad: &[u8]) -> __m128i {
    let Some(whole) = aad.len().checked_sub(1) else { return _mm_setzero_si128() };
    let (whole, last) = aad.split_at(whole & !15);
    let last = reverse(_mm512_castsi512_si128(load_masked(last, 0, u64::MAX.unbounded_shr((64 - last.len()) as u32))));
    if whole.is_empty() { last } else { _mm_xor_si128(last, hash_whole(key, whole)) }
}

/// The hash of whole blocks, eight a reduction.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_whole(key: &Schedule, bytes: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for chunk in bytes.chunks(16 * NEAR) {
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
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = (key.near.plain[NEAR - 1], key.near.folded[NEAR - 1]);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn schedule<T>(proof: cpu::Vaes512, key: &[u8; 32], wrap: impl FnOnce(Expanded) -> T) -> T {
    let zero = _mm_setzero_si128();
    let near = Powers { plain: [zero; NEAR + PAD], folded: [zero; NEAR + PAD] };
    let mut expanded = Expanded { schedule: Schedule { rounds: [zero; 15], near, far: Lazy::new() }, proof };
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
    place.near = Powers::new([high, low, _mm512_setzero_si512()]);
    wrap(expanded)
}

/// The powers of a step, from the first eight.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
fn extend(near: &Near) -> Far {
    let (b, a) = (quad(&near.plain, 0), quad(&near.plain, 4));
    let eighth = broadcast(near.plain[0]);
    let (d, c) = (multiply_quad(b, eighth), multiply_quad(a, eighth));
    let sixteenth = broadcast(_mm512_castsi512_si128(d));
    let [h, g, f, e] = [d, c, b, a].map(|quad| multiply_quad(quad, sixteenth));
    let i = multiply_quad(e, sixteenth);
    Powers::new([i, h, g, f, e, d, c, b, a, _mm512_setzero_si512()])
}

impl<const N: usize> Powers<N> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn new<const QUADS: usize>(quads: [__m512i; QUADS]) -> Self {
        const { assert!(4 * QUADS == N) };
        let zero = _mm_setzero_si128();
        let mut powers = Self { plain: [zero; N], folded: [zero; N] };
        for (i, quad) in quads.into_iter().enumerate() {
            store_powers(&mut powers.plain[4 * i..], quad);
            store_powers(&mut powers.folded[4 * i..], fold_quad(quad));
        }
        powers
    }
}

/// Four sums of products in GF(2)[x], one a lane, not yet reduced.
struct QuadSum {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl QuadSum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds four blocks, each times its power.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn add(&mut self, blocks: __m512i, powers: __m512i, folded: __m512i) {
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128(blocks, powers, 0x00));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128(blocks, powers, 0x11));
        self.middle = _mm512_xor_si512(self.middle, _mm512_clmulepi64_epi128(fold_quad(blocks), folded, 0x00));
    }

    /// All lanes added, and reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn reduce(self) -> __m128i {
        let [low, middle, high] = [self.low, self.middle, self.high].map(|sum| {
            let sum = _mm256_xor_si256(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
            _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1))
        });
        Sum { low, middle, high }.reduce()
    }
}

/// The products of four lanes, each reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn multiply_quad(a: __m512i, b: __m512i) -> __m512i {
    let mut sum = QuadSum::zero();
    sum.add(a, b, fold_quad(b));
    let middle = _mm512_xor_si512(sum.middle, _mm512_xor_si512(sum.low, sum.high));
    let low = _mm512_xor_si512(sum.low, _mm512_bslli_epi128(middle, 8));
    let high = _mm512_xor_si512(sum.high, _mm512_bsrli_epi128(middle, 8));
    let once = _mm512_clmulepi64_epi128(low, polynomial(), 0x00);
    let once = _mm512_xor_si512(_mm512_shuffle_epi32(low, 0x4e), once);
    let twice = _mm512_clmulepi64_epi128(once, polynomial(), 0x00);
    _mm512_xor_si512(high, _mm512_xor_si512(_mm512_shuffle_epi32(once, 0x4e), twice))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn fold_quad(a: __m512i) -> __m512i {
    _mm512_xor_si512(a, _mm512_shuffle_epi32(a, 0x4e))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reverse_quad(blocks: __m512i) -> __m512i {
    _mm512_shuffle_epi8(blocks, order())
}

/// The shuffle that reverses the bytes of each block.
#[inline]
#[target_feature(enable = "avx512f")]
fn order() -> __m512i {
    broadcast(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn polynomial() -> __m512i {
    broadcast(_mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(block: __m128i) -> __m512i {
    _mm512_broadcast_i32x4(block)
}

/// A block in lane 1, zeros elsewhere.
#[inline]
#[target_feature(enable = "avx512f")]
fn lane_1(block: __m128i) -> __m512i {
    _mm512_maskz_broadcast_i32x4(0x00f0, block)
}

/// 0, 1, 2 and 3 in the counters of the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn upward() -> __m512i {
    _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0)
}

/// 4 in the counters of the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn four() -> __m512i {
    _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn quad(blocks: &[__m128i], at: usize) -> __m512i {
    let quad: &[__m128i; 4] = blocks[at..].first_chunk().expect("four are left");
    // SAFETY: the reference is valid for reads of 64 bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(quad.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_powers(powers: &mut [__m128i], four: __m512i) {
    let place: &mut [__m128i; 4] = powers.first_chunk_mut().expect("four are left");
    // SAFETY: the reference is valid for writes of 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), four) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_quad(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for reads of 64 bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_quad(bytes: &mut [u8; 64], quad: __m512i) {
    // SAFETY: the reference is valid for writes of 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), quad) };
}

/// The bytes of `mask` from the 64 at `at`, which may begin before the slice and end behind it; zeros for the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_masked(bytes: &[u8], at: usize, mask: u64) -> __m512i {
    check_mask(bytes.len(), at, mask);
    // SAFETY: the bytes of the mask lie in the slice, and a masked load touches no other.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().wrapping_add(at).cast()) }
}

/// Stores the bytes of `mask` in the 64 at `at`, which may begin before the slice and end behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_masked(bytes: &mut [u8], at: usize, mask: u64, quad: __m512i) {
    check_mask(bytes.len(), at, mask);
    // SAFETY: the bytes of the mask lie in the slice, and a masked store touches no other.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().wrapping_add(at).cast(), mask, quad) };
}

/// That no byte of the mask lies outside of a slice of `length` bytes, of which bit 0 stands for the one at `at`.
#[inline]
fn check_mask(length: usize, at: usize, mask: u64) {
    let first = at.wrapping_add(mask.trailing_zeros() as usize);
    let past = at.wrapping_add(64 - mask.leading_zeros() as usize);
    assert!(mask == 0 || first <= past && past <= length);
}

/// Overwrites the vector registers, where round keys and powers of H stood.
#[inline]
fn clear_vectors() {
    // SAFETY: this backend's CPUs have AVX-512VL; the asm writes these registers, says so, and touches nothing else.
    unsafe {
        asm!(
            "vzeroall",
            "vpxord xmm16, xmm16, xmm16", "vpxord xmm17, xmm17, xmm17", "vpxord xmm18, xmm18, xmm18",
            "vpxord xmm19, xmm19, xmm19", "vpxord xmm20, xmm20, xmm20", "vpxord xmm21, xmm21, xmm21",
            "vpxord xmm22, xmm22, xmm22", "vpxord xmm23, xmm23, xmm23", "vpxord xmm24, xmm24, xmm24",
            "vpxord xmm25, xmm25, xmm25", "vpxord xmm26, xmm26, xmm26", "vpxord xmm27, xmm27, xmm27",
            "vpxord xmm28, xmm28, xmm28", "vpxord xmm29, xmm29, xmm29", "vpxord xmm30, xmm30, xmm30",
            "vpxord xmm31, xmm31, xmm31",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
super::x86::wiping_test!(Vaes512);
