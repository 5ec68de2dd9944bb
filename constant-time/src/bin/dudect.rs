//! Asks the clock whether two kinds of secret are as fast as each other (Reparaz, Balasch and Verbauwhede, "Dude, is my code
//! constant time?", 2017): a fixed one and a random one, in pairs, and Welch's t-test over the times.
//!
//! `dudect [seconds a case]`. A case whose |t| is above 10 is measured again, and leaks if it is above 10 again with the
//! same sign. Times above a share of all are left out, for several shares: what interrupts a call has nothing to do with it.
//! It sees this CPU alone, and only what is larger than the noise of the clock; `ctgrind` and `scan/` see the rest.

use core::hint::black_box;
use core::time::Duration;
use std::process::ExitCode;
use std::time::Instant;

use tablecrypt_constant_time::leaks;
use tablecrypt_core::{Aes256Gcm, Backend, Key};

const NONCE: [u8; 12] = [1; 12];
const AAD: [u8; 16] = [2; 16];
/// Above it, it is no chance.
const LIMIT: f64 = 10.0;
/// Shares of the times that are looked at, the shortest first.
const SHARES: [f64; 5] = [0.5, 0.75, 0.9, 0.99, 1.0];
/// Pairs between two looks at the clock.
const ROUND: usize = 2000;

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).map_or(Ok(20.0), |word| word.parse());
    let Ok(Ok(time)) = seconds.map(Duration::try_from_secs_f64) else {
        eprintln!("usage: dudect [seconds a case]");
        return ExitCode::FAILURE;
    };
    let mut tally = Tally { time, ..Tally::default() };
    let ours = [7; 16];
    for (name, at) in [("early exit, first byte", 0), ("early exit, ninth byte", 8)] {
        let mut differs = ours;
        differs[at] ^= 1;
        tally.control(name, [ours, differs], |theirs| {
            black_box(leaks::early_exit(black_box(&ours), theirs));
        });
    }
    for backend in Backend::ALL.iter().copied().filter(|backend| backend.is_available()) {
        tally.backend(backend);
    }
    println!(
        "dudect: {} cases, {} leak; the largest |t| is {:.1}; {} of 2 controls found",
        tally.cases, tally.leaks, tally.largest, tally.controls
    );
    ExitCode::from(u8::from(tally.leaks > 0 || tally.controls < 2 || tally.cases == 0))
}

#[derive(Default)]
struct Tally {
    time: Duration,
    cases: usize,
    leaks: usize,
    controls: usize,
    largest: f64,
}

impl Tally {
    fn backend(&mut self, backend: Backend) {
        let name = backend.name();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let fixed = random.bytes::<32>();
        self.case(
            &format!("{name} key"),
            || fixed,
            |random| random.bytes(),
            |key| {
                black_box(&Aes256Gcm::on(backend, &Key::from(key)));
            },
        );
        let cipher = Aes256Gcm::on(backend, &Key::from(fixed));
        let cipher = cipher.as_ref().expect("it is here");
        self.texts::<16>(name, cipher);
        self.texts::<64>(name, cipher);
        self.texts::<1000>(name, cipher);
        // One text, with a tag that is wrong in its first byte alone, and with one that is wrong everywhere.
        let mut sealed = [9; 64];
        let tag = cipher.seal_in_place(&NONCE, &AAD, &mut sealed).expect("short");
        let mut close = tag;
        close[15] ^= 1;
        self.case(
            &format!("{name} tag"),
            || close,
            |random| random.bytes(),
            |tag: [u8; 16]| {
                _ = black_box(cipher.open_detached(&NONCE, &AAD, &sealed, &tag, &mut [0; 64]));
            },
        );
    }

    /// Sealing a fixed text and random ones; opening what seals to them.
    fn texts<const N: usize>(&mut self, name: &str, cipher: &Aes256Gcm) {
        let seal = |mut text: [u8; N]| {
            let tag = cipher.seal_in_place(&NONCE, &AAD, &mut text).expect("short");
            (text, tag)
        };
        self.case(
            &format!("{name} seal {N}"),
            || [0; N],
            |random| random.bytes(),
            |text: [u8; N]| {
                black_box(seal(text));
            },
        );
        self.case(
            &format!("{name} open {N}"),
            || seal([0; N]),
            |random| seal(random.bytes()),
            |(mut text, tag)| {
                _ = black_box(cipher.open_in_place(&NONCE, &AAD, &mut text, &tag));
            },
        );
    }

    fn case<T: Copy>(
        &mut self,
        name: &str,
        fixed: impl Fn() -> T,
        random: impl Fn(&mut Random) -> T,
        mut run: impl FnMut(T),
    ) {
        let mut measured = Vec::new();
        for _ in 0..2 {
            let mut state = Random(u64::from(Instant::now().elapsed().subsec_nanos()) << 8 | 1);
            let (pairs, t) = measure(self.time, |state| (fixed(), random(state)), &mut run, &mut state);
            println!("dudect: {name}: {pairs} pairs, t {t:+.1}");
            measured.push(t);
            if t.abs() <= LIMIT {
                break;
            }
        }
        self.cases += 1;
        let least = measured.iter().fold(f64::MAX, |least, t| least.min(t.abs()));
        self.largest = self.largest.max(least);
        if measured.len() == 2 && measured.iter().all(|t| t.abs() > LIMIT && t.signum() == measured[0].signum()) {
            println!("LEAK: {name}");
            self.leaks += 1;
        }
    }

    fn control(&mut self, name: &str, secrets: [[u8; 16]; 2], mut run: impl FnMut(&[u8; 16])) {
        let mut run = |secret: [u8; 16]| run(black_box(&secret));
        let (pairs, t) = measure(self.time, |_| (secrets[0], secrets[1]), &mut run, &mut Random(1));
        println!("dudect: control, {name}: {pairs} pairs, t {t:+.1}");
        self.controls += usize::from(t.abs() > LIMIT);
    }
}

/// So many pairs as go into the time, and the t of the largest absolute value among the shares.
fn measure<T: Copy>(
    time: Duration,
    make: impl Fn(&mut Random) -> (T, T),
    run: &mut impl FnMut(T),
    random: &mut Random,
) -> (usize, f64) {
    let begun = Instant::now();
    let mut limits = [u64::MAX; SHARES.len()];
    let mut sides = [[Moments::default(); 2]; SHARES.len()];
    let mut pairs = 0;
    let mut times = Vec::with_capacity(ROUND);
    for round in 0.. {
        if begun.elapsed() >= time && round > 1 {
            break;
        }
        times.clear();
        // Made before: what makes them must not warm up one of them alone. Which stands first in memory and which is run first
        // are two coins, for a cache is faster with a neighbour: without them fixed texts of 1,000 bytes seemed slower.
        let inputs: Vec<([T; 2], usize)> = (0..ROUND)
            .map(|_| {
                let ((fixed, other), at) = (make(random), random.coin());
                (if at == 0 { [fixed, other] } else { [other, fixed] }, at)
            })
            .collect();
        for (pair, at) in &inputs {
            let mut clocked = [0; 2];
            let first = random.coin();
            for place in [first, 1 - first] {
                clocked[place ^ at] = clock(run, &pair[place]);
            }
            times.push(clocked);
        }
        if round == 0 {
            // Of both kinds together, so that what is left out hits both alike.
            let mut all = times.as_flattened().to_vec();
            all.sort_unstable();
            limits = SHARES.map(|share| if share < 1.0 { all[(all.len() as f64 * share) as usize] } else { u64::MAX });
            continue;
        }
        pairs += times.len();
        for (limit, sides) in limits.iter().zip(&mut sides) {
            for pair in &times {
                for (side, time) in sides.iter_mut().zip(pair) {
                    if time <= limit {
                        side.add(*time as f64);
                    }
                }
            }
        }
    }
    let t = sides
        .iter()
        .map(|[fixed, other]| fixed.welch(other))
        .fold(0.0, |most: f64, t| if t.abs() > most.abs() { t } else { most });
    (pairs, t)
}

#[inline(never)]
fn clock<T: Copy>(run: &mut impl FnMut(T), input: &T) -> u64 {
    let input = black_box(*input);
    let begun = Instant::now();
    run(input);
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Mean and variance, one value after the other (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }

    /// Welch's t of two of them; 0 where there are too few values.
    fn welch(&self, other: &Self) -> f64 {
        let share = |side: &Self| side.squares / (side.count - 1.0) / side.count;
        let spread = (share(self) + share(other)).sqrt();
        if self.count < 100.0 || other.count < 100.0 || spread == 0.0 { 0.0 } else { (self.mean - other.mean) / spread }
    }
}

/// xorshift64*: which of a pair comes first, and random bytes that need not be secret.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn coin(&mut self) -> usize {
        (self.next() >> 20 & 1) as usize
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next() as u8)
    }
}
