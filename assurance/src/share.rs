//! The work, on all CPUs: numbers that threads take one by one.

use core::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;

/// Does `work` with each number of a range, each thread with a state of its own, and adds what it gives; stops at the first
/// error.
pub fn share<S>(
    threads: usize,
    numbers: core::ops::Range<u64>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u64) -> Result<u64> + Sync,
) -> Result<u64> {
    let next = AtomicU64::new(numbers.start);
    let one = || {
        let (mut state, mut sum) = (state(), 0);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(sum);
            }
            match work(&mut state, number) {
                Ok(count) => sum += count,
                Err(error) => {
                    next.store(numbers.end, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    })
}
