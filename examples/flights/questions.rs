//! Three questions: asked of the sealed files, and of the CSV by code that shares nothing with them.

use core::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tablecrypt_examples::{KeyEncoder, KeyParts};

use crate::layout::Files;
use crate::source;

const TAIL: &str = "N14228";
const DATE: &str = "2013-01-01";
const MOST_DELAYED: usize = 10;
const KEY: (&str, &str, u32, &str) = (DATE, "UA", 1545, "EWR");

/// What was answered.
#[derive(Debug, Default, Eq, PartialEq, Serialize)]
pub struct Answers {
    /// The flights of one tail number, in the order of the base table's keys.
    pub of_tail: Vec<OfTail>,
    /// A day's most delayed flights, the worst first.
    pub most_delayed: Vec<Delayed>,
    /// The item under one key.
    pub one: Option<String>,
}

/// A flight of a tail number.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct OfTail {
    /// What the index projects: dest, dep_delay, arr_delay.
    pub projected: String,
    /// The whole item, from the base table.
    pub item: String,
}

/// A delayed flight, as the index has it.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct Delayed {
    pub minutes: i32,
    pub carrier: String,
    pub flight: u32,
    pub origin: String,
    /// tailnum, dest, sched_dep_time, arr_delay.
    pub projected: String,
}

impl Files {
    /// Asks all three.
    pub fn ask(&mut self) -> Result<Answers> {
        Ok(Answers { of_tail: self.of_tail()?, most_delayed: self.most_delayed()?, one: self.one()? })
    }

    /// One item by its key.
    pub fn one(&mut self) -> Result<Option<String>> {
        let (date, carrier, flight, origin) = KEY;
        let key = KeyEncoder::default().text(date)?.text(carrier)?.number(flight).text(origin)?.finish();
        Ok(self.base.find(&key)?.map(String::from_utf8).transpose()?)
    }

    /// The index gives base keys; the base table gives the items.
    fn of_tail(&mut self) -> Result<Vec<OfTail>> {
        let prefix = KeyEncoder::default().text(TAIL)?.finish();
        let mut found = Vec::new();
        self.by_tail.scan(&prefix, |key, value| match key.strip_prefix(prefix.as_slice()) {
            Some(key) => {
                found.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        })?;
        found
            .into_iter()
            .map(|(key, projected)| {
                let item = self.base.find(&key)?.context("the index by tail number names an item that is not there")?;
                Ok(OfTail { projected: String::from_utf8(projected)?, item: String::from_utf8(item)? })
            })
            .collect()
    }

    /// The index alone answers.
    fn most_delayed(&mut self) -> Result<Vec<Delayed>> {
        let prefix = KeyEncoder::default().text(DATE)?.finish();
        let mut found = Vec::new();
        self.by_delay.scan(&prefix, |key, value| match key.strip_prefix(prefix.as_slice()) {
            Some(key) if found.len() < MOST_DELAYED => {
                found.push(delayed(key, value));
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        })?;
        found.into_iter().collect::<Option<_>>().context("the index by delay holds a key that is none")
    }
}

/// A delayed flight from its key after the date, and what is under it.
fn delayed(key: &[u8], value: &[u8]) -> Option<Delayed> {
    let mut parts = KeyParts(key);
    Some(Delayed {
        minutes: parts.descending()?,
        carrier: parts.text()?.to_owned(),
        flight: parts.number()?,
        origin: parts.text()?.to_owned(),
        projected: String::from_utf8(value.to_vec()).ok()?,
    })
}

/// What the CSV says.
#[derive(Debug)]
pub struct Expected {
    pub answers: Answers,
    /// Every item, in the order of the base table's keys.
    pub items: Vec<String>,
}

/// Computes the answers from the CSV's rows alone: no key, no item, no file of the table.
pub fn expected(csv: &Path, limit: Option<u64>) -> Result<Expected> {
    let mut rows: Vec<(BaseKey, String)> = Vec::new();
    source::rows(csv, limit, |row| {
        let number = |index: usize| row[index].parse().context("no number");
        let key = (number(0)?, number(1)?, number(2)?, row[9].to_owned(), number(10)?, row[12].to_owned());
        rows.push((key, row.iter().collect::<Vec<_>>().join(",")));
        Ok(())
    })?;
    rows.sort_unstable();
    let mut answers = Answers::default();
    for (key, text) in &rows {
        let fields: Vec<&str> = text.split(',').collect();
        let join = |columns: &[usize]| columns.iter().map(|column| fields[*column]).collect::<Vec<_>>().join(",");
        let (year, month, day, carrier, flight, origin) = key;
        if fields[11] == TAIL {
            answers.of_tail.push(OfTail { projected: join(&[13, 5, 8]), item: text.clone() });
        }
        if (*year, *month, *day) == (2013, 1, 1) && fields[5] != "NA" {
            answers.most_delayed.push(Delayed {
                minutes: fields[5].parse()?,
                carrier: carrier.clone(),
                flight: *flight,
                origin: origin.clone(),
                projected: join(&[11, 13, 4, 8]),
            });
        }
        if (*year, *month, *day, carrier.as_str(), *flight, origin.as_str()) == (2013, 1, 1, KEY.1, KEY.2, KEY.3) {
            answers.one = Some(text.clone());
        }
    }
    // Stable: among equal delays the order of the keys stays.
    answers.most_delayed.sort_by_key(|delayed| -delayed.minutes);
    answers.most_delayed.truncate(MOST_DELAYED);
    Ok(Expected { answers, items: rows.into_iter().map(|(_, text)| text).collect() })
}

/// Year, month, day, carrier, flight, origin.
type BaseKey = (u32, u32, u32, String, u32, String);
