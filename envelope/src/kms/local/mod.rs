//! The embedded KMS: a folder. For one machine, for tests, and for a first day without a cloud.
//!
//! **It protects nothing against anyone who can read its folder**: the keys lie there in clear, unless a passphrase or a
//! file elsewhere covers them (`LocalKms::open_protected`, with the feature `passphrase`). What it does protect is
//! data that is kept elsewhere: a disk, a backup, a bucket with the tables but without this folder. Removing a key file
//! does not scrub the medium under it either. Keep the folder on a local file system, out of the tables' backups, and
//! back it up by itself: without it the tables are lost.
//!
//! ```text
//!   LocalKms              a call: lock, find, compute, log, commit            mod.rs
//!    |- Keyring           names -> keys; destroys what is due                 keyring.rs
//!    |   |- StoredKey     a key file and its states                           key.rs
//!    |   |- LockedFolder  the lock, whole files                               folder.rs
//!    |   `- Cover         what key files are sealed with, if anything         cover.rs
//!    |- blob              a wrapped data key                                  blob.rs
//!    `- AuditEntry        one line a call                                     audit.rs
//! ```
//!
//! Threads and processes may use one folder at once: each call has the folder to itself, reads it anew and holds
//! nothing afterwards. Each call is one line of the audit log, written and synced before a key is given or a change is
//! made; a call that cannot be logged fails and does nothing.
//!
//! States are those of AWS KMS (developer guide, "Key states of AWS KMS keys").

mod audit;
mod blob;
mod cover;
mod folder;
mod key;
mod keyring;

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tablecrypt_core::Key;
use tablecrypt_os::{KeyBox, clear_stack};

pub use self::audit::{AuditEntry, Operation};
#[cfg(feature = "passphrase")]
pub use self::cover::Protection;
use self::folder::Folder;
use self::key::StoredKey;
use self::keyring::Keyring;
use super::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError, note_request};
use crate::clock::{Clock, SystemClock};
use crate::keys::boxed_key;

/// A [`Kms`] that is a folder. It protects nothing against anyone who can read that folder.
///
/// A key is named by its id, its ARN or an alias (`alias/...`). Any number of these, in any number of processes, may
/// share a folder. Every call but [`LocalKms::audit`] is logged.
#[derive(Debug)]
pub struct LocalKms {
    folder: Folder,
    clock: Arc<dyn Clock>,
}

impl LocalKms {
    /// The KMS in this folder, which is created (mode 0700) if it is missing.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, KmsError> {
        Self::open_with(folder, Arc::new(SystemClock))
    }

    /// The same, with the clock that dates keys, deletions and the audit log.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn open_with(folder: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, KmsError> {
        Ok(Self { folder: Folder::open(folder.as_ref())?, clock })
    }

    /// The KMS in this folder, whose keys a passphrase or a file elsewhere covers. A folder without keys is covered by the
    /// first call; one with keys in clear is refused, for they would stay so.
    ///
    /// It protects the keys from whoever gets the folder alone, and from no one who reads this process's memory; a passphrase
    /// is as good as it is hard to guess. Aliases, the audit log and the number of keys stay in clear.
    ///
    /// # Errors
    /// [`KmsError::AccessDenied`] where this is not what covers the folder; [`KmsError::Io`].
    #[cfg(feature = "passphrase")]
    pub fn open_protected(folder: impl AsRef<Path>, protection: &Protection) -> Result<Self, KmsError> {
        Ok(Self { folder: Folder::open_covered(folder.as_ref(), protection)?, clock: Arc::new(SystemClock) })
    }

    /// Makes a key that no alias names yet.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn create_key(&self, description: &str) -> Result<KeyMetadata, KmsError> {
        self.audited(Operation::CreateKey, None, None, |ring, entry| {
            let key = StoredKey::random(description, ring.now())?;
            entry.key = Some(key.arn().into());
            ring.stage_key(&key)?;
            Ok(key.metadata())
        })
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn list_keys(&self) -> Result<Vec<KeyMetadata>, KmsError> {
        self.audited(Operation::ListKeys, None, None, |ring, _| {
            Ok(ring.keys()?.iter().map(StoredKey::metadata).collect())
        })
    }

    /// Lets a key be used.
    ///
    /// # Errors
    /// [`KmsError::NotFound`], [`KmsError::PendingDeletion`] or [`KmsError::Io`].
    #[inline(never)]
    pub fn enable_key(&self, key: &str) -> Result<(), KmsError> {
        self.change(Operation::EnableKey, key, |key, _| key.enable())
    }

    /// Lets a key not be used, until [`LocalKms::enable_key`].
    ///
    /// # Errors
    /// [`KmsError::NotFound`], [`KmsError::PendingDeletion`] or [`KmsError::Io`].
    #[inline(never)]
    pub fn disable_key(&self, key: &str) -> Result<(), KmsError> {
        self.change(Operation::DisableKey, key, |key, _| key.disable())
    }

    /// Lets a key not be used, and destroys it after 7 to 30 days with all its aliases. Gives the date.
    ///
    /// The first call after the date that meets the key destroys it; to every call the key is gone from that date on.
    ///
    /// # Errors
    /// [`KmsError::Invalid`] for another number of days; [`KmsError::NotFound`], [`KmsError::PendingDeletion`] if it is
    /// scheduled already, or [`KmsError::Io`].
    pub fn schedule_key_deletion(&self, key: &str, days: u32) -> Result<SystemTime, KmsError> {
        self.change(Operation::ScheduleKeyDeletion, key, |key, now| {
            if !(7..=30).contains(&days) {
                return Err(KmsError::Invalid);
            }
            key.schedule_deletion(now, DAY * days)
        })
    }

    /// Keeps a key that was to be destroyed. It is disabled then, as with AWS.
    ///
    /// # Errors
    /// [`KmsError::Invalid`] if it was not to be destroyed; [`KmsError::NotFound`] or [`KmsError::Io`].
    pub fn cancel_key_deletion(&self, key: &str) -> Result<(), KmsError> {
        self.change(Operation::CancelKeyDeletion, key, |key, _| key.cancel_deletion())
    }

    /// Every alias, and the ARN of the key that it names.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn list_aliases(&self) -> Result<BTreeMap<String, String>, KmsError> {
        self.audited(Operation::ListAliases, None, None, |ring, _| {
            let mut aliases = BTreeMap::new();
            for alias in ring.aliases()?.into_keys() {
                match ring.find(&alias) {
                    Ok(key) => _ = aliases.insert(alias, key.arn().into()),
                    Err(KmsError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(aliases)
        })
    }

    /// Gives a key one more name: `alias/` and then letters, digits, `/`, `_` and `-`, 256 in all.
    ///
    /// # Errors
    /// [`KmsError::Invalid`] if the name is taken, malformed or begins with `alias/aws/`, which AWS keeps for itself;
    /// [`KmsError::NotFound`], [`KmsError::PendingDeletion`] or [`KmsError::Io`].
    pub fn create_alias(&self, alias: &str, key: &str) -> Result<(), KmsError> {
        self.audited(Operation::CreateAlias, Some(key), None, |ring, entry| {
            entry.alias = Some(alias.into());
            let key = find(ring, key, &mut entry.key)?;
            key.check_kept()?;
            check_alias(alias)?;
            if ring.holder(alias)?.is_some() {
                return Err(KmsError::Invalid);
            }
            let mut aliases = ring.aliases()?;
            aliases.insert(alias.into(), key.id());
            ring.stage_aliases(aliases)
        })
    }

    /// Takes a name from a key. The key stays.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] or [`KmsError::Io`].
    pub fn delete_alias(&self, alias: &str) -> Result<(), KmsError> {
        self.audited(Operation::DeleteAlias, Some(alias), None, |ring, entry| {
            entry.alias = Some(alias.into());
            // Also an alias whose key file was lost can be deleted.
            match find(ring, alias, &mut entry.key) {
                Ok(_) | Err(KmsError::NotFound) => {}
                Err(error) => return Err(error),
            }
            let mut aliases = ring.aliases()?;
            aliases.remove(alias).ok_or(KmsError::NotFound)?;
            ring.stage_aliases(aliases)
        })
    }

    /// The id of the KMS key that wrapped these bytes, as they say themselves: it need not be true, nor the key be here.
    #[must_use]
    pub fn wrapped_by(wrapped: &[u8]) -> Option<String> {
        blob::key_id(wrapped).map(|id| id.to_string())
    }

    /// The audit log, the oldest entry first. A line that a crash cut off is skipped. Reading is not logged.
    ///
    /// A log of more than 256 MiB, about a million calls, is not read: take it away first.
    ///
    /// # Errors
    /// [`KmsError::Io`].
    pub fn audit(&self) -> Result<Vec<AuditEntry>, KmsError> {
        audit::read(&self.folder.lock()?)
    }

    /// Changes one key.
    fn change<T>(
        &self,
        operation: Operation,
        name: &str,
        change: impl FnOnce(&mut StoredKey, SystemTime) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        self.audited(operation, Some(name), None, |ring, entry| {
            let mut key = find(ring, name, &mut entry.key)?;
            let value = change(&mut key, ring.now())?;
            ring.stage_key(&key)?;
            Ok(value)
        })
    }

    /// One call: under the lock, and in the log before it changes or gives anything.
    ///
    /// `act` stages what it changes, and completes the entry as it learns more.
    fn audited<T>(
        &self,
        operation: Operation,
        key: Option<&str>,
        context: Option<&EncryptionContext>,
        act: impl FnOnce(&mut Keyring<'_>, &mut AuditEntry) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let folder = self.folder.lock()?;
        // After the lock, so that the log is in the order of its dates.
        let mut ring = Keyring::new(folder, self.clock.date());
        let mut entry = AuditEntry::new(operation, key, context, ring.now())?;
        let result = act(&mut ring, &mut entry);
        entry.outcome = audit::outcome(&result).into();
        note_request(entry.request.as_str());
        let change = if result.is_ok() { Keyring::commit } else { |_: &mut Keyring<'_>| Ok(()) };
        ring.log_and(entry, change)?;
        drop(ring);
        // What read the key files, whatever that was.
        clear_stack();
        result
    }
}

impl Kms for LocalKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.audited(Operation::DescribeKey, Some(alias), None, |ring, entry| {
            entry.alias = Some(alias.into());
            check_alias(alias)?;
            if let Some(key) = ring.holder(alias)? {
                entry.key = Some(key.arn().into());
                return Ok(key.metadata());
            }
            entry.operation = Operation::CreateKey;
            let key = StoredKey::random(description, ring.now())?;
            entry.key = Some(key.arn().into());
            let mut aliases = ring.aliases()?;
            aliases.insert(alias.into(), key.id());
            // The key first: a crash in between leaves a key without a name, never a name without a key.
            ring.stage_key(&key)?;
            ring.stage_aliases(aliases)?;
            Ok(key.metadata())
        })
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.audited(Operation::DescribeKey, Some(key), None, |ring, entry| {
            Ok(find(ring, key, &mut entry.key)?.metadata())
        })
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.audited(Operation::GenerateDataKey, Some(key), Some(context), |ring, entry| {
            let kms_key = find(ring, key, &mut entry.key)?;
            let key = boxed_key(|bytes| fill_random(bytes))?;
            let wrapped = blob::wrap(&kms_key, context, &key)?;
            Ok(GeneratedKey { kms_key: kms_key.arn().into(), key, wrapped })
        })
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.audited(Operation::Decrypt, Some(key), Some(context), |ring, entry| {
            blob::unwrap(&find(ring, key, &mut entry.key)?, context, wrapped)
        })
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.audited(Operation::ReEncrypt, Some(from), Some(context), |ring, entry| {
            entry.to = Some(to.into());
            let from = find(ring, from, &mut entry.key)?;
            let to = find(ring, to, &mut entry.to)?;
            // Both states, before any bytes are looked at.
            from.material()?;
            to.material()?;
            let key = blob::unwrap(&from, context, wrapped)?;
            Ok((to.arn().into(), blob::wrap(&to, context, &key)?))
        })
    }
}

/// The key of this name, whose ARN is then put in place of the name in the log.
fn find(ring: &mut Keyring<'_>, name: &str, logged: &mut Option<String>) -> Result<StoredKey, KmsError> {
    let key = ring.find(name)?;
    *logged = Some(key.arn().into());
    Ok(key)
}

fn check_alias(alias: &str) -> Result<(), KmsError> {
    let name = alias.strip_prefix("alias/").ok_or(KmsError::Invalid)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte));
    if plain && !name.is_empty() && !name.starts_with("aws/") && alias.len() <= 256 {
        Ok(())
    } else {
        Err(KmsError::Invalid)
    }
}

/// The key in its box. Only in a child that was forked in the middle of a call there is none.
fn alive<T>(key: &KeyBox<T>) -> Result<&T, KmsError> {
    key.get().ok_or(KmsError::Internal)
}

/// Random bytes of the operating system.
fn fill_random(bytes: &mut [u8]) -> Result<(), KmsError> {
    getrandom::fill(bytes).map_err(|error| match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).into(),
        None => KmsError::Internal,
    })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
