//! The rows that have a target, beside it.

use tablecrypt_benches::case::{Case, Op, SMALL};

use crate::plan::{AADS, ALIGNS, ODD, SIZES, THREADS, case};
use crate::run::{Row, row};
use crate::table::{aligned, label, time};

/// Prints them. A figure is how many times as fast as what it is compared with.
pub(crate) fn print(rows: &[Row]) {
    let rows = Rows(rows);
    let best = rows.best_backend();
    println!("tablecrypt here: {}; minimum, ns\n", best.unwrap_or("?"));

    let mut lines = vec![["", "ours", "theirs", "whose", "ratio", "target", ""].map(str::to_owned).to_vec()];
    let mut compare = |what: &str, ours: Option<f64>, theirs: Option<(&str, f64)>, target: Option<f64>| {
        let (Some(ours), Some((whose, theirs))) = (ours, theirs) else { return };
        let ratio = theirs / ours;
        let (target, verdict) = target.map_or_else(
            || (String::new(), if ratio >= 1.0 { "" } else { "slower" }),
            |target| (format!("{target:.2}"), if ratio >= target { "reached" } else { "NOT reached" }),
        );
        let (ours, theirs) = (time(ours), time(theirs));
        lines.push(vec![what.into(), ours, theirs, whose.into(), format!("{ratio:.2}"), target, verdict.into()]);
    };

    for (size, target) in SIZES.into_iter().zip([2.0, 2.0, 1.6, 1.3, 1.15, 1.1, 1.1, 1.1]) {
        let seal = case(Op::Seal, size);
        compare(&format!("seal {}", label(size)), rows.ours(&seal), rows.fastest_rival(&seal), Some(target));
    }
    for size in SIZES {
        let (seal, open) = (case(Op::Seal, size), case(Op::Open, size));
        let what = format!("open {}", label(size));
        compare(&what, rows.ours(&open), rows.own("own seal", &seal), Some(0.97));
        compare(&what, rows.ours(&open), rows.fastest_rival(&open), None);
    }
    let (setup, setup_seal, batch) = (case(Op::Setup, SMALL), case(Op::SetupSeal, SMALL), case(Op::Batch, SMALL));
    compare("set-up", rows.ours(&setup), rows.of("rustcrypto", &setup), Some(1.0));
    compare("set-up", rows.ours(&setup), rows.fastest_rival(&setup), None);
    compare("set-up + seal 64 B", rows.ours(&setup_seal), rows.fastest_rival(&setup_seal), Some(2.0));
    compare("batch 64 x 64 B, a message", rows.ours(&batch), rows.fastest_rival(&case(Op::Seal, SMALL)), Some(5.0));
    for size in [1 << 10, 16 << 10, 1 << 20] {
        let seal = case(Op::Seal, size);
        let seal_of = |backend| rows.time(&seal, backend);
        compare(&format!("vaes256 {}", label(size)), seal_of("tablecrypt:vaes256"), rows.of("ring", &seal), Some(1.1));
        let old = rows.of("openssl:3.0", &seal);
        compare(&format!("aesni {}", label(size)), seal_of("tablecrypt:aesni"), old, Some(1.15));
        let soft = rows.of("rustcrypto:soft", &seal);
        compare(&format!("portable {}", label(size)), seal_of("tablecrypt:portable"), soft, Some(1.0));
    }
    for size in [64, 1 << 10, 16 << 10] {
        let own = rows.own("own GCM", &case(Op::Seal, size));
        compare(&format!("XAES warm {}", label(size)), rows.ours(&case(Op::XaesWarm, size)), own, Some(0.95));
    }
    // Two blocks more than set-up and seal; what a block takes is no row, so a seal of one stands for both.
    let cold = rows.ours(&setup_seal).zip(rows.ours(&case(Op::Seal, 16))).map(|(one, two)| ("own parts", one + two));
    compare("XAES cold 64 B", rows.ours(&case(Op::XaesCold, SMALL)), cold, Some(1.0));
    for size in THREADS {
        let own = rows.own("own thread", &case(Op::Seal, size));
        let threads = case(Op::Threads, size);
        compare(&format!("two threads {}", label(size)), rows.ours(&threads), own, Some(1.9));
        // What the machine lets two threads do: a rival writes nothing shared either.
        let ring = rows.of("ring", &case(Op::Seal, size)).map(|(_, alone)| ("ring alone", alone));
        compare(&format!("two of ring's {}", label(size)), rows.time(&threads, "ring"), ring, None);
    }
    for size in ODD {
        let seal = case(Op::Seal, size);
        compare(&format!("seal {}", label(size)), rows.ours(&seal), rows.fastest_rival(&seal), None);
    }
    for size in SIZES {
        let varied = AADS.map(|aad| (format!("AAD {aad} B"), Case { aad, ..case(Op::Seal, size) }));
        let moved = ALIGNS.map(|align| (format!("{align} B off"), Case { align, ..case(Op::Seal, size) }));
        for (how, seal) in varied.into_iter().chain(moved) {
            let what = format!("seal {}, {how}", label(size));
            compare(&what, rows.ours(&seal), rows.fastest_rival(&seal), None);
        }
    }
    aligned(&lines);
    if let Some(best) = best {
        limits(&rows, best);
    }
}

/// The share of what the ports allow.
fn limits(rows: &Rows<'_>, best: &str) {
    let mut lines =
        vec![["port limit", "limit", "ours", "share", "target", "", "with Karatsuba"].map(str::to_owned).to_vec()];
    for size in SIZES.into_iter().filter(|size| *size >= 16 << 10) {
        for op in [Op::Seal, Op::Open] {
            let limit = |products| rows.time(&case(Op::Seal, size), &format!("limit:{best}:{products}"));
            let (Some(four), Some(three), Some(ours)) = (limit(4), limit(3), rows.ours(&case(op, size))) else {
                continue;
            };
            let share = 100.0 * four / ours;
            let verdict = if share >= 92.0 { "reached" } else { "NOT reached" };
            let karatsuba = format!("{:.0} %", 100.0 * three / ours);
            let what = format!("{} {}", op.name(), label(size));
            let share = format!("{share:.0} %");
            lines.push(vec![what, time(four), time(ours), share, "92 %".into(), verdict.into(), karatsuba]);
        }
    }
    if lines.len() > 1 {
        aligned(&lines);
    }
}

struct Rows<'a>(&'a [Row]);

impl<'a> Rows<'a> {
    fn time(&self, case: &Case, library: &str) -> Option<f64> {
        row(self.0, case)?.min(library)
    }

    /// What a user gets.
    fn ours(&self, case: &Case) -> Option<f64> {
        self.time(case, "tablecrypt")
    }

    fn own<'b>(&self, words: &'b str, case: &Case) -> Option<(&'b str, f64)> {
        Some((words, self.ours(case)?))
    }

    fn of<'b>(&self, library: &'b str, case: &Case) -> Option<(&'b str, f64)> {
        Some((library, self.time(case, library)?))
    }

    fn fastest_rival(&self, case: &Case) -> Option<(&'a str, f64)> {
        let figures = row(self.0, case)?.figures.iter();
        let rivals = figures.filter(|figure| is_rival(&figure.library));
        rivals.map(|figure| (figure.library.as_str(), figure.min)).min_by(|one, two| one.1.total_cmp(&two.1))
    }

    /// The backend after the default, which takes the best.
    fn best_backend(&self) -> Option<&'a str> {
        self.0.first()?.figures.iter().find_map(|figure| figure.library.strip_prefix("tablecrypt:"))
    }
}

/// RustCrypto's software is compared with portable alone.
pub(crate) fn is_rival(library: &str) -> bool {
    !(library.starts_with("tablecrypt") || library.starts_with("limit:") || library == "rustcrypto:soft")
}
