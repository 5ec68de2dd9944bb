//! The five-minute clock: a timer that knows when each permission is due, and workers that call the KMS.
//!
//! ```text
//! timer     one thread; sleeps until the next permission is due, wipes those past their deadline, never blocks
//! workers   a few threads; each makes one KMS call at a time, so that a slow KMS delays no deadline
//! ```
//!
//! Both start with the first permission and end with the service. After a fork the child starts its own.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError, Weak};

use tablecrypt_os::PerProcess;

use crate::cache::{Due, Permission};
use crate::clock::{Alarm, Clock};
use crate::sync::{Mutex, MutexGuard, thread};

/// KMS calls under way at once in the background, for all tables and connections of a service.
const WORKERS: usize = 4;

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
    workers: [Alarm; WORKERS],
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    stopped: bool,
    watched: Vec<Weak<Permission>>,
    to_refresh: VecDeque<Arc<Permission>>,
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
        shared.queues().watched.push(Arc::downgrade(permission));
        shared.clock.ring(&shared.timer);
        Ok(())
    }

    /// The permissions that are watched in this process.
    pub(crate) fn permissions(&self) -> Vec<Arc<Permission>> {
        let shared = self.shared().clone();
        shared.map_or_else(Vec::new, |shared| shared.queues().watched.iter().filter_map(Weak::upgrade).collect())
    }

    /// Has the timer look at all permissions.
    pub(crate) fn ring(&self) {
        if let Some(shared) = &*self.shared() {
            shared.clock.ring(&shared.timer);
        }
    }

    /// The threads of this process, started if they are not.
    fn started(&self) -> io::Result<Arc<Shared>> {
        let mut slot = self.shared();
        match &*slot {
            Some(shared) => Ok(Arc::clone(shared)),
            None => {
                let shared = Arc::new(Shared {
                    clock: Arc::clone(&self.clock),
                    timer: self.clock.alarm(),
                    workers: [(); WORKERS].map(|()| self.clock.alarm()),
                    queues: Mutex::default(),
                });
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
        // Rung before they run, so that a virtual clock waits for threads that have not come so far yet.
        self.ring_all();
        let shared = Arc::clone(self);
        thread::Builder::new().name("tablecrypt-timer".to_owned()).spawn(move || shared.run_timer())?;
        for worker in 0..WORKERS {
            let shared = Arc::clone(self);
            let name = format!("tablecrypt-kms-{worker}");
            thread::Builder::new().name(name).spawn(move || shared.run_worker(&shared.workers[worker]))?;
        }
        Ok(())
    }

    /// Ends the threads, each when it has done what it is at.
    fn stop(&self) {
        self.queues().stopped = true;
        self.ring_all();
    }

    fn ring_all(&self) {
        self.clock.ring(&self.timer);
        self.workers.iter().for_each(|worker| self.clock.ring(worker));
    }

    fn run_timer(&self) {
        loop {
            let watched = {
                let mut queues = self.queues();
                if queues.stopped {
                    break;
                }
                queues.watched.retain(|permission| permission.strong_count() > 0);
                queues.watched.clone()
            };
            let next = watched.iter().filter_map(Weak::upgrade).filter_map(|permission| self.tick(permission)).min();
            self.clock.wait(&self.timer, next);
        }
        self.clock.retire(&self.timer);
    }

    /// Does what is due for one permission, and says when to look again.
    fn tick(&self, permission: Arc<Permission>) -> Option<Duration> {
        match permission.tick(self.clock.now()) {
            Due::Later(time) => Some(time),
            Due::Nothing => None,
            Due::Refresh(deadline) => {
                self.queues().to_refresh.push_back(permission);
                self.workers.iter().for_each(|worker| self.clock.ring(worker));
                // The landing rings, and what is due then is seen then; the deadline does not wait for that.
                Some(deadline)
            }
        }
    }

    fn run_worker(&self, alarm: &Alarm) {
        loop {
            let next = {
                let mut queues = self.queues();
                if queues.stopped {
                    break;
                }
                queues.to_refresh.pop_front()
            };
            match next {
                // Its error is kept in the permission and told to whoever asks there.
                Some(permission) => drop(permission.refresh()),
                None => self.clock.wait(alarm, None),
            }
        }
        self.clock.retire(alarm);
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
