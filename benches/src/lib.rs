//! Tablecrypt's speed beside that of its rivals, every figure of one row from the same minutes.
//!
//! ```text
//!  bench (driver)      which rows, in which order; tables, record, plots        src/bin/bench/
//!     | one line a question, one worker at a time
//!  worker ...          a process with some libraries: expand, seal, open        src/bin/worker.rs
//!     |
//!  libraries           each library by the fastest way that its manual shows    libraries/
//!  bench.rs            one batch of one operation, timed                        bench.rs
//!  ports.rs            what this CPU could do at most                           ports.rs
//! ```
//!
//! Several workers, because BoringSSL and OpenSSL define the same symbols and because RustCrypto with its hardware needs
//! other rustflags than our portable backend: `docs/decisions/0008-bench-workers.md`.

pub mod bench;
pub mod case;
pub mod libraries;
pub mod ports;
