//! What services tell, to the `logging` of Python: its logger `tablecrypt`, a record for each event.
//!
//! ```text
//! a thread that something happens on -> queue -> the thread of this file -> logging.getLogger("tablecrypt")
//! ```
//!
//! An event may happen while the service holds locks. Whoever waited for the GIL there would wait for a Python thread that
//! waits for the lock. So a thread of its own takes the GIL, with nothing in its hands; a record is there a moment later. Its
//! time is that moment's.
//!
//! A forked child has a queue and a thread of its own. What is in the queue when the interpreter ends is not told.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use envelope::LogLevel;
use pyo3::prelude::*;
use tablecrypt_os::PerProcess;

use crate::interpreter::with_python;

/// Is told an event, and never waits.
pub(crate) fn tell(level: LogLevel, event: &str) {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let Queue { events, lost } = &mut *queue;
    if events.is_none() {
        let (sender, receiver) = sync_channel(LENGTH);
        // Without a thread nobody would take them; the next event asks for one again.
        if thread::Builder::new().name("tablecrypt-log".to_owned()).spawn(move || pass_on(&receiver)).is_ok() {
            *events = Some(sender);
        }
    }
    let told = events.as_ref().is_some_and(|events| {
        let number = *lost;
        let event =
            if number > 0 { format!("{event} ({number} events before it were lost)") } else { event.to_owned() };
        events.try_send((level, event)).is_ok()
    });
    *lost = if told { 0 } else { *lost + 1 };
}

/// Until the interpreter ends.
fn pass_on(events: &Receiver<(LogLevel, String)>) {
    while let Ok((level, event)) = events.recv() {
        // A handler that raises has been told; logging itself says so on standard error.
        if with_python(|py| drop(log(py, level, &event))).is_none() {
            return;
        }
    }
}

fn log(py: Python<'_>, level: LogLevel, event: &str) -> PyResult<()> {
    let number = match level {
        LogLevel::Error => 40,
        LogLevel::Warn => 30,
        LogLevel::Info => 20,
        LogLevel::Debug => 10,
    };
    let logger = py.import("logging")?.call_method1("getLogger", ("tablecrypt",))?;
    logger.call_method1("log", (number, "%s", event))?;
    Ok(())
}

#[derive(Default)]
struct Queue {
    events: Option<SyncSender<(LogLevel, String)>>,
    /// How many found no room.
    lost: u64,
}

static QUEUE: PerProcess<Mutex<Queue>> = PerProcess::new();
/// A handler that is slower than this many events loses some.
const LENGTH: usize = 1024;
