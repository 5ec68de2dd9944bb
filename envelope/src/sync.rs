//! What threads meet at: the standard library's, or, in a build with `--cfg shuttle`, that of a checker which runs the same
//! code under many schedules (models.rs). Statics and whatever no other thread waits for are not taken from here.

#[cfg(not(shuttle))]
mod threads {
    pub(crate) use core::sync::atomic;
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::{thread, thread_local};

    pub(crate) use arc_swap::ArcSwapOption as Swap;
}

#[cfg(shuttle)]
mod threads {
    use core::ops::Deref;
    use core::sync::atomic::{AtomicU8, Ordering};

    use arc_swap::ArcSwapOption;
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use shuttle::{thread, thread_local};

    /// An [`ArcSwapOption`], at each use of which another thread may come first.
    pub(crate) struct Swap<T>(ArcSwapOption<T>);

    impl<T> Swap<T> {
        pub(crate) const fn const_empty() -> Self {
            Self(ArcSwapOption::const_empty())
        }

        pub(crate) fn empty() -> Self {
            Self(ArcSwapOption::empty())
        }
    }

    impl<T> Deref for Swap<T> {
        type Target = ArcSwapOption<T>;

        fn deref(&self) -> &ArcSwapOption<T> {
            atomic::AtomicBool::new(false).load(Ordering::Relaxed);
            &self.0
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
