//! `LocalKms`: the embedded KMS, as its administrator sees it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use envelope::kms::{self, KeyState, Kms, KmsError, Protection};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::{Failure, not_picklable};

/// A KMS in a folder, for one machine, tests and a first day. It protects nothing against who can read its folder, unless
/// `passphrase`, or `key_file` on another volume, covers its keys; then the same is to be given every time.
///
/// A key is named by its id, its ARN or an alias. Any number of threads and processes may use one folder.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct LocalKms {
    kms: Arc<kms::LocalKms>,
    folder: PathBuf,
}

#[pymethods]
impl LocalKms {
    /// The KMS in this folder, which is created if it is missing. That of Service.local(folder) is `folder/kms`.
    ///
    /// Raises Io; AccessDenied where this passphrase or file is not what covers the folder.
    #[new]
    #[pyo3(signature = (folder, *, passphrase = None, key_file = None))]
    fn new(py: Python<'_>, folder: PathBuf, passphrase: Option<String>, key_file: Option<PathBuf>) -> PyResult<Self> {
        let protection = match (passphrase, key_file) {
            (Some(_), Some(_)) => return Err(PyValueError::new_err("give a passphrase or a key file, not both")),
            (Some(passphrase), None) => Some(Protection::passphrase(passphrase)),
            (None, Some(path)) => Some(Protection::key_file(path)),
            (None, None) => None,
        };
        let kms = py.detach(|| match &protection {
            Some(protection) => kms::LocalKms::open_protected(&folder, protection),
            None => kms::LocalKms::open(&folder),
        });
        Ok(Self { kms: Arc::new(kms.map_err(|error| Failure::of_kms(error, &folder))?), folder })
    }

    /// Makes a key.
    #[pyo3(signature = (description = ""))]
    fn create_key(&self, py: Python<'_>, description: &str) -> PyResult<KeyMetadata> {
        Ok(self.call(py, |kms| kms.create_key(description))?.into())
    }

    /// Every key, the oldest first.
    fn list_keys(&self, py: Python<'_>) -> PyResult<Vec<KeyMetadata>> {
        Ok(self.call(py, kms::LocalKms::list_keys)?.into_iter().map(KeyMetadata::from).collect())
    }

    /// What the KMS says of a key. Raises KeyNotFound.
    fn describe_key(&self, py: Python<'_>, key: &str) -> PyResult<KeyMetadata> {
        Ok(self.call(py, |kms| kms.describe_key(key))?.into())
    }

    /// Lets a key be used. Raises KeyNotFound, KeyPendingDeletion.
    fn enable_key(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        self.call(py, |kms| kms.enable_key(key))
    }

    /// Lets a key not be used, until enable_key. Raises KeyNotFound, KeyPendingDeletion.
    fn disable_key(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        self.call(py, |kms| kms.disable_key(key))
    }

    /// Lets a key not be used, and destroys it after 7 to 30 days. Gives the date. Raises KeyNotFound,
    /// KeyPendingDeletion; InvalidRequest for another number of days.
    #[pyo3(signature = (key, days = 30))]
    fn schedule_key_deletion(&self, py: Python<'_>, key: &str, days: u32) -> PyResult<SystemTime> {
        self.call(py, |kms| kms.schedule_key_deletion(key, days))
    }

    /// Keeps a key that was to be destroyed. It is disabled then. Raises KeyNotFound; InvalidRequest if it was not.
    fn cancel_key_deletion(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        self.call(py, |kms| kms.cancel_key_deletion(key))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("LocalKms"))
    }

    fn __repr__(&self) -> String {
        format!("LocalKms({:?})", self.folder)
    }
}

impl LocalKms {
    pub(crate) fn kms(&self) -> Arc<dyn Kms> {
        Arc::clone(&self.kms) as _
    }

    /// Without the GIL: a call waits for the folder's lock and syncs its log.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&kms::LocalKms) -> Result<T, KmsError> + Send,
    ) -> PyResult<T> {
        Ok(py.detach(|| call(&self.kms)).map_err(|error| Failure::of_kms(error, &self.folder))?)
    }
}

/// What a KMS says of a key.
#[pyclass(frozen, eq, get_all, module = "tablecrypt")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyMetadata {
    /// Its ARN, which is unique.
    arn: String,
    /// Its id.
    id: String,
    /// Whether it can be used: "Enabled", "Disabled" or "PendingDeletion".
    state: &'static str,
    /// What it is for, in its creator's words.
    description: String,
}

#[pymethods]
impl KeyMetadata {
    /// For a KMS in Python, which gives this.
    #[new]
    #[pyo3(signature = (arn, id, state = "Enabled", description = ""))]
    fn new(arn: String, id: String, state: &str, description: &str) -> PyResult<Self> {
        let state = STATES.iter().find(|(name, _)| *name == state);
        let (state, _) =
            state.ok_or_else(|| PyValueError::new_err("a state is Enabled, Disabled or PendingDeletion"))?;
        Ok(Self { arn, id, state, description: description.to_owned() })
    }

    fn __repr__(&self) -> String {
        format!("KeyMetadata(arn={:?}, state={:?})", self.arn, self.state)
    }
}

impl KeyMetadata {
    pub(crate) fn to_kms(&self) -> kms::KeyMetadata {
        let state = STATES.iter().find(|(name, _)| *name == self.state).map_or(KeyState::Disabled, |(_, state)| *state);
        kms::KeyMetadata { arn: self.arn.clone(), id: self.id.clone(), state, description: self.description.clone() }
    }
}

impl From<kms::KeyMetadata> for KeyMetadata {
    fn from(key: kms::KeyMetadata) -> Self {
        let state = match key.state {
            KeyState::Enabled => "Enabled",
            KeyState::Disabled => "Disabled",
            KeyState::PendingDeletion => "PendingDeletion",
        };
        Self { arn: key.arn, id: key.id, state, description: key.description }
    }
}

const STATES: [(&str, KeyState); 3] =
    [("Enabled", KeyState::Enabled), ("Disabled", KeyState::Disabled), ("PendingDeletion", KeyState::PendingDeletion)];
