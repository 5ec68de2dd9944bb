//! The settings of a service, and what they are unless set.

use core::time::Duration;
use std::sync::Arc;

use tablecrypt_os::PerProcess;

use crate::clock::{Clock, SystemClock};
use crate::counters::Counters;
use crate::kms::Kms;
use crate::log::Names;
use crate::refresh::Refresher;
use crate::service::{DEFAULT_KEY_ALIAS, Inner, Service};
use crate::store::KeyStore;
use crate::watched::Watched;

/// A [`Service`] with settings of its own.
#[derive(Debug)]
pub struct ServiceBuilder {
    kms: Arc<dyn Kms>,
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    subscriber: String,
    default_key: String,
    require_default_key: bool,
    refresh_every: Duration,
    refresh_within: Duration,
    names_in_log: bool,
}

impl ServiceBuilder {
    pub(crate) fn new(kms: Arc<dyn Kms>, store: Arc<dyn KeyStore>) -> Self {
        Self {
            kms,
            store,
            clock: Arc::new(SystemClock),
            subscriber: SUBSCRIBER.to_owned(),
            default_key: DEFAULT_KEY_ALIAS.to_owned(),
            require_default_key: false,
            refresh_every: REFRESH_EVERY,
            refresh_within: REFRESH_WITHIN,
            names_in_log: false,
        }
    }

    /// Takes the time from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Whose tables they are: the value of `tablecrypt:subscriber` in every encryption context. `default` unless set.
    #[must_use]
    pub fn subscriber(mut self, subscriber: impl Into<String>) -> Self {
        self.subscriber = subscriber.into();
        self
    }

    /// The alias of the service default key. [`DEFAULT_KEY_ALIAS`] unless set.
    #[must_use]
    pub fn default_key(mut self, alias: impl Into<String>) -> Self {
        self.default_key = alias.into();
        self
    }

    /// Never creates the service default key: where it is missing, whoever administers keys makes it.
    /// [`Error::KeyNotFound`](crate::Error::KeyNotFound) until then.
    #[must_use]
    pub const fn require_default_key(mut self) -> Self {
        self.require_default_key = true;
        self
    }

    /// How old a permission is when traffic has it refreshed (300 s unless set), and how long that may take before the
    /// keys are wiped (30 s).
    #[must_use]
    pub const fn refresh(mut self, every: Duration, within: Duration) -> Self {
        (self.refresh_every, self.refresh_within) = (every, within);
        self
    }

    /// Whether events and spans may tell the names of tables, which are values of the encryption context. Unless set they
    /// tell the tables' ids.
    #[must_use]
    pub const fn names_in_log(mut self, shown: bool) -> Self {
        self.names_in_log = shown;
        self
    }

    /// The service.
    #[must_use]
    pub fn build(self) -> Service {
        let tally = Arc::new(PerProcess::new());
        let kms = Watched::new(self.kms, Arc::clone(&self.clock), Arc::clone(&tally));
        Service {
            inner: Arc::new(Inner {
                refresher: Refresher::new(Arc::clone(&self.clock)),
                kms: Arc::new(kms),
                store: self.store,
                clock: self.clock,
                subscriber: self.subscriber,
                default_key: self.default_key,
                require_default_key: self.require_default_key,
                refresh_every: self.refresh_every,
                refresh_within: self.refresh_within,
                live: PerProcess::new(),
                names: Names::new(self.names_in_log),
                counters: Counters::new(),
                tally,
                #[cfg(feature = "metrics")]
                published: PerProcess::new(),
            }),
        }
    }
}

const REFRESH_EVERY: Duration = Duration::from_secs(300);
const REFRESH_WITHIN: Duration = Duration::from_secs(30);
const SUBSCRIBER: &str = "default";
