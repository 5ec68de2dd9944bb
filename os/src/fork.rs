//! A number that is another one in a forked child, at the price of two loads.
//!
//! ```text
//! parent   page: g      fork     child   page: 0, for the kernel wiped it -> first call: takes g + 1
//! ```
//!
//! The page is advised MADV_WIPEONFORK (Linux 4.14), so that any road to a new process with this memory is seen, also
//! those that run no handler of pthread_atfork. Where the kernel refuses the advice, a handler clears the word.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Never the same in a process as in the process that it was forked from; the same between two forks.
///
/// A value that was kept with a session tells whether the session is still this process's own.
#[inline]
#[must_use]
pub fn fork_generation() -> u64 {
    // SAFETY: WORD leads to a static or to a mapping that is never undone. Relaxed: there is no more behind it than an
    // atomic, which was never written before its address was.
    let word = unsafe { &*WORD.load(Ordering::Relaxed) };
    match word.load(Ordering::Relaxed) {
        0 => renew(word),
        generation => generation,
    }
}

/// Where the number of this process is. Threads race to set it, for whoever waited for one that was about to could wait
/// for ever: in a child, that thread is not there.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const UNMADE).cast_mut());

/// Stands for the word until that is made. Always 0.
static UNMADE: AtomicU64 = AtomicU64::new(0);

/// Generations given out; in a child it is a copy, so that the next one is new there as well.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// The first call after start or fork. Threads that race here agree on one value.
#[cold]
fn renew(mut word: &'static AtomicU64) -> u64 {
    if core::ptr::eq(word, &UNMADE) {
        let made = core::ptr::from_ref(wiped_on_fork().unwrap_or_else(cleared_by_handler)).cast_mut();
        let unmade = (&raw const UNMADE).cast_mut();
        // The page of a thread that comes second is left over.
        let winner =
            WORD.compare_exchange(unmade, made, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|w| w, |_| made);
        // SAFETY: as in `fork_generation`.
        word = unsafe { &*winner };
    }
    let next = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(others) => others,
    }
}

/// A word on a page of its own that the kernel wipes in a child.
#[cfg(target_os = "linux")]
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    const PAGE: usize = 4096;
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that anybody has.
    let page = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: `page` is the mapping made above, of this length; the advice changes nothing in this process.
    if unsafe { libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) } != 0 {
        return None;
    }
    let word = NonNull::new(page.cast::<AtomicU64>())?;
    // SAFETY: the mapping is aligned to a page, zeroed, which is a valid AtomicU64, and never unmapped.
    Some(unsafe { word.as_ref() })
}

#[cfg(not(target_os = "linux"))]
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    None
}

/// A word that pthread_atfork's child handler clears.
fn cleared_by_handler() -> &'static AtomicU64 {
    static WORD: AtomicU64 = AtomicU64::new(0);
    extern "C" fn clear() {
        WORD.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler stores to one atomic, which is allowed in a forked child.
    unsafe { libc::pthread_atfork(None, None, Some(clear)) };
    &WORD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a child answers with through its exit status.
    fn in_child(child: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child calls async-signal-safe code and `_exit` only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let status = i32::from(!child());
            // SAFETY: ends the child at once, which runs nothing of the parent's.
            unsafe { libc::_exit(status) }
        }
        assert!(pid > 0);
        let mut status = 0;
        // SAFETY: `status` is valid for the write; `pid` is a child of this process.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    #[test]
    fn generation_stays_in_a_process_and_changes_in_every_child() {
        let ours = fork_generation();
        assert_ne!(ours, 0);
        assert_eq!(ours, fork_generation());
        assert!(in_child(|| {
            let child = fork_generation();
            child != ours && child == fork_generation() && in_child(|| ![ours, child].contains(&fork_generation()))
        }));
        assert_eq!(ours, fork_generation());
        assert!(!in_child(|| fork_generation() == ours), "the control: a child that saw no change would say so");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_takes_the_advice() {
        assert!(wiped_on_fork().is_some());
    }
}
