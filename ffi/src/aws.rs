//! AWS KMS by the AWS SDK for Rust, as a caller of C's asks for it.

use core::time::Duration;

use envelope::Error;
use tablecrypt_kms_aws::AwsKms;

/// The client; what is `None` comes from the standard chain. Times are in milliseconds, and 0 is the client's own.
pub(crate) fn open(
    region: Option<&str>,
    endpoint: Option<&str>,
    profile: Option<&str>,
    attempt: u64,
    call: u64,
) -> Result<AwsKms, Error> {
    let attempt = time("attempt_timeout", attempt)?.unwrap_or(AwsKms::ATTEMPT);
    let call = time("call_timeout", call)?.unwrap_or(AwsKms::CALL);
    let [region, endpoint, profile] = [region, endpoint, profile].map(|text| text.map(str::to_owned));
    Ok(AwsKms::new().with_timeouts(attempt, call).with_chain(region, endpoint, profile))
}

fn time(setting: &'static str, milliseconds: u64) -> Result<Option<Duration>, Error> {
    if milliseconds > DAY {
        return Err(Error::InvalidSetting { setting, range: "0 to a day" });
    }
    Ok((milliseconds > 0).then_some(Duration::from_millis(milliseconds)))
}

const DAY: u64 = 24 * 60 * 60 * 1000;
