//! What becomes of a permission when the KMS fails or says no: pauses, the lock, and the drain.

use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Failure, Permission, State};
use crate::keys::Keys;
use crate::log::event;
use crate::sync::atomic::Ordering;
use crate::{Error, Result};

impl Permission {
    pub(super) fn fail(&self, state: &mut State, date: SystemTime, refusal: Option<Error>) -> Error {
        let before = state.failure.take();
        let since = before.as_ref().map_or(date, |failure| failure.since);
        let error = refusal.unwrap_or(Error::KeyUnavailable { since });
        let may_pass = match error {
            Error::KeyUnavailable { .. } => true,
            // The key file cannot be read, which is no outage of the KMS.
            Error::Io { .. } => state.grace_since.is_none(),
            _ => false,
        };
        event!(self.service.log(), Warn, "the table's key was not refreshed", &self.table, &error);
        if !may_pass {
            self.refuse(state, &error);
        }
        let is_locked = !self.keys.is_some();
        if is_locked {
            self.found_inaccessible(state, date);
        }
        let waits_for_traffic = is_locked || state.grace_since.is_some();
        if waits_for_traffic {
            self.active.store(false, Ordering::Relaxed);
        }
        let longest = if waits_for_traffic { LONGEST_PAUSE } else { self.service.timing.within / 6 };
        let pause = before.map_or(FIRST_PAUSE, |failure| (failure.pause * 2).min(longest));
        let retry = self.service.clock.now() + pause;
        state.failure = Some(Failure { error: error.clone(), since, retry, pause });
        error
    }

    /// Locks; what had keys until now may drain, if it was the KMS that refused them.
    fn refuse(&self, state: &mut State, error: &Error) {
        let refused = self.keys.load_full();
        self.keys.store(None);
        if !error.is_refusal() {
            self.stop_draining(state);
        } else if refused.is_some() && !self.service.timing.drain.is_zero() {
            state.drains_until = Some(self.service.clock.now().saturating_add(self.service.timing.drain));
            self.draining.store(refused);
            event!(self.service.log(), Warn, "the table drains: it seals a while, and opens nothing", &self.table);
        }
    }

    pub(super) fn stop_draining(&self, state: &mut State) {
        state.drains_until = None;
        self.draining.store(None);
    }

    /// The keys to seal with, after the KMS refused them and while the table drains; else why there are none.
    #[cold]
    pub(crate) fn drain(&self, error: Error) -> Result<Arc<Keys>> {
        match error {
            Error::Closed | Error::Locked => Err(error),
            _ => self.draining.load_full().ok_or(error),
        }
    }

    pub(super) fn found_inaccessible(&self, state: &mut State, date: SystemTime) {
        state.grace_since = None;
        let since = *state.inaccessible_since.get_or_insert(date);
        self.service.found_inaccessible(&self.table, since);
    }
}

/// The first pause before the KMS is asked again after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause while the table is locked or on grace. Before its deadline it is a sixth of the time that a
/// refresh has, so that a KMS that comes back before the deadline is found.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
