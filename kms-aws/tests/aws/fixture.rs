//! Two KMS to ask: ours, which fails as it is told, and moto.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use tablecrypt::kms::{EncryptionContext, LocalKms};
use tablecrypt_cli::kms_server::{Plan, Server};
use tablecrypt_kms_aws::AwsKms;
use tempfile::TempDir;

/// Our server over a folder, and a client of it whose tries have time enough for a busy machine.
pub(crate) struct Ours {
    pub(crate) folder: TempDir,
    pub(crate) local: Arc<LocalKms>,
    pub(crate) server: Server,
    pub(crate) kms: AwsKms,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = Arc::new(LocalKms::open(folder.path().join("kms")).unwrap());
        let server = Server::start(Arc::clone(&local), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let kms = client(&format!("http://{}", server.address()));
        Self { folder, local, server, kms }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// From now on this goes wrong, in the words of the fault switch.
    pub(crate) fn fault(&self, words: &str) {
        self.server.plan(words.parse::<Plan>().unwrap());
    }

    pub(crate) fn requests(&self, operation: &str) -> u64 {
        self.server.requests().get(operation).copied().unwrap_or_default()
    }
}

/// A client of the KMS at this address, in a region and with credentials that are good for any.
pub(crate) fn client(url: &str) -> AwsKms {
    let url = url.to_owned();
    AwsKms::new().with_timeouts(PATIENCE, PATIENCE * 2).with_config(move |loader| {
        // As it is unless set, but for the pauses.
        let retries = RetryConfig::adaptive().with_max_attempts(4).with_initial_backoff(PAUSE).with_max_backoff(PAUSE);
        let loader = loader.retry_config(retries).endpoint_url(&url);
        loader.region(Region::from_static(REGION)).credentials_provider(credentials())
    })
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "a test")
}

/// Each KMS that is there, by its name and address: ours, and moto unless nobody runs it.
pub(crate) fn each(test: impl Fn(&str, &str)) {
    let ours = Ours::new();
    test("ours", &ours.url());
    if let Some(moto) = moto() {
        test("moto", &moto);
    }
}

pub(crate) fn moto() -> Option<String> {
    let url = std::env::var("TABLECRYPT_MOTO_URL").ok();
    println!("kms: moto {}", if url.is_some() { "asked" } else { "skipped: TABLECRYPT_MOTO_URL is not set" });
    url
}

/// Does something with the SDK alone.
pub(crate) fn with_sdk<T>(url: &str, region: &'static str, act: impl AsyncFnOnce(&Client) -> T) -> T {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::from_static(region))
        .credentials_provider(credentials())
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(act(&Client::from_conf(config)))
}

/// An alias that no other test has: moto has one state for all.
pub(crate) fn alias(name: &str) -> String {
    format!("alias/{name}-{}-{}", std::process::id(), fastrand::u64(..))
}

pub(crate) fn flights() -> EncryptionContext {
    EncryptionContext::of_table("flights", "default")
}

pub(crate) const REGION: &str = "eu-west-1";
/// No test waits that long, unless this machine stands still.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);
