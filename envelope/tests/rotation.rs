//! Generations of data keys, on a virtual clock: what opens, what seals, in which process and when; and when one can go.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::sync::Arc;

use common::{World, world_with_flights};
use tablecrypt::kms::LocalKms;
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, KeyStatus, Service, Structure, StructureName, generation_of_record, records_of_generation};

fn base(service: &Service) -> Structure {
    service.open_table("flights").unwrap().base()
}

fn number(structure: &Structure) -> u32 {
    generation_of_record(&structure.seal(b"key", b"text").unwrap()).unwrap()
}

fn numbers(world: &World) -> Vec<(u32, bool)> {
    let generations = world.service.generations("flights").unwrap();
    generations.iter().map(|generation| (generation.number, generation.seals)).collect()
}

/// Steady traffic on these structures.
fn traffic(world: &World, seconds: u64, structures: &[&Structure]) {
    for _ in 0..seconds {
        world.advance(1);
        structures.iter().for_each(|structure| drop(structure.seal(b"key", b"text").unwrap()));
    }
}

#[test]
fn rotation_makes_a_generation_that_opens_first_and_seals_when_every_process_has_it() {
    let world = world_with_flights();
    let (ours, theirs) = (base(&world.service), base(&world.another_service()));
    let before = ours.seal(b"key", b"before").unwrap();
    // The other process has just refreshed: it will not look at the key file for five minutes.
    let made = world.service.rotate("flights").unwrap();
    assert_eq!(made.iter().map(|generation| generation.number).collect::<Vec<_>>(), [4, 5, 6]);
    assert!(made.iter().all(|generation| !generation.seals));
    assert_eq!(numbers(&world), [(1, true), (4, false), (2, true), (5, false), (3, true), (6, false)]);

    let mut moved = [None, None];
    for second in 1..=800 {
        world.advance(1);
        for (structure, moved) in [&ours, &theirs].into_iter().zip(&mut moved) {
            let record = structure.seal(b"key", b"text").unwrap();
            if generation_of_record(&record).unwrap() == 4 {
                moved.get_or_insert(second);
            }
            // Nobody ever meets a record of a generation that is not known there yet.
            for reader in [&ours, &theirs] {
                assert_eq!(reader.open(b"key", &record).unwrap(), b"text", "second {second}");
                assert_eq!(reader.open(b"key", &before).unwrap(), b"before");
            }
        }
    }
    for moved in moved {
        assert!((390..=690).contains(&moved.unwrap()), "{moved:?}");
    }
    assert_eq!(numbers(&world)[..2], [(1, false), (4, true)]);
    assert_eq!(number(&base(&world.another_service())), 4);
}

#[test]
fn a_generation_that_does_not_wait_for_other_processes_seals_what_they_cannot_open() {
    // The control of the test above: a process that takes permissions to last two seconds, among others where they last 330.
    let world = world_with_flights();
    let theirs = base(&world.another_service());
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let hasty = Service::builder(world.kms.clone(), store).clock(world.clock.clone());
    let second = core::time::Duration::from_secs(1);
    let hasty = hasty.refresh(second, second).build();
    hasty.rotate("flights").unwrap();
    traffic(&world, 70, &[&theirs]);
    let record = base(&hasty).seal(b"key", b"text").unwrap();
    assert!(matches!(theirs.open(b"key", &record), Err(Error::UnknownKey { number: 4 })));
    traffic(&world, 331, &[&theirs]);
    assert_eq!(theirs.open(b"key", &record).unwrap(), b"text");
}

#[test]
fn rotating_one_structure_leaves_the_others() {
    let world = world_with_flights();
    let name = StructureName::Global("by-tail".into());
    let made = world.service.rotate_structure("flights", &name).unwrap();
    assert_eq!((made.len(), &made[0].structure), (1, &name));
    assert_eq!(numbers(&world), [(1, true), (2, true), (3, true), (4, false)]);
    let none = StructureName::Global("none".into());
    assert!(matches!(world.service.rotate_structure("flights", &none), Err(Error::NoSuchStructure { .. })));
    assert!(matches!(world.service.rotate("none"), Err(Error::NoSuchTable { .. })));
    assert_eq!(numbers(&world).len(), 4);
}

#[test]
fn a_generation_is_retired_when_nothing_can_seal_with_it_and_then_it_is_in_no_file() {
    let world = world_with_flights();
    let base = base(&world.service);
    let old = base.seal(b"key", b"old").unwrap();
    let wrapped = wrapped_keys(&world)[0].clone();
    let retire = |number| world.service.retire_generation("flights", number);
    assert!(matches!(retire(1), Err(Error::GenerationInUse { number: 1, until: None })), "it seals");
    world.service.rotate("flights").unwrap();
    assert!(matches!(retire(4), Err(Error::GenerationInUse { number: 4, until: None })), "it is to seal");
    assert!(matches!(retire(1), Err(Error::GenerationInUse { number: 1, until: None })), "it seals still");
    traffic(&world, 390, &[&base]);
    assert!(matches!(retire(1), Err(Error::GenerationInUse { number: 1, until: Some(_) })), "another process");
    assert!(matches!(retire(9), Err(Error::UnknownKey { number: 9 })));
    traffic(&world, 389, &[&base]);
    assert!(matches!(retire(1), Err(Error::GenerationInUse { number: 1, until: Some(_) })), "a second too early");
    traffic(&world, 1, &[&base]);
    assert_eq!(number(&base), 4);

    // The caller counts, seals anew what is left, and counts again.
    let mut records = vec![old.clone(), base.seal(b"key", b"new").unwrap()];
    assert_eq!(records_of_generation(1, &records).unwrap(), 1);
    records[0] = base.seal(b"key", &base.open(b"key", &records[0]).unwrap()).unwrap();
    assert_eq!(records_of_generation(1, &records).unwrap(), 0);
    assert_eq!(records_of_generation(4, records.iter().map(|record| &record[..8])).unwrap(), 2);
    assert!(matches!(records_of_generation(1, [&old[..7]]), Err(Error::Truncated)));
    assert!(matches!(records_of_generation(1, [[7; 48]]), Err(Error::UnknownVersion { version: 7 })));

    assert!(in_any_file(&world, &wrapped), "the control: it is there before");
    retire(1).unwrap();
    assert!(!in_any_file(&world, &wrapped));
    assert!(matches!(retire(1), Err(Error::UnknownKey { number: 1 })));
    let fresh = world.another_service().open_table("flights").unwrap().base();
    assert!(matches!(fresh.open(b"key", &old), Err(Error::UnknownKey { number: 1 })));
    for record in &records {
        fresh.open(b"key", record).unwrap();
    }
    // Its number is never given out again.
    let made = world.service.rotate("flights").unwrap();
    assert_eq!(made.iter().map(|generation| generation.number).collect::<Vec<_>>(), [7, 8, 9]);
}

#[test]
fn a_dropped_index_has_its_keys_destroyed_and_a_new_one_of_its_name_does_not_open_its_records() {
    let world = world_with_flights();
    let name = StructureName::Global("by-tail".into());
    let table = world.service.open_table("flights").unwrap();
    let old = table.structure(&name).unwrap();
    let record = old.seal(b"key", b"text").unwrap();
    let their_table = world.another_service().open_table("flights").unwrap();
    let (theirs, their_base) = (their_table.structure(&name).unwrap(), their_table.base());
    let wrapped = wrapped_keys(&world)[2].clone();
    world.service.rotate("flights").unwrap();
    assert!(in_any_file(&world, &wrapped), "the control");
    world.service.drop_structure("flights", &name).unwrap();
    assert!(!in_any_file(&world, &wrapped));
    assert!(matches!(world.service.drop_structure("flights", &name), Err(Error::NoSuchStructure { .. })));
    let base = world.service.drop_structure("flights", &StructureName::Base);
    assert!(matches!(base, Err(Error::Indispensable { .. })));
    assert!(matches!(old.open(b"key", &record), Err(Error::NoSuchStructure { .. })), "at once");
    assert_eq!(theirs.open(b"key", &record).unwrap(), b"text");
    traffic(&world, 331, &[&table.base(), &their_base]);
    assert!(matches!(theirs.open(b"key", &record), Err(Error::NoSuchStructure { .. })), "at their next refresh");

    world.service.add_structure("flights", &name).unwrap();
    assert!(matches!(world.service.add_structure("flights", &name), Err(Error::StructureExists { .. })));
    let new = world.another_service().open_table("flights").unwrap().structure(&name).unwrap();
    assert!(matches!(new.open(b"key", &record), Err(Error::UnknownKey { number: 3 })));
    assert_eq!(new.open(b"key", &new.seal(b"key", b"text").unwrap()).unwrap(), b"text");
    traffic(&world, 331, &[&table.base()]);
    assert!(matches!(old.seal(b"key", b"text"), Err(Error::NoSuchStructure { .. })), "a handle of the dropped one");
}

#[test]
fn an_index_is_added_to_a_table_that_is_in_use() {
    let world = world_with_flights();
    let connection = world.service.connect();
    let table = connection.open_table("flights").unwrap();
    let name = StructureName::Local("by-origin".into());
    assert!(matches!(table.structure(&name), Err(Error::NoSuchStructure { .. })));
    for bad in ["", "a/b", "../x"] {
        let bad = StructureName::Local(bad.into());
        assert!(matches!(world.service.add_structure("flights", &bad), Err(Error::InvalidName { .. })));
    }
    let theirs = world.another_service();
    let their_connection = theirs.connect();
    let their_table = their_connection.open_table("flights").unwrap();
    let before = world.kms.calls();
    world.service.add_structure("flights", &name).unwrap();
    // The connection that has it open has the index at once, with no call for that.
    let index = connection.open_table("flights").unwrap().structure(&name).unwrap();
    assert_eq!(world.kms.calls(), before + 1, "the one of the change itself");
    let record = index.seal(b"key", b"text").unwrap();
    assert_eq!(index.open(b"key", &record).unwrap(), b"text");
    assert_eq!(world.service.describe_table("flights").unwrap().structures.last(), Some(&name));
    // Another process at its refresh.
    assert!(their_connection.open_table("flights").unwrap().structure(&name).is_err());
    traffic(&world, 331, &[&their_table.base()]);
    let again = their_connection.open_table("flights").unwrap();
    assert_eq!(again.structure(&name).unwrap().open(b"key", &record).unwrap(), b"text");
}

#[test]
fn what_a_change_brings_at_once_makes_no_permission_last_longer() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    world.advance(200);
    world.service.rotate("flights").unwrap();
    assert_eq!(table.permitted_for(), Some(core::time::Duration::from_secs(130)));
    world.advance(130);
    assert_eq!(table.permitted_for(), None);
    // And gives none back to who has none.
    world.service.rotate("flights").unwrap();
    assert_eq!(table.permitted_for(), None);
}

#[test]
fn a_deleted_table_is_gone_with_all_its_keys_and_its_name_is_free() {
    let world = world_with_flights();
    let base = base(&world.service);
    let record = base.seal(b"key", b"text").unwrap();
    world.service.rotate("flights").unwrap();
    let keys = wrapped_keys(&world);
    let before = world.kms.calls();
    world.service.delete_table("flights").unwrap();
    assert_eq!(world.kms.calls(), before, "no KMS call");
    assert!(keys.iter().all(|key| !in_any_file(&world, key)));
    assert!(world.service.tables().unwrap().is_empty());
    assert!(matches!(world.service.delete_table("flights"), Err(Error::NoSuchTable { .. })));
    assert!(matches!(world.service.delete_table("../kms"), Err(Error::InvalidName { .. })));
    assert!(matches!(base.open(b"key", &record), Err(Error::NoSuchTable { .. })), "at once");
    world.service.create_table(&common::flights()).unwrap();
    let base = self::base(&world.another_service());
    assert!(matches!(base.open(b"key", &record), Err(Error::Unauthentic)));
}

#[test]
fn two_processes_that_rotate_at_once_both_do() {
    let world = world_with_flights();
    let services: Vec<_> = (0..8).map(|_| world.another_service()).collect();
    std::thread::scope(|scope| {
        for service in &services {
            scope.spawn(|| service.rotate("flights").unwrap());
        }
    });
    assert_eq!(numbers(&world).len(), 3 * 9);
    let base = base(&world.another_service());
    assert_eq!(base.open(b"key", &base.seal(b"key", b"text").unwrap()).unwrap(), b"text");
}

#[test]
fn a_clock_that_was_set_back_never_makes_a_generation_seal_before_the_one_before_it() {
    let world = world_with_flights();
    world.advance(10_000);
    world.service.rotate("flights").unwrap();
    // Another machine, whose clock is behind by almost three hours.
    let clock = Arc::new(tablecrypt::clock::VirtualClock::default());
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let behind = Service::builder(world.kms.clone(), store).clock(clock).build();
    let made = behind.rotate("flights").unwrap();
    let all = world.service.generations("flights").unwrap();
    assert!(made[0].seals_from >= all[1].seals_from);
    assert_eq!(number(&base(&behind)), 1);
    assert_eq!(number(&base(&world.service)), 1);
}

/// Made with the last version of this library that wrote version 1, on the machine's clock; the KMS key is in it in clear.
#[test]
fn a_key_file_of_version_1_opens_and_its_next_change_writes_version_2() {
    let folder = tempfile::tempdir().unwrap();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/key-file-1");
    copy(&golden, folder.path());
    let path = folder.path().join("tables/flights/keys.json");
    let file = fs::read_to_string(&path).unwrap();
    assert!(file.contains("\"version\": 1"));
    let records = fs::read_to_string(golden.join("records.txt")).unwrap();
    let check = || {
        let table = Service::local(folder.path()).unwrap().open_table("flights").unwrap();
        assert_eq!(table.describe().unwrap().status, KeyStatus::Enabled);
        for line in records.lines() {
            let (name, record) = line.split_once(' ').unwrap();
            let structure = table.structure(&name.parse().unwrap()).unwrap();
            let record = hex::decode(record).unwrap();
            let text = structure.open(b"2013-01-01 UA 1545 EWR", &record).unwrap();
            assert_eq!(text, format!("11 minutes late, in {name}").as_bytes());
        }
    };
    check();
    let service = Service::local(folder.path()).unwrap();
    let kms = LocalKms::open(folder.path().join("kms")).unwrap();
    let another = kms.create_key("").unwrap().arn;
    type Change<'a> = &'a dyn Fn();
    let changes: [Change<'_>; 4] = [
        &|| drop(service.rotate("flights").unwrap()),
        &|| drop(service.switch_key("flights", &[&another]).unwrap()),
        &|| drop(service.rewrap("flights", &tablecrypt::Rewrap::to(&another)).unwrap()),
        &|| drop(service.add_kms_key("flights", &another).unwrap()),
    ];
    for change in changes {
        fs::write(&path, &file).unwrap();
        change();
        assert!(fs::read_to_string(&path).unwrap().contains("\"version\": 2"));
        check();
    }
    // What a forger makes of it: parts of version 2 in a file that says 1, under a MAC that is of none.
    fs::write(&path, file.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(matches!(service.open_table("flights"), Err(Error::KeyFileCorrupt { .. })));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The wrapped data keys of all structures, as they stand in the file.
fn wrapped_keys(world: &World) -> Vec<String> {
    let file = fs::read_to_string(world.key_file("flights")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&file).unwrap();
    let structures = json["structures"].as_array().unwrap();
    let keys = structures.iter().flat_map(|structure| structure["data_keys"].as_array().unwrap());
    keys.map(|key| key["wrapped"].as_str().unwrap().to_owned()).collect()
}

/// Whether any file of the table's folder has this text in it.
fn in_any_file(world: &World, text: &str) -> bool {
    let folder = world.key_file("flights").parent().unwrap().to_owned();
    let mut files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files.any(|file| file.contains(text))
}
