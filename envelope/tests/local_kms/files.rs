//! What lies in the folder: its modes, damaged files, a folder that cannot be written, a full disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tablecrypt::kms::{KeyState, Kms, KmsError, LocalKms};

use crate::fixture::{ALIAS, CHILD, Fixture, assert_io, child, flights};

#[test]
fn every_file_is_0600_and_every_folder_0700() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/kms");
    let kms = LocalKms::open(&folder).unwrap();
    kms.ensure_key(ALIAS, "").unwrap();
    kms.disable_key(ALIAS).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut names = BTreeSet::new();
    for folder in [folder.clone(), folder.join("keys")] {
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
                names.insert(entry.file_name().into_string().unwrap());
            }
        }
    }
    let key = format!("{}.json", kms.describe_key(ALIAS).unwrap().id);
    assert_eq!(names, ["aliases.json", "audit.jsonl", "lock", &key].map(Into::into).into());
}

/// A hole costs no disk, and its length was once asked of the memory.
#[test]
fn file_longer_than_any_of_ours_is_refused_before_it_is_read() {
    let fixture = Fixture::new();
    let id = fixture.kms.ensure_key(ALIAS, "").unwrap().id;
    for (name, refused) in [(&*format!("keys/{id}.json"), 1 << 40), ("aliases.json", (16 << 20) + 1)] {
        let path = fixture.path(name);
        let before = fs::read(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(refused).unwrap();
        assert_io(fixture.kms.describe_key(ALIAS), ErrorKind::FileTooLarge, &path);
        fs::write(&path, before).unwrap();
        fixture.kms.describe_key(ALIAS).unwrap();
    }
    let log = fixture.path("audit.jsonl");
    File::options().write(true).open(&log).unwrap().set_len(1 << 40).unwrap();
    assert_io(fixture.kms.audit(), ErrorKind::FileTooLarge, &log);
}

#[test]
fn key_that_could_not_be_read_again_is_not_written() {
    let fixture = Fixture::new();
    let error = fixture.kms.create_key(&"d".repeat(16 << 20)).unwrap_err();
    assert!(matches!(&error, KmsError::Io(source) if source.kind() == ErrorKind::FileTooLarge), "{error:?}");
    assert_eq!(fixture.key_files(), 0);
    assert!(fixture.kms.list_keys().unwrap().is_empty());
}

#[test]
fn damaged_key_file_is_named_and_its_key_is_not_shown() {
    let fixture = Fixture::new();
    let id = fixture.kms.ensure_key(ALIAS, "").unwrap().id;
    let path = fixture.path(&format!("keys/{id}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let other = id.replace(&id[..1], if id.starts_with('0') { "1" } else { "0" });
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let material = file["material"].as_str().unwrap();
    for damaged in [
        String::new(),
        text[..text.len() / 2].into(),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace(&id, &other),
        text.replace("\"Enabled\"", "\"Open\""),
        text.replace("\"Enabled\"", "\"PendingDeletion\""),
        text.replace(material, &material[4..]),
        text.replace(material, &format!("{material}AAAA")),
        text.replace("\"version\": 1", &format!("\"version\": \"{material}\"")),
        text.replace("\"version\"", "\"more\": 1, \"version\""),
    ] {
        assert_ne!(damaged, text);
        fs::write(&path, damaged).unwrap();
        let result = fixture.kms.generate_data_key(ALIAS, &flights());
        assert!(!format!("{result:?}").contains(&material[..12]), "{result:?}");
        assert_io(result, ErrorKind::InvalidData, &path);
        assert_eq!(fixture.last(), "GenerateDataKey Io");
    }
    fs::write(&path, text).unwrap();
    fixture.kms.generate_data_key(ALIAS, &flights()).unwrap();
}

#[test]
fn damaged_alias_file_is_named_and_makes_no_second_key() {
    let fixture = Fixture::new();
    let id = fixture.kms.ensure_key(ALIAS, "").unwrap().id;
    fs::write(fixture.path("aliases.json"), "{}").unwrap();
    assert_io(fixture.kms.ensure_key(ALIAS, ""), ErrorKind::InvalidData, &fixture.path("aliases.json"));
    assert_eq!(fixture.key_files(), 1);
    fixture.kms.describe_key(&id).unwrap();
}

#[test]
fn lost_key_file_is_not_found_and_makes_no_second_key() {
    let fixture = Fixture::new();
    let id = fixture.kms.ensure_key(ALIAS, "").unwrap().id;
    fs::remove_file(fixture.path(&format!("keys/{id}.json"))).unwrap();
    assert!(matches!(fixture.kms.describe_key(ALIAS), Err(KmsError::NotFound)));
    assert_io(fixture.kms.ensure_key(ALIAS, ""), ErrorKind::InvalidData, &fixture.path("aliases.json"));
    assert_eq!(fixture.key_files(), 0);
    fixture.kms.delete_alias(ALIAS).unwrap();
    fixture.kms.ensure_key(ALIAS, "").unwrap();
}

#[test]
fn draft_that_a_crash_left_is_removed_by_the_next_call() {
    let fixture = Fixture::new();
    fs::write(fixture.path("draft"), "{").unwrap();
    fs::write(fixture.path("keys/draft"), "{").unwrap();
    assert!(fixture.kms.list_keys().unwrap().is_empty());
    assert!(!fixture.path("draft").exists() && !fixture.path("keys/draft").exists());
}

/// Permissions do not bind root, which tests may run as; so these folders are none: a file, and below a file.
#[test]
fn path_that_is_no_folder_is_an_io_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("kms")] {
        assert!(matches!(LocalKms::open(path), Err(KmsError::Io(_))));
    }
}

#[test]
fn folder_that_went_away_is_an_io_error_and_is_not_made_again() {
    let fixture = Fixture::new();
    fs::remove_dir_all(fixture.folder.path()).unwrap();
    assert_io(fixture.kms.ensure_key(ALIAS, ""), ErrorKind::NotFound, &fixture.path("lock"));
    assert!(!fixture.folder.path().exists());
}

/// Skipped, and says so, where permissions do not bind (root).
#[test]
fn read_only_folder_is_an_io_error_and_changes_nothing() {
    let fixture = Fixture::new();
    fixture.kms.ensure_key(ALIAS, "").unwrap();
    let folders = [fixture.path(""), fixture.path("keys")];
    let set =
        |mode| folders.iter().for_each(|path| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap());
    set(0o500);
    if fs::write(fixture.path("probe"), "").is_ok() {
        eprintln!("skipped: permissions do not bind this user");
    } else {
        assert!(matches!(fixture.kms.create_key(""), Err(KmsError::Io(_))));
        assert!(matches!(fixture.kms.disable_key(ALIAS), Err(KmsError::Io(_))));
        assert_eq!(fixture.log()[1..], ["CreateKey Io", "DisableKey Io"]);
        assert_eq!(fixture.kms.describe_key(ALIAS).unwrap().state, KeyState::Enabled);
    }
    set(0o700);
}

/// A child that may write no file past a few blocks: writes are cut short and then fail, as on a full disk.
#[test]
fn what_does_not_fit_on_the_disk_is_not_left_in_half() {
    let fixture = Fixture::new();
    fixture.kms.ensure_key(ALIAS, "").unwrap();
    let inner = child("files::child_calls_until_the_disk_is_full", fixture.folder.path());
    // Its output goes into a pipe: a file that this test's own output goes to may be past the limit.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(CHILD, fixture.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = fs::read_to_string(fixture.path("audit.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "half a line was left");
    let log = fixture.log();
    assert_eq!(log.len(), text.lines().count());
    assert_eq!(log[..3], ["CreateKey ok", "CreateKey Io", "DescribeKey ok"]);
    assert!(log[3..].iter().all(|line| line == "DescribeKey ok"));
    assert_eq!(fixture.key_files(), 1);
}

/// The part of a child process; in the parent it does nothing.
#[test]
fn child_calls_until_the_disk_is_full() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let kms = LocalKms::open(folder).unwrap();
    assert!(matches!(kms.create_key(&"x".repeat(100_000)), Err(KmsError::Io(_))), "a key file that does not fit");
    // At most: the limit is far below a thousand lines.
    let error = (0..1000).find_map(|_| kms.describe_key(ALIAS).err()).unwrap();
    assert!(matches!(error, KmsError::Io(_)), "{error:?}");
    // Its line is longer than the one that did not fit; that of another call may be shorter.
    let alias = format!("alias/{}", "x".repeat(200));
    assert!(matches!(kms.ensure_key(&alias, ""), Err(KmsError::Io(_))), "the log has no room");
}
