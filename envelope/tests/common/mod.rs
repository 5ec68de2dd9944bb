//! A service on a virtual clock, over a local KMS that fails as it is told.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part; a test may panic")]

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tablecrypt::clock::{Clock, VirtualClock};
use tablecrypt::kms::{FaultKms, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{Service, ServiceBuilder, TableSpec};

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
