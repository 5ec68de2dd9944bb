//! A service on a virtual clock, over a local KMS that fails as it is told.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part; a test may panic")]

use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::SystemTime;

use tablecrypt::clock::{Clock, VirtualClock};
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, FaultKms, GeneratedKey, KeyMetadata, Kms, KmsError, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{KeyBox, Service, ServiceBuilder, TableSpec};

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<VirtualClock>,
    /// Administers the key.
    pub(crate) local: Arc<LocalKms>,
    /// What the service calls.
    pub(crate) kms: Arc<FaultKms>,
    pub(crate) service: Service,
}

/// An empty world: no key, no table.
pub(crate) fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(VirtualClock::default());
    let local = Arc::new(LocalKms::open_with(folder.path().join("kms"), clock.clone()).unwrap());
    let kms = Arc::new(FaultKms::new(local.clone(), clock.clone()));
    let service = service(&folder, &kms, &clock, "default");
    World { folder, clock, local, kms, service }
}

pub(crate) fn service(
    folder: &tempfile::TempDir,
    kms: &Arc<FaultKms>,
    clock: &Arc<VirtualClock>,
    whose: &str,
) -> Service {
    builder(folder, kms, clock).subscriber(whose).build()
}

/// Without jitter, so that a test can say what happens at 299 s and what at 300 s.
fn builder(folder: &tempfile::TempDir, kms: &Arc<FaultKms>, clock: &Arc<VirtualClock>) -> ServiceBuilder {
    Service::builder(kms.clone(), store(folder)).clock(clock.clone()).jitter(Duration::ZERO)
}

fn store(folder: &tempfile::TempDir) -> Arc<FolderStore> {
    Arc::new(FolderStore::open(folder.path().join("tables")).unwrap())
}

/// A world with table `flights`: base, local index `by-delay`, global index `by-tail`.
pub(crate) fn world_with_flights() -> World {
    let world = world();
    world.service.create_table(&flights()).unwrap();
    world
}

pub(crate) fn flights() -> TableSpec {
    TableSpec::new("flights").local("by-delay").global("by-tail")
}

impl World {
    /// Another process's view of the same folders.
    pub(crate) fn another_service(&self) -> Service {
        service(&self.folder, &self.kms, &self.clock, "default")
    }

    /// A service on the same folders, with settings of its own.
    pub(crate) fn service_with(&self, set: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Service {
        set(builder(&self.folder, &self.kms, &self.clock)).build()
    }

    pub(crate) fn key_file(&self, table: &str) -> PathBuf {
        self.folder.path().join("tables").join(table).join("keys.json")
    }

    pub(crate) fn store(&self) -> Arc<FolderStore> {
        store(&self.folder)
    }

    pub(crate) fn date(&self) -> SystemTime {
        self.clock.date()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn disable_key(&self) {
        self.local.disable_key(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
    }

    pub(crate) fn enable_key(&self) {
        self.local.enable_key(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
    }
}

/// A KMS that answers so many calls, and then no more until it is told to go on.
#[derive(Debug)]
pub(crate) struct Stopping {
    inner: Arc<dyn Kms>,
    state: Mutex<Stop>,
    changed: Condvar,
}

#[derive(Debug)]
struct Stop {
    left: usize,
    stuck: bool,
}

impl Stopping {
    pub(crate) fn new(inner: Arc<dyn Kms>, calls: usize) -> Self {
        Self { inner, state: Mutex::new(Stop { left: calls, stuck: false }), changed: Condvar::new() }
    }

    pub(crate) fn wait_until_stuck(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |stop| !stop.stuck).unwrap());
    }

    pub(crate) fn go_on(&self) {
        self.state.lock().unwrap().left = usize::MAX;
        self.changed.notify_all();
    }

    fn pass(&self) -> &dyn Kms {
        let mut stop = self.state.lock().unwrap();
        stop.stuck = stop.left == 0;
        self.changed.notify_all();
        stop = self.changed.wait_while(stop, |stop| stop.left == 0).unwrap();
        stop.left -= 1;
        &*self.inner
    }
}

impl Kms for Stopping {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.pass().ensure_key(alias, description)
    }
    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.pass().describe_key(key)
    }
    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.pass().generate_data_key(key, context)
    }
    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.pass().decrypt(key, wrapped, context)
    }
    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.pass().re_encrypt(from, wrapped, context, to)
    }
}

/// A KMS that answers so many calls well and fails all that follow, until it is told otherwise.
#[derive(Debug)]
pub(crate) struct Failing {
    inner: Arc<dyn Kms>,
    state: Mutex<(usize, Option<Fault>)>,
}

/// How it fails.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Error(KmsError),
    /// It says yes, and gives other bytes than it should.
    Garbage,
}

impl Failing {
    pub(crate) fn new(inner: Arc<dyn Kms>) -> Self {
        Self { inner, state: Mutex::new((0, None)) }
    }

    pub(crate) fn fail_after(&self, calls: usize, fault: Option<Fault>) {
        *self.state.lock().unwrap() = (calls, fault);
    }

    /// Whether this call is to give garbage.
    fn pass(&self) -> Result<bool, KmsError> {
        let mut state = self.state.lock().unwrap();
        if state.0 > 0 {
            state.0 -= 1;
            return Ok(false);
        }
        match &state.1 {
            None => Ok(false),
            Some(Fault::Garbage) => Ok(true),
            Some(Fault::Error(error)) => Err(error.clone()),
        }
    }
}

fn garbled(mut bytes: Vec<u8>, garbage: bool) -> Vec<u8> {
    if garbage {
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
    }
    bytes
}

impl Kms for Failing {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.pass()?;
        self.inner.ensure_key(alias, description)
    }
    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.pass()?;
        self.inner.describe_key(key)
    }
    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        let garbage = self.pass()?;
        let made = self.inner.generate_data_key(key, context)?;
        Ok(GeneratedKey { wrapped: garbled(made.wrapped, garbage), ..made })
    }
    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let garbage = self.pass()?;
        let key = self.inner.decrypt(key, wrapped, context)?;
        Ok(if garbage { KeyBox::new(|| Key::from([7; 32])) } else { key })
    }
    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        let garbage = self.pass()?;
        let (arn, wrapped) = self.inner.re_encrypt(from, wrapped, context, to)?;
        Ok((arn, garbled(wrapped, garbage)))
    }
}
