//! Tables as a caller names and sees them: the spec of a new one, the names of its structures, what it says of itself.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::structure::Structure;
use crate::{Error, Result};

/// An opened table: its structures seal and open for as long as the connection's permission is refreshed.
#[derive(Clone, Debug)]
pub struct Table {
    access: Arc<Access>,
    structures: Arc<[(u32, StructureName)]>,
}

impl Table {
    pub(crate) fn new(access: Arc<Access>, structures: Arc<[(u32, StructureName)]>) -> Self {
        Self { access, structures }
    }

    /// The base table.
    #[must_use]
    pub fn base(&self) -> Structure {
        // A key file without a base table is refused when it is read.
        let id = self.id(&StructureName::Base).unwrap_or_default();
        Structure::new(Arc::clone(&self.access), id)
    }

    /// The local secondary index of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`].
    pub fn local(&self, name: &str) -> Result<Structure> {
        self.structure(&StructureName::Local(name.to_owned()))
    }

    /// The global secondary index of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`].
    pub fn global(&self, name: &str) -> Result<Structure> {
        self.structure(&StructureName::Global(name.to_owned()))
    }

    /// The structure of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchStructure`].
    pub fn structure(&self, name: &StructureName) -> Result<Structure> {
        let id = self.id(name).ok_or_else(|| Error::NoSuchStructure { name: name.to_string() })?;
        Ok(Structure::new(Arc::clone(&self.access), id))
    }

    /// The names of its structures, the base table first.
    pub fn structures(&self) -> impl Iterator<Item = &StructureName> {
        self.structures.iter().map(|(_, name)| name)
    }

    /// What the table says of itself, and whether its key can be had.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::KeyFileCorrupt`], [`Error::NoSuchTable`] if its key file is gone.
    pub fn describe(&self) -> Result<TableDescription> {
        self.access.permission().describe()
    }

    /// For how long the keys stay usable if the KMS does not answer again; None while they are locked. An outage grace
    /// counts when it has begun.
    #[must_use]
    pub fn permitted_for(&self) -> Option<Duration> {
        self.access.permission().permitted_for().filter(|_| self.access.is_unlocked())
    }

    /// Locks the table by hand: its permission's keys are wiped now, and every operation fails with [`Error::Locked`]
    /// until [`Table::unlock`]. What runs at this moment still ends well. A forked child of a locked table's process finds
    /// it locked.
    ///
    /// It locks the permission and not only this handle: under a shared [`Scope`](crate::Scope) it locks the table for all
    /// connections that share it. Connections with permissions of their own go on, and so do their keys; to have no key
    /// left in the process, use [`Service::lock`](crate::Service::lock).
    pub fn lock(&self) {
        self.access.permission().lock();
    }

    /// Takes back [`Table::lock`]. The next operation asks the KMS, at once even where a failure had it pause.
    pub fn unlock(&self) {
        self.access.permission().unlock();
    }

    fn id(&self, name: &StructureName) -> Option<u32> {
        self.structures.iter().find(|(_, found)| found == name).map(|(id, _)| *id)
    }
}

/// What a new table is to be: its name, its indexes, and its KMS key if that is not the default one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableSpec {
    pub(crate) table: String,
    pub(crate) structures: Vec<StructureName>,
    pub(crate) kms_key: Option<String>,
    pub(crate) other_kms_keys: Vec<String>,
}

impl TableSpec {
    /// A table with a base table only, under the service's default key.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into(), structures: vec![StructureName::Base], kms_key: None, other_kms_keys: Vec::new() }
    }

    /// With this local secondary index.
    #[must_use]
    pub fn local(mut self, name: impl Into<String>) -> Self {
        self.push(StructureName::Local(name.into()));
        self
    }

    /// With this global secondary index.
    #[must_use]
    pub fn global(mut self, name: impl Into<String>) -> Self {
        self.push(StructureName::Global(name.into()));
        self
    }

    /// Under this KMS key (id, ARN or alias) and not the service's default one.
    #[must_use]
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }

    /// Under this KMS key too, such as one of another region: any of a table's KMS keys opens it. They are asked in this
    /// order, and the next one only where the one before cannot be reached; whoever is to be locked out must be refused by
    /// all of them.
    #[must_use]
    pub fn also_under(mut self, key: impl Into<String>) -> Self {
        self.other_kms_keys.push(key.into());
        self
    }

    #[inline(never)]
    fn push(&mut self, structure: StructureName) {
        self.structures.push(structure);
    }

    /// Whether all names can be used, each once.
    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.table)?;
        for (i, structure) in self.structures.iter().enumerate() {
            if let StructureName::Local(name) | StructureName::Global(name) = structure {
                check_name(name)?;
                if self.structures[..i].contains(structure) {
                    return Err(Error::InvalidName { name: name.clone() });
                }
            }
        }
        Ok(())
    }
}

/// DynamoDB's alphabet. A name becomes a folder, so the two that are no folder's own are refused.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !matches!(name, "." | "..");
    if fits { Ok(()) } else { Err(Error::InvalidName { name: name.chars().take(256).collect() }) }
}

/// Which structure of a table: each has data keys of its own.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum StructureName {
    /// The base table.
    Base,
    /// A local secondary index.
    Local(String),
    /// A global secondary index.
    Global(String),
}

impl fmt::Display for StructureName {
    /// `base`, `local:NAME`, `global:NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Local(name) => write!(f, "local:{name}"),
            Self::Global(name) => write!(f, "global:{name}"),
        }
    }
}

impl FromStr for StructureName {
    type Err = Error;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self> {
        let (name, structure) = match text.split_once(':') {
            None if text == "base" => return Ok(Self::Base),
            Some(("local", name)) => (name, Self::Local(name.to_owned())),
            Some(("global", name)) => (name, Self::Global(name.to_owned())),
            _ => return Err(Error::NoSuchStructure { name: text.to_owned() }),
        };
        check_name(name)?;
        Ok(structure)
    }
}

impl From<StructureName> for String {
    fn from(name: StructureName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for StructureName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// What a table says of itself, in DynamoDB's terms.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TableDescription {
    /// Its name.
    pub table: String,
    /// Its id, 32 hexadecimal digits: another one for a table that was deleted and created again.
    pub table_id: String,
    /// When it was created.
    pub created: SystemTime,
    /// SSEDescription.Status.
    pub status: KeyStatus,
    /// SSEDescription.SSEType.
    pub sse_type: SseType,
    /// SSEDescription.KMSMasterKeyArn: the KMS key that is asked first.
    pub kms_key: String,
    /// The ARNs of the others, any of which opens the table too, in the order in which they are asked.
    pub other_kms_keys: Vec<String>,
    /// While the status is [`KeyStatus::Updating`]: the KMS key that the table moves to, as the mover named it.
    pub switching_to: Option<String>,
    /// SSEDescription.InaccessibleEncryptionDateTime: when the KMS key was found inaccessible, so that the table's keys
    /// are locked; None before that, and once it is accessible again.
    pub inaccessible_since: Option<SystemTime>,
    /// Since when the table goes on with old keys, because the KMS fails and the service has an
    /// [`outage_grace`](crate::ServiceBuilder::outage_grace); None while it does not.
    pub grace_since: Option<SystemTime>,
    /// Whether it was locked by hand.
    pub locked: bool,
    /// Its structures, the base table first.
    pub structures: Vec<StructureName>,
}

/// SSEDescription.Status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyStatus {
    /// All is encrypted under the key named.
    Enabled,
    /// The table moves to another root key, by [`Service::switch_key`](crate::Service::switch_key). Until that has ended the
    /// KMS key named is the one that opens the table. A move that was cut off stays here until it is called again.
    Updating,
}

/// SSEDescription.SSEType.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SseType {
    /// AES-256 under a key of a KMS: every table here.
    Kms,
}

impl fmt::Display for SseType {
    /// DynamoDB's word: `KMS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kms => f.write_str("KMS"),
        }
    }
}
