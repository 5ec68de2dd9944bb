//! A KMS whose every call is seen: counted, timed, in a span of its own, and in the audit before its answer is used.

use core::cell::Cell;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread_local;

use tablecrypt_core::Key;
use tablecrypt_os::{KeyBox, PerProcess};

use crate::audit::{Asked, Recorder};
use crate::clock::Clock;
use crate::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError, with_request};
use crate::log::{Log, event, span};
use crate::metrics::{Event, KmsCall, Tally};

/// Passes calls on to the KMS of a service. All calls of the service go this way.
pub(crate) struct Watched {
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tally: Arc<PerProcess<Tally>>,
    pub(crate) audit: Option<Arc<dyn Recorder>>,
    pub(crate) log: Log,
    /// Who asks, if not the service.
    pub(crate) principal: Option<Arc<str>>,
}

impl Watched {
    /// The KMS as a principal uses it: through one of its own, or that of the service.
    pub(crate) fn of_principal(&self, principal: &Arc<str>, own: Option<Arc<dyn Kms>>) -> Self {
        Self {
            kms: own.unwrap_or_else(|| Arc::clone(&self.kms)),
            clock: Arc::clone(&self.clock),
            tally: Arc::clone(&self.tally),
            audit: self.audit.clone(),
            log: self.log.of_principal(),
            principal: Some(Arc::clone(principal)),
        }
    }

    fn call<T>(
        &self,
        call: KmsCall,
        key: &str,
        to: Option<&str>,
        context: Option<&EncryptionContext>,
        ask: impl FnOnce(&dyn Kms) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let (mut answer, mut ask) = (None, Some(ask));
        let principal = self.principal.as_deref();
        let asked = Asked { operation: operation(), call, key, to, context, principal, request: None };
        self.watch(asked, &mut || {
            let ask = ask.take()?;
            answer.insert(ask(&*self.kms)).as_ref().err().cloned()
        })?;
        answer.unwrap_or(Err(KmsError::Internal))
    }

    /// Not for each type of answer anew.
    fn watch(&self, mut asked: Asked<'_>, ask: &mut dyn FnMut() -> Option<KmsError>) -> Result<(), KmsError> {
        span!("kms", call = asked.call.name());
        let began = self.clock.now();
        // One that panics has failed as one that cannot be reached has, for whoever called.
        let (caught, request) = with_request(|| catch_unwind(AssertUnwindSafe(ask)));
        let error = caught.unwrap_or(Some(KmsError::Internal));
        let time = self.clock.now().saturating_sub(began);
        asked.request = request;
        let error = error.as_ref();
        let outcome = error.map_or("ok", KmsError::name);
        event!(
            self.log,
            Debug,
            "the KMS has answered",
            call = asked.call.name(),
            outcome = outcome,
            time = format_args!("{}us", time.as_micros() as u64),
            request = asked.request.as_deref().unwrap_or("-")
        );
        self.tally.call(asked.call, outcome, time);
        let Some(audit) = &self.audit else { return Ok(()) };
        audit.call(&asked, self.clock.date(), error).or_else(|failure| {
            self.log.lost(asked.operation, &failure);
            self.tally.count(Event::AuditLost);
            // A key that was given is wiped, and nobody has had it.
            if error.is_none() && audit.is_required() { Err(KmsError::Audit(Arc::new(failure))) } else { Ok(()) }
        })
    }
}

impl Kms for Watched {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.call(KmsCall::EnsureKey, alias, None, None, |kms| kms.ensure_key(alias, description))
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.call(KmsCall::DescribeKey, key, None, None, |kms| kms.describe_key(key))
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        let ask = |kms: &dyn Kms| kms.generate_data_key(key, context);
        self.call(KmsCall::GenerateDataKey, key, None, Some(context), ask)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.call(KmsCall::Decrypt, key, None, Some(context), |kms| kms.decrypt(key, wrapped, context))
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        let ask = |kms: &dyn Kms| kms.re_encrypt(from, wrapped, context, to);
        self.call(KmsCall::ReEncrypt, from, Some(to), Some(context), ask)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kms.fmt(f)
    }
}

thread_local! {
    static OPERATION: Cell<&'static str> = const { Cell::new("") };
}

/// What the caller asked for whose KMS calls these are.
fn operation() -> &'static str {
    OPERATION.get()
}

/// Until this is dropped, KMS calls of this thread are for an operation: the outermost, for one may need another.
pub(crate) struct During {
    before: &'static str,
}

impl During {
    pub(crate) fn new(operation: &'static str) -> Self {
        let before = OPERATION.get();
        if before.is_empty() {
            OPERATION.set(operation);
        }
        Self { before }
    }
}

impl Drop for During {
    fn drop(&mut self) {
        OPERATION.set(self.before);
    }
}
