//! Forked children that answer through a socket, and what the kernel says of this process's memory.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part; a test may panic")]

pub(crate) mod kms;
pub(crate) mod search;

use core::time::Duration;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// How long a child may take: one that waits for a lock of its parent's would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A forked child that was told to work.
pub(crate) struct Child {
    pub(crate) pid: libc::pid_t,
    answer: UnixStream,
}

impl Child {
    /// Forks; the child answers with the bytes that `work` gives, and ends without anything of its parent's being run.
    pub(crate) fn fork(work: impl FnOnce() -> Vec<u8>) -> Self {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        // SAFETY: the child runs what these tests are about, and ends by `_exit`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            // One that hangs does not outlive the thread that waits for it, and with it the test's output.
            // SAFETY: takes numbers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let worked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(work));
            let status = i32::from(!worked.is_ok_and(|answer| {
                let length = (answer.len() as u64).to_ne_bytes();
                theirs.write_all(&length).and_then(|()| theirs.write_all(&answer)).is_ok()
            }));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) }
        }
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { pid, answer: ours }
    }

    /// Its answer; None if it died, failed or gave none in time.
    pub(crate) fn wait(mut self) -> Option<Vec<u8>> {
        let mut length = [0; 8];
        let mut answer = Vec::new();
        let answered = self.answer.read_exact(&mut length).and_then(|()| {
            answer.resize(usize::try_from(u64::from_ne_bytes(length)).unwrap(), 0);
            self.answer.read_exact(&mut answer)
        });
        if answered.is_err() {
            // SAFETY: a child of this process that was not waited for yet; it may be dead already.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the write; `pid` is a child of this process.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        (answered.is_ok() && status == 0).then_some(answer)
    }
}

/// One mapping of this process, as /proc/self/smaps tells it.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) access: String,
    pub(crate) name: String,
    pub(crate) flags: Vec<String>,
}

impl Mapping {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    pub(crate) fn advise(&self, advice: i32) {
        // SAFETY: a mapping of this process; the advices that the tests give change nothing in it.
        let advised = unsafe { libc::madvise(self.start as *mut libc::c_void, self.end - self.start, advice) };
        assert_eq!(advised, 0, "{self:?}");
    }
}

/// Every mapping of this process.
pub(crate) fn mappings() -> Vec<Mapping> {
    let mut mappings = Vec::<Mapping>::new();
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            mappings.last_mut().unwrap().flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((start, end)) = range.split_once('-')
        {
            let address = |text| usize::from_str_radix(text, 16).unwrap();
            let mut words = rest.split_whitespace();
            let (start, end, access) = (address(start), address(end), words.next().unwrap().to_owned());
            let name = words.nth(3).unwrap_or_default().to_owned();
            mappings.push(Mapping { start, end, access, name, flags: Vec::new() });
        }
    }
    mappings
}

/// The control of the tests with forks: has children inherit all that the kernel would keep from them, so that a child
/// goes on with its parent's number and keys.
pub(crate) fn defeat_fork_detection() {
    let mappings = mappings();
    let (wiped, not_copied) = (mappings.iter().filter(|m| m.has("wf")), mappings.iter().filter(|m| m.has("dc")));
    assert!(wiped.clone().count() + not_copied.clone().count() >= 2, "a page that tells a fork, and keys");
    wiped.for_each(|mapping| mapping.advise(libc::MADV_KEEPONFORK));
    not_copied.filter(|mapping| !mapping.has("io")).for_each(|mapping| mapping.advise(libc::MADV_DOFORK));
}
