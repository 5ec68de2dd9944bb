//! Pages for keys: as well kept as this system and its limits allow, between two pages that nobody may touch.
//!
//! ```text
//!             guard | pages | guard            swap   core dump   kernel, debugger   forked child
//! Secret      memfd_secret (Linux 5.14)        no     no          not reachable      not mapped: MADV_DONTFORK
//! Locked      mmap, mlock, MADV_DONTDUMP       no     no          reachable          zeros: MADV_WIPEONFORK
//! Unlocked    the same without mlock           may be no          reachable          zeros: MADV_WIPEONFORK
//! ```
//!
//! Each is taken where the one before it was refused: memfd_secret is off in some kernels, and both count against
//! RLIMIT_MEMLOCK.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// How well the pages that hold keys are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MemoryKind {
    /// Not locked: the system may write them to swap. They are not dumped, and not a forked child's.
    Unlocked,
    /// Locked, not dumped, and not a forked child's.
    Locked,
    /// All that, and out of the kernel's own map of memory (`memfd_secret`), so that no other process reads them either.
    Secret,
}

impl MemoryKind {
    /// Its name as metrics and logs print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
        }
    }
}

/// Maps `length` bytes, a multiple of the page, of this kind; zeroed, and never unmapped. None where it is refused.
pub(crate) fn map(kind: MemoryKind, length: usize) -> Option<NonNull<u8>> {
    let reserved = Reserved::new(length)?;
    let done = match kind {
        MemoryKind::Secret => reserved.make_secret(),
        MemoryKind::Locked => reserved.make_plain() && reserved.lock(),
        MemoryKind::Unlocked => reserved.make_plain(),
    };
    if done { Some(reserved.keep()) } else { None }
}

/// The size of a page, and of a guard.
pub(crate) fn page() -> usize {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).unwrap_or(4096)
}

/// A range of addresses that is ours, with a guard at each end; given back when it is dropped.
struct Reserved {
    base: NonNull<c_void>,
    length: usize,
    page: usize,
}

impl Reserved {
    fn new(length: usize) -> Option<Self> {
        let page = page();
        assert!(length > 0 && length.is_multiple_of(page), "whole pages");
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that anybody has.
        let base = unsafe { libc::mmap(ptr::null_mut(), length + 2 * page, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return None;
        }
        Some(Self { base: NonNull::new(base)?, length, page })
    }

    /// Where the pages are, between the guards.
    fn inner(&self) -> NonNull<c_void> {
        // SAFETY: the range is `length` and two pages long.
        unsafe { self.base.byte_add(self.page) }
    }

    #[cfg(target_os = "linux")]
    fn make_secret(&self) -> bool {
        use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

        // SAFETY: takes a flag, and makes a descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let Ok(fd @ 0..) = i32::try_from(fd) else { return false };
        // SAFETY: the kernel has just made it, for nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let Ok(size) = libc::off_t::try_from(self.length) else { return false };
        // SAFETY: sets the size of a file of our own.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), size) } != 0 {
            return false;
        }
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
        // SAFETY: in place of a part of a range that is ours, and that holds nothing yet.
        let at = unsafe { libc::mmap(self.inner().as_ptr(), self.length, access, flags, fd.as_raw_fd(), 0) };
        at != libc::MAP_FAILED && self.advise(libc::MADV_DONTFORK)
    }

    #[cfg(not(target_os = "linux"))]
    fn make_secret(&self) -> bool {
        false
    }

    /// Ordinary pages, not dumped and not a child's where the system can do that.
    fn make_plain(&self) -> bool {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a part of a range that is ours.
        if unsafe { libc::mprotect(self.inner().as_ptr(), self.length, access) } != 0 {
            return false;
        }
        #[cfg(target_os = "linux")]
        for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
            // Older kernels refuse; a child does not use the keys in any case.
            self.advise(advice);
        }
        true
    }

    fn lock(&self) -> bool {
        // SAFETY: a part of a range that is ours; it changes no byte.
        unsafe { libc::mlock(self.inner().as_ptr(), self.length) == 0 }
    }

    #[cfg(target_os = "linux")]
    fn advise(&self, advice: i32) -> bool {
        // SAFETY: a part of a range that is ours; none of the advices given here changes a byte in this process.
        unsafe { libc::madvise(self.inner().as_ptr(), self.length, advice) == 0 }
    }

    /// The pages, for as long as the process lives.
    fn keep(self) -> NonNull<u8> {
        let pages = self.inner().cast();
        core::mem::forget(self);
        pages
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and nobody was told of it.
        unsafe { libc::munmap(self.base.as_ptr(), self.length + 2 * self.page) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a process that touched this byte ended: by which signal.
    fn signal_of_touching(byte: *mut u8) -> i32 {
        // SAFETY: the child writes a byte and calls `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: what this is for: it may end the child.
            unsafe { byte.write_volatile(1) };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) }
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the write; `pid` is a child of this process.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 }
    }

    #[test]
    fn each_kind_lies_between_guards() {
        for kind in [MemoryKind::Secret, MemoryKind::Locked, MemoryKind::Unlocked] {
            let Some(pages) = map(kind, 2 * page()) else {
                println!("SKIPPED: this system gives no {} memory", kind.name());
                continue;
            };
            let first = pages.as_ptr();
            let last = first.wrapping_add(2 * page() - 1);
            // SAFETY: the pages are this test's own.
            unsafe { last.write_volatile(1) };
            assert_eq!(signal_of_touching(first.wrapping_sub(1)), libc::SIGSEGV, "before {}", kind.name());
            assert_eq!(signal_of_touching(last.wrapping_add(1)), libc::SIGSEGV, "behind {}", kind.name());
            // The control, and what a child has: nothing at all of secret memory, a page of its own of the others.
            let in_child = if kind == MemoryKind::Secret { libc::SIGSEGV } else { 0 };
            assert_eq!(signal_of_touching(last), in_child, "{}", kind.name());
        }
    }
}
