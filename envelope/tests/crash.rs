//! kill -9 in the middle of create_table, rotate, switch_key and rewrap, 200 times each: the table opens, every record opens,
//! and what was acknowledged is there.
//!
//! The test starts itself as a child that makes changes for as long as it lives, and says when it begins one and when it has
//! ended. It is killed at a random moment of one. (crash.rs in src stops at every step, one after the other.)

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use core::time::Duration;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::{Kms, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, KeyStatus, Rewrap, Service, TableSpec};

const FOLDER: &str = "TABLECRYPT_CRASH_FOLDER";
const KILLS: u32 = 200;

#[test]
fn create_table_killed_200_times_leaves_tables_that_are_there_or_not_there() {
    let change = |service: &Service, n| drop(service.create_table(&spec(&format!("t{n}"))).unwrap());
    kill("create_table_killed_200_times_leaves_tables_that_are_there_or_not_there", change, |folder, acknowledged| {
        let service = service(folder).0;
        for n in 0..acknowledged {
            let base = service.open_table(&format!("t{n}")).unwrap().base();
            base.open(b"key", &base.seal(b"key", b"text").unwrap()).unwrap();
        }
        // The one that was cut.
        let cut = format!("t{acknowledged}");
        match service.open_table(&cut) {
            Ok(_) => {}
            Err(Error::NoSuchTable { .. }) => drop(service.create_table(&spec(&cut)).unwrap()),
            Err(other) => panic!("{other}"),
        }
        service.open_table(&cut).unwrap();
        open_all(folder).unwrap()
    });
}

#[test]
fn rotate_killed_200_times_loses_no_record() {
    let change = |service: &Service, _| drop(service.rotate("flights").unwrap());
    kill("rotate_killed_200_times_loses_no_record", change, |folder, acknowledged| {
        let service = service(folder).0;
        let generations = service.generations("flights").unwrap().len() as u32;
        assert!(generations >= 3 * (1 + acknowledged), "what was acknowledged is there");
        open_all(folder).unwrap();
        service.rotate("flights").unwrap();
        open_all(folder).unwrap()
    });
}

#[test]
fn switch_key_killed_200_times_loses_no_record() {
    let change = |service: &Service, n| drop(service.switch_key("flights", &[key(n)]).unwrap());
    kill("switch_key_killed_200_times_loses_no_record", change, |folder, acknowledged| {
        open_all(folder).unwrap();
        let (service, kms) = service(folder);
        let description = service.describe_table("flights").unwrap();
        // The key of the last that was acknowledged, or of the one that was cut.
        let arn = |n: u32| kms.describe_key(key(n)).unwrap().arn;
        assert!([arn(acknowledged - 1), arn(acknowledged)].contains(&description.kms_key));
        if description.status == KeyStatus::Updating {
            assert_eq!(description.switching_to.as_deref(), Some(key(acknowledged)));
        }
        let description = service.switch_key("flights", &[key(1)]).unwrap();
        assert_eq!((description.status, description.kms_key), (KeyStatus::Enabled, arn(1)));
        open_all(folder).unwrap()
    });
}

#[test]
fn rewrap_killed_200_times_loses_no_record() {
    let change = |service: &Service, n| drop(service.rewrap("flights", &Rewrap::to(key(n))).unwrap());
    kill("rewrap_killed_200_times_loses_no_record", change, |folder, _| {
        open_all(folder).unwrap();
        let (service, kms) = service(folder);
        service.rewrap("flights", &Rewrap::to(key(1))).unwrap();
        assert_eq!(service.describe_table("flights").unwrap().kms_key, kms.describe_key(key(1)).unwrap().arn);
        open_all(folder).unwrap()
    });
}

#[test]
fn a_key_file_that_is_written_in_place_is_found_torn() {
    let change = |_: &Service, _| {
        let path = Path::new(&env::var_os(FOLDER).unwrap()).join("tables/flights/keys.json");
        let file = fs::read(&path).unwrap();
        let mut out = fs::File::create(&path).unwrap();
        file.chunks(1).for_each(|chunk| out.write_all(chunk).unwrap());
    };
    let torn = core::cell::Cell::new(false);
    let check = |folder: &Path, _| {
        let opened = open_all(folder);
        torn.set(torn.get() || opened.is_err());
        opened.unwrap_or(0)
    };
    kill_until("a_key_file_that_is_written_in_place_is_found_torn", 10 * KILLS, change, check, || torn.get());
    assert!(torn.get(), "the control was not found");
}

/// Kills a child while it makes this change again and again, until 200 kills met one in the middle; each time `check` sees the folder that it left, and
/// how many changes were acknowledged, and counts the records that open.
fn kill(test: &str, change: impl Fn(&Service, u32), check: impl Fn(&Path, u32) -> usize) {
    kill_until(test, KILLS, change, check, || false);
}

/// The same, until so many kills met one in the middle, or it is `enough`.
fn kill_until(
    test: &str,
    times: u32,
    change: impl Fn(&Service, u32),
    check: impl Fn(&Path, u32) -> usize,
    enough: impl Fn() -> bool,
) {
    if let Some(folder) = env::var_os(FOLDER) {
        change_until_killed(Path::new(&folder), change);
        std::process::exit(0);
    }
    let (mut acknowledged, mut cut, mut records) = (0, 0, 0);
    let original = folder();
    prepare(original.path());
    let mut average = Duration::from_millis(1);
    let mut kills = 0;
    while cut < times && !enough() {
        kills += 1;
        assert!(kills < 20 * times, "only {cut} of {kills} kills met a change");
        let folder = folder();
        copy(original.path(), folder.path());
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let wait = 1 + kills % 3;
        let mut begun = Instant::now();
        for line in lines.by_ref() {
            match line.split_once(' ') {
                Some(("begun", n)) if n == wait.to_string() => break,
                Some(("begun", _)) => begun = Instant::now(),
                Some(("done", _)) => average = (average * 7 + begun.elapsed()) / 8,
                _ => {}
            }
        }
        // Somewhere in this one: a random share of what one takes.
        let share = kills.wrapping_mul(2_654_435_761_u32) >> 22;
        let until = Instant::now() + average * share / 1024;
        while Instant::now() < until {
            core::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let said: Vec<_> = lines.filter(|line| line.starts_with("begun ") || line.starts_with("done ")).collect();
        let done = said.iter().filter(|line| line.starts_with("done ")).count() as u32 + wait;
        cut += u32::from(said.last().is_none_or(|line| line.starts_with("begun ")));
        acknowledged += done;
        records += check(folder.path(), done);
    }
    println!("{kills} kills, {cut} in the middle; {acknowledged} changes were acknowledged and {records} records open");
}

fn change_until_killed(folder: &Path, change: impl Fn(&Service, u32)) {
    let (service, kms) = service(folder);
    let mut log = OpenOptions::new().append(true).open(folder.join("records")).unwrap();
    let mut out = std::io::stdout().lock();
    let clock = kms_clock();
    // A broken pipe means that the parent has died.
    for n in 0.. {
        if writeln!(out, "begun {n}").and_then(|()| out.flush()).is_err() {
            return;
        }
        change(&service, n);
        if writeln!(out, "done {n}").and_then(|()| out.flush()).is_err() {
            return;
        }
        // A process in which the newest generation seals.
        clock.advance(Duration::from_secs(1000 * u64::from(n + 1)));
        let store = Arc::new(FolderStore::open(folder.join("tables")).unwrap());
        let later = Service::builder(kms.clone(), store).clock(clock.clone()).build();
        let record = later.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap();
        log.write_all(format!("{}\n", hex::encode(record)).as_bytes()).unwrap();
    }
}

/// A table with records of two generations, and two KMS keys.
fn prepare(folder: &Path) {
    let (service, kms) = service(folder);
    service.create_table(&spec("flights")).unwrap();
    kms.ensure_key(key(0), "").unwrap();
    kms.ensure_key(key(1), "").unwrap();
    let base = service.open_table("flights").unwrap().base();
    let records: Vec<_> = (0..3).map(|_| hex::encode(base.seal(b"key", b"text").unwrap()) + "\n").collect();
    fs::write(folder.join("records"), records.concat()).unwrap();
}

/// Opens every record that was written wholly, in a new process, and counts them.
fn open_all(folder: &Path) -> Result<usize, Error> {
    let base = service(folder).0.open_table("flights")?.base();
    let records = fs::read_to_string(folder.join("records")).unwrap();
    let whole = records.rsplit_once('\n').unwrap().0.lines().map(|line| hex::decode(line).unwrap());
    whole
        .map(|record| base.open(b"key", &record).map(|text| assert_eq!(text, b"text")))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.len())
}

fn service(folder: &Path) -> (Service, Arc<LocalKms>) {
    let kms = Arc::new(LocalKms::open_with(folder.join("kms"), kms_clock()).unwrap());
    let store = Arc::new(FolderStore::open(folder.join("tables")).unwrap());
    (Service::builder(kms.clone(), store).clock(kms_clock()).build(), kms)
}

fn kms_clock() -> Arc<VirtualClock> {
    Arc::default()
}

fn spec(table: &str) -> TableSpec {
    TableSpec::new(table).local("l").global("g")
}

fn key(n: u32) -> &'static str {
    if n.is_multiple_of(2) { "alias/even" } else { "alias/odd" }
}

/// In memory where that can be: a killed process loses nothing of what the system has, so the disk shows nothing more.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
