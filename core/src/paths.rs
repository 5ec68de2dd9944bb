//! Which ways through the backends ran: counters for `assurance/`, whose sweep fails where a way was never taken.
//!
//! They are there only in a build with `--cfg tablecrypt_paths`. In every other `path!` is nothing, and what ships has no
//! trace of it.

/// Counts a way: `path!(vaes256.after, SEAL, blocks)`, or `path!(vaes256.aad, kind)` where it is one for both directions.
macro_rules! path {
    ($backend:ident . $way:ident, $at:expr) => {
        #[cfg(tablecrypt_paths)]
        $crate::paths::$backend::$way.hit($crate::paths::Direction::Both, $at);
    };
    ($backend:ident . $way:ident, $seal:expr, $at:expr) => {
        #[cfg(tablecrypt_paths)]
        $crate::paths::$backend::$way.hit($crate::paths::Direction::of($seal), $at);
    };
}

#[cfg(tablecrypt_paths)]
pub use counters::*;

#[cfg(tablecrypt_paths)]
mod counters {
    use core::ops::RangeInclusive;
    use core::sync::atomic::{AtomicU64, Ordering};

    /// Declares the ways of each backend, and which of their numbers can occur.
    macro_rules! ways {
        ($($backend:ident { $($way:ident: $($direction:ident $range:expr),+;)+ })+) => {
            $(
                #[allow(non_upper_case_globals, reason = "named as the macro's caller names them")]
                pub(crate) mod $backend {
                    $(pub(crate) static $way: super::Hits = super::Hits::new();)+
                }
            )+

            /// Every way of every backend.
            pub static WAYS: &[Way] = &[$($($(Way {
                backend: stringify!($backend),
                name: stringify!($way),
                direction: Direction::$direction,
                range: $range,
                hits: &$backend::$way,
            },)+)+)+];
        };
    }

    ways! {
        // Blocks of text; 7 stands for all that are longer.
        //   short    the length is looked at; longer ones are either
        //   flight   a message of one flight, or
        //   after    whole steps and then a flight of so many blocks
        //   steps    so many steps, 5 for more, from a counter that fits the kernel's windows; any: from another one
        //   from     a start that was hashed from a nonce; 1 where its counter wraps
        //   end      see the kernel: which loads and stores the last vector takes
        //   lanes    four messages of a batch under one key, of 1 to 4 blocks each; 4 more: of whole blocks; 8 more: eight of those
        //   aad      none, part of a block, one block, more; hash: whole blocks of it, as many as are reduced at once
        vaes512 {
            short: Seal 0..=7, Open 0..=7;
            flight: Seal 7..=32, Open 7..=32;
            after: Seal 1..=32, Open 1..=32;
            steps: Seal 1..=5, Open 1..=5;
            any: Seal 1..=5, Open 1..=5;
            from: Seal 0..=1, Open 0..=1;
            end: Seal 1..=7, Open 1..=7;
            lanes: Seal 1..=12, Open 1..=12;
            aad: Both 0..=3;
            hash: Both 1..=8;
        }
        vaes256 {
            short: Seal 0..=7, Open 0..=7;
            flight: Seal 7..=16, Open 7..=16;
            after: Seal 1..=16, Open 1..=16;
            steps: Seal 1..=5, Open 1..=5;
            any: Seal 1..=5, Open 1..=5;
            from: Seal 0..=1, Open 0..=1;
            end: Seal 0..=3, Open 0..=3;
            aad: Both 0..=3;
            hash: Both 1..=8;
        }
        aesni {
            short: Seal 0..=7, Open 0..=7;
            flight: Seal 7..=8, Open 7..=8;
            after: Seal 1..=8, Open 1..=8;
            steps: Seal 1..=5, Open 1..=5;
            any: Seal 1..=5, Open 1..=5;
            from: Seal 0..=1, Open 0..=1;
            end: Seal 0..=2, Open 0..=2;
            aad: Both 0..=3;
            hash: Both 1..=8;
        }
        // steps: so many, 5 for more; 6 more from a hashed start. tail: blocks of the flight that ends a message; part: its last
        // block is one. xor: EOR, EOR3, whichever the CPU has. aad_steps: 0, 1, more.
        armv8 {
            steps: Seal 0..=11, Open 0..=11;
            tail: Seal 0..=8, Open 0..=8;
            part: Seal 0..=1, Open 0..=1;
            from: Seal 0..=1, Open 0..=1;
            aad: Both 0..=3;
            aad_steps: Both 0..=2;
            xor: Any 0..=1;
        }
        // step: of keystream; whole, whole blocks, with a part.
        portable {
            text: Seal 0..=1, Open 0..=1;
            from: Seal 0..=1, Open 0..=1;
            step: Both 0..=2;
            aad: Both 0..=3;
        }
        // Messages of a batch: one by one from the start, in groups of four (0), eight (1), eight side by side (2), left over by groups, too long for one.
        batch {
            alone: Seal 0..=0, Open 0..=0;
            group: Seal 0..=2, Open 0..=2;
            left: Seal 1..=3, Open 1..=3;
            long: Seal 0..=0, Open 0..=0;
        }
    }

    /// What a way is one of.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub enum Direction {
        /// Sealing.
        Seal,
        /// Opening.
        Open,
        /// Either: it is the same code.
        Both,
        /// Either; and one number of the range is enough.
        Any,
    }

    impl Direction {
        pub(crate) const fn of(seal: bool) -> Self {
            if seal { Self::Seal } else { Self::Open }
        }
    }

    /// One way of a backend, in one direction.
    #[derive(Debug)]
    pub struct Way {
        /// The backend's name.
        pub backend: &'static str,
        /// Its own.
        pub name: &'static str,
        /// Its direction.
        pub direction: Direction,
        /// The numbers that can occur: lengths or kinds.
        pub range: RangeInclusive<usize>,
        hits: &'static Hits,
    }

    impl Way {
        /// How often it was taken at a number.
        pub fn hits(&self, at: usize) -> u64 {
            self.hits.row(self.direction)[at].load(Ordering::Relaxed)
        }
    }

    const NUMBERS: usize = 33;

    #[derive(Debug)]
    pub(crate) struct Hits([[AtomicU64; NUMBERS]; 3]);

    impl Hits {
        pub(crate) const fn new() -> Self {
            Self([const { [const { AtomicU64::new(0) }; NUMBERS] }; 3])
        }

        pub(crate) fn hit(&self, direction: Direction, at: usize) {
            self.row(direction)[at].fetch_add(1, Ordering::Relaxed);
        }

        fn row(&self, direction: Direction) -> &[AtomicU64; NUMBERS] {
            match direction {
                Direction::Seal => &self.0[0],
                Direction::Open => &self.0[1],
                Direction::Both | Direction::Any => &self.0[2],
            }
        }
    }

    /// Whether the counter of this J0 passes 2^32 within a text of this length.
    pub(crate) fn wraps(j0: &[u8; 16], length: usize) -> usize {
        let counter = u32::from_be_bytes([j0[12], j0[13], j0[14], j0[15]]);
        usize::from(u64::from(counter) + length.div_ceil(16) as u64 > u64::from(u32::MAX))
    }

    /// None, part of a block, a block, more.
    pub(crate) fn aad(length: usize) -> usize {
        match length {
            0 => 0,
            1..16 => 1,
            16 => 2,
            _ => 3,
        }
    }
}
