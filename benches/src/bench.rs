//! One batch of one operation on one library, timed or checked.
//!
//! How it is kept fair: every library gets the same key, buffers, AAD and nonces, works in place on texts that begin at the
//! same addresses, and returns its tag as 16 bytes. Nonces are four fixed bytes and a big-endian counter of eight, as TLS
//! counts them. The loop over a batch is compiled once for each library, so that a library in Rust may be inlined into it
//! as it would be into its user. A batch is preceded by a fifth of itself, untimed.
//!
//! A batch goes round as many texts as fit in 16 KiB, half of a small first-level cache, and stays with one where that is
//! longer. With a single short text each call would read what the one before had just written, which no user sees who seals
//! one record after another; on Zen 3 it made no difference to a rival, and our vaes256 20 ns slower at 1 KiB. Opening in
//! place destroys what it opens. So all those texts are sealed untimed, then opened timed, until the batch is done; what
//! reading the clock costs is measured and taken off.

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
                let mut texts = Texts::new(memory, case);
                let mut cipher = self.expand(&key);
                texts.each(warm_up, |text| {
                    black_box(cipher.seal(&nonces.fresh(), &aad, text));
                });
                let start = Instant::now();
                texts.each(calls, |text| {
                    black_box(cipher.seal(&nonces.fresh(), &aad, text));
                });
                start.elapsed()
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
                        // By reference: a key by value would be copied once more.
                        black_box(&self.expand(black_box(&key)));
                    }
                    start.elapsed()
                };
                setup(warm_up);
                setup(calls)
            }
            Op::SetupSeal => {
                let text = &mut memory.bytes(case.size)[..];
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
    let clock = memory.clock;
    let mut texts = Texts::new(memory, case);
    let mut time = Duration::ZERO;
    let mut left = calls;
    let mut counter = 0;
    while left > 0 {
        let calls = left.min(texts.count());
        let mut nonces = Nonces { counter };
        texts.each_sealed(calls, |sealed| {
            let (text, tag) = sealed.split_at_mut(case.size);
            tag.copy_from_slice(&cipher.seal(&nonces.fresh(), aad, text));
        });
        let mut nonces = Nonces { counter };
        let mut opened = true;
        let start = Instant::now();
        texts.each_sealed(calls, |sealed| opened &= cipher.open(&nonces.fresh(), aad, sealed));
        time += start.elapsed().saturating_sub(clock);
        ensure!(opened, "what it sealed did not open");
        counter = nonces.counter;
        left -= calls;
    }
    Ok(time)
}

/// Both threads seal `calls` messages each; the time is from the first start to the last end, halved.
fn threads(shared: &dyn Shared, case: &Case, calls: u64, aad: &[u8], cpus: Option<[usize; 2]>) -> Duration {
    let barrier = Barrier::new(2);
    let [one, two] = on_two_threads(cpus, |thread| {
        let mut memory = Memory::default();
        let mut texts = Texts::new(&mut memory, case);
        let mut nonces = Nonces { counter: (thread as u64) << 63 };
        let mut seal = |text: &mut [u8]| {
            black_box(shared.seal_shared(&nonces.fresh(), aad, text));
        };
        texts.each(calls / 5 + 1, &mut seal);
        barrier.wait();
        let start = Instant::now();
        texts.each(calls, &mut seal);
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
    /// So many bytes, from the beginning of a page.
    fn bytes(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < length + PAGE {
            self.bytes = vec![0x5a; length + PAGE];
        }
        let page = self.bytes.as_ptr().align_offset(PAGE);
        &mut self.bytes[page..][..length]
    }
}

/// Texts with room for a tag behind each, as many as a first-level cache holds beside other things.
struct Texts<'a> {
    buffer: &'a mut [u8],
    stride: usize,
    /// Where a text begins in its stride.
    align: usize,
    size: usize,
}

impl<'a> Texts<'a> {
    fn new(memory: &'a mut Memory, case: &Case) -> Self {
        let stride = (case.align + case.size + TAG).next_multiple_of(64);
        let slots = (AT_ONCE / stride).max(1);
        Self { buffer: memory.bytes(slots * stride), stride, align: case.align, size: case.size }
    }

    fn count(&self) -> u64 {
        (self.buffer.len() / self.stride) as u64
    }

    /// Calls `use_text` so often, with one text after the other.
    #[inline]
    fn each(&mut self, calls: u64, mut use_text: impl FnMut(&mut [u8])) {
        let size = self.size;
        self.each_sealed(calls, |sealed| use_text(&mut sealed[..size]));
    }

    /// [`Self::each`] with the room for the tag.
    #[inline]
    fn each_sealed(&mut self, calls: u64, mut use_sealed: impl FnMut(&mut [u8])) {
        let mut left = calls;
        while left > 0 {
            for slot in self.buffer.chunks_exact_mut(self.stride) {
                use_sealed(black_box(&mut slot[self.align..][..self.size + TAG]));
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
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
const AT_ONCE: usize = 16 << 10;
const PAGE: usize = 4096;
