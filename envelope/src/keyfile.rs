//! The table's key file: bytes <-> type, nothing else. No key is unwrapped here and no file is touched.
//!
//! ```text
//! {  version, table, ..., structures      authenticated
//!    mac                                  of every byte before it, under a key derived from the root key
//!    root_key: [ ... ]                    the root key as each KMS key wrapped it; it proves itself, for no other root
//! }                                       key gives this MAC. So a KMS can wrap it anew and give it to nobody
//! ```
//!
//! JSON that a person can read, wrapped keys only. Version 1, which had one wrapping and had it before the MAC, is read and no
//! longer written. docs/FORMAT.md.

use std::collections::BTreeSet;
use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, hexadecimal};
use crate::date::Date;
use crate::keys::WRAPPED;
use crate::table::StructureName;
use crate::{Error, Result};

const VERSION: u32 = 2;
const VERSION_1: u32 = 1;
/// Between the authenticated bytes and the MAC. A line feed in a string is written `\n`, so this is nowhere else.
const BEFORE_MAC: &str = ",\n  \"mac\": \"";
/// Between the MAC and the wrapped root key.
const AFTER_MAC: &str = "\",\n  \"root_key\": ";
const END: &str = "\n}\n";
const AFTER_MAC_1: &str = "\"\n}\n";
const MAC_TEXT: usize = 64;

/// What a key file says under its MAC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    pub(crate) version: u32,
    pub(crate) table: String,
    #[serde(with = "hexadecimal")]
    pub(crate) table_id: [u8; 16],
    pub(crate) subscriber: String,
    pub(crate) created: Date,
    /// More than the number of any data key and the id of any structure that the table ever had. Not in version 1, whose
    /// tables lost none.
    #[serde(default)]
    pub(crate) next_number: u32,
    /// There while the table moves to another root key: the first of the new KMS keys, as the mover named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) switching_to: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) switching_since: Option<Date>,
    pub(crate) structures: Vec<StructureEntry>,
    /// Version 1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key: Option<String>,
    /// Version 1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_key: Option<Base64>,
}

/// The root key as one KMS key keeps it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrapping {
    /// The ARN of the KMS key.
    pub(crate) kms_key: String,
    /// What the KMS unwraps: the root key; or, if there is `sealed`, the key that opens that.
    pub(crate) wrapped: Base64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<Base64>,
}

/// A structure of the table and its wrapped data keys, the oldest first.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StructureEntry {
    pub(crate) id: u32,
    pub(crate) name: StructureName,
    pub(crate) data_keys: Vec<DataKeyEntry>,
}

/// A wrapped data key. Its number is unique within the table, and never 0.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataKeyEntry {
    pub(crate) number: u32,
    pub(crate) created: Date,
    /// Before this it opens and does not seal; none where it sealed from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seals_from: Option<Date>,
    pub(crate) wrapped: Base64,
}

/// A key file as it was read: what it says, and what proves it.
pub(crate) struct Parsed<'a> {
    pub(crate) file: KeyFile,
    /// One for each KMS key, in the order in which they are asked.
    pub(crate) wrappings: Vec<Wrapping>,
    pub(crate) authenticated: &'a [u8],
    pub(crate) mac: [u8; 32],
    /// Whether the MAC is of the wrapping too.
    pub(crate) is_version_1: bool,
}

impl KeyFile {
    /// A file of a new table, without a structure.
    pub(crate) fn new(table: &str, table_id: [u8; 16], subscriber: &str, created: Date) -> Self {
        Self {
            version: VERSION,
            table: table.to_owned(),
            table_id,
            subscriber: subscriber.to_owned(),
            created,
            next_number: 1,
            switching_to: None,
            switching_since: None,
            structures: Vec::new(),
            kms_key: None,
            root_key: None,
        }
    }

    /// The file's bytes; `mac` computes the MAC of those before it.
    pub(crate) fn to_bytes(
        &self,
        wrappings: &[Wrapping],
        mac: impl FnOnce(&[u8]) -> Result<[u8; 32]>,
    ) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(unsayable)?;
        // Without its end, "\n}", which stands behind the MAC.
        bytes.truncate(bytes.len() - 2);
        let mac = mac(&bytes)?;
        finish(bytes, &mac, wrappings)
    }

    /// Takes a file apart. What it says is not authenticated yet.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`]; None for anything that is no key file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Parsed<'_>>> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if let Ok(Version { version }) = serde_json::from_slice(bytes)
            && !(VERSION_1..=VERSION).contains(&version)
        {
            return Err(Error::UnknownVersion { version });
        }
        Ok(Self::parse_known(bytes))
    }

    fn parse_known(bytes: &[u8]) -> Option<Parsed<'_>> {
        let (authenticated, rest) = str::from_utf8(bytes).ok()?.split_once(BEFORE_MAC)?;
        let (mac, end) = rest.split_at_checked(MAC_TEXT)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(mac, &mut digest).ok()?;
        let mut file: Self = serde_json::from_slice([authenticated, "\n}"].concat().as_bytes()).ok()?;
        let is_version_1 = file.version == VERSION_1;
        let wrappings = match (file.kms_key.take(), file.root_key.take()) {
            (Some(kms_key), Some(wrapped)) if is_version_1 && end == AFTER_MAC_1 => {
                file.is_of_version_1().then_some(())?;
                (file.version, file.next_number) = (VERSION, file.numbers().max()?.checked_add(1)?);
                vec![Wrapping { kms_key, wrapped, sealed: None }]
            }
            (None, None) if !is_version_1 => {
                serde_json::from_slice(end.strip_prefix(AFTER_MAC)?.strip_suffix(END)?.as_bytes()).ok()?
            }
            _ => return None,
        };
        let is_sound = file.is_sound() && are_sound(&wrappings);
        is_sound.then_some(Parsed {
            file,
            wrappings,
            authenticated: authenticated.as_bytes(),
            mac: digest,
            is_version_1,
        })
    }

    /// The next number for a data key, or for a structure and its first data key; never given out before.
    ///
    /// # Errors
    /// None are left: the file would be longer than any that is read.
    pub(crate) fn take_number(&mut self) -> io::Result<u32> {
        let number = self.next_number;
        self.next_number = number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(number)
    }

    /// Whether the parts fit together: one base table, no name, id or number twice, no structure without a data key.
    fn is_sound(&self) -> bool {
        let entries = || self.structures.iter();
        let keys = || entries().flat_map(|entry| &entry.data_keys);
        entries().filter(|entry| entry.name == StructureName::Base).count() == 1
            && entries().all(|entry| !entry.data_keys.is_empty())
            && keys().all(|key| key.number != 0 && key.wrapped.0.len() == WRAPPED)
            && unique(entries().map(|entry| entry.id))
            && unique(entries().map(|entry| &entry.name))
            && unique(keys().map(|key| key.number))
            && self.numbers().all(|number| number < self.next_number)
    }

    /// Whether there is nothing in it that came with version 2.
    fn is_of_version_1(&self) -> bool {
        let mut keys = self.structures.iter().flat_map(|entry| &entry.data_keys);
        self.next_number == 0
            && self.switching_to.is_none()
            && self.switching_since.is_none()
            && keys.all(|key| key.seals_from.is_none())
    }

    /// All numbers that are taken.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let of_entry = |entry: &StructureEntry| entry.data_keys.iter().map(|key| key.number).max().max(Some(entry.id));
        self.structures.iter().filter_map(of_entry)
    }
}

impl Parsed<'_> {
    /// The same file as if these were its wrappings.
    pub(crate) fn under(&self, wrappings: Vec<Wrapping>) -> Self {
        Self { file: self.file.clone(), wrappings, ..*self }
    }

    /// The same file with other wrappings of the same root key. Its MAC stays.
    pub(crate) fn with_wrappings(&self, wrappings: &[Wrapping]) -> Result<Vec<u8>> {
        finish(self.authenticated.to_vec(), &self.mac, wrappings)
    }
}

impl StructureEntry {
    /// The place in `data_keys` of the one that seals at `now`: the last whose time has come.
    pub(crate) fn sealing(&self, now: SystemTime) -> usize {
        let has_come = |key: &DataKeyEntry| key.seals_from.is_none_or(|date| date.0 <= now);
        self.data_keys.iter().rposition(has_come).unwrap_or(0)
    }
}

/// Puts the MAC and the wrappings behind the authenticated bytes.
fn finish(mut bytes: Vec<u8>, mac: &[u8; 32], wrappings: &[Wrapping]) -> Result<Vec<u8>> {
    let wrappings = serde_json::to_string_pretty(wrappings).map_err(unsayable)?.replace('\n', "\n  ");
    for part in [BEFORE_MAC, &hex::encode(mac), AFTER_MAC, &wrappings, END] {
        bytes.extend_from_slice(part.as_bytes());
    }
    Ok(bytes)
}

/// Whether there is one, none twice, and each of a length that can be.
fn are_sound(wrappings: &[Wrapping]) -> bool {
    !wrappings.is_empty()
        && wrappings.iter().all(|wrapping| wrapping.sealed.as_ref().is_none_or(|sealed| sealed.0.len() == WRAPPED))
        && unique(wrappings.iter().map(|wrapping| &wrapping.kms_key))
}

/// Texts, whatever they stand for: one set is all the code that this takes.
fn unique<T: ToString>(mut values: impl Iterator<Item = T>) -> bool {
    let mut known = BTreeSet::new();
    values.all(|value| known.insert(value.to_string()))
}

/// A date of a clock that is wrong by thousands of years.
fn unsayable(error: serde_json::Error) -> Error {
    Error::io("the key file to be written", error.into())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn date(seconds: u64) -> Date {
        Date(SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600 + seconds, 5))
    }

    fn key(number: u32, seals_from: Option<u64>) -> DataKeyEntry {
        let seals_from = seals_from.map(date);
        DataKeyEntry { number, created: date(0), seals_from, wrapped: Base64(vec![7; WRAPPED]) }
    }

    fn file() -> KeyFile {
        let mut file = KeyFile::new("flights", [3; 16], "default", date(0));
        file.next_number = 9;
        file.structures = vec![
            StructureEntry { id: 0, name: StructureName::Base, data_keys: vec![key(1, None), key(4, Some(390))] },
            StructureEntry { id: 1, name: StructureName::Local("by-delay".into()), data_keys: vec![key(2, None)] },
            StructureEntry { id: 8, name: StructureName::Global("by-tail".into()), data_keys: vec![key(8, None)] },
        ];
        file
    }

    fn wrappings() -> Vec<Wrapping> {
        let of = |id: u8, sealed| Wrapping {
            kms_key: format!("arn:tablecrypt:kms:local:000000000000:key/{id}"),
            wrapped: Base64(vec![id; 121]),
            sealed,
        };
        vec![of(1, None), of(2, Some(Base64(vec![5; WRAPPED])))]
    }

    fn bytes(file: &KeyFile) -> Vec<u8> {
        file.to_bytes(&wrappings(), |_| Ok([0xab; 32])).unwrap()
    }

    #[test]
    fn a_key_file_comes_back_as_it_was_written_and_is_json() {
        for (switching_to, switching_since) in [(None, None), (Some("alias/new".into()), Some(date(7)))] {
            let file = KeyFile { switching_to, switching_since, ..file() };
            let bytes = bytes(&file);
            let parsed = KeyFile::parse(&bytes).unwrap().unwrap();
            assert_eq!((&parsed.file, parsed.mac), (&file, [0xab; 32]));
            assert_eq!(parsed.wrappings, wrappings());
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(json["mac"], hex::encode([0xab; 32]));
            assert_eq!(json["structures"][2]["name"], "global:by-tail");
            assert!(json["root_key"][1]["sealed"].is_string());
        }
    }

    #[test]
    fn other_wrappings_leave_what_is_authenticated_as_it_stands() {
        let before = bytes(&file());
        let parsed = KeyFile::parse(&before).unwrap().unwrap();
        let after = parsed.with_wrappings(&wrappings()[1..]).unwrap();
        let again = KeyFile::parse(&after).unwrap().unwrap();
        assert_eq!((again.authenticated, again.mac), (parsed.authenticated, parsed.mac));
        assert_eq!(again.wrappings, &wrappings()[1..]);
    }

    #[test]
    fn a_key_file_cut_anywhere_is_refused() {
        let bytes = bytes(&file());
        for length in 0..bytes.len() {
            assert!(matches!(KeyFile::parse(&bytes[..length]), Ok(None)), "{length}");
        }
    }

    #[test]
    fn an_unknown_version_is_named() {
        for version in [0, 3, u32::MAX] {
            let bytes = bytes(&KeyFile { version, ..file() });
            assert!(
                matches!(KeyFile::parse(&bytes), Err(Error::UnknownVersion { version: named }) if named == version)
            );
        }
    }

    #[test]
    fn the_last_data_key_whose_time_has_come_seals() {
        let entry = |keys: &[Option<u64>]| StructureEntry {
            id: 0,
            name: StructureName::Base,
            data_keys: (1..).zip(keys).map(|(number, from)| key(number, *from)).collect(),
        };
        let at = |entry: &StructureEntry, seconds| entry.sealing(date(seconds).0);
        let rotated = entry(&[None, Some(390), Some(800)]);
        assert_eq!([0, 389, 390, 799, 800].map(|seconds| at(&rotated, seconds)), [0, 0, 1, 1, 2]);
        // Those before it are retired, and the clock was set back.
        assert_eq!(at(&entry(&[Some(390)]), 0), 0);
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused() {
        let refused = |change: fn(&mut KeyFile)| {
            let mut file = file();
            change(&mut file);
            KeyFile::parse(&bytes(&file)).unwrap().is_none()
        };
        assert!(!refused(|_| ()), "the control is taken");
        assert!(refused(|file| file.structures[1].id = 0));
        assert!(refused(|file| file.structures[1].name = StructureName::Base));
        assert!(refused(|file| file.structures[0].data_keys.clear()));
        assert!(refused(|file| file.structures[0].data_keys[0].number = 2));
        assert!(refused(|file| file.structures[0].data_keys[0].number = 0));
        assert!(refused(|file| file.structures[0].data_keys[0].wrapped.0.truncate(71)));
        assert!(refused(|file| file.structures.clear()));
        assert!(refused(|file| file.next_number = 8), "it is taken");
        assert!(refused(|file| file.version = 1), "it has what came later");
        assert!(refused(|file| file.kms_key = Some("another".into())));
    }

    #[test]
    fn wrappings_that_do_not_fit_together_are_refused() {
        let refused = |change: fn(&mut Vec<Wrapping>)| {
            let mut wrappings = wrappings();
            change(&mut wrappings);
            let bytes = file().to_bytes(&wrappings, |_| Ok([0xab; 32])).unwrap();
            KeyFile::parse(&bytes).unwrap().is_none()
        };
        assert!(!refused(|_| ()), "the control is taken");
        assert!(refused(Vec::clear));
        assert!(refused(|wrappings| wrappings[1].kms_key = wrappings[0].kms_key.clone()));
        assert!(refused(|wrappings| wrappings[1].sealed = Some(Base64(vec![5; 71]))));
    }
}
