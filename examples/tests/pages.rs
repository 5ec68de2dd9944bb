//! Sorted files under a table's keys: what comes back, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use core::ops::ControlFlow;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tablecrypt::{Service, Structure, Table, TableSpec};
use tablecrypt_examples::{Error, PAGE, Plain, Reader, Result, Sealer, Writer};
use tempfile::TempDir;

type Entry = (Vec<u8>, Vec<u8>);

/// A folder with a table's keys and its files.
struct Place {
    folder: TempDir,
    table: Table,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let service = Service::local(folder.path()).unwrap();
        service.create_table(&TableSpec::new("flights").global("by-tail")).unwrap();
        let table = service.open_table("flights").unwrap();
        Self { folder, table }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn base(&self) -> Structure {
        self.table.base()
    }

    /// Writes a file of the base table.
    fn write(&self, name: &str, entries: &[Entry]) -> PathBuf {
        write(self.path(name), self.base(), entries);
        self.path(name)
    }

    /// Opens a file of the base table and reads all of it.
    fn read(&self, path: &PathBuf) -> Result<Vec<Entry>> {
        read(path, self.base())
    }
}

fn write(path: PathBuf, sealer: impl Sealer, entries: &[Entry]) -> u64 {
    let mut writer = Writer::new(path, sealer).unwrap();
    for (key, item) in entries {
        writer.push(key, item).unwrap();
    }
    writer.finish().unwrap().publish().unwrap()
}

fn read(path: &PathBuf, sealer: impl Sealer) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    Reader::open(path, sealer)?.scan(&[], |key, item| {
        entries.push((key.to_vec(), item.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// `count` entries of about 100 bytes; even numbers, so that there are keys in between.
fn entries(count: u32) -> Vec<Entry> {
    (0..count).map(|i| (format!("key {:06}", 2 * i).into(), format!("item {i} ").repeat(5).into())).collect()
}

#[test]
fn what_was_written_is_read_back() {
    let place = Place::new();
    // None, one, a page that is just full, many pages, more than one index page.
    for count in [0, 1, 2, 33, 34, 1000, 12_000] {
        let entries = entries(count);
        let path = place.write(&format!("{count}"), &entries);
        assert_eq!(place.read(&path).unwrap(), entries, "{count}");
        let plain = place.path("plain");
        write(plain.clone(), Plain, &entries);
        assert_eq!(read(&plain, Plain).unwrap(), entries, "{count}");
        fs::remove_file(plain).unwrap();
    }
}

#[test]
fn every_key_is_found_and_no_other() {
    let place = Place::new();
    let entries = entries(1000);
    let mut reader = Reader::open(place.write("base", &entries), place.base()).unwrap();
    assert_eq!(reader.entries(), 1000);
    for (i, (key, item)) in (0..).zip(&entries) {
        assert_eq!(reader.find(key).unwrap().as_ref(), Some(item));
        assert_eq!(reader.find(format!("key {:06}", 2 * i + 1).as_bytes()).unwrap(), None);
        assert_eq!(reader.scan(key, |_, _| ControlFlow::Continue(())).unwrap(), 1000 - i);
    }
    assert_eq!(reader.find(b"").unwrap(), None);
    assert_eq!(reader.find(b"z").unwrap(), None);
}

#[test]
fn no_key_and_no_item_stands_in_a_sealed_file() {
    let place = Place::new();
    let entries = entries(100);
    let sealed = fs::read(place.write("base", &entries)).unwrap();
    write(place.path("plain"), Plain, &entries);
    let plain = fs::read(place.path("plain")).unwrap();
    for (key, item) in &entries {
        for text in [key, item] {
            assert!(plain.windows(text.len()).any(|window| window == text));
            assert!(!sealed.windows(text.len()).any(|window| window == text));
        }
    }
}

#[test]
fn a_flipped_bit_at_any_byte_is_refused() {
    let place = Place::new();
    let path = place.write("base", &entries(3));
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 4 * PAGE);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for (i, byte) in (0..).zip(bytes) {
        file.write_all_at(&[byte ^ 1 << (i % 8)], i).unwrap();
        assert!(place.read(&path).is_err(), "byte {i}");
        file.write_all_at(&[byte], i).unwrap();
    }
    assert_eq!(place.read(&path).unwrap(), entries(3));
}

#[test]
fn pages_swapped_within_a_file_are_refused() {
    let place = Place::new();
    let path = place.write("base", &entries(6000));
    let bytes = fs::read(&path).unwrap();
    let last = bytes.len() / PAGE - 1;
    for (a, b) in [(0, 1), (1, 2), (1, 100), (1, last - 1), (last - 2, last - 1), (last - 1, last), (1, last)] {
        let mut swapped = bytes.clone();
        let (low, high) = swapped.split_at_mut(b * PAGE);
        low[a * PAGE..][..PAGE].swap_with_slice(&mut high[..PAGE]);
        fs::write(&path, swapped).unwrap();
        assert!(place.read(&path).is_err(), "{a} and {b} of {last}");
    }
}

#[test]
fn a_page_of_another_file_of_the_same_table_is_refused() {
    let place = Place::new();
    let (ours, theirs) = (place.write("ours", &entries(100)), place.write("theirs", &entries(100)));
    let (bytes, theirs) = (fs::read(&ours).unwrap(), fs::read(theirs).unwrap());
    assert_eq!(bytes.len(), theirs.len());
    for page in 0..bytes.len() / PAGE {
        let mut mixed = bytes.clone();
        mixed[page * PAGE..][..PAGE].copy_from_slice(&theirs[page * PAGE..][..PAGE]);
        fs::write(&ours, mixed).unwrap();
        assert!(place.read(&ours).is_err(), "page {page}");
    }
}

#[test]
fn a_file_cut_anywhere_is_said_to_be_cut() {
    let place = Place::new();
    let path = place.write("base", &entries(500));
    let bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / PAGE;
    let boundaries = (0..pages).map(|page| page * PAGE);
    let inside = [1, 31, 32, 33, 48, 100, PAGE - 1, PAGE + 1, 2 * PAGE + 47, bytes.len() - 17, bytes.len() - 1];
    for length in boundaries.chain(inside) {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(place.read(&path), Err(Error::Cut { .. })), "{length} of {}", bytes.len());
    }
    fs::write(&path, [bytes.as_slice(), &bytes[PAGE..2 * PAGE]].concat()).unwrap();
    assert!(matches!(place.read(&path), Err(Error::Cut { .. })), "a page more");
}

#[test]
fn a_file_of_another_structure_or_table_is_refused() {
    let place = Place::new();
    let path = place.path("index");
    write(path.clone(), place.table.global("by-tail").unwrap(), &entries(3));
    let refused = |result: Result<Vec<Entry>>| match result {
        Err(Error::Page { source, .. }) => {
            matches!(source, tablecrypt::Error::UnknownKey { .. } | tablecrypt::Error::Unauthentic)
        }
        // The same key number in another table: a footer that does not open.
        Err(Error::Cut { .. }) => true,
        _ => false,
    };
    assert!(refused(place.read(&path)));
    let stranger = Place::new();
    assert!(refused(read(&path, stranger.table.global("by-tail").unwrap())));
    assert!(refused(stranger.read(&place.write("base", &entries(3)))));
    // A record alone, too.
    let record = place.table.global("by-tail").unwrap().seal(b"key", b"item").unwrap();
    assert!(place.base().open(b"key", &record).is_err());
}

#[test]
fn a_file_that_is_none_is_refused() {
    let place = Place::new();
    for (name, bytes) in [("text", &b"year,month,day\n"[..]), ("zeros", &[0; 2 * PAGE])] {
        fs::write(place.path(name), bytes).unwrap();
        assert!(matches!(place.read(&place.path(name)), Err(Error::NotPages { .. })), "{name}");
    }
    assert!(matches!(place.read(&place.path("missing")), Err(Error::Io { .. })));
}

#[test]
fn an_item_longer_than_a_page_is_refused_and_the_rest_is_written() {
    let place = Place::new();
    let mut writer = Writer::new(place.path("base"), place.base()).unwrap();
    writer.push(b"a", b"short").unwrap();
    // 4096 bytes less the page's overhead, its count, an entry's lengths, the key, and the item's overhead.
    let longest = PAGE - 48 - 2 - 4 - 1 - 48;
    assert!(matches!(writer.push(b"b", &vec![1; longest + 1]), Err(Error::ItemTooLong { .. })));
    writer.push(b"b", &vec![1; longest]).unwrap();
    writer.push(b"c", b"short").unwrap();
    writer.finish().unwrap().publish().unwrap();
    let items = place.read(&place.path("base")).unwrap();
    assert_eq!(items.iter().map(|(_, item)| item.len()).collect::<Vec<_>>(), [5, longest, 5]);
}

#[test]
fn keys_out_of_order_or_twice_are_refused() {
    let place = Place::new();
    let mut writer = Writer::new(place.path("base"), place.base()).unwrap();
    writer.push(b"b", b"item").unwrap();
    for key in [&b"b"[..], b"a", b""] {
        assert!(matches!(writer.push(key, b"item"), Err(Error::OutOfOrder)));
    }
}

#[test]
fn a_file_is_never_replaced_and_an_unfinished_one_leaves_nothing() {
    let place = Place::new();
    let path = place.write("base", &entries(3));
    let files = || fs::read_dir(place.folder.path()).unwrap().count();
    let before = files();
    let mut writer = Writer::new(path.clone(), place.base()).unwrap();
    writer.push(b"key", b"item").unwrap();
    let complete = writer.finish().unwrap();
    assert!(matches!(complete.publish(), Err(Error::Io { .. })));
    drop(Writer::new(place.path("other"), place.base()).unwrap());
    assert_eq!(files(), before);
    assert_eq!(place.read(&path).unwrap(), entries(3));
    assert!(File::open(place.path("other")).is_err());
}
