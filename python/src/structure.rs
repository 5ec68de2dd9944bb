//! `Structure`: where records are sealed and opened.
//!
//! **Waiting without the GIL.** An operation whose keys are locked waits for the KMS, and a call that waits must not hold
//! the GIL. But to release it for every operation costs a short one more than its own work once a second thread wants
//! it, and takes from buffers.rs what makes a caller's own buffers safe to use. So [`Structure::wait_for_keys`] asks first
//! whether the keys are there, and if not waits for them, without the GIL and without any buffer, by a batch of no items.
//! What is left is an operation whose keys are wiped in the nanoseconds after it asked: it waits with the GIL, for the
//! one KMS call that ends the wait and never needs the GIL. A KMS written in Python would; it takes a call of envelope's
//! that gives up instead of waiting.

use envelope::{Item, OVERHEAD};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::buffers::{Input, Output, Text, new_bytes, new_bytes_many, write_into};
use crate::errors::{Failure, not_picklable};

/// A base table or an index. Any number of threads may use it.
///
/// `context` is what the record belongs to: an item's primary key, a page's file and number. It is authenticated and not
/// stored, and the record opens with the same context only. Records of another structure or table do not open here.
///
/// Inputs are any objects with a C-contiguous buffer: bytes, bytearray, memoryview, arrays. While the keys are locked a
/// call waits for the KMS, and raises AccessDenied, Closed, KeyDisabled, KeyNotFound, KeyPendingDeletion or
/// KeyUnavailable.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Structure {
    structure: envelope::Structure,
    title: String,
}

impl Structure {
    pub(crate) const fn new(structure: envelope::Structure, title: String) -> Self {
        Self { structure, title }
    }

    /// The module's documentation says what this is for.
    #[inline]
    fn wait_for_keys(&self, py: Python<'_>) -> PyResult<()> {
        if !self.structure.is_unlocked() {
            py.detach(|| self.structure.open_many(&[])).map_err(Failure::from)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Structure {
    /// Seals `text` into a new record, OVERHEAD bytes longer.
    ///
    /// Raises TooLong, NoRandom.
    fn seal<'py>(&self, py: Python<'py>, context: Input<'py>, text: Input<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.wait_for_keys(py)?;
        new_bytes(py, [&context, &text], sealed_length(text.len())?, |[context, text], out| {
            self.structure.seal_into(context, text, out).map(drop)
        })
    }

    /// Opens a record.
    ///
    /// Raises Truncated, Unauthentic, UnknownKey, UnknownVersion.
    fn open<'py>(&self, py: Python<'py>, context: Input<'py>, record: Input<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.wait_for_keys(py)?;
        new_bytes(py, [&context, &record], opened_length(record.len()), |[context, record], out| {
            self.structure.open_into(context, record, out).map(drop)
        })
    }

    /// Seals `text` into the first bytes of `out`, and gives how many they are. Holds the GIL.
    ///
    /// Raises OutputTooShort, TooLong, NoRandom; Overlap if those bytes overlap an input.
    fn seal_into<'py>(&self, py: Python<'py>, context: Input<'py>, text: Input<'py>, out: Output) -> PyResult<usize> {
        self.wait_for_keys(py)?;
        let length = sealed_length(text.len())?;
        let sealed = write_into(py, [&context], &text, &out, length, |[context], text, out| match text {
            Text::Apart(text) => self.structure.seal_into(context, text, out),
            Text::InPlace { .. } => Err(envelope::Error::Overlap),
        });
        Ok(sealed.flatten().map_err(Failure::from)?)
    }

    /// Opens a record into the first bytes of `out`, and gives how many they are. Holds the GIL. If the record is
    /// Unauthentic, those bytes are zeros.
    ///
    /// Raises as `open`, and OutputTooShort; Overlap if those bytes overlap an input.
    fn open_into<'py>(&self, py: Python<'py>, context: Input<'py>, record: Input<'py>, out: Output) -> PyResult<usize> {
        self.wait_for_keys(py)?;
        let length = opened_length(record.len());
        let opened = write_into(py, [&context], &record, &out, length, |[context], record, out| match record {
            Text::Apart(record) => self.structure.open_into(context, record, out),
            Text::InPlace { .. } => Err(envelope::Error::Overlap),
        });
        Ok(opened.flatten().map_err(Failure::from)?)
    }

    /// Seals many texts: from an iterable of (context, text) a list of records.
    ///
    /// Raises as `seal`; no record is given then.
    fn seal_many<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let items = pairs(items)?;
        self.wait_for_keys(py)?;
        // What the call fails with is the answer of each item as well.
        let seal = |items: &mut [Item<'_>]| drop(self.structure.seal_many_into(items));
        let (records, sealed) = new_bytes_many(py, &items, sealed_length, seal)?;
        sealed.into_iter().try_for_each(|sealed| sealed.map(drop)).map_err(Failure::from)?;
        Ok(records)
    }

    /// Opens many records: from an iterable of (context, record) a list of texts. For a record that does not open, the
    /// list has the exception in the text's place: an instance of TablecryptError, not raised.
    fn open_many<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let items = pairs(items)?;
        self.wait_for_keys(py)?;
        let length = |record| Ok(opened_length(record));
        // What the call fails with is the answer of each item as well.
        let open = |items: &mut [Item<'_>]| drop(self.structure.open_many_into(items));
        let (texts, opened) = new_bytes_many(py, &items, length, open)?;
        let answers = texts.into_iter().zip(opened).map(|(text, opened)| match opened {
            Ok(_) => text.into_any(),
            Err(error) => PyErr::from(Failure::from(error)).into_value(py).into_bound(py).into_any(),
        });
        PyList::new(py, answers.collect::<Vec<_>>())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Structure"))
    }

    fn __repr__(&self) -> String {
        format!("Structure({})", self.title)
    }
}

fn sealed_length(text: usize) -> Result<usize, Failure> {
    text.checked_add(OVERHEAD).ok_or(Failure::Hierarchy(envelope::Error::TooLong))
}

const fn opened_length(record: usize) -> usize {
    record.saturating_sub(OVERHEAD)
}

/// The items of a batch; all their types are checked before anything is sealed or opened.
fn pairs<'py>(items: &Bound<'py, PyAny>) -> PyResult<Vec<(Input<'py>, Input<'py>)>> {
    let pair = |item: PyResult<Bound<'py, PyAny>>| {
        let item = item?;
        let pair = item.cast::<PyTuple>().map_err(|_| PyTypeError::new_err("an item is a tuple of two buffers"))?;
        pair.extract::<(Input<'py>, Input<'py>)>()
    };
    items.try_iter()?.map(pair).collect()
}
