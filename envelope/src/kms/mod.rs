//! The key management service as the hierarchy sees it: five calls, and errors sorted once.
//!
//! The KMS key never leaves the service. It wraps one root key a table ([`Kms::generate_data_key`]), unwraps it for
//! whoever may ([`Kms::decrypt`]), and moves it to another KMS key ([`Kms::re_encrypt`]). Every one of these calls is
//! bound to an [`EncryptionContext`]. Implementations: [`LocalKms`], a folder;
//! [`FaultKms`], which fails as a test tells it; [`Routes`], several of them behind one.

mod arn;
mod fault;
mod local;
mod request;
mod routes;

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

pub use arn::{key_in_region, same_key};
pub use fault::FaultKms;
#[cfg(feature = "passphrase")]
pub use local::Protection;
pub use local::{AuditEntry, LocalKms, Operation};
pub use request::{note_request, with_request};
pub use routes::Routes;

/// A key management service. Calls may block and may be slow; no caller of this crate holds a lock over one.
///
/// An implementation that knows the service's id of a request says it by [`note_request`].
pub trait Kms: Send + Sync + fmt::Debug {
    /// The key that `alias` names; created, with this description, when there is none. N callers at once get one key.
    ///
    /// # Errors
    /// Any [`KmsError`] but [`KmsError::NotFound`].
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError>;

    /// What the service says of a key, by its id, ARN or alias.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] where there is none; or any other [`KmsError`].
    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError>;

    /// A new random 256-bit key, in clear and wrapped under `key` (id, ARN or alias), bound to `context`.
    ///
    /// # Errors
    /// Any [`KmsError`].
    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError>;

    /// Unwraps what `key` wrapped with this `context`.
    ///
    /// # Errors
    /// Any [`KmsError`]; [`KmsError::WrongContext`] where only the context differs, if the service can tell.
    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError>;

    /// Wraps again, under `to`, what `from` wrapped, inside the service. Gives the ARN of `to` and the wrapped bytes.
    ///
    /// # Errors
    /// Any [`KmsError`].
    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError>;
}

/// A data key as [`Kms::generate_data_key`] gives it: here it is a table's root key.
#[derive(Debug)]
pub struct GeneratedKey {
    /// The ARN of the KMS key that wrapped it.
    pub kms_key: String,
    /// The key in clear; wiped when it is dropped.
    pub key: KeyBox<Key>,
    /// The key as it is stored.
    pub wrapped: Vec<u8>,
}

/// What a KMS says of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMetadata {
    /// Its ARN, which is unique.
    pub arn: String,
    /// Its id.
    pub id: String,
    /// Whether it can be used.
    pub state: KeyState,
    /// What it is for, in its creator's words.
    pub description: String,
}

/// Whether a KMS key can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It can be used.
    Enabled,
    /// It cannot, until somebody enables it.
    Disabled,
    /// It cannot, and will be destroyed unless somebody cancels that.
    PendingDeletion,
}

/// Names and values that a wrapped key is bound to: to unwrap it the same ones must be given. They are not secret.
///
/// Two contexts are the same when they have the same names with the same values; `a=bc` is never `ab=c`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// The context of a table's root key.
    #[must_use]
    pub fn of_table(table: &str, subscriber: &str) -> Self {
        [(Self::TABLE, table), (Self::SUBSCRIBER, subscriber)].into_iter().collect()
    }

    /// The name of the pair that says which table.
    pub const TABLE: &'static str = "tablecrypt:table";
    /// The name of the pair that says whose table.
    pub const SUBSCRIBER: &'static str = "tablecrypt:subscriber";

    /// A copy of the pairs.
    pub(crate) fn pairs(&self) -> BTreeMap<String, String> {
        self.iter().collect::<Self>().0
    }

    #[inline(never)]
    fn insert(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// The pairs, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The bytes that stand for this context and for no other: each name and value after its length, in order of names.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for EncryptionContext {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        // One by one: to collect them brings a sort of its own with it, and they are two.
        let mut context = Self::default();
        for (name, value) in pairs {
            context.insert(name.into(), value.into());
        }
        context
    }
}

/// Why a KMS did not do it. Every provider sorts its own errors into these, once.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// This caller may not use this key; whoever writes the key's policy decides.
    #[error("the KMS denies the use of this key")]
    AccessDenied,
    /// The audit log could not be written, so the answer was not used; whoever owns the machine repairs that.
    #[error("the audit log cannot be written: {0}")]
    Audit(Arc<io::Error>),
    /// The key is disabled; its administrator enables it.
    #[error("the KMS key is disabled")]
    Disabled,
    /// The service failed; try again later.
    #[error("the KMS failed")]
    Internal,
    /// The wrapped bytes are none of this key's, or the request is malformed; the caller repairs what it stored.
    #[error("the KMS cannot read these wrapped bytes with this key")]
    Invalid,
    /// The files of a local KMS cannot be read or written; whoever owns the machine repairs that.
    #[error("the local KMS cannot use its folder: {0}")]
    Io(#[from] Arc<io::Error>),
    /// There is no such key or alias; the caller names another.
    #[error("the KMS has no such key")]
    NotFound,
    /// The key waits for its destruction; its administrator can still cancel that.
    #[error("the KMS key is pending deletion")]
    PendingDeletion,
    /// Too many calls; try again later.
    #[error("the KMS is throttling")]
    Throttled,
    /// No answer from the service; try again later.
    #[error("the KMS cannot be reached")]
    Unreachable,
    /// The encryption context is not the one that the key was wrapped with; the caller has another table's key file.
    #[error("the encryption context is not the one that this key was wrapped with")]
    WrongContext,
}

impl KmsError {
    /// Its name, for logs and metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::Audit(_) => "Audit",
            Self::Disabled => "Disabled",
            Self::Internal => "Internal",
            Self::Invalid => "Invalid",
            Self::Io(_) => "Io",
            Self::NotFound => "NotFound",
            Self::PendingDeletion => "PendingDeletion",
            Self::Throttled => "Throttled",
            Self::Unreachable => "Unreachable",
            Self::WrongContext => "WrongContext",
        }
    }
}

impl From<io::Error> for KmsError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
