//! Generations of data keys: a new one for new records, while the former ones open what they sealed.
//!
//! ```text
//!  rotate          seals_from                 seals_from + a permission's life
//!    |  opens only     |  seals                    |
//!    +-----------------+---------------------------+-------------------->  the new generation
//!  ...former one seals |  may still seal           |  only opens; can be retired
//! ```
//!
//! **A new generation opens before it seals.** Other processes learn of it at their next refresh. If it sealed at once, they
//! would meet records of a key that they do not have yet. So it waits for as long as a permission lasts at the most, and by
//! then each process has it or has no keys at all: docs/decisions/0016-rotation.md.

use core::time::Duration;
use std::time::SystemTime;

use crate::bytes::Base64;
use crate::change::Kept;
use crate::date::Date;
use crate::keyfile::{DataKeyEntry, KeyFile, StructureEntry};
use crate::keys::RootKey;
use crate::record;
use crate::service::{Inner, Service};
use crate::table::{StructureName, check_name};
use crate::{Error, Result};

/// How far the clocks of two machines may be apart, and how long a key file may take to be written.
const MARGIN: Duration = Duration::from_secs(60);

/// One generation of a structure's data key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Generation {
    /// Whose it is.
    pub structure: StructureName,
    /// What its records begin with ([`generation_of_record`]). Unique in the table, and never given out again.
    pub number: u32,
    /// When it was made.
    pub created: SystemTime,
    /// From when on it seals; until then it only opens.
    pub seals_from: SystemTime,
    /// Whether new records are sealed with it, by now.
    pub seals: bool,
}

impl Service {
    /// The generations of all structures' data keys, as the key file says, without asking the KMS.
    ///
    /// # Errors
    /// As [`Service::describe_table`].
    #[inline(never)]
    pub fn generations(&self, table: &str) -> Result<Vec<Generation>> {
        check_name(table)?;
        let bytes = self.inner.read_existing(table)?;
        let file = self.inner.parse(table, &bytes)?.file;
        let now = self.inner.clock.date();
        Ok(file.structures.iter().flat_map(|entry| generations(entry, now)).collect())
    }

    /// A new generation of the data key of every structure. All former ones still open. It seals in six and a half minutes, or
    /// as long as a permission lasts and a minute more (an outage grace counts), from the next refresh of each process on.
    ///
    /// One KMS call. However it ends, and if the process dies, the table opens, with the new generation or without it.
    ///
    /// # Errors
    /// [`Error::KeyFileBusy`], [`Error::NoRandom`]; and as [`Connection::open_table`](crate::Connection::open_table).
    pub fn rotate(&self, table: &str) -> Result<Vec<Generation>> {
        self.inner.rotate(table, &|_| true)
    }

    /// The same for one structure.
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`]; and as [`Service::rotate`].
    pub fn rotate_structure(&self, table: &str, name: &StructureName) -> Result<Vec<Generation>> {
        let rotated = self.inner.rotate(table, &|entry| entry.name == *name)?;
        if rotated.is_empty() { Err(Error::NoSuchStructure { name: name.to_string() }) } else { Ok(rotated) }
    }

    /// Destroys a former generation: what was sealed with it and not sealed anew opens nowhere any more.
    /// [`records_of_generation`] counts what that is; nobody else can tell.
    ///
    /// The key is in no file of the store then. A copy of the key file that was made elsewhere still has it, for whoever may
    /// use the KMS key.
    ///
    /// # Errors
    /// [`Error::GenerationInUse`] for one that seals, that is to seal, or that a process may still seal with;
    /// [`Error::UnknownKey`] where the table has no such generation; and as [`Service::rotate`].
    #[inline(never)]
    pub fn retire_generation(&self, table: &str, number: u32) -> Result<()> {
        let inner = &self.inner;
        let retire = |_: &RootKey, file: &mut KeyFile| {
            let now = inner.clock.date();
            let place = |entry: &StructureEntry| entry.data_keys.iter().position(|key| key.number == number);
            let found = file.structures.iter_mut().find_map(|entry| Some((place(entry)?, entry)));
            let (place, entry) = found.ok_or(Error::UnknownKey { number })?;
            if place >= entry.sealing(now) {
                return Err(Error::GenerationInUse { number, until: None });
            }
            let next = &entry.data_keys[place + 1];
            let until = next.seals_from.unwrap_or(next.created).0 + inner.settling();
            if now < until {
                return Err(Error::GenerationInUse { number, until: Some(until) });
            }
            entry.data_keys.remove(place);
            Ok(Some(()))
        };
        inner.noted("retire_generation", table, || inner.change(table, Kept::Nothing, retire).map(drop))
    }
}

/// The number of the generation that a record was sealed with. The first eight bytes are enough, and nothing proves them.
///
/// # Errors
/// [`Error::Truncated`], [`Error::UnknownVersion`].
pub fn generation_of_record(record: &[u8]) -> Result<u32> {
    record::number(record)
}

/// How many of these records were sealed with the generation of this number; their first eight bytes are enough. When it is
/// none of all that there are, the generation can be retired.
///
/// # Errors
/// As [`generation_of_record`], for the first that is no record: it may be one of that generation, damaged.
pub fn records_of_generation<R: AsRef<[u8]>>(number: u32, records: impl IntoIterator<Item = R>) -> Result<u64> {
    let mut count = 0;
    for record in records {
        count += u64::from(generation_of_record(record.as_ref())? == number);
    }
    Ok(count)
}

impl Inner {
    /// A new generation for each structure that `is_chosen`; none, and no write, where none is.
    #[inline(never)]
    pub(crate) fn rotate(&self, table: &str, is_chosen: &dyn Fn(&StructureEntry) -> bool) -> Result<Vec<Generation>> {
        let rotate = |root: &RootKey, file: &mut KeyFile| {
            let rotated = self.push_generations(root, file, is_chosen)?;
            Ok((!rotated.is_empty()).then_some(rotated))
        };
        let rotated = self.noted("rotate", table, || self.change(table, Kept::Former, rotate))?;
        Ok(rotated.unwrap_or_default())
    }

    fn push_generations(
        &self,
        root: &RootKey,
        file: &mut KeyFile,
        is_chosen: &dyn Fn(&StructureEntry) -> bool,
    ) -> Result<Vec<Generation>> {
        let created = self.today();
        let mut rotated = Vec::new();
        for at in 0..file.structures.len() {
            if !is_chosen(&file.structures[at]) {
                continue;
            }
            let number = file.take_number().map_err(|error| self.unwritten(&file.table, error))?;
            let entry = &mut file.structures[at];
            // Never before the one before it, if a clock was set back since.
            let earliest = entry.data_keys.last().and_then(|key| key.seals_from);
            let seals_from = Some(Date((created.0 + self.settling()).max(earliest.map_or(created.0, |date| date.0))));
            let wrapped = Base64(root.new_data_key(&file.table_id, &entry.name, number)?);
            entry.data_keys.push(DataKeyEntry { number, created, seals_from, wrapped });
            rotated.extend(generations(entry, created.0).last());
        }
        Ok(rotated)
    }

    /// How long it takes until every process has seen a key file, or has no keys.
    fn settling(&self) -> Duration {
        let grace = self.timing.grace;
        self.timing.deadline(grace).saturating_add(MARGIN)
    }
}

fn generations(entry: &StructureEntry, now: SystemTime) -> impl Iterator<Item = Generation> {
    let sealing = entry.sealing(now);
    entry.data_keys.iter().enumerate().map(move |(place, key)| Generation {
        structure: entry.name.clone(),
        number: key.number,
        created: key.created.0,
        seals_from: key.seals_from.unwrap_or(key.created).0,
        seals: place == sealing,
    })
}
