//! Spans and events by `tracing`; without the feature of that name nothing at all, and no code for it.
//!
//! No key, no text and no value of a context stands in them. The name of a table is such a value: it stands in the
//! encryption context. So a table is told by its id, which [`ServiceBuilder::names_in_log`] changes to its name.
//! `tests/log.rs` searches all that is said for what must not be.
//!
//! [`ServiceBuilder::names_in_log`]: crate::ServiceBuilder::names_in_log

/// An event: level, fields, text.
#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $($said:tt)+) => { tracing::$level!($($said)+) };
}

/// A span until the end of the scope.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($($said:tt)+) => { let _span = tracing::info_span!($($said)+).entered(); };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $($said:tt)+) => {};
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

/// What the log may tell of tables.
#[derive(Debug)]
pub(crate) struct Names {
    /// Whether their names may be told.
    #[cfg(feature = "tracing")]
    shown: bool,
    #[cfg(feature = "tracing")]
    ids: tablecrypt_os::PerProcess<std::sync::Mutex<std::collections::HashMap<String, String>>>,
}

impl Names {
    pub(crate) fn new(_shown: bool) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            shown: _shown,
            #[cfg(feature = "tracing")]
            ids: tablecrypt_os::PerProcess::new(),
        }
    }

    /// A key file was read: this table has this id.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is told"))]
    pub(crate) fn note(&self, table: &str, id: &[u8; 16]) {
        #[cfg(feature = "tracing")]
        if !self.shown {
            let mut ids = self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            ids.insert(table.to_owned(), hex::encode(id));
        }
    }

    /// The table's name, or its id; `?` where neither may be told nor is known.
    #[cfg(feature = "tracing")]
    pub(crate) fn of<'a>(&self, table: &'a str) -> std::borrow::Cow<'a, str> {
        if self.shown {
            return table.into();
        }
        let ids = self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ids.get(table).map_or("?".into(), |id| id.clone().into())
    }

    /// An error: its sentence, or only its name, for a sentence may have the table's name in it.
    #[cfg(feature = "tracing")]
    pub(crate) fn error<'a>(&self, error: &'a crate::Error) -> impl core::fmt::Display + use<'a> {
        use core::fmt;

        struct Told<'a>(&'a crate::Error, bool);
        impl fmt::Display for Told<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.1 {
                    return self.0.fmt(f);
                }
                f.write_str(&self.0.name())
            }
        }
        Told(error, self.shown)
    }
}
