//! Rotation by itself: by age and by use, in the background, and never on the data path.
//!
//! It is looked at whenever a process has opened the key file, so once in five minutes while there is traffic. The age of a
//! generation stands in the file and is the same for all processes. Its use does not: **each process counts what it seals
//! itself, since it started**, in the shares of 1,024 records or 64 MiB that its threads take. So a limit is reached a little
//! early in a process with many threads and little to seal, and P processes together may seal P times the limit, and more if
//! they are restarted. It is for rules that want keys changed by use. Nonces need no such limit: sessions have keys of their own.

use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use tablecrypt_os::PerProcess;

use crate::builder::ServiceBuilder;
use crate::keyfile::{KeyFile, StructureEntry};
use crate::log::event;
use crate::service::Inner;
use crate::session::Use;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, MutexGuard};

/// When a structure's data key has a new generation without being asked for one: as soon as one of these is reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RotationPolicy {
    age: Option<Duration>,
    records: Option<u64>,
    bytes: Option<u64>,
}

impl RotationPolicy {
    /// When the newest generation is this old, by the calendar.
    #[must_use]
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// When one process has sealed about so many records with it.
    #[must_use]
    pub const fn records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// When one process has sealed about so many bytes of text with it.
    #[must_use]
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

impl ServiceBuilder {
    /// Has data keys rotated by themselves; not unless set. Each rotation is one KMS call more, in the background. One that
    /// fails is tried again after the next refresh. Former generations stay until
    /// [`retire_generation`](crate::Service::retire_generation).
    #[must_use]
    pub fn rotate_after(mut self, policy: RotationPolicy) -> Self {
        self.automatic = Some(Arc::new(Automatic { policy, state: PerProcess::new() }));
        self
    }
}

/// What a service with a policy does; one without has none of this code.
pub(crate) trait Rotating: Send + Sync + core::fmt::Debug {
    /// What counts the use of this data key in this process.
    fn count(&self, table: &[u8; 16], number: u32) -> Arc<Use>;

    /// A key file was opened, and is authentic.
    fn look(self: Arc<Self>, service: &Arc<Inner>, file: &KeyFile);
}

#[derive(Debug)]
struct Automatic {
    policy: RotationPolicy,
    state: PerProcess<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// For as long as the process lives: keys that are wiped and come back go on counting.
    counts: HashMap<([u8; 16], u32), Arc<Use>>,
    /// Tables that a worker is to rotate, or is at.
    under_way: HashSet<String>,
}

impl Rotating for Automatic {
    fn count(&self, table: &[u8; 16], number: u32) -> Arc<Use> {
        Arc::clone(self.state().counts.entry((*table, number)).or_default())
    }

    fn look(self: Arc<Self>, service: &Arc<Inner>, file: &KeyFile) {
        let now = service.clock.date();
        let is_due = file.structures.iter().any(|entry| self.is_due(&file.table_id, entry, now));
        if !is_due || !self.state().under_way.insert(file.table.clone()) {
            return;
        }
        let (table, id, weak) = (file.table.clone(), file.table_id, Arc::downgrade(service));
        service.refresher.later(Box::new(move || {
            if let Some(service) = weak.upgrade() {
                // Looked at again on the file as it is then: another process may have been first.
                let rotated = service.rotate(&table, &|entry| self.is_due(&id, entry, service.clock.date()));
                if let Err(error) = rotated {
                    let (log, name) = (service.log(), service.log().name(&table));
                    log.note(&name, &id);
                    event!(log, Warn, "the data keys were not rotated", &name, &error);
                }
            }
            self.state().under_way.remove(&table);
        }));
    }
}

impl Automatic {
    fn is_due(&self, table: &[u8; 16], entry: &StructureEntry, now: SystemTime) -> bool {
        let Some(newest) = entry.data_keys.last() else { return false };
        // A new one that does not seal yet is the answer already.
        if entry.sealing(now) + 1 != entry.data_keys.len() {
            return false;
        }
        let is_reached = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        let age = now.duration_since(newest.created.0).unwrap_or_default();
        let count = self.count(table, newest.number);
        self.policy.age.is_some_and(|limit| age >= limit)
            || is_reached(self.policy.records, count.records.load(Ordering::Relaxed))
            || is_reached(self.policy.bytes, count.bytes.load(Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
