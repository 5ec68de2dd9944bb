//! What Tablecrypt needs of the operating system and cannot have without unsafe: to notice a fork, and memory for keys.
//!
//! ```text
//! fork_generation   a number that a forked child does not share with its parent           fork.rs
//! PerProcess        a value that a child has anew, whatever its parent's threads were at   per_process.rs
//! Swap              a value that many read and few replace, without a locked instruction     swap.rs
//!   hazard          which values threads read at this moment                               hazard.rs
//! SetOnce           a value that is set once, and never waited for                         set_once.rs
//! KeyBox            a key in memory that is locked, not dumped and not a child's           key_box.rs
//!   slab            slots of that memory, shared by all keys of the process                slab.rs
//!     mapping       the pages                                                              mapping.rs
//! ```
//!
//! Nothing here waits for a lock, so that a fork at any instant leaves the child nothing to wait for.

#[allow(unsafe_code, reason = "docs/decisions/0002: one page of memory, mapped and advised once")]
mod fork;
#[allow(unsafe_code, reason = "docs/decisions/0027: records of threads that are never freed, and one system call")]
mod hazard;
#[allow(unsafe_code, reason = "docs/decisions/0010: a value behind a pointer into a slab")]
mod key_box;
#[allow(unsafe_code, reason = "docs/decisions/0010: mmap, mlock, madvise and memfd_secret")]
mod mapping;
#[allow(unsafe_code, reason = "docs/decisions/0010: a pointer that threads race to set, without a lock")]
mod per_process;
#[allow(unsafe_code, reason = "docs/decisions/0010: a pointer that threads race to set, without a lock")]
mod set_once;
#[allow(unsafe_code, reason = "docs/decisions/0010: slots of mapped pages, taken and given back without a lock")]
mod slab;
#[allow(unsafe_code, reason = "docs/decisions/0027: a pointer that threads read while others replace it")]
mod swap;

pub use fork::fork_generation;
pub use key_box::KeyBox;
pub use mapping::MemoryKind;
pub use per_process::PerProcess;
pub use set_once::SetOnce;
pub use slab::{KeyMemory, KeyMemoryUse, key_memory};
pub use swap::{Guard, Swap};

use core::mem::MaybeUninit;

use zeroize::Zeroize;

/// Overwrites the part of this thread's stack that the next calls would use: what calls that handled a key left there.
///
/// 16 KiB of it. To be called once the last of them has returned, from the function that called them.
#[inline(never)]
pub fn clear_stack() {
    [const { MaybeUninit::<u8>::uninit() }; 16 << 10].zeroize();
}
