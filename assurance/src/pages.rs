//! Memory between two pages that nobody may read or write: whoever touches a byte before its start or past its end dies.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: pages of memory, mapped and protected once")]

use core::ptr;
use core::slice;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The largest page of a Linux that runs the core: 64 KiB on some ARMs. A multiple of every smaller one.
const PAGE: usize = 64 << 10;

/// Whole pages, with one before and one behind them.
pub struct Pages {
    start: *mut u8,
    room: usize,
}

// SAFETY: the memory is this value's alone, from any thread.
unsafe impl Send for Pages {}

/// A byte that may not be touched, and how it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Touch {
    /// The one before the first is read.
    ReadBefore,
    /// The one behind the last is read.
    ReadPast,
    /// The one before the first is written.
    WriteBefore,
    /// The one behind the last is written.
    WritePast,
}

impl Pages {
    /// Room for so many bytes at least.
    #[must_use]
    pub fn new(least: usize) -> Self {
        let room = least.max(1).next_multiple_of(PAGE);
        // SAFETY: a null address lets the system choose; nothing that is in use is mapped over.
        let all = unsafe { mmap_anonymous(ptr::null_mut(), room + 2 * PAGE, ProtFlags::empty(), MapFlags::PRIVATE) };
        let start = all.expect("addresses").cast::<u8>().wrapping_add(PAGE);
        // SAFETY: these pages are of the mapping that was just made, and nothing refers to them yet.
        let opened = unsafe { mprotect(start.cast(), room, MprotectFlags::READ | MprotectFlags::WRITE) };
        opened.expect("memory");
        Self { start, room }
    }

    /// All bytes between the two pages.
    pub const fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `new` mapped so many bytes here for reading and writing, zeros at first; `self` alone leads to them.
        unsafe { slice::from_raw_parts_mut(self.start, self.room) }
    }

    /// So many bytes that end `gap` bytes before the page behind.
    pub fn at_end(&mut self, length: usize, gap: usize) -> &mut [u8] {
        let end = self.room - gap;
        &mut self.bytes()[end - length..end]
    }

    /// So many bytes that begin `gap` bytes after the page before.
    pub fn at_start(&mut self, length: usize, gap: usize) -> &mut [u8] {
        &mut self.bytes()[gap..gap + length]
    }

    /// Touches a byte of the pages around, to show that the process dies of it.
    pub fn touch(&self, touch: Touch) {
        let (before, past) = (self.start.wrapping_sub(1), self.start.wrapping_add(self.room));
        match touch {
            Touch::ReadBefore => {
                // SAFETY: none. The page is there without access, so the system ends the process: that is what is shown.
                unsafe { before.read_volatile() };
            }
            Touch::ReadPast => {
                // SAFETY: as above.
                unsafe { past.read_volatile() };
            }
            // SAFETY: as above.
            Touch::WriteBefore => unsafe { before.write_volatile(0) },
            // SAFETY: as above.
            Touch::WritePast => unsafe { past.write_volatile(0) },
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and nothing that borrowed from `self` is left.
        let unmapped = unsafe { munmap(self.start.wrapping_sub(PAGE).cast(), self.room + 2 * PAGE) };
        unmapped.expect("it was mapped");
    }
}
