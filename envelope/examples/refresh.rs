//! What operations cost while a slow KMS is at one refresh after another: nanoseconds an operation, on the machine's clock.
//! To look at; what is asserted are counts. The KMS takes 50 ms, or as many as the argument says.
//!
//! ```sh
//! cargo run --release -p tablecrypt --example refresh [MILLISECONDS]
//! ```

use core::error::Error;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use std::thread;
use std::time::Instant;

use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{KeyBox, Service, TableSpec};

const REFRESHES: u64 = 100;
/// Between two refreshes, so that there are operations without one too.
const EVERY: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let takes = Duration::from_millis(std::env::args().nth(1).map_or(Ok(50), |text| text.parse())?);
    let folder = tempfile::tempdir()?;
    let kms =
        Arc::new(SlowKms { inner: LocalKms::open(folder.path().join("kms"))?, takes, background: AtomicU64::new(0) });
    let store = FolderStore::open(folder.path().join("tables"))?;
    let within = takes * 100 + Duration::from_secs(30);
    let service = Service::builder(kms.clone(), Arc::new(store)).refresh(EVERY, within).build();
    service.create_table(&TableSpec::new("flights"))?;
    let base = service.open_table("flights")?.base();
    let record = base.seal(b"key", &[7; 64])?;
    let mut text = [0; 64];

    let mut times = [Vec::new(), Vec::new()];
    let cold = service.metrics();
    while kms.background.load(Ordering::Relaxed) < 2 * REFRESHES {
        // An odd number of beginnings and ends: a call is under way.
        let is_busy = kms.background.load(Ordering::Relaxed) % 2;
        let start = Instant::now();
        base.open_into(b"key", &record, &mut text)?;
        times[usize::from(is_busy == 1)].push(start.elapsed());
    }
    let warm = service.metrics();
    let waited = (warm.misses - cold.misses) + (warm.waits - cold.waits);
    assert_eq!(waited, 0, "an operation waited for the KMS");
    assert!(times.iter().all(|times| !times.is_empty()));
    println!("refresh: {REFRESHES} refreshes of {takes:?}: {waited} operations waited; ns an operation of 64 B:");
    for (what, times) in ["between refreshes", "during a refresh"].into_iter().zip(&mut times) {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_nanos();
        let (count, median, p99, p999, most) = (times.len(), at(0.5), at(0.99), at(0.999), at(1.0));
        println!("refresh: {what}: {count} operations, p50 {median}, p99 {p99}, p99.9 {p999}, longest {most}");
    }
    Ok(())
}

/// A KMS that takes its time to unwrap. `background` counts when its calls on other threads begin, and when they end.
#[derive(Debug)]
struct SlowKms {
    inner: LocalKms,
    takes: Duration,
    background: AtomicU64,
}

impl Kms for SlowKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.inner.ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.inner.describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.inner.generate_data_key(key, context)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let is_background = thread::current().name() != Some("main");
        if is_background {
            self.background.fetch_add(1, Ordering::Relaxed);
            thread::sleep(self.takes);
        }
        let key = self.inner.decrypt(key, wrapped, context);
        self.background.fetch_add(u64::from(is_background), Ordering::Relaxed);
        key
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.inner.re_encrypt(from, wrapped, context, to)
    }
}
