//! Passes over all rows; in each, every library once a round, batch by batch, so that a slow minute of the machine is
//! everybody's.

use std::io::IsTerminal;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tablecrypt_benches::case::{Case, Op};

use crate::workers::Workers;

/// How often and how long.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How often all rows are gone through, so that rows can be compared with each other too.
    passes: usize,
    /// How many rounds a row gets in each pass.
    rounds: usize,
    /// Nanoseconds of a batch.
    batch: f64,
    /// Nanoseconds that one library may spend on one row in one pass; slow ones get fewer rounds.
    budget: f64,
}

/// For a record.
pub(crate) const FULL: Effort = Effort { passes: 6, rounds: 120, batch: 50e3, budget: 200e6 };

/// For a look.
pub(crate) const QUICK: Effort = Effort { passes: 10, rounds: 40, batch: 15e3, budget: 15e6 };

/// To see that it works.
pub(crate) const SMOKE: Effort = Effort { passes: 1, rounds: 1, batch: 0.0, budget: 0.0 };

/// One operation, and how long each library took for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    /// An operation's name.
    pub(crate) op: String,
    /// Bytes of text.
    pub(crate) size: usize,
    /// Bytes of AAD.
    pub(crate) aad: usize,
    /// Bytes past a multiple of 64.
    pub(crate) align: usize,
    /// Nanoseconds a call.
    pub(crate) figures: Vec<Figure>,
}

/// Nanoseconds a call, over all rounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// Whose.
    pub(crate) library: String,
    /// The least, which is what is compared: what disturbs a measurement only ever adds.
    pub(crate) min: f64,
    /// The median, which says how disturbed they were.
    pub(crate) median: f64,
}

impl Row {
    fn new(case: &Case, runners: Vec<Runner<'_>>) -> Self {
        let figures = runners.into_iter().map(Runner::figure).collect();
        Self { op: case.op.name().into(), size: case.size, aad: case.aad, align: case.align, figures }
    }

    /// The least time of one library.
    pub(crate) fn min(&self, library: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.library == library).map(|figure| figure.min)
    }

    /// Whether this is its row.
    pub(crate) fn is(&self, case: &Case) -> bool {
        self.op == case.op.name() && (self.size, self.aad, self.align) == (case.size, case.aad, case.align)
    }
}

/// The row of a case.
pub(crate) fn row<'a>(rows: &'a [Row], case: &Case) -> Option<&'a Row> {
    rows.iter().find(|row| row.is(case))
}

/// Checks and times every case on every library that offers it.
pub(crate) fn measure(workers: &mut Workers, cases: &[Case], effort: Effort) -> Result<Vec<Row>> {
    let names: Vec<_> = workers.names().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        progress(format_args!("row {} of {}: {case}", index + 1, cases.len()));
        check(workers, &names, case)?;
        rows.push((case, runners(workers, &names, case, effort)?));
    }
    for pass in 0..effort.passes {
        for (index, (case, runners)) in rows.iter_mut().enumerate() {
            progress(format_args!(
                "pass {} of {}, row {} of {}: {case}",
                pass + 1,
                effort.passes,
                index + 1,
                cases.len()
            ));
            rounds(workers, case, runners, effort)?;
        }
    }
    progress(format_args!(""));
    Ok(rows.into_iter().map(|(case, runners)| Row::new(case, runners)).collect())
}

/// Where somebody watches.
fn progress(what: core::fmt::Arguments<'_>) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

fn runners<'a>(workers: &mut Workers, names: &'a [String], case: &Case, effort: Effort) -> Result<Vec<Runner<'a>>> {
    let mut runners = Vec::new();
    for (member, name) in names.iter().enumerate() {
        if let Some((calls, nanoseconds)) = calls(workers, member, case, effort)? {
            let affordable = (effort.budget / (calls as f64 * nanoseconds)) as usize;
            runners.push(Runner {
                member,
                name,
                calls,
                rounds: affordable.max(1).min(effort.rounds),
                times: Vec::new(),
            });
        }
    }
    Ok(runners)
}

fn rounds(workers: &mut Workers, case: &Case, runners: &mut [Runner<'_>], effort: Effort) -> Result<()> {
    for round in 0..effort.rounds {
        // Nobody comes first always.
        for index in 0..runners.len() {
            let index = (index + round) % runners.len();
            let runner = &mut runners[index];
            if round < runner.rounds {
                runner.times.extend(workers.time(runner.member, case, runner.calls)?);
            }
        }
    }
    Ok(())
}

struct Runner<'a> {
    member: usize,
    name: &'a str,
    /// In a batch.
    calls: u64,
    /// In a pass.
    rounds: usize,
    times: Vec<f64>,
}

impl Runner<'_> {
    fn figure(mut self) -> Figure {
        self.times.sort_by(f64::total_cmp);
        let round = |nanoseconds: f64| (nanoseconds * 100.0).round() / 100.0;
        let (min, median) = (round(self.times[0]), round(self.times[self.times.len() / 2]));
        Figure { library: self.name.into(), min, median }
    }
}

/// What comes out of a call must be the same for all. Ours comes first, so that a wrong rival is named as such; the
/// published vectors that ours is tested with are in `tests/vectors`.
fn check(workers: &mut Workers, names: &[String], case: &Case) -> Result<()> {
    let mut expected: Option<(String, String)> = None;
    for (member, name) in names.iter().enumerate() {
        let Some(out) = workers.check(member, case)? else { continue };
        match &expected {
            Some((first, expected)) => ensure!(*expected == out, "{name} and {first} disagree about {case}"),
            None => expected = Some((name.clone(), out)),
        }
    }
    Ok(())
}

/// How many calls make a batch, and what one takes.
fn calls(workers: &mut Workers, member: usize, case: &Case, effort: Effort) -> Result<Option<(u64, f64)>> {
    // A thread is started for each batch.
    let batch = if case.op == Op::Threads { effort.batch * 5.0 } else { effort.batch };
    let mut calls = 1;
    let mut nanoseconds = 0.0;
    for _ in 0..3 {
        let Some(time) = workers.time(member, case, calls)? else { return Ok(None) };
        nanoseconds = time.max(0.1);
        calls = ((batch / nanoseconds) as u64).max(1);
    }
    Ok(Some((calls, nanoseconds)))
}
