//! How a table's root key is had: from whichever of its KMS keys answers, and only for a key file that it authenticates.
//!
//! ```text
//! first KMS key    made the root key (GenerateDataKey) and unwraps it (Decrypt)
//! each further one made a key of its own, which seals the root key beside it: no KMS is told the root key
//! ```
//!
//! They are asked one after the other, in the order of the file. The next one is asked where the one before cannot be reached,
//! throttles or fails, or where its wrapping is damaged. A definite no ends it: a disabled key is not worked around. For
//! certain a table is locked when all of its KMS keys say no: docs/decisions/0017-several-kms-keys.md.

use std::io;

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

use crate::bytes::Base64;
use crate::keyfile::{KeyFile, Parsed, Wrapping};
use crate::keys::{RootKey, open_root_key, seal_root_key};
use crate::kms::{EncryptionContext, Kms, KmsError};
use crate::service::Inner;
use crate::{Error, Result};

impl Inner {
    /// The key file's bytes.
    pub(crate) fn read_existing(&self, table: &str) -> Result<Vec<u8>> {
        self.read(table)?.ok_or_else(|| Error::NoSuchTable { table: table.to_owned() })
    }

    pub(crate) fn parse<'a>(&self, table: &str, bytes: &'a [u8]) -> Result<Parsed<'a>> {
        KeyFile::parse(bytes)?.ok_or_else(|| self.corrupt(table))
    }

    /// The root key of an authentic file; None instead of an error if that may pass by itself.
    pub(crate) fn open_root(&self, kms: &dyn Kms, table: &str, parsed: &Parsed<'_>) -> Result<RootKey, Option<Error>> {
        self.open_root_in_clear(kms, table, parsed).map(|(_, root)| root)
    }

    /// The same, with the key that a further KMS key is to keep too.
    pub(crate) fn open_root_in_clear(
        &self,
        kms: &dyn Kms,
        table: &str,
        parsed: &Parsed<'_>,
    ) -> Result<(KeyBox<Key>, RootKey), Option<Error>> {
        // What may pass by itself comes first, then what the owner of the machine can repair.
        let (mut may_pass, mut unreadable) = (false, None);
        for wrapping in &parsed.wrappings {
            match self.unwrap_root(kms, table, &parsed.file.table_id, wrapping) {
                Ok(key) => {
                    let root = RootKey::new(&key)?;
                    if root.is_mac(parsed.authenticated, &parsed.mac)? && parsed.file.table == table {
                        return Ok((key, root));
                    }
                    drop(self.changed::<()>("verify_key_file", table, Err(self.corrupt(table))));
                }
                Err(None) => may_pass = true,
                Err(Some(error @ Error::Io { .. })) => unreadable = Some(error),
                Err(Some(Error::KeyFileCorrupt { .. })) => {}
                Err(Some(no)) => return Err(Some(no)),
            }
        }
        Err(if may_pass { None } else { unreadable.or_else(|| Some(self.corrupt(table))) })
    }

    fn unwrap_root(
        &self,
        kms: &dyn Kms,
        table: &str,
        table_id: &[u8; 16],
        wrapping: &Wrapping,
    ) -> Result<KeyBox<Key>, Option<Error>> {
        let context = EncryptionContext::of_table(table, &self.subscriber);
        let key = kms
            .decrypt(&wrapping.kms_key, &wrapping.wrapped.0, &context)
            .map_err(|error| Error::from_kms(error, || self.store.path(table)))?;
        match &wrapping.sealed {
            None => Ok(key),
            Some(sealed) => open_root_key(&key, table_id, &sealed.0).map_err(|_| Some(self.corrupt(table))),
        }
    }

    /// A new root key under these KMS keys, the first of which makes it.
    pub(crate) fn new_root(
        &self,
        table: &str,
        table_id: &[u8; 16],
        kms_keys: &[&str],
    ) -> Result<(RootKey, Vec<Wrapping>), KmsError> {
        let mut keys = kms_keys.iter();
        let context = EncryptionContext::of_table(table, &self.subscriber);
        let made = self.kms.generate_data_key(keys.next().ok_or(KmsError::NotFound)?, &context)?;
        let mut wrappings = vec![Wrapping { kms_key: made.kms_key, wrapped: Base64(made.wrapped), sealed: None }];
        for kms_key in keys {
            wrappings.push(self.wrap_root(table, table_id, kms_key, &made.key)?);
        }
        let root = RootKey::new(&made.key).map_err(|_| KmsError::Internal)?;
        Ok((root, wrappings))
    }

    /// The root key as a further KMS key keeps it.
    pub(crate) fn wrap_root(
        &self,
        table: &str,
        table_id: &[u8; 16],
        kms_key: &str,
        root: &KeyBox<Key>,
    ) -> Result<Wrapping, KmsError> {
        let made = self.kms.generate_data_key(kms_key, &EncryptionContext::of_table(table, &self.subscriber))?;
        let sealed = seal_root_key(&made.key, table_id, root).map_err(|_| KmsError::Internal)?;
        Ok(Wrapping { kms_key: made.kms_key, wrapped: Base64(made.wrapped), sealed: Some(Base64(sealed)) })
    }

    pub(crate) fn corrupt(&self, table: &str) -> Error {
        Error::KeyFileCorrupt { path: self.store.path(table) }
    }

    /// What a failed write of a table's key file means.
    pub(crate) fn unwritten(&self, table: &str, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Error::TableExists { table: table.to_owned() },
            _ => Error::io(self.store.path(table), error),
        }
    }
}
