//! AWS KMS behind Tablecrypt's trait [`Kms`](tablecrypt::kms::Kms).
//!
//! ```text
//!   a caller, on any thread          the thread tablecrypt-kms, one a process
//!    AwsKms::decrypt ---- call ----> Worker   a current-thread runtime            worker.rs
//!      waits, no async needed         `- Session   the SDK's client               session.rs
//!    <---- answer, request id ----        |- calls, and what they answer          calls.rs
//!                                         |- the service default key              default_key.rs
//!    open_table_async ...                 `- vendor errors, sorted once           sort.rs
//! ```
//!
//! Credentials, region and endpoint come from the AWS SDK's standard chain and from nothing of ours: environment
//! (`AWS_REGION`, `AWS_ENDPOINT_URL_KMS` ...), profiles, web identity, containers, instances. A profile that signs in
//! with IAM Identity Center needs the feature `sso`.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use tablecrypt::store::FolderStore;
//! use tablecrypt::{Service, TableSpec};
//! use tablecrypt_kms_aws::AwsKms;
//!
//! let service = Service::builder(Arc::new(AwsKms::new()), Arc::new(FolderStore::open("tables")?)).build();
//! service.create_table(&TableSpec::new("flights"))?; // under alias/tablecrypt/default, which is created if it is missing
//! service.create_table(&TableSpec::new("planes").kms_key("alias/planes"))?; // under a key of its own
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What a call costs.** A try has 2 s, a call with all its tries 10 s ([`AwsKms::with_timeouts`]); without
//! them a server that never answers would hang a refresh for ever. Tries that may succeed later are made again, at the
//! SDK's adaptive rate. Decrypt over loopback takes 2 ms, to AWS what the network takes.
//!
//! **Regions.** A key is asked for in the client's region; where its ARN names another one, there. So a table may be under
//! keys of two regions. A multi-Region key is the same key everywhere: it is asked for in the client's region.
//!
//! **In a forked child** the first call starts a thread, a client and connections of its own.
//!
//! **Inside tokio** a call blocks its thread, for 10 s at worst. [`open_table_async`] and [`create_table_async`] wait on
//! another thread instead, and [`unblock`] does so for everything else that may wait for the KMS.
//!
//! **Key bytes.** The key that an answer holds goes to a [`KeyBox`](tablecrypt::KeyBox), and what the SDK gave is wiped.
//! The SDK's own buffers (the answer as text, and what TLS decrypted) are freed without being wiped: that is the SDK's.

#![forbid(unsafe_code)]

mod calls;
mod client;
mod default_key;
mod session;
mod sort;
mod unblock;
mod worker;

pub use aws_config;
pub use client::AwsKms;
pub use unblock::{create_table_async, open_table_async, unblock};
