//! The settings of a service, and what they are unless set.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use tablecrypt_os::PerProcess;

use crate::audit::{Audit, Recorder, Recording};
use crate::automatic::Rotating;
use crate::clock::{Clock, SystemClock};
use crate::counters::Counters;
use crate::kms::Kms;
use crate::log::{Listener, Log};
use crate::refresh::Refresher;
use crate::scope::{Principals, Scope, Scoped};
use crate::service::{DEFAULT_KEY_ALIAS, Inner, Service};
use crate::store::KeyStore;
use crate::sync::StaticU64;
use crate::sync::atomic::AtomicBool;
use crate::timing::Timing;
use crate::watched::Watched;
use crate::{Error, Result};

/// A [`Service`] with settings of its own.
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
    listener: Option<Arc<dyn Listener>>,
    jitter: Option<Duration>,
    outage_grace: Duration,
    drain: Duration,
    scope: Scope,
    principals: Option<Arc<Principals>>,
    audit: Option<Arc<dyn Recorder>>,
    pub(crate) automatic: Option<Arc<dyn Rotating>>,
}

impl ServiceBuilder {
    #[inline(never)]
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
            listener: None,
            jitter: None,
            outage_grace: Duration::ZERO,
            drain: Duration::ZERO,
            scope: Scope::default(),
            principals: None,
            audit: None,
            automatic: None,
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

    /// Has every event told to this listener. Nobody is told unless set, and then nothing is put into words; `tracing` has
    /// the same events either way.
    ///
    /// It is called by whatever thread something happens on, also by those of the service, and while the service holds
    /// locks: it must not use the service, and should not take long. In a forked child it is called too. One that panics
    /// has been told.
    #[must_use]
    pub fn log(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// How much earlier the first refresh of a permission may be due than [`refresh`](Self::refresh) says, so that
    /// connections that were opened at once do not call the KMS at once from then on. A tenth of `every` unless set; at
    /// most half of it. No refresh is ever due later for that, and no hour has more calls.
    #[must_use]
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// How much longer than 330 s a table with traffic goes on with its old keys while the KMS *fails*: cannot be reached,
    /// throttles, has an internal error. None unless set. A KMS that says no ends it at once. A table without traffic has
    /// none: it ends 330 s after the KMS was last asked.
    ///
    /// It is a choice: with it, somebody who can keep this process from reaching the KMS can keep a permission that was
    /// taken away alive for this long.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] above 12 hours.
    pub fn outage_grace(mut self, grace: Duration) -> Result<Self> {
        if grace > LONGEST_GRACE {
            return Err(Error::InvalidSetting { setting: "outage_grace", range: "0 to 12 hours" });
        }
        self.outage_grace = grace;
        Ok(self)
    }

    /// How much longer a table whose key the KMS *refuses* (denied, disabled, pending deletion, not found) still seals,
    /// and opens nothing, with the keys that it had: so that a storage engine can write out what it has acknowledged, and
    /// shut down. None unless set. It ends with the connection, with a lock by hand, and when the KMS permits the key again.
    ///
    /// It is a choice: with it, whoever has taken a permission away waits this long until the keys are wiped. What is
    /// sealed meanwhile is read by nobody until the permission is back.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] above 1 hour.
    pub fn drain(mut self, drain: Duration) -> Result<Self> {
        if drain > LONGEST_DRAIN {
            return Err(Error::InvalidSetting { setting: "drain", range: "0 to 1 hour" });
        }
        self.drain = drain;
        Ok(self)
    }

    /// Who shares a permission. [`Scope::Connection`] unless set: nobody.
    #[must_use]
    pub const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// How each principal asks the KMS to unwrap a table's key: with credentials of its own, so that the KMS decides by
    /// who it is. It is called with the name given to [`Service::connect_as`] for each new permission. Unless set, all ask
    /// as the service does. Tables are created by the service in any case.
    #[must_use]
    pub fn principals(mut self, kms_of: impl Fn(&str) -> Arc<dyn Kms> + Send + Sync + 'static) -> Self {
        self.principals = Some(Arc::new(kms_of));
        self
    }

    /// Records every KMS call and every change of a table: an [`AuditLog`](crate::audit::AuditLog), or another
    /// [`Audit`]. A key that cannot be recorded is not used: creating and opening a table fail, and a connection that is
    /// open goes on until its deadline. None unless set.
    #[must_use]
    pub fn audit(mut self, audit: Arc<dyn Audit>) -> Self {
        self.audit = Some(Arc::new(Recording(audit)));
        self
    }

    /// The service.
    #[must_use]
    #[inline(never)]
    pub fn build(self) -> Service {
        let tally = Arc::new(PerProcess::new());
        let kms = Watched {
            kms: self.kms,
            clock: Arc::clone(&self.clock),
            tally: Arc::clone(&tally),
            audit: self.audit.clone(),
            log: Log::new(self.listener, self.names_in_log),
            principal: None,
        };
        let every = self.refresh_every;
        Service {
            inner: Arc::new(Inner {
                refresher: Refresher::new(Arc::clone(&self.clock)),
                kms: Arc::new(kms),
                store: self.store,
                clock: self.clock,
                subscriber: self.subscriber,
                default_key: self.default_key,
                timing: Timing {
                    every,
                    within: self.refresh_within,
                    grace: self.outage_grace,
                    drain: self.drain,
                    jitter: self.jitter.unwrap_or(every / 10).min(every / 2),
                    spread: StaticU64::new(0),
                },
                scoped: Scoped::new(self.scope, self.principals),
                locked: AtomicBool::new(false),
                live: PerProcess::new(),
                inaccessible: PerProcess::new(),
                require_default_key: self.require_default_key,
                audit: self.audit,
                automatic: self.automatic,
                counters: Counters::new(),
                tally,
                #[cfg(feature = "metrics")]
                published: PerProcess::new(),
            }),
        }
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceBuilder({:?}, {:?})", self.kms, self.store)
    }
}

const REFRESH_EVERY: Duration = Duration::from_secs(300);
const REFRESH_WITHIN: Duration = Duration::from_secs(30);
const SUBSCRIBER: &str = "default";
const LONGEST_GRACE: Duration = Duration::from_secs(12 * 3600);
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);
