//! A permission: the leave to use one table's keys, a snapshot of them, and how long it lasts. Who has it is its scope.
//!
//! ```text
//! 0 s         270..300 s                330 s                                  330 s + outage_grace
//! | live      | due: with traffic, a    | wiped by the timer. With a grace,    | wiped
//! |           | refresh by a worker     | while the KMS fails but says no no:  |
//! |           |                         | the old keys, with traffic           |
//! ```
//!
//! A definite no locks at once, at any time; with a drain, what it finds still seals for so long, and opens nothing. A locked permission is asked for again in pauses that grow: in the background
//! while there is traffic, which fails meanwhile without waiting; else by the next operation, which waits.
//!
//! `active` is a flag that operations test before they set it. The timer clears it once, when a refresh is due; the
//! operation that sets it again is the traffic that the refresh waits for. So an idle connection makes no call.

mod deadline;
mod refusal;

use core::fmt;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use tablecrypt_os::{PerProcess, fork_generation};

use crate::access::Access;
use crate::counters::Counters;
use crate::keys::Keys;
use crate::kms::Kms;
use crate::log::{TableName, event, operation};
use crate::metrics::Event;
use crate::scope::Sharers;
use crate::service::Inner;
#[cfg(shuttle)]
use crate::sync::Planted;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, Swap};
use crate::table::TableDescription;
use crate::{Error, Result};

pub(crate) struct Permission {
    service: Arc<Inner>,
    /// The KMS, as whoever has the permission may use it.
    kms: Arc<dyn Kms>,
    table: TableName,
    /// Who shares it, under a scope that shares.
    sharers: Option<Sharers>,
    /// The live keys, while there is a permission.
    keys: Swap<Keys>,
    /// What they were when the KMS refused them, while they may still seal.
    draining: Swap<Keys>,
    /// Whether there was an operation since a refresh became due, or since a failure that locked.
    active: AtomicBool,
    /// The process that has the live keys, and whose timer watches this permission.
    generation: AtomicU64,
    /// Connections that have it and are not closed.
    holders: AtomicU64,
    /// Whether it was locked by hand. A forked child finds this as it was.
    locked: AtomicBool,
    /// A forked child begins with a new one: it knows of no refresh, no failure and no waiting thread.
    waiting: PerProcess<Waiting>,
}

#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether a refresh is under way; there is never a second one.
    in_flight: bool,
    /// Whether that one is in the background after a failure, so that operations without keys fail and do not wait for it.
    probing: bool,
    /// When the KMS call began that the live keys come from.
    refreshed: Duration,
    /// When they are to be refreshed.
    due: Duration,
    /// Whether the timer has cleared `active` since then.
    cleared: bool,
    /// When the last KMS call began, or was queued.
    tried: Duration,
    failure: Option<Failure>,
    /// Since when the key is known to be inaccessible, and since when old keys are used all the same.
    inaccessible_since: Option<SystemTime>,
    grace_since: Option<SystemTime>,
    /// Until when what is draining may seal.
    drains_until: Option<Duration>,
    /// When the timer looks next.
    scheduled: Option<Duration>,
}

/// The KMS failed and has not answered well since.
#[derive(Clone)]
struct Failure {
    error: Error,
    since: SystemTime,
    /// Before this nobody asks again.
    retry: Duration,
    pause: Duration,
}

impl Permission {
    pub(crate) fn new(service: &Arc<Inner>, kms: Arc<dyn Kms>, table: &str, sharers: Option<Sharers>) -> Arc<Self> {
        Arc::new(Self {
            service: Arc::clone(service),
            kms,
            table: service.log().name(table),
            sharers,
            keys: Swap::empty(),
            draining: Swap::empty(),
            active: AtomicBool::new(true),
            generation: AtomicU64::new(0),
            holders: AtomicU64::new(0),
            locked: AtomicBool::new(false),
            waiting: PerProcess::new(),
        })
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The table, as the log tells it.
    #[cfg(feature = "tracing")]
    pub(crate) const fn name(&self) -> &TableName {
        &self.table
    }

    pub(crate) const fn sharers(&self) -> Option<&Sharers> {
        self.sharers.as_ref()
    }

    /// The live keys of this moment.
    #[inline]
    pub(crate) const fn snapshot(&self) -> &Swap<Keys> {
        &self.keys
    }

    /// Tells the timer of the first operation since a refresh became due.
    #[inline]
    pub(crate) fn note_traffic(self: &Arc<Self>) {
        if !self.active.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(self: &Arc<Self>) {
        if !self.active.swap(true, Ordering::Relaxed) {
            self.count(Event::Stale);
            self.service.refresher.ring(self);
        }
    }

    /// One connection more has it.
    pub(crate) fn join(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// One connection less. After the last no key is left, and none lands any more.
    pub(crate) fn leave(&self) {
        let _state = self.state();
        if self.holders.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.let_go();
        }
        self.waiting.landed.notify_all();
    }

    /// Makes the permission this process's: at its first operation, and at the first after a fork. A child has none of
    /// its parent's threads and none of its keys, so it lets go of what they were, and asks the KMS for itself.
    pub(crate) fn watch(self: &Arc<Self>) -> Result<()> {
        let generation = fork_generation();
        let _state = self.state();
        if self.generation.load(Ordering::Relaxed) == generation {
            return Ok(());
        }
        self.let_go();
        // A child's connections share what it inherited, unless one of them came first.
        self.service.scoped.share(self);
        // No key is used that no timer would wipe: if there is no thread to be had, the next operation tries again.
        let watched = self.service.refresher.watch(self);
        watched.map_err(|error| Error::io("the thread that watches deadlines", error))?;
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for one refresh, which all callers that come at once share; fails at once with what is known while the KMS
    /// is not to be asked again yet, or is asked by a worker.
    #[cold]
    pub(crate) fn ask(self: &Arc<Self>, access: &Access) -> Result<Arc<Keys>> {
        self.count(Event::Miss);
        let mut state = self.state();
        loop {
            if access.is_closed() {
                return Err(Error::Closed);
            }
            if self.is_locked() {
                return Err(Error::Locked);
            }
            if let Some(keys) = self.keys.load_full() {
                return Ok(keys);
            }
            if let Some(failure) = &state.failure
                && (state.probing || self.service.clock.now() < failure.retry)
            {
                // Traffic: a worker asks when the pause is over.
                self.active.store(true, Ordering::Relaxed);
                return Err(failure.error.clone());
            }
            if !state.in_flight {
                break;
            }
            self.count(Event::Wait);
            state = self.waiting.landed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        #[cfg(shuttle)]
        if Planted::CheckThenAct.is_planted() {
            drop(state);
            state = self.state();
        }
        (state.in_flight, state.tried) = (true, self.service.clock.now());
        drop(state);
        self.refresh()
    }

    /// Asks the KMS, and lands what it says. The caller has set `in_flight`; no lock is held over the call.
    pub(crate) fn refresh(self: &Arc<Self>) -> Result<Arc<Keys>> {
        let _landing = Landing(self);
        operation!("refresh", table = %self.service.log().table(&self.table));
        let (began, date) = (self.service.clock.now(), self.service.clock.date());
        let answer = self.unwrap();
        let mut state = self.state();
        #[cfg(shuttle)]
        let (lands_closed, lands_locked) =
            (Planted::LandsAfterClose.is_planted(), Planted::LandsAfterLock.is_planted());
        #[cfg(not(shuttle))]
        let (lands_closed, lands_locked) = (false, false);
        if self.holders.load(Ordering::Relaxed) == 0 && !lands_closed {
            return Err(Error::Closed);
        }
        if self.is_locked() && !lands_locked {
            return Err(Error::Locked);
        }
        match answer {
            Ok(keys) => {
                self.land(&mut state, began, &keys);
                Ok(keys)
            }
            Err(refusal) => Err(self.fail(&mut state, date, refusal)),
        }
    }

    /// What the KMS says. A store of key files that panics has failed, as a KMS that does: it must not end a worker, nor be
    /// asked again without a pause.
    fn unwrap(&self) -> Result<Arc<Keys>, Option<Error>> {
        catch_unwind(AssertUnwindSafe(|| self.service.unwrap_table(&*self.kms, &self.table))).unwrap_or(Err(None))
    }

    fn land(&self, state: &mut State, began: Duration, keys: &Arc<Keys>) {
        // Permissions that were cold may have come all at once; those that follow a refresh stay as far apart as they are.
        let early = if !self.keys.is_some() { self.service.timing.spread(began) } else { Duration::ZERO };
        (state.refreshed, state.due, state.cleared) = (began, self.service.timing.due(began) - early, false);
        (state.inaccessible_since, state.grace_since) = (None, None);
        self.service.found_accessible(&self.table);
        if state.failure.take().is_some() {
            event!(self.service.log(), Info, "the KMS permits the table's key again", &self.table);
        } else {
            event!(self.service.log(), Debug, "the KMS permits the table's key", &self.table);
        }
        self.active.store(true, Ordering::Relaxed);
        self.keys.store(Some(Arc::clone(keys)));
        self.stop_draining(state);
    }

    /// Locks it by hand.
    pub(crate) fn lock(&self) {
        self.locked.store(true, Ordering::Relaxed);
        self.wipe();
        event!(self.service.log(), Info, "the table is locked by hand", &self.table);
    }

    /// Takes that back. The KMS is asked at the next operation, whatever it said before.
    pub(crate) fn unlock(&self) {
        let mut state = self.state();
        self.locked.store(false, Ordering::Relaxed);
        if let Some(failure) = &mut state.failure {
            failure.retry = Duration::ZERO;
        }
    }

    /// No key is left; a refresh that is under way sees why when it lands.
    pub(crate) fn wipe(&self) {
        let mut state = self.state();
        self.let_go();
        state.grace_since = None;
        self.waiting.landed.notify_all();
    }

    /// No key is left here. Under the lock of `state`.
    fn let_go(&self) {
        self.keys.store(None);
        self.draining.store(None);
    }

    pub(crate) fn describe(&self) -> Result<TableDescription> {
        let (inaccessible_since, grace_since) = {
            let state = self.state();
            (state.inaccessible_since, state.grace_since)
        };
        let description = self.service.describe_table(&self.table)?;
        Ok(TableDescription { inaccessible_since, grace_since, locked: self.is_locked(), ..description })
    }

    /// Where operations are counted.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.service.counters
    }

    pub(crate) fn count(&self, event: Event) {
        self.service.tally.count(event);
    }

    pub(crate) fn grace_since(&self) -> Option<SystemTime> {
        self.state().grace_since
    }

    /// Set before the keys are wiped under the lock of `state`: what lands after that sees it.
    fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed) || self.service.locked.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.waiting.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permission {
    fn drop(&mut self) {
        if let Some(sharers) = &self.sharers {
            self.service.scoped.forget(sharers);
        }
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", &*self.table)
    }
}

/// Ends a refresh, however it ends.
struct Landing<'a>(&'a Arc<Permission>);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.0.state();
            (state.in_flight, state.probing) = (false, false);
        }
        #[cfg(shuttle)]
        if Planted::LostWakeUp.is_planted() {
            return;
        }
        self.0.waiting.landed.notify_all();
        self.0.service.refresher.ring(self.0);
    }
}
