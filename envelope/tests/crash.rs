//! kill -9 in the middle of create_table: the table is there or it is not, and what was acknowledged is there.
//!
//! The test starts itself as a child that creates tables for as long as it lives and names each one that it was told of.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use tablecrypt::{Error, Service, TableSpec};

const FOLDER: &str = "TABLECRYPT_CRASH_FOLDER";
const KILLS: u32 = 40;

#[test]
fn a_create_table_killed_at_any_step_leaves_a_table_that_is_there_or_not_there() {
    if let Some(folder) = env::var_os(FOLDER) {
        return create_tables_until_killed(Path::new(&folder));
    }
    let (mut acknowledged, mut cut, mut whole) = (0, 0, 0);
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "a_create_table_killed_at_any_step_leaves_a_table_that_is_there_or_not_there",
            ])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut tables = Vec::new();
        for line in lines.map_while(Result::ok) {
            if let Some(table) = line.strip_prefix("created ") {
                tables.push(table.to_owned());
            }
            if tables.len() as u32 > kill % 4 {
                // Somewhere in the next one; it takes about a millisecond.
                (0..kill * 20_000).for_each(|_| core::hint::spin_loop());
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let service = Service::local(folder.path()).unwrap();
        for table in &tables {
            let base = service.open_table(table).unwrap().base();
            let record = base.seal(b"key", b"text").unwrap();
            assert_eq!(base.open(b"key", &record).unwrap(), b"text");
        }
        acknowledged += tables.len();
        // What was not acknowledged, up to a few that the pipe held back.
        for next in tables.len()..tables.len() + 50 {
            let table = format!("t{next}");
            match service.open_table(&table) {
                Ok(_) => whole += 1,
                Err(Error::NoSuchTable { .. }) => {
                    cut += 1;
                    service.create_table(&TableSpec::new(&table).global("g")).unwrap();
                    service.open_table(&table).unwrap();
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
        let left: Vec<_> = fs::read_dir(folder.path().join("tables")).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(!left.is_empty());
    }
    println!("{KILLS} kills: {acknowledged} acknowledged tables open; of those cut, {whole} whole and {cut} not there");
}

fn create_tables_until_killed(folder: &Path) {
    let service = Service::local(folder).unwrap();
    for next in 0.. {
        let table = format!("t{next}");
        service.create_table(&TableSpec::new(&table).global("g")).unwrap();
        let mut out = std::io::stdout().lock();
        // A broken pipe means that the parent has died.
        if writeln!(out, "created {table}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
