//! One batch of one operation on one library, timed or checked.
//!
//! How it is kept fair: every library gets the same key, buffers, AAD and nonces, works in place on a text that begins
//! at the same address, and returns its tag as 16 bytes. Nonces are four fixed bytes and a big-endian counter of eight,
//! as TLS counts them. The loop over a batch is compiled once for each library, so that a library in Rust may be inlined
//! into it as it would be into its user. A batch is preceded by a fifth of itself, untimed.
//!
//! Opening in place destroys what it opens. So as many messages as fit in 16 KiB (half of a small first-level cache) are
//! sealed untimed, then opened timed, until the batch is done; what reading the clock costs is measured and taken off.

use core::hint::black_box;
use core::time::Duration;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::case::{Case, MESSAGES, Op, SMALL};
use crate::libraries::{Cipher, Library, NONCE, Shared, TAG};

/// What a worker can ask of a library, whichever it is.
pub trait Subject {
    /// Its name, with no blank in it.
    fn name(&self) -> String;

    /// What comes out of one call: ciphertexts and tags, or opened text. None: the library does not offer it.
    ///
    /// # Errors
    /// A message that did not open, a forgery that did.
    fn check(&self, case: &Case, memory: &mut Memory) -> Result<Option<Vec<u8>>>;

    /// The time that `calls` of them took. None: the library does not offer it.
    ///
    /// # Errors
    /// A message that did not open.
    fn time(&self, case: &Case, calls: u64, memory: &mut Memory) -> Result<Option<Duration>>;
}

impl<L: Library> Subject for L {
    fn name(&self) -> String {
        Library::name(self)
    }

    fn check(&self, case: &Case, memory: &mut Memory) -> Result<Option<Vec<u8>>> {
        let (key, aad) = (Self::key(&KEY), aad(case.aad));
        let mut nonces = Nonces::default();
        let mut sealed = text(case.size);
        let out = match case.op {
            Op::Seal | Op::Setup | Op::SetupSeal => {
                let tag = self.expand(&key).seal(&nonces.fresh(), &aad, &mut sealed);
                sealed.extend(tag);
                sealed
            }
            Op::Open => {
                let mut cipher = self.expand(&key);
                let nonce = nonces.fresh();
                let tag = cipher.seal(&nonce, &aad, &mut sealed);
                sealed.extend(tag);
                let mut forged = sealed.clone();
                if let Some(last) = forged.last_mut() {
                    *last ^= 1;
                }
                ensure!(!cipher.open(&nonce, &aad, &mut forged), "a forged tag was accepted");
                ensure!(cipher.open(&nonce, &aad, &mut sealed), "what it sealed did not open");
                sealed.truncate(case.size);
                sealed
            }
            Op::Batch => {
                let mut texts = texts();
                let mut tags = [[0; TAG]; MESSAGES];
                self.expand(&key).seal_batches(1, &mut nonces, &aad, &mut texts, &mut tags);
                texts.iter().zip(&tags).flat_map(|(text, tag)| text.iter().chain(tag)).copied().collect()
            }
            Op::Threads => {
                let cipher = self.expand(&key);
                let Some(shared) = cipher.shared() else { return Ok(None) };
                // Both threads seal the same message: one key, used at one time.
                let run = |_| {
                    let mut sealed = text(case.size);
                    let tag = shared.seal_shared(&Nonces::default().fresh(), &aad, &mut sealed);
                    sealed.extend(tag);
                    sealed
                };
                let [one, two] = on_two_threads(memory.cpus, run);
                ensure!(one == two, "two threads that share a key disagree");
                one
            }
            Op::XaesCold | Op::XaesWarm => return Ok(None),
        };
        Ok(Some(out))
    }

    fn time(&self, case: &Case, calls: u64, memory: &mut Memory) -> Result<Option<Duration>> {
        let (key, aad) = (Self::key(&KEY), aad(case.aad));
        let mut nonces = Nonces::default();
        let warm_up = calls / 5 + 1;
        let time = match case.op {
            Op::Seal => {
                let text = memory.text(case, case.size);
                let mut cipher = self.expand(&key);
                let mut seal = |calls| {
                    let start = Instant::now();
                    for _ in 0..calls {
                        black_box(cipher.seal(&nonces.fresh(), &aad, black_box(&mut *text)));
                    }
                    start.elapsed()
                };
                seal(warm_up);
                seal(calls)
            }
            Op::Open => {
                let mut cipher = self.expand(&key);
                let _ = open(&mut cipher, case, warm_up, &aad, memory)?;
                open(&mut cipher, case, calls, &aad, memory)?
            }
            Op::Setup => {
                let setup = |calls| {
                    let start = Instant::now();
                    for _ in 0..calls {
                        black_box(self.expand(black_box(&key)));
                    }
                    start.elapsed()
                };
                setup(warm_up);
                setup(calls)
            }
            Op::SetupSeal => {
                let text = memory.text(case, case.size);
                let mut setup_seal = |calls| {
                    let start = Instant::now();
                    for _ in 0..calls {
                        let mut cipher = self.expand(black_box(&key));
                        black_box(cipher.seal(&nonces.fresh(), &aad, black_box(&mut *text)));
                    }
                    start.elapsed()
                };
                setup_seal(warm_up);
                setup_seal(calls)
            }
            Op::Batch => {
                let mut texts = texts();
                let mut tags = [[0; TAG]; MESSAGES];
                let mut cipher = self.expand(&key);
                // The figure is a message's.
                let batches = calls.div_ceil(MESSAGES as u64);
                cipher.seal_batches(batches / 5 + 1, &mut nonces, &aad, &mut texts, &mut tags);
                let start = Instant::now();
                cipher.seal_batches(batches, &mut nonces, &aad, &mut texts, &mut tags);
                let time = start.elapsed();
                black_box(&tags);
                time.mul_f64(calls as f64 / (batches * MESSAGES as u64) as f64)
            }
            Op::Threads => {
                let cipher = self.expand(&key);
                let Some(shared) = cipher.shared() else { return Ok(None) };
                threads(shared, case, calls, &aad, memory.cpus)
            }
            Op::XaesCold | Op::XaesWarm => return Ok(None),
        };
        Ok(Some(time))
    }
}

/// Seals untimed, opens timed.
fn open(cipher: &mut impl Cipher, case: &Case, calls: u64, aad: &[u8], memory: &mut Memory) -> Result<Duration> {
    let sealed = case.size + TAG;
    let stride = (case.align + sealed).next_multiple_of(64);
    let slots = (OPEN_AT_ONCE / stride).clamp(1, usize::try_from(calls)?);
    let clock = memory.clock;
    let buffer = memory.text(&Case { align: 0, ..*case }, slots * stride);
    let mut time = Duration::ZERO;
    let mut left = calls;
    let mut counter = 0;
    while left > 0 {
        let slots = slots.min(usize::try_from(left)?);
        let mut nonces = Nonces { counter };
        for slot in buffer.chunks_exact_mut(stride).take(slots) {
            let (text, tag) = slot[case.align..][..sealed].split_at_mut(case.size);
            tag.copy_from_slice(&cipher.seal(&nonces.fresh(), aad, text));
        }
        let mut nonces = Nonces { counter };
        let mut opened = true;
        let start = Instant::now();
        for slot in buffer.chunks_exact_mut(stride).take(slots) {
            opened &= cipher.open(&nonces.fresh(), aad, black_box(&mut slot[case.align..][..sealed]));
        }
        time += start.elapsed().saturating_sub(clock);
        ensure!(opened, "what it sealed did not open");
        counter = nonces.counter;
        left -= slots as u64;
    }
    Ok(time)
}

/// Both threads seal `calls` messages each; the time is from the first start to the last end, halved.
fn threads(shared: &dyn Shared, case: &Case, calls: u64, aad: &[u8], cpus: Option<[usize; 2]>) -> Duration {
    let barrier = Barrier::new(2);
    let [one, two] = on_two_threads(cpus, |thread| {
        let mut memory = Memory::default();
        let text = memory.text(case, case.size);
        let mut nonces = Nonces { counter: (thread as u64) << 63 };
        for _ in 0..calls / 5 + 1 {
            black_box(shared.seal_shared(&nonces.fresh(), aad, black_box(&mut *text)));
        }
        barrier.wait();
        let start = Instant::now();
        for _ in 0..calls {
            black_box(shared.seal_shared(&nonces.fresh(), aad, black_box(&mut *text)));
        }
        (start, Instant::now())
    });
    (one.1.max(two.1) - one.0.min(two.0)) / 2
}

fn on_two_threads<T: Send>(cpus: Option<[usize; 2]>, run: impl Fn(usize) -> T + Sync) -> [T; 2] {
    let run = &run;
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            scope.spawn(move || {
                if let Some(cpus) = cpus {
                    pin(&[cpus[thread]]);
                }
                run(thread)
            })
        });
        threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Keeps this thread on these CPUs. Where the system does not allow it, it stays where it was.
pub fn pin(cpus: &[usize]) {
    let mut set = rustix::thread::CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// The memory that all libraries of a worker work in, one after the other.
pub struct Memory {
    bytes: Vec<u8>,
    /// Where two threads run.
    pub cpus: Option<[usize; 2]>,
    /// What it costs to read the clock twice.
    clock: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        let clock = (0..1000).map(|_| Instant::now().elapsed()).min().unwrap_or_default();
        Self { bytes: Vec::new(), cpus: None, clock }
    }
}

impl Memory {
    fn text(&mut self, case: &Case, length: usize) -> &mut [u8] {
        if self.bytes.len() < length + case.align + PAGE {
            self.bytes = vec![0x5a; length + case.align + PAGE];
        }
        let page = self.bytes.as_ptr().align_offset(PAGE);
        &mut self.bytes[page + case.align..][..length]
    }
}

/// Nonces, none twice under one key within a batch.
#[derive(Default)]
pub struct Nonces {
    counter: u64,
}

impl Nonces {
    /// One that was not there before.
    #[inline]
    pub fn fresh(&mut self) -> [u8; NONCE] {
        let mut nonce = *b"bnch\0\0\0\0\0\0\0\0";
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        nonce
    }
}

fn aad(length: usize) -> Vec<u8> {
    (0..length).map(|index| index as u8).collect()
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

fn texts() -> Box<[[u8; SMALL]; MESSAGES]> {
    let mut texts = Box::new([[0; SMALL]; MESSAGES]);
    texts.as_flattened_mut().copy_from_slice(&text(SMALL * MESSAGES));
    texts
}

const KEY: [u8; 32] = *b"the key of every bench, no other";
const OPEN_AT_ONCE: usize = 16 << 10;
const PAGE: usize = 4096;
