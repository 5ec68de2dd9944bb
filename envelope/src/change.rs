//! A change of a table's key file: read, ask the KMS, compute, and put in place only if nobody changed it meanwhile.
//!
//! ```text
//! read -> KMS -> change -> replace   the store compares under its lock; no lock is held over a KMS call
//!  ^                          |
//!  +---- changed by others ---+      the KMS is asked again only if the root key is wrapped otherwise now
//! ```
//!
//! So of two processes that change one table at once both succeed, one after the other; and a process that dies at any step
//! leaves the file as it was or as it shall be.

use std::io;
use std::sync::Arc;

use crate::cache::Permission;
use crate::date::Date;
use crate::keyfile::{KeyFile, Parsed, Wrapping};
use crate::keys::RootKey;
use crate::log::span;
use crate::service::{Inner, Service};
use crate::table::{StructureName, check_name};
use crate::watched::During;
use crate::{Error, Result};

/// How often a change is tried while others change the file.
const TRIES: usize = 16;

/// What the store keeps of the file before.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    Former,
    /// A key was taken away: it is to be in no file.
    Nothing,
}

/// A root key, and how it was wrapped when the KMS gave it: as long as it is, it need not be asked again.
pub(crate) struct Known {
    root: RootKey,
    wrappings: Vec<Wrapping>,
}

/// Gives the key file anew, or None where nothing is to be written.
type Rewriting<'a> = dyn FnMut(&RootKey, Parsed<'_>) -> Result<Option<Vec<u8>>> + 'a;

impl Service {
    /// Adds an index to a table, with a data key of its own, which seals at once. This service finds it when the table is
    /// opened again, over the same connection too; another process at its next refresh, or over a new connection.
    ///
    /// # Errors
    /// [`Error::StructureExists`], [`Error::InvalidName`]; and as [`Service::rotate`].
    #[inline(never)]
    pub fn add_structure(&self, table: &str, name: &StructureName) -> Result<()> {
        if let StructureName::Local(name) | StructureName::Global(name) = name {
            check_name(name)?;
        }
        let add = |root: &RootKey, file: &mut KeyFile| {
            if file.structures.iter().any(|entry| entry.name == *name) {
                return Err(Error::StructureExists { name: name.to_string() });
            }
            self.inner.push_structure(file, root, name).map(Some)
        };
        let inner = &self.inner;
        inner.noted("add_structure", table, || inner.change(table, Kept::Former, add).map(drop))
    }

    /// Drops an index and destroys its data keys: its records open nowhere any more. Another process that has it open
    /// seals and opens until its next refresh.
    ///
    /// The keys are in no file of the store then. A copy of the key file that was made elsewhere still has them, for whoever
    /// may use the KMS key.
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`], [`Error::Indispensable`] for the base table; and as [`Service::rotate`].
    #[inline(never)]
    pub fn drop_structure(&self, table: &str, name: &StructureName) -> Result<()> {
        if *name == StructureName::Base {
            return Err(Error::Indispensable { part: "its base table".to_owned() });
        }
        let drop_it = |_: &RootKey, file: &mut KeyFile| {
            let before = file.structures.len();
            file.structures.retain(|entry| entry.name != *name);
            if file.structures.len() == before {
                return Err(Error::NoSuchStructure { name: name.to_string() });
            }
            Ok(Some(()))
        };
        let inner = &self.inner;
        inner.noted("drop_structure", table, || inner.change(table, Kept::Nothing, drop_it).map(drop))
    }

    /// Deletes a table's keys, all of them: its records open nowhere any more. It asks no KMS. Another process that has the
    /// table open seals and opens until its next refresh. What [`Service::drop_structure`] says of copies holds here too.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::InvalidName`], [`Error::Io`].
    #[inline(never)]
    pub fn delete_table(&self, table: &str) -> Result<()> {
        check_name(table)?;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoSuchTable { table: table.to_owned() },
            _ => self.inner.unwritten(table, error),
        };
        let inner = &self.inner;
        inner.noted("delete_table", table, || {
            inner.begins("delete_table", table, || inner.store.remove(table).map_err(failed))
        })?;
        inner.permissions(table).iter().for_each(|permission| permission.wipe());
        Ok(())
    }
}

impl Inner {
    /// Makes a change in a span of its own, and has the audit take how it ended.
    pub(crate) fn noted<T>(
        &self,
        operation: &'static str,
        table: &str,
        change: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let _during = During::new(operation);
        span!("change", operation);
        self.changed(operation, table, change())
    }

    /// Changes what the key file says. `change` may run more than once, each time on what the file says then; if it gives
    /// None, nothing is written.
    pub(crate) fn change<T>(
        &self,
        table: &str,
        kept: Kept,
        change: impl FnMut(&RootKey, &mut KeyFile) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.change_known(table, kept, &mut None, change)
    }

    /// The same, with what is known of the root key, so that the KMS need not be asked again.
    pub(crate) fn change_known<T>(
        &self,
        table: &str,
        kept: Kept,
        known: &mut Option<Known>,
        mut change: impl FnMut(&RootKey, &mut KeyFile) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut answer = None;
        let changed = self.change_file(table, kept, known, &mut |root, file| {
            answer = change(root, file)?;
            Ok(answer.is_some())
        })?;
        Ok(answer.filter(|_| changed))
    }

    /// Not for each type of answer anew. Gives whether anything was written.
    #[inline(never)]
    fn change_file(
        &self,
        table: &str,
        kept: Kept,
        known: &mut Option<Known>,
        change: &mut dyn FnMut(&RootKey, &mut KeyFile) -> Result<bool>,
    ) -> Result<bool> {
        let changed = self.rewrite(table, kept, known, &mut |root, mut parsed| {
            let is_changed = change(root, &mut parsed.file)?;
            is_changed.then(|| parsed.file.to_bytes(&parsed.wrappings, |bytes| root.mac(bytes))).transpose()
        })?;
        if let (true, Some(Known { root, .. })) = (changed, known) {
            // The change is made; where this fails, the next refresh brings it.
            let _ = self.renew(table, root);
        }
        Ok(changed)
    }

    /// Gives the permissions of this process what the key file says now; they last no longer for that.
    #[inline(never)]
    fn renew(&self, table: &str, root: &RootKey) -> Result<()> {
        let permissions = self.permissions(table);
        if permissions.is_empty() {
            return Ok(());
        }
        let bytes = self.read_existing(table)?;
        let parsed = self.parse(table, &bytes)?;
        if root.is_mac(parsed.authenticated, &parsed.mac)? {
            let keys = self.adopt(table, &parsed, root)?;
            permissions.iter().for_each(|permission| permission.renew(&keys));
        }
        Ok(())
    }

    fn permissions(&self, table: &str) -> Vec<Arc<Permission>> {
        let mut permissions = self.refresher.permissions();
        permissions.retain(|permission| permission.table() == table);
        permissions
    }

    /// Writes the key file anew, as `change` gives it, which sees an authentic file and its root key; nothing, and false, if it
    /// gives None.
    #[inline(never)]
    pub(crate) fn rewrite(
        &self,
        table: &str,
        kept: Kept,
        known: &mut Option<Known>,
        change: &mut Rewriting<'_>,
    ) -> Result<bool> {
        check_name(table)?;
        for _ in 0..TRIES {
            let bytes = self.read_existing(table)?;
            let parsed = self.parse(table, &bytes)?;
            let is_same = |root: &RootKey| root.is_mac(parsed.authenticated, &parsed.mac);
            let root = match known.take() {
                Some(Known { root, wrappings }) if wrappings == parsed.wrappings && is_same(&root)? => root,
                _ => self.open_root(&*self.kms, table, &parsed).map_err(|error| self.unavailable(error))?,
            };
            let wrappings = parsed.wrappings.clone();
            let changed = change(&root, parsed);
            *known = Some(Known { root, wrappings });
            let Some(after) = changed? else {
                return Ok(false);
            };
            if self.put(table, &bytes, &after, kept)? {
                return Ok(true);
            }
        }
        Err(Error::KeyFileBusy { table: table.to_owned() })
    }

    /// Changes who wraps the root key, and nothing that the MAC is of.
    pub(crate) fn change_wrappings<T>(
        &self,
        table: &str,
        kept: Kept,
        mut change: impl FnMut(&Parsed<'_>, &mut Vec<Wrapping>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut answer = None;
        let changed = self.change_wrapped(table, kept, &mut |parsed, wrappings| {
            answer = change(parsed, wrappings)?;
            Ok(answer.is_some())
        })?;
        Ok(answer.filter(|_| changed))
    }

    #[inline(never)]
    fn change_wrapped(
        &self,
        table: &str,
        kept: Kept,
        change: &mut dyn FnMut(&Parsed<'_>, &mut Vec<Wrapping>) -> Result<bool>,
    ) -> Result<bool> {
        check_name(table)?;
        for _ in 0..TRIES {
            let bytes = self.read_existing(table)?;
            let parsed = self.parse(table, &bytes)?;
            if parsed.is_version_1 {
                // Its MAC is of the wrapping too, so it takes the root key to write it as version 2.
                self.change(table, Kept::Former, |_, _| Ok(Some(())))?;
                continue;
            }
            let mut wrappings = parsed.wrappings.clone();
            if !change(&parsed, &mut wrappings)? {
                return Ok(false);
            }
            if self.put(table, &bytes, &parsed.with_wrappings(&wrappings)?, kept)? {
                return Ok(true);
            }
        }
        Err(Error::KeyFileBusy { table: table.to_owned() })
    }

    /// Puts the file in the place of the one before, if that is still there; first it has to be one that can be read again.
    fn put(&self, table: &str, before: &[u8], after: &[u8], kept: Kept) -> Result<bool> {
        self.parse(table, after)?;
        let put = match kept {
            Kept::Former => self.store.replace(table, before, after),
            Kept::Nothing => self.store.supersede(table, before, after),
        };
        match put {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(false),
            put => put.map(|()| true).map_err(|error| self.unwritten(table, error)),
        }
    }

    /// What a KMS that gave no key means where no permission stands behind it.
    pub(crate) fn unavailable(&self, error: Option<Error>) -> Error {
        error.unwrap_or_else(|| Error::KeyUnavailable { since: self.clock.date() })
    }

    pub(crate) fn today(&self) -> Date {
        Date(self.clock.date())
    }
}
