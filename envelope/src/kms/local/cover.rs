//! What covers the key files of a folder: a key that is made of a passphrase, or lies in a file elsewhere.
//!
//! ```text
//! cover.json       how the covering key is had: Argon2id's salt and costs, or that it is in a file; and a check value
//! keys/<id>.json   {"version": 2, "sealed": nonce | ciphertext | tag}     XAES-256-GCM over the whole file of version 1
//!                  AAD: a label, then the file's name
//! ```
//!
//! **It protects** keys from whoever gets the folder and not the passphrase or the other file: a backup, a disk, a folder
//! that is shared by mistake; and no key can be planted or put in another's place, for a file in clear is refused.
//! **It does not protect** against whoever reads the memory of a process that has the folder open, or its
//! passphrase while it is typed; nor against a weak passphrase: a try takes Argon2id's 64 MiB and three passes, and a thief
//! of the folder has all the time there is. Names, dates and the audit log stay in clear, and an old key file can be put
//! back, which brings a disabled key back with it. Who loses the passphrase or the file has lost the tables.
//!
//! Argon2id with the costs of RFC 9106, section 4, second choice.

#[cfg(feature = "passphrase")]
pub(super) use covered::Cover;
#[cfg(feature = "passphrase")]
pub use covered::Protection;

/// Without the feature `passphrase` there is none.
#[cfg(not(feature = "passphrase"))]
#[derive(Debug)]
pub(super) enum Cover {}

#[cfg(not(feature = "passphrase"))]
impl Cover {
    pub(super) fn seal(&self, _: &str, _: &[u8]) -> Result<super::folder::FileBytes, crate::kms::KmsError> {
        match *self {}
    }

    pub(super) fn open(
        &self,
        _: &std::path::Path,
        _: &str,
        _: &super::folder::FileBytes,
    ) -> Result<super::folder::FileBytes, crate::kms::KmsError> {
        match *self {}
    }
}

#[cfg(feature = "passphrase")]
mod covered {
    use core::fmt;
    use std::fs::{self, File};
    use std::io::{self, Read, Write};
    use std::path::{Path, PathBuf};

    use argon2::{Algorithm, Argon2, Params, Version};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Serialize};
    use tablecrypt_core::{KEY, Key, TAG, XNONCE, XNonce, Xaes256Gcm};
    use tablecrypt_os::KeyBox;
    use zeroize::Zeroizing;

    use super::super::folder::{COVER, FileBytes, FileError, KEYS, LONGEST, LockedFolder, at, private, sync};
    use super::super::{alive, fill_random};
    use crate::keys::boxed_key;
    use crate::kms::KmsError;

    /// What covers the keys of a [`LocalKms`](crate::kms::LocalKms). A forked child does not have it, and opens its own.
    #[non_exhaustive]
    pub enum Protection {
        /// A passphrase, by Argon2id.
        Passphrase(Zeroizing<String>),
        /// A file of 32 random bytes in another place than the folder, such as another volume; made if it is missing.
        KeyFile(PathBuf),
    }

    impl Protection {
        /// By a passphrase, which is wiped when this is dropped.
        #[must_use]
        pub fn passphrase(passphrase: impl Into<String>) -> Self {
            Self::Passphrase(Zeroizing::new(passphrase.into()))
        }

        /// By the file at this path.
        #[must_use]
        pub fn key_file(path: impl Into<PathBuf>) -> Self {
            Self::KeyFile(path.into())
        }
    }

    impl fmt::Debug for Protection {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Passphrase(_) => f.write_str("Passphrase(..)"),
                Self::KeyFile(path) => f.debug_tuple("KeyFile").field(path).finish(),
            }
        }
    }

    /// The covering key, expanded.
    #[derive(Debug)]
    pub(in crate::kms::local) struct Cover(KeyBox<Xaes256Gcm>);

    impl Cover {
        /// That of a locked folder, which has it from then on if it has no key yet.
        pub(in crate::kms::local) fn of(
            folder: &mut LockedFolder<'_>,
            protection: &Protection,
        ) -> Result<Self, KmsError> {
            let path = folder.path_of(COVER);
            let Some(bytes) = folder.read(COVER, LONGEST)? else {
                return Self::new(folder, protection);
            };
            let file: CoverFile = bytes.parse(&path, VERSION)?;
            let malformed = || FileError::Malformed { path: path.clone() };
            let key = match (protection, &file.passphrase) {
                (Protection::Passphrase(passphrase), Some(costs)) => costs.key(passphrase).ok_or_else(malformed)??,
                (Protection::KeyFile(key), None) => read_key(key)?,
                // The other kind: none of this folder's.
                _ => return Err(KmsError::AccessDenied),
            };
            let cover = Self::expand(&key)?;
            // A wrong passphrase, or another folder's file.
            match cover.unseal(CHECK, &file.check) {
                Some(_) => Ok(cover),
                None => Err(KmsError::AccessDenied),
            }
        }

        fn new(folder: &mut LockedFolder<'_>, protection: &Protection) -> Result<Self, KmsError> {
            let keys = folder.path_of(KEYS);
            if let Some(key) = fs::read_dir(&keys).map_err(at(&keys))?.next() {
                // It would stay in clear, and the folder say otherwise.
                return Err(FileError::Clear { path: key.map_err(at(&keys))?.path() }.into());
            }
            let (passphrase, key) = match protection {
                Protection::Passphrase(passphrase) => {
                    let mut salt = [0; 16];
                    fill_random(&mut salt)?;
                    let costs = Costs { salt: STANDARD.encode(salt), memory: MEMORY, passes: PASSES, lanes: LANES };
                    let key = costs.key(passphrase).ok_or(KmsError::Internal)??;
                    (Some(costs), key)
                }
                Protection::KeyFile(path) => (None, make_key(path)?),
            };
            let cover = Self::expand(&key)?;
            let check = cover.seal_text(CHECK, &[])?;
            let file = CoverFile { version: VERSION, passphrase, check };
            let bytes = FileBytes::of(&folder.path_of(COVER), &file)?;
            folder.stage(COVER, &bytes)?;
            folder.commit()?;
            Ok(cover)
        }

        fn expand(key: &KeyBox<Key>) -> Result<Self, KmsError> {
            let key = alive(key)?;
            Ok(Self(KeyBox::new(|| Xaes256Gcm::new(key))))
        }

        /// The file under this name as it is stored.
        pub(in crate::kms::local) fn seal(&self, name: &str, bytes: &[u8]) -> Result<FileBytes, KmsError> {
            let sealed = self.seal_text(name, bytes)?;
            FileBytes::of(Path::new(name), &SealedFile { version: SEALED, sealed })
        }

        /// The file of this name as it was before it was sealed.
        pub(in crate::kms::local) fn open(
            &self,
            path: &Path,
            name: &str,
            bytes: &FileBytes,
        ) -> Result<FileBytes, KmsError> {
            let file: SealedFile = bytes.parse(path, SEALED)?;
            // In a forked child there is no key, and nothing wrong with the file.
            alive(&self.0)?;
            self.unseal(name, &file.sealed).ok_or_else(|| FileError::Malformed { path: path.into() }.into())
        }

        fn seal_text(&self, name: &str, text: &[u8]) -> Result<String, KmsError> {
            let mut nonce: XNonce = [0; XNONCE];
            fill_random(&mut nonce)?;
            let mut sealed = vec![0; XNONCE + text.len() + TAG];
            sealed[..XNONCE].copy_from_slice(&nonce);
            let cipher = alive(&self.0)?;
            cipher.seal(&nonce, &aad(name), text, &mut sealed[XNONCE..]).map_err(|_| KmsError::Internal)?;
            Ok(STANDARD.encode(sealed))
        }

        fn unseal(&self, name: &str, sealed: &str) -> Option<FileBytes> {
            let sealed = STANDARD.decode(sealed).ok()?;
            let (nonce, sealed) = sealed.split_first_chunk::<XNONCE>()?;
            let mut text = FileBytes::zeros(sealed.len().checked_sub(TAG)?);
            self.0.get()?.open(nonce, &aad(name), sealed, text.as_mut()).ok()?;
            Some(text)
        }
    }

    fn aad(name: &str) -> Vec<u8> {
        [b"tablecrypt local kms cover v1:", name.as_bytes()].concat()
    }

    /// `cover.json`.
    #[derive(Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct CoverFile {
        version: u32,
        /// None: the key is in a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Costs>,
        /// No text, sealed: it opens with the right key alone.
        check: String,
    }

    /// What Argon2id makes a key of, beside the passphrase. Memory is in KiB.
    #[derive(Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Costs {
        salt: String,
        memory: u32,
        passes: u32,
        lanes: u32,
    }

    impl Costs {
        /// None where the costs are none that this library would take.
        fn key(&self, passphrase: &str) -> Option<Result<KeyBox<Key>, KmsError>> {
            let salt = STANDARD.decode(&self.salt).ok()?;
            if self.memory > 16 * MEMORY || self.passes > 16 * PASSES || self.lanes > 16 * LANES {
                return None;
            }
            let params = Params::new(self.memory, self.passes, self.lanes, Some(KEY)).ok()?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let made = boxed_key(|key| argon2.hash_password_into(passphrase.as_bytes(), &salt, key));
            // What it refuses is a salt that is too short, or a passphrase of 4 GiB.
            Some(made.map_err(|_| KmsError::Invalid))
        }
    }

    /// A key file under a cover.
    #[derive(Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct SealedFile {
        version: u32,
        sealed: String,
    }

    fn read_key(path: &Path) -> Result<KeyBox<Key>, KmsError> {
        let mut file = File::open(path).map_err(at(path))?;
        if file.metadata().map_err(at(path))?.len() != KEY as u64 {
            return Err(FileError::Malformed { path: path.into() }.into());
        }
        boxed_key(|key| file.read_exact(key)).map_err(at(path))
    }

    fn make_key(path: &Path) -> Result<KeyBox<Key>, KmsError> {
        let mut file = match private().write(true).create_new(true).open(path) {
            // That of another folder of the same owner, or of a call that a crash cut off.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return read_key(path),
            file => file.map_err(at(path))?,
        };
        let key = boxed_key(|bytes| fill_random(bytes))?;
        file.write_all(alive(&key)?.expose()).and_then(|()| file.sync_all()).map_err(at(path))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync(folder.unwrap_or_else(|| Path::new(".")))?;
        Ok(key)
    }

    const VERSION: u32 = 1;
    /// A key file in clear is of version 1.
    const SEALED: u32 = 2;
    const CHECK: &str = "check";
    const MEMORY: u32 = 64 << 10;
    const PASSES: u32 = 3;
    const LANES: u32 = 4;
}
