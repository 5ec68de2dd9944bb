//! `LocalKms`: the embedded KMS, as its administrator sees it.

use std::path::PathBuf;
use std::time::SystemTime;

use envelope::kms::{self, KeyState, Kms, KmsError};
use pyo3::prelude::*;

use crate::errors::{Failure, not_picklable};

/// A KMS in a folder, for one machine, tests and a first day. It protects nothing against who can read its folder.
///
/// A key is named by its id, its ARN or an alias. Any number of threads and processes may use one folder.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct LocalKms {
    kms: kms::LocalKms,
    folder: PathBuf,
}

#[pymethods]
impl LocalKms {
    /// The KMS in this folder, which is created if it is missing. That of Service.local(folder) is `folder/kms`.
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let kms = py.detach(|| kms::LocalKms::open(&folder)).map_err(|error| Failure::of_kms(error, &folder))?;
        Ok(Self { kms, folder })
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
    fn __repr__(&self) -> String {
        format!("KeyMetadata(arn={:?}, state={:?})", self.arn, self.state)
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
