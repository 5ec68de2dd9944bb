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

use aead::array::Array;
use aead::consts::U256;
use aead::inout::{InOut, InOutBuf};
use zeroize::Zeroize;

use super::Kernel;
use super::batch::{GROUP, Grouped, Parts};
use super::lazy::Lazy;
use super::x86::{
    Rounds, Sum, encrypt_each, expand, hash_key, j0_of, lengths_of, load, load_last, load_short, multiply, reverse,
    shift, shift_up, square, store, store_short, to_bytes, wipe,
};
use crate::{Key, Nonce, Tag, cpu};

/// Writes a block once for each number: what a loop would be if its count were not too large to be unrolled.
macro_rules! unroll {
    ($i:ident in $($n:literal)* => $body:block) => { $({ const $i: usize = $n; $body })* };
}

/// Counter blocks of a step after the first AES key, in ymm0 to ymm7. Their counters are 2 to 17 more than that in ymm14,
/// a multiple of 16, so that all of a window of 16 are one block and a constant: one XOR a vector. Without the first key
/// (`ymm12` that window, `ymm13` the next), an addition, a shuffle and an XOR each, a step took 4 of 104 cycles more.
macro_rules! counters {
    () => {
        "vpshufb ymm12, ymm14, ymm15
         vpaddd ymm14, ymm14, [{constants}]
         vpshufb ymm13, ymm14, ymm15
         vbroadcasti128 ymm11, [{rounds}]
         vpxor ymm12, ymm12, ymm11
         vpxor ymm13, ymm13, ymm11
         vpxor ymm0, ymm12, [{constants} + 64]
         vpxor ymm1, ymm12, [{constants} + 96]
         vpxor ymm2, ymm12, [{constants} + 128]
         vpxor ymm3, ymm12, [{constants} + 160]
         vpxor ymm4, ymm12, [{constants} + 192]
         vpxor ymm5, ymm12, [{constants} + 224]
         vpxor ymm6, ymm12, [{constants} + 256]
         vpxor ymm7, ymm13, [{constants} + 288]"
    };
}

/// One AES round of eight vectors.
macro_rules! aes {
    ($round:literal) => {
        concat!(
            "vbroadcasti128 ymm11, [{rounds} + 16 * ",
            $round,
            "]
             vaesenc ymm0, ymm0, ymm11
             vaesenc ymm1, ymm1, ymm11
             vaesenc ymm2, ymm2, ymm11
             vaesenc ymm3, ymm3, ymm11
             vaesenc ymm4, ymm4, ymm11
             vaesenc ymm5, ymm5, ymm11
             vaesenc ymm6, ymm6, ymm11
             vaesenc ymm7, ymm7, ymm11"
        )
    };
}

/// Adds one vector of ciphertext, times its powers, to ymm8 (low), ymm9 (middle) and ymm10 (high).
macro_rules! hash {
    ($vector:literal) => {
        concat!(
            "vmovdqu ymm12, [{hashed} + 32 * ",
            $vector,
            "]
             vpshufb ymm12, ymm12, ymm15
             vpclmulqdq ymm13, ymm12, [{plain} + 32 * ",
            $vector,
            "], 0x00
             vpxor ymm8, ymm8, ymm13
             vpclmulqdq ymm13, ymm12, [{plain} + 32 * ",
            $vector,
            "], 0x11
             vpxor ymm10, ymm10, ymm13
             vpshufd ymm13, ymm12, 0x4e
             vpxor ymm12, ymm12, ymm13
             vpclmulqdq ymm12, ymm12, [{folded} + 32 * ",
            $vector,
            "], 0x00
             vpxor ymm9, ymm9, ymm12"
        )
    };
}

/// The first vector after a reduction: the hash, in xmm10, is added to it, and the sums start with it.
macro_rules! hash_first {
    () => {
        "vmovdqu ymm12, [{hashed}]
         vpshufb ymm12, ymm12, ymm15
         vpxor ymm12, ymm12, ymm10
         vpclmulqdq ymm8, ymm12, [{plain}], 0x00
         vpclmulqdq ymm10, ymm12, [{plain}], 0x11
         vpshufd ymm13, ymm12, 0x4e
         vpxor ymm12, ymm12, ymm13
         vpclmulqdq ymm9, ymm12, [{folded}], 0x00"
    };
}

/// The last AES round of one vector, and its text.
macro_rules! text {
    ($vector:literal, $at:literal) => {
        concat!(
            "vpxor ymm12, ymm11, [{input} + ",
            $at,
            " + 32 * ",
            $vector,
            "]
             vaesenclast ymm",
            $vector,
            ", ymm",
            $vector,
            ", ymm12
             vmovdqu [{output} + ",
            $at,
            " + 32 * ",
            $vector,
            "], ymm",
            $vector
        )
    };
}

/// Vectors a step.
const STEP: usize = 8;
/// Powers of H that every key has: enough for a message of six blocks and one of AAD.
const NEAR: usize = 8;
/// Powers of H that longer messages need: those of two steps, which are reduced at once.
const FAR: usize = 4 * STEP;

/// A key expanded for this backend; the token says that it can run here.
pub(crate) struct Expanded {
    schedule: Schedule,
    proof: cpu::Vaes256,
}

struct Schedule {
    rounds: Rounds,
    near: Near,
    /// Made for the first message that needs it.
    far: Lazy<Far>,
}

/// Powers of H', the highest first, so that neighbours are multiplied with neighbouring blocks: `plain[N - n]` is H'^n.
#[repr(C, align(64))]
struct Powers<const N: usize> {
    plain: [__m128i; N],
    /// The two halves of each added, in both halves.
    folded: [__m128i; N],
}

type Near = Powers<NEAR>;
type Far = Powers<FAR>;

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
    pub(crate) const fn proof(&self) -> cpu::Vaes256 {
        self.proof
    }

    /// Expands `key` and wraps it where the caller wants it: by value it would be moved twice on its way there.
    #[inline(never)]
    pub(crate) fn make<T>(proof: cpu::Vaes256, key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
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
    const CLASSES: usize = 3;

    fn of(expanded: &super::Expanded) -> Option<&Self> {
        match expanded {
            super::Expanded::Vaes256(this) => Some(this),
            _ => None,
        }
    }

    #[inline]
    fn class(length: usize) -> usize {
        length.div_ceil(16) / 2
    }

    #[inline]
    fn group<const SEAL: bool>(class: usize, jobs: [(&Self, Parts<'_>); GROUP]) {
        match class {
            // SAFETY: a key's proof exists only if `detect` saw every feature that `four` enables.
            0 => unsafe { four::<SEAL, 1>(jobs) },
            // SAFETY: as above.
            1 => unsafe { four::<SEAL, 2>(jobs) },
            // SAFETY: as above.
            _ => unsafe { four::<SEAL, 3>(jobs) },
        }
    }

    fn clear() {
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
    let start = Start::of(key, j0, aad, text.len());
    let near = &key.near;
    match text.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, NEAR, false>(key, near, start, &[0; 32 * STEP], text),
        2 | 3 => flight::<SEAL, 2, NEAR, false>(key, near, start, &[0; 32 * STEP], text),
        4 | 5 => flight::<SEAL, 3, NEAR, false>(key, near, start, &[0; 32 * STEP], text),
        6 => flight::<SEAL, 4, NEAR, false>(key, near, start, &[0; 32 * STEP], text),
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
    /// What its hash starts with: the upper half is added to its first block, the lower half to the block before that.
    waiting: __m256i,
    lengths: __m128i,
}

impl Start {
    /// That of a message.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn of(key: &Schedule, j0: __m128i, aad: &[u8], length: usize) -> Self {
        Self {
            j0,
            counter: _mm_add_epi32(j0, one()),
            waiting: _mm256_zextsi128_si256(hash_all_but_last(key, aad)),
            lengths: lengths_of(aad.len(), length),
        }
    }
}

/// A message of more than six blocks: whole steps, then a flight that is never empty.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_long<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
    mut start: Start,
    has_aad: bool,
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let steps = (text.len() - 1) / (32 * STEP);
    let (head, rest) = text.split_at(32 * STEP * steps);
    if steps == 0 {
        return fly::<SEAL, false>(key, far, start, &[0; 32 * STEP], rest);
    }
    let mut hash = _mm256_castsi256_si128(start.waiting);
    if has_aad {
        hash = multiply(hash, near(key).0, near(key).1);
    }
    let (mut steps, _) = head.into_chunks::<U256>();
    hash = if _mm_cvtsi128_si32(start.counter) % 16 == 2 {
        crypt_steps::<SEAL>(key, far, &mut start.counter, hash, steps.reborrow())
    } else {
        crypt_steps_any::<SEAL>(key, far, &mut start.counter, hash, steps.reborrow())
    };
    if SEAL {
        start.waiting = _mm256_zextsi128_si256(hash);
        let mut last = steps.get(steps.len() - 1);
        fly::<SEAL, true>(key, far, start, &last.get_out().0, rest)
    } else {
        start.waiting = _mm256_inserti128_si256(_mm256_setzero_si256(), hash, 1);
        fly::<SEAL, false>(key, far, start, &[0; 32 * STEP], rest)
    }
}

/// The flight of 7 to 16 blocks, or of 1 to 16 after whole steps.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn fly<const SEAL: bool, const AFTER: bool>(
    key: &Schedule,
    far: &Far,
    start: Start,
    before: &[u8; 32 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    match text.len().div_ceil(16) {
        0 | 1 => flight::<SEAL, 1, FAR, AFTER>(key, far, start, before, text),
        2 | 3 => flight::<SEAL, 2, FAR, AFTER>(key, far, start, before, text),
        4 | 5 => flight::<SEAL, 3, FAR, AFTER>(key, far, start, before, text),
        6 | 7 => flight::<SEAL, 4, FAR, AFTER>(key, far, start, before, text),
        8 | 9 => flight::<SEAL, 5, FAR, AFTER>(key, far, start, before, text),
        10 | 11 => flight::<SEAL, 6, FAR, AFTER>(key, far, start, before, text),
        12 | 13 => flight::<SEAL, 7, FAR, AFTER>(key, far, start, before, text),
        14 | 15 => flight::<SEAL, 8, FAR, AFTER>(key, far, start, before, text),
        _ => flight::<SEAL, 9, FAR, AFTER>(key, far, start, before, text),
    }
}

/// All whole steps, and moves `counter` past them. Gives the hash: open's with all of their ciphertext in it, seal's with
/// that of all but the last.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U256>>,
) -> __m128i {
    let window = _mm256_broadcastsi128_si256(_mm_sub_epi32(*counter, _mm_set_epi32(0, 0, 0, 2)));
    let count = steps.len() as u32;
    let mut done = 0;
    if SEAL {
        crypt_step(key, *counter, steps.get(0));
        done = 1;
    }
    *counter = _mm_add_epi32(*counter, _mm_set_epi32(0, 0, 0, (16 * count).cast_signed()));
    if steps.len() > done {
        let window = _mm256_add_epi32(window, _mm256_set_epi32(0, 0, 0, 16 * done as i32, 0, 0, 0, 16 * done as i32));
        let (input, output) = steps.reborrow().into_raw();
        let (input, output) = (input.wrapping_add(done).cast::<u8>(), output.wrapping_add(done).cast::<u8>());
        let hashed = if SEAL { output.cast_const().wrapping_sub(32 * STEP) } else { input };
        // SAFETY: `steps` is valid for reads of its input and writes of its output, of which `done` steps are skipped; seal
        // has written the step before the first, which it hashes.
        unsafe { crypt_and_hash(key, powers, window, hash, (input, output, hashed), steps.len() - done) }
    } else {
        hash
    }
}

/// `steps` steps of AES, each with the GHASH of one step at `hashed`, which may be the one before.
///
/// By hand: with intrinsics the compiler either keeps the hash of a step apart from its AES rounds or passes the eight
/// vectors through memory (1 MiB: 164 us; so: 125 us).
///
/// # Safety
/// `input` and `hashed` must be valid for reads of `steps` steps of 256 bytes, `output` for writes.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
unsafe fn crypt_and_hash(
    key: &Schedule,
    powers: &Far,
    window: __m256i,
    hash: __m128i,
    (input, output, hashed): (*const u8, *mut u8, *const u8),
    steps: usize,
) -> __m128i {
    // Two steps a turn. An odd one goes first, as a second half: the hash is then added as a product of its own.
    let odd = steps % 2;
    let back = 32 * STEP * odd;
    let mut sums = PairSum { high: _mm256_zextsi128_si256(hash), ..PairSum::zero() };
    if odd == 1 {
        let (power, folded) = (powers.plain[FAR - 16], powers.folded[FAR - 16]);
        let (power, folded) = (_mm256_zextsi128_si256(power), _mm256_zextsi128_si256(folded));
        sums = PairSum::zero();
        sums.add(_mm256_zextsi128_si256(hash), power, folded);
    }
    let mut hash = sums.high;
    let order = _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    // SAFETY: it reads the key, its powers and the constants, and what the caller vouches for, with offsets below 512 a
    // turn; an odd step's turn uses the second 256 alone, so its pointers start 256 bytes before. It writes `output` alone,
    // and names all registers that it changes.
    unsafe {
        asm!(
            "test {odd}, {odd}",
            "jnz 3f",
            "2:",
            counters!(),
            aes!(1), hash_first!(),
            aes!(2), hash!(1),
            aes!(3), hash!(2),
            aes!(4), hash!(3),
            aes!(5), hash!(4),
            aes!(6), hash!(5),
            aes!(7), hash!(6),
            aes!(8), hash!(7),
            aes!(9), aes!(10), aes!(11), aes!(12), aes!(13),
            "vbroadcasti128 ymm11, [{rounds} + 224]",
            text!(0, 0), text!(1, 0), text!(2, 0), text!(3, 0), text!(4, 0), text!(5, 0), text!(6, 0), text!(7, 0),
            "3:",
            counters!(),
            aes!(1), hash!(8),
            aes!(2), hash!(9),
            aes!(3), hash!(10),
            aes!(4), hash!(11),
            aes!(5), hash!(12),
            aes!(6), hash!(13),
            aes!(7), hash!(14),
            aes!(8), hash!(15),
            // The reduction of both lanes, and their sum.
            aes!(9),
            "vpxor ymm12, ymm8, ymm10",
            "vpxor ymm9, ymm9, ymm12",
            "vpslldq ymm12, ymm9, 8",
            "vpsrldq ymm9, ymm9, 8",
            "vpxor ymm8, ymm8, ymm12",
            "vpxor ymm10, ymm10, ymm9",
            aes!(10),
            "vpclmulqdq ymm12, ymm8, [{constants} + 32], 0x00",
            "vpshufd ymm8, ymm8, 0x4e",
            "vpxor ymm8, ymm8, ymm12",
            aes!(11),
            "vpclmulqdq ymm12, ymm8, [{constants} + 32], 0x00",
            "vpshufd ymm8, ymm8, 0x4e",
            "vpxor ymm8, ymm8, ymm12",
            aes!(12),
            "vpxor ymm10, ymm10, ymm8",
            "vextracti128 xmm9, ymm10, 1",
            "vpxor xmm10, xmm10, xmm9",
            aes!(13),
            "vbroadcasti128 ymm11, [{rounds} + 224]",
            text!(0, 256), text!(1, 256), text!(2, 256), text!(3, 256),
            text!(4, 256), text!(5, 256), text!(6, 256), text!(7, 256),
            "add {input}, 512",
            "add {output}, 512",
            "add {hashed}, 512",
            "dec {turns}",
            "jnz 2b",
            rounds = in(reg) key.rounds.as_ptr(),
            plain = in(reg) powers.plain.as_ptr(),
            folded = in(reg) powers.folded.as_ptr(),
            constants = in(reg) &raw const CONSTANTS,
            input = inout(reg) input.wrapping_sub(back) => _,
            output = inout(reg) output.wrapping_sub(back) => _,
            hashed = inout(reg) hashed.wrapping_sub(back) => _,
            turns = inout(reg) steps.div_ceil(2) => _,
            odd = in(reg) odd,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _,
            out("ymm7") _, inout("ymm8") sums.low => _, inout("ymm9") sums.middle => _, inout("ymm10") hash,
            out("ymm11") _, out("ymm12") _, out("ymm13") _, inout("ymm14") window => _, in("ymm15") order,
            options(nostack),
        );
    }
    _mm256_castsi256_si128(hash)
}

/// What [`crypt_and_hash`] reads: 16 in each lane's counter; the polynomial; 2 to 15, then 0 and 1, in the last byte of
/// each lane, where a counter block has the lowest of its counter.
#[repr(C, align(64))]
struct Constants {
    sixteen: [u32; 8],
    polynomial: [u64; 4],
    counters: [[u32; 8]; STEP],
}

static CONSTANTS: Constants = {
    let mut counters = [[0; 8]; STEP];
    let mut i = 0;
    while i < 2 * STEP as u32 {
        counters[i as usize / 2][3 + 4 * (i as usize % 2)] = ((i + 2) % 16) << 24;
        i += 1;
    }
    let polynomial = 0xc200_0000_0000_0000;
    Constants { sixteen: [16, 0, 0, 0, 16, 0, 0, 0], polynomial: [polynomial, 0, polynomial, 0], counters }
};

/// One step of AES alone.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_step(key: &Schedule, counter: __m128i, mut chunk: InOut<'_, '_, Array<u8, U256>>) {
    let first = broadcast(key.rounds[0]);
    let mut counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(counter), _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0));
    let mut state = [first; STEP];
    for block in &mut state {
        *block = _mm256_xor_si256(reverse_pair(counters), first);
        counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round(&mut state, key.rounds[R]); });
    let last = broadcast(key.rounds[14]);
    unroll!(I in 0 1 2 3 4 5 6 7 => {
        let text = load_pair(&chunk.get_in().0.as_chunks::<32>().0[I]);
        let output = _mm256_aesenclast_epi128(state[I], _mm256_xor_si256(last, text));
        store_pair(&mut chunk.get_out().0.as_chunks_mut::<32>().0[I], output);
    });
}

/// As [`crypt_steps`], for the counters that come of nonces which are not 96 bits long.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn crypt_steps_any<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    mut hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U256>>,
) -> __m128i {
    let count = steps.len();
    for i in 0..count {
        if SEAL && i > 0 {
            hash = hash_step(powers, hash, &steps.get(i - 1).get_out().0);
        } else if !SEAL {
            hash = hash_step(powers, hash, &steps.get(i).get_in().0);
        }
        crypt_step(key, *counter, steps.get(i));
        *counter = _mm_add_epi32(*counter, _mm_set_epi32(0, 0, 0, 2 * STEP as i32));
    }
    hash
}

/// The hash of one step.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_step(powers: &Far, hash: __m128i, bytes: &[u8; 32 * STEP]) -> __m128i {
    let mut sum = PairSum::zero();
    let mut carried = _mm256_zextsi128_si256(hash);
    for (i, bytes) in bytes.as_chunks::<32>().0.iter().enumerate() {
        let at = FAR - 2 * STEP + 2 * i;
        let block = _mm256_xor_si256(reverse_pair(load_pair(bytes)), carried);
        sum.add(block, pair(&powers.plain, at), pair(&powers.folded, at));
        carried = _mm256_setzero_si256();
    }
    sum.reduce()
}

/// One AES round.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn round<const N: usize>(state: &mut [__m256i; N], key: __m128i) {
    let key = broadcast(key);
    for block in state {
        *block = _mm256_aesenc_epi128(*block, key);
    }
}

/// The end of a message, and its tag: up to 2N - 1 blocks of text, of which 2N - 3 are whole, and E(J0).
///
/// AFTER: `before` is the step before, whose ciphertext is hashed during the rounds.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn flight<const SEAL: bool, const N: usize, const P: usize, const AFTER: bool>(
    key: &Schedule,
    powers: &Powers<P>,
    mut start: Start,
    before: &[u8; 32 * STEP],
    text: InOutBuf<'_, '_, u8>,
) -> Tag {
    let end = End::<N>::of(&text);
    let mut state = counters(key, &start);
    let mut sum = PairSum::zero();
    let mut earlier = PairSum::zero();
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        round(&mut state, key.rounds[R]);
        if AFTER && R <= STEP {
            let mut block = reverse_pair(load_pair(&before.as_chunks::<32>().0[R - 1]));
            if R == 1 {
                block = _mm256_xor_si256(block, start.waiting);
            }
            let at = P - 2 * STEP + 2 * (R - 1);
            earlier.add(block, pair(&powers.plain, at), pair(&powers.folded, at));
        }
        if !SEAL && R + 1 < N {
            end.hash_whole(R, &text, powers, &mut sum);
        }
    });
    if AFTER {
        start.waiting = _mm256_inserti128_si256(_mm256_setzero_si256(), earlier.reduce(), 1);
    }
    end.finish::<SEAL, P, AFTER, false>(key, powers, &start, state, sum, text)
}

/// Four short messages at once, whose AES rounds alternate; each has its own key.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn four<const SEAL: bool, const N: usize>(jobs: [(&Expanded, Parts<'_>); GROUP]) {
    let keys = jobs.each_ref().map(|(key, _)| &key.schedule);
    let starts = jobs.each_ref().map(|(key, parts)| {
        Start::of(&key.schedule, j0_of(parts.nonce), parts.aad, parts.text.len())
    });
    let mut states = [[_mm256_setzero_si256(); N]; GROUP];
    unroll!(J in 0 1 2 3 => { states[J] = counters(keys[J], &starts[J]); });
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => {
        unroll!(J in 0 1 2 3 => { round(&mut states[J], keys[J].rounds[R]); });
    });
    for (j, (key, parts)) in jobs.into_iter().enumerate() {
        let text = InOutBuf::from(parts.text);
        let end = End::<N>::of(&text);
        let mut sum = PairSum::zero();
        if !SEAL {
            for i in 1..N.saturating_sub(1) {
                end.hash_whole(i, &text, &key.schedule.near, &mut sum);
            }
        }
        let near = &key.schedule.near;
        *parts.tag = end.finish::<SEAL, NEAR, false, true>(&key.schedule, near, &starts[j], states[j], sum, text);
    }
}

/// Vector 0: J0, and the counter of block 0; then two blocks a vector; after the first AES key.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn counters<const N: usize>(key: &Schedule, start: &Start) -> [__m256i; N] {
    let first = broadcast(key.rounds[0]);
    let mut state = [first; N];
    let mut counters = _mm256_inserti128_si256(_mm256_zextsi128_si256(start.j0), start.counter, 1);
    state[0] = _mm256_xor_si256(reverse_pair(counters), first);
    counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(start.counter), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
    for block in &mut state[1..] {
        *block = _mm256_xor_si256(reverse_pair(counters), first);
        counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
    }
    state
}

/// What a flight has to know of its last vector, which may not be whole: taken before the AES rounds, so that nothing
/// branches between them and the tag.
struct End<const N: usize> {
    blocks: usize,
    /// Where the last vector's text begins.
    at: usize,
    whole: bool,
    input: __m256i,
    /// Ones where it has text.
    bytes: __m256i,
}

impl<const N: usize> End<N> {
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn of(text: &InOutBuf<'_, '_, u8>) -> Self {
        let length = text.len();
        assert!(length <= 32 * N - 16 && (N == 1 || length > 32 * N - 48));
        let at = (32 * N).saturating_sub(48);
        let whole = length == 32 * N - 16;
        let input = if N == 1 {
            let block = if whole { load(text.get_in().first_chunk().expect("a block")) } else { load_short(text.get_in()) };
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
    fn powers<'a, const P: usize>(&self, powers: &'a Powers<P>) -> (&'a [__m128i], &'a [__m128i]) {
        let top = P - self.blocks - 2;
        (&powers.plain[top..][..2 * N], &powers.folded[top..][..2 * N])
    }

    /// Adds a vector of ciphertext, neither the first nor the last, to open's hash.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn hash_whole<const P: usize>(&self, i: usize, text: &InOutBuf<'_, '_, u8>, powers: &Powers<P>, sum: &mut PairSum) {
        let (plain, folded) = self.powers(powers);
        let block = reverse_pair(load_pair(text.get_in()[32 * i - 16..].first_chunk().expect("two blocks")));
        sum.add(block, pair(plain, 2 * i), pair(folded, 2 * i));
    }

    /// The last AES round, the text, and the tag. `sum` has what [`Self::hash_whole`] added, for open.
    ///
    /// AFTER and FOUR only say who calls: an instance with one caller is inlined, and with two the vectors pass through
    /// memory, 8 ns of a message of 64 bytes.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn finish<const SEAL: bool, const P: usize, const AFTER: bool, const FOUR: bool>(
        self,
        key: &Schedule,
        powers: &Powers<P>,
        start: &Start,
        state: [__m256i; N],
        mut sum: PairSum,
        mut text: InOutBuf<'_, '_, u8>,
    ) -> Tag {
        let (plain, folded) = self.powers(powers);
        // The lengths, with H': in the lane behind the text, or alone.
        let mut lengths = _mm256_zextsi128_si256(start.lengths);
        if self.blocks == 2 * N - 1 {
            let (power, folded) = (powers.plain[P - 1], powers.folded[P - 1]);
            sum.add(lengths, _mm256_zextsi128_si256(power), _mm256_zextsi128_si256(folded));
            lengths = _mm256_setzero_si256();
        } else {
            lengths = _mm256_permute2x128_si256(lengths, lengths, 0x08);
        }

        let last = broadcast(key.rounds[14]);
        let mut output = _mm256_setzero_si256();
        let (mut mask, mut before_last) = (start.j0, start.j0);
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

        if N == 1 && self.whole {
            store(text.get_out().first_chunk_mut().expect("a block"), _mm256_extracti128_si256(output, 1));
        } else if N == 1 {
            store_short(text.get_out(), _mm256_extracti128_si256(output, 1));
        } else if self.whole {
            store_pair(text.get_out()[self.at..].first_chunk_mut().expect("two blocks"), output);
        } else {
            store_last_pair(text.get_out(), self.at, before_last, output);
        }
        to_bytes(tag)
    }
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
    match <&[u8; 16]>::try_from(aad) {
        Ok(block) => reverse(load(block)),
        Err(_) => hash_any_aad(key, aad),
    }
}

#[inline(never)]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn hash_any_aad(key: &Schedule, aad: &[u8]) -> __m128i {
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
    for chunk in bytes.chunks(16 * NEAR) {
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
fn hash_nonce(key: &Schedule, nonce: &[u8]) -> [u8; 16] {
    let (power, folded) = near(key);
    let hash = multiply(hash_all_but_last(key, nonce), power, folded);
    let lengths = lengths_of(0, nonce.len());
    // The block of lengths has the nonce's in its second half.
    to_bytes(reverse(multiply(_mm_xor_si128(hash, lengths), power, folded)))
}

/// Round keys, H and the powers that every message may need.
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn schedule<T>(proof: cpu::Vaes256, key: &[u8; 32], wrap: impl FnOnce(Expanded) -> T) -> T {
    let zero = _mm_setzero_si128();
    let near = Powers { plain: [zero; NEAR], folded: [zero; NEAR] };
    let mut expanded = Expanded { schedule: Schedule { rounds: [zero; 15], near, far: Lazy::new() }, proof };
    let place = &mut expanded.schedule;
    expand(key, &mut place.rounds);
    let one = hash_key(&place.rounds);
    let two = square(one);
    let four = broadcast(square(two));
    let low = _mm256_inserti128_si256(_mm256_zextsi128_si256(two), one, 1);
    let high = multiply_pair(low, broadcast(two));
    place.near = Powers::new([multiply_pair(high, four), multiply_pair(low, four), high, low]);
    wrap(expanded)
}

/// The powers of two steps, from the first eight.
#[cold]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
fn extend(near: &Near) -> Far {
    let zero = _mm256_setzero_si256();
    let mut pairs = [zero; FAR / 2];
    let eighth = broadcast(near.plain[0]);
    for i in 0..4 {
        pairs[12 + i] = pair(&near.plain, 2 * i);
        pairs[8 + i] = multiply_pair(pairs[12 + i], eighth);
    }
    let sixteenth = broadcast(_mm256_castsi256_si128(pairs[8]));
    for i in 0..8 {
        pairs[i] = multiply_pair(pairs[8 + i], sixteenth);
    }
    Powers::new(pairs)
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

    /// Adds two blocks, each times its power.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn add(&mut self, blocks: __m256i, powers: __m256i, folded: __m256i) {
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

#[cfg(test)]
super::x86::wiping_test!(Vaes256);
