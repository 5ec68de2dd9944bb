//! The victim with a whole hierarchy: a table whose root key comes from `wiping`, which plays the KMS.

use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError};
use tablecrypt::store::FolderStore;
use tablecrypt::{Service, TableSpec};
use tablecrypt_core::Key;

use crate::Wire;

/// Where its keys end: `drop`ped with the service, `close`d with the connection, or `idle` until the deadline.
pub(crate) fn run(folder: &Path, end: &str, wire: Wire) -> Result<()> {
    let wire = Arc::new(Mutex::new(wire));
    let clock = Arc::new(VirtualClock::default());
    let store = Arc::new(FolderStore::open(folder)?);
    let service = Service::builder(Arc::new(Pipe(Arc::clone(&wire))), store).clock(clock.clone()).build();
    service.create_table(&TableSpec::new("flights").local("by-delay"))?;
    let record = {
        let connection = service.connect();
        let record = connection.open_table("flights")?.base().seal(b"context", b"sealed under the first session")?;
        connection.close();
        record
    };
    let connection = service.connect();
    let table = connection.open_table("flights")?;
    let another = table.base().seal(b"context", b"sealed under the second")?;
    table.base().open(b"context", &record)?;
    table.local("by-delay")?.seal(b"context", b"sealed under another data key")?;
    if end != "idle" {
        // A long message leaves powers of H on the stack until this thread drops the key. At the deadline another does.
        table.local("by-delay")?.seal(b"context", &[3; 5000])?;
    }
    stage(&wire, &format!("alive {} {}", hex::encode(&record[8..20]), hex::encode(&another[8..20])))?;
    match end {
        "drop" => {
            drop((table, connection));
            drop(service);
            stage(&wire, "dropped")
        }
        "close" => {
            connection.close();
            stage(&wire, "dropped")
        }
        "idle" => {
            clock.advance(Duration::from_secs(331));
            stage(&wire, "dropped")
        }
        _ => bail!("the keys end by drop, close or idle"),
    }
}

fn stage(wire: &Mutex<Wire>, line: &str) -> Result<()> {
    wire.lock().expect("nobody panicked").stage(line)
}

/// A KMS at the other end of standard input: it gives one root key, again and again.
struct Pipe(Arc<Mutex<Wire>>);

impl Pipe {
    fn key(&self) -> Result<Key, KmsError> {
        println!("key");
        self.0.lock().expect("nobody panicked").key().map_err(|error| {
            eprintln!("no key came: {error}");
            KmsError::Internal
        })
    }

    fn metadata() -> KeyMetadata {
        KeyMetadata { arn: "arn:pipe".into(), id: "pipe".into(), state: KeyState::Enabled, description: String::new() }
    }
}

impl core::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pipe")
    }
}

impl Kms for Pipe {
    fn ensure_key(&self, _alias: &str, _description: &str) -> Result<KeyMetadata, KmsError> {
        Ok(Self::metadata())
    }

    fn describe_key(&self, _key: &str) -> Result<KeyMetadata, KmsError> {
        Ok(Self::metadata())
    }

    fn generate_data_key(&self, _key: &str, _context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        Ok(GeneratedKey { kms_key: "arn:pipe".into(), key: self.key()?, wrapped: b"wrapped by nobody".to_vec() })
    }

    fn decrypt(&self, _key: &str, _wrapped: &[u8], _context: &EncryptionContext) -> Result<Key, KmsError> {
        self.key()
    }

    fn re_encrypt(
        &self,
        _from: &str,
        wrapped: &[u8],
        _context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        Ok((to.to_owned(), wrapped.to_vec()))
    }
}
