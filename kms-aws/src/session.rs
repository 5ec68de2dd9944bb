//! The SDK's client of one process, made when it is first used.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::{ClientRateLimiter, RetryPartition, TokenBucket};
use tokio::sync::OnceCell;

use crate::default_key::Creation;

/// What an [`AwsKms`](crate::AwsKms) was told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) attempt: Duration,
    pub(crate) call: Duration,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) configure: Option<Arc<Configure>>,
}

type Configure = dyn Fn(ConfigLoader) -> ConfigLoader + Send + Sync;

impl Default for Settings {
    fn default() -> Self {
        Self { attempt: ATTEMPT, call: CALL, tags: BTreeMap::new(), configure: None }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, call, tags, .. } = self;
        f.debug_struct("Settings")
            .field("attempt", attempt)
            .field("call", call)
            .field("tags", tags)
            .finish_non_exhaustive()
    }
}

/// The client, and the default keys that are being made through it.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    client: OnceCell<Client>,
    /// By alias: callers that come at once share one creation.
    pub(crate) creations: Mutex<HashMap<String, Creation>>,
}

impl Session {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceCell::new(), creations: Mutex::default() }
    }

    /// The client. The standard chain is asked once; if that is cut off by a timeout, by the next call again.
    pub(crate) async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.load()).await
    }

    /// How long a call of the trait may take: a second more than the SDK allows itself.
    pub(crate) fn limit(&self) -> Duration {
        self.settings.call + Duration::from_secs(1)
    }

    async fn load(&self) -> Client {
        let Settings { attempt, call, configure, .. } = &self.settings;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(*attempt)
            .read_timeout(*attempt)
            .operation_attempt_timeout(*attempt)
            .operation_timeout(*call);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts.build());
        if let Ok(name) = AppName::new("tablecrypt") {
            loader = loader.app_name(name);
        }
        if let Some(configure) = configure {
            loader = configure(loader);
        }
        let config = aws_sdk_kms::config::Builder::from(&loader.load().await);
        Client::from_conf(config.retry_partition(quota()).build())
    }
}

/// How many tries beyond the first there may be, and how fast. The SDK has one such quota for all clients of a process and a region
/// unless it is told: a KMS that fails, or other calls of the program's, would leave no second try to a KMS that is well. And what an
/// outage used up it gives back by calls that succeed, one token each, of which a second try takes several: here, where a call is
/// made every five minutes, that would take days. So it is full again after as long.
fn quota() -> RetryPartition {
    let tokens = TokenBucket::builder().capacity(QUOTA).refill_rate(QUOTA as f32 / REFILL.as_secs_f32());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Of this moment: one that begins in 1970 has seen no call for decades, and thinks nothing of going on so.
    let rate = ClientRateLimiter::new(now.as_secs_f64());
    RetryPartition::custom("tablecrypt").token_bucket(tokens.build()).client_rate_limiter(rate).build()
}

/// The SDK's own number of tokens.
const QUOTA: usize = 500;
const REFILL: Duration = Duration::from_mins(5);

/// What a try may take unless set.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(2);
/// What a call may take with all its tries, unless set.
pub(crate) const CALL: Duration = Duration::from_secs(10);
/// Four tries of 2 s, and the waits between them, fit into 10 s.
const ATTEMPTS: u32 = 4;
