//! The keys of a KMS in a folder, for whoever administers them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tablecrypt::kms::{KmsError, LocalKms, Protection};
use zeroize::Zeroizing;

use crate::args::{Key, KeyCommand, Place};

/// Does what a command on keys asks for.
pub(crate) fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create { place, description, alias } => create(&place.open()?, &description, alias.as_deref()),
        KeyCommand::List { place } => list(&place.open()?),
        KeyCommand::Enable(key) => on(&key, LocalKms::enable_key),
        KeyCommand::Disable(key) => on(&key, LocalKms::disable_key),
        KeyCommand::CancelDeletion(key) => on(&key, LocalKms::cancel_key_deletion),
        KeyCommand::ScheduleDeletion { key, days } => {
            let date = key.place.open()?.schedule_key_deletion(&key.key, days).with_context(|| key.key.clone())?;
            Ok(writeln!(io::stdout(), "{}", humantime::format_rfc3339_seconds(date))?)
        }
    }
}

fn create(kms: &LocalKms, description: &str, alias: Option<&str>) -> Result<()> {
    let key = kms.create_key(description)?;
    if let Some(alias) = alias {
        kms.create_alias(alias, &key.id).with_context(|| format!("{alias}, for {}", key.arn))?;
    }
    Ok(writeln!(io::stdout(), "{}", key.arn)?)
}

fn list(kms: &LocalKms) -> Result<()> {
    let aliases = kms.list_aliases()?;
    for key in kms.list_keys()? {
        let names: Vec<_> =
            aliases.iter().filter(|(_, arn)| **arn == key.arn).map(|(alias, _)| alias.as_str()).collect();
        writeln!(io::stdout(), "{}\t{:?}\t{}\t{}", key.id, key.state, names.join(" "), key.description)?;
    }
    Ok(())
}

fn on(key: &Key, act: impl FnOnce(&LocalKms, &str) -> Result<(), KmsError>) -> Result<()> {
    act(&key.place.open()?, &key.key).with_context(|| key.key.clone())
}

impl Place {
    /// The KMS in this folder.
    pub(crate) fn open(&self) -> Result<LocalKms> {
        let opened = match (&self.passphrase_file, &self.key_file) {
            (Some(file), _) => LocalKms::open_protected(&self.folder, &passphrase(file)?),
            (None, Some(file)) => LocalKms::open_protected(&self.folder, &Protection::key_file(file)),
            (None, None) => LocalKms::open(&self.folder),
        };
        opened.map_err(|error| match error {
            KmsError::AccessDenied => {
                anyhow!("this is not the passphrase or the key file of {}", self.folder.display())
            }
            error => error.into(),
        })
    }
}

/// The first line of a file, or of standard input.
fn passphrase(file: &Path) -> Result<Protection> {
    let text = if file == Path::new("-") { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = Zeroizing::new(text.with_context(|| file.display().to_string())?);
    match text.lines().next() {
        None | Some("") => bail!("{}: no passphrase in its first line", file.display()),
        Some(line) => Ok(Protection::passphrase(line)),
    }
}
