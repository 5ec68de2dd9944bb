//! A disk that fills, at every step of create_table and of each change of a key file: an error that says so, no half table,
//! and none that is lost.
//!
//! The test starts itself as a child whose files may not grow past a limit, with the signal for it ignored, so that real
//! writes come back short and fail. The limit grows from nothing until all fits.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use tablecrypt::kms::{Kms, LocalKms};
use tablecrypt::{Error, Rewrap, Service, TableSpec};

const FOLDER: &str = "TABLECRYPT_LIMITED_FOLDER";
const NAME: &str = "a_disk_that_fills_at_any_step_is_an_io_error_and_leaves_no_half_table";

#[test]
fn a_disk_that_fills_at_any_step_is_an_io_error_and_leaves_no_half_table() {
    if let Some(folder) = env::var_os(FOLDER) {
        return create_table_in(Path::new(&folder));
    }
    let mut failures = 0;
    for blocks in 0.. {
        let folder = folder();
        let text = limited(NAME, blocks, folder.path());
        let service = Service::local(folder.path()).unwrap();
        if text.contains("answer: created") {
            service.open_table("flights").expect("what was acknowledged is there");
            break;
        }
        assert!(text.contains("answer: io error"), "{blocks} blocks: {text}");
        assert!(matches!(service.open_table("flights"), Err(Error::NoSuchTable { .. })), "{blocks} blocks");
        service.create_table(&spec()).expect("with room it is created");
        service.open_table("flights").unwrap();
        failures += 1;
    }
    println!("{failures} limits at which create_table failed");
    assert!(failures >= 2, "the limit was met at several steps");
}

const CHANGES: &str = "a_disk_that_fills_at_any_step_of_a_change_is_an_io_error_and_the_table_and_its_records_open";

type Change = fn(&Service) -> Result<(), Error>;

const ALL: [(&str, Change); 4] = [
    ("rotate", |service| service.rotate("flights").map(drop)),
    ("switch_key", |service| service.switch_key("flights", &["alias/new"]).map(drop)),
    ("rewrap", |service| service.rewrap("flights", &Rewrap::to("alias/new")).map(drop)),
    ("add_kms_key", |service| service.add_kms_key("flights", "alias/new").map(drop)),
];

#[test]
fn a_disk_that_fills_at_any_step_of_a_change_is_an_io_error_and_the_table_and_its_records_open() {
    if let Some(folder) = env::var_os(FOLDER) {
        let name = fs::read_to_string(Path::new(&folder).join("change")).unwrap();
        let change = ALL.iter().find(|(found, _)| *found == name).unwrap().1;
        return said(Service::local(folder).and_then(|service| change(&service)));
    }
    for (name, change) in ALL {
        let mut failures = 0;
        for blocks in 0.. {
            let folder = folder();
            let service = Service::local(folder.path()).unwrap();
            service.create_table(&spec()).unwrap();
            LocalKms::open(folder.path().join("kms")).unwrap().ensure_key("alias/new", "").unwrap();
            let record = service.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap();
            fs::write(folder.path().join("change"), name).unwrap();

            let text = limited(CHANGES, blocks, folder.path());
            let opens = || {
                let base = Service::local(folder.path()).unwrap().open_table("flights").unwrap().base();
                assert_eq!(base.open(b"key", &record).unwrap(), b"text", "{name}, {blocks} blocks");
            };
            opens();
            if text.contains("answer: created") {
                break;
            }
            assert!(text.contains("answer: io error"), "{name}, {blocks} blocks: {text}");
            change(&Service::local(folder.path()).unwrap()).expect("with room it is done");
            opens();
            failures += 1;
        }
        println!("{name}: {failures} limits at which it failed");
        assert!(failures >= 5, "the limit was met at several steps");
    }
}

/// In memory where that can be: the limit is one of the process, whatever the disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What the test of this name says as a child whose files may not be longer than so many blocks.
fn limited(name: &str, blocks: u32, folder: &Path) -> String {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact --nocapture {name} 2>&1 | cat");
    let mut command = Command::new("sh");
    let command = command.args(["-c", &limited]).arg(env::current_exe().unwrap()).env(FOLDER, folder);
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

fn create_table_in(folder: &Path) {
    said(Service::local(folder).and_then(|service| service.create_table(&spec()).map(drop)));
}

fn said(answer: Result<(), Error>) {
    match answer {
        Ok(_) => println!("answer: created"),
        Err(Error::Io { path, source }) => println!("answer: io error: {}: {source}", path.display()),
        Err(other) => println!("answer: {other}"),
    }
}

fn spec() -> TableSpec {
    // Many indexes, so that the key file is the longest of all files and the limit meets it last.
    (0..20).fold(TableSpec::new("flights"), |spec, index| spec.global(format!("index-{index}")))
}

#[test]
fn a_folder_that_takes_no_files_is_an_io_error() {
    // /proc refuses everybody, root as well, which a read-only mode does not.
    if fs::metadata("/proc/self").is_ok() {
        assert!(matches!(Service::local("/proc/tablecrypt"), Err(Error::Io { .. })));
    }
}
