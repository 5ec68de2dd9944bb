//! The steps of a long message on VAES with 256 bits: AES of one step with the GHASH of another, by hand.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

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
             ",
            products!($vector)
        )
    };
}
pub(super) use hash;

/// Adds ymm12 times the powers of a vector.
macro_rules! products {
    ($vector:literal) => {
        concat!(
            "vpclmulqdq ymm13, ymm12, [{plain} + 32 * ",
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

pub(super) use products;

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

/// The reduction of both lanes: the middle is added to the others; then twice `fold`; then the lanes' sum, in xmm10.
macro_rules! join {
    () => {
        "vpxor ymm12, ymm8, ymm10
         vpxor ymm9, ymm9, ymm12
         vpslldq ymm12, ymm9, 8
         vpsrldq ymm9, ymm9, 8
         vpxor ymm8, ymm8, ymm12
         vpxor ymm10, ymm10, ymm9"
    };
}
macro_rules! fold {
    () => {
        "vpclmulqdq ymm12, ymm8, [{constants} + 32], 0x00
         vpshufd ymm8, ymm8, 0x4e
         vpxor ymm8, ymm8, ymm12"
    };
}
macro_rules! sum {
    () => {
        "vpxor ymm10, ymm10, ymm8
         vextracti128 xmm9, ymm10, 1
         vpxor xmm10, xmm10, xmm9"
    };
}
pub(super) use {fold, join, sum};

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

/// All whole steps, and moves `counter` past them. Gives the hash: open's with all of their ciphertext in it, seal's with
/// that of all but the last.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U256>>,
) -> __m128i {
    path!(vaes256.steps, SEAL, steps.len().min(5));
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
pub(super) unsafe fn crypt_and_hash(
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
    let order = reverse_order();
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
            aes!(9), join!(),
            aes!(10), fold!(),
            aes!(11), fold!(),
            aes!(12), sum!(),
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
pub(super) struct Constants {
    pub(super) sixteen: [u32; 8],
    pub(super) polynomial: [u64; 4],
    pub(super) counters: [[u32; 8]; STEP],
}

pub(super) static CONSTANTS: Constants = {
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
pub(super) fn crypt_step(key: &Schedule, counter: __m128i, mut chunk: InOut<'_, '_, Array<u8, U256>>) {
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
pub(super) fn crypt_steps_any<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    mut hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U256>>,
) -> __m128i {
    path!(vaes256.any, SEAL, steps.len().min(5));
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
pub(super) fn hash_step(powers: &Far, hash: __m128i, bytes: &[u8; 32 * STEP]) -> __m128i {
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
