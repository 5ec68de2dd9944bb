//! What this CPU can run: detection only, and nothing that runs on it.
//!
//! Each instruction set has a zero-sized token that only its `detect` makes. A backend stores the token in the key that
//! it expands, so that whoever holds such a key holds the proof: that is the whole safety argument of calling into it.
//!
//! What a CPU says of itself and what follows are two functions: the second is pure, and its tests feed it what CPUs say
//! that are not here (`x86.rs`, and the end of this file).

#![allow(dead_code, reason = "no token without a backend; each build has the backends of one architecture")]

/// Proof that this CPU and its operating system can run AES-NI, PCLMULQDQ, SSSE3 and SSE4.1.
/// Zero-sized; only [`Aesni::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Aesni(());

impl Aesni {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(AESNI).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run AVX2, VAES and VPCLMULQDQ on YMM registers, and what
/// [`Aesni`] proves. Zero-sized; only [`Vaes256::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Vaes256(());

impl Vaes256 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(VAES256).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run AVX-512 F, BW and VL, VAES and VPCLMULQDQ on ZMM registers, and
/// what [`Vaes256`] proves. Zero-sized; only [`Vaes512::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Vaes512(());

impl Vaes512 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        has(VAES512).then_some(Self(()))
    }
}

const AESNI: u8 = 1;
const VAES256: u8 = 2;
const VAES512: u8 = 4;

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
use x86::has;

/// Whether this CPU has the vector registers of AVX-512, and the operating system saves them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_wide_vectors() -> bool {
    x86::has_wide_vectors()
}

#[cfg(not(target_arch = "x86_64"))]
fn has(_: u8) -> bool {
    false
}

/// Proof that this CPU and its operating system can run AES and PMULL of the ARMv8 cryptography extension.
/// Zero-sized; only [`Armv8::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Armv8(());

impl Armv8 {
    pub(crate) fn detect() -> Option<Self> {
        arm::runs_armv8(cfg!(target_feature = "aes"), arm::hwcap()).then_some(Self(()))
    }
}

/// Proof that this CPU and its operating system can run EOR3, which came with SHA3.
/// Zero-sized; only [`Eor3::detect`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Eor3(());

impl Eor3 {
    pub(crate) fn detect() -> Option<Self> {
        arm::runs_eor3(cfg!(target_feature = "sha3"), arm::hwcap()).then_some(Self(()))
    }
}

/// The ARM CPU: what the build counts on, else what Linux says it has; the ID registers are not for programs. Without Linux
/// the build decides alone: macOS has them all, bare metal what it was built for.
mod arm {
    /// Bits of AT_HWCAP, as Linux numbers them for ARM (its arch/arm64/include/uapi/asm/hwcap.h).
    pub(super) const AES: u64 = 1 << 3;
    pub(super) const PMULL: u64 = 1 << 4;
    pub(super) const SHA3: u64 = 1 << 17;

    /// Each bit is asked for: the features "aes" and "sha3" of crate `cpufeatures` 0.3.1 are two bits each, of which either
    /// is enough for it.
    pub(super) const fn runs_armv8(built_for: bool, hwcap: u64) -> bool {
        // The backend numbers the lanes of its vectors from the lowest address.
        cfg!(target_endian = "little") && (built_for || hwcap & (AES | PMULL) == AES | PMULL)
    }

    pub(super) const fn runs_eor3(built_for: bool, hwcap: u64) -> bool {
        built_for || hwcap & SHA3 == SHA3
    }

    #[cfg(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android")))]
    #[allow(unsafe_code, reason = "CONTRIBUTING.md: asking the operating system what the CPU has")]
    pub(super) fn hwcap() -> u64 {
        // SAFETY: the call takes a number and gives one; it has no precondition.
        unsafe { libc::getauxval(libc::AT_HWCAP) }
    }

    #[cfg(not(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android"))))]
    pub(super) const fn hwcap() -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::arm::{self, AES, PMULL, SHA3};

    /// The first bits of what Linux prints in /proc/cpuinfo, in their order: FP, ASIMD, EVTSTRM.
    const OLDEST: u64 = 0b111;

    #[test]
    fn arm_runs_what_all_its_bits_are_there_for_and_no_other() {
        for (cpu, hwcap, armv8, eor3) in [
            ("no bit at all", 0, false, false),
            ("Cortex-A72 of a Raspberry Pi 4, without the extension", OLDEST | 1 << 7 | 1 << 11, false, false),
            ("AES without PMULL", OLDEST | AES, false, false),
            ("PMULL without AES", OLDEST | PMULL, false, false),
            ("SHA1 and SHA2 alone", OLDEST | 1 << 5 | 1 << 6, false, false),
            ("Cortex-A72 with the extension", OLDEST | AES | PMULL | 1 << 5 | 1 << 6 | 1 << 7, true, false),
            ("Neoverse N1", 0x1011_9fff, true, false),
            ("SHA512 without SHA3", OLDEST | AES | PMULL | 1 << 21, true, false),
            ("AES, PMULL, SHA3", OLDEST | AES | PMULL | SHA3, true, true),
            ("SHA3 alone", SHA3, false, true),
            ("every bit", u64::MAX, true, true),
        ] {
            let little = cfg!(target_endian = "little");
            assert_eq!(arm::runs_armv8(false, hwcap), armv8 && little, "{cpu}");
            assert_eq!(arm::runs_eor3(false, hwcap), eor3, "{cpu}");
            assert_eq!((arm::runs_armv8(true, hwcap), arm::runs_eor3(true, hwcap)), (little, true), "{cpu}");
        }
    }

    #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
    #[test]
    fn this_arm_is_seen_as_std_sees_it() {
        extern crate std;
        use std::arch::is_aarch64_feature_detected as std_sees;
        assert_eq!([AES, PMULL, SHA3], [libc::HWCAP_AES, libc::HWCAP_PMULL, libc::HWCAP_SHA3]);
        // Its "aes" is AES and PMULL; its "sha3" is SHA3 and SHA512.
        assert_eq!(super::Armv8::detect().is_some(), std_sees!("aes"));
        if std_sees!("sha3") {
            assert!(super::Eor3::detect().is_some());
        }
    }
}
