//! The command `tablecrypt audit`, on a log that a service wrote.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tablecrypt::audit::AuditLog;
use tablecrypt::core::Key;
use tablecrypt::kms::LocalKms;
use tablecrypt::store::FolderStore;
use tablecrypt::{KeyBox, Service, TableSpec};

/// Runs the command: whether it succeeded, and what it said.
fn tablecrypt(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tablecrypt")).args(arguments).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_log_is_verified_rotated_and_found_to_be_cut_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("key"), "07".repeat(32) + "\n").unwrap();
    let log = Arc::new(AuditLog::new(path("audit.jsonl")).with_key(KeyBox::new(|| Key::from([7; 32]))));
    let kms = Arc::new(LocalKms::open(path("kms")).unwrap());
    let store = Arc::new(FolderStore::open(path("tables")).unwrap());
    let service = Service::builder(kms, store).audit(log.clone()).build();
    service.create_table(&TableSpec::new("flights")).unwrap();

    let verify = |arguments: &[&str]| {
        let arguments = [&["audit", "verify"], arguments].concat();
        tablecrypt(folder.path(), &arguments)
    };
    let (well, said) = verify(&["audit.jsonl", "--key", "key"]);
    assert!(well && said.starts_with("4 lines, as they were written\nhead 4:"), "{said}");
    let head = said.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(head, log.head().unwrap().to_string());
    // The log of the KMS is bound under no key.
    let (well, said) = verify(&["kms/audit.jsonl"]);
    assert!(well && said.starts_with("3 lines"), "{said}");
    let (well, said) = verify(&["audit.jsonl"]);
    assert!(!well && said.contains("line 1: changed, or written under another key"), "{said}");

    let (well, said) = tablecrypt(folder.path(), &["audit", "rotate", "audit.jsonl", "old.jsonl", "--key", "key"]);
    assert!(well && said.contains("goes on from old.jsonl with number 6"), "{said}");
    service.open_table("flights").unwrap();
    let (well, said) = verify(&["old.jsonl", "audit.jsonl", "--key", "key", "--known", &head]);
    assert!(well && said.starts_with("7 lines"), "{said}");

    let text = fs::read_to_string(path("old.jsonl")).unwrap();
    let cut: String = text.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    fs::write(path("old.jsonl"), cut).unwrap();
    let (well, said) = verify(&["old.jsonl", "--key", "key", "--known", &head]);
    assert!(!well && said.contains("ends at number 2; number 4 was there once"), "{said}");
    let (well, said) = verify(&["old.jsonl", "audit.jsonl", "--key", "key"]);
    assert!(!well && said.contains("the numbers 3 to 5 are missing"), "{said}");
    for wrong in [&["audit.jsonl", "--known", "x"][..], &["none"], &[], &["audit.jsonl", "--key", "old.jsonl"]] {
        assert!(!verify(wrong).0, "{wrong:?}");
    }
}
