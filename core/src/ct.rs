//! Comparing and clearing: time that depends on lengths only, stores that the compiler may not drop.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::Tag;

/// Whether two tags are equal, without telling by its time where they differ.
///
/// As one number, not byte by byte: that took nearly as long as sealing 16 bytes.
#[inline]
pub(crate) fn tags_match(ours: &Tag, theirs: &Tag) -> bool {
    let difference = u128::from_ne_bytes(*ours) ^ u128::from_ne_bytes(*theirs);
    let folded = (difference >> 64) as u64 | difference as u64;
    folded.ct_eq(&0).into()
}

/// Overwrites `bytes` with zeros, and is not optimised away.
pub fn clear(bytes: &mut [u8]) {
    bytes.zeroize();
}
