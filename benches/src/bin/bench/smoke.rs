//! What CI asks of our own benches: that each operation gave a figure on each backend. That the outputs agree was checked
//! before they were timed.

use anyhow::{Result, ensure};
use tablecrypt_benches::case::Op;

use crate::run::Row;
use crate::workers::Workers;

/// Fails where a figure is missing.
pub(crate) fn check(workers: &Workers, rows: &[Row]) -> Result<()> {
    let ours: Vec<_> = workers.names().filter(|name| name.starts_with("tablecrypt")).collect();
    // The default, portable, and whatever else this CPU has.
    ensure!(ours.len() >= 2, "only {ours:?} are there");
    for op in Op::ALL {
        ensure!(rows.iter().any(|row| row.op == op.name()), "no row times {}", op.name());
    }
    for row in rows {
        for name in &ours {
            let time = row.min(name);
            ensure!(time.is_some_and(|time| time > 0.0), "{name} has no figure for {} of {} B", row.op, row.size);
        }
    }
    println!("{} rows, {} figures each: {}", rows.len(), ours.len(), ours.join(", "));
    Ok(())
}
