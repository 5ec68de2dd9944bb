//! A permission: one connection's leave to use one table's keys, a snapshot of them, and the deadline.
//!
//! ```text
//!             with_keys: one atomic read                      no keys: wait for one refresh, shared by all
//! operation ------------------------------> snapshot <--------------------------------- refresh.rs
//!     | first one after 300 s: rings              ^ wiped at 330 s, or at a definite no, by the timer
//!     +------------------------------> timer -----+
//! ```
//!
//! `active` is a flag that operations test before they set it. The timer clears it once, when a refresh is due; the
//! operation that sets it again is the traffic that the refresh waits for. So an idle connection makes no call.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use arc_swap::Guard;
use tablecrypt_os::{PerProcess, fork_generation};

use crate::counters::Counters;
use crate::keys::Keys;
use crate::log::{event, span};
use crate::metrics::Event;
use crate::service::Inner;
#[cfg(shuttle)]
use crate::sync::Planted;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, Swap};
use crate::table::TableDescription;
use crate::{Error, Result};

/// The first pause before the KMS is asked again after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause while the table is locked. While keys live it is a sixth of the time that a refresh has, so
/// that a KMS that comes back before the deadline is found.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Permission {
    service: Arc<Inner>,
    table: String,
    /// The live keys, while there is a permission.
    keys: Swap<Keys>,
    /// Whether there was an operation since a refresh became due.
    active: AtomicBool,
    /// The process that has the live keys, and whose timer watches this permission.
    generation: AtomicU64,
    /// Set once, and then for every process that is forked.
    closed: AtomicBool,
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
    /// When the KMS call began that the live keys come from.
    refreshed: Duration,
    /// Whether the timer has cleared `active` since then.
    due: bool,
    failure: Option<Failure>,
    /// Since when the KMS says a definite no.
    inaccessible_since: Option<SystemTime>,
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

/// What the timer is to do with a permission.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// Nothing before this time.
    Later(Duration),
    /// Nothing before something else happens.
    Nothing,
    /// A refresh, on a thread that may block; and a look again at this time, the deadline, if it has not landed.
    Refresh(Duration),
}

impl Permission {
    pub(crate) fn new(service: &Arc<Inner>, table: &str) -> Arc<Self> {
        Arc::new(Self {
            service: Arc::clone(service),
            table: table.to_owned(),
            keys: Swap::empty(),
            active: AtomicBool::new(true),
            generation: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            waiting: PerProcess::new(),
        })
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Calls `f` with the live keys; waits for a refresh first if there are none.
    #[inline]
    pub(crate) fn with_keys<T>(self: &Arc<Self>, f: impl FnOnce(&Keys) -> Result<T>) -> Result<T> {
        // Acquire: what `watch` did to the keys is seen.
        if self.generation.load(Ordering::Acquire) != fork_generation() {
            self.watch()?;
        }
        let mut snapshot = self.keys.load();
        if snapshot.is_none() {
            drop(snapshot);
            snapshot = Guard::from_inner(Some(self.unlock()?));
            self.service.tally.count(Event::Unlocked);
        }
        if !self.active.load(Ordering::Relaxed) {
            self.wake();
        }
        // `f` stands here once, so that it is inlined.
        snapshot.as_ref().map_or(Err(Error::Closed), |keys| f(keys))
    }

    /// The first operation since a refresh became due.
    #[cold]
    fn wake(&self) {
        if !self.active.swap(true, Ordering::Relaxed) {
            self.service.tally.count(Event::Stale);
            self.service.refresher.ring();
        }
    }

    /// Makes the permission this process's: at its first operation, and at the first after a fork. A child has none of
    /// its parent's threads and none of its keys, so it lets go of what they were, and asks the KMS for itself.
    #[cold]
    fn watch(self: &Arc<Self>) -> Result<()> {
        let generation = fork_generation();
        let _state = self.state();
        if self.generation.load(Ordering::Relaxed) == generation {
            return Ok(());
        }
        self.keys.store(None);
        // No key is used that no timer would wipe: if there is no thread to be had, the next operation tries again.
        let watched = self.service.refresher.watch(self);
        watched.map_err(|error| Error::io("the thread that watches deadlines", error))?;
        self.generation.store(generation, Ordering::Release);
        Ok(())
    }

    /// Waits for one refresh, which all callers that come at once share.
    #[cold]
    fn unlock(&self) -> Result<Arc<Keys>> {
        self.service.tally.count(Event::Miss);
        let mut state = self.state();
        loop {
            if self.is_closed() {
                return Err(Error::Closed);
            }
            if let Some(keys) = self.keys.load_full() {
                return Ok(keys);
            }
            if let Some(failure) = &state.failure
                && self.service.clock.now() < failure.retry
            {
                return Err(failure.error.clone());
            }
            if !state.in_flight {
                break;
            }
            self.service.tally.count(Event::Wait);
            state = self.waiting.landed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        #[cfg(shuttle)]
        if Planted::CheckThenAct.is_planted() {
            drop(state);
            state = self.state();
        }
        state.in_flight = true;
        drop(state);
        self.refresh()
    }

    /// Asks the KMS, and lands what it says. The caller has set `in_flight`; no lock is held over the call.
    pub(crate) fn refresh(&self) -> Result<Arc<Keys>> {
        let _landing = Landing(self);
        span!("refresh", table = %self.service.names.of(&self.table));
        let (began, date) = (self.service.clock.now(), self.service.clock.date());
        let answer = self.service.unwrap_table(&self.table);
        let mut state = self.state();
        #[cfg(shuttle)]
        let is_planted = Planted::LandsAfterClose.is_planted();
        #[cfg(not(shuttle))]
        let is_planted = false;
        if self.is_closed() && !is_planted {
            return Err(Error::Closed);
        }
        match answer {
            Ok(keys) => {
                (state.refreshed, state.due) = (began, false);
                (state.failure, state.inaccessible_since) = (None, None);
                self.active.store(true, Ordering::Relaxed);
                self.keys.store(Some(Arc::clone(&keys)));
                event!(debug, table = %self.service.names.of(&self.table), "the KMS permits the table's key");
                Ok(keys)
            }
            Err(refusal) => {
                let before = state.failure.take();
                let since = before.as_ref().map_or(date, |failure| failure.since);
                let error = refusal.unwrap_or(Error::KeyUnavailable { since });
                if !matches!(error, Error::KeyUnavailable { .. } | Error::Io { .. }) {
                    // A definite no: locked at once.
                    self.keys.store(None);
                    state.inaccessible_since.get_or_insert(date);
                }
                let is_locked = self.keys.load().is_none();
                let longest = if is_locked { LONGEST_PAUSE } else { self.service.refresh_within / 6 };
                let pause = before.map_or(FIRST_PAUSE, |failure| (failure.pause * 2).min(longest));
                let retry = self.service.clock.now() + pause;
                event!(
                    warn,
                    table = %self.service.names.of(&self.table),
                    error = %self.service.names.error(&error),
                    "the table's key was not refreshed"
                );
                state.failure = Some(Failure { error: error.clone(), since, retry, pause });
                Err(error)
            }
        }
    }

    /// What is due at `now`; wipes the keys when the deadline has passed. Called by the timer only.
    pub(crate) fn tick(&self, now: Duration) -> Due {
        let mut state = self.state();
        if self.keys.load().is_none() {
            return Due::Nothing;
        }
        let (due, deadline) = (state.refreshed + self.service.refresh_every, state.refreshed + self.service.deadline());
        if now >= deadline {
            self.keys.store(None);
            event!(info, table = %self.service.names.of(&self.table), "the permission has run out; the table's keys are wiped");
            return Due::Nothing;
        }
        if now < due {
            return Due::Later(due);
        }
        if !state.due {
            state.due = true;
            self.active.store(false, Ordering::Relaxed);
        }
        if state.in_flight || !self.active.load(Ordering::Relaxed) {
            return Due::Later(deadline);
        }
        match &state.failure {
            Some(failure) if now < failure.retry => Due::Later(failure.retry.min(deadline)),
            _ => {
                state.in_flight = true;
                Due::Refresh(deadline)
            }
        }
    }

    #[inline]
    pub(crate) fn is_unlocked(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Ends the permission for good.
    pub(crate) fn close(&self) {
        let _state = self.state();
        self.closed.store(true, Ordering::Relaxed);
        self.keys.store(None);
        self.waiting.landed.notify_all();
    }

    /// For how long the live keys have been due for a refresh while operations used them; None where there are no keys.
    pub(crate) fn stale_for(&self, now: Duration) -> Option<Duration> {
        let due = self.state().refreshed + self.service.refresh_every;
        let stale = if self.active.load(Ordering::Relaxed) { now.saturating_sub(due) } else { Duration::ZERO };
        self.is_unlocked().then_some(stale)
    }

    /// Where operations are counted.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.service.counters
    }

    pub(crate) fn permitted_for(&self) -> Option<Duration> {
        let state = self.state();
        let deadline = state.refreshed + self.service.deadline();
        self.is_unlocked().then(|| deadline.saturating_sub(self.service.clock.now()))
    }

    pub(crate) fn describe(&self) -> Result<TableDescription> {
        let inaccessible_since = self.state().inaccessible_since;
        Ok(TableDescription { inaccessible_since, ..self.service.describe_table(&self.table)? })
    }

    /// Read and set under the lock of `state`, unless by the parent before a fork.
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.waiting.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", self.table)
    }
}

/// Ends a refresh, however it ends: a KMS that panics must not leave everybody waiting.
struct Landing<'a>(&'a Permission);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight = false;
        #[cfg(shuttle)]
        if Planted::LostWakeUp.is_planted() {
            return;
        }
        self.0.waiting.landed.notify_all();
        self.0.service.refresher.ring();
    }
}
