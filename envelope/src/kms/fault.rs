//! A KMS that fails as it is told, over one that works: for tests of what callers do then.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, PoisonError};

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

use super::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use crate::clock::Clock;
use crate::keys::boxed_key;
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
    garbles: bool,
    panics: bool,
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

    /// From now on every answer is wrong, or none is: another key is unwrapped, and what is wrapped cannot be unwrapped.
    pub fn garble(&self, garbles: bool) {
        self.fault().garbles = garbles;
    }

    /// From now on every call panics, or none does.
    pub fn panic(&self, panics: bool) {
        self.fault().panics = panics;
    }

    /// Calls that were made so far, failed ones among them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn pass(&self) -> Result<&dyn Kms, KmsError> {
        let Fault { error, delay, panics, .. } = self.fault().clone();
        // Before the call is counted: whoever sees it counted may turn the clock.
        let until = self.clock.now() + delay;
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !delay.is_zero() {
            let alarm = self.clock.alarm();
            self.clock.wait(&alarm, Some(until));
            self.clock.retire(&alarm);
        }
        assert!(!panics, "{PANIC}");
        error.map_or(Ok(&*self.inner), Err)
    }

    fn wrapped(&self, mut wrapped: Vec<u8>) -> Vec<u8> {
        if self.fault().garbles {
            wrapped.iter_mut().for_each(|byte| *byte ^= 0xa5);
        }
        wrapped
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
        let GeneratedKey { kms_key, key, wrapped } = self.pass()?.generate_data_key(key, context)?;
        Ok(GeneratedKey { kms_key, key, wrapped: self.wrapped(wrapped) })
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let unwrapped = self.pass()?.decrypt(key, wrapped, context)?;
        if !self.fault().garbles {
            return Ok(unwrapped);
        }
        boxed_key(|key| {
            key.fill(0xa5);
            Ok(())
        })
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        let (kms_key, wrapped) = self.pass()?.re_encrypt(from, wrapped, context, to)?;
        Ok((kms_key, self.wrapped(wrapped)))
    }
}

impl fmt::Debug for FaultKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultKms({:?})", self.inner)
    }
}

/// What a panic says that was asked for.
const PANIC: &str = "the KMS was told to panic";
