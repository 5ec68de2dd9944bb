//! The five-minute clock: a timer that knows when each permission is due, and workers that call the KMS.
//!
//! ```text
//! timer     one thread; sleeps until the next permission is due, wipes those past their deadline, never blocks
//! workers   each makes one KMS call at a time, so that a slow KMS delays no deadline; another one is started when all
//!           are at a call, up to a limit
//! ```
//!
//! The timer looks at the permissions that rang and at those whose time has come, and at no others: it does not matter how
//! many there are. The threads start with the first permission and end with the service. After a fork the child starts its
//! own.

use core::cmp::Ordering;
use core::time::Duration;
use core::{fmt, mem};
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError, Weak};

use tablecrypt_os::PerProcess;

use crate::cache::Permission;
use crate::clock::{Alarm, Clock};
use crate::sync::{Mutex, MutexGuard, thread};

/// KMS calls under way at once in the background, for all tables and connections of a service.
const WORKERS: usize = 32;

/// The timer and the workers of a service.
#[derive(Debug)]
pub(crate) struct Refresher {
    clock: Arc<dyn Clock>,
    /// A forked child has none of its parent's threads, and nothing of what they share.
    shared: PerProcess<Mutex<Option<Arc<Shared>>>>,
}

/// What the threads share with those who ring.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    timer: Alarm,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    stopped: bool,
    /// All permissions; those that are gone are taken out when they are half of the list.
    watched: Vec<Weak<Permission>>,
    kept: usize,
    /// Those that the timer is to look at now.
    rung: Vec<Weak<Permission>>,
    to_refresh: VecDeque<Arc<Permission>>,
    /// What else takes a KMS call and no caller waits for, when there is nothing to refresh.
    chores: VecDeque<Chore>,
    workers: usize,
    /// Workers that wait for work.
    idle: Vec<Arc<Alarm>>,
}

/// What a worker is to do.
struct Chore(Box<dyn FnOnce() + Send>);

impl fmt::Debug for Chore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chore")
    }
}

impl Refresher {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: PerProcess::new() }
    }

    /// Watches a permission until its last holder drops it.
    ///
    /// # Errors
    /// What the system says when it gives no thread.
    pub(crate) fn watch(&self, permission: &Arc<Permission>) -> io::Result<()> {
        let shared = self.started()?;
        let mut queues = shared.queues();
        if queues.watched.len() > 2 * queues.kept + 8 {
            queues.watched.retain(|permission| permission.strong_count() > 0);
            queues.kept = queues.watched.len();
        }
        queues.watched.push(Arc::downgrade(permission));
        Ok(())
    }

    /// The permissions that are watched in this process.
    pub(crate) fn permissions(&self) -> Vec<Arc<Permission>> {
        let shared = self.shared().clone();
        shared.map_or_else(Vec::new, |shared| shared.queues().watched.iter().filter_map(Weak::upgrade).collect())
    }

    /// Has a worker do this. It must not keep the service alive. Nothing, where no permission was watched yet.
    pub(crate) fn later(&self, chore: Box<dyn FnOnce() + Send>) {
        let shared = self.shared().clone();
        if let Some(shared) = shared {
            shared.queue(|queues| queues.chores.push_back(Chore(chore)));
        }
    }

    /// Has the timer look at a permission.
    pub(crate) fn ring(&self, permission: &Arc<Permission>) {
        if let Some(shared) = &*self.shared() {
            shared.queues().rung.push(Arc::downgrade(permission));
            shared.clock.ring(&shared.timer);
        }
    }

    /// The threads of this process, started if they are not.
    fn started(&self) -> io::Result<Arc<Shared>> {
        let mut slot = self.shared();
        match &*slot {
            Some(shared) => Ok(Arc::clone(shared)),
            None => {
                let timer = self.clock.alarm();
                let shared = Arc::new(Shared { clock: Arc::clone(&self.clock), timer, queues: Mutex::default() });
                shared.start().inspect_err(|_| shared.stop())?;
                *slot = Some(Arc::clone(&shared));
                Ok(shared)
            }
        }
    }

    fn shared(&self) -> MutexGuard<'_, Option<Arc<Shared>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        if let Some(shared) = self.shared().take() {
            shared.stop();
        }
    }
}

impl Shared {
    fn start(self: &Arc<Self>) -> io::Result<()> {
        self.start_worker()?;
        // Rung before it runs, so that a virtual clock waits for a thread that has not come so far yet.
        self.clock.ring(&self.timer);
        let shared = Arc::clone(self);
        thread::Builder::new().name("tablecrypt-timer".to_owned()).spawn(move || shared.run_timer())?;
        Ok(())
    }

    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let number = self.queues().workers;
        if number == WORKERS {
            return Ok(());
        }
        let (shared, alarm) = (Arc::clone(self), Arc::new(self.clock.alarm()));
        self.clock.ring(&alarm);
        let run = {
            let alarm = Arc::clone(&alarm);
            move || shared.run_worker(&alarm)
        };
        let started = thread::Builder::new().name(format!("tablecrypt-kms-{number}")).spawn(run);
        started.inspect_err(|_| self.clock.retire(&alarm))?;
        self.queues().workers += 1;
        Ok(())
    }

    /// Ends the threads, each when it has done what it is at.
    fn stop(&self) {
        let idle = {
            let mut queues = self.queues();
            queues.stopped = true;
            mem::take(&mut queues.idle)
        };
        self.clock.ring(&self.timer);
        idle.iter().for_each(|worker| self.clock.ring(worker));
    }

    fn run_timer(self: Arc<Self>) {
        let mut schedule = BinaryHeap::new();
        loop {
            let rung = {
                let mut queues = self.queues();
                if queues.stopped {
                    break;
                }
                mem::take(&mut queues.rung)
            };
            rung.into_iter().for_each(|permission| self.tick(permission, &mut schedule));
            while let Some(next) = schedule.peek()
                && next.time <= self.clock.now()
            {
                if let Some(next) = schedule.pop() {
                    self.tick(next.permission, &mut schedule);
                }
            }
            self.clock.wait(&self.timer, schedule.peek().map(|next| next.time));
        }
        self.clock.retire(&self.timer);
    }

    /// Does what is due for one permission, and schedules when to look again.
    fn tick(self: &Arc<Self>, permission: Weak<Permission>, schedule: &mut BinaryHeap<Scheduled>) {
        let Some(watched) = permission.upgrade() else { return };
        let due = watched.tick(self.clock.now());
        if let Some(time) = due.look {
            schedule.push(Scheduled { time, permission });
        }
        if due.refresh {
            self.queue(|queues| queues.to_refresh.push_back(watched));
        }
    }

    fn queue(self: &Arc<Self>, push: impl FnOnce(&mut Queues)) {
        let idle = {
            let mut queues = self.queues();
            push(&mut queues);
            queues.idle.pop()
        };
        match idle {
            Some(worker) => self.clock.ring(&worker),
            // All are at a call. If the system gives no thread, one of them comes to this one later.
            None => drop(self.start_worker()),
        }
    }

    fn run_worker(&self, alarm: &Arc<Alarm>) {
        loop {
            // Takes the ring that it was started or woken with: who rang has taken it off the list of the idle.
            self.clock.wait(alarm, None);
            loop {
                let next = {
                    let mut queues = self.queues();
                    if queues.stopped {
                        drop(queues);
                        return self.clock.retire(alarm);
                    }
                    let next = (queues.to_refresh.pop_front(), None);
                    let next = if next.0.is_none() { (None, queues.chores.pop_front()) } else { next };
                    if let (None, None) = next {
                        queues.idle.push(Arc::clone(alarm));
                    }
                    next
                };
                match next {
                    // Its error is kept in the permission and told to whoever asks there.
                    (Some(permission), _) => drop(permission.refresh()),
                    (None, Some(chore)) => (chore.0)(),
                    (None, None) => break,
                }
            }
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the timer looks at a permission; the earliest is the greatest.
struct Scheduled {
    time: Duration,
    permission: Weak<Permission>,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        other.time.cmp(&self.time)
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.time == other.time
    }
}

impl Eq for Scheduled {}
