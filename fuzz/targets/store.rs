//! The store of key files against a model of it: any order of its calls, with what crashes and strangers left in its folder.
//! Streams, which are to be fuzzed here too, are not there yet (docs/FORMAT.md).

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tablecrypt::store::{FolderStore, KeyStore};
use tablecrypt_fuzz::planted;

#[derive(Arbitrary, Debug)]
enum Call {
    Create {
        table: u8,
        file: Vec<u8>,
    },
    Replace {
        table: u8,
        right: bool,
        before: Vec<u8>,
        file: Vec<u8>,
    },
    Read {
        table: u8,
    },
    Tables,
    /// Another process, which may have crashed before, opens the folder.
    OpenAgain,
    /// A crash before the rename.
    Torn {
        table: u8,
        name: u8,
        file: Vec<u8>,
    },
    /// A crash before the first file.
    Empty {
        table: u8,
    },
    /// A stranger's file beside the folders of the tables.
    Stray {
        name: u8,
    },
}

/// Names as a service takes them, and so a table's name may look like one of ours.
const TABLES: [&str; 6] = ["flights", "a", "...", ".lock", "keys.json", ".keys.x.tmp"];

/// A table's key file, and the one before.
type Model = BTreeMap<&'static str, (Vec<u8>, Option<Vec<u8>>)>;

fuzz_target!(|calls: Vec<Call>| {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("tables");
    let mut store = FolderStore::open(&folder).expect("a store");
    let mut model = Model::new();
    for call in calls.into_iter().take(40) {
        run(&mut store, &mut model, &folder, call);
    }
    let store = FolderStore::open(&folder).expect("a store");
    for table in TABLES {
        assert_eq!(store.read(table).expect("a folder"), model.get(table).map(|(file, _)| file.clone()), "{table}");
    }
    for (table, (_, before)) in &model {
        let path = folder.join(table).join("keys.previous.json");
        assert_eq!(fs::read(path).ok(), *before, "{table}: the one before");
    }
});

fn run(store: &mut FolderStore, model: &mut Model, folder: &Path, call: Call) {
    let name = |table: u8| TABLES[usize::from(table) % TABLES.len()];
    match call {
        Call::Create { table, file } => {
            let table = name(table);
            match store.create(table, &file) {
                Ok(()) => {
                    assert!(!model.contains_key(table), "{table}: created twice");
                    model.insert(table, (file, None));
                    no_draft(&folder.join(table));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => assert!(model.contains_key(table)),
                Err(error) => assert!(folder.join(table).is_file(), "{table}: {error}"),
            }
        }
        Call::Replace { table, right, before, file } => {
            let table = name(table);
            let current = model.get(table).map(|(current, _)| current.clone());
            let before = if right { current.clone().unwrap_or(before) } else { before };
            match store.replace(table, &before, &file) {
                Ok(()) => {
                    assert_eq!(current.as_ref(), Some(&before), "{table}: a stale one was taken");
                    // Planted: what is as long is taken for the same, and the one before for kept already.
                    let lost = planted() && file.len() == before.len() && file != before;
                    let kept = if lost { None } else { Some(before) };
                    model.insert(table, (file, kept));
                    no_draft(&folder.join(table));
                }
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    assert_ne!(current.as_ref(), Some(&before), "{table}: the right one was refused");
                }
                Err(error) => assert!(current.is_none(), "{table}: {error}"),
            }
        }
        Call::Read { table } => {
            let table = name(table);
            match store.read(table) {
                Ok(found) => assert_eq!(found.as_ref(), model.get(table).map(|(file, _)| file), "{table}"),
                Err(error) => assert!(folder.join(table).is_file(), "{table}: {error}"),
            }
        }
        Call::Tables => {
            let expected: Vec<String> = model.keys().map(|table| (*table).to_owned()).collect();
            assert_eq!(store.tables().expect("a list"), expected);
        }
        Call::OpenAgain => *store = FolderStore::open(folder).expect("a store"),
        Call::Torn { table, name: draft, file } => {
            let path = folder.join(name(table));
            if fs::create_dir_all(&path).is_ok() {
                fs::write(path.join(format!(".keys.{draft}.tmp")), file).expect("a draft");
            }
        }
        // Where a stranger's file has the name already, nothing is made.
        Call::Empty { table } => _ = fs::create_dir_all(folder.join(name(table))),
        Call::Stray { name } => fs::write(folder.join(format!("stray{name}")), b"no table").expect("a file"),
    }
}

/// After a write no draft is left, whoever made it.
fn no_draft(table: &Path) {
    for entry in fs::read_dir(table).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        assert!(!name.to_string_lossy().ends_with(".tmp"), "{}: {} is left", table.display(), name.display());
    }
}
