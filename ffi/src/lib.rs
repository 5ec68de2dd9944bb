//! The C interface: `include/tablecrypt.h`, which `examples/header.rs` writes from these files.
//!
//! ```text
//! kms.rs  settings.rs  service.rs  connection.rs  table.rs  structure.rs       one noun of the header each
//! changes.rs  description.rs  generation.rs  metrics.rs  log.rs  local_kms.rs  gcm.rs  xaes.rs
//!                             |
//!                        boundary.rs     pointers become references here; NULL, lengths and overlap; no panic passes
//!                        callbacks.rs    the other way: functions of C's are called here
//!                         places.rs      overlap among the many buffers of a batch; detached.rs: among those of a message
//!                             |
//!                         status.rs      every error's number and sentence
//! ```
//!
//! It is no place for logic: each function checks what C gave it, calls the envelope or the core, and numbers the
//! answer. How a caller uses them is said in the header, not here.

pub mod changes;
pub mod connection;
pub mod description;
pub mod gcm;
pub mod generation;
pub mod kms;
pub mod local_kms;
pub mod log;
pub mod metrics;
pub mod service;
pub mod settings;
pub mod status;
pub mod structure;
pub mod table;
pub mod xaes;

#[cfg(feature = "aws")]
mod aws;
mod boundary;
mod callbacks;
mod detached;
mod places;
