//! A service on a virtual clock, over a local KMS that fails as it is told.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part; a test may panic")]

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;

use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::{FaultKms, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{Service, TableSpec};

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
    let store = Arc::new(FolderStore::open(folder.path().join("tables")).unwrap());
    Service::builder(kms.clone(), store).clock(clock.clone()).subscriber(whose).build()
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

    pub(crate) fn key_file(&self, table: &str) -> PathBuf {
        self.folder.path().join("tables").join(table).join("keys.json")
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
