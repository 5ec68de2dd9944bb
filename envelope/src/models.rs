//! The key cache, the refresh and the sessions under a checker of schedules: the same code as in a release, with threads,
//! locks and atomics that are shuttle's, which at each of them decides who goes on. So a race that a machine would show
//! once in a year is one of a few thousand schedules. `admin/threads` builds and runs these.
//!
//! Half of the schedules are random; the others change their preference a few times only (PCT, Burckhardt et al., ASPLOS
//! 2010), which finds what needs a rare order of a few steps. The last tests are the controls: each plants a mistake.

use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use tablecrypt_core::{Key, Xaes256Gcm};
use tablecrypt_os::KeyBox;

use crate::clock::VirtualClock;
use crate::keys::boxed_key;
use crate::kms::{EncryptionContext, FaultKms, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError};
use crate::session::Writer;
use crate::store::KeyStore;
use crate::sync::{Mutex, Planted, thread};
use crate::{Error, Service, Structure, TableSpec};

#[test]
fn callers_that_come_at_once_share_one_kms_call() {
    explore("single flight", || {
        let world = World::new();
        let before = world.kms.calls();
        let connection = Arc::new(world.service.connect());
        let callers = [(); 3].map(|()| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || connection.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap())
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(world.kms.calls(), before + 1);
    });
}

#[test]
fn keys_are_wiped_at_the_deadline_unless_traffic_had_them_refreshed() {
    explore("deadline", || {
        let world = World::new();
        let (base, record) = world.open();
        let before = world.kms.calls();
        let traffic = {
            let (base, record) = (base.clone(), record.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    assert_eq!(base.open(b"key", &record).unwrap(), b"text", "before, or after a refresh");
                }
            })
        };
        world.clock.advance(Duration::from_secs(300));
        world.clock.advance(Duration::from_secs(30));
        let at_deadline = (base.is_unlocked(), world.kms.calls());
        traffic.join().unwrap();
        world.clock.settle();
        // Nobody touched the table: wiped. Else there was one refresh, or the traffic that came after waited for one.
        assert!(at_deadline.1 <= before + 1, "one at a time");
        assert!(!at_deadline.0 || at_deadline.1 == before + 1, "keys live on without a call");
        assert!(world.kms.calls() <= before + 1);
        world.clock.advance(Duration::from_secs(330));
        world.clock.advance(Duration::from_secs(330));
        assert!(!base.is_unlocked());
    });
}

#[test]
fn closing_races_with_sealing_and_with_a_refresh_and_leaves_no_key() {
    explore("close", || {
        let world = World::new();
        let connection = Arc::new(world.service.connect());
        let table = connection.open_table("flights").unwrap();
        let base = table.base();
        // A refresh is due, and the first seal sets it off.
        world.clock.advance(Duration::from_secs(300));
        let sealers = [(); 2].map(|()| {
            let base = base.clone();
            thread::spawn(move || match base.seal(b"key", b"text") {
                Ok(record) => assert_eq!(record.len(), 52),
                Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
            })
        });
        connection.close();
        for sealer in sealers {
            sealer.join().unwrap();
        }
        world.clock.settle();
        assert!(!base.is_unlocked(), "a refresh landed on a closed connection");
        assert!(matches!(base.seal(b"key", b"text"), Err(Error::Closed)));
        assert!(matches!(connection.open_table("flights"), Err(Error::Closed)));
    });
}

#[test]
fn a_kms_that_fails_leaves_nobody_waiting_and_is_asked_once_in_its_pause() {
    explore("failure", || {
        let world = World::new();
        world.kms.fail(Some(KmsError::Unreachable));
        let before = world.kms.calls();
        let connection = Arc::new(world.service.connect());
        let callers = [(); 3].map(|()| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || connection.open_table("flights").unwrap_err())
        });
        for caller in callers {
            assert!(matches!(caller.join().unwrap(), Error::KeyUnavailable { .. }));
        }
        assert_eq!(world.kms.calls(), before + 1);
        world.kms.fail(None);
        world.clock.advance(Duration::from_secs(1));
        connection.open_table("flights").unwrap();
    });
}

#[test]
fn a_definite_no_wipes_the_keys_under_readers_that_end_well() {
    explore("refusal", || {
        let world = World::new();
        let (base, record) = world.open();
        world.kms.fail(Some(KmsError::Disabled));
        world.clock.advance(Duration::from_secs(300));
        let readers = [(); 2].map(|()| {
            let (base, record) = (base.clone(), record.clone());
            thread::spawn(move || match base.open(b"key", &record) {
                Ok(text) => assert_eq!(text, b"text"),
                Err(error) => assert!(matches!(error, Error::KeyDisabled), "{error}"),
            })
        });
        for reader in readers {
            reader.join().unwrap();
        }
        world.clock.settle();
        assert!(!base.is_unlocked());
    });
}

#[test]
fn the_threads_end_with_the_service_whatever_they_are_at() {
    explore("end", || {
        let world = World::new();
        let (base, record) = world.open();
        world.clock.advance(Duration::from_secs(300));
        base.open(b"key", &record).unwrap();
        // Its refresh is under way now, or not yet. A thread that is not woken is a deadlock to the checker.
        drop(base);
        drop(world);
    });
}

#[test]
fn nonces_of_threads_that_use_up_sessions_are_never_the_same() {
    explore("sessions", || {
        let key = Arc::new(KeyBox::new(|| Xaes256Gcm::new(&Key::from([1; 32]))));
        let writer = Arc::new(Writer::default());
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let drawers = [(); 3].map(|()| {
            let (key, writer, drawn) = (Arc::clone(&key), Arc::clone(&writer), Arc::clone(&drawn));
            thread::spawn(move || {
                for _ in 0..3 {
                    // Two of these are all of a session's bytes.
                    let (session, rest) = writer.draw(&key, |session| session.nonce(2 << 40)).unwrap();
                    drawn.lock().unwrap().push((session.prefix, rest));
                }
            })
        });
        for drawer in drawers {
            drawer.join().unwrap();
        }
        let mut drawn = drawn.lock().unwrap();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 9);
    });
}

#[test]
fn planted_mistakes_are_found() {
    let found = |planted: Planted, test: fn()| {
        planted.plant();
        let found = std::panic::catch_unwind(test).is_err();
        Planted::None.plant();
        assert!(found, "{planted:?} was not found");
        println!("threads: control: {planted:?} is found");
    };
    found(Planted::CheckThenAct, callers_that_come_at_once_share_one_kms_call);
    found(Planted::LostWakeUp, callers_that_come_at_once_share_one_kms_call);
    found(Planted::LandsAfterClose, closing_races_with_sealing_and_with_a_refresh_and_leaves_no_key);
}

/// Runs a model under SCHEDULES schedules (2,000 unless set), half of them by each of the two schedulers.
fn explore(name: &str, model: impl Fn() + Copy + Send + Sync + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(2000, |text| text.parse().unwrap());
    let config = || {
        let mut config = Config::new();
        config.stack_size = 512 << 10;
        config
    };
    let random = Runner::new(RandomScheduler::new(schedules / 2), config()).run(model);
    let preferring = Runner::new(PctScheduler::new(3, schedules / 2), config()).run(model);
    println!("threads: {name}: {} schedules", random + preferring);
    assert_eq!(random + preferring, schedules / 2 * 2);
}

/// A service on a virtual clock, whose KMS and store are in memory.
struct World {
    clock: Arc<VirtualClock>,
    kms: Arc<FaultKms>,
    service: Service,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(VirtualClock::default());
        let kms = Arc::new(FaultKms::new(Arc::new(MemoryKms), clock.clone()));
        let store = Arc::new(MemoryStore::default());
        let service = Service::builder(kms.clone(), store).clock(clock.clone()).build();
        service.create_table(&TableSpec::new("flights")).unwrap();
        Self { clock, kms, service }
    }

    fn open(&self) -> (Structure, Vec<u8>) {
        let base = self.service.open_table("flights").unwrap().base();
        let record = base.seal(b"key", b"text").unwrap();
        (base, record)
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

    fn tables(&self) -> io::Result<Vec<String>> {
        Ok(vec!["flights".to_owned()])
    }

    fn path(&self, table: &str) -> PathBuf {
        table.into()
    }
}
