//! docs/KMS.md beside the code: its policies, its costs, and what it says of each failure.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{World, flights, world, world_with_flights};
use serde_json::Value;
use tablecrypt::audit::AuditLog;
use tablecrypt::kms::{EncryptionContext, KmsError};
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, Rewrap, Service, Structure};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/KMS.md")).unwrap()
}

/// The page has these lines, one after the other.
fn assert_on_page(lines: &[String]) {
    let expected = lines.join("\n");
    assert!(page().contains(&expected), "docs/KMS.md says something else; this is so:\n\n{expected}\n");
}

/// The policies of the page, in order: the key's, and that of who makes the default key.
fn policies() -> [Value; 2] {
    let page = page();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let policies: Vec<_> = blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
    policies.try_into().unwrap()
}

/// A string, or an array of strings.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        value => vec![value.as_str().unwrap()],
    }
}

fn statement<'a>(policy: &'a Value, sid: &str) -> &'a Value {
    policy["Statement"].as_array().unwrap().iter().find(|statement| statement["Sid"] == sid).unwrap()
}

const USE: &str = "ProcessesUseTheKeyForTablesOfOneSubscriber";

#[test]
fn the_policies_allow_the_calls_that_the_aws_client_makes_and_no_other() {
    // Every request of the client is sent at one place, which names it.
    let (mut made, mut sent) = (BTreeSet::new(), 0);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kms-aws/src")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let named = source.split("Answer::sorted(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned());
        made.extend(named);
        sent += source.matches(".send()").count();
    }
    assert_eq!(sent, made.len(), "a request is sent that has no name here: {made:?}");
    let actions = |call: &str| -> Vec<&'static str> {
        match call {
            "CreateAlias" => vec!["kms:CreateAlias"],
            // It sets tags.
            "CreateKey" => vec!["kms:CreateKey", "kms:TagResource"],
            "Decrypt" => vec!["kms:Decrypt"],
            "DescribeKey" => vec!["kms:DescribeKey"],
            "GenerateDataKey" => vec!["kms:GenerateDataKey"],
            "ReEncrypt" => vec!["kms:ReEncryptFrom", "kms:ReEncryptTo"],
            "ScheduleKeyDeletion" => vec!["kms:ScheduleKeyDeletion"],
            other => panic!("docs/KMS.md does not know {other}"),
        }
    };
    let needed: BTreeSet<_> = made.iter().flat_map(|call| actions(call)).collect();
    let [key, maker] = policies();
    let statements = [
        statement(&key, USE),
        statement(&key, "ProcessesFindTheKey"),
        statement(&maker, "MakeTheDefaultKey"),
        statement(&maker, "NameIt"),
        statement(&maker, "TakeBackTheOneThatCameSecond"),
    ];
    let allowed: Vec<_> = statements.iter().flat_map(|statement| strings(&statement["Action"])).collect();
    assert_eq!(allowed.len(), needed.len(), "none twice");
    assert_eq!(allowed.into_iter().collect::<BTreeSet<_>>(), needed);
    // The tag that lets a key be taken back is the one that the client sets.
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kms-aws/src/default_key.rs")).unwrap();
    assert!(source.contains(r#"("created-by", "tablecrypt")"#));
    // An administrator cannot use the key.
    let administrator = strings(&statement(&key, "AdministratorsManageTheKeyAndCannotUseIt")["Action"]);
    let using: BTreeSet<_> = strings(&statement(&key, USE)["Action"]).into_iter().collect();
    assert!(administrator.iter().all(|action| !using.contains(action)));
    for policy in [&key, &maker] {
        assert_eq!(policy["Version"], "2012-10-17");
        for statement in policy["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            assert!(
                strings(&statement["Action"]).iter().all(|action| action.starts_with("kms:") && !action.contains('*'))
            );
        }
    }
}

/// Whether a condition block lets a request of this context pass, as IAM evaluates it ("IAM JSON policy elements:
/// Condition operators", and "set operators for multivalued context keys").
fn permits(conditions: &Value, context: &EncryptionContext) -> bool {
    let mut keys: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in context.iter() {
        keys.insert(format!("kms:EncryptionContext:{name}"), vec![value]);
        keys.entry("kms:EncryptionContextKeys".to_owned()).or_default().push(name);
    }
    let matches = |operator: &str, wanted: &[&str], value: &str| match operator {
        "StringEquals" => wanted.contains(&value),
        "StringLike" => wanted.iter().any(|pattern| *pattern == "*" || *pattern == value),
        other => panic!("{other} is not known here"),
    };
    conditions.as_object().unwrap().iter().all(|(operator, conditions)| {
        conditions.as_object().unwrap().iter().all(|(key, wanted)| {
            let (wanted, values) = (strings(wanted), keys.get(key).map(Vec::as_slice).unwrap_or_default());
            match operator.strip_prefix("ForAllValues:") {
                Some(operator) => values.iter().all(|value| matches(operator, &wanted, value)),
                None => values.iter().any(|value| matches(operator, &wanted, value)),
            }
        })
    })
}

#[test]
fn the_conditions_of_the_policy_are_those_of_the_encryption_context() {
    let [key, _] = policies();
    let conditions = &statement(&key, USE)["Condition"];
    let ours = EncryptionContext::of_table("flights", "default");
    let names: BTreeSet<_> = ours.iter().map(|(name, _)| name).collect();
    let of_keys = strings(&conditions["ForAllValues:StringEquals"]["kms:EncryptionContextKeys"]);
    assert_eq!(of_keys.into_iter().collect::<BTreeSet<_>>(), names);
    let all = conditions.as_object().unwrap().values().flat_map(|block| block.as_object().unwrap().keys());
    let named: BTreeSet<_> = all.filter_map(|key| key.strip_prefix("kms:EncryptionContext:")).collect();
    assert_eq!(named, names);

    // What the code asks for is permitted; what somebody else asks for with the same credentials is not.
    assert!(permits(conditions, &ours));
    assert!(!permits(conditions, &EncryptionContext::of_table("flights", "another")));
    let refused: [&[(&str, &str)]; 4] = [
        &[],
        &[("tablecrypt:table", "flights")],
        &[("tablecrypt:subscriber", "default")],
        &[("tablecrypt:table", "flights"), ("tablecrypt:subscriber", "default"), ("more", "")],
    ];
    for pairs in refused {
        assert!(!permits(conditions, &pairs.iter().copied().collect()), "{pairs:?}");
    }
}

/// The KMS calls that `act` makes, as a cell.
fn calls(world: &World, act: impl FnOnce(&World)) -> String {
    let count = || {
        let mut counts = BTreeMap::new();
        world.service.metrics().kms.iter().for_each(|calls| *counts.entry(calls.call).or_insert(0) += calls.calls);
        counts
    };
    let before = count();
    act(world);
    let made = count().into_iter().map(|(call, number)| (call, number - before.get(&call).copied().unwrap_or(0)));
    let made: Vec<_> =
        made.filter(|(_, number)| *number > 0).map(|(call, number)| format!("{number} {call}")).collect();
    if made.is_empty() { "none".to_owned() } else { made.join(", ") }
}

fn hour(world: &World, bases: &[Structure]) {
    for _ in 0..3600 {
        world.advance(1);
        bases.iter().for_each(|base| drop(base.seal(b"key", b"text").unwrap()));
    }
    world.clock.settle();
}

#[test]
fn each_thing_costs_the_calls_that_the_page_says() {
    let first = world();
    let mut lines = vec!["| what is done | calls of KMS |".to_owned(), "| --- | --- |".to_owned()];
    let mut line = |what: &str, made: String| lines.push(format!("| {what} | {made} |"));
    let made = calls(&first, |world| drop(world.service.create_table(&flights()).unwrap()));
    line("`create_table`, the first of all, which makes the default key", made);
    let world = world_with_flights();
    let made = calls(&world, |world| drop(world.service.create_table(&tablecrypt::TableSpec::new("t")).unwrap()));
    line("`create_table`", made);
    let mut bases = Vec::new();
    line("`open_table`, the first on a connection", calls(&world, |world| bases.push(open(world))));
    line("sealing and opening records", calls(&world, |_| drop(bases[0].seal(b"key", b"text").unwrap())));
    line("an hour of traffic, for each connection and table", calls(&world, |world| hour(world, &bases)));
    line("an hour without", calls(&world, |world| world.advance(3600)));
    line("the first operation after it", calls(&world, |_| drop(bases[0].seal(b"key", b"text").unwrap())));
    line(
        "`rotate`: a new generation of data keys",
        calls(&world, |world| _ = world.service.rotate("flights").unwrap()),
    );
    let alias = tablecrypt::DEFAULT_KEY_ALIAS;
    let switch = |world: &World| _ = world.service.switch_key("flights", &[alias]).unwrap();
    line("`switch_key`: a new root key, under another KMS key or the same", calls(&world, switch));
    let rewrap = |world: &World| _ = world.service.rewrap("flights", &Rewrap::to(alias)).unwrap();
    line("`rewrap`: the same root key, under another KMS key or the same", calls(&world, rewrap));
    line("`delete_table`", calls(&world, |world| world.service.delete_table("flights").unwrap()));
    assert_on_page(&lines);
}

fn open(world: &World) -> Structure {
    world.service.open_table("flights").unwrap().base()
}

#[test]
fn a_month_of_connections_and_tables_costs_what_the_page_says() {
    // Three connections, and two tables on each, for an hour.
    let world = world_with_flights();
    world.service.create_table(&tablecrypt::TableSpec::new("t")).unwrap();
    let connections = [(); 3].map(|()| world.service.connect());
    let tables = |connection: &tablecrypt::Connection| {
        ["flights", "t"].map(|table| connection.open_table(table).unwrap().base())
    };
    let bases: Vec<_> = connections.iter().flat_map(tables).collect();
    let before = world.kms.calls();
    hour(&world, &bases);
    let hourly = (world.kms.calls() - before) / 6;
    assert_eq!((world.kms.calls() - before) % 6, 0);

    let mut lines =
        vec!["| calls a month | M = 1 | M = 10 | M = 100 |".to_owned(), "| --- | ---: | ---: | ---: |".to_owned()];
    for connections in [1, 10, 100, 1000] {
        let cells = [1, 10, 100].map(|tables| thousands(hourly * 730 * connections * tables));
        lines.push(format!("| N = {} | {} |", thousands(connections), cells.join(" | ")));
    }
    assert_on_page(&lines);
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| core::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

/// The name of an error, as the page has it.
fn name(error: &Error) -> String {
    let text = format!("{error:?}");
    format!("`{}`", text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap())
}

fn told<T>(result: &Result<T, Error>) -> String {
    result.as_ref().err().map_or("works".to_owned(), name)
}

/// A fault: how it begins, how it ends, and who ends it.
struct Fault {
    what: &'static str,
    begin: fn(&World),
    end: fn(&World),
    ends: &'static str,
}

const fn failing(what: &'static str, begin: fn(&World), ends: &'static str) -> Fault {
    Fault { what, begin, end: |world| world.kms.fail(None), ends }
}

const FAULTS: &[Fault] = &[
    failing("KMS cannot be reached", |world| world.kms.fail(Some(KmsError::Unreachable)), "the network is back"),
    failing("KMS throttles", |world| world.kms.fail(Some(KmsError::Throttled)), "the load is less, or the quota more"),
    failing("KMS fails inside", |world| world.kms.fail(Some(KmsError::Internal)), "KMS is repaired"),
    failing("the caller is denied", |world| world.kms.fail(Some(KmsError::AccessDenied)), "the policy allows it"),
    Fault {
        what: "the key is disabled",
        begin: World::disable_key,
        end: World::enable_key,
        ends: "the administrator enables it",
    },
    Fault {
        what: "the key is pending deletion",
        begin: |world| _ = world.local.schedule_key_deletion(tablecrypt::DEFAULT_KEY_ALIAS, 7).unwrap(),
        end: |world| {
            world.local.cancel_key_deletion(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
            world.enable_key();
        },
        ends: "the administrator cancels that, and enables it",
    },
    failing("the key is destroyed", |world| world.kms.fail(Some(KmsError::NotFound)), "never: its tables are lost"),
    failing(
        "the encryption context differs",
        |world| world.kms.fail(Some(KmsError::WrongContext)),
        "the right key file, or subscriber",
    ),
    failing(
        "KMS cannot read the wrapped key",
        |world| world.kms.fail(Some(KmsError::Invalid)),
        "the key file is restored",
    ),
    Fault {
        what: "the key file is gone",
        begin: |world| fs::rename(world.key_file("flights"), world.folder.path().join("aside")).unwrap(),
        end: |world| fs::rename(world.folder.path().join("aside"), world.key_file("flights")).unwrap(),
        ends: "the key file is restored",
    },
    Fault {
        what: "the audit log, where it is required, cannot be written",
        begin: |world| {
            fs::rename(audit(world), world.folder.path().join("aside")).unwrap();
            std::os::unix::fs::symlink("/dev/full", audit(world)).unwrap();
        },
        end: |world| fs::rename(world.folder.path().join("aside"), audit(world)).unwrap(),
        ends: "there is room again",
    },
];

fn audit(world: &World) -> PathBuf {
    world.folder.path().join("audit.jsonl")
}

/// A world with an audit log.
fn audited() -> World {
    let mut world = world();
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let builder = Service::builder(world.kms.clone(), store).clock(world.clock.clone()).jitter(Duration::ZERO);
    world.service = builder.audit(Arc::new(AuditLog::new(audit(&world)))).build();
    world.service.create_table(&flights()).unwrap();
    world
}

/// What happens to a warm table with an operation a second, and to a cold one.
fn row(fault: &Fault) -> String {
    let world = audited();
    let base = open(&world);
    let record = base.seal(b"key", b"text").unwrap();
    (fault.begin)(&world);
    let warm = told(&base.open(b"key", &record));
    let cold = told(&world.service.open_table("flights"));
    let rotation = rotation(&world);
    let mut refresh = "works".to_owned();
    for second in 1..=900 {
        world.advance(1);
        let opened = base.open(b"key", &record);
        world.clock.settle();
        if let (Err(error), "works") = (&opened, refresh.as_str()) {
            refresh = format!("{} from {second} s", name(error));
        }
    }
    (fault.end)(&world);
    let mut recovered = 0;
    while base.open(b"key", &record).is_err() {
        world.advance(1);
        recovered += 1;
        assert!(recovered < 3600, "{}: never recovers", fault.what);
    }
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    assert!(recovered <= 30, "{}: {recovered} s", fault.what);
    format!("| {} | {warm} | {cold} | {refresh} | {rotation} | {} |", fault.what, fault.ends)
}

/// What a rotation, a switch of the KMS key and a rewrap give, which leave the key file as it was.
fn rotation(world: &World) -> String {
    let file = || fs::read(world.key_file("flights")).ok();
    let before = file();
    let service = &world.service;
    let rewrap = Rewrap::to(tablecrypt::DEFAULT_KEY_ALIAS);
    let answers = [
        told(&service.rotate("flights")),
        told(&service.switch_key("flights", &[tablecrypt::DEFAULT_KEY_ALIAS])),
        told(&service.rewrap("flights", &rewrap)),
    ];
    assert_eq!(answers, [(); 3].map(|()| answers[0].clone()), "the three differ");
    assert!(file() == before, "the key file was changed");
    answers[0].clone()
}

#[test]
fn each_failure_is_as_the_page_says_and_is_recovered_from_within_30_s() {
    let mut lines = vec![
        "| fault | warm | cold | with the refresh | rotation | what ends it |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    lines.extend(FAULTS.iter().map(row));
    lines.push(slow());
    assert_on_page(&lines);
}

/// A KMS that takes 5 s: a cold caller waits for it, and no other.
fn slow() -> String {
    let world = world_with_flights();
    let base = open(&world);
    world.kms.delay(Duration::from_secs(5));
    // Whoever waited for a call would hang here, for nobody turns the clock meanwhile.
    let warm = told(&base.seal(b"key", b"text"));
    for _ in 0..900 {
        world.advance(1);
        base.seal(b"key", b"text").unwrap();
    }
    // A refresh that the last operation has asked for is counted before, or it would be taken for the caller's.
    world.clock.settle();
    let before = world.kms.calls();
    let waited = std::thread::scope(|scope| {
        let cold = scope.spawn(|| told(&world.another_service().open_table("flights")));
        while world.kms.calls() == before {
            std::thread::yield_now();
        }
        world.advance(4);
        assert!(!cold.is_finished());
        world.advance(1);
        cold.join().unwrap()
    });
    assert_eq!(waited, "works");
    world.clock.settle();
    let before = world.kms.calls();
    std::thread::scope(|scope| {
        let rotated = scope.spawn(|| world.service.rotate("flights").unwrap());
        while world.kms.calls() == before {
            std::thread::yield_now();
        }
        world.advance(4);
        assert!(!rotated.is_finished());
        world.advance(1);
        rotated.join().unwrap();
    });
    format!("| KMS takes 5 s | {warm} | works, after 5 s | works | works, after 5 s a call | |")
}
