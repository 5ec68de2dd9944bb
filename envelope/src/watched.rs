//! A KMS whose every call is seen: counted, timed, in a span of its own, and in the audit log before its answer is used.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use tablecrypt_core::Key;
use tablecrypt_os::{KeyBox, PerProcess};

use crate::clock::Clock;
use crate::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use crate::log::{event, span};
use crate::metrics::{KmsCall, Tally};

/// Passes calls on to the KMS of a service. All calls of the service go this way.
pub(crate) struct Watched {
    kms: Arc<dyn Kms>,
    clock: Arc<dyn Clock>,
    tally: Arc<PerProcess<Tally>>,
}

impl Watched {
    pub(crate) fn new(kms: Arc<dyn Kms>, clock: Arc<dyn Clock>, tally: Arc<PerProcess<Tally>>) -> Self {
        Self { kms, clock, tally }
    }

    fn call<T>(&self, call: KmsCall, ask: impl FnOnce(&dyn Kms) -> Result<T, KmsError>) -> Result<T, KmsError> {
        span!("kms", call = call.name());
        let began = self.clock.now();
        let answer = ask(&*self.kms);
        self.answered(call, began, answer.as_ref().err());
        answer
    }

    fn answered(&self, call: KmsCall, began: Duration, error: Option<&KmsError>) {
        let time = self.clock.now().saturating_sub(began);
        let outcome = error.map_or("ok", KmsError::name);
        event!(debug, outcome, ?time, "the KMS has answered");
        self.tally.call(call, outcome, time);
    }
}

impl Kms for Watched {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.call(KmsCall::EnsureKey, |kms| kms.ensure_key(alias, description))
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.call(KmsCall::DescribeKey, |kms| kms.describe_key(key))
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.call(KmsCall::GenerateDataKey, |kms| kms.generate_data_key(key, context))
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.call(KmsCall::Decrypt, |kms| kms.decrypt(key, wrapped, context))
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.call(KmsCall::ReEncrypt, |kms| kms.re_encrypt(from, wrapped, context, to))
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kms.fmt(f)
    }
}
