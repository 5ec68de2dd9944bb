//! `tablecrypt audit`: verifies audit logs, and puts their files aside.

use std::fs::File;
use std::io::Read;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tablecrypt::KeyBox;
use tablecrypt::audit::{AuditLog, verify};
use tablecrypt::core::Key;
use zeroize::Zeroizing;

use crate::args::{AuditCommand, LogKey};

pub(crate) fn run(command: AuditCommand) -> Result<()> {
    match command {
        AuditCommand::Verify { files, known, key } => {
            let key = key.read()?;
            let verified = verify(&files, key.as_ref().and_then(KeyBox::get), &known)?;
            println!("{} lines, as they were written", verified.lines);
            if verified.cut > 0 {
                println!("{} more were begun and not ended: by a crash, or somebody cut them", verified.cut);
            }
            if let Some(head) = verified.head {
                println!("head {head}");
            }
        }
        AuditCommand::Rotate { file, to, key } => {
            let log = AuditLog::new(&file).who("tablecrypt audit rotate");
            let log = match key.read()? {
                Some(key) => log.with_key(key),
                None => log,
            };
            let first = log.rotate(&to, SystemTime::now())?;
            println!("{} goes on from {} with number {}", file.display(), to.display(), first.number());
        }
    }
    Ok(())
}

impl LogKey {
    fn read(&self) -> Result<Option<KeyBox<Key>>> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut text = Zeroizing::new([0; 66]);
        let mut read = || File::open(file)?.read(&mut text[..]);
        let length = read().with_context(|| file.display().to_string())?;
        let text = text[..length].trim_ascii();
        let key = KeyBox::fill(Key::zeroed(), |key| hex::decode_to_slice(text, key.expose_mut()));
        Ok(Some(key.with_context(|| format!("{}: not 64 hexadecimal digits", file.display()))?))
    }
}
