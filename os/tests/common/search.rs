//! Where in this process's memory given bytes stand. What is looked for is given masked, so that it is not found there.

use super::kms::MASK;
use super::{Mapping, mappings};

/// 32 bytes, each XORed with [`MASK`].
pub(crate) type Masked = [u8; 32];

pub(crate) fn mask(bytes: &[u8; 32]) -> Masked {
    bytes.map(|byte| byte ^ MASK)
}

/// Every address where the bytes stand, with the mapping that it lies in.
pub(crate) fn find(masked: &Masked) -> Vec<(usize, Mapping)> {
    let readable = |mapping: &Mapping| mapping.access.starts_with('r') && !mapping.name.starts_with("[v");
    let mut found = Vec::new();
    for mapping in mappings().into_iter().filter(readable) {
        for address in mapping.start..=mapping.end - masked.len() {
            let is_same = |at: usize| {
                let byte = (address + at) as *const u8;
                // SAFETY: the kernel says that it is mapped and readable; of bytes that change meanwhile any will do.
                let byte = unsafe { byte.read_volatile() };
                byte ^ MASK == masked[at]
            };
            if (0..masked.len()).all(is_same) {
                found.push((address, mapping.clone()));
            }
        }
    }
    found
}
