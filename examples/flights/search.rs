//! Looks for plaintext in every file of a folder.
//!
//! A carrier is two letters, and of any two letters there are two thousand in 120 MB of random bytes. So what is
//! looked for is a value as it is stored, with enough around it: six bytes or more, in all about 14,000 strings. The
//! chance that random bytes hold any of them is below one in 20,000 runs (59 strings have six bytes, as `,UA,1,`; all
//! others more).
//!
//! | | in an item or what an index projects | in a key |
//! | --- | --- | --- |
//! | tail number | `N14228,` | `N14228` NUL |
//! | carrier | `,UA,1545,` | `-31` NUL `UA` NUL |
//! | date | `2013-01-` in `time_hour` | `2013-01-` |
//!
//! A search that finds nothing proves nothing until it has found what is there: the same one is made in the plaintext
//! job's files first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::{Context, Result};
use serde::Serialize;

use crate::item::Item;
use crate::progress::Progress;

/// What was found, by what it is.
#[derive(Debug, Default, Serialize)]
pub struct Hits {
    pub tail_numbers: u64,
    pub carriers: u64,
    pub dates: u64,
    /// How many files were searched.
    #[serde(skip)]
    pub files: u64,
    /// The first file with a hit, and where in it.
    #[serde(skip)]
    pub first: Option<String>,
}

impl Hits {
    pub fn total(&self) -> u64 {
        self.tail_numbers + self.carriers + self.dates
    }
}

/// A search for everything that these items could be known by.
#[derive(Debug)]
pub struct Search {
    searcher: AhoCorasick,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tail,
    Carrier,
    Date,
}

impl Search {
    pub fn new(items: &[Item]) -> Result<Self> {
        let mut needles = BTreeMap::new();
        for item in items {
            let (date, carrier) = (item.date()?, item.required("carrier")?);
            if let Some(tail) = item.attribute("tailnum")? {
                needles.insert(format!("{tail},"), Kind::Tail);
                needles.insert(format!("{tail}\0"), Kind::Tail);
            }
            needles.insert(format!(",{carrier},{},", item.required("flight")?), Kind::Carrier);
            needles.insert(format!("{}\0{carrier}\0", &date[7..]), Kind::Carrier);
            needles.insert(date[..8].to_owned(), Kind::Date);
        }
        let searcher = AhoCorasick::builder().match_kind(MatchKind::Standard).build(needles.keys())?;
        Ok(Self { searcher, kinds: needles.into_values().collect() })
    }

    /// How many strings it looks for.
    pub fn needles(&self) -> u64 {
        self.kinds.len() as u64
    }

    /// Searches every file in the folder and below it.
    pub fn folder(&self, folder: &Path, progress: &Progress) -> Result<Hits> {
        let mut hits = Hits::default();
        self.below(folder, &mut hits, progress)?;
        Ok(hits)
    }

    fn below(&self, folder: &Path, hits: &mut Hits, progress: &Progress) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                self.below(&path, hits, progress)?;
            } else {
                progress.stage(&format!("Searching {} for plaintext", path.display()), 0);
                let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
                self.file(&path, &bytes, hits);
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, bytes: &[u8], hits: &mut Hits) {
        hits.files += 1;
        for found in self.searcher.find_overlapping_iter(bytes) {
            match self.kinds[found.pattern().as_usize()] {
                Kind::Tail => hits.tail_numbers += 1,
                Kind::Carrier => hits.carriers += 1,
                Kind::Date => hits.dates += 1,
            }
            hits.first.get_or_insert_with(|| format!("{}, byte {}", path.display(), found.start()));
        }
    }
}

#[cfg(test)]
mod tests {
    use csv::StringRecord;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_lies_in_a_folder_or_below_it_is_found() {
        let row = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";
        let item = Item::of(&StringRecord::from(row.split(',').collect::<Vec<_>>())).unwrap();
        let search = Search::new(&[item]).unwrap();
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("other"), "N14229, UA, 2026-01-01").unwrap();
        let progress = Progress::new(true);
        assert_eq!(search.folder(folder.path(), &progress).unwrap().total(), 0);
        fs::write(folder.path().join("below/item"), row).unwrap();
        fs::write(folder.path().join("key"), "N14228\x002013-01-01\0UA\0").unwrap();
        let hits = search.folder(folder.path(), &progress).unwrap();
        assert_eq!((hits.tail_numbers, hits.carriers, hits.dates, hits.files), (2, 2, 2, 3));
    }
}
