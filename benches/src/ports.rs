//! What this CPU's ports allow: the AES rounds and carry-less products of AES-256-GCM, and nothing else.
//!
//! A block is 14 rounds (the first key addition is an XOR, on other ports) and a product in GF(2^128): 4 carry-less
//! multiplications, or 3 with Karatsuba, whose XORs are on other ports again. Eight vectors are in flight, so that the
//! ports and not the latency decide; there is no load, no store, no reduction. A kernel cannot be faster than the row with
//! as many multiplications as it has.
//!
//! They are listed as `limit:<backend>:<multiplications>` beside the libraries and timed in the same rounds.

use core::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::bench::{Memory, Subject};
use crate::case::{Case, Op};

/// The shortest text that the limit says something about: at shorter ones latency and calls decide.
pub const LIMIT_FROM: usize = 4096;

/// The limits of every width that this CPU has.
pub fn all() -> impl Iterator<Item = Box<dyn Subject>> {
    kernels().into_iter().map(|limit| Box::new(limit) as Box<dyn Subject>)
}

struct Limit {
    backend: &'static str,
    multiplications: u8,
    /// Bytes of text that one pass stands for.
    bytes: usize,
    pass: fn(u64),
}

impl Subject for Limit {
    fn name(&self) -> String {
        format!("limit:{}:{}", self.backend, self.multiplications)
    }

    fn check(&self, _: &Case, _: &mut Memory) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn time(&self, case: &Case, calls: u64, _: &mut Memory) -> Result<Option<Duration>> {
        if case.op != Op::Seal || case.size < LIMIT_FROM {
            return Ok(None);
        }
        let passes = (calls * case.size as u64).div_ceil(self.bytes as u64);
        (self.pass)(passes / 5 + 1);
        let start = Instant::now();
        (self.pass)(passes);
        let time = start.elapsed();
        Ok(Some(time.mul_f64((calls * case.size as u64) as f64 / (passes * self.bytes as u64) as f64)))
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn kernels() -> Vec<Limit> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
fn kernels() -> Vec<Limit> {
    use x86::*;

    let mut all = Vec::new();
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vaes") && is_x86_feature_detected!("vpclmulqdq")
    {
        all.push(Limit { backend: "vaes512", multiplications: 4, bytes: 8 * 64, pass: vaes512_4 });
        all.push(Limit { backend: "vaes512", multiplications: 3, bytes: 8 * 64, pass: vaes512_3 });
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("vaes") && is_x86_feature_detected!("vpclmulqdq") {
        all.push(Limit { backend: "vaes256", multiplications: 4, bytes: 8 * 32, pass: vaes256_4 });
        all.push(Limit { backend: "vaes256", multiplications: 3, bytes: 8 * 32, pass: vaes256_3 });
    }
    if is_x86_feature_detected!("avx") && is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq") {
        all.push(Limit { backend: "aesni", multiplications: 4, bytes: 8 * 16, pass: aesni_4 });
        all.push(Limit { backend: "aesni", multiplications: 3, bytes: 8 * 16, pass: aesni_3 });
    }
    all
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unsafe_code, reason = "a loop of these instructions and no others cannot be written in Rust")]

    use core::arch::asm;

    /// A function of eight vectors, 14 rounds each, 8 x 4 or 8 x 3 products, `passes` times.
    ///
    /// Registers 0 to 7 hold the blocks, 8 the round key, 9 and 10 what is multiplied, 11 to 15 products that nobody
    /// reads. The products stand between the rounds, as a kernel would have them.
    macro_rules! pass {
        ($name:ident, $register:literal, [$($products:literal),*]) => {
            pub(super) fn $name(passes: u64) {
                // SAFETY: `kernels` lists this function only where the CPU and the system have its instructions. The
                // loop ends after `passes` rounds, 0 not among them; it touches no memory, and only the registers that
                // are given as clobbered.
                unsafe {
                    asm!(
                        "2:",
                        // Eight rounds with products between them.
                        ".rept 8",
                        concat!("vaesenc ", $register, "0, ", $register, "0, ", $register, "8"),
                        concat!("vaesenc ", $register, "1, ", $register, "1, ", $register, "8"),
                        concat!("vaesenc ", $register, "2, ", $register, "2, ", $register, "8"),
                        concat!("vaesenc ", $register, "3, ", $register, "3, ", $register, "8"),
                        $(concat!("vpclmulqdq ", $register, $products, ", ", $register, "9, ", $register, "10, 0x11"),)*
                        concat!("vaesenc ", $register, "4, ", $register, "4, ", $register, "8"),
                        concat!("vaesenc ", $register, "5, ", $register, "5, ", $register, "8"),
                        concat!("vaesenc ", $register, "6, ", $register, "6, ", $register, "8"),
                        concat!("vaesenc ", $register, "7, ", $register, "7, ", $register, "8"),
                        ".endr",
                        // And six without.
                        ".rept 6",
                        concat!("vaesenc ", $register, "0, ", $register, "0, ", $register, "8"),
                        concat!("vaesenc ", $register, "1, ", $register, "1, ", $register, "8"),
                        concat!("vaesenc ", $register, "2, ", $register, "2, ", $register, "8"),
                        concat!("vaesenc ", $register, "3, ", $register, "3, ", $register, "8"),
                        concat!("vaesenc ", $register, "4, ", $register, "4, ", $register, "8"),
                        concat!("vaesenc ", $register, "5, ", $register, "5, ", $register, "8"),
                        concat!("vaesenc ", $register, "6, ", $register, "6, ", $register, "8"),
                        concat!("vaesenc ", $register, "7, ", $register, "7, ", $register, "8"),
                        ".endr",
                        "dec {passes}",
                        "jnz 2b",
                        "vzeroupper",
                        passes = inout(reg) passes.max(1) => _,
                        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                        out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                        out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                        out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                        options(nomem, nostack),
                    );
                }
            }
        };
    }

    pass!(vaes512_4, "zmm", ["11", "12", "13", "14"]);
    pass!(vaes512_3, "zmm", ["11", "12", "13"]);
    pass!(vaes256_4, "ymm", ["11", "12", "13", "14"]);
    pass!(vaes256_3, "ymm", ["11", "12", "13"]);
    pass!(aesni_4, "xmm", ["11", "12", "13", "14"]);
    pass!(aesni_3, "xmm", ["11", "12", "13"]);
}
