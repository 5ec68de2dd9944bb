//! The settings of a service as keyword arguments: the words of Rust's `ServiceBuilder`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use envelope::kms::Kms;
use envelope::{Error, RotationPolicy, Scope, ServiceBuilder};
use pyo3::prelude::*;

use crate::audit_log::AuditLog;
use crate::errors::Failure;
use crate::logger;
use crate::providers::OfPrincipal;
use crate::python_kms::Failures;
use crate::seconds::Seconds;

/// What a caller sets; what is None stays as it is unless set.
#[derive(Default)]
pub(crate) struct Settings<'py> {
    pub(crate) subscriber: Option<String>,
    pub(crate) default_key: Option<String>,
    pub(crate) require_default_key: bool,
    pub(crate) refresh: Option<(Seconds, Seconds)>,
    pub(crate) jitter: Option<Seconds>,
    pub(crate) outage_grace: Option<Seconds>,
    pub(crate) drain: Option<Seconds>,
    pub(crate) scope: Option<String>,
    pub(crate) principals: Option<Py<PyAny>>,
    pub(crate) rotate_after: Option<PyRef<'py, Rotation>>,
    pub(crate) audit: Option<Auditing<'py>>,
    pub(crate) names_in_log: bool,
}

/// Where a service's audit log is: a path, or an AuditLog.
#[derive(FromPyObject)]
pub(crate) enum Auditing<'py> {
    Log(PyRef<'py, AuditLog>),
    Path(PathBuf),
}

impl Settings<'_> {
    pub(crate) fn set(self, mut builder: ServiceBuilder, failures: &Arc<Failures>) -> Result<ServiceBuilder, Failure> {
        builder = builder.log(Arc::new(logger::tell)).names_in_log(self.names_in_log);
        if let Some(subscriber) = self.subscriber {
            builder = builder.subscriber(subscriber);
        }
        if let Some(alias) = self.default_key {
            builder = builder.default_key(alias);
        }
        if self.require_default_key {
            builder = builder.require_default_key();
        }
        if let Some((every, within)) = self.refresh {
            if every.0.is_zero() || within.0.is_zero() {
                return Err(Error::InvalidSetting { setting: "refresh", range: "two time spans longer than 0" }.into());
            }
            builder = builder.refresh(every.0, within.0);
        }
        if let Some(jitter) = self.jitter {
            builder = builder.jitter(jitter.0);
        }
        if let Some(grace) = self.outage_grace {
            builder = builder.outage_grace(grace.0)?;
        }
        if let Some(drain) = self.drain {
            builder = builder.drain(drain.0)?;
        }
        if let Some(scope) = self.scope {
            builder = builder.scope(scope_of(&scope)?);
        }
        if let Some(kms_of) = self.principals {
            let (kms_of, failures) = (Arc::new(kms_of), Arc::clone(failures));
            builder = builder.principals(move |name| -> Arc<dyn Kms> {
                let (kms_of, failures) = (Arc::clone(&kms_of), Arc::clone(&failures));
                Arc::new(OfPrincipal { kms_of, name: name.into(), failures, kms: OnceLock::new() })
            });
        }
        if let Some(rotation) = self.rotate_after {
            builder = builder.rotate_after(rotation.policy);
        }
        Ok(match self.audit {
            Some(Auditing::Log(log)) => builder.audit(log.log()),
            Some(Auditing::Path(path)) => builder.audit(Arc::new(envelope::audit::AuditLog::new(path))),
            None => builder,
        })
    }
}

fn scope_of(name: &str) -> Result<Scope, Failure> {
    match name {
        "connection" => Ok(Scope::Connection),
        "principal" => Ok(Scope::Principal),
        "process" => Ok(Scope::Process),
        _ => {
            Err(Error::InvalidSetting { setting: "scope", range: "\"connection\", \"principal\" or \"process\"" }
                .into())
        }
    }
}

/// When a structure's data key has a new generation without being asked for one: as soon as one of these is reached. `age` is that
/// of the newest generation, `records` and `bytes` about what one process has sealed with it.
#[pyclass(frozen, module = "tablecrypt", name = "RotationPolicy")]
#[derive(Debug)]
pub(crate) struct Rotation {
    policy: RotationPolicy,
}

#[pymethods]
impl Rotation {
    #[new]
    #[pyo3(signature = (*, age = None, records = None, bytes = None))]
    fn new(age: Option<Seconds>, records: Option<u64>, bytes: Option<u64>) -> Self {
        let policy = age.into_iter().fold(RotationPolicy::default(), |policy, age| policy.age(age.0));
        let policy = records.into_iter().fold(policy, RotationPolicy::records);
        Self { policy: bytes.into_iter().fold(policy, RotationPolicy::bytes) }
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.policy)
    }
}
