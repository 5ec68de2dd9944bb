//! Root keys and data keys: the only code that wraps or unwraps, and the only place that live keys are built.

use core::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tablecrypt_core::{Aes256Gcm, InOutBuf, KEY, Key, Nonce, PREFIX, TAG, Tag, XNONCE, XNonce, Xaes256Gcm};
use tablecrypt_os::{KeyBox, clear_stack};
use zeroize::{Zeroize, Zeroizing};

use crate::keyfile::{DataKeyEntry, KeyFile};
use crate::readers::Readers;
use crate::record::{self, TEXT_AT};
use crate::session::{Use, Writer};
use crate::table::StructureName;
use crate::{Error, Result};

/// The length of a wrapped data key: nonce, key, tag.
pub(crate) const WRAPPED: usize = XNONCE + KEY + TAG;

/// A table's root key: it wraps the data keys and authenticates the key file. Both keys are derived from it
/// (HKDF-Expand), so that no key does two things; the root key itself is not kept.
pub(crate) struct RootKey {
    wrapping: KeyBox<Xaes256Gcm>,
    mac: KeyBox<Key>,
}

impl RootKey {
    pub(crate) fn new(root: &KeyBox<Key>) -> Result<Self> {
        let root = alive(root)?;
        let (wrapping, mac) = (expand(root, b"tablecrypt v1 wrap")?, expand(root, b"tablecrypt v1 key file")?);
        Ok(Self { wrapping: expanded(&wrapping)?, mac })
    }

    /// A new random data key, wrapped for this place of this table.
    pub(crate) fn new_data_key(&self, table: &[u8; 16], name: &StructureName, number: u32) -> Result<Vec<u8>> {
        let key = boxed_key(|bytes| getrandom::fill(bytes)).map_err(|_| Error::NoRandom)?;
        wrap(&self.wrapping, &place(table, name, number), &key)
    }

    /// The data key that `from` wrapped for this place, wrapped by this root key for the same place.
    pub(crate) fn take_over(
        &self,
        from: &Self,
        table: &[u8; 16],
        name: &StructureName,
        key: &DataKeyEntry,
    ) -> Result<Vec<u8>> {
        let place = place(table, name, key.number);
        wrap(&self.wrapping, &place, &unwrap(&from.wrapping, &place, &key.wrapped.0)?)
    }

    /// The MAC of a key file's bytes.
    pub(crate) fn mac(&self, bytes: &[u8]) -> Result<[u8; 32]> {
        let mac = hmac(alive(&self.mac)?).chain_update(bytes).finalize().into_bytes().into();
        clear_stack();
        Ok(mac)
    }

    /// Whether `mac` is the MAC of `bytes`; its time does not tell where they differ.
    pub(crate) fn is_mac(&self, bytes: &[u8], mac: &[u8; 32]) -> Result<bool> {
        let is_mac = hmac(alive(&self.mac)?).chain_update(bytes).verify(mac.into()).is_ok();
        clear_stack();
        Ok(is_mac)
    }
}

/// The root key as it is kept beside a KMS key that did not make it: sealed by `by`, which that KMS key wraps.
pub(crate) fn seal_root_key(by: &KeyBox<Key>, table: &[u8; 16], root: &KeyBox<Key>) -> Result<Vec<u8>> {
    wrap(&expanded(by)?, &root_place(table), root)
}

/// Opens what [`seal_root_key`] made.
pub(crate) fn open_root_key(by: &KeyBox<Key>, table: &[u8; 16], sealed: &[u8]) -> Result<KeyBox<Key>> {
    unwrap(&expanded(by)?, &root_place(table), sealed)
}

fn expanded(key: &KeyBox<Key>) -> Result<KeyBox<Xaes256Gcm>> {
    let key = alive(key)?;
    Ok(KeyBox::new(|| Xaes256Gcm::new(key)))
}

/// `24 nonce | 32 ciphertext | 16 tag`: XAES-256-GCM with a random nonce, bound to a place.
fn wrap(by: &KeyBox<Xaes256Gcm>, place: &[u8], key: &KeyBox<Key>) -> Result<Vec<u8>> {
    let mut nonce = XNonce::default();
    getrandom::fill(&mut nonce).map_err(|_| Error::NoRandom)?;
    let mut wrapped = vec![0; WRAPPED];
    wrapped[..XNONCE].copy_from_slice(&nonce);
    alive(by)?.seal(&nonce, place, alive(key)?.expose(), &mut wrapped[XNONCE..])?;
    Ok(wrapped)
}

fn unwrap(by: &KeyBox<Xaes256Gcm>, place: &[u8], wrapped: &[u8]) -> Result<KeyBox<Key>> {
    let (nonce, sealed) = wrapped.split_first_chunk().ok_or_else(|| Error::Truncated)?;
    let by = alive(by)?;
    boxed_key(|bytes| by.open(nonce, place, sealed, bytes)).map_err(Error::from)
}

/// A key that `fill` writes where it stays: in key memory, and nowhere else.
pub(crate) fn boxed_key<E>(fill: impl FnOnce(&mut [u8; KEY]) -> Result<(), E>) -> Result<KeyBox<Key>, E> {
    KeyBox::fill(Key::zeroed(), |key| fill(key.expose_mut()))
}

/// The key in its box. Only in a child that was forked in the middle of a call there is none.
#[inline(always)]
pub(crate) fn alive<T>(key: &KeyBox<T>) -> Result<&T> {
    key.get().ok_or_else(|| Error::Closed)
}

/// HKDF-Expand with SHA-256 (RFC 5869 section 2.3), 32 bytes: one block.
fn expand(root: &Key, info: &[u8]) -> Result<KeyBox<Key>> {
    let expanded = boxed_key(|key| {
        let mut block = hmac(root).chain_update(info).chain_update([1]).finalize().into_bytes();
        key.copy_from_slice(&block);
        block.as_mut_slice().zeroize();
        Ok(())
    });
    // HMAC and SHA-256 wipe no more than their states.
    clear_stack();
    expanded
}

fn hmac(key: &Key) -> Hmac<Sha256> {
    // HMAC pads a key to a block with zeros by itself; a whole block makes that infallible.
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY].copy_from_slice(key.expose());
    Hmac::new((&*block).into())
}

/// What a wrapped data key is bound to, so that it cannot stand for another: the AAD of its wrapping.
fn place(table: &[u8; 16], name: &StructureName, number: u32) -> Vec<u8> {
    let (kind, text) = match name {
        StructureName::Base => (0, ""),
        StructureName::Local(name) => (1, name.as_str()),
        StructureName::Global(name) => (2, name.as_str()),
    };
    let mut place = b"tablecrypt v1 data key\0".to_vec();
    place.extend_from_slice(table);
    place.push(kind);
    place.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    place.extend_from_slice(text.as_bytes());
    place.extend_from_slice(&number.to_be_bytes());
    place
}

/// What a sealed root key is bound to.
fn root_place(table: &[u8; 16]) -> Vec<u8> {
    [b"tablecrypt v2 root key\0", &table[..]].concat()
}

/// The live keys of a table: what a permission's snapshot points to. Wiped when its last holder lets go.
pub(crate) struct Keys {
    /// The MAC of the key file that they came from: equal MACs under one root key are equal files.
    pub(crate) mac: [u8; 32],
    /// When another generation is the one that seals; none if that is not to be.
    pub(crate) until: Option<SystemTime>,
    structures: Vec<StructureKeys>,
}

/// The data keys of one structure, of all generations.
pub(crate) struct StructureKeys {
    id: u32,
    name: StructureName,
    /// The generation that seals.
    current: DataKey,
    /// Those that only open: former ones, and new ones whose time has not come.
    others: Vec<DataKey>,
}

impl Keys {
    /// Unwraps all data keys of an authenticated key file; those seal whose time has come at `now`. `count` gives what
    /// counts the use of a data key.
    pub(crate) fn unwrap(
        root: &RootKey,
        file: &KeyFile,
        mac: [u8; 32],
        now: SystemTime,
        count: impl Fn(u32) -> Arc<Use>,
    ) -> Result<Self> {
        let dates = file.structures.iter().flat_map(|entry| &entry.data_keys).filter_map(|key| key.seals_from);
        let until = dates.map(|date| date.0).filter(|date| *date > now).min();
        let mut structures = Vec::with_capacity(file.structures.len());
        for entry in &file.structures {
            let mut keys = Vec::with_capacity(entry.data_keys.len());
            for key in &entry.data_keys {
                let place = place(&file.table_id, &entry.name, key.number);
                let data_key = unwrap(&root.wrapping, &place, &key.wrapped.0)?;
                keys.push(DataKey::new(key.number, alive(&data_key)?, count(key.number)));
            }
            // A structure without a data key cannot exist: `keyfile` refuses one.
            let current = keys.remove(entry.sealing(now));
            structures.push(StructureKeys { id: entry.id, name: entry.name.clone(), current, others: keys });
        }
        Ok(Self { mac, until, structures })
    }

    #[inline(always)]
    pub(crate) fn structure(&self, id: u32) -> Option<&StructureKeys> {
        self.structures.iter().find(|structure| structure.id == id)
    }

    /// How many data keys they are.
    pub(crate) fn generations(&self) -> usize {
        self.structures.iter().map(|structure| 1 + structure.others.len()).sum()
    }

    pub(crate) fn structures(&self) -> impl Iterator<Item = (u32, &StructureName)> {
        self.structures.iter().map(|structure| (structure.id, &structure.name))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl StructureKeys {
    #[cfg(test)]
    pub(crate) fn of(current: DataKey) -> Self {
        Self { id: 1, name: StructureName::Base, current, others: Vec::new() }
    }

    /// Seals into `record`, whose length is the text's and [`record::OVERHEAD`]; the text is `text`, or stands in its place.
    #[inline(always)]
    pub(crate) fn seal(&self, context: &[u8], text: Option<&[u8]>, record: &mut [u8]) -> Result<()> {
        self.current.seal(context, text, record)
    }

    /// The generation that seals.
    pub(crate) const fn current(&self) -> &DataKey {
        &self.current
    }

    /// Opens `record` into `out`, which has the text's length.
    #[inline(always)]
    pub(crate) fn open(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<()> {
        let parts = record::parse(record)?;
        let text = InOutBuf::new(parts.text, out).map_err(|_| Error::OutputTooShort { needed: parts.text.len() })?;
        self.key(parts.number)?.open(parts.prefix, parts.rest, context, text, parts.tag)
    }

    /// Opens `record` where it stands: its text takes the ciphertext's place.
    #[inline]
    pub(crate) fn open_in_place(&self, context: &[u8], record: &mut [u8]) -> Result<()> {
        let parts = record::parse(record)?;
        let (number, prefix, rest, tag) = (parts.number, *parts.prefix, *parts.rest, *parts.tag);
        let end = record.len() - TAG;
        self.key(number)?.open(&prefix, &rest, context, InOutBuf::from(&mut record[TEXT_AT..end]), &tag)
    }

    /// The generation of this number.
    #[inline(always)]
    pub(crate) fn key(&self, number: u32) -> Result<&DataKey> {
        if self.current.number == number {
            return Ok(&self.current);
        }
        self.others.iter().find(|key| key.number == number).ok_or_else(|| Error::UnknownKey { number })
    }
}

/// A data key: one structure's, one generation's.
pub(crate) struct DataKey {
    pub(crate) number: u32,
    /// What session keys are derived from.
    pub(crate) key: KeyBox<Xaes256Gcm>,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
}

impl DataKey {
    pub(crate) fn new(number: u32, key: &Key, count: Arc<Use>) -> Self {
        let key = KeyBox::new(|| Xaes256Gcm::new(key));
        Self { number, key, writer: Writer::new(count), readers: Readers::default() }
    }

    #[inline(always)]
    fn seal(&self, context: &[u8], text: Option<&[u8]>, record: &mut [u8]) -> Result<()> {
        let length = record.len() - record::OVERHEAD;
        let (session, rest) = self.writer.draw(&self.key, |session| session.nonce(length as u64))?;
        self.seal_under(alive(&session.cipher)?, &session.prefix, &rest, context, text, record)
    }

    /// Seals under the key of a prefix, with a nonce that nothing else is sealed with under it.
    #[inline(always)]
    pub(crate) fn seal_under(
        &self,
        cipher: &Aes256Gcm,
        prefix: &[u8; PREFIX],
        rest: &Nonce,
        context: &[u8],
        text: Option<&[u8]>,
        record: &mut [u8],
    ) -> Result<()> {
        let (head, body, tag) = record::places(record).ok_or_else(|| Error::Truncated)?;
        let text = match text {
            Some(text) => InOutBuf::new(text, body).map_err(|_| Error::OutputTooShort { needed: text.len() })?,
            None => InOutBuf::from(body),
        };
        // Written where it stays: a Result<Tag> is moved in pieces, and its bytes wait for their own stores.
        record::with_aad(self.number, context, |aad| cipher.seal_inout(rest, aad, text).map(|sealed| *tag = sealed))?;
        *head = record::head(self.number, prefix, rest);
        Ok(())
    }

    #[inline(always)]
    fn open(
        &self,
        prefix: &[u8; PREFIX],
        rest: &Nonce,
        context: &[u8],
        text: InOutBuf<'_, '_, u8>,
        tag: &Tag,
    ) -> Result<()> {
        self.readers.with_key(&self.key, prefix, |cipher| {
            record::with_aad(self.number, context, |aad| cipher.open_inout(rest, aad, text, tag)).map_err(Error::from)
        })
    }
}
