//! What the fuzz targets share: texts of all lengths, places in memory, and the switch of the planted bugs.

pub mod arena;
pub mod edit;

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Result, Unstructured};

/// Whether each target has to fail: then it has a bug, which the fuzzer must find. The control of `admin/fuzz-smoke`.
pub fn planted() -> bool {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var_os("TABLECRYPT_FUZZ_PLANTED").is_some())
}

/// A text, seldom a long one: a few bytes of the input say its length and how it begins, and the rest follows from them.
#[derive(Clone, Debug)]
pub struct Text(pub Vec<u8>);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let longest = [64, 128, 128, 300, 300, 600, 600, 1200, 3000, 9000][u.int_in_range(0..=9)?];
        let length = u.int_in_range(0..=longest)?;
        let mut text = u.bytes(length.min(16).min(u.len()))?.to_vec();
        let mut state = text.iter().fold(1_u64, |state, byte| state.wrapping_mul(257) ^ u64::from(*byte)) | 1;
        text.resize_with(length, || {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()[7]
        });
        Ok(Self(text))
    }
}

/// A few bytes: AAD, a context.
#[derive(Clone, Debug)]
pub struct Few(pub Vec<u8>);

impl<'a> Arbitrary<'a> for Few {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let longest = if u.ratio(1, 8)? { 400 } else { 40 };
        let length = u.int_in_range(0..=longest)?;
        Ok(Self(u.bytes(length.min(u.len()))?.to_vec()))
    }
}

/// Bytes that end where an allocation ends, which AddressSanitizer watches, and begin at some alignment, before which
/// nobody writes.
pub struct Place {
    bytes: Vec<u8>,
    start: usize,
}

impl Place {
    /// A place `shift` bytes (at most 63) after the start of an allocation, with these bytes.
    pub fn new(shift: u8, bytes: &[u8]) -> Self {
        let start = usize::from(shift % 64);
        let mut all = Vec::with_capacity(start + bytes.len());
        all.resize(start, CANARY);
        all.extend_from_slice(bytes);
        Self { bytes: all, start }
    }

    /// A place for as many bytes.
    pub fn blank(shift: u8, length: usize) -> Self {
        Self::new(shift, &vec![CANARY; length])
    }

    pub fn get(&self) -> &[u8] {
        assert!(self.bytes[..self.start].iter().all(|byte| *byte == CANARY), "written before its start");
        &self.bytes[self.start..]
    }

    pub fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

/// What a place holds that nobody wrote.
pub const CANARY: u8 = 0xc5;

/// Whether all bytes are zero.
pub fn is_clear(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
