//! A KMS that fails as it is told, over one that works: for tests of what callers do then.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, PoisonError};

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

use super::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use crate::clock::Clock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Passes calls on to another KMS, counts them, and fails or delays them while it is told to.
pub struct FaultKms {
    inner: Arc<dyn Kms>,
    clock: Arc<dyn Clock>,
    fault: Mutex<Fault>,
    calls: AtomicU64,
}

#[derive(Clone, Default)]
struct Fault {
    error: Option<KmsError>,
    delay: Duration,
}

impl FaultKms {
    /// A KMS that works as `inner` does until it is told otherwise; delays are measured by `clock`.
    #[must_use]
    pub fn new(inner: Arc<dyn Kms>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, fault: Mutex::default(), calls: AtomicU64::new(0) }
    }

    /// From now on every call fails with `error`, or none does.
    pub fn fail(&self, error: Option<KmsError>) {
        self.fault().error = error;
    }

    /// From now on every call takes this long before it does anything.
    pub fn delay(&self, delay: Duration) {
        self.fault().delay = delay;
    }

    /// Calls that were made so far, failed ones among them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn pass(&self) -> Result<&dyn Kms, KmsError> {
        let Fault { error, delay } = self.fault().clone();
        // Before the call is counted: whoever sees it counted may turn the clock.
        let until = self.clock.now() + delay;
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !delay.is_zero() {
            let alarm = self.clock.alarm();
            self.clock.wait(&alarm, Some(until));
            self.clock.retire(&alarm);
        }
        error.map_or(Ok(&*self.inner), Err)
    }

    fn fault(&self) -> MutexGuard<'_, Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kms for FaultKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.pass()?.ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.pass()?.describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.pass()?.generate_data_key(key, context)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.pass()?.decrypt(key, wrapped, context)
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.pass()?.re_encrypt(from, wrapped, context, to)
    }
}

impl fmt::Debug for FaultKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultKms({:?})", self.inner)
    }
}
