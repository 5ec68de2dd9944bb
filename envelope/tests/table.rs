//! Tables and records: what opens where it was sealed and nowhere else, and what bad input gets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::sync::Arc;

use common::{World, flights, service, world, world_with_flights};
use tablecrypt::kms::{Kms, KmsError, LocalKms};
use tablecrypt::store::{FolderStore, KeyStore};
use tablecrypt::{DEFAULT_KEY_ALIAS, Error, OVERHEAD, Service, Structure, StructureName, TableSpec};

const LENGTHS: &[usize] = &[0, 1, 15, 16, 17, 100, 1000, 4048, 16_384, 100_003];

fn base(world: &World) -> Structure {
    world.service.open_table("flights").unwrap().base()
}

#[test]
fn what_is_sealed_opens_by_every_road() {
    let world = world_with_flights();
    let base = base(&world);
    for &length in LENGTHS {
        for context in [&b""[..], b"key", &[7; 56], &[7; 57], &[7; 248], &[7; 249], &[7; 5000]] {
            let text: Vec<u8> = (0..length).map(|i| i.to_le_bytes()[0]).collect();
            let record = base.seal(context, &text).unwrap();
            assert_eq!(record.len(), length + OVERHEAD);
            assert!(base.open(context, &record).unwrap() == text);

            let mut out = vec![0; length + OVERHEAD + 5];
            assert_eq!(base.seal_into(context, &text, &mut out).unwrap(), length + OVERHEAD);
            let mut opened = vec![0; length + 5];
            assert_eq!(base.open_into(context, &out[..length + OVERHEAD], &mut opened).unwrap(), length);
            assert!(opened[..length] == text);

            let mut in_place = vec![0; length + OVERHEAD];
            in_place[32..32 + length].copy_from_slice(&text);
            base.seal_in_place(context, &mut in_place).unwrap();
            assert!(base.open(context, &in_place).unwrap() == text);
            assert!(base.open_in_place(context, &mut in_place).unwrap() == text);
        }
    }
}

#[test]
fn many_at_once_are_as_one_by_one_and_fail_one_by_one() {
    let base = base(&world_with_flights());
    let texts: Vec<(Vec<u8>, Vec<u8>)> = (0..50_u8).map(|i| (vec![i; 3], vec![i; usize::from(i) * 10])).collect();
    let items: Vec<(&[u8], &[u8])> = texts.iter().map(|(context, text)| (&context[..], &text[..])).collect();
    let mut records = base.seal_many(&items).unwrap();
    for (record, (context, text)) in records.iter().zip(&texts) {
        assert_eq!(base.open(context, record).unwrap(), *text);
    }
    records[20][40] ^= 1;
    let sealed: Vec<(&[u8], &[u8])> = texts.iter().zip(&records).map(|((c, _), r)| (&c[..], &r[..])).collect();
    for (i, (opened, (_, text))) in base.open_many(&sealed).unwrap().into_iter().zip(&texts).enumerate() {
        match opened {
            Err(Error::Unauthentic) => assert_eq!(i, 20),
            opened => assert_eq!(opened.unwrap(), *text),
        }
    }
}

#[test]
fn no_two_records_share_a_nonce_or_a_byte_pattern() {
    let base = base(&world_with_flights());
    let mut nonces: Vec<_> = (0..5000).map(|_| base.seal(b"key", b"text").unwrap()[8..32].to_vec()).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 5000);
}

#[test]
fn a_table_reopened_by_another_process_reads_the_records_and_takes_a_new_session() {
    let world = world_with_flights();
    let record = base(&world).seal(b"key", b"text").unwrap();
    let another = world.another_service().open_table("flights").unwrap().base();
    assert_eq!(another.open(b"key", &record).unwrap(), b"text");
    let newer = another.seal(b"key", b"text").unwrap();
    assert_ne!(newer[8..20], record[8..20], "the nonce's prefix is another one");
}

#[test]
fn service_that_requires_its_default_key_creates_none_and_uses_the_one_that_somebody_made() {
    let world = world();
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let service = Service::builder(world.kms.clone(), store).clock(world.clock.clone()).require_default_key().build();
    assert!(matches!(service.default_key(), Err(Error::KeyNotFound)));
    assert!(matches!(service.create_table(&flights()), Err(Error::KeyNotFound)));
    assert!(world.local.list_keys().unwrap().is_empty());
    assert!(service.tables().unwrap().is_empty());

    let made = world.local.create_key("by hand").unwrap();
    world.local.create_alias(DEFAULT_KEY_ALIAS, &made.id).unwrap();
    assert_eq!(service.default_key().unwrap(), made.arn);
    assert_eq!(service.create_table(&flights()).unwrap().kms_key, made.arn);
}

#[test]
fn default_key_that_is_no_alias_to_the_kms_is_an_invalid_request_and_no_damaged_key_file() {
    for alias in ["flights", "alias/", "alias/aws/flights", "alias/fl\u{fc}ge", ""] {
        let world = world();
        let service = world.service_with(|builder| builder.default_key(alias));
        for error in [service.default_key().unwrap_err(), service.create_table(&flights()).unwrap_err()] {
            assert!(matches!(error, Error::InvalidRequest), "{alias:?}: {error}");
            let said = error.to_string();
            assert!(said.contains("default key") && said.contains("alias") && !said.contains("restore"), "{said}");
        }
        assert!(world.local.list_keys().unwrap().is_empty() && service.tables().unwrap().is_empty(), "{alias:?}");
    }
    // Where no key is made, it may be named in another way.
    let world = world();
    let made = world.local.create_key("by hand").unwrap();
    let service = world.service_with(|builder| builder.default_key(&made.arn).require_default_key());
    assert_eq!(service.default_key().unwrap(), made.arn);
    assert_eq!(service.create_table(&flights()).unwrap().kms_key, made.arn);
}

#[test]
fn a_record_moved_to_another_structure_does_not_open() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    let places = [table.base(), table.local("by-delay").unwrap(), table.global("by-tail").unwrap()];
    for (i, from) in places.iter().enumerate() {
        let mut record = from.seal(b"key", b"text").unwrap();
        for (j, to) in places.iter().enumerate() {
            if i == j {
                assert_eq!(to.open(b"key", &record).unwrap(), b"text", "the control opens");
            } else {
                assert!(matches!(to.open(b"key", &record), Err(Error::UnknownKey { .. })));
                // The forger corrects the key number.
                let mut forged = record.clone();
                forged[4..8].copy_from_slice(&to.seal(b"", b"").unwrap()[4..8]);
                assert!(matches!(to.open(b"key", &forged), Err(Error::Unauthentic)));
            }
        }
        record.truncate(20);
        assert!(matches!(from.open(b"key", &record), Err(Error::Truncated)));
    }
}

#[test]
fn a_record_of_another_table_or_service_does_not_open() {
    let world = world_with_flights();
    world.service.create_table(&TableSpec::new("planes")).unwrap();
    let stranger = world_with_flights();
    let record = base(&world).seal(b"key", b"text").unwrap();
    let planes = world.service.open_table("planes").unwrap().base();
    assert!(matches!(planes.open(b"key", &record), Err(Error::Unauthentic)));
    assert!(matches!(base(&stranger).open(b"key", &record), Err(Error::Unauthentic)));
    assert_eq!(base(&world).open(b"key", &record).unwrap(), b"text", "the control opens");
}

#[test]
fn short_buffers_are_errors_and_nothing_is_written() {
    let base = base(&world_with_flights());
    let mut out = [0xa5; 100];
    assert!(matches!(base.seal_into(b"", &[1; 60], &mut out), Err(Error::OutputTooShort { needed: 108 })));
    assert!(matches!(base.seal_in_place(b"", &mut out[..47]), Err(Error::Truncated)));
    let record = base.seal(b"", &[1; 60]).unwrap();
    assert!(matches!(base.open_into(b"", &record, &mut out[..59]), Err(Error::OutputTooShort { needed: 60 })));
    assert_eq!(out, [0xa5; 100]);
}

#[test]
fn the_default_key_is_made_when_it_is_missing_and_then_used_again() {
    let world = world();
    assert!(matches!(world.local.describe_key(DEFAULT_KEY_ALIAS), Err(KmsError::NotFound)));
    let first = world.service.create_table(&flights()).unwrap();
    let second = world.service.create_table(&TableSpec::new("planes")).unwrap();
    assert_eq!(first.kms_key, second.kms_key);
    assert_eq!(first.kms_key, world.service.default_key().unwrap());
    assert_eq!(world.local.list_keys().unwrap().len(), 1);
    assert_eq!(world.service.tables().unwrap(), ["flights", "planes"]);
    let own = world.local.create_key("planes' own").unwrap();
    let third = world.service.create_table(&TableSpec::new("own").kms_key(own.id)).unwrap();
    assert_eq!(third.kms_key, own.arn);
}

#[test]
fn a_table_that_exists_is_not_created_again() {
    let world = world_with_flights();
    let before = fs::read(world.key_file("flights")).unwrap();
    assert!(matches!(world.service.create_table(&flights()), Err(Error::TableExists { .. })));
    assert_eq!(fs::read(world.key_file("flights")).unwrap(), before);
    let winners: usize = std::thread::scope(|scope| {
        let create = || usize::from(world.another_service().create_table(&TableSpec::new("raced")).is_ok());
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(winners, 1);
}

#[test]
fn names_that_cannot_be_used_are_refused() {
    let world = world();
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "../up", "a b", "é", "a\0", &long] {
        assert!(
            matches!(world.service.create_table(&TableSpec::new(name)), Err(Error::InvalidName { .. })),
            "{name:?}"
        );
        assert!(matches!(world.service.open_table(name), Err(Error::InvalidName { .. })), "{name:?}");
        assert!(matches!(world.service.describe_table(name), Err(Error::InvalidName { .. })), "{name:?}");
    }
    let twice = TableSpec::new("t").local("a").local("a");
    assert!(matches!(world.service.create_table(&twice), Err(Error::InvalidName { .. })));
    assert_eq!(world.kms.calls(), 0);
    world.service.create_table(&TableSpec::new("x".repeat(255)).local("a").global("a")).unwrap();
}

#[test]
fn missing_things_are_named() {
    let world = world_with_flights();
    assert!(matches!(world.service.open_table("planes"), Err(Error::NoSuchTable { .. })));
    assert!(matches!(world.service.describe_table("planes"), Err(Error::NoSuchTable { .. })));
    let table = world.service.open_table("flights").unwrap();
    assert!(matches!(table.local("by-tail"), Err(Error::NoSuchStructure { .. })));
    assert!(matches!(table.global("by-delay"), Err(Error::NoSuchStructure { .. })));
    let spec = TableSpec::new("t").kms_key("alias/none");
    assert!(matches!(world.service.create_table(&spec), Err(Error::KeyNotFound)));
    assert!(matches!(world.service.open_table("t"), Err(Error::NoSuchTable { .. })));
}

#[test]
fn a_table_describes_itself() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    let description = table.describe().unwrap();
    assert_eq!(description, world.service.describe_table("flights").unwrap());
    assert_eq!(description.structures, table.structures().cloned().collect::<Vec<_>>());
    let names = ["base", "local:by-delay", "global:by-tail"].map(|name| name.parse::<StructureName>().unwrap());
    assert_eq!(description.structures, names);
    assert_eq!(description.kms_key, world.service.default_key().unwrap());
    assert_eq!(description.inaccessible_since, None);
}

#[test]
fn a_disabled_or_doomed_or_destroyed_key_is_told_apart() {
    let world = world_with_flights();
    world.disable_key();
    assert!(matches!(world.service.open_table("flights"), Err(Error::KeyDisabled)));
    assert!(matches!(world.service.create_table(&TableSpec::new("t")), Err(Error::KeyDisabled)));
    world.local.schedule_key_deletion(DEFAULT_KEY_ALIAS, 7).unwrap();
    assert!(matches!(world.another_service().open_table("flights"), Err(Error::KeyPendingDeletion)));
    world.local.cancel_key_deletion(DEFAULT_KEY_ALIAS).unwrap();
    world.enable_key();
    world.advance(30);
    world.service.open_table("flights").unwrap();
    world.local.schedule_key_deletion(DEFAULT_KEY_ALIAS, 7).unwrap();
    world.advance(7 * 86_400 + 1);
    assert!(matches!(world.another_service().open_table("flights"), Err(Error::KeyNotFound)));
    assert!(matches!(world.service.open_table("t"), Err(Error::NoSuchTable { .. })), "nothing half-made is left");
}

#[test]
fn a_key_file_cut_or_changed_anywhere_is_refused() {
    let world = world_with_flights();
    let path = world.key_file("flights");
    let whole = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        world.another_service().open_table("flights").map(|table| table.base())
    };
    open(&whole).expect("the control opens");
    for length in 0..whole.len() {
        let error = open(&whole[..length]).unwrap_err();
        assert!(matches!(error, Error::KeyFileCorrupt { .. }), "cut at {length}: {error}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let error = open(&changed).unwrap_err();
        let expected = matches!(
            error,
            // Most bytes; the version; the KMS key's name; the wrapped root key, whose context digest may have changed.
            Error::KeyFileCorrupt { .. } | Error::UnknownVersion { .. } | Error::KeyNotFound | Error::WrongContext
        );
        assert!(expected, "changed at {at}: {error}");
    }
    open(&whole).expect("the control opens again");
}

#[test]
fn a_key_file_of_another_table_or_subscriber_is_refused() {
    let world = world_with_flights();
    world.service.create_table(&TableSpec::new("planes")).unwrap();
    let flights = fs::read_to_string(world.key_file("flights")).unwrap();
    fs::write(world.key_file("planes"), &flights).unwrap();
    assert!(matches!(world.service.open_table("planes"), Err(Error::WrongContext)));
    // The forger changes the name inside as well.
    fs::write(world.key_file("planes"), flights.replace("\"flights\"", "\"planes\"")).unwrap();
    assert!(matches!(world.another_service().open_table("planes"), Err(Error::WrongContext)));
    let stranger = service(&world.folder, &world.kms, &world.clock, "somebody else");
    assert!(matches!(stranger.open_table("flights"), Err(Error::WrongContext)));
    world.service.open_table("flights").expect("the control opens");
}

#[test]
fn data_keys_swapped_between_structures_are_refused() {
    let world = world_with_flights();
    let path = world.key_file("flights");
    let file = fs::read_to_string(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&file).unwrap();
    let wrapped = |i: usize| json["structures"][i]["data_keys"][0]["wrapped"].as_str().unwrap().to_owned();
    let swapped = file.replace(&wrapped(0), "?").replace(&wrapped(1), &wrapped(0)).replace('?', &wrapped(1));
    assert_ne!(swapped, file);
    fs::write(&path, swapped).unwrap();
    assert!(matches!(world.service.open_table("flights"), Err(Error::KeyFileCorrupt { .. })));
}

#[test]
fn a_folder_that_is_a_file_is_an_io_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(Service::local(&file), Err(Error::Io { .. })));
    assert!(matches!(Service::local(""), Err(Error::Io { .. })), "no keys in the working folder");
}

/// A store whose disk fills at the n-th write.
#[derive(Debug)]
struct FullDisk(FolderStore);

impl KeyStore for FullDisk {
    fn read(&self, table: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.0.read(table)
    }
    fn create(&self, _: &str, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn replace(&self, _: &str, _: &[u8], _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn supersede(&self, _: &str, _: &[u8], _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn remove(&self, table: &str) -> std::io::Result<()> {
        self.0.remove(table)
    }
    fn tables(&self) -> std::io::Result<Vec<String>> {
        self.0.tables()
    }
    fn path(&self, table: &str) -> std::path::PathBuf {
        self.0.path(table)
    }
}

#[test]
fn a_full_disk_is_an_io_error_and_leaves_no_table() {
    let world = world();
    let store = FolderStore::open(world.folder.path().join("tables")).unwrap();
    let full = Service::builder(world.kms.clone(), Arc::new(FullDisk(store))).build();
    assert!(matches!(full.create_table(&flights()), Err(Error::Io { .. })));
    assert!(matches!(full.open_table("flights"), Err(Error::NoSuchTable { .. })));
    world.service.create_table(&flights()).expect("with room it is created");
}

#[test]
fn the_local_defaults_work_with_the_machine_s_clock() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::local(folder.path()).unwrap();
    service.create_table(&flights()).unwrap();
    let base = service.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    let again = Service::local(folder.path()).unwrap().open_table("flights").unwrap().base();
    assert_eq!(again.open(b"key", &record).unwrap(), b"text");
    let kms = LocalKms::open(folder.path().join("kms")).unwrap();
    assert_eq!(kms.list_keys().unwrap().len(), 1);
}

#[test]
fn debug_shows_no_key() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    let shown = format!("{:?} {:?} {:?}", table, table.base(), world.service);
    let material: Vec<_> = fs::read_dir(world.folder.path().join("kms/keys")).unwrap().collect();
    assert_eq!(material.len(), 1);
    let key: serde_json::Value =
        serde_json::from_slice(&fs::read(material[0].as_ref().unwrap().path()).unwrap()).unwrap();
    assert!(!shown.contains(key["material"].as_str().unwrap()));
}
