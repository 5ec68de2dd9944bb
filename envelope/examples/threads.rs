//! Whether threads get in each other's way: nanoseconds a record of 64 bytes when one thread seals and when two do, through
//! one structure; the best of many rounds. Beside it the same with one counter that all threads write, to show what that
//! would cost. To look at; it wants two CPUs that do nothing else.
//!
//! ```sh
//! cargo run --release -p tablecrypt --example threads
//! ```

use core::error::Error;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use tablecrypt::{OVERHEAD, Service, Structure, TableSpec};

const TEXT: [u8; 64] = [0x5a; 64];
const RECORDS: u32 = 20_000;
const ROUNDS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let service = Service::local(folder.path())?;
    service.create_table(&TableSpec::new("flights"))?;
    let base = service.open_table("flights")?.base();
    let shared = AtomicU64::new(0);
    let mut sealed = 0;
    for (what, count) in [("counted by each thread", None), ("and by one shared counter", Some(&shared))] {
        let (one, two) = (best(1, &base, count), best(2, &base, count));
        sealed += 3 * u64::from(RECORDS) * ROUNDS as u64;
        println!("{what:26} {one:6.1} ns alone {two:6.1} ns each of two: {:.2} x one thread", 2.0 * one / two);
    }
    let metrics = service.metrics();
    assert_eq!((metrics.sealed, metrics.sealed_bytes), (sealed, 64 * sealed), "none is lost");
    println!("{sealed} records, as Service::metrics says");
    Ok(())
}

/// The least time a record, over all rounds, in which so many threads seal at once.
fn best(threads: usize, base: &Structure, count: Option<&AtomicU64>) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Barrier::new(threads);
        let slowest = thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| seal(base, count, &start))).collect();
            all.into_iter().filter_map(|one| one.join().ok()).fold(0.0, f64::max)
        });
        slowest / f64::from(RECORDS) * 1e9
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Seconds for all records of this thread.
fn seal(base: &Structure, count: Option<&AtomicU64>, start: &Barrier) -> f64 {
    let mut record = [0; TEXT.len() + OVERHEAD];
    start.wait();
    let began = Instant::now();
    for _ in 0..RECORDS {
        _ = black_box(base.seal_into(b"2013-01-01/UA/1545/EWR", &TEXT, &mut record));
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    began.elapsed().as_secs_f64()
}
