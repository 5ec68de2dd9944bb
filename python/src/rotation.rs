//! What rotation and rewrapping tell, and which records are of which generation.

use std::time::SystemTime;

use envelope::{generation_of_record as number_of, records_of_generation as count_records};
use pyo3::prelude::*;

use crate::buffers::Input;
use crate::errors::Failure;
use crate::waiting::Waiting;

/// One generation of a structure's data key.
#[pyclass(frozen, eq, get_all, module = "tablecrypt")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Generation {
    /// Whose it is: "base", "local:NAME", "global:NAME".
    structure: String,
    /// What its records begin with (generation_of_record). Unique in the table, and never given out again.
    number: u32,
    /// When it was made, in UTC.
    created: SystemTime,
    /// From when on it seals; until then it only opens.
    seals_from: SystemTime,
    /// Whether new records are sealed with it, by now.
    seals: bool,
}

#[pymethods]
impl Generation {
    fn __repr__(&self) -> String {
        let seals = if self.seals { "True" } else { "False" };
        format!("Generation({:?}, number={}, seals={seals})", self.structure, self.number)
    }
}

impl From<envelope::Generation> for Generation {
    fn from(generation: envelope::Generation) -> Self {
        Self {
            structure: generation.structure.to_string(),
            number: generation.number,
            created: generation.created,
            seals_from: generation.seals_from,
            seals: generation.seals,
        }
    }
}

/// What a rewrap of one table did, or would do.
#[pyclass(frozen, get_all, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Rewrapping {
    /// The table.
    table: String,
    /// The ARN of the KMS key that wrapped its root key.
    from_: String,
    /// The ARN of the KMS key that is to wrap it.
    to: String,
    /// In a dry run: what stands in the way, as far as can be seen without doing it; an exception, or None.
    obstacle: Option<Py<PyAny>>,
}

#[pymethods]
impl Rewrapping {
    fn __repr__(&self) -> String {
        format!("Rewrapping({:?}, from_={:?}, to={:?})", self.table, self.from_, self.to)
    }
}

impl Rewrapping {
    pub(crate) fn new(py: Python<'_>, moved: envelope::Rewrapping, waiting: &Waiting) -> Self {
        let obstacle = moved.obstacle.map(|error| waiting.error(py, error).into_value(py).into_any());
        Self { table: moved.table, from_: moved.from, to: moved.to, obstacle }
    }
}

/// The number of the generation that a record was sealed with. Its first eight bytes are enough, and nothing proves them.
///
/// Raises Truncated, UnknownVersion.
#[pyfunction]
pub(crate) fn generation_of_record(py: Python<'_>, record: Input<'_>) -> PyResult<u32> {
    Ok(number_of(&record.first(py)).map_err(Failure::from)?)
}

/// How many of these records, or of their first eight bytes, were sealed with the generation of this number. When it is none of
/// all that there are, the generation can be retired.
///
/// Raises as generation_of_record, for the first that is no record.
#[pyfunction]
pub(crate) fn records_of_generation(py: Python<'_>, number: u32, records: &Bound<'_, PyAny>) -> PyResult<u64> {
    let mut count = 0_u64;
    for record in records.try_iter()? {
        let record = record?.extract::<Input<'_>>()?;
        count = count.saturating_add(count_records(number, [record.first(py)]).map_err(Failure::from)?);
    }
    Ok(count)
}
