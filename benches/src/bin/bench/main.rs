//! Asks the workers, all in the same minutes, and says what came of it.

mod machine;
mod plan;
#[cfg(feature = "plots")]
mod plot;
mod quick;
mod record;
mod run;
mod smoke;
mod table;
mod workers;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::record::Record;
use crate::workers::Workers;

/// Tablecrypt against its rivals.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every row; writes a record and its plots, and prints tables.
    Record {
        /// The workers.
        #[arg(required = true)]
        workers: Vec<PathBuf>,
        /// Where records are kept: a folder for each CPU.
        #[arg(long, default_value = "benches/record")]
        into: PathBuf,
    },
    /// The rows that have a target, in under a minute; writes nothing.
    Quick {
        /// The workers.
        #[arg(required = true)]
        workers: Vec<PathBuf>,
    },
    /// Every operation once, checked; no figure of it means anything.
    Smoke {
        /// The workers.
        #[arg(required = true)]
        workers: Vec<PathBuf>,
    },
    /// The tables and plots of a record that was written before.
    Show {
        /// The record.
        record: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Record { workers, into } => {
            let mut workers = Workers::start(&workers)?;
            let rows = run::measure(&mut workers, &plan::full(), run::FULL)?;
            let record = Record::new(&workers, rows)?;
            let path = record.write(&into)?;
            show(&record, &path)?;
            println!("{}", path.display());
        }
        Command::Quick { workers } => {
            let mut workers = Workers::start(&workers)?;
            let rows = run::measure(&mut workers, &plan::quick(), run::QUICK)?;
            quick::print(&rows);
        }
        Command::Smoke { workers } => {
            let mut workers = Workers::start(&workers)?;
            let rows = run::measure(&mut workers, &plan::full(), run::SMOKE)?;
            smoke::check(&workers, &rows)?;
        }
        Command::Show { record } => show(&Record::read(&record)?, &record)?,
    }
    Ok(())
}

fn show(record: &Record, path: &std::path::Path) -> Result<()> {
    table::print(record);
    #[cfg(feature = "plots")]
    plot::draw(record, path.parent().unwrap_or(path))?;
    #[cfg(not(feature = "plots"))]
    let _ = path;
    Ok(())
}
