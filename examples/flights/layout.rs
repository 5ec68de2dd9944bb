//! The base table and its indexes: which key an item has in each, and what is stored under it.
//!
//! ```text
//! base             date | carrier | flight | origin                        all attributes
//! local:by-delay   date | departure delay, greatest first | the rest      tailnum dest sched_dep_time arr_delay
//! global:by-tail   tail number | base key                                 dest dep_delay arr_delay
//! ```
//!
//! The indexes are sparse, as DynamoDB's are: a flight that never left has no delay and is not in the one, a flight
//! without a tail number is not in the other. Of the 336,776 flights no two have one base key.

use core::ops::ControlFlow;

use anyhow::{Context, Result};
use tablecrypt::{Structure, Table};
use tablecrypt_examples::{KeyEncoder, Reader};

use crate::item::Item;
use crate::site::Site;

/// The local index.
pub const BY_DELAY: &str = "by-delay";
/// The global index.
pub const BY_TAIL: &str = "by-tail";

/// One of the table's structures.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    Base,
    ByDelay,
    ByTail,
}

/// A key and what is stored under it.
pub type Entry = (Vec<u8>, Vec<u8>);

impl Layout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Base, Self::ByDelay, Self::ByTail];

    /// Its name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::ByDelay => "local:by-delay",
            Self::ByTail => "global:by-tail",
        }
    }

    /// Its file's name.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Base => "base.pages",
            Self::ByDelay => "local-by-delay.pages",
            Self::ByTail => "global-by-tail.pages",
        }
    }

    /// What seals it.
    pub fn structure(self, table: &Table) -> Result<Structure> {
        Ok(match self {
            Self::Base => table.base(),
            Self::ByDelay => table.local(BY_DELAY)?,
            Self::ByTail => table.global(BY_TAIL)?,
        })
    }

    /// What it holds of these items, in the order of its keys.
    pub fn entries(self, items: &[Item]) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            entries.extend(self.entry(item).with_context(|| format!("in the flight {}", item.text()))?);
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// What it holds of this item, if it holds it.
    fn entry(self, item: &Item) -> Result<Option<Entry>> {
        let flight = item.required("flight")?.parse().context("flight is no number")?;
        let with_flight = |key: KeyEncoder| -> Result<KeyEncoder> {
            Ok(key.text(item.required("carrier")?)?.number(flight).text(item.required("origin")?)?)
        };
        let date = item.date()?;
        let key = KeyEncoder::default();
        let (key, value) = match self {
            Self::Base => (with_flight(key.text(&date)?)?, item.text().to_owned()),
            Self::ByDelay => {
                let Some(delay) = item.attribute("dep_delay")? else { return Ok(None) };
                let delay = delay.parse().context("dep_delay is no number")?;
                let value = item.projected(&["tailnum", "dest", "sched_dep_time", "arr_delay"])?;
                (with_flight(key.text(&date)?.descending(delay))?, value)
            }
            Self::ByTail => {
                let Some(tail) = item.attribute("tailnum")? else { return Ok(None) };
                (with_flight(key.text(tail)?.text(&date)?)?, item.projected(&["dest", "dep_delay", "arr_delay"])?)
            }
        };
        Ok(Some((key.finish(), value.into_bytes())))
    }
}

/// The table's files, opened.
#[derive(Debug)]
pub struct Files {
    pub base: Reader<Structure>,
    pub by_delay: Reader<Structure>,
    pub by_tail: Reader<Structure>,
}

impl Files {
    /// Opens them under the table's keys.
    pub fn open(site: &Site, table: &Table) -> Result<Self> {
        let open = |layout: Layout| -> Result<_> { Ok(Reader::open(site.path(layout), layout.structure(table)?)?) };
        Ok(Self { base: open(Layout::Base)?, by_delay: open(Layout::ByDelay)?, by_tail: open(Layout::ByTail)? })
    }

    /// Whether the base table holds these items, in this order, and no other.
    pub fn holds(&mut self, items: &[String]) -> Result<bool> {
        let mut expected = items.iter();
        let mut equal = true;
        self.base.scan(&[], |_, item| {
            equal = expected.next().is_some_and(|expected| expected.as_bytes() == item);
            if equal { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(equal && expected.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use csv::StringRecord;
    use tablecrypt_examples::KeyParts;

    use super::*;

    /// The row of a flight on 2013-01-`day`.
    fn item(day: u8, delay: &str, carrier: &str, flight: u32, tail: &str) -> Item {
        let row = format!(
            "2013,1,{day},517,515,{delay},830,819,11,{carrier},{flight},{tail},EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
        );
        Item::of(&StringRecord::from(row.split(',').collect::<Vec<_>>())).unwrap()
    }

    #[test]
    fn base_keys_sort_by_date_then_carrier_then_flight_as_a_number() {
        let items = [
            item(1, "0", "9E", 10, "A"),
            item(1, "0", "AA", 9, "A"),
            item(1, "0", "AA", 10, "A"),
            item(10, "0", "9E", 1, "A"),
        ];
        let keys: Vec<_> = items.iter().map(|item| Layout::Base.entry(item).unwrap().unwrap().0).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_local_index_holds_a_day_from_its_longest_delay_and_no_flight_that_never_left() {
        let items = [
            item(1, "-3", "UA", 1, "A"),
            item(1, "853", "UA", 2, "A"),
            item(1, "NA", "UA", 3, "A"),
            item(1, "20", "UA", 4, "A"),
            item(2, "900", "UA", 5, "A"),
        ];
        let entries = Layout::ByDelay.entries(&items).unwrap();
        let delays = entries.iter().map(|(key, _)| {
            let mut parts = KeyParts(key);
            (parts.text().unwrap(), parts.descending().unwrap())
        });
        let expected = [("2013-01-01", 853), ("2013-01-01", 20), ("2013-01-01", -3), ("2013-01-02", 900)];
        assert!(delays.eq(expected));
    }

    #[test]
    fn the_global_index_ends_with_the_base_key_and_holds_no_flight_without_a_tail_number() {
        let (with, without) = (item(1, "2", "UA", 1545, "N14228"), item(1, "2", "UA", 1546, "NA"));
        let (base, _) = Layout::Base.entry(&with).unwrap().unwrap();
        let (key, value) = Layout::ByTail.entry(&with).unwrap().unwrap();
        assert_eq!(key, [b"N14228\0", base.as_slice()].concat());
        assert_eq!(value, b"IAH,2,11");
        assert!(Layout::ByTail.entry(&without).unwrap().is_none());
    }
}
