//! Which rows there are.

use tablecrypt_benches::case::{Case, Op, SMALL};

/// The sizes of a table.
pub(crate) const SIZES: [usize; 8] = [16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20];

/// Sizes that are a multiple of nothing.
pub(crate) const ODD: [usize; 6] = [13, 100, 333, 1500, 9000, 100_003];

/// The AAD where nothing else is said.
pub(crate) const AAD: usize = 16;

/// Other lengths of AAD, and the sizes of text that they are tried with.
pub(crate) const AADS: [usize; 3] = [0, 13, 300];
const AAD_SIZES: [usize; 3] = [64, 1 << 10, 16 << 10];

/// Misaligned texts.
pub(crate) const ALIGNS: [usize; 3] = [1, 13, 35];
const ALIGN_SIZES: [usize; 4] = [64, 1 << 10, 16 << 10, 1 << 20];

/// What two threads seal.
pub(crate) const THREADS: [usize; 2] = [1 << 10, 16 << 10];

/// What XAES seals.
pub(crate) const XAES: [usize; 3] = [64, 1 << 10, 16 << 10];

/// One row.
pub(crate) const fn case(op: Op, size: usize) -> Case {
    Case { op, size, aad: AAD, align: 0 }
}

/// The rows that have a target, and one of each kind that has none.
pub(crate) fn quick() -> Vec<Case> {
    let mut cases = common();
    for size in [1 << 10, 16 << 10] {
        cases.push(Case { align: ALIGNS[1], ..case(Op::Seal, size) });
        cases.extend(AADS.map(|aad| Case { aad, ..case(Op::Seal, size) }));
    }
    cases
}

/// Every row.
pub(crate) fn full() -> Vec<Case> {
    let mut cases = common();
    cases.extend(ODD.map(|size| case(Op::Open, size)));
    for op in [Op::Seal, Op::Open] {
        for size in AAD_SIZES {
            cases.extend(AADS.map(|aad| Case { aad, ..case(op, size) }));
        }
        for size in ALIGN_SIZES {
            cases.extend(ALIGNS.map(|align| Case { align, ..case(op, size) }));
        }
    }
    cases
}

fn common() -> Vec<Case> {
    let mut cases = Vec::new();
    // A size's seal and open follow each other: they are compared.
    for size in SIZES {
        cases.extend([Op::Seal, Op::Open].map(|op| case(op, size)));
    }
    cases.extend([Op::Setup, Op::SetupSeal, Op::Batch].map(|op| case(op, SMALL)));
    for size in XAES {
        cases.extend([Op::XaesWarm, Op::XaesCold].map(|op| case(op, size)));
    }
    cases.extend(THREADS.map(|size| case(Op::Threads, size)));
    cases.extend(ODD.map(|size| case(Op::Seal, size)));
    cases
}
