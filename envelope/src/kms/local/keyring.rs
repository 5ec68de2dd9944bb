//! The keys and aliases of a locked folder: whom a name means, and the end of a key whose deletion date has come.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::{self, AuditEntry, Operation};
use super::folder::{FileBytes, FileError, KEYS, LONGEST, LockedFolder, at};
use super::key::{self, StoredKey};
use crate::kms::KmsError;

/// The keys and aliases as one call sees them. Changes are staged, and made by [`Keyring::commit`].
#[derive(Debug)]
pub(super) struct Keyring<'a> {
    folder: LockedFolder<'a>,
    now: SystemTime,
}

impl<'a> Keyring<'a> {
    pub(super) fn new(folder: LockedFolder<'a>, now: SystemTime) -> Self {
        Self { folder, now }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.now
    }

    /// The key that an id, an ARN or an alias names.
    pub(super) fn find(&mut self, name: &str) -> Result<StoredKey, KmsError> {
        let id = match key::parse_name(name) {
            Some(id) => id,
            None => *self.aliases()?.get(name).ok_or(KmsError::NotFound)?,
        };
        self.load(id)?.ok_or(KmsError::NotFound)
    }

    /// Every key, the oldest first.
    pub(super) fn keys(&mut self) -> Result<Vec<StoredKey>, KmsError> {
        let path = self.folder.path_of(KEYS);
        let mut keys = Vec::new();
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let name = entry.map_err(at(&path))?.file_name();
            if let Some(id) = name.to_str().and_then(key::id_of_file) {
                keys.extend(self.load(id)?);
            }
        }
        keys.sort_by_key(|key| (key.created(), key.id()));
        Ok(keys)
    }

    /// Every alias and the id that it names, whether or not that key is still there.
    pub(super) fn aliases(&self) -> Result<BTreeMap<String, Uuid>, KmsError> {
        match self.folder.read(ALIASES, LONGEST)? {
            Some(bytes) => Ok(bytes.parse::<AliasFile>(&self.folder.path_of(ALIASES), VERSION)?.aliases),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The key that holds this alias; none if the alias is free.
    ///
    /// An alias whose key file is missing though nobody destroyed the key is an error: with half a backup restored,
    /// a new key under the old name would hide that.
    pub(super) fn holder(&mut self, alias: &str) -> Result<Option<StoredKey>, KmsError> {
        match self.find(alias) {
            Ok(key) => Ok(Some(key)),
            Err(KmsError::NotFound) if self.aliases()?.contains_key(alias) => {
                Err(FileError::Malformed { path: self.folder.path_of(ALIASES) }.into())
            }
            Err(KmsError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn stage_key(&mut self, key: &StoredKey) -> Result<(), KmsError> {
        key.stage(&mut self.folder)
    }

    pub(super) fn stage_aliases(&mut self, aliases: BTreeMap<String, Uuid>) -> Result<(), KmsError> {
        let bytes = FileBytes::of(&self.folder.path_of(ALIASES), &AliasFile { version: VERSION, aliases })?;
        self.folder.stage(ALIASES, &bytes)
    }

    pub(super) fn commit(&mut self) -> Result<(), KmsError> {
        self.folder.commit()
    }

    /// Logs the entry as it is; makes the change; and logs the entry once more, should the change fail.
    ///
    /// In this order the log may name a change that was not made, but no change is ever missing in it.
    pub(super) fn log_and(
        &mut self,
        mut entry: AuditEntry,
        change: impl FnOnce(&mut Self) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        audit::append(&self.folder, &entry)?;
        let result = change(self);
        if result.is_err() {
            entry.outcome = audit::outcome(&result).into();
            audit::append(&self.folder, &entry)?;
        }
        result
    }

    /// The key of this id, unless its deletion date has come: then this is when it is destroyed.
    fn load(&mut self, id: Uuid) -> Result<Option<StoredKey>, KmsError> {
        match StoredKey::load(&self.folder, id)? {
            Some(key) if key.is_due(self.now) => self.destroy(key).map(|()| None),
            key => Ok(key),
        }
    }

    /// Aliases first: a crash in between leaves a key that the next call destroys, never an alias of nothing.
    fn destroy(&mut self, key: StoredKey) -> Result<(), KmsError> {
        let entry = AuditEntry::new(Operation::DeleteKey, Some(key.arn()), None, self.now)?;
        let mut aliases = self.aliases()?;
        let before = aliases.len();
        aliases.retain(|_, id| *id != key.id());
        if aliases.len() != before {
            self.stage_aliases(aliases)?;
        }
        self.log_and(entry, |ring| {
            ring.commit()?;
            key.remove(&ring.folder)
        })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AliasFile {
    version: u32,
    aliases: BTreeMap<String, Uuid>,
}

const VERSION: u32 = 1;
const ALIASES: &str = "aliases.json";

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::folder::Folder;
    use super::*;

    #[test]
    fn change_that_fails_once_it_was_logged_is_logged_again_under_its_request() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let mut ring = Keyring::new(folder.lock().unwrap(), UNIX_EPOCH);
        let entry = AuditEntry::new(Operation::CreateKey, None, None, UNIX_EPOCH).unwrap();
        let result = ring.log_and(entry, |_| Err(KmsError::Internal));
        assert!(matches!(result, Err(KmsError::Internal)));
        let [first, second] = &audit::read(&ring.folder).unwrap()[..] else { panic!("not two lines") };
        assert_eq!((first.outcome.as_str(), second.outcome.as_str()), ("ok", "Internal"));
        assert_eq!(first.request, second.request);
    }

    #[test]
    fn staged_change_that_is_not_committed_leaves_nothing() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let mut ring = Keyring::new(folder.lock().unwrap(), UNIX_EPOCH);
        ring.stage_key(&StoredKey::random("", UNIX_EPOCH).unwrap()).unwrap();
        ring.stage_aliases(BTreeMap::new()).unwrap();
        drop(ring);
        assert_eq!(fs::read_dir(path.path().join(KEYS)).unwrap().count(), 0);
        assert!(Keyring::new(folder.lock().unwrap(), UNIX_EPOCH).aliases().unwrap().is_empty());
        assert!(!path.path().join("draft").exists());
    }
}
