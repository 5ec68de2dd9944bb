//! Loads and stores of vectors of 512 bits: whole, and where a message's end cuts them.
//!
//! A masked load or store touches no byte outside of its mask. But a load that follows a masked store closely, and whose 64 bytes
//! touch the 64 of the store, waits until that has left the store queue, whatever the masks: whole blocks go without.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// J0 of a 96-bit nonce; loaded as three words, for the reason that [`j0_of`](super::super::x86::j0_of) gives.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn block_of(nonce: &Nonce) -> __m128i {
    let words: __m128i;
    // SAFETY: it reads the twelve bytes of the nonce.
    unsafe {
        asm!(
            "vmovd {words:x}, dword ptr [{nonce}]",
            "vpinsrd {words:x}, {words:x}, dword ptr [{nonce} + 4], 1",
            "vpinsrd {words:x}, {words:x}, dword ptr [{nonce} + 8], 2",
            nonce = in(reg) nonce,
            words = out(xmm_reg) words,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    _mm_or_si128(words, _mm_set_epi32(1 << 24, 0, 0, 0))
}

/// A block in all four lanes, from memory: a load alone, where the compiler would load and shuffle.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn broadcast_of(block: &__m128i) -> __m512i {
    broadcast_nth::<0, 1>(core::array::from_ref(block))
}

/// The same where it stands: the compiler may neither load it before nor keep it, which it would on the stack.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn broadcast_now(block: &__m128i) -> __m512i {
    let quad;
    // SAFETY: it reads the block.
    unsafe {
        asm!(
            "vbroadcasti32x4 {quad}, [{block}]",
            block = in(reg) block,
            quad = lateout(zmm_reg) quad,
            options(readonly, nostack, preserves_flags),
        );
    }
    quad
}

/// Block I of N likewise. The number is in the load, which would take an instruction for the address otherwise.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn broadcast_nth<const I: usize, const N: usize>(blocks: &[__m128i; N]) -> __m512i {
    const { assert!(I < N) };
    let quad;
    // SAFETY: it reads block I of the array, which has it.
    unsafe {
        asm!(
            "vbroadcasti32x4 {quad}, [{blocks} + 16 * {i}]",
            blocks = in(reg) blocks,
            i = const I,
            quad = lateout(zmm_reg) quad,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    quad
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn quad(blocks: &[__m128i], at: usize) -> __m512i {
    let quad: &[__m128i; 4] = blocks[at..].first_chunk().expect("four are left");
    // SAFETY: the reference is valid for reads of 64 bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(quad.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_powers(powers: &mut [__m128i], four: __m512i) {
    let place: &mut [__m128i; 4] = powers.first_chunk_mut().expect("four are left");
    // SAFETY: the reference is valid for writes of 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), four) };
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_quad(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for reads of 64 bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_quad(bytes: &mut [u8; 64], quad: __m512i) {
    // SAFETY: the reference is valid for writes of 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), quad) };
}

/// The bytes of `mask` from the 64 at `at`, which may begin before the slice and end behind it; zeros for the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn load_masked(bytes: &[u8], at: usize, mask: u64) -> __m512i {
    check_mask(bytes.len(), at, mask);
    // SAFETY: the bytes of the mask lie in the slice, and a masked load touches no other.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().wrapping_add(at).cast()) }
}

/// Up to 16 bytes from `at` on, and zeros behind them. No more than 16 bytes are asked for, so that what was just written
/// beside them is not waited for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn block_at(bytes: &[u8], at: usize) -> __m128i {
    let mask = 0xffff >> (16 - bytes.len().saturating_sub(at).min(16));
    // SAFETY: the mask has a bit for each of up to 16 bytes that the slice has from `at` on, and a masked load touches no other.
    unsafe { _mm_maskz_loadu_epi8(mask as u16, bytes.as_ptr().wrapping_add(at).cast()) }
}

/// The block at `at`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn whole_block_at(bytes: &[u8], at: usize) -> __m128i {
    load(bytes[at..].first_chunk().expect("a block"))
}

/// Stores up to 64 bytes from `at` on, as many as there are.
///
/// Whole blocks without a mask: a load that comes soon after a masked store, and near it, waits for it, whatever the mask says.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn put_quad_at(bytes: &mut [u8], at: usize, quad: __m512i) {
    let place = bytes.get_mut(at..).unwrap_or_default();
    if let Ok(place) = <&mut [u8; 16]>::try_from(&mut *place) {
        store(place, _mm512_castsi512_si128(quad));
    } else if let Ok(place) = <&mut [u8; 32]>::try_from(&mut *place) {
        store_two(place, _mm512_castsi512_si256(quad));
    } else if let Ok(place) = <&mut [u8; 48]>::try_from(&mut *place) {
        store_three(place, quad);
    } else {
        put_masked_at(place, 0, quad);
    }
}

/// The same with a mask and no branch.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn put_masked_at(bytes: &mut [u8], at: usize, quad: __m512i) {
    // SAFETY: the mask has a bit for each of up to 64 bytes that the slice has from `at` on, and a masked store touches no other.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().wrapping_add(at).cast(), quad_mask(bytes, at), quad) };
}

/// Stores the bytes of `mask`, which the slice has.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn store_masked(bytes: &mut [u8], mask: u64, quad: __m512i) {
    check_mask(bytes.len(), 0, mask);
    // SAFETY: the bytes of the mask lie in the slice, and a masked store touches no other.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask, quad) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_two(bytes: &mut [u8; 32], pair: __m256i) {
    // SAFETY: the reference is valid for writes of 32 bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), pair) };
}

/// The first three lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_three(bytes: &mut [u8; 48], quad: __m512i) {
    let (two, one) = bytes.split_at_mut(32);
    store_two(two.try_into().expect("two blocks"), _mm512_castsi512_si256(quad));
    store(one.try_into().expect("one block"), _mm512_extracti32x4_epi32(quad, 2));
}

#[inline]
fn quad_mask(bytes: &[u8], at: usize) -> u64 {
    let left = bytes.len().saturating_sub(at);
    if left < 64 { (1 << left) - 1 } else { u64::MAX }
}

/// That no byte of the mask lies outside of a slice of `length` bytes, of which bit 0 stands for the one at `at`.
#[inline]
pub(super) fn check_mask(length: usize, at: usize, mask: u64) {
    let first = at.wrapping_add(mask.trailing_zeros() as usize);
    let past = at.wrapping_add(64 - mask.leading_zeros() as usize);
    assert!(mask == 0 || first <= past && past <= length);
}
