//! From what a service does to the entries of its audit. A service without an audit has no code of this.

use core::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Audit, Entry};
use crate::Error;
use crate::kms::{EncryptionContext, KmsError};
use crate::metrics::KmsCall;

/// Records what a service does.
pub(crate) trait Recorder: Send + Sync + fmt::Debug {
    /// A call of the KMS that ended.
    fn call(&self, asked: &Asked<'_>, time: SystemTime, error: Option<&KmsError>) -> io::Result<()>;

    /// A change of a table that ended, or was refused.
    fn change(&self, operation: &str, of: (&str, &str), time: SystemTime, error: Option<&Error>) -> io::Result<()>;

    /// A change of a table that begins, and for which no KMS is asked.
    fn begin(&self, operation: &str, of: (&str, &str), time: SystemTime) -> io::Result<()>;

    fn is_required(&self) -> bool;
}

/// What the KMS was asked for, and why.
pub(crate) struct Asked<'a> {
    pub(crate) operation: &'static str,
    pub(crate) call: KmsCall,
    pub(crate) key: &'a str,
    pub(crate) to: Option<&'a str>,
    pub(crate) context: Option<&'a EncryptionContext>,
    pub(crate) principal: Option<&'a str>,
    pub(crate) request: Option<String>,
}

/// Makes entries for an audit.
#[derive(Debug)]
pub(crate) struct Recording(pub(crate) Arc<dyn Audit>);

impl Recorder for Recording {
    fn call(&self, asked: &Asked<'_>, time: SystemTime, error: Option<&KmsError>) -> io::Result<()> {
        let value = |wanted: &str| {
            let mut pairs = asked.context.into_iter().flat_map(EncryptionContext::iter);
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        self.0.record(&Entry {
            call: Some(asked.call.name().to_owned()),
            table: value(EncryptionContext::TABLE),
            subscriber: value(EncryptionContext::SUBSCRIBER),
            key: Some(asked.key.to_owned()),
            to: asked.to.map(str::to_owned),
            principal: asked.principal.map(str::to_owned),
            request: asked.request.clone(),
            ..Entry::new(asked.operation, time, error.map_or("ok", KmsError::name))
        })
    }

    fn change(
        &self,
        operation: &str,
        (table, subscriber): (&str, &str),
        time: SystemTime,
        error: Option<&Error>,
    ) -> io::Result<()> {
        let outcome = error.map_or("ok", Error::name);
        self.0.record(&of_table(Entry::new(operation, time, outcome), table, subscriber))
    }

    fn begin(&self, operation: &str, (table, subscriber): (&str, &str), time: SystemTime) -> io::Result<()> {
        self.0.record(&of_table(Entry::new(operation, time, "begun"), table, subscriber))
    }

    fn is_required(&self) -> bool {
        self.0.is_required()
    }
}

fn of_table(entry: Entry, table: &str, subscriber: &str) -> Entry {
    Entry { table: Some(table.to_owned()), subscriber: Some(subscriber.to_owned()), ..entry }
}
