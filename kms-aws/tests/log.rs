//! All that is logged at every level, the SDK's own events and spans too, searched for the keys that passed through.
//!
//! The one test of its program: the subscriber is the process's, for the SDK runs on a thread of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use core::fmt::{self, Write};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_kms::config::{Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tablecrypt::kms::{EncryptionContext, Kms, KmsError, LocalKms};
use tablecrypt_cli::kms_server::Server;
use tablecrypt_kms_aws::AwsKms;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn no_key_and_no_credential_is_logged_at_any_level_by_us_or_by_the_sdk() {
    let said = Said::default();
    tracing::subscriber::set_global_default(said.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalKms::open(folder.path()).unwrap());
    let server = Server::start(local, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let url = format!("http://{}", server.address());
    let kms = AwsKms::new().with_timeouts(PATIENCE, PATIENCE).with_config(move |loader| {
        let credentials = Credentials::new("the-id", SECRET, None, None, "a test");
        loader.endpoint_url(&url).region(Region::from_static("eu-west-1")).credentials_provider(credentials)
    });
    let context = EncryptionContext::of_table("flights", "default");
    let key = kms.ensure_key("alias/log", "").unwrap().arn;
    let mut keys = Vec::new();
    for _ in 0..3 {
        let made = kms.generate_data_key(&key, &context).unwrap();
        kms.decrypt(&key, &made.wrapped, &context).unwrap();
        keys.push(*made.key.get().unwrap().expose());
    }
    // What is logged of failures; answers that hold a key and are none of KMS's would be worst.
    for fault in ["denied", "garbage", "noise", "refuse", "lost", "delay=1h"] {
        server.plan(fault.parse().unwrap());
        let hasty = kms.clone().with_timeouts(Duration::from_millis(200), Duration::from_secs(1));
        let refused = hasty.generate_data_key(&key, &context).map(drop);
        assert!(matches!(refused, Err(KmsError::AccessDenied | KmsError::Internal | KmsError::Unreachable)), "{fault}");
    }

    let text = said.text();
    for expected in ["AccessDeniedException", "GenerateDataKey", "the KMS cannot be reached", "aws_smithy_runtime"] {
        assert!(text.contains(expected), "{expected} was not logged");
    }
    for key in &keys {
        for form in forms(key) {
            assert!(!text.contains(&form), "a key was logged: {form}");
        }
    }
    assert!(!text.contains(SECRET), "the credentials were logged");

    // The control: one that is logged is found, however it is.
    for way in 0..4 {
        let control = [way | 0x40; 32];
        match way {
            0 => tracing::trace!(key = ?control, "a list"),
            1 => tracing::trace!(key = hex::encode(control), "hexadecimal"),
            2 => tracing::trace!(key = STANDARD.encode(control), "base64"),
            _ => tracing::trace!("{}", String::from_utf8_lossy(&control)),
        }
        let text = said.text();
        assert!(forms(&control).iter().any(|form| text.contains(form)), "way {way} is not seen");
    }
    let levels: BTreeSet<_> = said.0.lock().unwrap().1.clone();
    assert!(levels.contains("TRACE") && levels.contains("DEBUG"), "{levels:?}");
    println!("kms: {} keys in no line of {} kB of log", keys.len(), text.len() / 1024);
}

/// What a key of 32 bytes looks like in a log. Half of it is enough to be found, in case it is cut.
fn forms(key: &[u8; 32]) -> Vec<String> {
    let half = &key[..16];
    let list = half.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![hex::encode(half), STANDARD.encode(&half[..15]), list, String::from_utf8_lossy(half).into_owned()]
}

/// Every span and event with its fields, as text, and the levels that were seen.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(String, BTreeSet<&'static str>)>>);

impl Said {
    fn text(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }

    fn add(&self, metadata: Option<&Metadata<'_>>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(String::new());
        record(&mut line);
        let mut said = self.0.lock().unwrap();
        if let Some(metadata) = metadata {
            said.1.insert(metadata.level().as_str());
            write!(said.0, "{} {} ", metadata.target(), metadata.name()).unwrap();
        }
        said.0.push_str(&line.0);
        said.0.push('\n');
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{field}={value} ").unwrap();
    }
}

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.add(Some(span.metadata()), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.add(None, |line| values.record(line));
    }

    fn event(&self, event: &Event<'_>) {
        self.add(Some(event.metadata()), |line| event.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const SECRET: &str = "wJalrXUtnFEMI-the-secret-of-this-test";
