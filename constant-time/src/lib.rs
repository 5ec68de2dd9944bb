//! Whether time, or what is left in memory, tells anything of a secret: what the programs in `bin/` share.
//!
//! | program | asks | of |
//! | --- | --- | --- |
//! | `ctgrind` | valgrind's memcheck, with every secret marked undefined | the backends that valgrind can run |
//! | `entries`, followed by `scan/` | the machine code, instruction by instruction: does a branch or an address come of a secret? | every backend |
//! | `dudect` | the clock: are two kinds of secret as fast as each other? | the backends of this CPU |
//!
//! Each is run by the script of its name in `admin/`. A tool that never finds anything shows nothing: [`leaks`] has what
//! each of them must find.

pub mod leaks;
pub mod marks;
pub mod vectors;
