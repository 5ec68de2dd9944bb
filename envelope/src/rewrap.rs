//! Rewrapping: the root key moves to another KMS key inside the KMS (ReEncrypt), and comes to nobody.
//!
//! Neither the MAC nor a data key changes, so this needs no permission to decrypt: whoever administers the keys can do it. What
//! the KMS gives is proved by a second ReEncrypt, under the same key, before the file is replaced; only the KMS can tell.
//!
//! The root key stays the same one. Who had it, or the use of the old KMS key and a copy of the key file, has it still;
//! [`Service::switch_key`] makes a new one. A KMS re-encrypts between its own keys only: to get to another region, add a KMS key
//! there, and remove the other.

use crate::bytes::Base64;
use crate::change::Kept;
use crate::keyfile::{KeyFile, Wrapping};
use crate::kms::{EncryptionContext, KeyState, Kms, KmsError};
use crate::service::{Inner, Service};
use crate::table::check_name;
use crate::{Error, Result};

/// Which tables' root keys move, and where to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrap {
    from: Option<String>,
    to: String,
}

impl Rewrap {
    /// To this KMS key (id, ARN or alias). It may be the one that wraps now: then its newest backing key wraps anew.
    pub fn to(key: impl Into<String>) -> Self {
        Self { from: None, to: key.into() }
    }

    /// From this KMS key only (id, ARN or alias), and not from whichever is asked first.
    #[must_use]
    pub fn from(mut self, key: impl Into<String>) -> Self {
        self.from = Some(key.into());
        self
    }
}

/// What a rewrap of one table did, or would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rewrapping {
    /// The table.
    pub table: String,
    /// The ARN of the KMS key that wraps its root key.
    pub from: String,
    /// The ARN of the KMS key that is to wrap it.
    pub to: String,
    /// In a dry run: what stands in the way, as far as can be seen without doing it.
    pub obstacle: Option<Error>,
}

impl Service {
    /// Has the KMS wrap a table's root key anew. Two KMS calls (ReEncrypt), and one more (DescribeKey) if the source is named;
    /// no Decrypt, unless the key file is of version 1. Whoever has the table open does not notice. The key file before is
    /// kept until the next change, and opens with the former KMS key.
    ///
    /// # Errors
    /// [`Error::NoSuchKmsKey`] where the source is none of the table's, [`Error::AlreadyUnderKmsKey`] where the target is
    /// another of them, [`Error::KeyFileBusy`], [`Error::KeyFileCorrupt`] where the KMS cannot read what it was given or gave,
    /// [`Error::InvalidRequest`] where it cannot take the source or the target; and as
    /// [`Connection::open_table`](crate::Connection::open_table). The table is as before then.
    pub fn rewrap(&self, table: &str, rewrap: &Rewrap) -> Result<Rewrapping> {
        check_name(table)?;
        self.inner.noted("rewrap", table, || self.rewrap_now(table, rewrap))
    }

    #[inline(never)]
    fn rewrap_now(&self, table: &str, rewrap: &Rewrap) -> Result<Rewrapping> {
        let inner = &self.inner;
        let source = inner.source(rewrap)?;
        let context = EncryptionContext::of_table(table, &inner.subscriber);
        let re_encrypt = |from: &str, wrapped: &[u8], to: &str| {
            let failure = |error| inner.unavailable(Error::from_kms(error, || inner.store.path(table)));
            inner.kms.re_encrypt(from, wrapped, &context, to).map_err(failure)
        };
        let rewrapped = inner.change_wrappings(table, Kept::Former, |_, wrappings| {
            let place = place(wrappings, source.as_deref())?;
            let Wrapping { kms_key: from, wrapped, .. } = &wrappings[place];
            let (to, wrapped) = re_encrypt(from, &wrapped.0, &rewrap.to).map_err(|error| match error {
                // It cannot read the wrapped key, or cannot take the target: where that key wraps it again it is the target.
                Error::KeyFileCorrupt { .. } if re_encrypt(from, &wrapped.0, from).is_ok() => Error::InvalidRequest,
                error => error,
            })?;
            re_encrypt(&to, &wrapped, &to)?;
            if wrappings.iter().any(|other| other.kms_key == to && other.kms_key != *from) {
                return Err(Error::AlreadyUnderKmsKey { key: to });
            }
            let done = Rewrapping { table: table.to_owned(), from: from.clone(), to: to.clone(), obstacle: None };
            (wrappings[place].kms_key, wrappings[place].wrapped) = (to, Base64(wrapped));
            Ok(Some(done))
        })?;
        rewrapped.ok_or_else(|| Error::NoSuchTable { table: table.to_owned() })
    }

    /// Rewraps every table whose root key is under the source; each has its own answer.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::KeyNotFound`] and others if the source is named and cannot be found.
    pub fn rewrap_all(&self, rewrap: &Rewrap) -> Result<Vec<(String, Result<Rewrapping>)>> {
        self.of_all(rewrap, |table| self.rewrap(table, rewrap))
    }

    /// What [`Service::rewrap`] would do to a table: asks the KMS for the two keys (DescribeKey), and changes nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchKmsKey`]; [`Error::KeyNotFound`], [`Error::InvalidRequest`] and others of the KMS; and as
    /// [`Service::describe_table`].
    #[inline(never)]
    pub fn plan_rewrap(&self, table: &str, rewrap: &Rewrap) -> Result<Rewrapping> {
        check_name(table)?;
        let inner = &self.inner;
        let source = inner.source(rewrap)?;
        let bytes = inner.read_existing(table)?;
        let parsed = inner.parse(table, &bytes)?;
        let from = &parsed.wrappings[place(&parsed.wrappings, source.as_deref())?].kms_key;
        let to = inner.kms.describe_key(&rewrap.to).map_err(|error| inner.kms_failure(error))?;
        let source = inner.kms.describe_key(from).map_err(|error| inner.kms_failure(error));
        let taken = parsed.wrappings.iter().any(|other| other.kms_key == to.arn && other.kms_key != *from);
        let obstacle = source.map_or_else(Some, |source| unusable(source.state)).or_else(|| unusable(to.state));
        let obstacle = obstacle.or_else(|| taken.then(|| Error::AlreadyUnderKmsKey { key: to.arn.clone() }));
        Ok(Rewrapping { table: table.to_owned(), from: from.clone(), to: to.arn, obstacle })
    }

    /// What [`Service::rewrap_all`] would do.
    ///
    /// # Errors
    /// As [`Service::rewrap_all`].
    pub fn plan_rewrap_all(&self, rewrap: &Rewrap) -> Result<Vec<(String, Result<Rewrapping>)>> {
        self.of_all(rewrap, |table| self.plan_rewrap(table, rewrap))
    }

    fn of_all<T>(&self, rewrap: &Rewrap, f: impl Fn(&str) -> Result<T>) -> Result<Vec<(String, Result<T>)>> {
        let source = self.inner.source(rewrap)?;
        let is_meant = |table: &str| {
            let is_under = |bytes: &[u8]| {
                let parsed: Option<_> = KeyFile::parse(bytes).ok().flatten();
                parsed.is_none_or(|parsed| place(&parsed.wrappings, source.as_deref()).is_ok())
            };
            // One that cannot be read has its error in its answer.
            self.inner.read(table).ok().flatten().is_none_or(|bytes| is_under(&bytes))
        };
        let tables = self.tables()?.into_iter().filter(|table| is_meant(table));
        Ok(tables.map(|table| (table.clone(), f(&table))).collect())
    }
}

impl Inner {
    /// The ARN of the source, where the caller named one.
    fn source(&self, rewrap: &Rewrap) -> Result<Option<String>> {
        let arn = |key: &String| Ok(self.kms.describe_key(key).map_err(|error| self.kms_failure(error))?.arn);
        rewrap.from.as_ref().map(arn).transpose()
    }
}

/// Where the source stands among the wrappings.
fn place(wrappings: &[Wrapping], source: Option<&str>) -> Result<usize> {
    let Some(source) = source else { return Ok(0) };
    let found = wrappings.iter().position(|wrapping| wrapping.kms_key == source);
    found.ok_or_else(|| Error::NoSuchKmsKey { key: source.to_owned() })
}

fn unusable(state: KeyState) -> Option<Error> {
    let error = match state {
        KeyState::Enabled => return None,
        KeyState::Disabled => KmsError::Disabled,
        KeyState::PendingDeletion => KmsError::PendingDeletion,
    };
    Error::from_kms(error, Default::default)
}
