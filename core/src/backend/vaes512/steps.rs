//! The steps of a long message on VAES with 512 bits: AES of one step with the GHASH of another, by hand.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

// Registers, here and in `weave.rs`: zmm0 to zmm7 a step's blocks (zmm8 a flight's ninth vector, or a step's window of counters);
// zmm9, zmm10 and zmm11 the low, middle and high sums; zmm12 to zmm17 what is hashed; zmm18 the order of bytes, zmm19 the
// polynomial; zmm20 a round key from memory; zmm21 to zmm31 a step's first eleven round keys.

/// Counter blocks of a step after the first AES key, in zmm0 to zmm7. Their counters are 2 to 33 more than that in zmm8,
/// a multiple of 32, so that all of a window of 32 are one block (zmm12; zmm13 the next) and a constant.
macro_rules! counters {
    () => {
        "vpshufb zmm12, zmm8, zmm18
         vpaddd zmm8, zmm8, [{constants}]
         vpshufb zmm13, zmm8, zmm18
         vpxorq zmm12, zmm12, zmm21
         vpxorq zmm13, zmm13, zmm21
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

/// One AES round of the first four vectors of a step, or of the last four.
macro_rules! aes {
    (first, $key:literal) => { aes!(@ $key, 0 1 2 3) };
    (last, $key:literal) => { aes!(@ $key, 4 5 6 7) };
    (@ $key:literal, $($state:literal)*) => {
        concat!($("vaesenc zmm", $state, ", zmm", $state, ", zmm", $key, "\n",)*)
    };
}

/// A round key that no register is left for.
macro_rules! key {
    ($round:literal) => {
        concat!("vbroadcasti32x4 zmm20, [{rounds} + 16 * ", $round, "]")
    };
}

/// A pair of vectors of ciphertext, in zmm12 and zmm15, and a part of their products each: one addition for both.
///
/// Their middle factors are formed together, by two unpackings and one XOR, where a shuffle and an XOR each would be four.
/// The sum of the first pair after a reduction begins with the hash, which is in xmm11.
macro_rules! pair {
    (load $vector:literal) => {
        concat!(
            "vmovdqu64 zmm12, [{hashed} + 64 * ", $vector, "]
             vmovdqu64 zmm15, [{hashed} + 64 * ", $vector, " + 64]
             vpshufb zmm12, zmm12, zmm18
             vpshufb zmm15, zmm15, zmm18"
        )
    };
    (load first) => { concat!(pair!(load 0), "\n vpxorq zmm12, zmm12, zmm11") };
    (low first) => { pair!(@ "{plain}", 0, "0x00", "vpxorq zmm9, zmm13, zmm16") };
    (low $vector:literal) => { pair!(@ "{plain}", $vector, "0x00", "vpternlogq zmm9, zmm13, zmm16, 0x96") };
    (high first) => { pair!(@ "{plain}", 0, "0x11", "vpxorq zmm11, zmm13, zmm16") };
    (high $vector:literal) => { pair!(@ "{plain}", $vector, "0x11", "vpternlogq zmm11, zmm13, zmm16, 0x96") };
    (middle first) => { pair!(@middle "{folded}", 0, "vpxorq zmm10, zmm13, zmm16") };
    (middle $vector:literal) => { pair!(@middle "{folded}", $vector, "vpternlogq zmm10, zmm13, zmm16, 0x96") };
    // With the powers above, for the first of two steps.
    (above low first) => { pair!(@ "{above}", 0, "0x00", "vpxorq zmm9, zmm13, zmm16") };
    (above low $vector:literal) => { pair!(@ "{above}", $vector, "0x00", "vpternlogq zmm9, zmm13, zmm16, 0x96") };
    (above high first) => { pair!(@ "{above}", 0, "0x11", "vpxorq zmm11, zmm13, zmm16") };
    (above high $vector:literal) => { pair!(@ "{above}", $vector, "0x11", "vpternlogq zmm11, zmm13, zmm16, 0x96") };
    (above middle first) => { pair!(@middle "{above} + 512", 0, "vpxorq zmm10, zmm13, zmm16") };
    (above middle $vector:literal) => {
        pair!(@middle "{above} + 512", $vector, "vpternlogq zmm10, zmm13, zmm16, 0x96")
    };
    (@ $powers:literal, $vector:literal, $halves:literal, $add:literal) => {
        concat!(
            "vpclmulqdq zmm13, zmm12, [", $powers, " + 64 * ", $vector, "], ", $halves, "
             vpclmulqdq zmm16, zmm15, [", $powers, " + 64 * ", $vector, " + 64], ", $halves, "\n", $add
        )
    };
    (@middle $powers:literal, $vector:literal, $add:literal) => {
        concat!(
            "vpunpcklqdq zmm14, zmm12, zmm15
             vpunpckhqdq zmm17, zmm12, zmm15
             vpxorq zmm14, zmm14, zmm17
             vpclmulqdq zmm13, zmm14, [", $powers, " + 64 * ", $vector, "], 0x00
             vpclmulqdq zmm16, zmm14, [", $powers, " + 64 * ", $vector, " + 64], 0x11\n", $add
        )
    };
}

/// The reduction of all lanes: the middle sum joins the others, then twice 64 bits are folded; and the lanes' sum, in xmm11.
macro_rules! reduce {
    (join) => {
        "vpternlogq zmm10, zmm9, zmm11, 0x96
         vpslldq zmm12, zmm10, 8
         vpsrldq zmm10, zmm10, 8
         vpxorq zmm9, zmm9, zmm12"
    };
    (once) => {
        "vpclmulqdq zmm12, zmm9, zmm19, 0x00
         vpshufd zmm9, zmm9, 0x4e
         vpxorq zmm9, zmm9, zmm12"
    };
    (twice) => {
        "vpclmulqdq zmm12, zmm9, zmm19, 0x00
         vpshufd zmm9, zmm9, 0x4e
         vpternlogq zmm11, zmm10, zmm9, 0x96
         vpxorq zmm11, zmm11, zmm12"
    };
    (sum) => {
        "vextracti64x4 ymm9, zmm11, 1
         vpxor ymm11, ymm11, ymm9
         vextracti128 xmm9, ymm11, 1
         vpxor xmm11, xmm11, xmm9"
    };
}
pub(super) use {pair, reduce};

/// One line after the other.
macro_rules! lines {
    ($($line:expr),* $(,)?) => { concat!($($line, "\n",)*) };
}

/// The last AES round of eight vectors, and their text.
macro_rules! texts {
    () => { texts!(@ 0 1 2 3 4 5 6 7) };
    (@ $($vector:literal)*) => {
        concat!(
            key!(14),
            $("\n vpxorq zmm12, zmm20, [{input} + 64 * ", $vector, "]
             vaesenclast zmm", $vector, ", zmm", $vector, ", zmm12
             vmovdqu64 [{output} + 64 * ", $vector, "], zmm", $vector,)*
        )
    };
}

/// To the next step.
macro_rules! advance {
    () => {
        "add {input}, 512
         add {output}, 512
         add {hashed}, 512"
    };
}

/// One step, and the hash of one, with the reduction; `first`: of that one alone, 0: and of the one before it.
macro_rules! hashed_step {
    ($start:tt) => {
        lines!(
            counters!(),
            aes!(first, 22), pair!(load $start), aes!(last, 22), pair!(low $start),
            aes!(first, 23), pair!(high $start), aes!(last, 23), pair!(middle $start),
            aes!(first, 24), aes!(last, 24), pair!(load 2),
            aes!(first, 25), pair!(low 2), aes!(last, 25), pair!(high 2),
            aes!(first, 26), pair!(middle 2), aes!(last, 26),
            aes!(first, 27), pair!(load 4), aes!(last, 27), pair!(low 4),
            aes!(first, 28), pair!(high 4), aes!(last, 28), pair!(middle 4),
            aes!(first, 29), aes!(last, 29), pair!(load 6),
            aes!(first, 30), pair!(low 6), aes!(last, 30), pair!(high 6),
            aes!(first, 31), pair!(middle 6), aes!(last, 31),
            key!(11), aes!(first, 20), reduce!(join), aes!(last, 20), reduce!(once),
            key!(12), aes!(first, 20), reduce!(twice), aes!(last, 20),
            key!(13), aes!(first, 20), reduce!(sum), aes!(last, 20),
            texts!(),
            advance!(),
        )
    };
}

/// All whole steps, and moves `counter` past them. Gives the hash: open's with all of their ciphertext in it, seal's with
/// that of all but the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
pub(super) fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    far: &Far,
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
    let left = steps.len() - done;
    if left == 0 {
        return hash;
    }
    let (input, output) = steps.reborrow().into_raw();
    let (input, output) = (input.wrapping_add(done).cast::<u8>(), output.wrapping_add(done).cast::<u8>());
    let hashed = if SEAL { output.cast_const().wrapping_sub(64 * STEP) } else { input };
    let run = |above: Option<&Above>| {
        // SAFETY: `steps` is valid for reads of its input and writes of its output, of which `done` steps are skipped; seal has
        // written the step before the first, which it hashes.
        unsafe { crypt_and_hash(key, (far, above), (window, hash), (input, output, hashed), left) }
    };
    match key.above.get() {
        None if left >= ABOVE_FROM => {
            key.above.make(Powers::zero(), |above| extend_above(far, above), |above| run(Some(above)))
        }
        above => run(above),
    }
}

/// `steps` steps of AES, each with the GHASH of one step at `hashed`, which may be the one before. With the powers above, two
/// steps are reduced once: 6 % less.
///
/// By hand, as in `vaes256`, where the compiler's own shape was measured.
///
/// # Safety
/// `input` and `hashed` must be valid for reads of all steps' 512 bytes, `output` for writes.
#[inline(never)] // one for both directions
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq")]
unsafe fn crypt_and_hash(
    key: &Schedule,
    (far, above): (&Far, Option<&Above>),
    (window, hash): (__m128i, __m128i),
    (input, output, hashed): (*const u8, *mut u8, *const u8),
    steps: usize,
) -> __m128i {
    let pairs = above.map_or(0, |_| steps / 2);
    let (steps, above) = (steps - 2 * pairs, above.map_or(core::ptr::null(), |above| above.plain.as_ptr()));
    let (window, mut hash) = (broadcast(window), _mm512_zextsi128_si512(hash));
    let (order, polynomial) = (order(), polynomial());
    // SAFETY: it reads the key, its powers and the constants, and what the caller vouches for, 512 bytes a step. It writes
    // `output` alone, and names all registers that it changes.
    unsafe {
        asm!(
            "vbroadcasti32x4 zmm21, [{rounds} + 0]",
            "vbroadcasti32x4 zmm22, [{rounds} + 16]",
            "vbroadcasti32x4 zmm23, [{rounds} + 32]",
            "vbroadcasti32x4 zmm24, [{rounds} + 48]",
            "vbroadcasti32x4 zmm25, [{rounds} + 64]",
            "vbroadcasti32x4 zmm26, [{rounds} + 80]",
            "vbroadcasti32x4 zmm27, [{rounds} + 96]",
            "vbroadcasti32x4 zmm28, [{rounds} + 112]",
            "vbroadcasti32x4 zmm29, [{rounds} + 128]",
            "vbroadcasti32x4 zmm30, [{rounds} + 144]",
            "vbroadcasti32x4 zmm31, [{rounds} + 160]",
            "test {pairs}, {pairs}",
            "jz 3f",
            "2:",
            counters!(),
            aes!(first, 22), pair!(load first), aes!(last, 22), pair!(above low first),
            aes!(first, 23), aes!(last, 23), pair!(above high first),
            aes!(first, 24), pair!(above middle first), aes!(last, 24),
            aes!(first, 25), pair!(load 2), aes!(last, 25), pair!(above low 2),
            aes!(first, 26), aes!(last, 26), pair!(above high 2),
            aes!(first, 27), pair!(above middle 2), aes!(last, 27),
            aes!(first, 28), pair!(load 4), aes!(last, 28), pair!(above low 4),
            aes!(first, 29), aes!(last, 29), pair!(above high 4),
            aes!(first, 30), pair!(above middle 4), aes!(last, 30),
            aes!(first, 31), pair!(load 6), aes!(last, 31), pair!(above low 6),
            key!(11), aes!(first, 20), aes!(last, 20), pair!(above high 6),
            key!(12), aes!(first, 20), pair!(above middle 6), aes!(last, 20),
            key!(13), aes!(first, 20), aes!(last, 20),
            texts!(),
            advance!(),
            hashed_step!(0),
            "dec {pairs}",
            "jnz 2b",
            "3:",
            "test {steps}, {steps}",
            "jz 5f",
            "4:",
            hashed_step!(first),
            "dec {steps}",
            "jnz 4b",
            "5:",
            rounds = in(reg) key.rounds.as_ptr(),
            plain = in(reg) far.plain.as_ptr().wrapping_add(FAR - 4 * STEP),
            folded = in(reg) far.folded.as_ptr().wrapping_add(FAR - 4 * STEP),
            above = in(reg) above,
            constants = in(reg) &raw const CONSTANTS,
            input = inout(reg) input => _,
            output = inout(reg) output => _,
            hashed = inout(reg) hashed => _,
            pairs = inout(reg) pairs => _,
            steps = inout(reg) steps => _,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _,
            out("zmm7") _, inout("zmm8") window => _, out("zmm9") _, out("zmm10") _, inout("zmm11") hash,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            in("zmm18") order, in("zmm19") polynomial, out("zmm20") _, out("zmm21") _, out("zmm22") _,
            out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _,
            out("zmm29") _, out("zmm30") _, out("zmm31") _,
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
    let first = broadcast_nth::<0, 15>(&key.rounds);
    let mut counters = _mm512_add_epi32(broadcast(counter), upward());
    let mut state = [first; STEP];
    for block in &mut state {
        *block = _mm512_xor_si512(reverse_quad(counters), first);
        counters = _mm512_add_epi32(counters, four());
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round::<R, _>(&mut state, &key.rounds); });
    let last = broadcast_nth::<14, 15>(&key.rounds);
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
