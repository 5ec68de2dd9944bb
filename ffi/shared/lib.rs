//! `libtablecrypt.so`: the C interface, and what keeps it small.
//!
//! A panic is caught before it reaches C, and says where it was on standard error. Rust's standard library also prints a
//! backtrace there if the environment asks for one. What prints it reads DWARF and decompresses it: 210 kB, a fifth of the
//! library, and of a stripped one it can name no function. No option of a stable Rust leaves it out, so it is taken its
//! frames: with the function below, in which there are none, the linker finds that nothing is left to print.
//!
//! The static library is without it: there the name would be the whole program's, and its backtraces as empty.

#![allow(unsafe_code, reason = "a name of the unwinder's; CONTRIBUTING.md names this file")]

use core::ffi::{c_int, c_void};

use tablecrypt_ffi as _;

/// The unwinder's walk along the frames, of the type that GCC's unwind.h gives it: it visits none. No panic is unwound by it.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(
    _visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    _argument: *mut c_void,
) -> c_int {
    0 // _URC_NO_REASON: all frames were visited
}

// Rust exports it as it does all names for C. Hidden it is this library's alone, and nobody else's backtrace is cut short.
#[cfg(target_os = "linux")]
core::arch::global_asm!(".hidden _Unwind_Backtrace");
