//! A KMS that is written in Python: any object with the five methods of `tablecrypt.Kms`.
//!
//! What it raises is sorted once. Only the classes of `tablecrypt.errors` that say a definite no are one, since that locks a table
//! at once; whatever else comes, a bug in the KMS for one, is a failure that may pass. The exception itself is logged, and
//! kept as the cause of what the caller gets: [`Failures`].

use core::fmt;
use std::sync::Arc;

use envelope::KeyBox;
use envelope::core::Key;
use envelope::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use pyo3::exceptions::{PyException, PyOSError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::buffers::{Input, wipe};
use crate::errors::class;
use crate::interpreter::{end_with_the_program, interrupt, with_python};
use crate::local_kms;

/// A KMS in Python.
pub(crate) struct PythonKms {
    object: Py<PyAny>,
    failures: Arc<Failures>,
    principal: Option<Arc<str>>,
}

impl PythonKms {
    /// The KMS that this object is. Raises TypeError if it lacks a method.
    pub(crate) fn new(
        object: &Bound<'_, PyAny>,
        failures: &Arc<Failures>,
        principal: Option<&Arc<str>>,
    ) -> PyResult<Self> {
        let py = object.py();
        for method in METHODS {
            if !object.hasattr(method)? {
                let class = object.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "a KMS is a LocalKms, an AwsKms, a boto3 client of KMS, or an object with the methods {}; {class} has no {method}",
                    METHODS.join(", ")
                )));
            }
        }
        end_with_the_program(py)?;
        Ok(Self { object: object.clone().unbind(), failures: Arc::clone(failures), principal: principal.cloned() })
    }

    fn call<T>(
        &self,
        context: Option<&EncryptionContext>,
        ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, KmsError> {
        let table = context.and_then(|context| context.iter().find(|(name, _)| *name == EncryptionContext::TABLE));
        let whose = (self.principal.as_deref(), table.map(|(_, table)| table));
        let answered = with_python(|py| match ask(self.object.bind(py)) {
            Ok(value) => {
                self.failures.forget(py, whose);
                Ok(value)
            }
            Err(error) => Err(self.failures.sort(py, whose, error)),
        });
        answered.unwrap_or(Err(KmsError::Unreachable))
    }
}

impl Kms for PythonKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.call(None, |kms| metadata(&kms.call_method1(intern!(kms.py(), "ensure_key"), (alias, description))?))
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.call(None, |kms| metadata(&kms.call_method1(intern!(kms.py(), "describe_key"), (key,))?))
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.call(Some(context), |kms| {
            let py = kms.py();
            let made = kms.call_method1(intern!(py, "generate_data_key"), (key, pairs(py, context)?))?;
            let (kms_key, key, wrapped) = made.extract::<(String, Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            Ok(GeneratedKey { kms_key, key: boxed(&key)?, wrapped: wrapped.extract::<Input<'_>>()?.to_vec(py) })
        })
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.call(Some(context), |kms| {
            let py = kms.py();
            boxed(&kms.call_method1(intern!(py, "decrypt"), (key, wrapped, pairs(py, context)?))?)
        })
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.call(Some(context), |kms| {
            let py = kms.py();
            let moved = kms.call_method1(intern!(py, "re_encrypt"), (from, wrapped, pairs(py, context)?, to))?;
            let (kms_key, wrapped) = moved.extract::<(String, Bound<'_, PyAny>)>()?;
            Ok((kms_key, wrapped.extract::<Input<'_>>()?.to_vec(py)))
        })
    }
}

impl fmt::Debug for PythonKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonKms")
    }
}

/// What the KMS in Python raised last, for each principal and table: the cause of the error that the caller gets, on whichever
/// thread the KMS was called.
///
/// A dict, which the GIL guards: a mutex could be held by another thread at the instant of a fork.
pub(crate) struct Failures(Py<PyDict>);

/// Of which principal and table; without a table: of a key.
type Whose<'a> = (Option<&'a str>, Option<&'a str>);

impl Failures {
    pub(crate) fn new(py: Python<'_>) -> Arc<Self> {
        Arc::new(Self(PyDict::new(py).unbind()))
    }

    /// The last one: of this table, or of the key that it was to get.
    pub(crate) fn last<'py>(&self, py: Python<'py>, whose: Whose<'_>) -> Option<Bound<'py, PyAny>> {
        let (principal, table) = whose;
        let kept = self.0.bind(py);
        [(principal, table), (None, table), (principal, None), (None, None)]
            .into_iter()
            .find_map(|whose| kept.get_item(whose).ok().flatten())
    }

    fn forget(&self, py: Python<'_>, whose: Whose<'_>) {
        // An error: there is none.
        let _ = self.0.bind(py).del_item(whose);
    }

    /// What an exception means. Logs and keeps it.
    pub(crate) fn sort(&self, py: Python<'_>, whose: Whose<'_>, error: PyErr) -> KmsError {
        if !error.is_instance_of::<PyException>(py) {
            interrupt(error);
            return KmsError::Internal;
        }
        let sorted = sort(py, &error).unwrap_or(KmsError::Internal);
        // An exception of ours was made from the one that tells more.
        let cause = error.cause(py).filter(|_| is_a(py, &error, "TablecryptError"));
        let cause = cause.unwrap_or(error);
        // A log that fails must not hide what it was to say.
        let _ = log(py, &sorted, &cause);
        let value = cause.value(py);
        without_frames(value);
        let _ = self.0.bind(py).set_item(whose, value);
        sorted
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failures")
    }
}

fn sort(py: Python<'_>, error: &PyErr) -> Option<KmsError> {
    let classes = [
        ("AccessDenied", KmsError::AccessDenied),
        ("InvalidRequest", KmsError::Invalid),
        ("KeyDisabled", KmsError::Disabled),
        ("KeyNotFound", KmsError::NotFound),
        ("KeyPendingDeletion", KmsError::PendingDeletion),
        ("KmsFailed", KmsError::Internal),
        ("Throttled", KmsError::Throttled),
        ("WrongContext", KmsError::WrongContext),
        ("KeyUnavailable", KmsError::Unreachable),
        ("TablecryptError", KmsError::Internal),
    ];
    let ours = classes.into_iter().find(|(name, _)| is_a(py, error, name)).map(|(_, sorted)| sorted);
    // ConnectionError, TimeoutError, socket.gaierror.
    ours.or_else(|| error.is_instance_of::<PyOSError>(py).then_some(KmsError::Unreachable))
}

fn is_a(py: Python<'_>, error: &PyErr, name: &str) -> bool {
    class(py, name).is_ok_and(|class| error.value(py).is_instance(&class).unwrap_or(false))
}

fn log(py: Python<'_>, sorted: &KmsError, cause: &PyErr) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("tablecrypt",))?;
    let details = PyDict::new(py);
    details.set_item("exc_info", cause.value(py))?;
    // The first table of all finds no default key, and makes one.
    let level = if matches!(sorted, KmsError::NotFound) { "info" } else { "warning" };
    logger.call_method(level, ("%s: %s", sorted.to_string(), cause.value(py).get_type().name()?), Some(&details))?;
    Ok(())
}

/// Its traceback, and those of what it came from, would keep the frames alive in which a key may lie.
fn without_frames(value: &Bound<'_, pyo3::exceptions::PyBaseException>) {
    let mut next = Some(value.clone().into_any());
    for _ in 0..LONGEST_CHAIN {
        let Some(exception) = next else { return };
        let _ = exception.setattr("__traceback__", exception.py().None());
        let under = |name| exception.getattr(name).ok().filter(|cause| !cause.is_none());
        next = under("__cause__").or_else(|| under("__context__"));
    }
}

fn pairs<'py>(py: Python<'py>, context: &EncryptionContext) -> PyResult<Bound<'py, PyDict>> {
    let pairs = PyDict::new(py);
    context.iter().try_for_each(|(name, value)| pairs.set_item(name, value))?;
    Ok(pairs)
}

fn metadata(answer: &Bound<'_, PyAny>) -> PyResult<KeyMetadata> {
    Ok(answer.extract::<PyRef<'_, local_kms::KeyMetadata>>()?.to_kms())
}

/// The 32 bytes of a key, moved to where keys live. A bytearray that held them is wiped; what is bytes, Python frees.
fn boxed(answer: &Bound<'_, PyAny>) -> PyResult<KeyBox<Key>> {
    let key = KeyBox::fill(Key::zeroed(), |key| {
        let bytes = answer.extract::<Input<'_>>()?;
        if bytes.to_array(answer.py(), key.expose_mut()) { Ok(()) } else { Err(wrong_length(bytes.len())) }
    });
    wipe(answer);
    key
}

fn wrong_length(length: usize) -> PyErr {
    PyTypeError::new_err(format!("a key has 32 bytes, and the KMS gave {length}"))
}

const METHODS: [&str; 5] = ["ensure_key", "describe_key", "generate_data_key", "decrypt", "re_encrypt"];
/// Longer chains of exceptions keep some frames.
const LONGEST_CHAIN: usize = 16;
