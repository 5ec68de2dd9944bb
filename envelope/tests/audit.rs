//! The audit log: what is in it, and that nobody can take away, change, move or add a line unnoticed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use common::{World, flights, world};
use tablecrypt::audit::{Audit, AuditLog, Flaw, Head, Verified, verify};
use tablecrypt::core::Key;
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, KeyBox, Service};

/// A world whose service has an audit log, and where that is.
fn audited(set: impl FnOnce(AuditLog) -> AuditLog) -> (World, Arc<AuditLog>) {
    let mut world = world();
    let log = Arc::new(set(AuditLog::new(world.folder.path().join("audit.jsonl"))));
    world.service = service(&world, &log);
    (world, log)
}

fn service(world: &World, log: &Arc<AuditLog>) -> Service {
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    Service::builder(world.kms.clone(), store).clock(world.clock.clone()).audit(log.clone()).build()
}

fn key(byte: u8) -> KeyBox<Key> {
    KeyBox::new(|| Key::from([byte; 32]))
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

/// A log of so many lines, bound under `key`, and its head.
fn written(path: &Path, key: Option<u8>, count: u64) -> Head {
    let log = AuditLog::new(path);
    let log = Arc::new(match key {
        Some(byte) => log.with_key(self::key(byte)),
        None => log,
    });
    let world = world();
    let service = service(&world, &log);
    for _ in 0..count {
        service.default_key().unwrap();
    }
    log.head().unwrap()
}

fn check(path: &Path, key: Option<u8>, known: &[Head]) -> Result<Verified, Flaw> {
    let key = key.map(self::key);
    verify(&[path], key.as_ref().map(|key| key.get().unwrap()), known)
}

#[test]
fn every_call_of_the_kms_is_a_line_with_who_what_why_and_the_kms_s_own_request_id() {
    let (world, log) = audited(|log| log.who("a test"));
    world.service.create_table(&flights()).unwrap();
    world.service.create_table(&flights()).unwrap_err();
    let base = world.service.open_table("flights").unwrap().base();
    for _ in 0..310 {
        world.advance(1);
        base.seal(b"key", b"text").unwrap();
    }
    world.clock.settle();
    world.disable_key();
    world.service.open_table("flights").unwrap_err();

    let lines: Vec<serde_json::Value> =
        lines(log.path()).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |line: &serde_json::Value| {
        let part = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", part("operation"), part("call"), part("table"), part("outcome"))
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "create_table GenerateDataKey flights NotFound",
            "create_table EnsureKey - ok",
            "create_table GenerateDataKey flights ok",
            "create_table - flights ok",
            "create_table - flights TableExists",
            "open_table Decrypt flights ok",
            "refresh Decrypt flights ok",
            "open_table Decrypt flights Disabled",
        ]
    );
    for line in &lines {
        assert_eq!((line["pid"].as_u64(), line["who"].as_str()), (Some(std::process::id().into()), Some("a test")));
        assert!(line["time"].as_str().unwrap().starts_with("2026-01-01T00:0"), "{line}");
    }
    // The KMS's own log has the same requests, in the same order.
    let requests: Vec<_> = lines.iter().filter_map(|line| line["request"].as_str().map(str::to_owned)).collect();
    let own = world.local.audit().unwrap();
    let own: Vec<_> = own
        .iter()
        .filter(|entry| !matches!(entry.operation.to_string().as_str(), "DisableKey"))
        .map(|entry| entry.request.clone())
        .collect();
    assert_eq!(requests, own);
    let verified = check(log.path(), None, &[log.head().unwrap()]).unwrap();
    assert_eq!((verified.lines, verified.head, verified.cut), (8, log.head(), 0));
}

#[test]
fn changes_of_a_table_are_lines_and_what_asks_no_kms_is_one_before_it_is_made() {
    let (world, log) = audited(|log| log);
    world.service.create_table(&flights()).unwrap();
    let before = lines(log.path()).len();
    world.service.rotate("flights").unwrap();
    world.service.switch_key("flights", &[tablecrypt::DEFAULT_KEY_ALIAS]).unwrap();
    world.service.rewrap("flights", &tablecrypt::Rewrap::to(tablecrypt::DEFAULT_KEY_ALIAS)).unwrap();
    world.service.drop_structure("flights", &"global:by-tail".parse().unwrap()).unwrap();
    let aside = world.folder.path().join("aside");
    fs::rename(log.path(), &aside).unwrap();
    symlink("/dev/full", log.path()).unwrap();
    assert!(matches!(world.service.delete_table("flights"), Err(Error::Io { .. })));
    assert_eq!(world.service.tables().unwrap(), ["flights"], "not deleted");
    fs::rename(&aside, log.path()).unwrap();
    world.service.delete_table("flights").unwrap();
    let told = lines(log.path()).split_off(before).into_iter().map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        format!(
            "{} {} {}",
            line["operation"].as_str().unwrap(),
            line["call"].as_str().unwrap_or("-"),
            line["outcome"].as_str().unwrap()
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "rotate Decrypt ok",
            "rotate - ok",
            "switch_key Decrypt ok",
            "switch_key GenerateDataKey ok",
            "switch_key Decrypt ok",
            "switch_key - ok",
            "rewrap ReEncrypt ok",
            "rewrap ReEncrypt ok",
            "rewrap - ok",
            "drop_structure Decrypt ok",
            "drop_structure - ok",
            "delete_table - begun",
            "delete_table - ok",
        ]
    );
    check(log.path(), None, &[log.head().unwrap()]).unwrap();
}

#[test]
fn a_log_that_was_changed_in_any_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut found_at = 0;
    for key in [None, Some(1)] {
        let path = folder.path().join(format!("{key:?}"));
        let head = written(&path, key, 4);
        let whole = fs::read(&path).unwrap();
        assert!(check(&path, key, &[head]).is_ok(), "the control");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let found = check(&path, key, &[head]);
            assert!(found.is_err(), "byte {at} of {}", whole.len());
            found_at += 1;
        }
    }
    println!("audit: {found_at} bytes changed, one at a time: each found");
}

#[test]
fn lines_that_were_removed_moved_repeated_or_inserted_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let head = written(&path, None, 6);
    let whole = lines(&path);
    let found = |lines: &[String]| {
        fs::write(&path, lines.concat()).unwrap();
        check(&path, None, &[head])
    };
    assert_eq!(found(&whole).unwrap().lines, whole.len() as u64, "the control");
    for at in 0..whole.len() - 1 {
        let mut lines = whole.clone();
        lines.remove(at);
        let number = at as u64 + 1;
        let flaw = found(&lines).unwrap_err();
        assert!(matches!(flaw, Flaw::Missing { from, to, .. } if (from, to) == (number, number)), "{flaw}");
        let mut lines = whole.clone();
        lines.swap(at, at + 1);
        assert!(matches!(found(&lines), Err(Flaw::Missing { .. })));
        let mut lines = whole.clone();
        lines.insert(at + 1, whole[at].clone());
        assert!(matches!(found(&lines), Err(Flaw::Moved { .. })));
        for inserted in ["\n", "{}\n", "none of ours\n", "{\"number\":2,\"before\":\"\",\"chain\":\"\"}\n"] {
            let mut lines = whole.clone();
            lines.insert(at, inserted.to_owned());
            assert!(matches!(found(&lines), Err(Flaw::Changed { .. })), "{inserted}");
        }
        // What looks like a crash's, but is not what the next line says that a crash left.
        let mut lines = whole.clone();
        lines.insert(at, format!("{}\n", &whole[at][..20]));
        assert!(matches!(found(&lines), Err(Flaw::Changed { .. })));
    }
}

#[test]
fn lines_that_were_removed_from_the_end_are_found_by_a_head_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    for key in [None, Some(1)] {
        let path = folder.path().join(format!("{key:?}"));
        let head = written(&path, key, 6);
        let whole = lines(&path);
        for left in 0..whole.len() {
            fs::write(&path, whole[..left].concat()).unwrap();
            let flaw = check(&path, key, &[head]).unwrap_err();
            assert!(
                matches!(flaw, Flaw::Ends { ends, known } if (ends, known) == (left as u64, head.number())),
                "{flaw}"
            );
            // The control, and what the documentation says: without a head nothing tells, under a key neither.
            assert!(check(&path, key, &[]).is_ok());
        }
        let read: Head = head.to_string().parse().unwrap();
        assert_eq!(read, head);
        for text in ["", "7", "7:12", "x:00"] {
            assert!(text.parse::<Head>().is_err());
        }
    }
}

#[test]
fn lines_that_were_removed_from_the_end_show_when_a_running_writer_writes_again() {
    let (world, log) = audited(|log| log);
    world.service.create_table(&flights()).unwrap();
    let whole = lines(log.path());
    fs::write(log.path(), whole[..2].concat()).unwrap();
    world.service.open_table("flights").unwrap();
    let flaw = check(log.path(), None, &[]).unwrap_err();
    assert!(matches!(flaw, Flaw::Missing { from: 3, to: 4, .. }), "{flaw}");
    // Also if the file is gone.
    fs::remove_file(log.path()).unwrap();
    world.service.open_table("flights").unwrap();
    assert!(matches!(check(log.path(), None, &[]), Err(Flaw::Missing { from: 1, to: 5, .. })));
}

#[test]
fn a_log_that_was_written_anew_is_found_by_its_key_or_by_a_head() {
    let folder = tempfile::tempdir().unwrap();
    let (path, forged) = (folder.path().join("log"), folder.path().join("forged"));
    let head = written(&path, Some(1), 4);
    written(&forged, Some(1), 5);
    assert!(matches!(check(&forged, Some(1), &[head]), Err(Flaw::Rewritten { number, .. }) if number == head.number()));
    for other in [None, Some(2)] {
        let forged = folder.path().join(format!("{other:?}"));
        written(&forged, other, 4);
        assert!(check(&forged, other, &[]).is_ok(), "the control: it is well for who has no key");
        assert!(matches!(check(&forged, Some(1), &[]), Err(Flaw::Changed { line: 1, .. })));
    }
    // Lines of one log do not go on from those of another.
    let (first, second) = (lines(&path), lines(&forged));
    fs::write(&path, [&first[..2], &second[2..]].concat().concat()).unwrap();
    assert!(matches!(check(&path, Some(1), &[]), Err(Flaw::Rewritten { line: 3, .. })));
}

#[test]
fn a_line_that_a_crash_cut_is_followed_by_one_that_says_so() {
    let (world, log) = audited(|log| log);
    world.service.create_table(&flights()).unwrap();
    let whole = fs::read(log.path()).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for end in last..whole.len() {
        for lost in [0, 50] {
            fs::write(log.path(), [&whole[..end], &vec![0; lost]].concat()).unwrap();
            // Another process, which remembers nothing.
            let other = Arc::new(AuditLog::new(log.path()));
            service(&world, &other).open_table("flights").unwrap();
            let verified = check(log.path(), None, &[other.head().unwrap()]).unwrap();
            // At the very end only the newline is missing: the line is whole.
            let is_whole = end == whole.len() - 1 && lost == 0;
            let is_cut = (end > last || lost > 0) && !is_whole;
            assert_eq!(
                (verified.lines, verified.cut),
                (4 + u64::from(is_whole), u64::from(is_cut)),
                "{end} of {}",
                whole.len()
            );
            // What a crash left is under the chain of the line after it.
            if is_cut {
                let mut bytes = fs::read(log.path()).unwrap();
                bytes.remove(last);
                fs::write(log.path(), bytes).unwrap();
                assert!(check(log.path(), None, &[]).is_err());
            }
        }
    }
}

#[test]
fn a_last_line_that_was_changed_is_not_gone_on_from() {
    let (world, log) = audited(|log| log);
    world.service.create_table(&flights()).unwrap();
    let whole = fs::read_to_string(log.path()).unwrap();
    fs::write(log.path(), whole.replace("flights", "flightz")).unwrap();
    let error = world.service.open_table("flights").unwrap_err();
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::InvalidData), "{error}");
    assert!(error.to_string().contains("its last line was changed"), "{error}");
    fs::write(log.path(), whole).unwrap();
    world.advance(30);
    world.service.open_table("flights").unwrap();
    check(log.path(), None, &[log.head().unwrap()]).unwrap();
}

/// `/dev/full` stands for the log on a disk without room.
#[test]
fn no_key_is_used_that_cannot_be_logged_unless_that_is_allowed() {
    for required in [true, false] {
        let (world, log) = audited(|log| if required { log } else { log.best_effort() });
        world.service.create_table(&flights()).unwrap();
        let table = world.service.open_table("flights").unwrap();
        let base = table.base();
        let record = base.seal(b"key", b"text").unwrap();
        let aside = world.folder.path().join("aside");
        fs::rename(log.path(), &aside).unwrap();
        symlink("/dev/full", log.path()).unwrap();
        let is_full =
            |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull);
        if required {
            let error = world.service.open_table("flights").unwrap_err();
            assert!(is_full(&error) && error.to_string().contains("audit"), "{error}");
            let error = world.service.create_table(&tablecrypt::TableSpec::new("other")).unwrap_err();
            assert!(is_full(&error), "{error}");
            assert_eq!(world.service.tables().unwrap(), ["flights"], "nothing was made");
            // What is open goes on until its deadline, and not beyond.
            for second in 1..330 {
                world.advance(1);
                assert_eq!(base.open(b"key", &record).unwrap(), b"text", "after {second} s");
            }
            world.advance(1);
            assert!(is_full(&base.open(b"key", &record).unwrap_err()));
        } else {
            world.service.open_table("flights").unwrap();
            world.service.create_table(&tablecrypt::TableSpec::new("other")).unwrap();
        }
        let lost = world.service.metrics().audit_lost;
        assert!(lost >= 3, "{lost}");
        fs::rename(&aside, log.path()).unwrap();
        world.advance(30);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text", "recovers without a restart");
        world.service.open_table("flights").unwrap();
        // The next line tells how many are missing; the chain is whole.
        let told: Vec<_> = lines(log.path())
            .iter()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["lost"].as_u64())
            .collect();
        assert_eq!(told, [lost]);
        check(log.path(), None, &[log.head().unwrap()]).unwrap();
    }
}

#[test]
fn a_log_in_several_files_is_verified_in_their_order() {
    let (world, log) = audited(|log| log.with_key(key(3)));
    // Another process, which remembers a line of the first file.
    let other = Arc::new(AuditLog::new(log.path()).with_key(key(3)));
    let others = service(&world, &other);
    world.service.create_table(&flights()).unwrap();
    others.open_table("flights").unwrap();
    world.service.open_table("flights").unwrap();
    let date = std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let names: [PathBuf; 2] = [1, 2].map(|number| world.folder.path().join(format!("audit.{number}.jsonl")));
    for name in &names {
        let first = log.rotate(name, date).unwrap();
        assert_eq!(Some(first), log.head());
        others.open_table("flights").unwrap();
        world.service.open_table("flights").unwrap();
    }
    assert_eq!(log.rotate(&names[0], date).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let key = key(3);
    let files = [names[0].as_path(), &names[1], log.path()];
    let verify = |files: &[&Path]| verify(files, key.get(), &[log.head().unwrap()]);
    assert_eq!(verify(&files).unwrap().lines, log.head().unwrap().number());
    assert!(matches!(verify(&files[1..]), Err(Flaw::Missing { from: 1, .. })));
    assert!(matches!(verify(&[files[0], files[2]]), Err(Flaw::Missing { .. })));
    assert!(matches!(verify(&[files[1], files[0], files[2]]), Err(Flaw::Missing { .. })));
    assert!(matches!(verify(&files[..2]), Err(Flaw::Ends { .. })));
}

#[test]
fn the_log_of_a_local_kms_is_verified_in_the_same_way() {
    let world = common::world_with_flights();
    world.service.open_table("flights").unwrap();
    let path = world.folder.path().join("kms/audit.jsonl");
    assert_eq!(check(&path, None, &[]).unwrap().lines, 4);
    let whole = lines(&path);
    fs::write(&path, [&whole[..1], &whole[2..]].concat().concat()).unwrap();
    assert!(matches!(check(&path, None, &[]), Err(Flaw::Missing { from: 2, to: 2, .. })));
}

const FOLDER: &str = "TABLECRYPT_AUDIT_FOLDER";

/// Writes to a log without end: one of several processes, or one that is killed.
#[test]
fn writer() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let log = AuditLog::new(Path::new(&folder).join("log")).who("a child");
    let world = common::world_with_flights();
    let service = service(&world, &Arc::new(log));
    for _ in 0..env::var("TABLECRYPT_AUDIT_LINES").map_or(u64::MAX, |lines| lines.parse().unwrap()) {
        service.open_table("flights").unwrap();
        println!("written");
    }
}

fn start_writer(folder: &Path, lines: Option<u64>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "writer"]).env(FOLDER, folder).stdout(Stdio::piped());
    lines.map(|lines| command.env("TABLECRYPT_AUDIT_LINES", lines.to_string()));
    command.spawn().unwrap()
}

#[test]
fn processes_that_write_at_once_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..6).map(|_| start_writer(folder.path(), Some(50))).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let path = folder.path().join("log");
    assert_eq!(check(&path, None, &[]).unwrap().lines, 300);
    let pids =
        lines(&path).into_iter().map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap()["pid"].clone());
    let pids: Vec<_> = pids.collect();
    let turns = pids.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(turns > 5, "they wrote one after the other: {turns} turns");
}

#[test]
fn writers_that_are_killed_leave_a_log_that_is_whole_and_has_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut acknowledged = 0;
    for kill in 0..40_u64 {
        let mut child = start_writer(folder.path(), None);
        let mut written = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            written += u64::from(line.ends_with("written"));
            if written > kill % 5 {
                // Somewhere in the next one.
                (0..kill * 20_000).for_each(|_| core::hint::spin_loop());
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged += written;
        let lines = check(&path, None, &[]).unwrap().lines;
        assert!(lines >= acknowledged, "{lines} lines, {acknowledged} acknowledged");
    }
    println!("audit: 40 kills, {acknowledged} lines acknowledged: all there, one chain");
}

#[test]
fn another_audit_than_a_file_is_told_the_same() {
    #[derive(Debug, Default)]
    struct Memory(std::sync::Mutex<Vec<String>>);
    impl Audit for Memory {
        fn record(&self, entry: &tablecrypt::audit::Entry) -> std::io::Result<()> {
            self.0.lock().unwrap().push(format!("{} {}", entry.operation, entry.outcome));
            Ok(())
        }
    }
    let world = world();
    let memory = Arc::new(Memory::default());
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let service = Service::builder(world.kms.clone(), store).clock(world.clock.clone()).audit(memory.clone()).build();
    service.default_key().unwrap();
    service.create_table(&flights()).unwrap();
    assert_eq!(*memory.0.lock().unwrap(), ["default_key ok", "create_table ok", "create_table ok"]);
}

#[test]
fn a_connection_for_a_principal_is_told_by_its_name() {
    let (world, log) = audited(|log| log);
    world.service.create_table(&flights()).unwrap();
    world.service.connect_as("alice").open_table("flights").unwrap();
    world.service.connect().open_table("flights").unwrap();
    let last: Vec<serde_json::Value> =
        lines(log.path()).iter().skip(4).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(last.iter().map(|line| line["principal"].as_str()).collect::<Vec<_>>(), [Some("alice"), None]);
    assert_eq!(world.service.metrics().kms_calls(), world.kms.calls(), "each is counted once");
}
