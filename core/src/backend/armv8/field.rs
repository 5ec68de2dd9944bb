//! GHASH's field, and the vectors, of ARMv8.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use super::*;

/// A sum of products in GF(2)[x], not yet reduced: Karatsuba's three parts.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) low: uint8x16_t,
    pub(super) middle: uint8x16_t,
    pub(super) high: uint8x16_t,
}

impl Product {
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn zero() -> Self {
        let zero = vdupq_n_u8(0);
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `block` times H^(power + 1).
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn add(&mut self, key: &Schedule, block: uint8x16_t, power: usize) {
        let folded = vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(key.folded[power]), vcreate_u64(0)));
        *self = self.plus(Self::of(block, key.powers[power], folded));
    }

    /// `folded`: the two halves of `power` added.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn of(block: uint8x16_t, power: uint8x16_t, folded: uint8x16_t) -> Self {
        Self {
            low: multiply_low(block, power),
            middle: multiply_low(fold(block), folded),
            high: multiply_high(block, power),
        }
    }

    /// The first block times H^(2 pair + 2), and the second times H^(2 pair + 1).
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn pair(key: &Schedule, blocks: [uint8x16_t; 2], pair: usize) -> [Self; 2] {
        let (a, b) = (vreinterpretq_u64_u8(blocks[0]), vreinterpretq_u64_u8(blocks[1]));
        let sums = vreinterpretq_u8_u64(veorq_u64(vtrn1q_u64(b, a), vtrn2q_u64(b, a)));
        let folded = load_pair(&key.folded.as_chunks::<2>().0[pair]);
        let (first, second) = (key.powers[2 * pair + 1], key.powers[2 * pair]);
        [
            Self {
                low: multiply_low(blocks[0], first),
                middle: multiply_high(sums, folded),
                high: multiply_high(blocks[0], first),
            },
            Self {
                low: multiply_low(blocks[1], second),
                middle: multiply_low(sums, folded),
                high: multiply_high(blocks[1], second),
            },
        ]
    }

    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            low: veorq_u8(self.low, other.low),
            middle: veorq_u8(self.middle, other.middle),
            high: veorq_u8(self.high, other.high),
        }
    }

    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn plus_both<X: Xor>(self, xor: X, [a, b]: [Self; 2]) -> Self {
        Self {
            low: xor3(xor, self.low, a.low, b.low),
            middle: xor3(xor, self.middle, a.middle, b.middle),
            high: xor3(xor, self.high, a.high, b.high),
        }
    }

    /// The sum modulo x^128 + x^7 + x^2 + x + 1: its upper half is folded down in two steps of 64 bits.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn reduce<X: Xor>(self, xor: X) -> uint8x16_t {
        let polynomial = vreinterpretq_u8_u64(vdupq_n_u64(0x87));
        let between = vextq_u8::<8>(self.low, self.high);
        let middle = xor3(xor, self.middle, self.low, self.high);
        let middle = xor3(xor, middle, between, multiply_high(self.high, polynomial));
        let low = vtrn1q_u64(vreinterpretq_u64_u8(self.low), vreinterpretq_u64_u8(middle));
        veorq_u8(vreinterpretq_u8_u64(low), multiply_high(middle, polynomial))
    }
}

/// Each of the four words plus those before it.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn sum_words(words: uint8x16_t) -> uint8x16_t {
    let zero = vdupq_n_u8(0);
    let sums = veorq_u8(words, vextq_u8::<12>(zero, words));
    veorq_u8(sums, vextq_u8::<8>(zero, sums))
}

/// How three vectors are added: by one EOR3, or by two EOR.
pub(super) trait Xor: Copy {
    fn eor3(self) -> Option<cpu::Eor3>;
}

#[derive(Clone, Copy)]
pub(super) struct Eor;

impl Xor for Eor {
    #[inline]
    fn eor3(self) -> Option<cpu::Eor3> {
        None
    }
}

impl Xor for cpu::Eor3 {
    #[inline]
    fn eor3(self) -> Option<cpu::Eor3> {
        Some(self)
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn xor3<X: Xor>(xor: X, a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
    if xor.eor3().is_none() {
        return veorq_u8(veorq_u8(a, b), c);
    }
    let sum;
    // SAFETY: the token exists only if `detect` saw SHA3, which has EOR3; it reads and writes these registers alone.
    unsafe {
        asm!(
            ".arch_extension sha3",
            "eor3 {sum:v}.16b, {a:v}.16b, {b:v}.16b, {c:v}.16b",
            sum = lateout(vreg) sum, a = in(vreg) a, b = in(vreg) b, c = in(vreg) c,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// The product of two elements of GHASH's field.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn multiply(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    Product::of(a, b, fold(b)).reduce(Eor)
}

/// The product of the lower halves.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn multiply_low(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    let product;
    // SAFETY: this function has the feature that the instruction needs; it reads and writes these registers alone.
    unsafe {
        asm!(
            "pmull {product:v}.1q, {a:v}.1d, {b:v}.1d",
            product = lateout(vreg) product, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

/// The product of the upper halves.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn multiply_high(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    let product;
    // SAFETY: this function has the feature that the instruction needs; it reads and writes these registers alone.
    unsafe {
        asm!(
            "pmull2 {product:v}.1q, {a:v}.2d, {b:v}.2d",
            product = lateout(vreg) product, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

/// The two halves added, in both halves.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn fold(block: uint8x16_t) -> uint8x16_t {
    veorq_u8(block, vextq_u8::<8>(block, block))
}

/// Blocks as GHASH's polynomials.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn polynomials(blocks: [uint8x16_t; STEP]) -> [uint8x16_t; STEP] {
    blocks.map(|block| vrbitq_u8(block))
}

/// A block's four words as numbers: the last is GCM's counter.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn words(block: uint8x16_t) -> uint32x4_t {
    vreinterpretq_u32_u8(vrev32q_u8(block))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn block(words: uint32x4_t) -> uint8x16_t {
    vrev32q_u8(vreinterpretq_u8_u32(words))
}

/// The counter, further by `count`; it wraps in its 32 bits.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn plus(words: uint32x4_t, count: u32) -> uint32x4_t {
    vaddq_u32(words, vsetq_lane_u32::<3>(count, vdupq_n_u32(0)))
}

/// `key`, but the compiler does not know it. It would take all loads of round keys and powers out of the loop, and then,
/// short of registers, spill them to the stack, where nothing wipes them.
#[inline]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "the asm, a comment, reads nothing")]
pub(super) fn hide(key: &Schedule) -> &Schedule {
    let mut place = core::ptr::from_ref(key);
    // SAFETY: the asm is a comment.
    unsafe { asm!("/* {} */", inout(reg) place, options(nomem, nostack, preserves_flags)) };
    // SAFETY: it is the reference that came in, and lives as long.
    unsafe { &*place }
}

/// Fewer than 16 bytes and zeros behind them.
#[inline]
pub(super) fn padded(bytes: &[u8]) -> [u8; 16] {
    let mut block = [0; 16];
    copy_short(&mut block[..bytes.len()], bytes);
    block
}

/// Copies fewer than 16 bytes with no call: one would save the vector registers, and so secrets, to the stack.
#[inline]
pub(super) fn copy_short(to: &mut [u8], from: &[u8]) {
    let (to, from) = copy_chunk::<8>(to, from);
    let (to, from) = copy_chunk::<4>(to, from);
    let (to, from) = copy_chunk::<2>(to, from);
    copy_chunk::<1>(to, from);
}

/// Copies N bytes if there are so many. Gives what is left.
#[inline]
pub(super) fn copy_chunk<'a, const N: usize>(to: &'a mut [u8], from: &'a [u8]) -> (&'a mut [u8], &'a [u8]) {
    if to.len() < N || from.len() < N {
        return (to, from);
    }
    let (chunk, to) = to.split_at_mut(N);
    let (source, from) = from.split_at(N);
    chunk.copy_from_slice(source);
    (to, from)
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_blocks(bytes: &[u8; 16 * STEP]) -> [uint8x16_t; STEP] {
    let (blocks, _) = bytes.as_chunks::<16>();
    core::array::from_fn(|i| load(&blocks[i]))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_blocks(bytes: &mut [u8; 16 * STEP], blocks: [uint8x16_t; STEP]) {
    for (bytes, block) in bytes.as_chunks_mut::<16>().0.iter_mut().zip(blocks) {
        *bytes = to_bytes(block);
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference is valid for reads of 16 bytes; the load asks for no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_pair(pair: &[u64; 2]) -> uint8x16_t {
    // SAFETY: the reference is valid for reads of 16 bytes.
    vreinterpretq_u8_u64(unsafe { vld1q_u64(pair.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn to_bytes(block: uint8x16_t) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the array is valid for writes of 16 bytes; the store asks for no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), block) };
    bytes
}
