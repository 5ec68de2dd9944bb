//! The service that the models run on.

use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

use crate::clock::VirtualClock;
use crate::keys::boxed_key;
use crate::kms::{EncryptionContext, FaultKms, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError};
use crate::store::KeyStore;
use crate::sync::{Mutex, thread};
use crate::{Service, ServiceBuilder, Structure, TableSpec};

/// A service on a virtual clock, whose KMS and store are in memory.
pub(super) struct World {
    pub(super) clock: Arc<VirtualClock>,
    pub(super) kms: Arc<FaultKms>,
    pub(super) service: Service,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(super) fn with(set: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Self {
        let clock = Arc::new(VirtualClock::default());
        let kms = Arc::new(FaultKms::new(Arc::new(MemoryKms), clock.clone()));
        let store = Arc::new(MemoryStore::default());
        let builder = Service::builder(kms.clone(), store).clock(clock.clone()).jitter(Duration::ZERO);
        let service = set(builder).build();
        service.create_table(&TableSpec::new("flights")).unwrap();
        Self { clock, kms, service }
    }

    pub(super) fn open(&self) -> (Structure, Vec<u8>) {
        let base = self.service.open_table("flights").unwrap().base();
        let record = base.seal(b"key", b"text").unwrap();
        (base, record)
    }

    /// Whether a key of the table is left in this process.
    pub(super) fn has_keys(&self) -> bool {
        let live = self.service.inner.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.values().any(|keys| keys.strong_count() > 0)
    }
}

/// One key for everything.
#[derive(Debug)]
struct MemoryKms;

impl MemoryKms {
    fn key() -> Result<KeyBox<Key>, KmsError> {
        boxed_key(|key| {
            key.fill(7);
            Ok(())
        })
    }
}

impl Kms for MemoryKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        let (arn, id, description) = (alias.to_owned(), alias.to_owned(), description.to_owned());
        Ok(KeyMetadata { arn, id, state: KeyState::Enabled, description })
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.ensure_key(key, "")
    }

    fn generate_data_key(&self, key: &str, _: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        Ok(GeneratedKey { kms_key: key.to_owned(), key: Self::key()?, wrapped: b"wrapped".to_vec() })
    }

    fn decrypt(&self, _: &str, _: &[u8], _: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        thread::yield_now();
        Self::key()
    }

    fn re_encrypt(&self, _: &str, _: &[u8], _: &EncryptionContext, _: &str) -> Result<(String, Vec<u8>), KmsError> {
        Err(KmsError::Invalid)
    }
}

/// The key file of the one table.
#[derive(Debug, Default)]
struct MemoryStore(Mutex<Option<Vec<u8>>>);

impl KeyStore for MemoryStore {
    fn read(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn create(&self, _: &str, file: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.to_vec());
        Ok(())
    }

    fn replace(&self, table: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        self.create(table, file)
    }

    fn supersede(&self, table: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        self.create(table, file)
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn tables(&self) -> io::Result<Vec<String>> {
        Ok(vec!["flights".to_owned()])
    }

    fn path(&self, table: &str) -> PathBuf {
        table.into()
    }
}
