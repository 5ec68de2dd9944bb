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
        // The kernel shows secret memory to nobody but its own process.
        let is_secret = mapping.name.contains("secretmem");
        let is_there = |page: usize| is_secret || is_readable(page);
        let (mut address, mut seen) = (mapping.start, mapping.start);
        while address + masked.len() <= mapping.end {
            // The allocator gives back what the list of mappings took: each page is asked for just before it is read.
            if address + masked.len() > seen {
                if !is_there(seen) {
                    address = seen + PAGE;
                }
                seen += PAGE;
                continue;
            }
            let is_same = |at: usize| {
                let byte = (address + at) as *const u8;
                // SAFETY: the kernel says that it is mapped and readable; of bytes that change meanwhile any will do.
                let byte = unsafe { byte.read_volatile() };
                byte ^ MASK == masked[at]
            };
            if (0..masked.len()).all(is_same) {
                found.push((address, mapping.clone()));
            }
            address += 1;
        }
    }
    found
}

/// Whether a byte can be read here: the kernel tries.
fn is_readable(address: usize) -> bool {
    let mut byte = 0_u8;
    let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: 1 };
    let pid = std::process::id().cast_signed();
    // SAFETY: the kernel writes one byte, to `byte`, if it can read one.
    let read = unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    read == 1
}

const PAGE: usize = 4096;
