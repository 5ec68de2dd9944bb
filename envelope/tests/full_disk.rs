//! A disk that fills, at every step of create_table: an error that says so, and no half table.
//!
//! The test starts itself as a child whose files may not grow past a limit, with the signal for it ignored, so that real
//! writes come back short and fail. The limit grows from nothing until all fits.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use tablecrypt::{Error, Service, TableSpec};

const FOLDER: &str = "TABLECRYPT_LIMITED_FOLDER";
const NAME: &str = "a_disk_that_fills_at_any_step_is_an_io_error_and_leaves_no_half_table";

#[test]
fn a_disk_that_fills_at_any_step_is_an_io_error_and_leaves_no_half_table() {
    if let Some(folder) = env::var_os(FOLDER) {
        return create_table_in(Path::new(&folder));
    }
    let mut failures = 0;
    for blocks in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact --nocapture {NAME} 2>&1 | cat");
        let output = Command::new("sh")
            .args(["-c", &limited])
            .arg(env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
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

fn create_table_in(folder: &Path) {
    let answer = Service::local(folder).and_then(|service| service.create_table(&spec()));
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
