//! A table's KMS keys: a change to other ones with a new root key, and one more or one less under the same root key.
//!
//! ```text
//! switch_key   1 mark          the file says where to and since when; all stays as it was    Status UPDATING
//!              2 new root key  made by the new KMS key, and opened by it once as a proof
//!              3 replace       the same data keys, wrapped under the new root key            Status ENABLED
//! ```
//!
//! Step 3 is one rename. A process that dies before it leaves a table under the old KMS key, which is needed for as long as the
//! status is UPDATING; the next call begins anew. One that fails takes its mark back. Data is not touched, and who has the
//! table open goes on: its next refresh reads the new file and asks the new KMS key.

use crate::bytes::Base64;
use crate::change::{Kept, Known};
use crate::date::Date;
use crate::keyfile::{KeyFile, Parsed, Wrapping};
use crate::service::{Inner, Service};
use crate::table::{TableDescription, check_name};
use crate::{Error, Result};

impl Service {
    /// Moves a table to these KMS keys (ids, ARNs or aliases), the first of which is asked first, under a new root key. The
    /// data keys stay, and are wrapped anew; no data is touched; who has the table open goes on. The old KMS keys are needed
    /// until this has ended; then no file in the store opens with them.
    ///
    /// Who had the use of the old KMS key and a copy of the key file can have the data keys for ever. If that is the reason to
    /// move, [`rotate`](Service::rotate) as well, and seal the records anew.
    ///
    /// KMS calls: one Decrypt with an old key; GenerateDataKey and Decrypt with each new one.
    ///
    /// # Errors
    /// [`Error::KeyFileBusy`] where another process moves the table too, and is later; [`Error::NoRandom`],
    /// [`Error::Indispensable`] if no KMS key is named, [`Error::InvalidRequest`] where the KMS cannot take one; and as
    /// [`Connection::open_table`](crate::Connection::open_table). The table is as before then.
    pub fn switch_key(&self, table: &str, kms_keys: &[&str]) -> Result<TableDescription> {
        self.inner.noted("switch_key", table, || self.switch_now(table, kms_keys))
    }

    #[inline(never)]
    fn switch_now(&self, table: &str, kms_keys: &[&str]) -> Result<TableDescription> {
        let to = kms_keys.first().ok_or_else(no_kms_key)?;
        let inner = &self.inner;
        let mark = (Some((*to).to_owned()), Some(inner.today()));
        let mut old = None;
        inner.change_known(table, Kept::Former, &mut old, |_, file| {
            (file.switching_to, file.switching_since) = mark.clone();
            Ok(Some(()))
        })?;
        inner.switch(table, kms_keys, &mark, &mut old).inspect_err(|_| {
            // Without the KMS, which may be what failed. If this fails too, the status stays: the next call begins anew.
            let _ = inner
                .change_known(table, Kept::Former, &mut old, |_, file| Ok((take_mark(file) == mark).then_some(())));
        })?;
        inner.describe_table(table)
    }

    /// Puts a table under one more KMS key, such as one of another region, which is asked after those that it has: any of them
    /// opens it. If it is under that key already, nothing changes.
    ///
    /// KMS calls: a Decrypt with a key that it has, GenerateDataKey and Decrypt with the new one.
    ///
    /// # Errors
    /// [`Error::KeyFileBusy`], [`Error::NoRandom`], [`Error::InvalidRequest`] where the KMS cannot take the new key; and as
    /// [`Connection::open_table`](crate::Connection::open_table).
    pub fn add_kms_key(&self, table: &str, kms_key: &str) -> Result<TableDescription> {
        check_name(table)?;
        self.inner.noted("add_kms_key", table, || self.add_now(table, kms_key))
    }

    #[inline(never)]
    fn add_now(&self, table: &str, kms_key: &str) -> Result<TableDescription> {
        let inner = &self.inner;
        let bytes = inner.read_existing(table)?;
        let parsed = inner.parse(table, &bytes)?;
        let unavailable = |error| inner.unavailable(error);
        let (key, _) = inner.open_root_in_clear(&*inner.kms, table, &parsed).map_err(unavailable)?;
        let made = inner.wrap_root(table, &parsed.file.table_id, kms_key, &key);
        let wrapping = made.map_err(|error| inner.kms_failure(error))?;
        drop(key);
        inner.change_wrappings(table, Kept::Former, |parsed, wrappings| {
            if wrappings.iter().any(|known| known.kms_key == wrapping.kms_key) {
                return Ok(None);
            }
            // Of this root key, and not of one that the table had before: its MAC tells.
            inner.prove(table, &parsed.under(vec![wrapping.clone()]))?;
            wrappings.push(wrapping.clone());
            Ok(Some(()))
        })?;
        inner.describe_table(table)
    }

    /// Takes a KMS key (its ARN, as the description has it) from a table that has others. One of those opens the table first, as
    /// a proof. Then no file in the store opens with the one that is gone.
    ///
    /// # Errors
    /// [`Error::NoSuchKmsKey`], [`Error::Indispensable`] for the last one, [`Error::KeyFileBusy`]; and as
    /// [`Connection::open_table`](crate::Connection::open_table).
    #[inline(never)]
    pub fn remove_kms_key(&self, table: &str, kms_key: &str) -> Result<TableDescription> {
        let inner = &self.inner;
        let remove = |parsed: &Parsed<'_>, wrappings: &mut Vec<Wrapping>| {
            let before = wrappings.len();
            wrappings.retain(|wrapping| wrapping.kms_key != kms_key);
            match wrappings.len() {
                0 => return Err(no_kms_key()),
                left if left == before => return Err(Error::NoSuchKmsKey { key: kms_key.to_owned() }),
                _ => {}
            }
            inner.prove(table, &parsed.under(wrappings.clone())).map(Some)
        };
        inner.noted("remove_kms_key", table, || inner.change_wrappings(table, Kept::Nothing, remove))?;
        inner.describe_table(table)
    }
}

impl Inner {
    /// Steps 2 and 3.
    #[inline(never)]
    fn switch(&self, table: &str, kms_keys: &[&str], mark: &Mark, old: &mut Option<Known>) -> Result<()> {
        let bytes = self.read_existing(table)?;
        let table_id = self.parse(table, &bytes)?.file.table_id;
        let made = self.new_root(table, &table_id, kms_keys);
        let (new, wrappings) = made.map_err(|error| self.kms_failure(error))?;
        let mut proved = false;
        let switched = self.rewrite(table, Kept::Nothing, old, &mut |root, parsed| {
            let mut file = parsed.file;
            if take_mark(&mut file) != *mark {
                return Ok(None);
            }
            for entry in &mut file.structures {
                for key in &mut entry.data_keys {
                    key.wrapped = Base64(new.take_over(root, &file.table_id, &entry.name, key)?);
                }
            }
            let bytes = file.to_bytes(&wrappings, |bytes| new.mac(bytes))?;
            if !proved {
                // Each of them, one by one: a file that one could not open is not put in place.
                let parsed = self.parse(table, &bytes)?;
                wrappings.iter().try_for_each(|wrapping| self.prove(table, &parsed.under(vec![wrapping.clone()])))?;
                proved = true;
            }
            Ok(Some(bytes))
        })?;
        if switched { Ok(()) } else { Err(Error::KeyFileBusy { table: table.to_owned() }) }
    }

    /// Has the KMS open a file that is to be put in place.
    #[inline(never)]
    fn prove(&self, table: &str, parsed: &Parsed<'_>) -> Result<()> {
        self.open_root(&*self.kms, table, parsed).map(drop).map_err(|error| self.unavailable(error))
    }
}

/// Where to, and since when.
type Mark = (Option<String>, Option<Date>);

fn take_mark(file: &mut KeyFile) -> Mark {
    (file.switching_to.take(), file.switching_since.take())
}

fn no_kms_key() -> Error {
    Error::Indispensable { part: "a KMS key".to_owned() }
}
