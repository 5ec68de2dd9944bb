//! No nonce twice under one session key in a process and its forked children, and no child that waits for ever, whatever
//! other threads are at when it is forked.
//!
//! FORKS children seal SEALS records each: 50 and 1,000 unless set. admin/fork sets more.

#![allow(unsafe_code, clippy::unwrap_used, reason = "tests fork, and may panic")]

mod common;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{Read, Seek, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{env, thread};

use common::kms::ConstantKms;
use common::{Child, defeat_fork_detection};
use tablecrypt::store::FolderStore;
use tablecrypt::{Connection, Error, Service, Structure, TableSpec};

/// Threads that fork, and threads that do something else meanwhile.
const FORKERS: usize = 4;
const SEALERS: usize = 2;
/// Records that each of the latter tells of.
const TOLD: usize = 200_000;

/// The prefix, which is one session's and so one key's, and the rest of the nonce.
type Id = [u8; 24];

#[test]
fn no_nonce_is_sealed_with_twice_by_a_busy_process_and_its_children() {
    let start = Instant::now();
    let (forks, seals) = (count("FORKS", 50), count("SEALS", 1_000));
    // Not on this thread's stack: in a child that another thread forks, the C library takes it for free, and gives it to a
    // new thread, or back to the system when there are many.
    let world = Box::new(World::new());
    let world = &*world;
    // In a file: a process of this size would take milliseconds to fork.
    let all = Mutex::new(tempfile::tempfile().unwrap());
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..SEALERS {
            scope.spawn(|| {
                let mut told = Vec::with_capacity(TOLD);
                while !done.load(Ordering::Relaxed) {
                    let id = seal(&world.base);
                    if told.len() < TOLD {
                        told.push(id);
                    }
                }
                all.lock().unwrap().write_all(told.as_flattened()).unwrap();
            });
        }
        // Opens, closes and describes: every lock there is, over and over.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let connection = world.service.connect();
                connection.open_table("flights").unwrap().describe().unwrap();
                world.connection.open_table("flights").unwrap();
                connection.close();
            }
        });
        let forkers: Vec<_> = (0..FORKERS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= forks {
                            break;
                        }
                        let child = Child::fork(|| world.live(number, seals));
                        let own: Vec<_> = (0..100).map(|_| seal(&world.base)).collect();
                        let answer = child.wait().unwrap_or_else(|| panic!("child {number} died or hung"));
                        assert_eq!(answer.len(), seals * size_of::<Id>());
                        let mut all = all.lock().unwrap();
                        all.write_all(&answer).and_then(|()| all.write_all(own.as_flattened())).unwrap();
                    }
                })
            })
            .collect();
        let failed: Vec<_> = forkers.into_iter().filter_map(|forker| forker.join().err()).collect();
        done.store(true, Ordering::Relaxed);
        if let Some(failure) = failed.into_iter().next() {
            std::panic::resume_unwind(failure);
        }
    });
    let (mut file, mut all) = (all.into_inner().unwrap(), Vec::new());
    file.rewind().and_then(|()| file.read_to_end(&mut all)).unwrap();
    let all = all.as_chunks().0.to_vec();
    let (records, twice) = (all.len(), doubles(all));
    let seconds = start.elapsed().as_secs();
    println!("fork: Rust: {forks} forks x {seals} seals, {records} records, {twice} nonces twice ({seconds} s)");
    assert_eq!(twice, 0);
    assert!(records >= forks * (seals + 100));
}

#[test]
fn a_fork_that_is_not_noticed_would_be_seen_by_these_tests() {
    // In a process of its own, whose memory is then all inherited by its children.
    let child = Child::fork(|| {
        let world = World::new();
        seal(&world.base);
        defeat_fork_detection();
        let child = Child::fork(|| (0..100).flat_map(|_| seal(&world.base)).collect());
        let mut all: Vec<_> = (0..100).map(|_| seal(&world.base)).collect();
        all.extend_from_slice(child.wait().unwrap().as_chunks().0);
        vec![u8::try_from(doubles(all)).unwrap()]
    });
    let twice = child.wait().unwrap();
    println!("fork: Rust: control: {} of 100 nonces twice where the fork is hidden", twice[0]);
    assert_eq!(twice, [100]);
}

#[test]
fn a_child_finds_locked_what_was_locked_and_unlocks_it_for_itself() {
    let world = Box::new(World::new());
    let world = &*world;
    type Turn = fn(&World);
    let locks: [(&str, Turn, Turn); 2] = [
        ("connection", |world| world.connection.lock(), |world| world.connection.unlock()),
        ("service", |world| world.service.lock(), |world| world.service.unlock()),
    ];
    for (what, lock, unlock) in locks {
        let is_locked = || matches!(world.base.open(b"key", &world.record), Err(Error::Locked));
        lock(world);
        let child = Child::fork(|| {
            let before = is_locked() && world.connection.open_table("flights").is_err();
            unlock(world);
            vec![u8::from(before && !is_locked())]
        });
        assert_eq!(child.wait().unwrap(), [1], "{what}");
        assert!(is_locked(), "{what}: a child's unlocking is its own");
        unlock(world);
        assert!(!is_locked());
        let child = Child::fork(|| vec![u8::from(is_locked())]);
        assert_eq!(child.wait().unwrap(), [0], "the control: what is not locked is not found locked");
    }
}

struct World {
    _folder: tempfile::TempDir,
    service: Service,
    connection: Connection,
    base: Structure,
    /// Sealed by the first process.
    record: Vec<u8>,
}

impl World {
    /// A table whose key is refreshed all the time, so that a refresh is under way at most forks.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kms = ConstantKms::new([7; 32], Duration::from_millis(1));
        let store = FolderStore::open(folder.path().join("tables")).unwrap();
        let service = Service::builder(Arc::new(kms), Arc::new(store))
            .refresh(Duration::from_millis(1), Duration::from_secs(30))
            .build();
        service.create_table(&TableSpec::new("flights")).unwrap();
        let connection = service.connect();
        let base = connection.open_table("flights").unwrap().base();
        let record = base.seal(b"key", b"text").unwrap();
        Self { _folder: folder, service, connection, base, record }
    }

    /// What a child does: it seals, on two threads of its own if its number is even; goes on with what it inherited; and
    /// one in ten has a child too.
    fn live(&self, number: usize, seals: usize) -> Vec<u8> {
        let grandchild = number.is_multiple_of(10).then(|| Child::fork(|| self.many(seals / 4)));
        let left = if grandchild.is_some() { seals - seals / 4 } else { seals };
        let mut ids = if number.is_multiple_of(2) {
            thread::scope(|scope| {
                let half = scope.spawn(|| self.many(left / 2));
                let mut ids = self.many(left - left / 2);
                ids.extend(half.join().unwrap());
                ids
            })
        } else {
            self.many(left)
        };
        if let Some(grandchild) = grandchild {
            ids.extend(grandchild.wait().unwrap());
        }
        assert_eq!(self.base.open(b"key", &self.record).unwrap(), b"text");
        self.connection.open_table("flights").unwrap().describe().unwrap();
        if number.is_multiple_of(3) {
            self.connection.close();
            assert!(matches!(self.base.seal(b"key", b"text"), Err(Error::Closed)));
        }
        ids
    }

    fn many(&self, seals: usize) -> Vec<u8> {
        (0..seals).flat_map(|_| seal(&self.base)).collect()
    }
}

fn seal(base: &Structure) -> Id {
    let mut record = [0; 52];
    base.seal_into(b"key", b"text", &mut record).unwrap();
    record[8..32].try_into().unwrap()
}

/// How many ids are there already.
fn doubles(mut all: Vec<Id>) -> usize {
    let before = all.len();
    all.sort_unstable();
    all.dedup();
    before - all.len()
}

fn count(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}
