//! All that is logged, at every level, searched for what must not be in it: keys, texts, values of contexts.
//!
//! A subscriber takes down every span and event with all of its fields, of this crate and of whatever it calls; beside it a
//! listener of the service takes down what it is told. What they must not hold is looked for as hexadecimal, base64, decimal lists and as it is. The controls log the same on purpose.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::flights;
use tablecrypt::clock::VirtualClock;
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, FaultKms, GeneratedKey, KeyMetadata, Kms, KmsError, LocalKms};
use tablecrypt::store::FolderStore;
use tablecrypt::{KeyBox, Service};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The name of the table: common::flights.
const TABLE: &str = "flights";
const SUBSCRIBER: &str = "the-subscriber-of-these";
const CONTEXT: &[u8] = b"2013-01-01/UA/1545/EWR";
const TEXT: &[u8] = b"eleven minutes late";

#[test]
fn no_key_no_text_and_no_value_of_a_context_is_logged() {
    let (said, secrets) = logged(|| all_that_logs(false));
    for expected in
        ["kms", "refresh", "create_table", "open_table", "GenerateDataKey", "KeyDisabled", "was not refreshed"]
    {
        assert!(said.contains(expected), "{expected} was not logged:\n{said}");
    }
    let told: Vec<_> = said.lines().filter(|line| line.starts_with("told")).collect();
    let of_table = format!("table={}", secrets.table_id);
    for expected in ["GenerateDataKey", "run out", "was not refreshed", &of_table] {
        assert!(told.iter().any(|line| line.contains(expected)), "{expected} was not told:\n{said}");
    }
    assert!(said.contains("run out"), "what the threads of the service log is seen:\n{said}");
    assert!(secrets.keys.len() > 4, "a root key at creation, at each opening and at each refresh");
    for forms in secrets.keys.iter().map(|key| forms(key)) {
        forms.iter().for_each(|form| assert!(!said.contains(form.as_str()), "a key was logged: {form}"));
    }
    for value in [TABLE.as_bytes(), SUBSCRIBER.as_bytes(), CONTEXT, TEXT] {
        forms(value).iter().for_each(|form| assert!(!said.contains(form.as_str()), "{form} was logged:\n{said}"));
    }
    let (lines, keys) = (said.lines().count(), secrets.keys.len());
    println!("log: {lines} spans and events searched for {keys} keys and 4 values: none");
    // It can still be told which table it is about.
    assert!(said.contains(&secrets.table_id));
}

#[test]
fn an_outage_grace_a_refusal_and_a_lock_by_hand_are_logged_when_they_begin_and_end() {
    let (said, ()) = logged(|| {
        let world = common::world_with_flights();
        let grace = Duration::from_secs(600);
        let service = world.service_with(|builder| builder.outage_grace(grace).unwrap());
        let table = service.open_table(TABLE).unwrap();
        let traffic = |seconds| {
            for _ in 0..seconds {
                let _ = table.base().seal(CONTEXT, TEXT);
                world.advance(1);
            }
        };
        world.kms.fail(Some(KmsError::Unreachable));
        traffic(400);
        world.kms.fail(None);
        traffic(30);
        table.lock();
    });
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what} was not logged:\n{said}"));
    let order =
        [at("was not refreshed"), at("on its outage grace"), at("permits the table's key again"), at("locked by hand")];
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn the_name_of_a_table_is_logged_where_it_was_asked_for() {
    let (said, secrets) = logged(|| all_that_logs(true));
    assert!(said.contains(TABLE));
    for value in secrets.keys.iter().map(Vec::as_slice).chain([CONTEXT, TEXT, SUBSCRIBER.as_bytes()]) {
        forms(value).iter().for_each(|form| assert!(!said.contains(form.as_str()), "{form} was logged"));
    }
}

/// The control: what is looked for is found, whichever of these ways it was logged.
#[test]
fn a_key_that_is_logged_is_found() {
    let key = [
        0x5a, 1, 2, 3, 200, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31, 32, 33,
    ];
    type Tell = fn(&[u8]);
    let ways: [Tell; 7] = [
        |key| tracing::trace!(?key, "a list"),
        |key| tracing::error!("in the text: {key:02x?}"),
        |key| tracing::info!(key = hex::encode(key), "hexadecimal"),
        |key| tracing::info!(key = %hex::encode_upper(key), "hexadecimal, in capitals"),
        |key| tracing::debug!(key = BASE64_STANDARD.encode(key), "base64"),
        |key| drop(tracing::info_span!("a span", key = ?key)),
        |key| {
            let span = tracing::info_span!("later", key = tracing::field::Empty);
            span.record("key", tracing::field::debug(key));
        },
    ];
    for (way, tell) in ways.iter().enumerate() {
        let (said, ()) = logged(|| tell(&key));
        assert!(forms(&key).iter().any(|form| said.contains(form.as_str())), "way {way} was not found in {said}");
    }
}

struct Secrets {
    keys: Vec<Vec<u8>>,
    table_id: String,
}

/// What listeners are told.
static TOLD: Mutex<String> = Mutex::new(String::new());

/// What all threads log while `act` runs, and what it gives.
fn logged<T>(act: impl FnOnce() -> T) -> (String, T) {
    static LOG: LazyLock<Log> = LazyLock::new(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    });
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    LOG.0.lock().unwrap().clear();
    TOLD.lock().unwrap().clear();
    let value = act();
    (LOG.said() + &TOLD.lock().unwrap(), value)
}

/// Creates, opens, seals, is forged, throttled, refused, refreshed by the service's threads, wiped and opened again.
fn all_that_logs(names: bool) -> Secrets {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(VirtualClock::default());
    let local = Arc::new(LocalKms::open_with(folder.path().join("kms"), clock.clone()).unwrap());
    let kms = Arc::new(FaultKms::new(local.clone(), clock.clone()));
    let telling = Arc::new(Telling { kms: kms.clone(), keys: Mutex::default() });
    let store = Arc::new(FolderStore::open(folder.path().join("tables")).unwrap());
    let service = Service::builder(telling.clone(), store)
        .clock(clock.clone())
        .subscriber(SUBSCRIBER)
        .names_in_log(names)
        .log(Arc::new(|level, event: &str| *TOLD.lock().unwrap() += &format!("told {level:?} {event}\n")))
        .build();
    service.create_table(&flights()).unwrap();
    service.create_table(&flights()).unwrap_err();
    service.open_table("none").unwrap_err();
    let table_id = service.describe_table(TABLE).unwrap().table_id;
    let opened = service.open_table(TABLE).unwrap();
    let base = opened.base();
    let record = base.seal(CONTEXT, TEXT).unwrap();
    base.open(CONTEXT, &record).unwrap();
    base.open(b"other", &record).unwrap_err();

    let errors = [KmsError::Unreachable, KmsError::WrongContext, KmsError::Invalid, KmsError::AccessDenied];
    for error in errors {
        kms.fail(Some(error));
        service.open_table(TABLE).unwrap_err();
    }
    kms.fail(None);
    local.disable_key(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
    service.open_table(TABLE).unwrap_err();
    local.enable_key(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
    let second = Duration::from_secs(1);
    for error in [None, Some(KmsError::Throttled), Some(KmsError::AccessDenied), None] {
        kms.fail(error);
        for _ in 0..700 {
            clock.advance(second);
            _ = base.open(CONTEXT, &record);
        }
        clock.settle();
    }
    // Past the deadline: this thread asks again.
    clock.advance(3600 * second);
    base.open(CONTEXT, &record).unwrap();
    service.open_table(TABLE).unwrap();
    let keys = telling.keys.lock().unwrap().clone();
    Secrets { keys, table_id }
}

/// Takes down the root keys that pass.
#[derive(Debug)]
struct Telling {
    kms: Arc<FaultKms>,
    keys: Mutex<Vec<Vec<u8>>>,
}

impl Telling {
    fn note(&self, key: &KeyBox<Key>) {
        self.keys.lock().unwrap().push(key.get().unwrap().expose().to_vec());
    }
}

impl Kms for Telling {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.kms.ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.kms.describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.kms.generate_data_key(key, context).inspect(|generated| self.note(&generated.key))
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.kms.decrypt(key, wrapped, context).inspect(|key| self.note(key))
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.kms.re_encrypt(from, wrapped, context, to)
    }
}

/// How bytes may stand in a text. The middle of them, for what is cut at its ends.
fn forms(bytes: &[u8]) -> Vec<String> {
    let middle = if bytes.len() >= 32 { &bytes[8..24] } else { bytes };
    let list = |one: fn(&u8) -> String| middle.iter().map(one).collect::<Vec<_>>().join(", ");
    let mut forms = vec![
        hex::encode(middle),
        hex::encode_upper(middle),
        list(|byte| byte.to_string()),
        list(|byte| format!("{byte:02x}")),
        list(|byte| format!("{byte:x}")),
    ];
    // Base64 has three looks, by where in a group of three the bytes begin; the ends depend on what is beside them.
    forms.extend((0..3).map(|at| {
        let encoded = BASE64_STANDARD.encode([&[0; 2][..at], middle].concat());
        encoded[4 * usize::from(at > 0)..(encoded.len() - 4)].to_owned()
    }));
    forms.extend(core::str::from_utf8(middle).ok().map(str::to_owned));
    forms
}

/// A subscriber that takes down everything.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn said(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn line(&self, what: &str, metadata: &Metadata<'_>) -> Line {
        Line { text: format!("{what} {} {}", metadata.target(), metadata.name()) }
    }

    fn add(&self, line: &Line) {
        let mut said = self.0.lock().unwrap();
        said.push_str(&line.text);
        said.push('\n');
    }
}

struct Line {
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = self.line("span", span.metadata());
        span.record(&mut line);
        self.add(&line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line { text: "recorded".to_owned() };
        values.record(&mut line);
        self.add(&line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = self.line("event", event.metadata());
        event.record(&mut line);
        self.add(&line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
