//! A table's KMS keys: rewrapping under another one, moving to another root key, and several at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::sync::Arc;

use common::{Failing, Fault, World, flights, world, world_with_flights};
use tablecrypt::clock::VirtualClock;
use tablecrypt::core::Key;
use tablecrypt::kms::{
    EncryptionContext, FaultKms, GeneratedKey, KeyMetadata, Kms, KmsError, LocalKms, Operation, Routes,
};
use tablecrypt::store::FolderStore;
use tablecrypt::{DEFAULT_KEY_ALIAS, Error, KeyBox, KeyStatus, Rewrap, Service, Structure, TableSpec};

fn base(service: &Service) -> Structure {
    service.open_table("flights").unwrap().base()
}

/// A record of the table, and what has to hold whatever happened to its KMS keys.
fn sealed(world: &World) -> Vec<u8> {
    base(&world.another_service()).seal(b"key", b"text").unwrap()
}

fn opens(world: &World, record: &[u8]) {
    assert_eq!(base(&world.another_service()).open(b"key", record).unwrap(), b"text");
}

/// What the KMS was asked for while `f` ran.
fn asked(world: &World, f: impl FnOnce()) -> Vec<Operation> {
    let before = world.local.audit().unwrap().len();
    f();
    world.local.audit().unwrap()[before..].iter().map(|entry| entry.operation).collect()
}

fn former_file(world: &World) -> String {
    fs::read_to_string(world.key_file("flights").with_file_name("keys.previous.json")).unwrap()
}

#[test]
fn rewrapping_moves_the_root_key_inside_the_kms_and_nobody_notices() {
    let world = world_with_flights();
    let record = sealed(&world);
    let table = world.service.open_table("flights").unwrap();
    let old = world.service.describe_table("flights").unwrap().kms_key;
    let new = world.local.create_key("new").unwrap().arn;
    let before = fs::read_to_string(world.key_file("flights")).unwrap();
    let calls = asked(&world, || {
        let done = world.service.rewrap("flights", &Rewrap::to(&new)).unwrap();
        assert_eq!((done.table.as_str(), &done.from, &done.to), ("flights", &old, &new));
    });
    assert_eq!(calls, [Operation::ReEncrypt, Operation::ReEncrypt], "no Decrypt");
    assert_eq!(former_file(&world), before, "the one before is kept");
    let mac = |file: &str| file.split_once("\"mac\"").unwrap().0.to_owned();
    let after = fs::read_to_string(world.key_file("flights")).unwrap();
    assert_eq!(mac(&after), mac(&before));
    assert_eq!(table.describe().unwrap().kms_key, new);
    world.local.disable_key(&old).unwrap();
    opens(&world, &record);
    for _ in 0..700 {
        world.advance(1);
        table.base().open(b"key", &record).unwrap();
    }
    // Under the same key again: a newer backing key wraps.
    world.service.rewrap("flights", &Rewrap::to(&new)).unwrap();
    opens(&world, &record);
    world.local.disable_key(&new).unwrap();
    assert!(matches!(world.another_service().open_table("flights"), Err(Error::KeyDisabled)), "the control");
}

#[test]
fn a_dry_run_says_what_a_rewrap_would_do_and_does_nothing() {
    let world = world();
    let [old, other, new] = ["old", "other", "new"].map(|name| world.local.create_key(name).unwrap().arn);
    for (table, key) in [("a", &old), ("b", &other), ("c", &old)] {
        world.service.create_table(&TableSpec::new(table).kms_key(key)).unwrap();
    }
    let file = |table: &str| fs::read(world.key_file(table)).unwrap();
    let before = ["a", "b", "c"].map(file);
    let rewrap = Rewrap::to(&new).from(&old);
    let calls = asked(&world, || {
        let plan = world.service.plan_rewrap_all(&rewrap).unwrap();
        let plan: Vec<_> = plan.into_iter().map(|(table, plan)| (table, plan.unwrap())).collect();
        assert_eq!(plan.iter().map(|(table, _)| table.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert!(plan.iter().all(|(_, plan)| plan.from == old && plan.to == new && plan.obstacle.is_none()));
    });
    assert!(calls.iter().all(|call| *call == Operation::DescribeKey));
    assert_eq!(["a", "b", "c"].map(file), before);

    // What stands in the way.
    let plan = |rewrap: &Rewrap| world.service.plan_rewrap("a", rewrap);
    assert!(matches!(plan(&Rewrap::to(&new).from(&other)), Err(Error::NoSuchKmsKey { .. })));
    assert!(matches!(plan(&Rewrap::to("alias/none")), Err(Error::KeyNotFound)));
    world.local.disable_key(&new).unwrap();
    assert!(matches!(plan(&rewrap).unwrap().obstacle, Some(Error::KeyDisabled)));
    assert!(matches!(world.service.rewrap("a", &rewrap), Err(Error::KeyDisabled)));
    world.local.enable_key(&new).unwrap();
    world.local.schedule_key_deletion(&old, 7).unwrap();
    assert!(matches!(plan(&rewrap).unwrap().obstacle, Some(Error::KeyPendingDeletion)));
    world.local.cancel_key_deletion(&old).unwrap();
    world.local.enable_key(&old).unwrap();
    assert_eq!(["a", "b", "c"].map(file), before);

    // And then it is done: to those under the old key, by its alias as well.
    world.local.create_alias("alias/old", &old).unwrap();
    let done = world.service.rewrap_all(&Rewrap::to(&new).from("alias/old")).unwrap();
    assert_eq!(done.len(), 2);
    assert!(done.into_iter().all(|(_, done)| done.unwrap().to == new));
    let keys = ["a", "b", "c"].map(|table| world.service.describe_table(table).unwrap().kms_key);
    assert_eq!(keys, [new.clone(), other, new]);
}

#[test]
fn switching_keys_makes_a_new_root_key_and_the_old_kms_key_opens_no_file_any_more() {
    let world = world_with_flights();
    let record = sealed(&world);
    let (ours, theirs) = (base(&world.service), base(&world.another_service()));
    let old = world.service.describe_table("flights").unwrap().kms_key;
    let new = world.local.create_key("new").unwrap().arn;
    let calls = asked(&world, || {
        let description = world.service.switch_key("flights", &[&new]).unwrap();
        assert_eq!((&description.kms_key, description.status), (&new, KeyStatus::Enabled));
    });
    assert_eq!(calls, [Operation::Decrypt, Operation::GenerateDataKey, Operation::Decrypt]);
    for file in [fs::read_to_string(world.key_file("flights")).unwrap(), former_file(&world)] {
        assert!(!file.contains(&old) && file.contains(&new));
    }
    world.local.disable_key(&old).unwrap();
    opens(&world, &record);
    // Whoever has the table open goes on, and asks the new key at the next refresh.
    for second in 0..700 {
        world.advance(1);
        for structure in [&ours, &theirs] {
            assert_eq!(structure.open(b"key", &record).unwrap(), b"text", "{second}");
            structure.open(b"key", &structure.seal(b"key", b"text").unwrap()).unwrap();
        }
    }
    world.local.disable_key(&new).unwrap();
    world.advance(300);
    drop(ours.open(b"key", &record));
    world.advance(1);
    assert!(matches!(ours.open(b"key", &record), Err(Error::KeyDisabled)), "the control");
    assert!(matches!(world.service.switch_key("flights", &[]), Err(Error::Indispensable { .. })));
}

#[test]
fn a_refresh_that_meets_a_switch_asks_the_new_key_and_not_the_old_one_that_is_disabled_since() {
    let world = world_with_flights();
    let theirs = base(&world.another_service());
    let record = theirs.seal(b"key", b"text").unwrap();
    let old = world.service.describe_table("flights").unwrap().kms_key;
    let new = world.local.create_key("new").unwrap().arn;
    // Their refresh has read the key file, and hangs in its call for twenty seconds.
    world.kms.delay(core::time::Duration::from_secs(20));
    world.advance(300);
    theirs.open(b"key", &record).unwrap();
    world.clock.settle();
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let direct = Service::builder(world.local.clone(), store).clock(world.clock.clone()).build();
    direct.switch_key("flights", &[&new]).unwrap();
    world.local.disable_key(&old).unwrap();
    world.kms.delay(core::time::Duration::ZERO);
    for _ in 0..60 {
        world.advance(1);
        assert_eq!(theirs.open(b"key", &record).unwrap(), b"text");
    }
}

#[test]
fn while_a_table_moves_every_process_sees_updating_and_the_old_key_opens_it() {
    let world = world_with_flights();
    let record = sealed(&world);
    let old = world.service.describe_table("flights").unwrap().kms_key;
    let new = world.local.create_key("new").unwrap().arn;
    // A KMS that stops answering after the first call: the process that moves the table hangs in the second.
    let stuck = Arc::new(common::Stopping::new(world.local.clone(), 1));
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let mover = Service::builder(stuck.clone(), store).clock(world.clock.clone()).build();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| mover.switch_key("flights", &[&new]));
        stuck.wait_until_stuck();
        let description = world.another_service().describe_table("flights").unwrap();
        assert_eq!((description.status, description.kms_key.as_str()), (KeyStatus::Updating, old.as_str()));
        assert_eq!(description.switching_to.as_deref(), Some(new.as_str()));
        opens(&world, &record);
        // A rotation meanwhile is not lost.
        world.service.rotate("flights").unwrap();
        assert_eq!(world.service.describe_table("flights").unwrap().status, KeyStatus::Updating);
        stuck.go_on();
        assert_eq!(moving.join().unwrap().unwrap().status, KeyStatus::Enabled);
    });
    assert_eq!(world.service.generations("flights").unwrap().len(), 6);
    world.local.disable_key(&old).unwrap();
    opens(&world, &record);
}

#[test]
fn of_two_processes_that_move_a_table_at_once_the_later_one_does_and_the_other_is_told() {
    let world = world_with_flights();
    let record = sealed(&world);
    let [first, second] = ["first", "second"].map(|name| world.local.create_key(name).unwrap().arn);
    let stuck = Arc::new(common::Stopping::new(world.local.clone(), 1));
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let mover = Service::builder(stuck.clone(), store).clock(world.clock.clone()).build();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| mover.switch_key("flights", &[&first]));
        stuck.wait_until_stuck();
        assert_eq!(world.service.switch_key("flights", &[&second]).unwrap().kms_key, second);
        stuck.go_on();
        assert!(matches!(moving.join().unwrap(), Err(Error::KeyFileBusy { .. })));
    });
    let description = world.service.describe_table("flights").unwrap();
    assert_eq!((description.kms_key, description.status), (second, KeyStatus::Enabled));
    opens(&world, &record);
}

/// Two regions: a KMS each, told apart by the ARN of its one key.
struct Regions {
    world: World,
    home: Arc<FaultKms>,
    away: Arc<FaultKms>,
    away_key: String,
    home_key: String,
    service: Service,
}

impl Regions {
    fn new() -> Self {
        let world = world();
        let away = Arc::new(LocalKms::open_with(world.folder.path().join("away"), world.clock.clone()).unwrap());
        let away_key = away.create_key("away").unwrap().arn;
        let home_key = world.service.default_key().unwrap();
        let faulty = |kms: Arc<LocalKms>| Arc::new(FaultKms::new(kms, world.clock.clone()));
        let (home, away) = (faulty(world.local.clone()), faulty(away));
        let service = Self::service(&world, &home, &away, &away_key);
        Self { home, away, away_key, home_key, service, world }
    }

    fn service(world: &World, home: &Arc<FaultKms>, away: &Arc<FaultKms>, away_key: &str) -> Service {
        let clock: Arc<VirtualClock> = world.clock.clone();
        let kms = Routes::new(home.clone()).route(away_key, away.clone());
        let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
        Service::builder(Arc::new(kms), store).clock(clock).build()
    }

    fn another_service(&self) -> Service {
        Self::service(&self.world, &self.home, &self.away, &self.away_key)
    }

    fn open(&self) -> Result<Structure, Error> {
        Ok(self.another_service().open_table("flights")?.base())
    }
}

#[test]
fn any_of_several_kms_keys_opens_a_table_and_they_are_asked_in_order() {
    let regions = Regions::new();
    let spec = flights().also_under(&regions.away_key);
    let description = regions.service.create_table(&spec).unwrap();
    assert_eq!(description.kms_key, regions.home_key);
    assert_eq!(description.other_kms_keys, core::slice::from_ref(&regions.away_key));
    let record = regions.open().unwrap().seal(b"key", b"text").unwrap();
    let away = regions.away.calls();
    regions.open().unwrap();
    assert_eq!(regions.away.calls(), away, "the first one answers, and nobody asks the second");
    for error in [KmsError::Unreachable, KmsError::Throttled, KmsError::Internal] {
        regions.home.fail(Some(error));
        assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    }
    regions.away.fail(Some(KmsError::Unreachable));
    assert!(matches!(regions.open(), Err(Error::KeyUnavailable { .. })));
    regions.home.fail(None);
    assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
}

#[test]
fn a_region_that_fails_is_stood_in_for_at_the_refresh_and_no_operation_fails() {
    let regions = Regions::new();
    regions.service.create_table(&flights().also_under(&regions.away_key)).unwrap();
    let base = regions.open().unwrap();
    let record = base.seal(b"key", b"text").unwrap();
    regions.home.fail(Some(KmsError::Unreachable));
    let before = regions.away.calls();
    for _ in 0..3600 {
        regions.world.advance(1);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    }
    regions.world.clock.settle();
    assert_eq!(regions.away.calls() - before, 12);
    regions.home.fail(None);
    for _ in 0..600 {
        regions.world.advance(1);
        base.open(b"key", &record).unwrap();
    }
    assert!(regions.away.calls() - before <= 13, "the first is back, and is asked first");
}

#[test]
fn a_definite_no_of_the_first_key_is_not_worked_around_and_taking_that_key_away_unlocks() {
    let regions = Regions::new();
    regions.service.create_table(&flights().also_under(&regions.away_key)).unwrap();
    let base = regions.open().unwrap();
    let record = base.seal(b"key", b"text").unwrap();
    let no = |error: KmsError| {
        let before = regions.away.calls();
        regions.home.fail(Some(error));
        let refused = regions.open().unwrap_err();
        assert_eq!(regions.away.calls(), before);
        refused
    };
    assert!(matches!(no(KmsError::AccessDenied), Error::AccessDenied));
    assert!(matches!(no(KmsError::Disabled), Error::KeyDisabled));
    assert!(matches!(no(KmsError::PendingDeletion), Error::KeyPendingDeletion));
    assert!(matches!(no(KmsError::NotFound), Error::KeyNotFound));
    assert!(matches!(no(KmsError::WrongContext), Error::WrongContext));
    regions.world.advance(300);
    drop(base.open(b"key", &record));
    regions.world.advance(1);
    assert!(matches!(base.open(b"key", &record), Err(Error::WrongContext)), "and at the refresh");
    // Its administrator destroyed it. The table's takes it out: the other one proves that it opens the table.
    no(KmsError::NotFound);
    let description = regions.service.remove_kms_key("flights", &regions.home_key).unwrap();
    assert_eq!((description.kms_key, description.other_kms_keys.len()), (regions.away_key.clone(), 0));
    regions.world.advance(30);
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    let last = regions.service.remove_kms_key("flights", &regions.away_key);
    assert!(matches!(last, Err(Error::Indispensable { .. })));
}

/// A key file with one character changed of what it says of the wrapping at this place.
fn damaged(file: &str, at: usize, name: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(file).unwrap();
    let text = json["root_key"][at][name].as_str().unwrap();
    let end = text.len() - 12;
    let other = if &text[end..=end] == "A" { "B" } else { "A" };
    file.replace(text, &[&text[..end], other, &text[end + 1..]].concat())
}

#[test]
fn a_damaged_wrapping_is_passed_over_while_another_one_opens() {
    let regions = Regions::new();
    regions.service.create_table(&flights().also_under(&regions.away_key)).unwrap();
    let record = regions.open().unwrap().seal(b"key", b"text").unwrap();
    let path = regions.world.key_file("flights");
    let whole = fs::read_to_string(&path).unwrap();
    let first = damaged(&whole, 0, "wrapped");
    fs::write(&path, &first).unwrap();
    assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    for name in ["wrapped", "sealed"] {
        fs::write(&path, damaged(&first, 1, name)).unwrap();
        assert!(matches!(regions.open(), Err(Error::KeyFileCorrupt { .. })), "the control: both");
    }
    // The two sealed root keys of two tables do not stand for each other.
    fs::write(&path, &whole).unwrap();
    regions.open().unwrap();
}

#[test]
fn kms_keys_are_added_and_taken_away_and_a_switch_takes_them_all_along() {
    let regions = Regions::new();
    regions.service.create_table(&flights()).unwrap();
    let record = regions.open().unwrap().seal(b"key", b"text").unwrap();
    let add = || regions.service.add_kms_key("flights", &regions.away_key).unwrap();
    assert_eq!(add().other_kms_keys, core::slice::from_ref(&regions.away_key));
    assert_eq!(add().other_kms_keys.len(), 1, "once is enough");
    regions.home.fail(Some(KmsError::Unreachable));
    assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    assert!(matches!(regions.service.remove_kms_key("flights", &regions.away_key), Err(Error::KeyUnavailable { .. })));
    regions.home.fail(None);
    let none = regions.service.remove_kms_key("flights", "arn:none");
    assert!(matches!(none, Err(Error::NoSuchKmsKey { .. })));

    // The wrapped key of a wrapping is rewrapped as a root key is.
    let rewrap = Rewrap::to(&regions.away_key).from(&regions.away_key);
    regions.service.rewrap("flights", &rewrap).unwrap();
    regions.home.fail(Some(KmsError::Unreachable));
    assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    regions.home.fail(None);
    let onto_itself = Rewrap::to(DEFAULT_KEY_ALIAS).from(&regions.home_key);
    regions.service.rewrap("flights", &onto_itself).unwrap();

    regions.service.switch_key("flights", &[&regions.away_key, &regions.home_key]).unwrap();
    let description = regions.service.describe_table("flights").unwrap();
    assert_eq!(description.kms_key, regions.away_key);
    assert_eq!(description.other_kms_keys, core::slice::from_ref(&regions.home_key));
    for (down, up) in [(&regions.home, &regions.away), (&regions.away, &regions.home)] {
        down.fail(Some(KmsError::Unreachable));
        up.fail(None);
        assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    }
    regions.away.fail(None);
    regions.service.remove_kms_key("flights", &regions.away_key).unwrap();
    regions.away.fail(Some(KmsError::Disabled));
    assert_eq!(regions.open().unwrap().open(b"key", &record).unwrap(), b"text");
    let file = fs::read_to_string(regions.world.key_file("flights")).unwrap();
    assert!(!file.contains(&regions.away_key) && !former_file(&regions.world).contains(&regions.away_key));
}

/// What a KMS says where it was given no wrapped key: that it does not take the request. The key file is not damaged then.
#[test]
fn a_kms_key_that_the_kms_does_not_take_is_an_invalid_request_and_no_damaged_key_file() {
    type Call = fn(&Service, &str) -> Result<(), Error>;
    // Each call, and the first of its KMS calls that gives no wrapped key.
    let calls: &[(&str, usize, Call)] = &[
        ("default_key", 0, |service, _| service.default_key().map(drop)),
        ("create_table", 0, |service, key| service.create_table(&TableSpec::new("planes").kms_key(key)).map(drop)),
        ("create_table, second key", 1, |service, key| {
            let spec = TableSpec::new("planes").kms_key(DEFAULT_KEY_ALIAS).also_under(key);
            service.create_table(&spec).map(drop)
        }),
        ("switch_key", 1, |service, key| service.switch_key("flights", &[key]).map(drop)),
        ("add_kms_key", 1, |service, key| service.add_kms_key("flights", key).map(drop)),
        ("rewrap, source", 0, |service, key| service.rewrap("flights", &Rewrap::to(key).from(key)).map(drop)),
        ("plan_rewrap", 0, |service, key| service.plan_rewrap("flights", &Rewrap::to(key)).map(drop)),
    ];
    let world = world_with_flights();
    let record = sealed(&world);
    let key = world.local.create_key("new").unwrap().arn;
    let kms = Arc::new(Failing::new(world.local.clone()));
    let service = Service::builder(kms.clone(), world.store()).clock(world.clock.clone()).build();
    for (name, call, make) in calls {
        for error in [KmsError::Invalid, KmsError::WrongContext] {
            kms.fail_after(*call, Some(Fault::Error(error)));
            let error = make(&service, &key).expect_err(name);
            assert!(matches!(error, Error::InvalidRequest), "{name}: {error}");
        }
        kms.fail_after(0, None);
        opens(&world, &record);
        // The control: it is the KMS that did not take it.
        if !name.starts_with("rewrap") {
            make(&service, &key).unwrap();
        }
        if *name == "create_table" {
            service.delete_table("planes").unwrap();
        }
        if *name == "switch_key" {
            service.switch_key("flights", &[DEFAULT_KEY_ALIAS]).unwrap();
        }
    }
}

#[test]
fn rewrapping_tells_a_target_that_the_kms_does_not_take_from_a_damaged_key_file() {
    /// It takes each key but this one, which encrypts with another algorithm.
    #[derive(Debug)]
    struct Asymmetric(Arc<LocalKms>, String);

    impl Kms for Asymmetric {
        fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
            self.0.ensure_key(alias, description)
        }
        fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
            self.0.describe_key(key)
        }
        fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
            self.0.generate_data_key(key, context)
        }
        fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
            self.0.decrypt(key, wrapped, context)
        }
        fn re_encrypt(
            &self,
            from: &str,
            wrapped: &[u8],
            context: &EncryptionContext,
            to: &str,
        ) -> Result<(String, Vec<u8>), KmsError> {
            if to == self.1 { Err(KmsError::Invalid) } else { self.0.re_encrypt(from, wrapped, context, to) }
        }
    }

    let world = world_with_flights();
    let record = sealed(&world);
    let [refused, new] = ["refused", "new"].map(|name| world.local.create_key(name).unwrap().arn);
    let kms = Arc::new(Asymmetric(world.local.clone(), refused.clone()));
    let service = Service::builder(kms, world.store()).clock(world.clock.clone()).build();
    let path = world.key_file("flights");
    let whole = fs::read_to_string(&path).unwrap();
    let rewrap = |to: &str| service.rewrap("flights", &Rewrap::to(to));
    assert!(matches!(rewrap(&refused), Err(Error::InvalidRequest)));
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    opens(&world, &record);
    fs::write(&path, damaged(&whole, 0, "wrapped")).unwrap();
    for to in [&refused, &new] {
        assert!(matches!(rewrap(to), Err(Error::KeyFileCorrupt { .. })));
    }
    fs::write(&path, &whole).unwrap();
    rewrap(&new).unwrap();
    opens(&world, &record);
}

#[test]
fn rewrapping_onto_a_key_that_wraps_already_is_refused() {
    let world = world_with_flights();
    let new = world.local.create_key("new").unwrap().arn;
    world.service.add_kms_key("flights", &new).unwrap();
    let rewrapped = world.service.rewrap("flights", &Rewrap::to(&new));
    assert!(matches!(rewrapped, Err(Error::AlreadyUnderKmsKey { .. })));
    let plan = world.service.plan_rewrap("flights", &Rewrap::to(&new)).unwrap();
    assert!(matches!(plan.obstacle, Some(Error::AlreadyUnderKmsKey { .. })));
}
