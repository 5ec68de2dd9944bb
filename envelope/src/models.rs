//! The key cache, the refresh and the sessions under a checker of schedules: the same code as in a release, with threads,
//! locks and atomics that are shuttle's, which at each of them decides who goes on. So a race that a machine would show
//! once in a year is one of a few thousand schedules. `admin/threads` builds and runs these.
//!
//! Half of the schedules are random; the others change their preference a few times only (PCT, Burckhardt et al., ASPLOS
//! 2010), which finds what needs a rare order of a few steps. The last tests are the controls: each plants a mistake.

mod world;

use core::time::Duration;
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use tablecrypt_core::{Key, Xaes256Gcm};
use tablecrypt_os::KeyBox;

use self::world::World;
use crate::kms::KmsError;
use crate::session::Writer;
use crate::sync::{Mutex, Planted, thread};
use crate::{Error, Scope};

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
        assert!(!world.has_keys(), "a refresh landed on a closed connection");
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
        // It is back. Whoever comes in the pause fails, and has a worker ask; whoever comes after it may ask too.
        world.kms.fail(None);
        let early = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || match connection.open_table("flights") {
                Ok(_) => {}
                Err(error) => assert!(matches!(error, Error::KeyUnavailable { .. }), "{error}"),
            })
        };
        world.clock.advance(Duration::from_secs(1));
        early.join().unwrap();
        world.clock.settle();
        connection.open_table("flights").unwrap();
        assert_eq!(world.kms.calls(), before + 2, "once more, whoever asked");
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
fn connections_that_share_a_permission_share_one_kms_call_and_the_last_to_close_leaves_no_key() {
    explore("scope", || {
        let world = Arc::new(World::with(|builder| builder.scope(Scope::Process)));
        let before = world.kms.calls();
        let clients = [(); 3].map(|()| {
            let connection = Arc::new(world.service.connect());
            let client = {
                let connection = Arc::clone(&connection);
                thread::spawn(move || connection.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap())
            };
            (connection, client)
        });
        let connections = clients.map(|(connection, client)| {
            client.join().unwrap();
            connection
        });
        assert_eq!(world.kms.calls(), before + 1);

        // A refresh is due. One closes, and another works.
        world.clock.advance(Duration::from_secs(300));
        let [first, second, third] = connections;
        let base = second.open_table("flights").unwrap().base();
        let sealer = {
            let base = base.clone();
            thread::spawn(move || base.seal(b"key", b"text").unwrap())
        };
        first.close();
        third.close();
        sealer.join().unwrap();
        assert!(world.kms.calls() <= before + 2, "closing costs the others nothing");
        let closer = thread::spawn(move || second.close());
        match base.seal(b"key", b"text") {
            Ok(_) => {}
            Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
        }
        closer.join().unwrap();
        world.clock.settle();
        assert!(!world.has_keys(), "the last has closed");
    });
}

#[test]
fn locking_by_hand_races_with_sealing_opening_and_a_refresh_and_leaves_no_key() {
    explore("lock", || {
        let world = Arc::new(World::new());
        let (base, _) = world.open();
        world.clock.advance(Duration::from_secs(300));
        let refused = |error| assert!(matches!(error, Error::Locked), "{error}");
        let sealer = {
            let base = base.clone();
            thread::spawn(move || base.seal(b"key", b"text").map_or_else(refused, drop))
        };
        // Its first look at the table may come before the lock or after it.
        let opener = {
            let service = world.service.clone();
            thread::spawn(move || service.open_table("flights").map_or_else(refused, drop))
        };
        world.service.lock();
        let is_refused = base.seal(b"key", b"text").is_err();
        sealer.join().unwrap();
        opener.join().unwrap();
        world.clock.settle();
        assert!(is_refused && !world.has_keys(), "a refresh landed on a locked table");
        world.service.unlock();
        base.seal(b"key", b"text").unwrap();
    });
}

#[test]
fn an_outage_grace_carries_traffic_until_a_definite_no_and_nobody_else() {
    explore("grace", || {
        let world = World::with(|builder| builder.outage_grace(Duration::from_secs(3600)).unwrap());
        let (base, record) = world.open();
        world.kms.fail(Some(KmsError::Unreachable));
        let before = world.kms.calls();
        let traffic = {
            let (base, record) = (base.clone(), record.clone());
            // Before a refresh is due, or as the traffic that sets it off, or on grace, or after the end.
            thread::spawn(move || match base.open(b"key", &record) {
                Ok(text) => assert_eq!(text, b"text"),
                Err(error) => assert!(matches!(error, Error::KeyUnavailable { .. }), "{error}"),
            })
        };
        world.clock.advance(Duration::from_secs(300));
        world.clock.advance(Duration::from_secs(30));
        let (is_unlocked, calls) = (base.is_unlocked(), world.kms.calls());
        assert!(!is_unlocked || calls > before, "keys live on, and the KMS was not asked");
        traffic.join().unwrap();
        world.clock.settle();
        // Whoever is on grace ends with the next answer.
        world.kms.fail(Some(KmsError::Disabled));
        world.clock.advance(Duration::from_secs(30));
        let _ = base.open(b"key", &record);
        world.clock.settle();
        assert!(!world.has_keys());
        assert!(base.open(b"key", &record).is_err());
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
    found(Planted::LandsAfterLock, locking_by_hand_races_with_sealing_opening_and_a_refresh_and_leaves_no_key);
    found(
        Planted::SharedTwice,
        connections_that_share_a_permission_share_one_kms_call_and_the_last_to_close_leaves_no_key,
    );
    found(Planted::EndlessGrace, an_outage_grace_carries_traffic_until_a_definite_no_and_nobody_else);
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
