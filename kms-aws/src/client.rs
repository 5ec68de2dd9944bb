//! What a caller meets: the trait's calls, each sent to the worker and waited for.

use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{ConfigLoader, Region};
use tablecrypt::KeyBox;
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError, note_request};
use tablecrypt_os::PerProcess;

use crate::calls::Answer;
use crate::session::{ATTEMPT, CALL, Session, Settings};
use crate::worker::Worker;

/// AWS KMS. Clone it freely; clones share one thread, one client and its connections. Nothing is sent before the first call.
#[derive(Clone, Debug)]
pub struct AwsKms {
    settings: Settings,
    process: Arc<PerProcess<Process>>,
}

impl AwsKms {
    /// What a try may take unless [`with_timeouts`](Self::with_timeouts) sets it: 2 s.
    pub const ATTEMPT: Duration = ATTEMPT;
    /// What a call may take with all its tries: 10 s.
    pub const CALL: Duration = CALL;

    /// With the standard chain's credentials, region and endpoint.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Settings::default())
    }

    /// How long a try may take (2 s unless set), and a call with all its tries (10 s). To make a missing default key takes
    /// several calls.
    #[must_use]
    pub fn with_timeouts(self, attempt: Duration, call: Duration) -> Self {
        Self::of(Settings { attempt, call, ..self.settings })
    }

    /// Tags of a default key that this client creates, beside `created-by: tablecrypt`.
    #[must_use]
    pub fn with_tags<N: Into<String>, V: Into<String>>(self, tags: impl IntoIterator<Item = (N, V)>) -> Self {
        let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::of(Settings { tags, ..self.settings })
    }

    /// Changes what the standard chain is asked with: a profile, a region, credentials of the caller's own. It is called
    /// once in each process, so that a forked child shares no connection with its parent.
    #[must_use]
    pub fn with_config(self, configure: impl Fn(ConfigLoader) -> ConfigLoader + Send + Sync + 'static) -> Self {
        Self::of(Settings { configure: Some(Arc::new(configure)), ..self.settings })
    }

    /// Gives the standard chain a region, an endpoint or a profile; what is `None` it finds by itself. It is
    /// [`with_config`](Self::with_config) for what most callers set, and takes its place.
    #[must_use]
    pub fn with_chain(self, region: Option<String>, endpoint: Option<String>, profile: Option<String>) -> Self {
        self.with_config(move |mut loader| {
            if let Some(region) = &region {
                loader = loader.region(Region::new(region.clone()));
            }
            if let Some(endpoint) = &endpoint {
                loader = loader.endpoint_url(endpoint);
            }
            if let Some(profile) = &profile {
                loader = loader.profile_name(profile);
            }
            loader
        })
    }

    fn of(settings: Settings) -> Self {
        Self { settings, process: Arc::default() }
    }

    /// Sends a call to this process's worker and waits for its answer. The worker sees to it that there is one in time.
    fn call<T: Send + 'static>(&self, call: impl AsyncCall<T>) -> Result<T, KmsError> {
        let Answer { result, request } = self.process.worker(&self.settings)?.run(call)?;
        if let Some(request) = request {
            note_request(request);
        }
        result
    }
}

/// What the worker runs.
pub(crate) trait AsyncCall<T>: FnOnce(Arc<Session>) -> Self::Future + Send + 'static {
    type Future: Future<Output = Answer<T>> + Send + 'static;
}

impl<T, F: Future<Output = Answer<T>> + Send + 'static, C: FnOnce(Arc<Session>) -> F + Send + 'static> AsyncCall<T>
    for C
{
    type Future = F;
}

impl Default for AwsKms {
    fn default() -> Self {
        Self::new()
    }
}

impl Kms for AwsKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        let (alias, description) = (alias.to_owned(), description.to_owned());
        self.call(|session| async move { session.ensure_key(alias, description).await })
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        let key = key.to_owned();
        self.call(|session| async move { session.describe_key(&key).await })
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        let (key, context) = (key.to_owned(), context.clone());
        self.call(|session| async move { session.generate_data_key(&key, &context).await })
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let (key, wrapped, context) = (key.to_owned(), wrapped.to_owned(), context.clone());
        self.call(|session| async move { session.decrypt(&key, wrapped, &context).await })
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        let (from, wrapped, context, to) = (from.to_owned(), wrapped.to_owned(), context.clone(), to.to_owned());
        self.call(|session| async move { session.re_encrypt(&from, wrapped, &context, &to).await })
    }
}

/// The worker of this process, once there is one.
#[derive(Default)]
struct Process(Mutex<Option<Arc<Worker>>>);

impl Process {
    fn worker(&self, settings: &Settings) -> Result<Arc<Worker>, KmsError> {
        let mut worker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = &*worker {
            return Ok(Arc::clone(worker));
        }
        let started = Arc::new(Worker::start(settings.clone()).map_err(no_thread)?);
        *worker = Some(Arc::clone(&started));
        Ok(started)
    }
}

/// No thread, or no descriptor for its runtime, at this moment: it may pass.
fn no_thread(error: io::Error) -> KmsError {
    tracing::warn!(%error, "the thread for AWS KMS did not start");
    KmsError::Internal
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}
