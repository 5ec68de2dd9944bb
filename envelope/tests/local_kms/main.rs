//! The embedded KMS through its public API: keys, states, blobs, the audit log, and what happens under a crash, a full
//! disk and many callers at once.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, and does not see that helpers are tests")]

mod blobs;
mod callers;
#[cfg(feature = "passphrase")]
mod cover;
mod files;
mod fixture;
mod keys;
mod log;
