//! Dates as people and files have them: RFC 3339, in UTC. For `#[serde(with = "date")]`.

use std::time::{SystemTime, UNIX_EPOCH};

use humantime::{format_rfc3339, parse_rfc3339};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A date where serde wants a type and not a function.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Date(#[serde(with = "self")] pub(crate) SystemTime);

pub(crate) fn serialize<S: Serializer>(date: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    match checked(*date) {
        Some(date) => serializer.collect_str(&format_rfc3339(date)),
        None => Err(ser::Error::custom("a date that RFC 3339 cannot say")),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    parse_rfc3339(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// A date in a message; one that RFC 3339 cannot say, in Rust's own words.
pub(crate) fn text(date: SystemTime) -> String {
    checked(date).map_or_else(|| format!("{date:?}"), |date| format_rfc3339(date).to_string())
}

/// A date of the years 1970 to 9999. `humantime` panics at one before them, and `serde_json` at one after them, for
/// which `humantime` gives an error that it does not expect. Such a clock is wrong, and that is no reason to panic.
fn checked(date: SystemTime) -> Option<SystemTime> {
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10000).then_some(date)
}

/// 10000-01-01T00:00:00Z.
const YEAR_10000: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn date_that_rfc_3339_cannot_say_is_an_error_in_a_file_and_not_in_a_message() {
        let end = UNIX_EPOCH + Duration::from_secs(YEAR_10000);
        for (date, said) in [
            (UNIX_EPOCH - Duration::from_nanos(1), None),
            (UNIX_EPOCH, Some("1970-01-01T00:00:00Z")),
            (end - Duration::from_nanos(1), Some("9999-12-31T23:59:59.999999999Z")),
            (end, None),
        ] {
            let written = serde_json::to_string(&Date(date)).ok();
            assert_eq!(written, said.map(|said| format!("\"{said}\"")));
            assert!(!text(date).is_empty());
            if let Some(said) = said {
                assert_eq!(
                    (text(date).as_str(), serde_json::from_str(&written.unwrap()).ok()),
                    (said, Some(Date(date)))
                );
            }
        }
    }
}
