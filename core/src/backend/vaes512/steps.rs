//! The steps of a long message on VAES with 512 bits: AES of one step with the GHASH of another, by hand.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

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

/// All whole steps, and moves `counter` past them. Gives the hash: open's with all of their ciphertext in it, seal's with
/// that of all but the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U512>>,
) -> __m128i {
    path!(vaes512.steps, SEAL, steps.len().min(5));
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
/// By hand, as in `vaes256`, where the compiler's own shape was measured.
///
/// # Safety
/// `input` and `hashed` must be valid for reads of `steps` steps of 512 bytes, `output` for writes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) unsafe fn crypt_and_hash(
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
pub(super) struct Constants {
    pub(super) thirty_two: [u32; 16],
    pub(super) counters: [[u32; 16]; STEP],
}

pub(super) static CONSTANTS: Constants = {
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
pub(super) fn crypt_step(key: &Schedule, counter: __m128i, mut chunk: InOut<'_, '_, Array<u8, U512>>) {
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
pub(super) fn crypt_steps_any<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    counter: &mut __m128i,
    mut hash: __m128i,
    mut steps: InOutBuf<'_, '_, Array<u8, U512>>,
) -> __m128i {
    path!(vaes512.any, SEAL, steps.len().min(5));
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
pub(super) fn hash_step(powers: &Far, hash: __m128i, bytes: &[u8; 64 * STEP]) -> __m128i {
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
