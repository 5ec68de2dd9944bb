//! Dates in files: RFC 3339, in UTC. For `#[serde(with = "date")]`.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A date where serde wants a type and not a function.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Date(#[serde(with = "self")] pub(super) SystemTime);

pub(super) fn serialize<S: Serializer>(date: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp::try_from(*date).map_err(ser::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let date: Timestamp = String::deserialize(deserializer)?.parse().map_err(de::Error::custom)?;
    SystemTime::try_from(date).map_err(de::Error::custom)
}
