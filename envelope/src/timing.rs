//! How old a permission may become, and when its refresh is due: settings, and what follows from them.

use core::time::Duration;

use crate::sync::StaticU64;
use crate::sync::atomic::Ordering;

#[derive(Debug)]
pub(crate) struct Timing {
    /// After this a permission is refreshed, with traffic.
    pub(crate) every: Duration,
    /// The time that has for it.
    pub(crate) within: Duration,
    /// How much longer old keys are used while the KMS fails and says no no.
    pub(crate) grace: Duration,
    /// How much longer the old keys still seal after a definite no.
    pub(crate) drain: Duration,
    /// How much earlier than that the first refresh of a permission may be due.
    pub(crate) jitter: Duration,
    /// Permissions that were spread so far.
    pub(crate) spread: StaticU64,
}

impl Timing {
    pub(crate) const fn due(&self, began: Duration) -> Duration {
        began.saturating_add(self.every)
    }

    pub(crate) const fn deadline(&self, began: Duration) -> Duration {
        began.saturating_add(self.every).saturating_add(self.within)
    }

    /// How much earlier the refresh after this one is due, so that permissions that came at once do not stay together.
    ///
    /// Multiples of the golden ratio: however many they are, they lie evenly. The nanosecond at which this one came is
    /// another one in each process, and makes it come out the same on a virtual clock.
    pub(crate) fn spread(&self, began: Duration) -> Duration {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let turn = self.spread.fetch_add(1, Ordering::Relaxed).wrapping_add(began.subsec_nanos().into());
        let turn = u32::try_from(turn.wrapping_mul(GOLDEN) >> 32).unwrap_or(u32::MAX);
        self.jitter.mul_f64(f64::from(turn) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_that_come_at_once_are_spread_evenly_and_come_out_the_same() {
        let jitter = Duration::from_secs(30);
        let timing = || Timing {
            every: Duration::from_secs(300),
            within: Duration::from_secs(30),
            grace: Duration::ZERO,
            drain: Duration::ZERO,
            jitter,
            spread: StaticU64::new(0),
        };
        let spread = |nanos| {
            let timing = timing();
            let mut times: Vec<_> = (0..1000).map(|_| timing.spread(Duration::new(7, nanos))).collect();
            times.sort_unstable();
            times
        };
        for nanos in [0, 1, 123_456_789] {
            let times = spread(nanos);
            assert!(*times.last().unwrap() <= jitter);
            // A thousand in 30 s are 30 ms apart; random ones would lie 200 ms apart somewhere.
            let widest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(widest < Duration::from_millis(80), "{widest:?}");
            assert_eq!(times, spread(nanos));
        }
        assert_ne!(timing().spread(Duration::new(7, 1)), timing().spread(Duration::new(7, 2)), "processes differ");
    }
}
