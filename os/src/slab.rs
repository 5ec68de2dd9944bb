//! Slots for keys in mapped pages, shared by all keys of the process, for locked memory is scarce.
//!
//! ```text
//! HEADS[small]  -> slab -> slab -> ...         a bit a slot says that it is taken
//! HEADS[large]  -> slab | 10 slots | -> slab | 20 slots | -> ...
//! ```
//!
//! Taking and giving back are a compare-and-exchange on the bits, and slabs are only ever added: no lock, so a fork at any
//! instant leaves nothing to wait for. A child finds its parent's slabs with another generation, and starts without any.
//! Slabs stay mapped: the process keeps what it once needed at most.

use core::alloc::Layout;
use core::array;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::alloc::handle_alloc_error;

use zeroize::Zeroize;

use crate::fork_generation;
use crate::mapping::{self, MemoryKind};

/// Slots of one size.
#[derive(Clone, Copy)]
pub(crate) struct Class {
    head: &'static AtomicPtr<Slab>,
    slot: usize,
    /// The bytes of the first slab; each is twice as long as the one before it, five times.
    first: usize,
}

/// For a key's own bytes: a cache line.
const SMALL: Class = Class { head: &HEADS[0], slot: 64, first: 4 << 10 };
/// For an expanded key, 3,136 bytes and what XAES adds: 20 of them are 64 KiB.
const LARGE: Class = Class { head: &HEADS[1], slot: 50 * 64, first: 32 << 10 };

/// Slots are aligned to this.
const ALIGNMENT: usize = 64;
/// Doublings of the first length.
const DOUBLINGS: usize = 5;
/// Slots of one slab at the most, in words of 64.
const WORDS: usize = 8;

static HEADS: [AtomicPtr<Slab>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];

impl Class {
    /// The smallest slots that hold this.
    ///
    /// # Panics
    /// If none does; it is called at compile time.
    pub(crate) const fn of(layout: Layout) -> Self {
        assert!(layout.align() <= ALIGNMENT && layout.size() <= LARGE.slot, "too large for a slot");
        if layout.size() <= SMALL.slot { SMALL } else { LARGE }
    }

    /// A zeroed slot that nobody else has: of kept memory if a slab has one, or if more can be mapped.
    pub(crate) fn take(self) -> Slot {
        let is_kept = |slab: &&Slab| slab.kind != MemoryKind::Unlocked;
        // Where locking was refused it is asked for again once a slab, and not once a key.
        let free = self.slabs().filter(is_kept).find_map(Slab::take).or_else(|| self.slabs().find_map(Slab::take));
        if let Some(slot) = free {
            return slot;
        }
        let doublings = self.slabs().count().min(DOUBLINGS);
        // What cannot be locked whole may be locked in a smaller piece.
        let locked = (0..=doublings)
            .rev()
            .flat_map(|doublings| [MemoryKind::Secret, MemoryKind::Locked].map(|kind| (kind, self.first << doublings)));
        let unlocked = (MemoryKind::Unlocked, self.first << doublings);
        match locked.chain([unlocked]).find_map(|(kind, length)| Slab::map(self, kind, length)) {
            Some(slab) => self.add(slab),
            None => handle_alloc_error(Layout::new::<Slab>()),
        }
    }

    /// This process's slabs, the newest first.
    fn slabs(self) -> impl Iterator<Item = &'static Slab> {
        let generation = fork_generation();
        // A parent's slabs come after all of this process's own.
        core::iter::successors(slab_at(self.head), |slab| slab_at(&slab.older))
            .take_while(move |slab| slab.generation == generation)
    }

    /// Adds a slab, and takes its first slot before anybody else can.
    fn add(self, slab: Slab) -> Slot {
        slab.taken[0].store(1, Ordering::Relaxed);
        let slab: &'static Slab = Box::leak(Box::new(slab));
        let pointer = ptr::from_ref(slab).cast_mut();
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            slab.older.store(head, Ordering::Release);
            match self.head.compare_exchange(head, pointer, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return slab.slot_at(0),
                Err(now) => head = now,
            }
        }
    }
}

fn slab_at(place: &AtomicPtr<Slab>) -> Option<&'static Slab> {
    // SAFETY: null, or `Class::add` leaked it and stored it with release; it is never written but through its atomics.
    unsafe { place.load(Ordering::Acquire).as_ref() }
}

/// Mapped pages, and which of their slots are taken.
pub(crate) struct Slab {
    older: AtomicPtr<Self>,
    /// The process that mapped it.
    generation: u64,
    kind: MemoryKind,
    base: NonNull<u8>,
    length: usize,
    slot: usize,
    taken: [AtomicU64; WORDS],
}

// SAFETY: the pointer is to pages that stay mapped; who may write which of them is decided by `taken`, which is atomic.
unsafe impl Sync for Slab {}

impl Slab {
    fn map(class: Class, kind: MemoryKind, length: usize) -> Option<Self> {
        let length = length.next_multiple_of(mapping::page());
        Some(Self {
            older: AtomicPtr::default(),
            // Before the pages: if a child is forked in between, the slab is of neither.
            generation: fork_generation(),
            kind,
            base: mapping::map(kind, length)?,
            length,
            slot: class.slot,
            taken: array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    fn slots(&self) -> usize {
        (self.length / self.slot).min(64 * WORDS)
    }

    fn slot_at(&'static self, index: usize) -> Slot {
        Slot { slab: self, generation: self.generation, index }
    }

    fn take(&'static self) -> Option<Slot> {
        for (at, word) in self.taken.iter().enumerate() {
            let mut taken = word.load(Ordering::Relaxed);
            loop {
                let index = at * 64 + taken.trailing_ones() as usize;
                if taken == u64::MAX || index >= self.slots() {
                    break;
                }
                // Acquire: the wiping by whoever had it before is seen.
                let with = taken | 1 << (index % 64);
                match word.compare_exchange_weak(taken, with, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return Some(self.slot_at(index)),
                    Err(now) => taken = now,
                }
            }
        }
        None
    }
}

/// A slot that its holder alone has. Wiped and given back when it is dropped, unless that is in a forked child, which has
/// not got its bytes.
pub(crate) struct Slot {
    slab: &'static Slab,
    /// The process that took it: the slab's, once more, so that whoever asks need not look there.
    generation: u64,
    index: usize,
}

impl Slot {
    /// Its bytes, as many as its class says, aligned to 64: valid for as long as this process has the slot.
    pub(crate) fn pointer(&self) -> NonNull<u8> {
        // SAFETY: `take` gives an index below `slots`, so the slot lies within the mapping.
        unsafe { self.slab.base.add(self.index * self.slab.slot) }
    }

    /// Whether this process took it.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.generation == fork_generation()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_own() {
            let bytes = NonNull::slice_from_raw_parts(self.pointer().cast::<MaybeUninit<u8>>(), self.slab.slot);
            // SAFETY: the bytes are mapped in this process, and nobody else has them while the slot is taken.
            unsafe { &mut *bytes.as_ptr() }.zeroize();
            self.slab.taken[self.index / 64].fetch_and(!(1 << (self.index % 64)), Ordering::Release);
        }
    }
}

/// What holds this process's keys: for metrics, and for whoever wants to know whether keys are locked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyMemory {
    /// In `memfd_secret` memory.
    pub secret: KeyMemoryUse,
    /// In locked memory.
    pub locked: KeyMemoryUse,
    /// In memory that could not be locked: the system has neither, or RLIMIT_MEMLOCK is used up.
    pub unlocked: KeyMemoryUse,
}

/// How much memory of one kind holds keys.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyMemoryUse {
    /// Keys in it, expanded ones and others.
    pub keys: usize,
    /// Bytes of it that were mapped for keys; they stay mapped.
    pub bytes: usize,
}

impl KeyMemory {
    /// Each kind with its use, the best first.
    #[must_use]
    pub const fn by_kind(&self) -> [(MemoryKind, KeyMemoryUse); 3] {
        [(MemoryKind::Secret, self.secret), (MemoryKind::Locked, self.locked), (MemoryKind::Unlocked, self.unlocked)]
    }

    /// The worst kind that holds a key now; None where there is no key.
    #[must_use]
    pub fn worst(&self) -> Option<MemoryKind> {
        self.by_kind().into_iter().rev().find(|(_, used)| used.keys > 0).map(|(kind, _)| kind)
    }
}

/// What holds the keys of this process now. Other threads may take and drop keys meanwhile.
#[must_use]
pub fn key_memory() -> KeyMemory {
    let mut memory = KeyMemory::default();
    for slab in [SMALL, LARGE].into_iter().flat_map(Class::slabs) {
        let used = match slab.kind {
            MemoryKind::Secret => &mut memory.secret,
            MemoryKind::Locked => &mut memory.locked,
            MemoryKind::Unlocked => &mut memory.unlocked,
        };
        used.bytes += slab.length;
        used.keys += slab.taken.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum::<usize>();
    }
    memory
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slots_of_many_threads_are_never_the_same_and_come_zeroed() {
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|thread| {
                    scope.spawn(move || {
                        let mut held = Vec::new();
                        let mut taken = 0;
                        for round in 0..20_000_usize {
                            let class = if round.is_multiple_of(3) { LARGE } else { SMALL };
                            let slot = class.take();
                            let bytes = bytes_of(&slot);
                            assert!(bytes.iter().all(|byte| *byte == 0), "a slot that was not wiped");
                            bytes.fill(thread + 1);
                            held.push(slot);
                            taken += 1;
                            if held.len() > round % 50 {
                                let slot = held.swap_remove(round % held.len());
                                assert!(bytes_of(&slot).iter().all(|byte| *byte == thread + 1), "another's too");
                            }
                        }
                        taken
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        println!("key memory: {taken} slots taken and given back by 8 threads");
        assert_eq!(taken, 160_000);
    }

    #[test]
    fn more_keys_than_a_slab_holds_get_more_slabs_and_lie_apart() {
        let held: Vec<_> = (0..2000).map(|_| LARGE.take()).collect();
        let places: HashSet<_> = held.iter().map(|slot| slot.pointer().as_ptr() as usize).collect();
        assert_eq!(places.len(), 2000);
        assert!(places.iter().all(|place| place.is_multiple_of(ALIGNMENT)));
        assert!(key_memory().by_kind().iter().map(|(_, used)| used.keys).sum::<usize>() >= 2000);
    }

    #[test]
    fn dropped_slot_is_wiped_where_it_was() {
        let slot = SMALL.take();
        bytes_of(&slot).fill(7);
        let place = slot.pointer();
        drop(slot);
        let bytes = NonNull::slice_from_raw_parts(place, 64);
        // SAFETY: slabs stay mapped. Another test may have the slot by now, and write other numbers than this.
        assert!(unsafe { bytes.as_ref() }.iter().all(|byte| *byte != 7));
    }

    #[expect(clippy::mut_from_ref, reason = "the slot has the bytes for itself")]
    fn bytes_of(slot: &Slot) -> &mut [u8] {
        let bytes = NonNull::slice_from_raw_parts(slot.pointer(), slot.slab.slot);
        // SAFETY: the slot's bytes are mapped, and nobody else's while it is held.
        unsafe { &mut *bytes.as_ptr() }
    }
}
