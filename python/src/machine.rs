//! What this machine gives: the backends of its CPU, and memory for keys.

use envelope::MemoryKind;
use envelope::core::Backend;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// The names of the backends that this CPU has, the best first: the one that everything here is sealed with.
#[pyfunction]
pub(crate) fn backends(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let available: Vec<_> = Backend::ALL.iter().filter(|backend| backend.is_available()).collect();
    PyTuple::new(py, available.into_iter().map(|backend| backend.name()))
}

/// How many keys of open tables are in memory of which kind, now: "secret" (memfd_secret: no other process can reach it),
/// "locked" (never swapped out) and "unlocked" (the system gave neither, or RLIMIT_MEMLOCK is used up).
#[pyfunction]
pub(crate) fn key_memory(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let memory = PyDict::new(py);
    for (kind, used) in envelope::key_memory().by_kind() {
        let name = match kind {
            MemoryKind::Secret => "secret",
            MemoryKind::Locked => "locked",
            MemoryKind::Unlocked => "unlocked",
        };
        memory.set_item(name, used.keys)?;
    }
    Ok(memory)
}
