//! What can go wrong in the core: four sentences.

use core::fmt;

/// Why a call of this crate did nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The output has another length than the call needs; the caller passes the right one. Nothing was written.
    OutputLength,
    /// The text is longer than 2^36 - 32 bytes, or the AAD longer than 2^61 - 1; the caller splits it. Nothing was written.
    TooLong,
    /// The input is shorter than a tag; whoever stored it lost its end. Nothing was written.
    Truncated,
    /// The tag does not fit: wrong key, nonce, AAD or tag, or a changed ciphertext. The output was cleared.
    Unauthentic,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutputLength => "the output buffer has the wrong length",
            Self::TooLong => "the text or its associated data is longer than AES-256-GCM allows",
            Self::Truncated => "the input is shorter than its tag",
            Self::Unauthentic => "the tag does not match: wrong key, nonce or associated data, or changed bytes",
        })
    }
}

impl core::error::Error for Error {}

impl From<Error> for aead::Error {
    fn from(_: Error) -> Self {
        Self
    }
}
