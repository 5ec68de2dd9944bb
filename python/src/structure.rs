//! `Structure`: where records are sealed and opened.
//!
//! **Waiting without the GIL.** An operation whose keys are locked waits for the KMS, and a call that waits must not hold
//! the GIL: the KMS may be one in Python, which needs it. But to release it for every operation costs a short one more than its own
//! work once a second thread wants it, and takes from buffers.rs what makes a caller's own buffers safe to use. So an operation
//! takes the keys first, by envelope's `Structure::unlocked`, and then cannot wait. Where there are none, [`Structure::wait`]
//! waits for them, without the GIL and without any slice.

use envelope::{OVERHEAD, Unlocked};
use pyo3::exceptions::{PyBlockingIOError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::buffers::{Input, Output, Text, new_bytes, new_bytes_many, write_into, write_many_into};
use crate::errors::{Failure, not_picklable};
use crate::waiting::Waiting;

/// A base table or an index. Any number of threads may use it.
///
/// `context` is what the record belongs to: an item's primary key, a page's file and number. It is authenticated and not
/// stored, and the record opens with the same context only. Records of another structure or table do not open here.
///
/// Inputs are any objects with a C-contiguous buffer: bytes, bytearray, memoryview, arrays. While the keys are locked a
/// call waits for the KMS, and raises AccessDenied, Closed, KeyDisabled, KeyNotFound, KeyPendingDeletion, KeyUnavailable or
/// Locked.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Structure {
    structure: envelope::Structure,
    title: String,
    waiting: Waiting,
    /// Whether an operation without keys waits for the KMS, or raises.
    waits: bool,
}

impl Structure {
    pub(crate) const fn new(structure: envelope::Structure, title: String, waiting: Waiting) -> Self {
        Self { structure, title, waiting, waits: true }
    }

    /// The keys: the module's documentation says what this is for.
    #[inline]
    fn to_open(&self, py: Python<'_>) -> PyResult<Unlocked<'_>> {
        match self.structure.unlocked() {
            Some(unlocked) => Ok(unlocked),
            None => self.wait(py, envelope::Structure::wait_to_open),
        }
    }

    /// The keys to seal with, which a table that drains has too.
    #[inline]
    fn to_seal(&self, py: Python<'_>) -> PyResult<Unlocked<'_>> {
        match self.structure.unlocked() {
            Some(unlocked) => Ok(unlocked),
            None => self.wait(py, envelope::Structure::wait_to_seal),
        }
    }

    #[cold]
    fn wait<'a>(
        &'a self,
        py: Python<'_>,
        wait: impl FnOnce(&'a envelope::Structure) -> envelope::Result<Unlocked<'a>> + Send,
    ) -> PyResult<Unlocked<'a>> {
        if !self.waits {
            return Err(PyBlockingIOError::new_err("the keys are locked, and to get them would wait for the KMS"));
        }
        self.waiting.run(py, || wait(&self.structure))
    }
}

#[pymethods]
impl Structure {
    /// Seals `text` into a new record, OVERHEAD bytes longer.
    ///
    /// Raises TooLong, NoRandom.
    fn seal<'py>(&self, py: Python<'py>, context: Input<'py>, text: Input<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let unlocked = self.to_seal(py)?;
        new_bytes(py, [&context, &text], sealed_length(text.len())?, |[context, text], out| {
            unlocked.seal_into(context, text, out)
        })
    }

    /// Opens a record.
    ///
    /// Raises Truncated, Unauthentic, UnknownKey, UnknownVersion.
    fn open<'py>(&self, py: Python<'py>, context: Input<'py>, record: Input<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let unlocked = self.to_open(py)?;
        new_bytes(py, [&context, &record], opened_length(record.len()), |[context, record], out| {
            unlocked.open_into(context, record, out)
        })
    }

    /// Seals `text` into the first bytes of `out`, and gives how many they are. Holds the GIL.
    ///
    /// Raises OutputTooShort, TooLong, NoRandom; Overlap if those bytes overlap an input.
    fn seal_into<'py>(&self, py: Python<'py>, context: Input<'py>, text: Input<'py>, out: Output) -> PyResult<usize> {
        let unlocked = self.to_seal(py)?;
        let length = sealed_length(text.len())?;
        let sealed = write_into(py, [&context], &text, &out, length, |[context], text, out| match text {
            Text::Apart(text) => unlocked.seal_into(context, text, out),
            Text::InPlace { .. } => Err(envelope::Error::Overlap),
        });
        Ok(sealed.flatten().map_err(Failure::from)?)
    }

    /// Opens a record into the first bytes of `out`, and gives how many they are. Holds the GIL. If the record is
    /// Unauthentic, those bytes are zeros.
    ///
    /// Raises as `open`, and OutputTooShort; Overlap if those bytes overlap an input.
    fn open_into<'py>(&self, py: Python<'py>, context: Input<'py>, record: Input<'py>, out: Output) -> PyResult<usize> {
        let unlocked = self.to_open(py)?;
        let length = opened_length(record.len());
        let opened = write_into(py, [&context], &record, &out, length, |[context], record, out| match record {
            Text::Apart(record) => unlocked.open_into(context, record, out),
            Text::InPlace { .. } => Err(envelope::Error::Overlap),
        });
        Ok(opened.flatten().map_err(Failure::from)?)
    }

    /// Seals many texts: from an iterable of (context, text) a list of records.
    ///
    /// Raises as `seal`; no record is given then.
    fn seal_many<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let items = tuples::<(Input<'py>, Input<'py>)>(items, PAIR)?;
        let unlocked = self.to_seal(py)?;
        let records = new_bytes_many(py, &items, sealed_length, |items| unlocked.seal_many_into(items))?;
        Ok(records.into_iter().collect::<Result<_, _>>().map_err(Failure::from)?)
    }

    /// Opens many records: from an iterable of (context, record) a list of texts. For a record that does not open, the
    /// list has the exception in the text's place: an instance of TablecryptError, not raised.
    fn open_many<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let items = tuples::<(Input<'py>, Input<'py>)>(items, PAIR)?;
        let unlocked = self.to_open(py)?;
        let length = |record| Ok(opened_length(record));
        let texts = new_bytes_many(py, &items, length, |items| unlocked.open_many_into(items))?;
        let answers = texts.into_iter().map(|text| match text {
            Ok(text) => text.into_any(),
            Err(error) => refusal(py, error),
        });
        PyList::new(py, answers.collect::<Vec<_>>())
    }

    /// Seals many texts, each into the first bytes of its output: from an iterable of (context, text, out) a list of how many those
    /// are. No output may overlap an input, or another output. Holds the GIL.
    ///
    /// Raises as `seal_into`: OutputTooShort and Overlap before anything is sealed.
    fn seal_many_into<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Vec<usize>> {
        let items = tuples::<(Input<'py>, Input<'py>, Output)>(items, TRIPLE)?;
        let unlocked = self.to_seal(py)?;
        let sealed = write_many_into(py, &items, sealed_length, |items| unlocked.seal_many_into(items))?;
        Ok(sealed.into_iter().collect::<Result<_, _>>().map_err(Failure::from)?)
    }

    /// Opens many records, each into the first bytes of its output: from an iterable of (context, record, out) a list of how many
    /// those are, or of the exception of a record that does not open, whose output is zeros then if it is Unauthentic. Holds the
    /// GIL.
    ///
    /// Raises OutputTooShort and Overlap before anything is opened.
    fn open_many_into<'py>(&self, py: Python<'py>, items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let items = tuples::<(Input<'py>, Input<'py>, Output)>(items, TRIPLE)?;
        let unlocked = self.to_open(py)?;
        let length = |record| Ok(opened_length(record));
        let opened = write_many_into(py, &items, length, |items| unlocked.open_many_into(items))?;
        let answers = opened.into_iter().map(|opened| match opened {
            Ok(length) => Ok(length.into_pyobject(py)?.into_any()),
            Err(error) => Ok(refusal(py, error)),
        });
        PyList::new(py, answers.collect::<PyResult<Vec<_>>>()?)
    }

    /// Whether an operation would find its keys now, without waiting for the KMS. The next moment may be another.
    #[getter]
    fn is_unlocked(&self) -> bool {
        self.structure.is_unlocked()
    }

    /// The same structure, whose operations raise BlockingIOError where they would wait for the KMS: for an event loop.
    fn never_waiting(&self) -> Self {
        let (structure, title, waiting) = (self.structure.clone(), self.title.clone(), self.waiting.clone());
        Self { structure, title, waiting, waits: false }
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

/// The exception of an item, not raised.
fn refusal(py: Python<'_>, error: envelope::Error) -> Bound<'_, PyAny> {
    PyErr::from(Failure::from(error)).into_value(py).into_bound(py).into_any()
}

/// The items of a batch; all their types are checked before anything is sealed or opened.
fn tuples<'py, T>(items: &Bound<'py, PyAny>, what: &'static str) -> PyResult<Vec<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let tuple = |item: PyResult<Bound<'py, PyAny>>| {
        let item = item?;
        let tuple = item.cast::<PyTuple>().map_err(|_| PyTypeError::new_err(what))?;
        tuple.extract::<T>()
    };
    items.try_iter()?.map(tuple).collect()
}

const PAIR: &str = "an item is a tuple of two buffers";
const TRIPLE: &str = "an item is a tuple of three buffers";
