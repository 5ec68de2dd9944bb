//! Comparing and clearing: time that depends on lengths only, stores that the compiler may not drop.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::Tag;

/// Whether two tags are equal, without telling by its time where they differ.
pub(crate) fn tags_match(ours: &Tag, theirs: &Tag) -> bool {
    ours.ct_eq(theirs).into()
}

/// Overwrites `bytes` with zeros, and is not optimised away.
pub fn clear(bytes: &mut [u8]) {
    bytes.zeroize();
}
