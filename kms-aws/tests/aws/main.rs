//! The AWS client over real HTTP: against the server of `tablecrypt kms serve`, which fails as it is told, and against moto.
//!
//! `admin/kms` runs moto and names it in `TABLECRYPT_MOTO_URL`; without that the tests that need it say so.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod calls;
mod default_key;
mod faults;
mod fixture;
mod tables;
mod timeouts;
