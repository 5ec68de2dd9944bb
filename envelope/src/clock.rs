//! Time: monotonic for deadlines, of the calendar for dates; the system's, or one that a test turns by hand.
//!
//! Every thread of this crate that waits for a time waits in [`Clock::wait`] on an [`Alarm`]. So a [`VirtualClock`]
//! knows when all of them have done what was due, and a test needs no sleep.

use core::fmt;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, MutexGuard, StaticU64};

/// A source of time, and a place to wait for it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time since some fixed moment. It never goes back, and it goes on while the machine is suspended.
    fn now(&self) -> Duration;

    /// The calendar's time: for dates that people read, never for a deadline of this process.
    fn date(&self) -> SystemTime;

    /// An alarm for one thread to wait on.
    fn alarm(&self) -> Alarm {
        static NEXT: StaticU64 = StaticU64::new(0);
        Alarm {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rung: Mutex::new(false),
            bell: Condvar::new(),
            retired: AtomicBool::new(false),
        }
    }

    /// Blocks until the alarm rings or, if `until` is given, `now()` has reached it. Takes the ring with it.
    fn wait(&self, alarm: &Alarm, until: Option<Duration>);

    /// Rings the alarm: whoever waits on it, or waits next, goes on.
    fn ring(&self, alarm: &Alarm) {
        *lock(&alarm.rung) = true;
        alarm.bell.notify_one();
    }

    /// The thread that waited on this alarm ends.
    fn retire(&self, _alarm: &Alarm) {}
}

/// What one thread waits on; any thread may ring it.
#[derive(Debug)]
pub struct Alarm {
    id: u64,
    rung: Mutex<bool>,
    bell: Condvar,
    /// Whether its thread has ended; a ring that comes later is for nobody.
    retired: AtomicBool,
}

/// The machine's clocks: CLOCK_BOOTTIME, which counts suspension, and the calendar.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A suspended machine's condition variables stand still while CLOCK_BOOTTIME goes on. So no wait for a time lasts
/// longer than this: after a resume a passed deadline is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, alarm: &Alarm, until: Option<Duration>) {
        let mut rung = lock(&alarm.rung);
        while !*rung {
            rung = match until {
                None => alarm.bell.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_sub(self.now());
                    if left.is_zero() {
                        return;
                    }
                    let wait = left.min(LONGEST_WAIT);
                    alarm.bell.wait_timeout(rung, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *rung = false;
    }
}

/// A clock that stands still until [`VirtualClock::advance`] turns it.
#[derive(Debug)]
pub struct VirtualClock {
    state: Mutex<Virtual>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Virtual {
    now: Duration,
    /// Every alarm that was waited on or rung, and not retired.
    alarms: HashMap<u64, AlarmState>,
    /// Threads that wait on any alarm: a worker waits on another one than its own while its KMS is slow.
    waiting: HashSet<ThreadId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct AlarmState {
    /// The thread that waited on it last.
    owner: Option<ThreadId>,
    waiting: bool,
    rung: bool,
    until: Option<Duration>,
}

impl Default for VirtualClock {
    /// A clock that starts at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self { state: Mutex::new(Virtual::default()), changed: Condvar::new() }
    }
}

impl Virtual {
    /// Whether the alarm's thread has done all that it can before the clock is turned.
    fn is_settled(&self, alarm: &AlarmState) -> bool {
        if alarm.waiting {
            !alarm.rung && alarm.until.is_none_or(|until| self.now < until)
        } else {
            alarm.owner.is_some_and(|owner| self.waiting.contains(&owner))
        }
    }
}

impl VirtualClock {
    const START: Duration = Duration::from_secs(1_767_225_600);

    /// Turns the clock on by `time`, stopping at every moment that a thread waits for, until all have done what was due
    /// there. Returns when every thread that waits on this clock waits for something later.
    pub fn advance(&self, time: Duration) {
        let mut state = self.settled(lock(&self.state));
        let target = state.now + time;
        loop {
            let next = state.alarms.values().filter_map(|alarm| alarm.until).min().filter(|next| *next <= target);
            state.now = next.unwrap_or(target).max(state.now);
            self.changed.notify_all();
            state = self.settled(state);
            if next.is_none() {
                return;
            }
        }
    }

    /// Waits until every thread that waits on this clock has done what was due by now.
    pub fn settle(&self) {
        drop(self.settled(lock(&self.state)));
    }

    fn settled<'a>(&'a self, state: MutexGuard<'a, Virtual>) -> MutexGuard<'a, Virtual> {
        let unsettled = |state: &mut Virtual| state.alarms.values().any(|alarm| !state.is_settled(alarm));
        self.changed.wait_while(state, unsettled).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        lock(&self.state).now
    }

    fn date(&self) -> SystemTime {
        UNIX_EPOCH + Self::START + self.now()
    }

    fn wait(&self, alarm: &Alarm, until: Option<Duration>) {
        let mut state = lock(&self.state);
        let this = thread::current().id();
        let entry = state.alarms.entry(alarm.id).or_default();
        (entry.owner, entry.waiting, entry.until) = (Some(this), true, until);
        state.waiting.insert(this);
        self.changed.notify_all();
        state = self
            .changed
            .wait_while(state, |state| {
                let rung = state.alarms.get(&alarm.id).is_none_or(|entry| entry.rung);
                !rung && until.is_none_or(|until| state.now < until)
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.alarms.insert(alarm.id, AlarmState { owner: Some(this), ..AlarmState::default() });
        state.waiting.remove(&this);
    }

    fn ring(&self, alarm: &Alarm) {
        let mut state = lock(&self.state);
        if !alarm.retired.load(Ordering::Relaxed) {
            state.alarms.entry(alarm.id).or_default().rung = true;
            self.changed.notify_all();
        }
    }

    fn retire(&self, alarm: &Alarm) {
        let mut state = lock(&self.state);
        alarm.retired.store(true, Ordering::Relaxed);
        state.alarms.remove(&alarm.id);
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
