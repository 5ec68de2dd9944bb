//! A record as tables, in Markdown: a terminal shows it as well as a page.

use tablecrypt_benches::case::{Case, Op, SMALL};

use crate::plan::{self, AADS, ALIGNS, ODD, SIZES, THREADS, XAES, case};
use crate::record::Record;
use crate::run::row;

/// Prints all of them.
pub(crate) fn print(record: &Record) {
    let machine = &record.machine;
    println!("{} ({})", machine.slug, machine.cpu);
    println!("{}; commit {}; {}; minimum, ns\n", machine.compiler, machine.commit, machine.date);

    for op in [Op::Seal, Op::Open] {
        let columns = SIZES.map(|size| (label(size), case(op, size)));
        table(record, &format!("{}, AAD of {} B", op.name(), plan::AAD), &columns);
    }
    let mut columns = vec![
        ("set-up".to_owned(), case(Op::Setup, SMALL)),
        ("set-up + seal of 64 B".to_owned(), case(Op::SetupSeal, SMALL)),
        ("batch of 64 x 64 B, a message".to_owned(), case(Op::Batch, SMALL)),
    ];
    columns.extend(THREADS.map(|size| (format!("two threads, {}", label(size)), case(Op::Threads, size))));
    table(record, "keys, batches, threads", &columns);
    for (title, op) in [("XAES-256-GCM, warm", Op::XaesWarm), ("XAES-256-GCM, cold", Op::XaesCold)] {
        table(record, title, &XAES.map(|size| (label(size), case(op, size))));
    }
    for op in [Op::Seal, Op::Open] {
        table(record, &format!("{}, odd sizes", op.name()), &ODD.map(|size| (label(size), case(op, size))));
        for size in [64, 1 << 10, 16 << 10] {
            let aads = AADS.map(|aad| (format!("AAD {aad} B"), Case { aad, ..case(op, size) }));
            let aligns = ALIGNS.map(|align| (format!("{align} B off"), Case { align, ..case(op, size) }));
            table(record, &format!("{} of {}", op.name(), label(size)), &[&aads[..], &aligns[..]].concat());
        }
    }
    portable(record);
}

/// What SIMD is worth: README shows it.
fn portable(record: &Record) {
    println!("SIMD and portable, seal, GB/s\n");
    let ours = record.libraries.iter().map(|library| library.name.as_str());
    let ours: Vec<_> = ours.filter(|name| name.starts_with("tablecrypt:")).collect();
    println!("| | {} |", SIZES.map(label).join(" | "));
    println!("| ---{} |", " | ---:".repeat(SIZES.len()));
    let rate = |name: &str, size| {
        row(&record.rows, &case(Op::Seal, size)).and_then(|row| row.min(name)).map(|time| size as f64 / time)
    };
    for name in &ours {
        let cells = SIZES.map(|size| rate(name, size).map_or(String::new(), |rate| format!("{rate:.2}")));
        println!("| {} | {} |", name.trim_start_matches("tablecrypt:"), cells.join(" | "));
    }
    if let (Some(best), Some(portable)) = (ours.first(), ours.iter().find(|name| name.ends_with(":portable"))) {
        let cells = SIZES.map(|size| {
            rate(best, size)
                .zip(rate(portable, size))
                .map_or(String::new(), |(best, portable)| format!("{:.0} x", best / portable))
        });
        println!("| {} over portable | {} |", best.trim_start_matches("tablecrypt:"), cells.join(" | "));
    }
    println!();
}

fn table(record: &Record, title: &str, columns: &[(String, Case)]) {
    let rows: Vec<_> = columns.iter().map(|(_, case)| row(&record.rows, case)).collect();
    let mut lines = vec![
        core::iter::once(title.to_owned()).chain(columns.iter().map(|(label, _)| label.clone())).collect::<Vec<_>>(),
    ];
    for library in &record.libraries {
        let cells: Vec<_> =
            rows.iter().map(|row| row.and_then(|row| row.min(&library.name)).map_or(String::new(), time)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            lines.push(core::iter::once(record.title(&library.name)).chain(cells).collect());
        }
    }
    if lines.len() > 1 {
        aligned(&lines);
    }
}

/// Prints a table whose first line is its head, with columns of equal width.
pub(crate) fn aligned(lines: &[Vec<String>]) {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<_> = (0..lines[0].len()).map(width).collect();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        if index == 0 {
            let rules = widths
                .iter()
                .enumerate()
                .map(|(column, width)| if column == 0 { "-".repeat(*width) } else { "-".repeat(width - 1) + ":" });
            println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
    println!();
}

/// Three digits, or all before the point.
pub(crate) fn time(nanoseconds: f64) -> String {
    if nanoseconds < 99.95 { format!("{nanoseconds:.1}") } else { format!("{nanoseconds:.0}") }
}

/// A size as people say it.
pub(crate) fn label(size: usize) -> String {
    match size {
        _ if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}
