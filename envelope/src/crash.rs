//! A machine that stops at every step of every change of a key file, one step after the other: the table opens, every record
//! opens, and the change can be made again. (tests/crash.rs kills real processes, at random moments.)
//!
//! A step is a change of the file system; the last one before the stop may have written half of a file. The control is a
//! store that writes in place: the same check finds it out.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use core::fmt::Debug;
use core::time::Duration;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::VirtualClock;
use crate::kms::{Kms, LocalKms};
use crate::store::stop::{self, step};
use crate::store::{FolderStore, KeyStore};
use crate::{Error, Result, Rewrap, Service, StructureName, TableSpec};

#[test]
fn create_table_stopped_at_any_step_leaves_a_table_that_is_there_or_not_there() {
    let stops = stops(
        World::empty,
        |world| drop(world.service().create_table(&spec())),
        |world| {
            match world.service().open_table("flights") {
                Ok(_) => {}
                Err(Error::NoSuchTable { .. }) => drop(world.service().create_table(&spec()).unwrap()),
                Err(other) => return Err(other.to_string()),
            }
            world.opens()
        },
    );
    assert!(stops >= 7, "{stops}");
}

#[test]
fn rotate_stopped_at_any_step_loses_nothing() {
    stopped_and_done_again(10, |world| world.service().rotate("flights"));
}

#[test]
fn switch_key_stopped_at_any_step_loses_nothing_and_is_done_again() {
    let stops = stopped_and_done_again(20, |world| world.service().switch_key("flights", &[&world.other_key()]));
    println!("switch_key stopped at {stops} steps");
}

#[test]
fn rewrap_stopped_at_any_step_loses_nothing() {
    stopped_and_done_again(10, |world| world.service().rewrap("flights", &Rewrap::to(world.other_key())));
}

#[test]
fn kms_keys_added_and_removed_and_stopped_at_any_step_lose_nothing() {
    stopped_and_done_again(10, |world| world.service().add_kms_key("flights", &world.other_key()));
    let removal = |world: &World| {
        let service = world.service();
        service.add_kms_key("flights", &world.other_key())?;
        let first = service.describe_table("flights")?.kms_key;
        service.remove_kms_key("flights", &first).or_else(|error| match error {
            // The add found the key there, alone: the removal was done before the stop.
            Error::Indispensable { .. } => service.describe_table("flights"),
            other => Err(other),
        })
    };
    stopped_and_done_again(20, removal);
}

#[test]
fn structures_added_stopped_at_any_step_lose_nothing() {
    let name = StructureName::Local("new".into());
    stopped_and_done_again(10, |world| match world.service().add_structure("flights", &name) {
        Err(Error::StructureExists { .. }) => Ok(()),
        added => added,
    });
}

#[test]
fn retirement_stopped_at_any_step_destroys_the_key_in_all_files_or_in_none_that_counts() {
    let number = 4; // a rotated generation of the base table, without records
    let wrapped = |world: &World| {
        let file: serde_json::Value = serde_json::from_slice(&fs::read(world.path("keys.json")).unwrap()).unwrap();
        let keys = file["structures"][0]["data_keys"].as_array().unwrap().clone();
        let key = keys.into_iter().find(|key| key["number"] == number);
        key.map(|key| key["wrapped"].as_str().unwrap().to_owned())
    };
    let key = core::cell::RefCell::new(String::new());
    let prepare = || {
        let world = World::with_records();
        // Twice, so that generation 4 seals no more.
        world.service().rotate("flights").unwrap();
        world.clock.advance(Duration::from_secs(1000));
        key.replace(wrapped(&world).unwrap());
        world
    };
    let stops = stops(
        prepare,
        |world| drop(world.service().retire_generation("flights", number)),
        |world| {
            world.opens()?;
            if wrapped(world).is_some() {
                world.service().retire_generation("flights", number).map_err(|error| error.to_string())?;
            }
            // Once the key file has it no more, no file has, whatever step came next.
            for entry in fs::read_dir(world.path("")).unwrap() {
                let path = entry.unwrap().path();
                if fs::read_to_string(&path).unwrap().contains(&*key.borrow()) {
                    return Err(format!("{} has the destroyed key", path.display()));
                }
            }
            world.opens()
        },
    );
    assert!(stops >= 10, "{stops}");
}

#[test]
fn delete_table_stopped_at_any_step_leaves_a_table_that_is_there_or_not_there() {
    let stops = stops(
        World::with_records,
        |world| drop(world.service().delete_table("flights")),
        |world| {
            match world.service().delete_table("flights") {
                Ok(()) | Err(Error::NoSuchTable { .. }) => {}
                Err(other) => return Err(other.to_string()),
            }
            world.service().create_table(&spec()).map_err(|error| error.to_string())?;
            world.opens().is_err().then_some(()).ok_or_else(|| "a deleted table's records open".to_owned())
        },
    );
    assert!(stops >= 4, "{stops}");
}

#[test]
fn a_store_that_writes_in_place_is_found_out() {
    let mut found = 0;
    for steps in 0.. {
        let world = World { in_place: true, ..World::with_records() };
        let stopped = stop::after(steps, || drop(world.service().rotate("flights")));
        found += u32::from(world.opens().is_err());
        if !stopped {
            break;
        }
    }
    assert!(found > 0);
}

/// Stops a change at every step of it: each time the table and every record open, and the change made again ends well.
fn stopped_and_done_again<T: Debug>(least: usize, change: impl Fn(&World) -> Result<T>) -> usize {
    let stops = stops(
        World::with_records,
        |world| drop(change(world)),
        |world| {
            world.opens()?;
            change(world).map_err(|error| error.to_string())?;
            world.opens()?;
            let description = world.service().describe_table("flights").unwrap();
            if description.switching_to.is_some() { Err("still UPDATING".to_owned()) } else { Ok(()) }
        },
    );
    assert!(stops >= least, "{stops} steps");
    stops
}

/// How many steps a change has, each of which it was stopped at; `check` looks at what that left.
fn stops(prepare: impl Fn() -> World, change: impl Fn(&World), check: impl Fn(&World) -> Result<(), String>) -> usize {
    for steps in 0.. {
        let world = prepare();
        let stopped = stop::after(steps, || change(&world));
        if let Err(why) = check(&world) {
            panic!("stopped after {steps} steps: {why}");
        }
        if !stopped {
            return steps;
        }
    }
    0
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<VirtualClock>,
    records: Vec<(StructureName, Vec<u8>)>,
    in_place: bool,
}

impl World {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(VirtualClock::default());
        Self { folder, clock, records: Vec::new(), in_place: false }
    }

    /// A table with records of two generations of each structure.
    fn with_records() -> Self {
        let mut world = Self::empty();
        world.service().create_table(&spec()).unwrap();
        world.seal();
        world.service().rotate("flights").unwrap();
        world.clock.advance(Duration::from_secs(1000));
        for (name, record) in world.sealed() {
            if name != StructureName::Base {
                world.records.push((name, record));
            }
        }
        world
    }

    /// A new process.
    fn service(&self) -> Service {
        let kms = Arc::new(LocalKms::open_with(self.folder.path().join("kms"), self.clock.clone()).unwrap());
        let store = FolderStore::open(self.folder.path().join("tables")).unwrap();
        let store: Arc<dyn KeyStore> = if self.in_place { Arc::new(InPlace(store)) } else { Arc::new(store) };
        Service::builder(kms, store).clock(self.clock.clone()).build()
    }

    fn seal(&mut self) {
        let sealed = self.sealed();
        self.records.extend(sealed);
    }

    fn sealed(&self) -> Vec<(StructureName, Vec<u8>)> {
        let table = self.service().open_table("flights").unwrap();
        let seal = |name: &StructureName| table.structure(name).unwrap().seal(b"key", b"text").unwrap();
        table.structures().map(|name| (name.clone(), seal(name))).collect()
    }

    /// Whether every record opens, in a new process, and new ones do too.
    fn opens(&self) -> Result<(), String> {
        let said = |error: Error| error.to_string();
        let table = self.service().open_table("flights").map_err(said)?;
        for (name, record) in &self.records {
            let text = table.structure(name).and_then(|structure| structure.open(b"key", record)).map_err(said)?;
            assert_eq!(text, b"text");
        }
        let record = table.base().seal(b"key", b"text").map_err(said)?;
        table.base().open(b"key", &record).map(drop).map_err(said)
    }

    fn other_key(&self) -> String {
        let kms = LocalKms::open_with(self.folder.path().join("kms"), self.clock.clone()).unwrap();
        kms.ensure_key("alias/other", "").unwrap().arn
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("tables/flights").join(name)
    }
}

fn spec() -> TableSpec {
    TableSpec::new("flights").local("by-delay").global("by-tail")
}

/// A store as one writes it first: it opens the key file and writes.
#[derive(Debug)]
struct InPlace(FolderStore);

impl InPlace {
    fn write(path: &Path, file: &[u8]) -> io::Result<()> {
        step()?;
        let mut out = File::create(path)?;
        let (first, second) = file.split_at(file.len() / 2);
        step()?;
        out.write_all(first)?;
        step()?;
        out.write_all(second)
    }
}

impl KeyStore for InPlace {
    fn read(&self, table: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.read(table)
    }

    fn create(&self, table: &str, file: &[u8]) -> io::Result<()> {
        self.0.create(table, file)
    }

    fn replace(&self, table: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        Self::write(&self.path(table), file)
    }

    fn supersede(&self, table: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        Self::write(&self.path(table), file)
    }

    fn remove(&self, table: &str) -> io::Result<()> {
        self.0.remove(table)
    }

    fn tables(&self) -> io::Result<Vec<String>> {
        self.0.tables()
    }

    fn path(&self, table: &str) -> PathBuf {
        self.0.path(table)
    }
}
