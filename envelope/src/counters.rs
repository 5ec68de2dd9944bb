//! What is counted, and where, so that counting costs the data path no lock and no cache line that another thread writes.
//!
//! ```text
//! thread      its own shard of each service that it used: a load, an addition and a store a count
//! Counters    knows the shards that are lent; a snapshot adds them up, and what ended threads gave back
//! Tally       what is rare: a lock, and numbers that all threads share
//! ```
//!
//! A shard has one writer, the thread it is lent to, so that no addition has to be atomic. Shards are never freed: they go
//! back to a pool when their thread ends, so there are as many as there ever were threads at once. A shared counter, an
//! atomic addition a record, was not tried on many cores for what it would cost; alone it is 5 ns.

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread_local;

use tablecrypt_os::{PerProcess, fork_generation};

/// What one service counts of its data path.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Never the same for two of this process.
    id: u64,
    shards: Arc<PerProcess<Mutex<Shards>>>,
}

/// What a thread counts for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// Records sealed.
    Sealed,
    /// Bytes of their texts.
    SealedBytes,
    /// Records opened.
    Opened,
    /// Bytes of their texts.
    OpenedBytes,
    /// Records and texts that were refused.
    Refused,
    /// Records of batches beyond the first, so that a batch is one operation.
    Batched,
}

const COUNTS: usize = Count::Batched as usize + 1;

/// One number for each [`Count`].
pub(crate) type Counts = [u64; COUNTS];

/// A thread's counts for one service, on cache lines of their own: two, for CPUs fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard([AtomicU64; COUNTS]);

#[derive(Debug, Default)]
struct Shards {
    lent: Vec<&'static Shard>,
    /// The sums of those that were given back.
    returned: Counts,
}

impl Counters {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), shards: Arc::default() }
    }

    /// The shard of this thread.
    #[inline(always)]
    pub(crate) fn shard(&self) -> &'static Shard {
        MINE.with(|mine| {
            let place = mine[(self.id % PLACES as u64) as usize].get();
            if place.owner == self.id && place.generation == fork_generation() { place.shard } else { self.borrow() }
        })
    }

    /// What all threads have counted up to now, in this process.
    pub(crate) fn sum(&self) -> Counts {
        let shards = lock(&self.shards);
        shards.lent.iter().fold(shards.returned, |sum, shard| plus(sum, shard.counts()))
    }

    /// This thread's shard, which it has not looked at last, or has not got yet.
    #[cold]
    fn borrow(&self) -> &'static Shard {
        let generation = fork_generation();
        let find = |loans: &RefCell<Loans>| {
            let mut loans = loans.borrow_mut();
            loans.0.retain_mut(Loan::is_wanted);
            if let Some(loan) = loans.0.iter().find(|loan| loan.id == self.id) {
                return loan.shard;
            }
            let shard = lock(&POOL).pop().unwrap_or_else(|| Box::leak(Box::new(Shard::new())));
            lock(&self.shards).lent.push(shard);
            loans.0.push(Loan { id: self.id, generation, shards: Arc::downgrade(&self.shards), shard });
            shard
        };
        // What the destructors of an ending thread still do after its loans are gone is not counted.
        let Ok(shard) = LOANS.try_with(find) else { return &NOBODYS };
        MINE.with(|mine| mine[(self.id % PLACES as u64) as usize].set(Place { owner: self.id, generation, shard }));
        shard
    }
}

impl Shard {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; COUNTS])
    }

    /// Adds to a count. Not an atomic addition: there is one writer.
    #[inline(always)]
    pub(crate) fn add(&self, count: Count, number: usize) {
        let count = &self.0[count as usize];
        count.store(count.load(Ordering::Relaxed).wrapping_add(number as u64), Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// Where a thread finds the shard of a service without a search: at the service's id modulo the number of these.
#[derive(Clone, Copy)]
struct Place {
    owner: u64,
    /// A forked child's thread has its parent's places, and may not count there.
    generation: u64,
    shard: &'static Shard,
}

const PLACES: usize = 4;

static NOBODYS: Shard = Shard::new();

/// Shards that are nobody's.
static POOL: PerProcess<Mutex<Vec<&'static Shard>>> = PerProcess::new();

thread_local! {
    static MINE: [Cell<Place>; PLACES] =
        const { [const { Cell::new(Place { owner: 0, generation: 0, shard: &NOBODYS }) }; PLACES] };
    static LOANS: RefCell<Loans> = const { RefCell::new(Loans(Vec::new())) };
}

/// All that is lent to a thread; given back when it ends.
struct Loans(Vec<Loan>);

struct Loan {
    id: u64,
    generation: u64,
    shards: Weak<PerProcess<Mutex<Shards>>>,
    shard: &'static Shard,
}

impl Loan {
    /// Whether its service is still there; if not, the shard goes back.
    fn is_wanted(&mut self) -> bool {
        // One of the parent's stays where it is: the parent's other threads are not here to give theirs back either.
        let is_own = self.generation == fork_generation();
        let is_wanted = is_own && self.shards.strong_count() > 0;
        if is_own && !is_wanted {
            self.end();
        }
        is_wanted
    }

    fn end(&self) {
        if let Some(shards) = self.shards.upgrade() {
            let mut shards = lock(&shards);
            shards.returned = plus(shards.returned, self.shard.counts());
            shards.lent.retain(|lent| !core::ptr::eq(*lent, self.shard));
        }
        self.shard.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        lock(&POOL).push(self.shard);
    }
}

impl Drop for Loans {
    fn drop(&mut self) {
        MINE.with(|mine| mine.iter().for_each(|place| place.set(Place { owner: 0, generation: 0, shard: &NOBODYS })));
        let generation = fork_generation();
        self.0.iter().filter(|loan| loan.generation == generation).for_each(Loan::end);
    }
}

fn plus(a: Counts, b: Counts) -> Counts {
    core::array::from_fn(|i| a[i].wrapping_add(b[i]))
}

fn lock<T: Default>(mutex: &PerProcess<Mutex<T>>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_threads_that_run_and_of_those_that_ended_are_added_up_once() {
        let counters = &Counters::new();
        for round in 1..=3 {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..1000).for_each(|_| counters.shard().add(Count::Sealed, 1)));
                }
            });
            counters.shard().add(Count::SealedBytes, 7);
            assert_eq!(
                (counters.sum()[Count::Sealed as usize], counters.sum()[Count::SealedBytes as usize]),
                (8000 * round, 7 * round)
            );
        }
    }

    #[test]
    fn services_that_share_a_place_do_not_share_a_count() {
        let all: Vec<_> = (0..3 * PLACES).map(|_| Counters::new()).collect();
        for _ in 0..10 {
            all.iter().enumerate().for_each(|(i, counters)| counters.shard().add(Count::Opened, i));
        }
        for (i, counters) in all.iter().enumerate() {
            assert_eq!(counters.sum()[Count::Opened as usize], 10 * i as u64);
        }
    }

    #[test]
    fn a_shard_that_is_used_again_begins_at_zero() {
        // In a thread of its own, whose loans are its own too.
        std::thread::spawn(|| {
            let first = Counters::new();
            first.shard().add(Count::Sealed, 5);
            let shard = first.shard();
            drop(first);
            let second = Counters::new();
            assert!(core::ptr::eq(second.shard(), shard) || second.sum() == [0; COUNTS]);
            assert_eq!(second.sum(), [0; COUNTS]);
        })
        .join()
        .unwrap();
    }
}
