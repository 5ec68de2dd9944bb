//! What a service tells of itself: events, to the function of [`ServiceBuilder::log`] and by `tracing`; spans, by
//! `tracing` alone. Without the feature of that name there is no code for it.
//!
//! No key, no text and no value of a context stands in them. The name of a table is such a value: it stands in the
//! encryption context. So a table is told by its id, which [`ServiceBuilder::names_in_log`] changes to its name.
//! `tests/log.rs` searches all that is said for what must not be.
//!
//! [`ServiceBuilder::log`]: crate::ServiceBuilder::log
//! [`ServiceBuilder::names_in_log`]: crate::ServiceBuilder::names_in_log

use core::fmt::{self, Display};
use core::mem;
use core::ops::Deref;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;

use crate::Error;

/// How much an event of the log matters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogLevel {
    /// Something is lost: a line of the audit log.
    Error,
    /// Somebody may have to act: a key was not refreshed, a table drains or is on its outage grace.
    Warn,
    /// What changed: a table is permitted again, was locked by hand, or its keys were wiped.
    Info,
    /// Each answer of the KMS.
    Debug,
}

/// An event: whose log, level, text; fields, or the table and the error that it had. They are put into words only if
/// somebody listens.
macro_rules! event {
    ($log:expr, $level:ident, $text:literal $(, $name:ident = $value:expr)*) => {{
        #[cfg(feature = "tracing")]
        {
            tracing::event!(crate::log::LogLevel::$level.of_tracing(), $($name = %$value,)* $text);
        }
        $log.say(
            crate::log::LogLevel::$level,
            format_args!(concat!($text $(, " ", stringify!($name), "={}")*), $($value),*),
        );
    }};
    ($log:expr, $level:ident, $text:literal, $table:expr $(, $error:expr)?) => {{
        #[cfg(feature = "tracing")]
        {
            tracing::event!(
                crate::log::LogLevel::$level.of_tracing(),
                table = %$log.table($table),
                $(error = %$log.error($error),)?
                $text
            );
        }
        $log.say_of_table(crate::log::LogLevel::$level, $text, $table, None$(.or(Some($error)))?);
    }};
}

/// A span until the end of the scope.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($($said:tt)+) => { let _span = tracing::info_span!($($said)+).entered(); };
}

#[cfg(not(feature = "tracing"))]
macro_rules! span {
    ($($said:tt)+) => {};
}

/// A span, and what the audit says that KMS calls in it are for.
macro_rules! operation {
    ($name:literal $(, $($said:tt)+)?) => {
        let _during = crate::watched::During::new($name);
        crate::log::span!($name $(, $($said)+)?);
    };
}

pub(crate) use {event, operation, span};

/// Whom events are told, and what they may tell of tables.
pub(crate) struct Log {
    listener: Option<Arc<dyn Listener>>,
    /// Whether the names of tables may be told.
    shown: bool,
    #[cfg(feature = "tracing")]
    ids: tablecrypt_os::PerProcess<std::sync::Mutex<std::collections::HashMap<String, [u8; 16]>>>,
}

/// Who is told the events of a service: [`ServiceBuilder::log`](crate::ServiceBuilder::log).
///
/// A closure is one.
pub trait Listener: Send + Sync {
    /// Is told an event in one line: what happened, then the fields, such as
    /// `the table's key was not refreshed table=1f8b... error=AccessDenied`.
    fn tell(&self, level: LogLevel, event: &str);
}

impl<F: Fn(LogLevel, &str) + Send + Sync> Listener for F {
    fn tell(&self, level: LogLevel, event: &str) {
        self(level, event);
    }
}

impl Log {
    pub(crate) fn new(listener: Option<Arc<dyn Listener>>, shown: bool) -> Self {
        Self {
            listener,
            shown,
            #[cfg(feature = "tracing")]
            ids: tablecrypt_os::PerProcess::new(),
        }
    }

    /// The same for the answers that a principal gets; of tables it knows nothing.
    pub(crate) fn of_principal(&self) -> Self {
        Self::new(self.listener.clone(), self.shown)
    }

    /// Tells the listener. One that panics has been told; a timer or a worker does not end for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn say(&self, level: LogLevel, event: fmt::Arguments<'_>) {
        let Some(listener) = &self.listener else { return };
        let event = event.to_string();
        mem::forget(catch_unwind(AssertUnwindSafe(|| listener.tell(level, &event))));
    }

    /// Tells the listener about a table.
    #[cold]
    #[inline(never)]
    pub(crate) fn say_of_table(&self, level: LogLevel, text: &str, table: &TableName, error: Option<&Error>) {
        let table = &self.table(table);
        match error {
            Some(error) => self.say(level, format_args!("{text} table={table} error={}", self.error(error))),
            None => self.say(level, format_args!("{text} table={table}")),
        }
    }

    /// A line of the audit log is lost.
    #[cold]
    #[inline(never)]
    pub(crate) fn lost(&self, operation: &str, failure: &io::Error) {
        event!(self, Error, "the audit log cannot be written", operation = operation, error = failure);
    }

    /// A table, with its id if that is known.
    pub(crate) fn name(&self, table: &str) -> TableName {
        let name = TableName { name: table.to_owned(), id: Default::default() };
        #[cfg(feature = "tracing")]
        if let Some(id) = self.ids().get(table) {
            name.set(id);
        }
        name
    }

    /// A key file was read: this table has this id.
    pub(crate) fn note(&self, table: &TableName, id: &[u8; 16]) {
        table.set(id);
        #[cfg(feature = "tracing")]
        if !self.shown {
            self.ids().insert(table.name.clone(), *id);
        }
    }

    /// How a table is told: by its name, or its id; `?` where neither may be told nor is known.
    pub(crate) const fn table<'a>(&self, table: &'a TableName) -> impl Display + use<'a> {
        Told(table, self.shown)
    }

    /// How an error is told: by its sentence, or only its name, for a sentence may have the table's name in it.
    pub(crate) const fn error<'a>(&self, error: &'a Error) -> impl Display + use<'a> {
        Told(error, self.shown)
    }

    #[cfg(feature = "tracing")]
    fn ids(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, [u8; 16]>> {
        self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// The name of a table, and its id once its key file was read. The halves of an id are set one after the other: a table
/// that was deleted and made anew meanwhile may be told by halves of two.
pub(crate) struct TableName {
    name: String,
    id: [AtomicU64; 2],
}

impl TableName {
    fn set(&self, id: &[u8; 16]) {
        let id = u128::from_be_bytes(*id);
        self.id[0].store((id >> 64) as u64, Ordering::Relaxed);
        self.id[1].store(id as u64, Ordering::Relaxed);
    }
}

impl Deref for TableName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

/// What may be told by its name or not.
struct Told<'a, T>(&'a T, bool);

impl Display for Told<'_, TableName> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(table, shown) = self;
        let [high, low] = table.id.each_ref().map(|half| half.load(Ordering::Relaxed));
        match (shown, high | low) {
            (true, _) => f.write_str(table),
            (false, 0) => f.write_str("?"),
            (false, _) => write!(f, "{high:016x}{low:016x}"),
        }
    }
}

impl Display for Told<'_, Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 { self.0.fmt(f) } else { f.write_str(self.0.name()) }
    }
}

#[cfg(feature = "tracing")]
impl LogLevel {
    pub(crate) const fn of_tracing(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
        }
    }
}
