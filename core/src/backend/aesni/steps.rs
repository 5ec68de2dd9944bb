//! The steps of a long message on AES-NI: AES of one step with the GHASH of another, by hand.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// Counter blocks of a step after the first AES key, in xmm0 to xmm7. Their counters are 2 to 9 more than that in xmm14,
/// a multiple of 8, so that all of a window of eight are one block (xmm12; xmm13 the next) and a constant.
macro_rules! counters {
    () => {
        "movdqa xmm12, xmm14
         pshufb xmm12, xmm15
         paddd xmm14, [{constants}]
         movdqa xmm13, xmm14
         pshufb xmm13, xmm15
         pxor xmm12, [{rounds}]
         pxor xmm13, [{rounds}]
         movdqa xmm0, xmm12
         pxor xmm0, [{constants} + 32]
         movdqa xmm1, xmm12
         pxor xmm1, [{constants} + 48]
         movdqa xmm2, xmm12
         pxor xmm2, [{constants} + 64]
         movdqa xmm3, xmm12
         pxor xmm3, [{constants} + 80]
         movdqa xmm4, xmm12
         pxor xmm4, [{constants} + 96]
         movdqa xmm5, xmm12
         pxor xmm5, [{constants} + 112]
         movdqa xmm6, xmm13
         movdqa xmm7, xmm13
         pxor xmm7, [{constants} + 144]"
    };
}

/// One AES round of eight blocks.
macro_rules! aes {
    ($round:literal) => {
        concat!(
            "movdqa xmm11, [{rounds} + 16 * ",
            $round,
            "]
             aesenc xmm0, xmm11
             aesenc xmm1, xmm11
             aesenc xmm2, xmm11
             aesenc xmm3, xmm11
             aesenc xmm4, xmm11
             aesenc xmm5, xmm11
             aesenc xmm6, xmm11
             aesenc xmm7, xmm11"
        )
    };
}

/// Adds one block of ciphertext, times its power, to xmm8 (low), xmm9 (middle) and xmm10 (high).
macro_rules! hash {
    ($block:literal) => {
        concat!(
            "movdqu xmm12, [{hashed} + 16 * ",
            $block,
            "]
             pshufb xmm12, xmm15
             movdqa xmm13, xmm12
             pclmulqdq xmm13, [{plain} + 16 * ",
            $block,
            "], 0x00
             pxor xmm8, xmm13
             movdqa xmm13, xmm12
             pclmulqdq xmm13, [{plain} + 16 * ",
            $block,
            "], 0x11
             pxor xmm10, xmm13
             pshufd xmm13, xmm12, 0x4e
             pxor xmm12, xmm13
             pclmulqdq xmm12, [{folded} + 16 * ",
            $block,
            "], 0x00
             pxor xmm9, xmm12"
        )
    };
}

/// The first block after a reduction: the hash, in xmm10, is added to it, and the sums start with it.
macro_rules! hash_first {
    () => {
        "movdqu xmm12, [{hashed}]
         pshufb xmm12, xmm15
         pxor xmm12, xmm10
         movdqa xmm8, xmm12
         movdqa xmm10, xmm12
         pshufd xmm9, xmm12, 0x4e
         pxor xmm9, xmm12
         pclmulqdq xmm8, [{plain}], 0x00
         pclmulqdq xmm10, [{plain}], 0x11
         pclmulqdq xmm9, [{folded}], 0x00"
    };
}

/// The last AES round of one block, and its text.
macro_rules! text {
    ($block:literal, $at:literal) => {
        concat!(
            "movdqu xmm12, [{input} + ",
            $at,
            " + 16 * ",
            $block,
            "]
             pxor xmm12, xmm11
             aesenclast xmm",
            $block,
            ", xmm12
             movdqu [{output} + ",
            $at,
            " + 16 * ",
            $block,
            "], xmm",
            $block
        )
    };
}

/// All whole steps, and moves `start` past them: open's hash has all of their ciphertext in it, seal's that of all but
/// the last.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn crypt_steps<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    start: &mut Start,
    mut steps: InOutBuf<'_, '_, Array<u8, U128>>,
) {
    path!(aesni.steps, SEAL, steps.len().min(5));
    let mut window = _mm_sub_epi32(start.counter, _mm_set_epi32(0, 0, 0, 2));
    let mut done = 0;
    if SEAL {
        crypt_step(key, start.counter, steps.get(0));
        window = _mm_add_epi32(window, _mm_set_epi32(0, 0, 0, STEP as i32));
        done = 1;
    }
    let blocks = (STEP * steps.len()) as u32;
    start.counter = _mm_add_epi32(start.counter, _mm_set_epi32(0, 0, 0, blocks.cast_signed()));
    if steps.len() > done {
        let (input, output) = steps.reborrow().into_raw();
        let (input, output) = (input.wrapping_add(done).cast::<u8>(), output.wrapping_add(done).cast::<u8>());
        let hashed = if SEAL { output.cast_const().wrapping_sub(16 * STEP) } else { input };
        let pointers = (input, output, hashed);
        // SAFETY: `steps` is valid for reads of its input and writes of its output, of which `done` steps are skipped; seal
        // has written the step before the first, which it hashes.
        start.hash = unsafe { crypt_and_hash(key, powers, window, start.hash, pointers, steps.len() - done) };
    }
}

/// `steps` steps of AES, each with the GHASH of one step at `hashed`, which may be the one before.
///
/// # Safety
/// `input` and `hashed` must be valid for reads of `steps` steps of 128 bytes, `output` for writes.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) unsafe fn crypt_and_hash(
    key: &Schedule,
    powers: &Far,
    window: __m128i,
    hash: __m128i,
    (input, output, hashed): (*const u8, *mut u8, *const u8),
    steps: usize,
) -> __m128i {
    // Two steps a turn. An odd one goes first, as a second half: the hash is then added as a product of its own.
    let odd = steps % 2;
    let back = 16 * STEP * odd;
    let mut sums = Sum { high: hash, ..Sum::zero() };
    if odd == 1 {
        sums = Sum::zero();
        sums.add(hash, powers.plain[FAR - STEP], powers.folded[FAR - STEP]);
    }
    let mut hash = sums.high;
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // SAFETY: it reads the key, its powers and the constants, and what the caller vouches for, with offsets below 256 a
    // turn; an odd step's turn uses the second 128 alone, so its pointers start 128 bytes before. It writes `output` alone,
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
            "movdqa xmm11, [{rounds} + 224]",
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
            aes!(9),
            "pxor xmm9, xmm8",
            "pxor xmm9, xmm10",
            "movdqa xmm12, xmm9",
            "pslldq xmm12, 8",
            "psrldq xmm9, 8",
            "pxor xmm8, xmm12",
            "pxor xmm10, xmm9",
            aes!(10),
            "pshufd xmm12, xmm8, 0x4e",
            "pclmulqdq xmm8, [{constants} + 16], 0x00",
            "pxor xmm8, xmm12",
            aes!(11),
            "pshufd xmm12, xmm8, 0x4e",
            "pclmulqdq xmm8, [{constants} + 16], 0x00",
            "pxor xmm8, xmm12",
            aes!(12),
            "pxor xmm10, xmm8",
            aes!(13),
            "movdqa xmm11, [{rounds} + 224]",
            text!(0, 128), text!(1, 128), text!(2, 128), text!(3, 128),
            text!(4, 128), text!(5, 128), text!(6, 128), text!(7, 128),
            "add {input}, 256",
            "add {output}, 256",
            "add {hashed}, 256",
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
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _,
            out("xmm7") _, inout("xmm8") sums.low => _, inout("xmm9") sums.middle => _, inout("xmm10") hash,
            out("xmm11") _, out("xmm12") _, out("xmm13") _, inout("xmm14") window => _,
            in("xmm15") order,
            options(nostack),
        );
    }
    hash
}

/// What [`crypt_and_hash`] reads: 8 in a counter; the polynomial; 2 to 7, then 0 and 1, in the last byte of a block, where
/// a counter block has the lowest of its counter.
#[repr(C, align(16))]
pub(super) struct Constants {
    pub(super) eight: [u32; 4],
    pub(super) polynomial: [u64; 2],
    pub(super) counters: [[u32; 4]; STEP],
}

pub(super) static CONSTANTS: Constants = {
    let mut counters = [[0; 4]; STEP];
    let mut i = 0;
    while i < STEP as u32 {
        counters[i as usize][3] = ((i + 2) % 8) << 24;
        i += 1;
    }
    Constants { eight: [8, 0, 0, 0], polynomial: [0xc200_0000_0000_0000, 0], counters }
};

/// One step of AES alone.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn crypt_step(key: &Schedule, counter: __m128i, mut chunk: InOut<'_, '_, Array<u8, U128>>) {
    let mut counter = counter;
    let mut state = [counter; STEP];
    for block in &mut state {
        *block = _mm_xor_si128(reverse(counter), key.rounds[0]);
        counter = _mm_add_epi32(counter, one());
    }
    unroll!(R in 1 2 3 4 5 6 7 8 9 10 11 12 13 => { round(&mut state, key.rounds[R]); });
    unroll!(I in 0 1 2 3 4 5 6 7 => {
        let text = load(&chunk.get_in().0.as_chunks::<16>().0[I]);
        let output = _mm_aesenclast_si128(state[I], _mm_xor_si128(key.rounds[14], text));
        store(&mut chunk.get_out().0.as_chunks_mut::<16>().0[I], output);
    });
}

/// As [`crypt_steps`], for the counters that come of nonces which are not 96 bits long.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn crypt_steps_any<const SEAL: bool>(
    key: &Schedule,
    powers: &Far,
    start: &mut Start,
    mut steps: InOutBuf<'_, '_, Array<u8, U128>>,
) {
    path!(aesni.any, SEAL, steps.len().min(5));
    let count = steps.len();
    for i in 0..count {
        if SEAL && i > 0 {
            start.hash = hash_step(powers, start.hash, &steps.get(i - 1).get_out().0);
        } else if !SEAL {
            start.hash = hash_step(powers, start.hash, &steps.get(i).get_in().0);
        }
        crypt_step(key, start.counter, steps.get(i));
        start.counter = _mm_add_epi32(start.counter, _mm_set_epi32(0, 0, 0, STEP as i32));
    }
}

/// The hash of one step.
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn hash_step(powers: &Far, hash: __m128i, bytes: &[u8; 16 * STEP]) -> __m128i {
    let mut sum = Sum::zero();
    let mut carried = hash;
    for (block, at) in bytes.as_chunks::<16>().0.iter().zip(FAR - STEP..) {
        sum.add(_mm_xor_si128(reverse(load(block)), carried), powers.plain[at], powers.folded[at]);
        carried = _mm_setzero_si128();
    }
    sum.reduce()
}
