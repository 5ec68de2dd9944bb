//! Bytes and numbers that are the same in every run: `ChaCha8` of a seed, with a stream for each place that needs some.

use core::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The numbers of one place.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of this number under a seed.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(number);
        Self(stream)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Some bytes.
    #[must_use]
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    /// An array of bytes.
    #[must_use]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number of a range that is not empty; even enough for a test.
    pub fn below(&mut self, range: Range<usize>) -> usize {
        range.start + usize::try_from(self.0.next_u64() % range.len() as u64).expect("below a usize")
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(0..list.len())]
    }
}
