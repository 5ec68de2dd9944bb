//! `AwsKms`: AWS KMS by the AWS SDK for Rust, where the wheel was built with it (cargo feature `aws`).

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope::kms::Kms;
use pyo3::prelude::*;

use crate::errors::not_picklable;
use crate::seconds::Seconds;

/// AWS KMS by the AWS SDK for Rust: no Python runs in its calls. Credentials, region and endpoint come from the standard chain
/// (environment, profiles, containers, instances) unless they are given. Nothing is sent before the first call.
///
/// `attempt_timeout` is what one try may take, `call_timeout` a call with all its tries; `tags` are those of a default key that
/// this client creates.
///
/// It is in wheels that were built with it (`make wheel ARGS=aws`); elsewhere this raises NotBuilt. A boto3 client serves in any
/// wheel: Service(boto3.client("kms"), "tables").
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct AwsKms {
    kms: Arc<dyn Kms>,
    title: String,
}

/// What a caller asks of the client.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "there is no client to ask"))]
struct Options {
    region: Option<String>,
    endpoint: Option<String>,
    profile: Option<String>,
    attempt: Seconds,
    call: Seconds,
    tags: BTreeMap<String, String>,
}

#[pymethods]
impl AwsKms {
    #[new]
    #[pyo3(signature = (*, region = None, endpoint = None, profile = None, attempt_timeout = Seconds::of(2),
        call_timeout = Seconds::of(10), tags = BTreeMap::new()))]
    #[pyo3(
        text_signature = "(*, region=None, endpoint=None, profile=None, attempt_timeout=2, call_timeout=10, tags={})"
    )]
    fn new(
        region: Option<String>,
        endpoint: Option<String>,
        profile: Option<String>,
        attempt_timeout: Seconds,
        call_timeout: Seconds,
        tags: BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let named = [("region", &region), ("endpoint", &endpoint), ("profile", &profile)];
        let named = named.iter().filter_map(|(name, value)| Some(format!("{name}={:?}", value.as_ref()?)));
        let title = format!("AwsKms({})", named.collect::<Vec<_>>().join(", "));
        let (attempt, call) = (attempt_timeout, call_timeout);
        Ok(Self { kms: client(Options { region, endpoint, profile, attempt, call, tags })?, title })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("AwsKms"))
    }

    fn __repr__(&self) -> &str {
        &self.title
    }
}

impl AwsKms {
    pub(crate) fn kms(&self) -> Arc<dyn Kms> {
        Arc::clone(&self.kms)
    }
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn client(options: Options) -> PyResult<Arc<dyn Kms>> {
    let Options { region, endpoint, profile, attempt, call, tags } = options;
    let client = tablecrypt_kms_aws::AwsKms::new().with_timeouts(attempt.0, call.0).with_tags(tags);
    Ok(Arc::new(client.with_chain(region, endpoint, profile)))
}

#[cfg(not(feature = "aws"))]
fn client(options: Options) -> PyResult<Arc<dyn Kms>> {
    drop(options);
    Err(crate::errors::Failure::NotBuilt.into())
}
