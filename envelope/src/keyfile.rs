//! The table's key file: bytes <-> type, nothing else. No key is unwrapped here and no file is touched.
//!
//! JSON that a person can read, wrapped keys only. Its last member is the MAC of every byte before it, under a key
//! derived from the root key, so that it can be checked only after the KMS has unwrapped that. docs/FORMAT.md.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::date::Date;
use crate::keys::WRAPPED;
use crate::table::StructureName;
use crate::{Error, Result};

const VERSION: u32 = 1;
/// Between the authenticated bytes and the MAC.
const BEFORE_MAC: &[u8] = b",\n  \"mac\": \"";
const AFTER_MAC: &[u8] = b"\"\n}\n";

/// What a key file says, but for its MAC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    pub(crate) version: u32,
    pub(crate) table: String,
    #[serde(with = "hex_bytes")]
    pub(crate) table_id: [u8; 16],
    pub(crate) subscriber: String,
    pub(crate) created: Date,
    /// The ARN of the KMS key that wraps the root key.
    pub(crate) kms_key: String,
    #[serde(with = "base64_bytes")]
    pub(crate) root_key: Vec<u8>,
    pub(crate) structures: Vec<StructureEntry>,
}

/// A structure of the table and its wrapped data keys, the oldest first; the last one seals.
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
    #[serde(with = "base64_bytes")]
    pub(crate) wrapped: Vec<u8>,
}

/// A key file as it was read: what it says, and what proves it.
pub(crate) struct Parsed<'a> {
    pub(crate) file: KeyFile,
    pub(crate) authenticated: &'a [u8],
    pub(crate) mac: [u8; 32],
}

impl KeyFile {
    pub(crate) const VERSION: u32 = VERSION;

    /// The file's bytes; `mac` computes the MAC of those before it.
    pub(crate) fn to_bytes(&self, mac: impl FnOnce(&[u8]) -> io::Result<[u8; 32]>) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        // Without its end, "\n}", which stands behind the MAC.
        bytes.truncate(bytes.len() - 2);
        let mac = hex::encode(mac(&bytes)?);
        for part in [BEFORE_MAC, mac.as_bytes(), AFTER_MAC] {
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
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
            && version != VERSION
        {
            return Err(Error::UnknownVersion { version });
        }
        Ok(Self::parse_known(bytes))
    }

    fn parse_known(bytes: &[u8]) -> Option<Parsed<'_>> {
        let rest = bytes.strip_suffix(AFTER_MAC)?;
        let (rest, mac) = rest.split_at(rest.len().checked_sub(64)?);
        let authenticated = rest.strip_suffix(BEFORE_MAC)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(mac, &mut digest).ok()?;
        let file: Self = serde_json::from_slice(&[authenticated, b"\n}"].concat()).ok()?;
        file.is_sound().then_some(Parsed { file, authenticated, mac: digest })
    }

    /// Whether the parts fit together: one base table, no name, id or number twice, no structure without a data key.
    fn is_sound(&self) -> bool {
        fn unique<T: Ord>(values: impl Iterator<Item = T>) -> bool {
            let mut values: Vec<T> = values.collect();
            let all = values.len();
            values.sort_unstable();
            values.dedup();
            values.len() == all
        }
        let entries = || self.structures.iter();
        let keys = || entries().flat_map(|entry| &entry.data_keys);
        entries().filter(|entry| entry.name == StructureName::Base).count() == 1
            && entries().all(|entry| !entry.data_keys.is_empty())
            && keys().all(|key| key.number != 0 && key.wrapped.len() == WRAPPED)
            && unique(entries().map(|entry| entry.id))
            && unique(entries().map(|entry| &entry.name))
            && unique(keys().map(|key| key.number))
    }
}

mod base64_bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

mod hex_bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::time::SystemTime;

    use super::*;

    fn file() -> KeyFile {
        let created = Date(SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600, 5));
        let key = |number| DataKeyEntry { number, created, wrapped: vec![7; WRAPPED] };
        KeyFile {
            version: 1,
            table: "flights".into(),
            table_id: [3; 16],
            subscriber: "default".into(),
            created,
            kms_key: "arn:tablecrypt:kms:local:000000000000:key/1".into(),
            root_key: vec![9; 121],
            structures: vec![
                StructureEntry { id: 0, name: StructureName::Base, data_keys: vec![key(1), key(4)] },
                StructureEntry { id: 1, name: StructureName::Local("by-delay".into()), data_keys: vec![key(2)] },
                StructureEntry { id: 2, name: StructureName::Global("by-tail".into()), data_keys: vec![key(3)] },
            ],
        }
    }

    fn bytes(file: &KeyFile) -> Vec<u8> {
        file.to_bytes(|_| Ok([0xab; 32])).unwrap()
    }

    #[test]
    fn a_key_file_comes_back_as_it_was_written_and_is_json() {
        let bytes = bytes(&file());
        let parsed = KeyFile::parse(&bytes).unwrap().unwrap();
        assert_eq!((parsed.file, parsed.mac), (file(), [0xab; 32]));
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["mac"], hex::encode([0xab; 32]));
        assert_eq!(json["structures"][2]["name"], "global:by-tail");
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
        let later = KeyFile { version: 2, ..file() };
        assert!(matches!(KeyFile::parse(&bytes(&later)), Err(Error::UnknownVersion { version: 2 })));
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
        assert!(refused(|file| file.structures[0].data_keys[0].wrapped.truncate(71)));
        assert!(refused(|file| file.structures.clear()));
    }
}
