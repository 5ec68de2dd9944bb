//! Calls into Python from threads that may not be Python's, and where such calls end with the interpreter.
//!
//! A KMS in Python is called on whatever thread needs it. On a Python thread, which has let go of the GIL to wait, the call
//! takes it again; the GIL is re-entrant for its thread. On a worker of the refresh, which Python does not know, it is taken for
//! the call alone. When the interpreter ends, CPython up to 3.13 kills a thread that waits for the GIL, in the middle of Rust's
//! frames, which would abort the process. So the calls of workers are counted, and when the program ends (`atexit`) no new one
//! begins and those under way have [`PATIENCE`] to end. A Python thread of the caller's own is the caller's to join, as with
//! any call.
//!
//! A forked child has none of its parent's threads, and counts for itself.

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread_local;

use pyo3::prelude::*;
use tablecrypt_os::PerProcess;

/// Calls `ask` with the GIL; None if the interpreter has ended or ends.
pub(crate) fn with_python<T>(ask: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _running = if is_waiting() { None } else { Some(Running::begin()?) };
    Python::try_attach(ask)
}

/// Has the end of the program wait for the calls of workers. Before there is a KMS in Python nobody needs this.
pub(crate) fn end_with_the_program(py: Python<'_>) -> PyResult<()> {
    // A forked child inherits what was registered.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::Relaxed) {
        py.import("atexit")?.call_method1("register", (wrap_pyfunction!(end, py)?,))?;
    }
    Ok(())
}

#[pyfunction]
fn end(py: Python<'_>) {
    py.detach(|| {
        let mut calls = calls();
        calls.ended = true;
        let wait = CALLS.ended.wait_timeout_while(calls, PATIENCE, |calls| calls.running > 0);
        drop(wait);
    });
}

/// What a Python thread that waits for a call of Rust does with an exception of a KMS in Python that is none of the KMS's: a
/// KeyboardInterrupt, a SystemExit. It is raised when the call has come back.
pub(crate) fn waiting<T>(call: impl FnOnce() -> T) -> (T, Option<PyErr>) {
    let outer = INTERRUPT.replace(Some(None));
    let value = call();
    (value, INTERRUPT.replace(outer).flatten())
}

/// Keeps such an exception for the thread that waits. On a worker nobody waits for it.
pub(crate) fn interrupt(error: PyErr) {
    INTERRUPT.with_borrow_mut(|interrupt| {
        if let Some(kept) = interrupt {
            *kept = Some(error);
        }
    });
}

/// Whether this is a Python thread that waits.
fn is_waiting() -> bool {
    INTERRUPT.with_borrow(Option::is_some)
}

/// A call of a worker.
struct Running;

impl Running {
    fn begin() -> Option<Self> {
        let mut calls = calls();
        calls.running += usize::from(!calls.ended);
        // Made only if it is counted: its drop takes the lock that this function holds.
        (!calls.ended).then(|| Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        calls().running -= 1;
        CALLS.ended.notify_all();
    }
}

#[derive(Default)]
struct Calls {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// Whether the program ends.
    ended: bool,
}

fn calls() -> MutexGuard<'static, State> {
    CALLS.state.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static INTERRUPT: RefCell<Option<Option<PyErr>>> = const { RefCell::new(None) };
}

static CALLS: PerProcess<Calls> = PerProcess::new();
/// How long the end of a program waits for a KMS that does not answer. It would have to answer in the instant after that to be
/// killed.
const PATIENCE: Duration = Duration::from_secs(2);
