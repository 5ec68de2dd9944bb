//! What never answers, and what is never reached: it ends, and is told as it is.

use core::time::Duration;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use aws_config::ConfigLoader;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_kms::config::{Credentials, Region};
use tablecrypt::kms::{Kms, KmsError};
use tablecrypt_kms_aws::{AwsKms, aws_config};

use crate::fixture::{Ours, PATIENCE, REGION, credentials, flights};

/// A client that gives up soon.
fn hasty(configure: impl Fn(ConfigLoader) -> ConfigLoader + Send + Sync + 'static) -> AwsKms {
    AwsKms::new()
        .with_timeouts(Duration::from_millis(150), Duration::from_secs(1))
        .with_config(move |loader| configure(loader.region(Region::from_static(REGION))))
}

#[test]
fn server_that_never_answers_is_given_up_and_tried_again_before() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/silent", "").unwrap().arn;
    ours.fault("silent");
    let url = ours.url();
    let hasty = hasty(move |loader| loader.endpoint_url(&url).credentials_provider(credentials()));

    // The control: whoever has the patience waits on. It has asked before the other does.
    let (sender, patient) = mpsc::channel();
    let (waits, asked) = (ours.kms.clone().with_timeouts(PATIENCE, PATIENCE), key.clone());
    let waiting = thread::spawn(move || sender.send(waits.describe_key(&asked)).unwrap());
    while ours.requests("DescribeKey") < 2 {
        thread::yield_now();
    }

    // A try ends at its time, and there is another one; and a call ends at its own, in the middle of a try. On a busy machine
    // a try may end before it reached the server, which then counts it not; so there is a call of ten for which it is seen.
    for (attempt, call, seen) in [(SOON, PATIENCE, 2..=9), (PATIENCE, SOON, 1..=1)] {
        let tries = || {
            let before = ours.requests("GenerateDataKey");
            let refused = hasty.clone().with_timeouts(attempt, call).generate_data_key(&key, &flights());
            assert!(matches!(refused, Err(KmsError::Unreachable)), "{refused:?}");
            ours.requests("GenerateDataKey") - before
        };
        assert!((0..10).any(|_| seen.contains(&tries())), "{seen:?} tries");
    }
    assert!(matches!(hasty.ensure_key("alias/silent", ""), Err(KmsError::Unreachable)));
    assert_eq!(patient.try_recv().unwrap_err(), TryRecvError::Empty, "nothing but a timeout ends it");

    ours.fault("none");
    hasty.with_timeouts(PATIENCE, PATIENCE).generate_data_key(&key, &flights()).unwrap();
    drop(ours); // which ends the connection of the one who waits
    waiting.join().unwrap();
}

#[test]
fn address_at_which_nobody_is_and_name_that_nobody_has_are_unreachable() {
    for url in ["http://127.0.0.1:1", "http://kms.tablecrypt.invalid"] {
        let kms = hasty(move |loader| loader.endpoint_url(url).credentials_provider(credentials()));
        let refused = kms.describe_key("alias/nobody");
        assert!(matches!(refused, Err(KmsError::Unreachable)), "{url}: {refused:?}");
    }
}

#[test]
fn without_credentials_nobody_is_asked_and_with_expired_ones_the_service_says_no() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/who", "").unwrap().arn;
    let before = ours.server.requests();
    let url = ours.url();
    let nobody = hasty(move |loader| loader.endpoint_url(&url).credentials_provider(Nobody));
    assert!(matches!(nobody.describe_key(&key), Err(KmsError::Unreachable)));
    assert_eq!(ours.server.requests(), before);

    ours.fault("error=ExpiredTokenException");
    assert!(matches!(ours.kms.describe_key(&key), Err(KmsError::AccessDenied)));
    // Unsigned: the server asks for a signature, though it does not verify one.
    ours.fault("none");
    let url = ours.url();
    let unsigned = hasty(move |loader| loader.endpoint_url(&url).no_credentials());
    let refused = unsigned.describe_key(&key);
    assert!(refused.is_err(), "{refused:?}");
}

/// No credentials, as when no provider of the standard chain has any.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none")))
    }
}

#[test]
fn credentials_are_never_printed() {
    let kms = AwsKms::new()
        .with_config(|loader| loader.credentials_provider(Credentials::new("id", "secret", None, None, "a test")));
    assert!(!format!("{kms:?}").contains("secret"));
}

/// Longer than a busy machine takes to ask.
const SOON: Duration = Duration::from_millis(700);
