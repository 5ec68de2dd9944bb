//! The command `tablecrypt`, and the KMS to test against that it serves.

#![forbid(unsafe_code)]

pub mod kms_server;
