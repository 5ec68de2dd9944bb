//! Keys whose bytes sort as their values do, part by part.
//!
//! ```text
//! text         its bytes, then a NUL: a text sorts before all that it begins; a text with a NUL is refused
//! number       32 bits, big-endian
//! descending   32 bits with a sign, the sign bit turned, then all bits turned, big-endian: the greatest first
//! ```

use crate::{Error, Result};

/// A key in the making.
#[derive(Clone, Debug, Default)]
pub struct KeyEncoder(Vec<u8>);

impl KeyEncoder {
    /// A text.
    ///
    /// # Errors
    /// [`Error::NulInKey`].
    pub fn text(mut self, text: &str) -> Result<Self> {
        if text.contains('\0') {
            return Err(Error::NulInKey);
        }
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        Ok(self)
    }

    /// A number, the smallest first.
    #[must_use]
    pub fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A number, the greatest first.
    #[must_use]
    pub fn descending(self, number: i32) -> Self {
        self.number(!(number.cast_unsigned() ^ SIGN))
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A key, taken apart from its front. Each call gives None where the key does not hold that part.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a>(pub &'a [u8]);

impl<'a> KeyParts<'a> {
    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = core::str::from_utf8(&self.0[..end]).ok()?;
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    /// A number, the greatest first.
    pub fn descending(&mut self) -> Option<i32> {
        Some((!self.number()? ^ SIGN).cast_signed())
    }
}

const SIGN: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 7] = ["", "1", "10", "9E", "A", "AA", "B6"];
    const NUMBERS: [u32; 7] = [0, 1, 255, 256, 1545, 65_536, u32::MAX];
    const SIGNED: [i32; 9] = [i32::MIN, -256, -43, -1, 0, 1, 255, 1301, i32::MAX];

    #[test]
    fn keys_sort_as_their_values_do() {
        let mut values = Vec::new();
        for first in TEXTS {
            for second in NUMBERS {
                values.extend(TEXTS.map(|third| (first, second, third)));
            }
        }
        values.sort_unstable();
        let key = |(first, second, third)| {
            KeyEncoder::default().text(first).unwrap().number(second).text(third).unwrap().finish()
        };
        let keys: Vec<_> = values.iter().copied().map(key).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn descending_numbers_sort_from_the_greatest() {
        let keys = SIGNED.map(|number| KeyEncoder::default().descending(number).finish());
        assert!(keys.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn a_key_gives_back_its_parts() {
        for (number, signed) in NUMBERS.into_iter().zip(SIGNED) {
            let key = KeyEncoder::default().text("2013-01-01").unwrap().descending(signed).number(number).finish();
            let mut parts = KeyParts(&key);
            assert_eq!(parts.text(), Some("2013-01-01"));
            assert_eq!(parts.descending(), Some(signed));
            assert_eq!(parts.number(), Some(number));
            assert_eq!((parts.number(), parts.text()), (None, None));
        }
    }

    #[test]
    fn a_text_with_a_nul_is_refused() {
        assert!(matches!(KeyEncoder::default().text("A\0B"), Err(Error::NulInKey)));
    }
}
