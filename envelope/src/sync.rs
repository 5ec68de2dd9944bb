//! What threads meet at: the standard library's, or, in a build with `--cfg shuttle`, that of a checker which runs the same
//! code under many schedules (models.rs). Statics and whatever no other thread waits for are not taken from here.

#[cfg(not(shuttle))]
mod threads {
    pub(crate) use core::sync::atomic;
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::{thread, thread_local};

    pub(crate) use tablecrypt_os::{Guard, Swap};
}

#[cfg(shuttle)]
mod threads {
    use core::marker::PhantomData;
    use core::ops::Deref;
    use core::sync::atomic::{AtomicU8, Ordering};

    use std::sync::Arc;

    use arc_swap::{ArcSwapOption, Guard as Shared};
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use shuttle::{thread, thread_local};

    /// What a release has of tablecrypt-os, which has tests of its own; at each use of this one another thread may come
    /// first.
    pub(crate) struct Swap<T>(ArcSwapOption<T>);

    impl<T> Swap<T> {
        pub(crate) const fn empty() -> Self {
            Self(ArcSwapOption::const_empty())
        }

        pub(crate) fn load(&self) -> Option<Guard<'_, T>> {
            let guard = self.reach().load();
            guard.is_some().then_some(Guard(guard, PhantomData))
        }

        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.reach().load_full()
        }

        pub(crate) fn is_some(&self) -> bool {
            self.reach().load().is_some()
        }

        pub(crate) fn store(&self, value: Option<Arc<T>>) {
            self.reach().store(value);
        }

        pub(crate) fn store_lazily(&self, value: Option<Arc<T>>) {
            self.store(value);
        }

        fn reach(&self) -> &ArcSwapOption<T> {
            atomic::AtomicBool::new(false).load(Ordering::Relaxed);
            &self.0
        }
    }

    pub(crate) struct Guard<'a, T>(Shared<Option<Arc<T>>>, PhantomData<&'a Swap<T>>);

    impl<T> From<Arc<T>> for Guard<'_, T> {
        fn from(value: Arc<T>) -> Self {
            Self(Shared::from_inner(Some(value)), PhantomData)
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect("made of a value")
        }
    }

    /// A mistake that the models make on purpose, to show that they would find it.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) enum Planted {
        None,
        /// Whether a refresh is under way is looked at under one lock, and said under the next.
        CheckThenAct,
        /// A refresh ends without waking those who wait for it.
        LostWakeUp,
        /// A refresh that lands does not look whether the connection was closed meanwhile.
        LandsAfterClose,
        /// Or whether the table was locked by hand meanwhile.
        LandsAfterLock,
        /// Whether somebody shares a permission already is not looked at again when it is put where it is shared.
        SharedTwice,
        /// An outage grace asks for no outage and for no traffic.
        EndlessGrace,
    }

    static PLANTED: AtomicU8 = AtomicU8::new(Planted::None as u8);

    impl Planted {
        pub(crate) fn plant(self) {
            PLANTED.store(self as u8, Ordering::Relaxed);
        }

        pub(crate) fn is_planted(self) -> bool {
            PLANTED.load(Ordering::Relaxed) == self as u8
        }
    }
}

pub(crate) use threads::*;

/// For statics, which outlive what a checker knows.
pub(crate) use core::sync::atomic::AtomicU64 as StaticU64;
