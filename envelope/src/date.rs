//! Dates as people and files have them: RFC 3339, in UTC. For `#[serde(with = "date")]`.

use core::fmt::Write;
use std::time::SystemTime;

use humantime::{format_rfc3339, parse_rfc3339};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A date where serde wants a type and not a function.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Date(#[serde(with = "self")] pub(crate) SystemTime);

pub(crate) fn serialize<S: Serializer>(date: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_rfc3339(*date))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    parse_rfc3339(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// A date in a message; one that RFC 3339 cannot say, in Rust's own words.
pub(crate) fn text(date: SystemTime) -> String {
    let mut text = String::new();
    match write!(text, "{}", format_rfc3339(date)) {
        Ok(()) => text,
        Err(_) => format!("{date:?}"),
    }
}
