//! The core against two other implementations, and between pages that nobody may touch.
//!
//! Published answers are short: the longest has 2,148 bytes, where a wide kernel has done four of its steps. So the program
//! `sweep` makes its own, of every length, and lets two other implementations say what they must be. The program `guard`
//! lets the operating system say whether a byte is touched that is not the call's.
//!
//! ```text
//!  bin/sweep   lengths, counters that wrap, random messages and batches; which ways through the backends they took
//!  bin/guard   every alignment and length between pages without access
//!     rivals   what a message must become: AWS-LC and RustCrypto, which have to agree
//!     check    one message under one of our keys, compared
//!     streams  the bytes of all that, the same in every run
//!     share    the work, on all CPUs
//!     pages    memory that ends or begins where nobody may read
//! ```

pub mod check;
pub mod pages;
pub mod rivals;
pub mod share;
pub mod streams;

use tablecrypt_core::{Aes256Gcm, Backend, Key};

/// Our cipher on each backend that this CPU has, the best first, under one key.
#[must_use]
pub fn ours(backends: &[Backend], key: &[u8; 32]) -> Vec<Aes256Gcm> {
    let on = |backend: &Backend| Aes256Gcm::on(*backend, &Key::from(key)).expect("an available backend");
    backends.iter().map(on).collect()
}

/// The backends of this CPU, the best first.
#[must_use]
pub fn backends() -> Vec<Backend> {
    Backend::ALL.iter().copied().filter(|backend| backend.is_available()).collect()
}

/// Their names, for a line of output.
#[must_use]
pub fn names(backends: &[Backend]) -> String {
    backends.iter().map(|backend| backend.name()).collect::<Vec<_>>().join(", ")
}
