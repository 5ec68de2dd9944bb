//! The tokens of CPUs that are not here, and of the one that is.

use super::*;

const NONE: u8 = 0;
const TO_AESNI: u8 = AESNI;
const TO_VAES256: u8 = AESNI | VAES256;
const TO_VAES512: u8 = AESNI | VAES256 | VAES512;

/// What real CPUs say, and an operating system that saves all that leaf 13 lets it (its EAX is the last number). From the
/// dumps of InstLatx64, the CPUs of the same name.
const CPUS: &[(&str, Said, u8)] = &[
    ("Pentium 4 Prescott: five leaves", said(0x5, 0x0000_649d, [0, 0], 0), NONE),
    ("K10 Shanghai: five leaves", said(0x5, 0x0080_2009, [0, 0], 0), NONE),
    ("Bobcat", said(0x6, 0x0080_2209, [0, 0], 0), NONE),
    ("VIA Isaiah", said(0xa, 0x0000_63a9, [0, 0], 0), NONE),
    ("Nehalem (Bloomfield): no AES", said(0xb, 0x0098_e3bd, [0, 0], 0), NONE),
    ("Silvermont: PCLMULQDQ without AES", said(0xb, 0x41d8_e3bf, [0x2282, 0], 0), NONE),
    ("Ivy Bridge with AES turned off", said(0xd, 0x0d9a_e3bf, [0x281, 0], 0x3), NONE),
    ("Haswell-EP with AES turned off: AVX2", said(0xf, 0x7dfe_fbff, [0x3fbb, 0], 0x7), NONE),
    ("Hygon without AES and PCLMULQDQ: AVX2", said(0xd, 0x7cd8_3209, [0x009c_01a9, 0], 0x7), NONE),
    ("Westmere (Clarkdale)", said(0xb, 0x0298_e3ff, [0, 0], 0), TO_AESNI),
    ("an emulator on ARM, three leaves", said(0x3, 0x0288_0203, [0, 0], 0), TO_AESNI),
    ("Sandy Bridge: AVX", said(0xd, 0x1fba_e3ff, [0, 0], 0x7), TO_AESNI),
    ("Bulldozer (Zambezi)", said(0xd, 0x1e98_220b, [0, 0], 0x7), TO_AESNI),
    ("Haswell: AVX2", said(0xd, 0x7ffa_fbff, [0x27ab, 0], 0x7), TO_AESNI),
    ("Goldmont: no AVX", said(0x15, 0x4ff8_ebbf, [0x2294_e283, 0], 0x1b), TO_AESNI),
    ("VIA Isaiah CNR: AVX2, not turned on", said(0xd, 0x76fa_63ab, [0x000c_25ab, 0], 0x7), TO_AESNI),
    ("Zhaoxin KX-6000", said(0xd, 0x7fda_63eb, [0x201c_258b, 0x0040_000c], 0x207), TO_AESNI),
    ("Zhaoxin KX-7000", said(0x1f, 0x7ffa_73eb, [0x200c_25ab, 0x0040_000d], 0x207), TO_AESNI),
    ("Zen 2 (Rome)", said(0x10, 0x7ef8_320b, [0x219c_91a9, 0x0040_0004], 0x207), TO_AESNI),
    ("Knights Landing: AVX-512 F alone", said(0xd, 0x7ff8_f3bf, [0x1c0d_23ab, 0x1], 0xe7), TO_AESNI),
    ("Skylake-X: AVX-512, no VAES", said(0x16, 0x7ffe_fbbf, [0xd39f_fffb, 0], 0xff), TO_AESNI),
    ("Cannon Lake: AVX-512, no VAES", said(0x16, 0x7ffa_fbbf, [0xf2bf_67eb, 0xe], 0x2ff), TO_AESNI),
    ("Centaur CNS: AVX-512, no VAES", said(0xd, 0x7fda_73ab, [0xf1bf_67ab, 0x0040_000f], 0x2ff), TO_AESNI),
    ("Zen 3 (Vermeer): no AVX-512", said(0x10, 0x7ed8_320b, [0x219c_97a9, 0x0040_068c], 0x207), TO_VAES256),
    ("Alder Lake: no AVX-512", said(0x20, 0x7ffa_fbbf, [0x239c_27eb, 0x98c0_07ac], 0x207), TO_VAES256),
    ("Alder Lake with its AVX-512 turned on", said(0x20, 0x7ffa_fbbf, [0xf3bf_a7eb, 0x98c0_5fee], 0x2e7), TO_VAES512),
    ("Ice Lake-Y", said(0x1b, 0x7ffa_fbbf, [0xf2bf_27ef, 0x4040_5f4e], 0x2e7), TO_VAES512),
    ("Ice Lake-SP", said(0x1b, 0x7ffe_fbff, [0xf3bf_bfff, 0x4041_7f4e], 0x2e7), TO_VAES512),
    ("Emerald Rapids", said(0x20, 0x7ffe_fbff, [0xf3bf_bfff, 0xfb41_7fee], 0x602e7), TO_VAES512),
    ("Zen 4 (Raphael)", said(0x10, 0x7ef8_320b, [0xf1bf_97a9, 0x0040_5fce], 0x2e7), TO_VAES512),
    ("Zen 5 (Turin)", said(0x10, 0x7efa_320b, [0xf1bf_97ab, 0x1941_5fce], 0x2e7), TO_VAES512),
];

const fn said(highest: u32, leaf1: u32, leaf7: [u32; 2], xcr0: u64) -> Said {
    Said { highest, leaf1, leaf7, xcr0 }
}

fn cpu(name: &str) -> Said {
    CPUS.iter().find(|(cpu, ..)| cpu.starts_with(name)).expect("a CPU of the list").1
}

#[test]
fn real_cpus_run_what_their_instructions_are_for_and_no_other() {
    for (name, said, expected) in CPUS {
        assert_eq!(tokens(said), *expected, "{name}");
    }
}

#[test]
fn made_up_cpus_run_no_more_than_what_they_say() {
    let full = cpu("Ice Lake-SP");
    let without1 = |bits: u32| Said { leaf1: full.leaf1 & !bits, ..full };
    let without7 = |ebx: u32, ecx: u32| Said { leaf7: [full.leaf7[0] & !ebx, full.leaf7[1] & !ecx], ..full };
    let saves = |xcr0: u64| Said { xcr0, ..full };
    let zen3 = cpu("Zen 3");
    for (what, said, expected) in [
        ("all of it: the control", full, TO_VAES512),
        ("no AES", without1(AES), NONE),
        ("AES without PCLMULQDQ", without1(PCLMULQDQ), NONE),
        ("AES without SSE3", without1(SSE3), NONE),
        ("AES without SSSE3", without1(SSSE3), NONE),
        ("AES without SSE4.1", without1(SSE41), NONE),
        ("a hypervisor that hides SSE4.2", without1(SSE42), TO_AESNI),
        ("a hypervisor that hides AVX and not AVX2", without1(AVX), TO_AESNI),
        ("a hypervisor that hides AVX2", without7(AVX2, 0), TO_AESNI),
        ("a hypervisor that hides XSAVE", without1(1 << 26), TO_AESNI),
        ("an operating system without XSAVE", without1(1 << 27), TO_AESNI),
        ("VAES without VPCLMULQDQ", without7(0, VPCLMULQDQ), TO_AESNI),
        ("VPCLMULQDQ without VAES", without7(0, VAES), TO_AESNI),
        ("a hypervisor that hides FMA", without1(FMA), TO_VAES256),
        ("a hypervisor that hides F16C", without1(F16C), TO_VAES256),
        ("no AVX-512 F", without7(AVX512F, 0), TO_VAES256),
        ("AVX-512 F without BW", without7(AVX512BW, 0), TO_VAES256),
        ("AVX-512 F without VL", without7(AVX512VL, 0), TO_VAES256),
        ("saves x87 alone", saves(0b1), TO_AESNI),
        ("saves XMM alone", saves(0b11), TO_AESNI),
        ("saves YMM without XMM", saves(0b101), TO_AESNI),
        ("saves YMM", saves(0b111), TO_VAES256),
        ("saves YMM and MPX", saves(0x1f), TO_VAES256),
        ("saves YMM and the masks of ZMM", saves(0x27), TO_VAES256),
        ("saves ZMM 0 to 15", saves(0x67), TO_VAES256),
        ("saves ZMM 16 to 31 without 0 to 15", saves(0xa7), TO_VAES256),
        ("saves ZMM without the masks", saves(0xc7), TO_VAES256),
        ("saves ZMM without YMM", saves(0xe3), TO_AESNI),
        ("saves ZMM", saves(0xe7), TO_VAES512),
        ("saves everything", saves(u64::MAX), TO_VAES512),
        ("XCR0 of an operating system without XSAVE", Said { xcr0: u64::MAX, ..without1(XSAVE) }, TO_AESNI),
        // The BIOS option "limit CPUID maximum": leaf 7 then repeats the highest one.
        ("leaf 7 of a CPU with three", Said { highest: 3, ..full }, TO_AESNI),
        ("leaf 7 of a CPU with six", Said { highest: 6, ..full }, TO_AESNI),
        ("leaf 7 is the highest", Said { highest: 7, ..full }, TO_VAES512),
        ("Zen 3 in an operating system from before YMM", Said { xcr0: 0b11, ..zen3 }, TO_AESNI),
        (
            "every bit of every leaf",
            Said { highest: u32::MAX, leaf1: u32::MAX, leaf7: [u32::MAX; 2], xcr0: u64::MAX },
            TO_VAES512,
        ),
        ("nothing", Said { highest: 0, leaf1: 0, leaf7: [0; 2], xcr0: 0 }, NONE),
    ] {
        assert_eq!(tokens(&said), expected, "{what}");
    }
}

/// No bit that is missing gives more; and every token has the one below it.
#[test]
fn a_cpu_that_says_less_runs_no_more() {
    for &(name, said, all) in CPUS {
        assert!([NONE, TO_AESNI, TO_VAES256, TO_VAES512].contains(&all), "{name}");
        for bit in 0..32 {
            let mask = !(1_u32 << bit);
            let [ebx, ecx] = said.leaf7;
            for less in [
                Said { leaf1: said.leaf1 & mask, ..said },
                Said { leaf7: [ebx & mask, ecx], ..said },
                Said { leaf7: [ebx, ecx & mask], ..said },
                Said { xcr0: said.xcr0 & u64::from(mask), ..said },
                Said { highest: said.highest.min(bit), ..said },
            ] {
                assert_eq!(tokens(&less) & !all, 0, "{name}, bit {bit}");
            }
        }
    }
}

#[test]
fn this_cpu_is_seen_as_std_and_cpufeatures_see_it() {
    extern crate std;
    use std::arch::is_x86_feature_detected as std_sees;

    let aesni_here = std_sees!("aes") && std_sees!("pclmulqdq") && std_sees!("ssse3") && std_sees!("sse4.1");
    let vaes256_here = aesni_here && std_sees!("avx2") && std_sees!("vaes") && std_sees!("vpclmulqdq");
    let avx512_here = std_sees!("avx512f") && std_sees!("avx512bw") && std_sees!("avx512vl");
    let mut expected = if aesni_here { TO_AESNI } else { NONE };
    if vaes256_here {
        expected = if avx512_here { TO_VAES512 } else { TO_VAES256 };
    }
    assert_eq!(tokens(&Said::here()), expected);
    assert_eq!([AESNI, VAES256, VAES512].map(has), [AESNI, VAES256, VAES512].map(|token| expected & token != 0));
    // Where both are asked, both say the same.
    assert_eq!(aesni::get(), expected & AESNI != 0);
    assert_eq!(avx512::get(), expected & VAES512 != 0);
    std::println!("this CPU: {expected:03b}");
}
