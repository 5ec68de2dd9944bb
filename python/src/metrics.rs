//! What a service has done, in numbers.

use core::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What a service has done since it was made, in this process, and how it stands now. Nothing in it is secret.
#[pyclass(frozen, eq, get_all, module = "tablecrypt")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metrics {
    /// Records sealed.
    sealed: u64,
    /// Bytes of their texts.
    sealed_bytes: u64,
    /// Records opened.
    opened: u64,
    /// Bytes of their texts.
    opened_bytes: u64,
    /// Records that did not open, and texts that were not sealed, though the keys were there.
    refused: u64,
    /// Operations that found their keys.
    hits: u64,
    /// Operations that found none, whatever came of it.
    misses: u64,
    /// Those of them that waited for a KMS call of another.
    waits: u64,
    /// Operations that found keys that were due for a refresh, and had it started.
    stale: u64,
    /// For how long keys that are in use now have been due for a refresh: the longest.
    stale_for: Duration,
    /// Permissions that have their keys now: one a connection and table.
    permissions: u64,
    /// Data keys that are live now, in all their generations.
    generations: u64,
    /// KMS calls, by what was asked for and how it ended.
    kms: Calls,
    /// KMS calls in all.
    kms_calls: u64,
    /// Lines that the audit log could not take.
    audit_lost: u64,
}

#[pymethods]
impl Metrics {
    fn __repr__(&self) -> String {
        let Self { sealed, opened, refused, kms_calls, .. } = self;
        format!("Metrics(sealed={sealed}, opened={opened}, refused={refused}, kms_calls={kms_calls}, ...)")
    }
}

impl From<envelope::Metrics> for Metrics {
    fn from(metrics: envelope::Metrics) -> Self {
        let kms_calls = metrics.kms_calls();
        Self {
            sealed: metrics.sealed,
            sealed_bytes: metrics.sealed_bytes,
            opened: metrics.opened,
            opened_bytes: metrics.opened_bytes,
            refused: metrics.refused,
            hits: metrics.hits,
            misses: metrics.misses,
            waits: metrics.waits,
            stale: metrics.stale,
            stale_for: metrics.stale_for,
            permissions: metrics.permissions,
            generations: metrics.generations,
            kms: Calls(metrics.kms.into_iter().map(KmsCalls::from).collect()),
            kms_calls,
            audit_lost: metrics.audit_lost,
        }
    }
}

/// The KMS calls that asked for the same and ended in the same way.
#[pyclass(frozen, eq, get_all, module = "tablecrypt")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KmsCalls {
    /// What was asked for: "Decrypt", "GenerateDataKey", "ReEncrypt", "DescribeKey", "EnsureKey".
    call: &'static str,
    /// "ok", or the name of the error.
    outcome: &'static str,
    /// How many there were.
    calls: u64,
    /// How long they took together.
    time: Duration,
}

#[pymethods]
impl KmsCalls {
    fn __repr__(&self) -> String {
        format!("KmsCalls({:?}, {:?}, calls={})", self.call, self.outcome, self.calls)
    }
}

impl From<envelope::KmsCalls> for KmsCalls {
    fn from(calls: envelope::KmsCalls) -> Self {
        Self { call: calls.call.name(), outcome: calls.outcome, calls: calls.calls, time: calls.time }
    }
}

/// A tuple of them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Calls(Vec<KmsCalls>);

impl<'py> IntoPyObject<'py> for &Calls {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0.iter().cloned())
    }
}
