//! AWS KMS by the AWS SDK for Rust, as a caller of C's asks for it.

use core::time::Duration;

use envelope::Error;
use tablecrypt_kms_aws::AwsKms;
use tablecrypt_kms_aws::aws_config::Region;

/// The client; what is `None` comes from the standard chain. Times are in milliseconds, and 0 is the client's own.
pub(crate) fn open(
    region: Option<&str>,
    endpoint: Option<&str>,
    profile: Option<&str>,
    attempt: u64,
    call: u64,
) -> Result<AwsKms, Error> {
    let attempt = time("attempt_timeout", attempt)?.unwrap_or(ATTEMPT);
    let call = time("call_timeout", call)?.unwrap_or(CALL);
    let [region, endpoint, profile] = [region, endpoint, profile].map(|text| text.map(str::to_owned));
    Ok(AwsKms::new().with_timeouts(attempt, call).with_config(move |mut loader| {
        if let Some(region) = &region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(profile) = &profile {
            loader = loader.profile_name(profile);
        }
        loader
    }))
}

fn time(setting: &'static str, milliseconds: u64) -> Result<Option<Duration>, Error> {
    if milliseconds > DAY {
        return Err(Error::InvalidSetting { setting, range: "0 to a day" });
    }
    Ok((milliseconds > 0).then_some(Duration::from_millis(milliseconds)))
}

const DAY: u64 = 24 * 60 * 60 * 1000;
/// As the client has them.
const ATTEMPT: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(10);
