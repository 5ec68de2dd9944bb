//! A flight as the table stores it: its attributes, in the order of the CSV, with commas between.

use anyhow::{Context, Result, ensure};
use csv::StringRecord;

/// What flights.csv begins with.
pub const COLUMNS: [&str; 19] = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
];

/// An item.
#[derive(Debug)]
pub struct Item(String);

impl Item {
    /// The item of a row.
    pub fn of(row: &StringRecord) -> Result<Self> {
        ensure!(row.len() == COLUMNS.len(), "{} fields in the place of {}", row.len(), COLUMNS.len());
        ensure!(row.iter().all(|field| !field.contains([',', '\0'])), "a comma or a NUL in a field");
        Ok(Self(row.iter().collect::<Vec<_>>().join(",")))
    }

    /// What is stored.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// An attribute; None where the data says NA.
    pub fn attribute(&self, column: &str) -> Result<Option<&str>> {
        let index = COLUMNS.iter().position(|name| *name == column);
        let field = index.and_then(|index| self.0.split(',').nth(index));
        Ok(Some(field.with_context(|| format!("no attribute {column}"))?).filter(|field| *field != "NA"))
    }

    /// An attribute that an item cannot be without.
    pub fn required(&self, column: &str) -> Result<&str> {
        self.attribute(column)?.with_context(|| format!("no {column} in {}", self.0))
    }

    /// These attributes, with commas between.
    pub fn projected(&self, columns: &[&str]) -> Result<String> {
        let attributes: Result<Vec<_>> = columns.iter().map(|column| self.attribute(column)).collect();
        Ok(attributes?.into_iter().map(|attribute| attribute.unwrap_or("NA")).collect::<Vec<_>>().join(","))
    }

    /// The day, as `2013-01-31`.
    pub fn date(&self) -> Result<String> {
        let number = |column| -> Result<u16> {
            let text = self.required(column)?;
            text.parse().with_context(|| format!("{column} is no number: {text:?}"))
        };
        Ok(format!("{:04}-{:02}-{:02}", number("year")?, number("month")?, number("day")?))
    }
}
