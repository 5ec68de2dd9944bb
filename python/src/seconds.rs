//! A time span as Python callers give it: a timedelta, or a number of seconds.

use core::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;

/// A time span that a caller gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Seconds {
    pub(crate) const fn of(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromPyObject<'_, '_> for Seconds {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let seconds = match object.getattr_opt(intern!(object.py(), "total_seconds"))? {
            Some(total) => total.call0()?.extract::<f64>()?,
            None => object.extract::<f64>()?,
        };
        let span = Duration::try_from_secs_f64(seconds);
        Ok(Self(span.map_err(|_| PyValueError::new_err(format!("{seconds} s is no time span")))?))
    }
}
