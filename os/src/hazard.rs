//! Which values threads read at this moment, so that whoever replaced one knows when it may go. Hazard pointers (Michael,
//! IEEE TPDS 2004), with the fence on the writer's side: reading costs two stores and no locked instruction.
//!
//! ```text
//! reader                                       writer
//!   p = place                                    old = swap(place, new)
//!   my slot = p                                  old is asked for
//!   (the compiler may not reorder)               barrier: every thread has passed a fence since then
//!   p == place still? else again                 is old in some thread's slot?  no: free it;  yes: it waits
//!   ... read ...
//!   my slot = null
//!   (the compiler may not reorder)
//!   is something asked for? then look            so whoever lets go of it last frees it, at once
//! ```
//!
//! The barrier is Linux's `membarrier`, private and expedited: an interrupt to each CPU that runs a thread of this process.
//! So if a reader's slot was written before the barrier, the writer sees it; if it was written after, the reader's second
//! look sees the new value, and it lets go of the old one unread. The same holds for the slot that is cleared and the look
//! whether something waits. Where there is no `membarrier`, readers have a fence of their own, of some 5 ns.
//!
//! A forked child's only thread begins anew. The slots of the threads that it has not got are nobody's, and what was
//! waiting in the parent stays where it is, which is no key: those lie in memory that a child has not got.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering, compiler_fence, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread_local;

use crate::{PerProcess, fork_generation};

/// Where a thread says what it reads. Null where it reads nothing.
pub(crate) type Slot = AtomicPtr<()>;

/// Values that a thread reads at once, without the way over the lock.
const SLOTS: usize = 4;

/// A thread's slots, on cache lines of their own: two, for CPUs fetch them in pairs. Never freed, but used again.
#[repr(align(128))]
struct Record {
    slots: [Slot; SLOTS],
    /// The process whose thread has it, by its fork generation; or [`NOBODY`].
    owner: AtomicU64,
    /// The one that was made before it.
    next: AtomicPtr<Self>,
}

const NOBODY: u64 = 0;

/// The record that was made last.
static RECORDS: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());

#[derive(Clone, Copy)]
struct Mine {
    record: Option<&'static Record>,
    /// The process that the record is of: a child's thread has its parent's here, which may be another thread's by now.
    generation: u64,
}

thread_local! {
    static MINE: Cell<Mine> = const { Cell::new(Mine { record: None, generation: NOBODY }) };
    static OWNED: Owned = const { Owned(Cell::new(None)) };
}

/// Gives the record back when the thread ends.
struct Owned(Cell<Option<&'static Record>>);

impl Drop for Owned {
    fn drop(&mut self) {
        MINE.set(Mine { record: None, generation: NOBODY });
        if let Some(record) = self.0.get()
            && record.owner.load(Ordering::Relaxed) == fork_generation()
            && record.slots.iter().all(|slot| slot.load(Ordering::Acquire).is_null())
        {
            record.owner.store(NOBODY, Ordering::Release);
        }
        // Else another thread has a guard of this one's: it still says what it reads there, and the record is left to it.
    }
}

impl Record {
    fn clear(&self) {
        self.slots.iter().for_each(|slot| slot.store(ptr::null_mut(), Ordering::Release));
    }
}

/// A slot of this thread that says nothing; None where there is none, or the thread ends.
#[inline]
pub(crate) fn free_slot() -> Option<&'static Slot> {
    let mine = MINE.get();
    let record = if mine.generation == fork_generation() { mine.record } else { register() };
    // No fence: only this thread writes there.
    record?.slots.iter().find(|slot| slot.load(Ordering::Relaxed).is_null())
}

/// Takes a record for this thread.
#[cold]
fn register() -> Option<&'static Record> {
    let generation = fork_generation();
    // A thread that ends has given its record back, and takes no other.
    OWNED
        .try_with(|owned| {
            let record = records().find(|record| record.take(generation)).unwrap_or_else(|| Record::make(generation));
            owned.0.set(Some(record));
            MINE.set(Mine { record: Some(record), generation });
            // Before the first read, so that all readers and writers agree.
            way();
            record
        })
        .ok()
}

impl Record {
    /// Takes it if it is nobody's, or of a process that this one was forked from.
    fn take(&self, generation: u64) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        let is_taken = owner != generation
            && self.owner.compare_exchange(owner, generation, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if is_taken {
            self.clear();
        }
        is_taken
    }

    fn make(generation: u64) -> &'static Self {
        let made: &'static Self = Box::leak(Box::new(Self {
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS],
            owner: AtomicU64::new(generation),
            next: AtomicPtr::new(ptr::null_mut()),
        }));
        let mut head = RECORDS.load(Ordering::Relaxed);
        loop {
            made.next.store(head, Ordering::Relaxed);
            let new = ptr::from_ref(made).cast_mut();
            match RECORDS.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return made,
                Err(now) => head = now,
            }
        }
    }
}

fn records() -> impl Iterator<Item = &'static Record> {
    let mut next = &RECORDS;
    core::iter::from_fn(move || {
        // SAFETY: null, or `Record::make` leaked it and published it with release.
        let record: &'static Record = unsafe { next.load(Ordering::Acquire).as_ref() }?;
        next = &record.next;
        Some(record)
    })
}

fn is_held(pointer: *const ()) -> bool {
    #[cfg(test)]
    if BLIND.load(Ordering::Relaxed) {
        return false;
    }
    let generation = fork_generation();
    // Acquire: what its reader did is done before it is freed.
    let holds = |record: &Record| record.slots.iter().any(|slot| ptr::eq(slot.load(Ordering::Acquire), pointer));
    records().any(|record| record.owner.load(Ordering::Acquire) == generation && holds(record))
}

/// Between a reader's store to its slot and its next look: a fence where the writer's barrier does not reach.
#[inline]
pub(crate) fn reader_fence() {
    if WAY.load(Ordering::Relaxed) == MEMBARRIER {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Clears a reader's slot, and frees what waited for that.
#[inline]
pub(crate) fn let_go(slot: &Slot) {
    // Release: what was read was read before.
    slot.store(ptr::null_mut(), Ordering::Release);
    reader_fence();
    if IS_ASKED.load(Ordering::Relaxed) {
        sweep();
    }
}

/// A value that nobody finds any more, and that some may still read.
pub(crate) struct Retired {
    pointer: *const (),
    /// Drops what `pointer` leads to; to be called once.
    free: unsafe fn(*const ()),
}

// SAFETY: whoever retires it promises that any thread may drop it.
unsafe impl Send for Retired {}

impl Retired {
    /// # Safety
    /// `free` drops `pointer`'s value once, on any thread, and `pointer` is in no place any more where a reader finds it.
    pub(crate) const unsafe fn new(pointer: *const (), free: unsafe fn(*const ())) -> Self {
        Self { pointer, free }
    }

    fn free(self) {
        // SAFETY: the promise of `new`; `self` is gone after this, and no reader holds the pointer.
        unsafe { (self.free)(self.pointer) }
    }
}

/// What was retired and is not freed.
#[derive(Default)]
struct Waiting {
    /// In the order of their numbers.
    list: Vec<(u64, Retired)>,
    next: u64,
    /// Those below this are waited for: who lets go has to look.
    asked: u64,
    /// Those below this had a barrier since nobody finds them any more: who reads them says so.
    told: u64,
}

static RETIRED: PerProcess<Mutex<Waiting>> = PerProcess::new();
/// Whether a reader that lets go has to look there.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// How many values wait for one barrier at the most.
const LAZY: usize = 64;

/// Frees it as soon as nobody reads it: now, or by who reads it last. With it goes all that was retired lazily.
pub(crate) fn retire(retired: Retired) {
    push(retired);
    reclaim();
}

/// Frees it when nobody reads it and others wait too: a barrier for each would take longer than what it frees was of use.
pub(crate) fn retire_lazily(retired: Retired) {
    if push(retired) >= LAZY {
        reclaim();
    }
}

/// Calls `read` while nothing is retired or freed, for readers without a slot.
pub(crate) fn locked<T>(read: impl FnOnce() -> T) -> T {
    let _waiting = waiting();
    read()
}

/// How many wait for a barrier then.
fn push(retired: Retired) -> usize {
    let mut waiting = waiting();
    let number = waiting.next;
    waiting.next += 1;
    waiting.list.push((number, retired));
    let asked = waiting.asked;
    waiting.list.iter().rev().take_while(|(number, _)| *number >= asked).count()
}

fn reclaim() {
    let asked = {
        let mut waiting = waiting();
        waiting.asked = waiting.next;
        // Before the barrier: a reader that is found reading sees this when it lets go.
        IS_ASKED.store(true, Ordering::SeqCst);
        waiting.asked
    };
    if barrier() {
        let mut waiting = waiting();
        waiting.told = waiting.told.max(asked);
    }
    sweep();
}

/// Frees what nobody reads.
#[cold]
fn sweep() {
    let free: Vec<_> = {
        let mut waiting = waiting();
        let told = waiting.told;
        let is_free = |(number, retired): &mut (u64, Retired)| *number < told && !is_held(retired.pointer);
        let free = waiting.list.extract_if(.., is_free).collect();
        let asked = waiting.asked;
        IS_ASKED.store(waiting.list.first().is_some_and(|(number, _)| *number < asked), Ordering::SeqCst);
        free
    };
    // Not under the lock: what is dropped may retire something itself.
    free.into_iter().for_each(|(_, retired)| retired.free());
}

fn waiting() -> MutexGuard<'static, Waiting> {
    RETIRED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mistake that a test makes on purpose, in a process of its own: no thread's slots are looked at.
#[cfg(test)]
pub(crate) static BLIND: AtomicBool = AtomicBool::new(false);

/// Whether readers leave the fence to writers: agreed on before the first read, for good.
static WAY: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = 0;
const FENCES: u8 = 1;
const MEMBARRIER: u8 = 2;

fn way() -> u8 {
    let way = WAY.load(Ordering::SeqCst);
    if way != UNDECIDED {
        return way;
    }
    let way = if membarrier::register() { MEMBARRIER } else { FENCES };
    WAY.compare_exchange(UNDECIDED, way, Ordering::SeqCst, Ordering::SeqCst).map_or_else(|others| others, |_| way)
}

/// After this, each thread of this process has passed a fence since it was called. False if that is not known.
fn barrier() -> bool {
    fence(Ordering::SeqCst);
    // A child registers for itself.
    way() == FENCES || membarrier::run() || (membarrier::register() && membarrier::run())
}

#[cfg(target_os = "linux")]
mod membarrier {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    pub(super) fn register() -> bool {
        call(REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn run() -> bool {
        call(PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: these commands take no pointer and change no memory.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod membarrier {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn run() -> bool {
        false
    }
}
