//! A place for a value that many read and few replace. Reading takes no lock and no locked instruction; what was replaced is
//! dropped when its last reader lets go of it, and not later. hazard.rs has how.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use crate::hazard::{self, Retired, Slot};

/// A place for an `Arc<T>`, or for none.
pub struct Swap<T: Send + Sync + 'static> {
    /// Null, or of `Arc::into_raw`: the place has a share of it.
    value: AtomicPtr<T>,
    owner: PhantomData<Arc<T>>,
}

impl<T: Send + Sync> Swap<T> {
    /// A place with nothing in it.
    #[must_use]
    pub const fn empty() -> Self {
        Self { value: AtomicPtr::new(ptr::null_mut()), owner: PhantomData }
    }

    /// The value of this moment, which stays while the guard lives.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Option<Guard<'_, T>> {
        let mut found = NonNull::new(self.value.load(Ordering::Acquire))?;
        let Some(slot) = hazard::free_slot() else { return self.share().map(Guard::from) };
        loop {
            // Release, should another thread read here that this one lets go of what it said before.
            slot.store(found.as_ptr().cast(), Ordering::Release);
            hazard::reader_fence();
            let now = self.value.load(Ordering::Acquire);
            if now == found.as_ptr() {
                return Some(Guard { value: found, slot: Some(slot), owner: PhantomData });
            }
            match NonNull::new(now) {
                Some(now) => found = now,
                None => {
                    hazard::let_go(slot);
                    return None;
                }
            }
        }
    }

    /// A share of the value of this moment.
    #[must_use]
    pub fn load_full(&self) -> Option<Arc<T>> {
        self.load().map(|guard| guard.share())
    }

    /// Whether there is a value at this moment.
    #[inline]
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.value.load(Ordering::Acquire).is_null()
    }

    /// Puts this in the place of what is there; that is dropped now, or by who reads it last.
    pub fn store(&self, value: Option<Arc<T>>) {
        if let Some(retired) = self.replace(value) {
            hazard::retire(retired);
        }
    }

    /// Puts this in the place of what is there; that is dropped some time: when 64 such values are, or with the next that
    /// any [`store`](Self::store) replaces.
    pub fn store_lazily(&self, value: Option<Arc<T>>) {
        if let Some(retired) = self.replace(value) {
            hazard::retire_lazily(retired);
        }
    }

    fn replace(&self, value: Option<Arc<T>>) -> Option<Retired> {
        let new = value.map_or(ptr::null_mut(), |value| Arc::into_raw(value).cast_mut());
        let old = NonNull::new(self.value.swap(new, Ordering::AcqRel))?;
        // SAFETY: `drop_share` fits the type; the share was this place's, where no reader finds it any more.
        Some(unsafe { Retired::new(old.as_ptr().cast(), drop_share::<T>) })
    }

    /// For a thread that has no slot.
    #[cold]
    fn share(&self) -> Option<Arc<T>> {
        hazard::locked(|| {
            let value = NonNull::new(self.value.load(Ordering::Acquire))?;
            // SAFETY: it is of `Arc::into_raw`, and whoever replaces it now cannot retire it before the lock is free.
            Some(unsafe { share(value) })
        })
    }
}

/// Another share of what an `Arc` was turned into.
///
/// # Safety
/// `value` is of `Arc::into_raw`, and some share of it lives during the call.
unsafe fn share<T>(value: NonNull<T>) -> Arc<T> {
    // SAFETY: the promise above.
    let held = ManuallyDrop::new(unsafe { Arc::from_raw(value.as_ptr()) });
    Arc::clone(&held)
}

/// Drops a share.
///
/// # Safety
/// `value` is of `Arc::<T>::into_raw`, and that share is the caller's.
unsafe fn drop_share<T>(value: *const ()) {
    // SAFETY: the promise above.
    drop(unsafe { Arc::from_raw(value.cast::<T>()) });
}

impl<T: Send + Sync> Drop for Swap<T> {
    fn drop(&mut self) {
        // Nobody reads: guards borrow the place.
        if let Some(value) = NonNull::new(*self.value.get_mut()) {
            // SAFETY: the share was this place's.
            unsafe { drop_share::<T>(value.as_ptr().cast()) };
        }
    }
}

impl<T: Send + Sync> Default for Swap<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Send + Sync> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Swap({})", if self.is_some() { ".." } else { "" })
    }
}

/// A value that is not dropped while this lives.
pub struct Guard<'a, T: Send + Sync + 'static> {
    value: NonNull<T>,
    /// Where this thread says that it reads it; None if this has a share of it.
    slot: Option<&'static Slot>,
    owner: PhantomData<&'a Swap<T>>,
}

// SAFETY: it may drop the `T`, which may be sent. Its slot is an atomic that any thread may clear, and that says what is read
// until then, also when the thread that it belongs to has ended.
unsafe impl<T: Send + Sync> Send for Guard<'_, T> {}
// SAFETY: a shared reference gives shared references to the `T`, and shares of it.
unsafe impl<T: Send + Sync> Sync for Guard<'_, T> {}

impl<T: Send + Sync> From<Arc<T>> for Guard<'_, T> {
    fn from(value: Arc<T>) -> Self {
        // SAFETY: what `into_raw` gives is not null.
        let value = unsafe { NonNull::new_unchecked(Arc::into_raw(value).cast_mut()) };
        Self { value, slot: None, owner: PhantomData }
    }
}

impl<T: Send + Sync> Guard<'_, T> {
    /// A share of it.
    #[must_use]
    pub fn share(&self) -> Arc<T> {
        // SAFETY: it is of `Arc::into_raw`; the share of the place, or of this guard, lives.
        unsafe { share(self.value) }
    }
}

impl<T: Send + Sync> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it is of `Arc::into_raw` and not dropped: this thread's slot says that it reads it, or this has a share.
        unsafe { self.value.as_ref() }
    }
}

impl<T: Send + Sync> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        match self.slot {
            Some(slot) => hazard::let_go(slot),
            // SAFETY: the share was this guard's.
            None => unsafe { drop_share::<T>(self.value.as_ptr().cast()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicBool, AtomicUsize};
    use core::time::Duration;
    use std::process::{Command, Stdio};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Instant;

    use super::*;
    use crate::hazard::BLIND;

    /// A value that counts those that live, and whose parts always fit together.
    struct Value<'a>(usize, usize, &'a AtomicUsize);

    impl Drop for Value<'_> {
        fn drop(&mut self) {
            (self.0, self.1) = (1, 1);
            self.2.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn value(number: usize, alive: &'static AtomicUsize) -> Option<Arc<Value<'static>>> {
        alive.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(Value(number, !number, alive)))
    }

    /// One test at a time: what is retired waits in one list for all of a process, and another thread that is about to free what it
    /// took from there may have some of this one's.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn what_is_replaced_lives_until_its_last_reader_lets_go() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let alive = || ALIVE.load(Ordering::Relaxed);
        let place = Swap::empty();
        assert!(place.load().is_none());
        place.store(value(7, &ALIVE));
        let (first, second) = (place.load().unwrap(), place.load().unwrap());
        place.store(value(8, &ALIVE));
        assert_eq!((first.0, place.load().unwrap().0, alive()), (7, 8, 2));
        drop(first);
        assert_eq!((second.0, alive()), (7, 2), "another reads it");
        drop(second);
        assert_eq!(alive(), 1, "at once");
        place.store(None);
        assert_eq!((alive(), place.is_some()), (0, false));
    }

    #[test]
    fn a_share_lives_by_itself_and_the_place_drops_its_own() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let place = Swap::empty();
        place.store(value(7, &ALIVE));
        let share = place.load_full().unwrap();
        drop(place);
        assert_eq!((share.0, ALIVE.load(Ordering::Relaxed)), (7, 1));
        drop(share);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn more_reads_at_once_than_a_thread_has_slots_are_as_good() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let place = Swap::empty();
        place.store(value(7, &ALIVE));
        let guards: Vec<_> = (0..20).map(|_| place.load().unwrap()).collect();
        place.store(None);
        assert!(guards.iter().all(|guard| guard.0 == 7 && guard.1 == !7));
        assert_eq!(ALIVE.load(Ordering::Relaxed), 1);
        drop(guards);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_replaced_lazily_goes_with_the_next_that_is_not() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let alive = || ALIVE.load(Ordering::Relaxed);
        let place = Swap::empty();
        for number in 0..1000 {
            place.store_lazily(value(number, &ALIVE));
            assert!((1..=65).contains(&alive()), "{}", alive());
        }
        place.store(None);
        assert_eq!(alive(), 0);
    }

    /// The next test again, in processes with and without a mistake.
    #[test]
    fn a_writer_that_does_not_look_who_reads_is_found() {
        const NAME: &str = "swap::tests::readers_never_see_what_was_dropped_while_writers_replace_it";
        // What reads freed memory may come to no end either.
        let fails = |planted: &str| {
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", NAME]).env("TABLECRYPT_PLANT", planted).stdout(Stdio::null()).stderr(Stdio::null());
            let (mut test, start) = (test.spawn().unwrap(), Instant::now());
            loop {
                if let Some(status) = test.try_wait().unwrap() {
                    return !status.success();
                }
                if start.elapsed() > Duration::from_secs(60) {
                    test.kill().unwrap();
                    test.wait().unwrap();
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        assert!(!fails(""));
        assert!((0..50).any(|_| fails("blind")));
    }

    struct EndsAtPanic<'a>(&'a AtomicBool);

    impl Drop for EndsAtPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn readers_never_see_what_was_dropped_while_writers_replace_it() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        BLIND.store(std::env::var_os("TABLECRYPT_PLANT").is_some_and(|plant| plant == "blind"), Ordering::Relaxed);
        let (places, end, read) = (&[Swap::empty(), Swap::empty()], &AtomicBool::new(false), &AtomicUsize::new(0));
        places.iter().for_each(|place| place.store(value(0, &ALIVE)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let _end = EndsAtPanic(end);
                    while !end.load(Ordering::Relaxed) {
                        let (a, b) = (places[0].load(), places[1].load());
                        for value in [a, b].iter().flatten() {
                            assert_eq!(value.0, !value.1, "read after it was dropped");
                            read.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            let writers = [0, 1].map(|writer| {
                scope.spawn(move || {
                    // On a busy machine readers may come late; those that failed do not come.
                    let waits = |_: &usize| read.load(Ordering::Relaxed) < 1000 && !end.load(Ordering::Relaxed);
                    for number in (0..20_000).chain((1..).take_while(waits)) {
                        match number % 7 {
                            0 => places[writer].store(None),
                            1..=3 => places[writer].store_lazily(value(number, &ALIVE)),
                            _ => places[writer].store(value(number, &ALIVE)),
                        }
                    }
                })
            });
            let ended = writers.map(|writer| writer.join());
            end.store(true, Ordering::Relaxed);
            assert!(ended.iter().all(Result::is_ok));
        });
        places.iter().for_each(|place| place.store(None));
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "nothing is left, and nothing was dropped twice");
    }

    #[test]
    fn a_guard_that_another_thread_has_outlives_the_thread_that_read() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let place = &Swap::empty();
        place.store(value(7, &ALIVE));
        let guard = std::thread::scope(|scope| scope.spawn(|| place.load().unwrap()).join().unwrap());
        // Threads that come after it do not get its slot.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| drop(place.load()));
            }
        });
        place.store(None);
        assert_eq!((guard.0, guard.1, ALIVE.load(Ordering::Relaxed)), (7, !7, 1));
        drop(guard);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn threads_that_come_and_go_leave_no_value_behind() {
        let _alone = alone();
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let place = &Swap::empty();
        for number in 0..50 {
            place.store(value(number, &ALIVE));
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(move || assert_eq!(place.load().unwrap().0, number));
                }
            });
            assert_eq!(ALIVE.load(Ordering::Relaxed), 1);
        }
        place.store(None);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    }
}
