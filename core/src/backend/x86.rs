//! What the x86-64 backends share: the key schedule, GHASH's field, parts of a block, clean registers.
//!
//! GHASH is computed as POLYVAL of byte-reversed blocks (RFC 8452 appendix A): `H' = 2 rev(H)`, products by Karatsuba,
//! and reduced by two multiplications with x^63 + x^62 + x^57 (Gueron's folding). Every function here needs no more than
//! [`cpu::Aesni`](crate::cpu::Aesni) proves, and is compiled again, with the wider backend's encoding, where it is inlined.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: loads, stores and the calls that a proof token allows")]

use core::arch::asm;
use core::arch::x86_64::*;

use zeroize::{Zeroize, optimization_barrier};

use crate::Nonce;

/// Writes a block once for each number: what a loop would be if its count were not too large to be unrolled.
macro_rules! unroll {
    ($i:ident in $($n:literal)* => $body:block) => { $({ const $i: usize = $n; $body })* };
}
pub(super) use unroll;

/// How a key of a backend is made, and the trait of the backend over the functions of its folder; all of them enable what
/// the key's proof shows.
macro_rules! kernel {
    ($proof:ty, $features:literal) => {
        impl Expanded {
            /// Expands `key` and wraps it where the caller wants it: by value it would be moved twice on its way there.
            #[inline(never)]
            pub(crate) fn make<T>(proof: $proof, key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
                let (halves, _) = key.expose().as_chunks::<16>();
                // SAFETY: `proof` exists only if `detect` saw every feature that `schedule` enables.
                let wrapped = unsafe { schedule(proof, [load(&halves[0]), load(&halves[1])], wrap) };
                clear_frame();
                clear_vectors();
                wrapped
            }

            /// Expands the key that XAES's two blocks are when this one has encrypted them: it never leaves the registers,
            /// 12 ns less than by way of memory.
            #[inline(never)]
            pub(crate) fn derive<T>(&self, block: u128, wrap: impl FnOnce(Self) -> T) -> T {
                // SAFETY: `self.proof` exists only if `detect` saw every feature that `derived` enables.
                let wrapped = unsafe { derived(self, block, wrap) };
                clear_frame();
                clear_vectors();
                wrapped
            }
        }

        #[target_feature(enable = $features)]
        fn derived<T>(this: &Expanded, block: u128, wrap: impl FnOnce(Expanded) -> T) -> T {
            let [a, b] = super::halves(block);
            let key = encrypt(&this.schedule.rounds, [number(a), number(b)]);
            schedule(this.proof, key, wrap)
        }

        impl Kernel for Expanded {
            fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
                // SAFETY: `self.proof` exists only if `detect` saw every feature that `crypt` enables.
                let tag = unsafe { crypt_nonce::<true>(&self.schedule, nonce, aad, text) };
                clear_vectors();
                tag
            }

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
    };
}
pub(super) use kernel;

/// Round keys of AES-256.
pub(super) type Rounds = [__m128i; 15];

/// The key schedule of FIPS 197 section 5.2.
///
/// `aesenclast` with a word in all four columns is SubWord without ShiftRows' effect: three times faster than
/// `aeskeygenassist` on most CPUs.
#[inline]
#[target_feature(enable = "aes,ssse3")]
pub(super) fn expand(key: [__m128i; 2], rounds: &mut Rounds) {
    [rounds[0], rounds[1]] = key;
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
}

/// AES-256 of N blocks.
#[inline]
#[target_feature(enable = "aes")]
pub(super) fn encrypt<const N: usize>(rounds: &Rounds, blocks: [__m128i; N]) -> [__m128i; N] {
    let mut state = blocks.map(|block| _mm_xor_si128(block, rounds[0]));
    for round in &rounds[1..14] {
        state = state.map(|block| _mm_aesenc_si128(block, *round));
    }
    state.map(|block| _mm_aesenclast_si128(block, rounds[14]))
}

/// AES-256 of each block, in place.
#[inline]
#[target_feature(enable = "aes")]
pub(super) fn encrypt_each<const N: usize>(rounds: &Rounds, blocks: &mut [[u8; 16]; N]) {
    let encrypted = encrypt(rounds, core::array::from_fn::<_, N, _>(|i| load(&blocks[i])));
    for (block, encrypted) in blocks.iter_mut().zip(encrypted) {
        *block = to_bytes(encrypted);
    }
}

/// H' = 2 rev(E(0)).
#[inline]
#[target_feature(enable = "aes,ssse3")]
pub(super) fn hash_key(rounds: &Rounds) -> __m128i {
    double(reverse(encrypt(rounds, [_mm_setzero_si128()])[0]))
}

/// The sum of products in GF(2)[x], not yet reduced: Karatsuba's three parts.
pub(super) struct Sum {
    pub(super) low: __m128i,
    pub(super) middle: __m128i,
    pub(super) high: __m128i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn zero() -> Self {
        let zero = _mm_setzero_si128();
        Self { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    pub(super) fn add(&mut self, block: __m128i, power: __m128i, folded: __m128i) {
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128(block, power, 0x00));
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128(block, power, 0x11));
        self.middle = _mm_xor_si128(self.middle, _mm_clmulepi64_si128(fold(block), folded, 0x00));
    }

    /// The sum modulo x^128 + x^127 + x^126 + x^121 + 1, divided by x^128: two foldings of 64 bits each.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    pub(super) fn reduce(self) -> __m128i {
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
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn multiply(a: __m128i, power: __m128i, folded: __m128i) -> __m128i {
    let mut product = Sum::zero();
    product.add(a, power, folded);
    product.reduce()
}

/// Its square, sooner than a product: the middle part of a square is zero.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn square(a: __m128i) -> __m128i {
    let (low, high) = (_mm_clmulepi64_si128(a, a, 0x00), _mm_clmulepi64_si128(a, a, 0x11));
    Sum { low, middle: _mm_xor_si128(low, high), high }.reduce()
}

/// Powers of H', the highest first, so that neighbours are multiplied with neighbouring blocks: `plain[N - n]` is H'^n,
/// before the zeros that a backend may have at the end.
#[repr(C, align(64))]
pub(super) struct Powers<const N: usize> {
    pub(super) plain: [__m128i; N],
    /// The two halves of each added, in both halves.
    pub(super) folded: [__m128i; N],
}

/// Powers and their folded halves.
pub(super) type View<'a, const N: usize> = (&'a [__m128i; N], &'a [__m128i; N]);

impl<const N: usize> Powers<N> {
    #[inline]
    pub(super) fn view(&self) -> View<'_, N> {
        (&self.plain, &self.folded)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn zero() -> Self {
        Self { plain: [_mm_setzero_si128(); N], folded: [_mm_setzero_si128(); N] }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn set(&mut self, plain: [__m128i; N]) {
        for (i, power) in plain.into_iter().enumerate() {
            (self.plain[i], self.folded[i]) = (power, fold(power));
        }
    }
}

impl<const N: usize> Zeroize for Powers<N> {
    fn zeroize(&mut self) {
        wipe(&mut self.plain);
        wipe(&mut self.folded);
    }
}

/// The two halves added, in both halves: Karatsuba's middle factor.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn fold(a: __m128i) -> __m128i {
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

/// J0 of a 96-bit nonce, byte-reversed, so that its counter is the lowest 32 bits and counts with one addition.
///
/// Loaded as three words, by hand, for the compiler would join them: whoever counts nonces has just written one as 4 and 8
/// bytes or as 8 and 4, and a load that spans two stores waits for both to leave the store queue, 15 ns on Zen 3.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn j0_of(nonce: &Nonce) -> __m128i {
    let (first, second, third): (i32, i32, i32);
    // SAFETY: it reads the twelve bytes of the nonce.
    unsafe {
        asm!(
            "mov {first:e}, [{nonce}]",
            "mov {second:e}, [{nonce} + 4]",
            "mov {third:e}, [{nonce} + 8]",
            nonce = in(reg) nonce,
            first = out(reg) first,
            second = out(reg) second,
            third = lateout(reg) third,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    reverse(_mm_set_epi32(1 << 24, third, second, first))
}

/// The block of lengths that ends GHASH, byte-reversed.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn lengths_of(aad: usize, text: usize) -> __m128i {
    _mm_set_epi64x((aad as u64 * 8).cast_signed(), (text as u64 * 8).cast_signed())
}

#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn reverse(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
}

/// A number as a block, its first byte the highest.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn number(number: u128) -> __m128i {
    reverse(_mm_set_epi64x(((number >> 64) as u64).cast_signed(), (number as u64).cast_signed()))
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is valid for reads of 16 bytes; the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn store(bytes: &mut [u8; 16], block: __m128i) {
    // SAFETY: the reference is valid for writes of 16 bytes; the store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), block) };
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn to_bytes(block: __m128i) -> [u8; 16] {
    let mut bytes = [0; 16];
    store(&mut bytes, block);
    bytes
}

/// The last `bytes.len() % 16` bytes, or the last 16 where that is none, and zeros behind them: the last block.
/// Nothing past the end or before the start is read. `bytes` is not empty.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn load_last(bytes: &[u8]) -> __m128i {
    match bytes.last_chunk::<16>() {
        Some(window) if bytes.len().is_multiple_of(16) => load(window),
        Some(window) => _mm_shuffle_epi8(load(window), shift(16 - bytes.len() % 16)),
        None => load_short(bytes),
    }
}

/// Fewer than 16 bytes, and zeros behind them, by two loads that overlap.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load_short(bytes: &[u8]) -> __m128i {
    let length = bytes.len();
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let tail = u64::from_le_bytes(*tail).unbounded_shr(8 * (16 - length.min(16)) as u32);
        _mm_set_epi64x(tail.cast_signed(), i64::from_le_bytes(*head))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (head, tail) = (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)));
        _mm_set_epi64x(0, (head | tail << (8 * (length - 4))).cast_signed())
    } else if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
        let (first, last) = (u32::from(*first), u32::from(*last));
        let middle = u32::from(bytes[length / 2]);
        let word = first | middle << (8 * (length / 2)) | last << (8 * (length - 1));
        _mm_cvtsi32_si128(word.cast_signed())
    } else {
        _mm_setzero_si128()
    }
}

/// Stores the first `bytes.len()`, fewer than 16, bytes of a block, by two stores that overlap.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn store_short(bytes: &mut [u8], block: __m128i) {
    let length = bytes.len();
    let low = _mm_cvtsi128_si64(block).cast_unsigned();
    if length >= 8 {
        let high = _mm_extract_epi64(block, 1).cast_unsigned();
        // The eight bytes that end the part: those of `high` that belong to it, those of `low` before them.
        let shift = 8 * (length - 8) as u32;
        let tail = low.unbounded_shr(shift) | high.unbounded_shl(64 - shift);
        *bytes.first_chunk_mut().expect("eight or more") = low.to_le_bytes();
        *bytes.last_chunk_mut().expect("eight or more") = tail.to_le_bytes();
    } else if length >= 4 {
        *bytes.first_chunk_mut().expect("four or more") = (low as u32).to_le_bytes();
        *bytes.last_chunk_mut().expect("four or more") = ((low >> (8 * (length - 4))) as u32).to_le_bytes();
    } else if length > 0 {
        bytes[0] = low as u8;
        bytes[length / 2] = (low >> (8 * (length / 2))) as u8;
        bytes[length - 1] = (low >> (8 * (length - 1))) as u8;
    }
}

/// A block with its first `length` bytes all ones, the others zero.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn ones(length: usize) -> __m128i {
    static ONES: [u8; 32] = {
        let mut ones = [0; 32];
        let mut i = 0;
        while i < 16 {
            ones[i] = 0xff;
            i += 1;
        }
        ones
    };
    load(ONES[16 - length..].first_chunk().expect("sixteen are left"))
}

/// The shuffle that moves a block `by` bytes towards its start, zeros following.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn shift(by: usize) -> __m128i {
    load(SHIFTS[16 + by..].first_chunk().expect("sixteen are left"))
}

/// The shuffle that moves a block `by` bytes towards its end, zeros before it.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn shift_up(by: usize) -> __m128i {
    load(SHIFTS[16 - by..].first_chunk().expect("sixteen are left"))
}

/// 16 zeros' selectors, a block's, 16 zeros'.
static SHIFTS: [u8; 48] = {
    let mut shifts = [0x80; 48];
    let mut i = 0;
    while i < 16 {
        shifts[16 + i] = i as u8;
        i += 1;
    }
    shifts
};

/// Wipes vectors, in a `Drop`: stores that the compiler may not take away, but may widen.
#[inline]
pub(super) fn wipe(vectors: &mut [__m128i]) {
    // SAFETY: every x86-64 has SSE2.
    vectors.fill(unsafe { _mm_setzero_si128() });
    optimization_barrier(vectors);
}

/// That a dropped key leaves nothing behind, for the backend of the file that it stands in.
#[cfg(test)]
macro_rules! wiping_test {
    ($token:ident) => {
        mod tests {
            use core::mem::MaybeUninit;

            use super::*;

            #[test]
            fn a_dropped_key_leaves_no_round_key_and_no_power_of_h() {
                let Some(proof) = cpu::$token::detect() else { return };
                let mut place = MaybeUninit::<Expanded>::uninit();
                let key = place.write(Expanded::make(proof, &Key::from([7; 32]), |expanded| expanded));
                key.seal(&[0; 12], b"", InOutBuf::from(&mut [0; 100][..]));
                let far: *const _ = key.schedule.far.get().expect("a long message makes all powers");
                let place = place.as_mut_ptr();
                assert!(words(place, far).all(|word| word != 0), "the control: the key stands there");
                // SAFETY: the place was written above and is not used as a key again.
                unsafe { place.drop_in_place() };
                assert!(words(place, far).all(|word| word == 0));
            }

            /// The round keys, and the powers that are not zero to begin with.
            fn words(place: *mut Expanded, far: *const Far) -> impl Iterator<Item = u128> {
                // SAFETY: the place was written, and wiped bytes are bytes.
                let rounds = unsafe { (&raw const (*place).schedule.rounds).read() };
                // SAFETY: as above.
                let near = unsafe { (&raw const (*place).schedule.near.plain).read() };
                // SAFETY: as above.
                let far = unsafe { (&raw const (*far).plain).read() };
                let near = near.into_iter().take(NEAR);
                rounds
                    .into_iter()
                    .chain(near)
                    .chain(far.into_iter().take(FAR))
                    .map(|word| u128::from_le_bytes(to_bytes_of(word)))
            }

            fn to_bytes_of(word: __m128i) -> [u8; 16] {
                // SAFETY: every x86-64 has SSE2.
                unsafe { to_bytes(word) }
            }
        }
    };
}
#[cfg(test)]
pub(super) use wiping_test;
