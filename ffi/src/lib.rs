//! The C interface: `include/tablecrypt.h`, which `examples/header.rs` writes from these files.
//!
//! ```text
//! gcm.rs  kms.rs  settings.rs  service.rs  connection.rs  table.rs  structure.rs  local_kms.rs    one noun of the header each
//!                             |
//!                        boundary.rs     pointers become references here; NULL, lengths and overlap; no panic passes
//!                        callbacks.rs    the other way: functions of C's are called here
//!                         places.rs      overlap among the many buffers of a batch
//!                             |
//!                         status.rs      every error's number and sentence
//! ```
//!
//! It is no place for logic: each function checks what C gave it, calls the envelope or the core, and numbers the
//! answer. How a caller uses them is said in the header, not here.

pub mod connection;
pub mod gcm;
pub mod kms;
pub mod local_kms;
pub mod service;
pub mod settings;
pub mod status;
pub mod structure;
pub mod table;

mod boundary;
mod callbacks;
mod places;
