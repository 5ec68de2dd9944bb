//! Encryption at rest for tables: a key hierarchy under a KMS key, and records sealed at the speed of the hardware.
//!
//! ```text
//! KMS key   in the KMS; alias/tablecrypt/default, or one that the table names      kms/
//!  wraps    root key    one a table, kept wrapped in the table's key file          keyfile.rs  store.rs
//!   wraps   data keys   one a structure (base table, index) and generation         keys.rs
//!    derive session keys, which seal records                                       session.rs  record.rs  batch.rs
//!
//! Service -> Connection -> Table -> Structure::{seal, open}                        what a caller meets
//!                            |
//!                         Access      one connection's hold on a permission        access.rs
//!                            |
//!                        Permission   a snapshot of live keys, and its deadline    cache.rs  scope.rs  timing.rs
//!                            ^
//!                        refresh      one real KMS Decrypt every five minutes      refresh.rs
//! ```
//!
//! ```
//! use tablecrypt::{Service, TableSpec};
//!
//! let folder = tempfile::tempdir()?;
//! let service = Service::local(folder.path())?;
//! service.create_table(&TableSpec::new("flights").local("by-delay").global("by-tail"))?;
//!
//! let connection = service.connect();
//! let flights = connection.open_table("flights")?;
//! let record = flights.base().seal(b"2013-01-01/UA/1545/EWR", b"an item")?;
//! assert_eq!(flights.base().open(b"2013-01-01/UA/1545/EWR", &record)?, b"an item");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::unnecessary_lazy_evaluations, reason = "making an error in vain takes 9 instructions to drop it")]

mod access;
pub mod audit;
mod automatic;
mod batch;
mod builder;
mod bytes;
mod cache;
mod change;
pub mod clock;
mod connection;
mod counters;
#[cfg(all(test, not(shuttle)))]
mod crash;
mod date;
mod error;
#[cfg(feature = "metrics")]
mod facade;
mod generation;
mod keyfile;
mod keys;
pub mod kms;
mod log;
mod metrics;
#[cfg(all(test, shuttle))]
mod models;
mod readers;
mod record;
mod refresh;
mod rewrap;
mod root;
mod scope;
mod service;
mod session;
pub mod store;
mod structure;
mod switch;
mod sync;
mod table;
mod timing;
mod unlocked;
mod watched;

pub use automatic::RotationPolicy;
pub use batch::Item;
pub use builder::ServiceBuilder;
pub use connection::Connection;
pub use error::Error;
pub use generation::{Generation, generation_of_record, records_of_generation};
pub use log::{Listener, LogLevel};
pub use metrics::{KmsCall, KmsCalls, Metrics};
pub use record::OVERHEAD;
pub use rewrap::{Rewrap, Rewrapping};
pub use scope::Scope;
pub use service::{DEFAULT_KEY_ALIAS, Service};
pub use structure::Structure;
pub use table::{KeyStatus, SseType, StructureName, Table, TableDescription, TableSpec};
pub use tablecrypt_core as core;
pub use tablecrypt_os::{KeyBox, KeyMemory, KeyMemoryUse, MemoryKind, key_memory};
pub use unlocked::Unlocked;

/// What every call here gives that can fail.
pub type Result<T, E = Error> = ::core::result::Result<T, E>;
