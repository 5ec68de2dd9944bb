//! What a program says to the scan that follows it, instruction by instruction: `scan/` stops it at each of these.
//!
//! A mark is the instruction for a debugger's breakpoint, with what is said in registers. Alone, without the scan, it ends
//! the program.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: a breakpoint that says something is an instruction")]

use core::arch::asm;

/// From here on each instruction is followed; `what` is what it is called.
pub fn begin(what: &str) {
    mark(6, masks_at() as *const u8, 0);
    mark(1, what.as_ptr(), what.len());
}

/// What comes now.
pub fn name(what: &str) {
    mark(2, what.as_ptr(), what.len());
}

/// From here on these bytes are a secret.
pub fn hide(bytes: &mut [u8]) {
    mark(3, bytes.as_ptr(), bytes.len());
}

/// From here on these bytes are public.
pub fn show(bytes: &mut [u8]) {
    mark(4, bytes.as_ptr(), bytes.len());
}

/// No instruction is followed any more.
pub fn end() {
    mark(5, core::ptr::null(), 0);
}

/// [`show`] of any value.
pub fn show_value<T>(value: &mut T) {
    mark(4, core::ptr::from_mut(value).cast(), size_of::<T>());
}

#[inline(never)]
fn mark(word: usize, place: *const u8, length: usize) {
    // SAFETY: the debugger goes on behind it; what it reads is this program's, and memory may have changed for all that the
    // compiler knows.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("int3", in("rax") word, in("rdi") place, in("rsi") length);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("brk #1", in("x8") word, in("x0") place, in("x1") length);
    }
}

/// Where the operating system keeps AVX-512's masks when it shows a process's registers; 0 where there are none.
fn masks_at() -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        #[allow(unused_unsafe, reason = "a safe call after our oldest Rust")]
        // SAFETY: a CPU with AVX-512 has leaf 13 of CPUID.
        return unsafe { core::arch::x86_64::__cpuid_count(13, 5) }.ebx as usize;
    }
    0
}
