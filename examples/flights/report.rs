//! The figures, what must hold of them, and how they are told: as JSON, or on one screen.

use core::time::Duration;
use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::job::{Reading, Writing};
use crate::outage::Outage;
use crate::questions::Answers;
use crate::search::Hits;
use crate::traffic::Traffic;

/// All figures.
#[derive(Debug, Default)]
pub struct Figures {
    pub backend: &'static str,
    pub items: u64,
    /// Entries by structure.
    pub entries: BTreeMap<&'static str, u64>,
    /// Connections that opened the table cold, up to where the KMS's calls were counted.
    pub cold_connections: u64,
    pub kms_calls: u64,
    pub kms_calls_by_operation: BTreeMap<String, u64>,
    pub answers: Answers,
    pub answers_equal: bool,
    pub every_item_equal: bool,
    pub traffic: Traffic,
    pub outage: Outage,
    pub plaintext_needles: u64,
    pub plaintext_hits: Hits,
    pub plaintext_hits_control: Hits,
    /// What it took to write all three files, sealed and in plaintext.
    pub sealed: Writing,
    pub plain: Writing,
    /// What it took to read them.
    pub opened: Reading,
    pub read: Reading,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    items: u64,
    entries: &'a BTreeMap<&'static str, u64>,
    backend: &'a str,
    kms_calls: u64,
    kms_calls_by_operation: &'a BTreeMap<String, u64>,
    #[serde(flatten)]
    traffic: &'a Traffic,
    seal_per_s: u64,
    open_per_s: u64,
    plain_write_per_s: u64,
    plain_read_per_s: u64,
    seal_sync_s: f64,
    plain_sync_s: f64,
    bytes_on_disk: u64,
    plain_bytes_on_disk: u64,
    plaintext_hits: u64,
    plaintext_first_hit: Option<&'a str>,
    plaintext_hits_control: u64,
    plaintext_hits_control_by_kind: &'a Hits,
    plaintext_needles: u64,
    answers_equal: bool,
    every_item_equal: bool,
    answers: &'a Answers,
    #[serde(flatten)]
    outage: &'a Outage,
    failed: Vec<&'static str>,
}

impl Figures {
    /// What should hold and does not.
    pub fn failed(&self) -> Vec<&'static str> {
        let calls = |operation| self.kms_calls_by_operation.get(operation).copied().unwrap_or(0);
        let control = &self.plaintext_hits_control;
        let entries: u64 = self.entries.values().sum();
        [
            ("the answers are the CSV's", self.answers_equal),
            ("every item is the CSV's", self.every_item_equal),
            ("every entry was read, by both jobs", self.opened.entries == entries && self.read.entries == entries),
            ("both jobs read the same bytes", self.opened.bytes == self.read.bytes),
            ("no plaintext in any file", self.plaintext_hits.total() == 0),
            ("the search finds tail numbers where they are", control.tail_numbers > 0),
            ("the search finds carriers where they are", control.carriers > 0),
            ("the search finds dates where they are", control.dates > 0),
            ("one KMS call for the key", calls("CreateKey") == 1),
            ("one KMS call for the table", calls("GenerateDataKey") == 1),
            ("one KMS call a cold connection", calls("Decrypt") == self.cold_connections),
            ("no other KMS call", self.kms_calls == 2 + self.cold_connections),
            ("12 KMS calls in an hour of traffic", self.traffic.busy == 12),
            ("no KMS call in an idle hour", self.traffic.idle == 0),
            ("one KMS call by the first read after it", self.traffic.after_idle == 1),
            ("a cold connection is refused while the key is disabled", self.outage.refused_cold),
            ("the warm connection fails within 330 s", self.outage.warm_failed_after_s <= 330),
            ("it says that the key is disabled", self.outage.warm_error == "KeyDisabled"),
            ("it fails closed", self.outage.failed_closed),
            ("all works again once the key is enabled", self.outage.recovered),
        ]
        .into_iter()
        .filter_map(|(check, holds)| (!holds).then_some(check))
        .collect()
    }

    /// All figures as JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&Json {
            items: self.items,
            entries: &self.entries,
            backend: self.backend,
            kms_calls: self.kms_calls,
            kms_calls_by_operation: &self.kms_calls_by_operation,
            traffic: &self.traffic,
            seal_per_s: rate(self.items, self.sealed.time),
            open_per_s: rate(self.items, self.opened.time),
            plain_write_per_s: rate(self.items, self.plain.time),
            plain_read_per_s: rate(self.items, self.read.time),
            seal_sync_s: self.sealed.sync.as_secs_f64(),
            plain_sync_s: self.plain.sync.as_secs_f64(),
            bytes_on_disk: self.sealed.bytes,
            plain_bytes_on_disk: self.plain.bytes,
            plaintext_hits: self.plaintext_hits.total(),
            plaintext_first_hit: self.plaintext_hits.first.as_deref(),
            plaintext_hits_control: self.plaintext_hits_control.total(),
            plaintext_hits_control_by_kind: &self.plaintext_hits_control,
            plaintext_needles: self.plaintext_needles,
            answers_equal: self.answers_equal,
            every_item_equal: self.every_item_equal,
            answers: &self.answers,
            outage: &self.outage,
            failed: self.failed(),
        })?)
    }

    /// All figures in words: 24 lines of 80 columns at most.
    pub fn summary(&self) -> String {
        let Self { answers, outage, traffic, .. } = self;
        let entries = |structure| grouped(self.entries.get(structure).copied().unwrap_or(0));
        let per_s = |time| grouped(rate(self.items, time));
        let yes = |holds| if holds { "yes" } else { "NO" };
        let worst = answers.most_delayed.first().map_or("none".to_owned(), |delayed| {
            format!("{} {}, {} min", delayed.carrier, delayed.flight, delayed.minutes)
        });
        let failed = self.failed();
        let end = match failed.len() {
            0 => "All of it as it should be.".to_owned(),
            count => format!("{count} checks do NOT hold; they are named above."),
        };
        format!(
            "\
{items} flights from New York in an encrypted table (AES-256-GCM, {backend})

Written    base table, index by delay ({by_delay}), index by tail ({by_tail})
           {bytes} MB of sealed pages; the same in plaintext takes {plain_bytes} MB
Asked cold N14228 flew {of_tail} times, by the index by tail
           Most delayed on 2013-01-01, by the index by delay: {worst}
           And one item by its key. All of it is as in the CSV: {equal}
           Every item, read back, is as in the CSV: {every}
Searched   {files} files for {needles} tail numbers, carriers, dates: {hits} found
           The same search in the plaintext files: {control} found
KMS calls  {create} for the default key, {generate} for the table, {decrypt} for {cold} cold connections
           {busy} in an hour of traffic, {idle} in an idle hour (the hours are virtual)
Items/s    sealed {sealed}, in plaintext {plain}  (into 3 files; no sync)
           opened {opened}, in plaintext {read}  (from all 3)
Key off    A cold connection is refused: {refused}
           The warm one failed {failed_after} s after its last refresh (330 allowed)
           and stayed closed: {closed}
Key on     Works again, without a restart: {recovered} ({recovered_after} s later)

{end}",
            items = grouped(self.items),
            backend = self.backend,
            by_delay = entries("local:by-delay"),
            by_tail = entries("global:by-tail"),
            bytes = megabytes(self.sealed.bytes),
            plain_bytes = megabytes(self.plain.bytes),
            of_tail = answers.of_tail.len(),
            equal = yes(self.answers_equal),
            every = yes(self.every_item_equal),
            files = self.plaintext_hits.files,
            needles = grouped(self.plaintext_needles),
            hits = grouped(self.plaintext_hits.total()),
            control = grouped(self.plaintext_hits_control.total()),
            create = self.kms_calls_by_operation.get("CreateKey").unwrap_or(&0),
            generate = self.kms_calls_by_operation.get("GenerateDataKey").unwrap_or(&0),
            decrypt = self.kms_calls_by_operation.get("Decrypt").unwrap_or(&0),
            cold = self.cold_connections,
            busy = traffic.busy,
            idle = traffic.idle,
            sealed = per_s(self.sealed.time),
            plain = per_s(self.plain.time),
            opened = per_s(self.opened.time),
            read = per_s(self.read.time),
            refused = yes(outage.refused_cold),
            failed_after = outage.warm_failed_after_s,
            closed = yes(outage.failed_closed),
            recovered = yes(outage.recovered),
            recovered_after = outage.recovered_after_s,
        )
    }
}

/// Per second, rounded.
fn rate(count: u64, time: Duration) -> u64 {
    if time.is_zero() { 0 } else { (count as f64 / time.as_secs_f64()).round() as u64 }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// A number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::questions::Delayed;

    #[test]
    fn numbers_are_grouped_by_three() {
        let grouped = [0, 12, 999, 1000, 336_776, 1_000_000].map(grouped);
        assert_eq!(grouped, ["0", "12", "999", "1,000", "336,776", "1,000,000"]);
    }

    #[test]
    fn the_summary_fits_one_screen() {
        let worst = Delayed {
            minutes: 1301,
            carrier: "HA".to_owned(),
            flight: 9999,
            origin: "JFK".to_owned(),
            projected: String::new(),
        };
        let writing = Writing { time: Duration::from_millis(40), bytes: 121_000_000, ..Writing::default() };
        let reading = Reading { time: Duration::from_millis(40), ..Reading::default() };
        let figures = Figures {
            backend: "portable",
            items: 336_776,
            entries: [("local:by-delay", 328_521), ("global:by-tail", 334_264)].into(),
            answers: Answers { most_delayed: vec![worst], ..Answers::default() },
            plaintext_needles: 14_313,
            plaintext_hits: Hits { files: 99, carriers: 3_000_000, ..Hits::default() },
            sealed: writing,
            plain: writing,
            opened: reading,
            read: reading,
            ..Figures::default()
        };
        let summary = figures.summary();
        assert!(summary.lines().count() <= 23, "{summary}");
        assert!(summary.lines().all(|line| line.len() <= 80), "{summary}");
    }

    #[test]
    fn figures_that_nobody_filled_in_do_not_pass() {
        assert!(Figures::default().failed().len() > 10);
    }
}
