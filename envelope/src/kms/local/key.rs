//! A KMS key and its file: bytes to type and back, and what its state allows.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;
use uuid::{Builder, Uuid};

use super::folder::{FileBytes, FileError, KEYS, LockedFolder};
use super::{alive, fill_random};
use crate::date::{self, Date};
use crate::keys::boxed_key;
use crate::kms::{KeyMetadata, KeyState, KmsError};

/// A KMS key as it stands in `keys/<id>.json`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    version: u32,
    id: Uuid,
    arn: String,
    description: String,
    #[serde(with = "StateName")]
    state: KeyState,
    #[serde(with = "date")]
    created: SystemTime,
    /// There if and only if the state is `PendingDeletion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Date>,
    #[serde(with = "material")]
    material: KeyBox<Key>,
}

impl StoredKey {
    /// A new enabled key.
    pub(super) fn random(description: &str, created: SystemTime) -> Result<Self, KmsError> {
        let id = random_id()?;
        Ok(Self {
            version: VERSION,
            id,
            arn: arn_of(id),
            description: description.into(),
            state: KeyState::Enabled,
            created,
            deletion_date: None,
            material: boxed_key(|bytes| fill_random(bytes))?,
        })
    }

    /// The key of this id; none where it has no file.
    pub(super) fn load(folder: &LockedFolder<'_>, id: Uuid) -> Result<Option<Self>, KmsError> {
        let name = file_of(id);
        let path = folder.path_of(&name);
        let Some(bytes) = folder.read_key(&name)? else {
            return Ok(None);
        };
        let key: Self = bytes.parse(&path, VERSION)?;
        let pending = key.state == KeyState::PendingDeletion;
        if key.id != id || key.arn != arn_of(id) || key.deletion_date.is_some() != pending {
            return Err(FileError::Malformed { path }.into());
        }
        Ok(Some(key))
    }

    /// Stages the file; it is written when the folder commits.
    pub(super) fn stage(&self, folder: &mut LockedFolder<'_>) -> Result<(), KmsError> {
        let name = file_of(self.id);
        let bytes = FileBytes::of(&folder.path_of(&name), self)?;
        folder.stage_key(&name, &bytes)
    }

    /// Removes the file, and the material with it.
    pub(super) fn remove(self, folder: &LockedFolder<'_>) -> Result<(), KmsError> {
        folder.remove(&file_of(self.id))
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn created(&self) -> SystemTime {
        self.created
    }

    pub(super) fn metadata(&self) -> KeyMetadata {
        let Self { id, arn, state, description, .. } = self;
        KeyMetadata { arn: arn.clone(), id: id.to_string(), state: *state, description: description.clone() }
    }

    /// The key's bytes, if its state lets it be used.
    pub(super) fn material(&self) -> Result<&Key, KmsError> {
        match self.state {
            KeyState::Enabled => alive(&self.material),
            KeyState::Disabled => Err(KmsError::Disabled),
            KeyState::PendingDeletion => Err(KmsError::PendingDeletion),
        }
    }

    /// Whether its deletion date has come.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.deletion_date.is_some_and(|Date(date)| date <= now)
    }

    /// Refuses while the key waits for its deletion.
    pub(super) fn check_kept(&self) -> Result<(), KmsError> {
        if self.deletion_date.is_some() { Err(KmsError::PendingDeletion) } else { Ok(()) }
    }

    pub(super) fn enable(&mut self) -> Result<(), KmsError> {
        self.check_kept()?;
        self.state = KeyState::Enabled;
        Ok(())
    }

    pub(super) fn disable(&mut self) -> Result<(), KmsError> {
        self.check_kept()?;
        self.state = KeyState::Disabled;
        Ok(())
    }

    pub(super) fn schedule_deletion(&mut self, now: SystemTime, after: Duration) -> Result<SystemTime, KmsError> {
        self.check_kept()?;
        let date = now.checked_add(after).ok_or(KmsError::Invalid)?;
        (self.state, self.deletion_date) = (KeyState::PendingDeletion, Some(Date(date)));
        Ok(date)
    }

    pub(super) fn cancel_deletion(&mut self) -> Result<(), KmsError> {
        self.deletion_date.take().ok_or(KmsError::Invalid)?;
        self.state = KeyState::Disabled;
        Ok(())
    }
}

/// The id in the name of a key file; none in any other name.
pub(super) fn id_of_file(name: &str) -> Option<Uuid> {
    parse_id(name.strip_suffix(EXTENSION)?)
}

/// The id that an id or an ARN names.
pub(super) fn parse_name(name: &str) -> Option<Uuid> {
    parse_id(name.strip_prefix(ARN).unwrap_or(name))
}

/// A version 4 UUID. (`Uuid::new_v4` panics where the system has no random bytes.)
pub(super) fn random_id() -> Result<Uuid, KmsError> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

/// An id has one spelling, so that it has one file.
fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text)
}

fn arn_of(id: Uuid) -> String {
    format!("{ARN}{id}")
}

fn file_of(id: Uuid) -> String {
    format!("{KEYS}/{id}{EXTENSION}")
}

/// The names of the states in a file; the compiler sees to it that none is missing.
#[derive(Deserialize, Serialize)]
#[serde(remote = "KeyState")]
enum StateName {
    Enabled,
    Disabled,
    PendingDeletion,
}

/// The key's bytes as base64, over buffers that are wiped.
mod material {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{self, Deserializer, Visitor};
    use serde::ser::{self, Serializer};
    use tablecrypt_core::{KEY, Key};
    use tablecrypt_os::KeyBox;
    use zeroize::Zeroizing;

    use super::{boxed_key, fmt};

    /// 32 bytes in base64.
    const TEXT: usize = 44;

    pub(super) fn serialize<S: Serializer>(key: &KeyBox<Key>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new([0; TEXT]);
        let key = key.get().ok_or_else(|| ser::Error::custom("a key of another process"))?;
        STANDARD.encode_slice(key.expose(), &mut *text).map_err(ser::Error::custom)?;
        serializer.serialize_str(core::str::from_utf8(&*text).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyBox<Key>, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = KeyBox<Key>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyBox<Key>, E> {
                // The decoder wants room for whole groups of three.
                let mut bytes = Zeroizing::new([0; TEXT / 4 * 3]);
                match STANDARD.decode_slice(text, &mut *bytes) {
                    Ok(KEY) => boxed_key(|key| {
                        key.copy_from_slice(&bytes[..KEY]);
                        Ok(())
                    }),
                    _ => Err(E::custom("not 32 bytes in base64")),
                }
            }
        }

        deserializer.deserialize_str(Text)
    }
}

const VERSION: u32 = 1;
const ARN: &str = "arn:tablecrypt:kms:local:000000000000:key/";
const EXTENSION: &str = ".json";
