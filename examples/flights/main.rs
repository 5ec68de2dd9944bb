//! The main job: a year of flights in an encrypted table, from the KMS key down to bytes on disk and back.
//!
//! ```text
//! source    flights.csv -> items           item.rs  source.rs
//! layout    items -> keys and values of the base table and its two indexes
//! site      the folder: KMS, key files, sorted files; the clock
//! job       writes and reads all of it, sealed and in plaintext
//! questions asked of the sealed files, and of the CSV
//! search    looks for plaintext in every file
//! traffic   counts the KMS's calls in a virtual hour          outage   disables the key, and enables it
//! report    figures, checks, and a summary
//! ```
//!
//! The clock is virtual: hours pass in no time, and nothing is refreshed while files are written. All else is real.

#![allow(unreachable_pub, reason = "a binary: nothing outside reaches its modules")]

mod args;
mod item;
mod job;
mod layout;
mod outage;
mod progress;
mod questions;
mod report;
mod search;
mod site;
mod source;
mod traffic;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tablecrypt::TableSpec;
use tablecrypt::core::Backend;
use tablecrypt_examples::Plain;

use crate::args::Args;
use crate::layout::{Files, Layout};
use crate::progress::Progress;
use crate::report::Figures;
use crate::search::Search;
use crate::site::{Site, TABLE, count};

fn main() -> ExitCode {
    let args = Args::parse();
    let shown = run(&args).and_then(|figures| {
        let text = if args.json { figures.json()? } else { figures.summary() };
        writeln!(io::stdout(), "{text}").context("cannot print")?;
        Ok(figures)
    });
    match shown {
        Ok(figures) => {
            let failed = figures.failed();
            failed.iter().for_each(|check| eprintln!("flights: this does not hold: {check}"));
            figures.plaintext_hits.first.iter().for_each(|place| eprintln!("flights: plaintext in {place}"));
            if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("flights: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Figures> {
    let progress = Progress::new(args.json);
    let mut figures = Figures { backend: Backend::best().name(), ..Figures::default() };
    let csv = args.data.join("flights.csv");
    let items = source::items(&csv, args.items, &progress)?;
    figures.items = items.len() as u64;

    let site = Site::new(args.folder.as_deref())?;
    let plain = site.plaintext()?;
    {
        let service = site.service()?;
        service.default_key().context("cannot create the service default key")?;
        service.create_table(&TableSpec::new(TABLE).local(layout::BY_DELAY).global(layout::BY_TAIL))?;
        let table = service.open_table(TABLE)?;
        figures.cold_connections += 1;
        for layout in Layout::ALL {
            let entries = layout.entries(&items)?;
            figures.entries.insert(layout.name(), entries.len() as u64);
            figures.plain += job::write(&plain.path().join(layout.file()), Plain, &entries, &progress, "in plaintext")?;
            figures.sealed += job::write(&site.path(layout), layout.structure(&table)?, &entries, &progress, "sealed")?;
        }
    }

    let search = Search::new(&items)?;
    drop(items);

    // Everything was dropped but the files: cold, as another process would find them.
    let table = site.service()?.open_table(TABLE)?;
    figures.cold_connections += 1;
    let mut files = Files::open(&site, &table)?;
    progress.stage("Asking", 0);
    let answers = files.ask()?;
    let expected = questions::expected(&csv, args.items)?;
    figures.every_item_equal = files.holds(&expected.items)?;
    figures.answers_equal = answers == expected.answers;
    figures.answers = answers;
    figures.kms_calls_by_operation = count(&site.calls()?);
    figures.kms_calls = figures.kms_calls_by_operation.values().sum();

    for layout in Layout::ALL {
        figures.read += job::read(&plain.path().join(layout.file()), Plain, &progress, "in plaintext")?;
        figures.opened += job::read(&site.path(layout), layout.structure(&table)?, &progress, "sealed")?;
    }

    figures.traffic = traffic::hours(&site, &mut files, &progress)?;
    figures.outage = outage::outage(&site, &table, &mut files, &progress)?;

    figures.plaintext_hits_control = search.folder(plain.path(), &progress)?;
    plain.close()?;
    figures.plaintext_hits = search.folder(site.folder(), &progress)?;
    figures.plaintext_needles = search.needles();
    progress.finish();
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::item::COLUMNS;

    /// A folder with the CSV of `count` flights, not in the order of their keys; every seventh never left.
    fn data(count: u32) -> TempDir {
        let folder = TempDir::new().unwrap();
        let mut csv = COLUMNS.join(",");
        for i in (1..=count).rev() {
            let (day, flight) = ((i - 1) % 31 + 1, 1544 + i);
            let delay = if i % 7 == 0 { "NA".to_owned() } else { (i % 50).to_string() };
            let tail = if i % 5 == 0 { "NA" } else { "N14228" };
            csv += &format!(
                "\n2013,1,{day},517,515,{delay},830,819,11,UA,{flight},{tail},EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
            );
        }
        fs::write(folder.path().join("flights.csv"), csv).unwrap();
        folder
    }

    fn args(data: &TempDir) -> Args {
        Args { data: data.path().to_owned(), folder: None, json: true, items: None }
    }

    #[test]
    fn all_checks_hold_on_a_few_flights() {
        let figures = run(&args(&data(500))).unwrap();
        assert_eq!(figures.failed(), [""; 0]);
        assert_eq!((figures.items, figures.kms_calls), (500, 4));
        assert_eq!(figures.answers.of_tail.len(), 400);
        assert_eq!(figures.answers.most_delayed.len(), 10);
    }

    #[test]
    fn a_folder_that_is_not_empty_is_refused_and_left_alone() {
        let data = data(1);
        let args = Args { folder: Some(data.path().to_owned()), ..args(&data) };
        assert!(run(&args).is_err());
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_csv_with_two_flights_under_one_key_is_refused() {
        let data = data(3);
        let path = data.path().join("flights.csv");
        let csv = fs::read_to_string(&path).unwrap();
        let last = csv.lines().last().unwrap();
        fs::write(&path, format!("{csv}\n{last}")).unwrap();
        assert!(run(&args(&data)).is_err());
    }
}
