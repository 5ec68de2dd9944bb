//! Tables under AWS KMS: created, opened cold, refreshed, locked and open again, over real HTTP and on a virtual clock.

use core::cell::Cell;
use core::time::Duration;
use std::sync::Arc;
use std::thread;

use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::Kms;
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, Rewrap, Service, ServiceBuilder, TableSpec};
use tablecrypt_kms_aws::{AwsKms, create_table_async, open_table_async, unblock};

use crate::fixture::{Ours, PATIENCE, alias, client, each};

fn builder(kms: &AwsKms, folder: &std::path::Path) -> ServiceBuilder {
    Service::builder(Arc::new(kms.clone()), Arc::new(FolderStore::open(folder.join("tables")).unwrap()))
}

#[test]
fn table_is_created_and_opened_by_another_process_under_the_default_key_and_under_its_own() {
    each(|who, url| {
        let folder = tempfile::tempdir().unwrap();
        let kms = client(url);
        let default = alias("default");
        let service = builder(&kms, folder.path()).default_key(&default).build();
        let described = service.create_table(&TableSpec::new("flights").global("by-tail")).unwrap();
        assert_eq!(described.kms_key, kms.describe_key(&default).unwrap().arn, "{who}");

        let own = alias("own");
        let key = kms.ensure_key(&own, "").unwrap();
        for (table, name) in [("by-alias", &own), ("by-id", &key.id), ("by-arn", &key.arn)] {
            let described = service.create_table(&TableSpec::new(table).kms_key(name)).unwrap();
            assert_eq!(described.kms_key, key.arn, "{who}: {table}");
        }
        let another = builder(&client(url), folder.path()).build();
        for table in ["flights", "by-alias", "by-id", "by-arn"] {
            let record = service.open_table(table).unwrap().base().seal(b"key", b"text").unwrap();
            assert_eq!(
                another.open_table(table).unwrap().base().open(b"key", &record).unwrap(),
                b"text",
                "{who}: {table}"
            );
        }
        let nobody = TableSpec::new("nobody").kms_key(alias("nobody"));
        assert!(matches!(service.create_table(&nobody), Err(Error::KeyNotFound)), "{who}");
        let strict = builder(&kms, folder.path()).default_key(alias("missing")).require_default_key().build();
        assert!(matches!(strict.create_table(&TableSpec::new("strict")), Err(Error::KeyNotFound)), "{who}");
        assert_eq!(service.tables().unwrap().len(), 4, "{who}");
    });
}

/// Each fault, and what a table's callers see of it: as [`Error`] says it, without what differs.
const FAULTS: &[(&str, &str)] = &[
    ("throttle", "KeyUnavailable"),
    ("internal", "KeyUnavailable"),
    ("garbage", "KeyUnavailable"),
    ("noise", "KeyUnavailable"),
    ("lost", "KeyUnavailable"),
    ("refuse", "KeyUnavailable"),
    ("silent", "KeyUnavailable"),
    ("denied", "AccessDenied"),
    ("disabled", "KeyDisabled"),
    ("error=InvalidCiphertextException", "KeyFileCorrupt"),
];

/// The same of a call that gave the KMS no wrapped key: what it does not take is the request.
fn without_a_key(expected: &'static str) -> &'static str {
    if expected == "KeyFileCorrupt" { "InvalidRequest" } else { expected }
}

/// A client with the time that this fault takes, and no more where that is for ever.
fn client_that_meets(ours: &Ours, fault: &str) -> AwsKms {
    let (attempt, call) = if fault == "silent" { (SOON, SOON * 4) } else { (PATIENCE, PATIENCE) };
    ours.kms.clone().with_timeouts(attempt, call)
}

fn name(error: &Error) -> String {
    format!("{error:?}").split([' ', '{']).next().unwrap().to_owned()
}

#[test]
fn every_fault_at_creation_and_cold_open_is_told_and_leaves_nothing_half_done() {
    let ours = Ours::new();
    let patient = builder(&ours.kms, ours.folder.path()).build();
    patient.create_table(&TableSpec::new("flights")).unwrap();
    let record = patient.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap();
    for (fault, expected) in FAULTS {
        let service = builder(&client_that_meets(&ours, fault), ours.folder.path()).build();
        ours.fault(fault);
        let created = service.create_table(&TableSpec::new("planes")).unwrap_err();
        let opened = service.open_table("flights").unwrap_err();
        assert_eq!((name(&created).as_str(), name(&opened).as_str()), (without_a_key(expected), *expected), "{fault}");
        ours.fault("none");
        assert_eq!(service.tables().unwrap(), ["flights"], "{fault}");
        assert_eq!(patient.open_table("flights").unwrap().base().open(b"key", &record).unwrap(), b"text", "{fault}");
    }
}

#[test]
fn every_fault_at_a_refresh_leaves_a_warm_table_at_its_deadline_or_at_once_and_passes_without_a_restart() {
    let ours = Ours::new();
    for (fault, expected) in FAULTS {
        let kms = client_that_meets(&ours, fault);
        let clock = Arc::new(VirtualClock::default());
        let folder = ours.folder.path().join(fault.replace(['=', ' '], "-"));
        builder(&ours.kms, &folder).build().create_table(&TableSpec::new("flights")).unwrap();
        let service = builder(&kms, &folder).clock(clock.clone()).build();
        // Where a client gives up soon, a busy machine may take longer.
        let table = loop {
            match service.open_table("flights") {
                Err(Error::KeyUnavailable { .. }) if *fault == "silent" => clock.advance(Duration::from_secs(60)),
                table => break table.unwrap(),
            }
        };
        let base = table.base();
        let record = base.seal(b"key", b"text").unwrap();

        ours.fault(fault);
        clock.advance(Duration::from_secs(331));
        let refused = base.open(b"key", &record).unwrap_err();
        assert_eq!(name(&refused), *expected, "{fault}");
        ours.fault("none");
        // The next probe, whenever it is due: nobody restarts anything.
        let mut waited = 0;
        loop {
            match base.open(b"key", &record) {
                Ok(text) => break assert_eq!(text, b"text", "{fault}"),
                Err(_) if waited < 3600 => {
                    clock.advance(Duration::from_secs(5));
                    waited += 5;
                    thread::yield_now();
                }
                Err(error) => panic!("{fault}: still {error} after an hour"),
            }
        }
    }
}

#[test]
fn every_fault_at_a_rewrap_and_at_a_switch_leaves_the_table_as_it_was_and_the_next_one_goes_well() {
    let ours = Ours::new();
    let keys = ["one", "other"].map(|name| ours.kms.ensure_key(&format!("alias/{name}"), "").unwrap().arn);
    let patient = builder(&ours.kms, ours.folder.path()).build();
    patient.create_table(&TableSpec::new("flights").kms_key(&keys[0])).unwrap();
    let record = patient.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap();
    let opens = || assert_eq!(patient.open_table("flights").unwrap().base().open(b"key", &record).unwrap(), b"text");
    let under = || patient.describe_table("flights").unwrap().kms_key;
    for (fault, expected) in FAULTS {
        let service = builder(&client_that_meets(&ours, fault), ours.folder.path()).build();
        let before = under();
        let to = keys.iter().find(|key| **key != before).unwrap();
        for operation in ["ReEncrypt", "Decrypt", "GenerateDataKey"] {
            ours.fault(&format!("{fault} operation={operation}"));
            let refused = if operation == "ReEncrypt" {
                service.rewrap("flights", &Rewrap::to(to)).map(drop)
            } else {
                service.switch_key("flights", &[to]).map(drop)
            };
            let expected = if operation == "GenerateDataKey" { without_a_key(expected) } else { expected };
            assert_eq!(name(&refused.unwrap_err()), expected, "{fault} at {operation}");
            ours.fault("none");
            assert_eq!(under(), before, "{fault} at {operation}");
            opens();
        }
        if fault.len() % 2 == 0 {
            patient.rewrap("flights", &Rewrap::to(to)).unwrap();
        } else {
            patient.switch_key("flights", &[to]).unwrap();
        }
        assert_eq!(under(), *to, "{fault}");
        opens();
    }
}

#[tokio::test]
async fn caller_inside_a_runtime_opens_a_table_with_and_without_blocking_it() {
    let ours = Ours::new();
    let kms = ours.kms.clone().with_timeouts(Duration::from_secs(3), PATIENCE);
    let service = builder(&kms, ours.folder.path()).build();
    create_table_async(&service, TableSpec::new("flights")).await.unwrap();
    let connection = Arc::new(service.connect());

    // This runtime has one thread. While the first try of the open waits in vain, the other task goes on.
    ours.fault("silent operation=Decrypt times=1");
    let is_open = Cell::new(false);
    let open = async {
        let table = open_table_async(&connection, "flights").await;
        is_open.set(true);
        table
    };
    let (table, ticks) = tokio::join!(open, async {
        let mut ticks = 0_u64;
        while !is_open.get() {
            tokio::task::yield_now().await;
            ticks += 1;
        }
        ticks
    });
    let table = table.unwrap();
    // A busy machine may take longer than a try has, and make a third.
    assert!(ours.requests("Decrypt") >= 2);
    assert!(ticks > 1, "{ticks}");
    let base = table.base();
    let record = unblock(move || base.seal(b"key", b"text")).await.unwrap();
    assert_eq!(table.base().open(b"key", &record).unwrap(), b"text");

    // The blocking face works there as well, where an own block_on would panic.
    let blocking = service.open_table("flights").unwrap();
    assert_eq!(blocking.base().open(b"key", &record).unwrap(), b"text");
    assert!(matches!(open_table_async(&connection, "nobody").await, Err(Error::NoSuchTable { .. })));
}

#[tokio::test]
#[should_panic(expected = "of the call's own")]
async fn panic_of_a_call_is_the_callers() {
    unblock(|| panic!("of the call's own")).await;
}

const SOON: Duration = Duration::from_millis(250);
