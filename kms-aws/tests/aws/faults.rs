//! Every fault at every call: what it is sorted into, and that it passes without a restart.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use tablecrypt::kms::{Kms, KmsError};
use tablecrypt_kms_aws::AwsKms;

use crate::fixture::{Ours, PATIENCE, flights};

/// Each fault of the server, in the words of its switch, and what a caller gets.
const FAULTS: &[(&str, &str)] = &[
    ("throttle", "Throttled"),
    ("error=LimitExceededException", "Throttled"),
    ("internal", "Internal"),
    ("error=KeyUnavailableException", "Internal"),
    ("error=DependencyTimeoutException", "Internal"),
    ("error=ServiceUnavailable", "Internal"),
    ("garbage", "Internal"),
    ("noise", "Unreachable"),
    ("lost", "Unreachable"),
    ("refuse", "Unreachable"),
    ("silent", "Unreachable"),
    ("delay=1h", "Unreachable"),
    ("denied", "AccessDenied"),
    ("error=UnrecognizedClientException", "AccessDenied"),
    ("disabled", "Disabled"),
    ("error=NotFoundException", "NotFound"),
    ("error=InvalidCiphertextException", "Invalid"),
    ("error=IncorrectKeyException", "Invalid"),
    ("error=ValidationException", "Invalid"),
];

type Call<'a> = (&'a str, &'a (dyn Fn(&AwsKms) -> Result<(), KmsError> + Sync));

#[test]
fn every_fault_at_every_call_is_what_it_is_and_passes_without_a_restart() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/faults", "").unwrap().arn;
    let wrapped = ours.kms.generate_data_key(&key, &flights()).unwrap().wrapped;
    let calls: [Call<'_>; 5] = [
        ("describe_key", &|kms| kms.describe_key(&key).map(drop)),
        ("ensure_key", &|kms| kms.ensure_key("alias/faults", "").map(drop)),
        ("generate_data_key", &|kms| kms.generate_data_key(&key, &flights()).map(drop)),
        ("decrypt", &|kms| kms.decrypt(&key, &wrapped, &flights()).map(drop)),
        ("re_encrypt", &|kms| kms.re_encrypt(&key, &wrapped, &flights(), &key).map(drop)),
    ];
    let mut seen = 0;
    for (fault, expected) in FAULTS {
        // A key that is not found is made: default_key.rs.
        let met = calls.into_iter().filter(|(call, _)| *call != "ensure_key" || *expected != "NotFound");
        let never = fault.starts_with("silent") || fault.starts_with("delay");
        // One client each: the SDK's adaptive rate is a client's.
        let clients: Vec<_> = met
            .map(|met| {
                let (attempt, call) = if never { (SOON, SOON * 8) } else { (PATIENCE, PATIENCE) };
                (met, ours.kms.clone().with_timeouts(attempt, call))
            })
            .collect();
        ours.fault(fault);
        thread::scope(|scope| {
            for ((call, act), kms) in &clients {
                scope.spawn(move || {
                    let refused = act(kms).expect_err(&format!("{call} under {fault}"));
                    assert_eq!(format!("{refused:?}"), *expected, "{call} under {fault}");
                });
            }
        });
        ours.fault("none");
        for ((call, act), kms) in &clients {
            // A busy machine may take longer than a client waits that gives up soon; to ask again is no restart.
            let mut asked = act(kms);
            while never && matches!(asked, Err(KmsError::Unreachable)) {
                asked = act(kms);
            }
            asked.unwrap_or_else(|error| panic!("{call} after {fault}: {error}"));
            seen += 1;
        }
    }
    println!("kms: {seen} pairs of fault and call");
    assert_eq!(seen, FAULTS.len() * calls.len() - 1);
}

#[test]
fn short_fault_is_tried_through() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/short", "").unwrap().arn;
    for fault in ["throttle", "internal", "lost", "error=KeyUnavailableException"] {
        let before = ours.requests("GenerateDataKey");
        ours.fault(&format!("{fault} operation=GenerateDataKey times=2"));
        ours.kms.generate_data_key(&key, &flights()).unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(ours.requests("GenerateDataKey"), before + 3, "{fault}");
    }
    // The control: a definite no is not asked twice.
    let before = ours.requests("GenerateDataKey");
    ours.fault("denied times=2");
    ours.kms.generate_data_key(&key, &flights()).unwrap_err();
    assert_eq!(ours.requests("GenerateDataKey"), before + 1);
}

/// The SDK's own quota is one for all clients of a process and a region.
#[test]
fn kms_that_fails_takes_no_tries_from_another() {
    let (failing, well) = (Ours::new(), Ours::new());
    let generate = |ours: &Ours, key: &str| {
        let before = ours.requests("GenerateDataKey");
        let is_made = ours.kms.generate_data_key(key, &flights()).is_ok();
        (is_made, ours.requests("GenerateDataKey") - before)
    };
    let keys = [&failing, &well].map(|ours| ours.kms.ensure_key("alias/quota", "").unwrap().arn);
    failing.fault("internal");
    let mut calls = 1;
    while generate(&failing, &keys[0]) != (false, 1) {
        calls += 1;
        assert!(calls < 500, "its quota never ends");
    }
    assert!(calls > 1, "there is a quota");
    well.fault("internal operation=GenerateDataKey times=1");
    assert_eq!(generate(&well, &keys[1]), (true, 2), "after {calls} calls of another");

    // It comes back with time: a call that needs a second try, and does not get it, gives none back.
    let start = Instant::now();
    loop {
        failing.fault("internal operation=GenerateDataKey times=1");
        match generate(&failing, &keys[0]) {
            (true, 2) => break,
            other => assert_eq!(other, (false, 1)),
        }
        assert!(start.elapsed() < PATIENCE, "no second try for {PATIENCE:?}");
        thread::sleep(SOON);
    }
    println!(
        "kms: a quota of tries was used up by {calls} calls, and gave one again after {} s",
        start.elapsed().as_secs()
    );
}

/// How long a client waits for what never comes.
const SOON: Duration = Duration::from_millis(150);
