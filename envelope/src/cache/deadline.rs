//! When a permission ends, and what its timer does until then: the second half of the picture in cache.rs.

use core::time::Duration;
use std::sync::Arc;

use super::{Permission, State};
use crate::Error;
use crate::keys::Keys;
use crate::log::event;
#[cfg(shuttle)]
use crate::sync::Planted;
use crate::sync::atomic::Ordering;

/// What the timer is to do with a permission.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Due {
    /// A refresh, on a thread that may block.
    pub(crate) refresh: bool,
    /// Look again at this time. None if that is scheduled, or something else happens first.
    pub(crate) look: Option<Duration>,
}

impl Permission {
    /// Other keys of its table in the place of those that live, if any do. It ends when it would have.
    pub(crate) fn renew(&self, keys: &Arc<Keys>) {
        let _state = self.state();
        if self.keys.is_some() {
            self.keys.store(Some(Arc::clone(keys)));
        }
    }

    /// What is due at `now`; wipes the keys when the deadline has passed. Called by the timer only.
    pub(crate) fn tick(&self, now: Duration) -> Due {
        let mut state = self.state();
        if state.scheduled.is_some_and(|time| time <= now) {
            state.scheduled = None;
        }
        if state.drains_until.is_some_and(|end| end <= now) {
            self.stop_draining(&mut state);
            event!(self.service.log(), Info, "the drain is over; the table's keys are wiped", &self.table);
        }
        let mut due = self.due(&mut state, now);
        due.look = [due.look, state.drains_until].into_iter().flatten().min();
        if due.refresh {
            (state.in_flight, state.tried) = (true, now);
        }
        // What is scheduled before then looks at everything again.
        due.look = due.look.filter(|look| state.scheduled.is_none_or(|time| *look < time));
        state.scheduled = due.look.or(state.scheduled);
        due
    }

    fn due(&self, state: &mut State, now: Duration) -> Due {
        let (deadline, end) = self.ends(state);
        if now >= end && self.keys.is_some() {
            self.keys.store(None);
            event!(self.service.log(), Info, "the permission has run out; the table's keys are wiped", &self.table);
            if state.failure.is_some() {
                self.found_inaccessible(state, self.service.clock.date());
            }
        }
        let is_locked = !self.keys.is_some();
        if is_locked && (state.failure.is_none() || self.is_locked() || self.holders.load(Ordering::Relaxed) == 0) {
            // The next operation asks.
            return Due::default();
        }
        if !is_locked {
            if now < state.due {
                return Due { refresh: false, look: Some(state.due) };
            }
            if !state.cleared {
                state.cleared = true;
                self.active.store(false, Ordering::Relaxed);
            }
            if now >= deadline && state.grace_since.is_none() {
                state.grace_since = Some(self.service.clock.date());
                event!(
                    self.service.log(),
                    Warn,
                    "the KMS fails past the deadline; the table is on its outage grace",
                    &self.table
                );
            }
        }
        // The landing rings, and what is due then is seen then; the deadline does not wait for that.
        let look = (!is_locked).then_some(if now < deadline { deadline } else { end });
        let retry = state.failure.as_ref().map(|failure| failure.retry);
        if state.in_flight {
            Due { refresh: false, look }
        } else if let Some(retry) = retry.filter(|retry| now < *retry) {
            Due { refresh: false, look: Some(look.map_or(retry, |look| look.min(retry))) }
        } else {
            let refresh = self.active.load(Ordering::Relaxed);
            state.probing = refresh && state.failure.is_some();
            Due { refresh, look }
        }
    }

    /// When the permission's time is over, and when its keys are wiped: the same, but for an outage grace. That lasts
    /// while the KMS fails and says no no, or has not answered yet, and as long as it is still asked.
    fn ends(&self, state: &State) -> (Duration, Duration) {
        let timing = &self.service.timing;
        let deadline = timing.deadline(state.refreshed);
        let is_outage = match &state.failure {
            Some(failure) => matches!(failure.error, Error::KeyUnavailable { .. }),
            None => state.in_flight,
        };
        #[cfg(shuttle)]
        if Planted::EndlessGrace.is_planted() {
            return (deadline, deadline + timing.grace);
        }
        let end = deadline.saturating_add(timing.grace).min(timing.deadline(state.tried));
        (deadline, if is_outage { end.max(deadline) } else { deadline })
    }

    /// For how long the live keys have been due for a refresh while operations used them; None where there are no keys.
    pub(crate) fn stale_for(&self, now: Duration) -> Option<Duration> {
        let due = self.state().due;
        let stale = if self.active.load(Ordering::Relaxed) { now.saturating_sub(due) } else { Duration::ZERO };
        self.keys.is_some().then_some(stale)
    }

    pub(crate) fn permitted_for(&self) -> Option<Duration> {
        let state = self.state();
        let timing = &self.service.timing;
        let grace = if state.grace_since.is_some() { timing.grace } else { Duration::ZERO };
        let end = timing.deadline(state.refreshed).saturating_add(grace);
        self.keys.is_some().then(|| end.saturating_sub(self.service.clock.now()))
    }
}
