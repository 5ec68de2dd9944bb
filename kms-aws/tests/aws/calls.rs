//! Each call, against each KMS: what it gives, what it refuses, and under which request.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use aws_sdk_kms::config::Region;
use tablecrypt::kms::{EncryptionContext, KeyState, Kms, KmsError, LocalKms, with_request};
use tablecrypt::store::FolderStore;
use tablecrypt::{Service, TableSpec};
use tablecrypt_kms_aws::AwsKms;

use crate::fixture::{Ours, REGION, alias, client, credentials, each, flights, moto, with_sdk};

fn opened(kms: &AwsKms, key: &str, wrapped: &[u8]) -> Result<[u8; 32], KmsError> {
    kms.decrypt(key, wrapped, &flights()).map(|key| *key.get().unwrap().expose())
}

#[test]
fn root_key_is_made_opened_and_moved() {
    each(|who, url| {
        let kms = client(url);
        let (one, other) = (alias("one"), alias("other"));
        let key = kms.ensure_key(&one, "one").unwrap();
        assert_eq!((key.state, key.description.as_str()), (KeyState::Enabled, "one"), "{who}");
        assert_eq!(kms.describe_key(&one).unwrap(), key, "{who}: by alias");
        assert_eq!(kms.describe_key(&key.arn).unwrap(), key, "{who}: by ARN");
        assert_eq!(kms.describe_key(&key.id).unwrap(), key, "{who}: by id");

        let made = kms.generate_data_key(&one, &flights()).unwrap();
        assert_eq!(made.kms_key, key.arn, "{who}");
        let bytes = *made.key.get().unwrap().expose();
        assert_ne!(bytes, [0; 32]);
        assert_eq!(opened(&kms, &key.arn, &made.wrapped).unwrap(), bytes, "{who}");
        assert_eq!(opened(&client(url), &one, &made.wrapped).unwrap(), bytes, "{who}: another client");

        let to = kms.ensure_key(&other, "").unwrap();
        let (arn, moved) = kms.re_encrypt(&key.arn, &made.wrapped, &flights(), &other).unwrap();
        assert_eq!(arn, to.arn, "{who}");
        assert_eq!(opened(&kms, &arn, &moved).unwrap(), bytes, "{who}: moved");
        assert_ne!(*kms.generate_data_key(&one, &flights()).unwrap().key.get().unwrap().expose(), bytes, "{who}");
    });
}

#[test]
fn wrong_context_wrong_bytes_and_wrong_key_are_refused() {
    each(|who, url| {
        let kms = client(url);
        let (one, other) = (alias("one"), alias("other"));
        let key = kms.ensure_key(&one, "").unwrap().arn;
        let another = kms.ensure_key(&other, "").unwrap().arn;
        let wrapped = kms.generate_data_key(&key, &flights()).unwrap().wrapped;
        opened(&kms, &key, &wrapped).unwrap();

        for wrong in [EncryptionContext::of_table("planes", "default"), EncryptionContext::default()] {
            let refused = kms.decrypt(&key, &wrapped, &wrong).map(drop);
            assert!(matches!(refused, Err(KmsError::Invalid)), "{who}: {refused:?}");
            let refused = kms.re_encrypt(&key, &wrapped, &wrong, &another).map(drop);
            assert!(matches!(refused, Err(KmsError::Invalid)), "{who}: {refused:?}");
        }
        let mut changed = wrapped.clone();
        *changed.last_mut().unwrap() ^= 1;
        for bytes in [&changed[..], &wrapped[..wrapped.len() - 1], b"garbage"] {
            let refused = opened(&kms, &key, bytes);
            assert!(matches!(refused, Err(KmsError::Invalid)), "{who}: {refused:?}");
        }
        let refused = opened(&kms, &another, &wrapped);
        // moto's word for it; AWS has IncorrectKeyException, as ours.
        let expected = if who == "moto" { "AccessDenied" } else { "Invalid" };
        assert_eq!(format!("{:?}", refused.unwrap_err()), expected, "{who}");
        for nobody in [alias("nobody"), "11111111-2222-4333-8444-555555555555".into()] {
            assert!(matches!(kms.describe_key(&nobody), Err(KmsError::NotFound)), "{who}: {nobody}");
            assert!(matches!(kms.generate_data_key(&nobody, &flights()), Err(KmsError::NotFound)), "{who}: {nobody}");
        }
    });
}

#[test]
fn states_of_a_key_are_told_apart() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/states", "").unwrap().arn;
    let wrapped = ours.kms.generate_data_key(&key, &flights()).unwrap().wrapped;
    let refusals = |expected: &str| {
        let refused = [
            opened(&ours.kms, &key, &wrapped).map(drop),
            ours.kms.generate_data_key(&key, &flights()).map(drop),
            ours.kms.re_encrypt(&key, &wrapped, &flights(), &key).map(drop),
        ];
        for refused in refused {
            assert_eq!(format!("{:?}", refused.unwrap_err()), expected);
        }
    };
    ours.local.disable_key(&key).unwrap();
    refusals("Disabled");
    assert_eq!(ours.kms.describe_key(&key).unwrap().state, KeyState::Disabled);
    ours.local.schedule_key_deletion(&key, 7).unwrap();
    refusals("PendingDeletion");
    assert_eq!(ours.kms.describe_key(&key).unwrap().state, KeyState::PendingDeletion);
    ours.local.cancel_key_deletion(&key).unwrap();
    refusals("Disabled");
    ours.local.enable_key(&key).unwrap();
    opened(&ours.kms, &key, &wrapped).unwrap();
}

#[test]
fn request_id_of_every_answer_is_that_of_the_service_log_also_of_a_refusal() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/requests", "").unwrap().arn;
    let (made, generated) = with_request(|| ours.kms.generate_data_key(&key, &flights()).unwrap());
    let (_, decrypted) = with_request(|| opened(&ours.kms, &key, &made.wrapped).unwrap());
    let (_, refused) = with_request(|| opened(&ours.kms, &key, b"garbage").unwrap_err());
    ours.fault("refuse");
    let hasty = ours.kms.clone().with_timeouts(Duration::from_millis(200), Duration::from_secs(2));
    let (_, unanswered) = with_request(|| opened(&hasty, &key, &made.wrapped).unwrap_err());
    assert_eq!(unanswered, None);

    let log = ours.local.audit().unwrap();
    let logged = |request: Option<String>| {
        let entry =
            log.iter().find(|entry| Some(&entry.request) == request.as_ref()).expect("a request that is logged");
        format!("{} {}", entry.operation, entry.outcome)
    };
    assert_eq!(logged(generated), "GenerateDataKey ok");
    assert_eq!(logged(decrypted), "Decrypt ok");
    assert_eq!(logged(refused), "Decrypt Invalid");
}

#[test]
fn multi_region_key_is_asked_for_by_the_name_that_it_has_where_the_client_is() {
    let Some(moto) = moto() else { return };
    let made = with_sdk(&moto, "us-east-1", async |sdk| {
        let made = sdk.create_key().multi_region(true).send().await.unwrap().key_metadata.unwrap();
        sdk.replicate_key().key_id(&made.key_id).replica_region("eu-west-1").send().await.unwrap();
        made.arn.unwrap()
    });
    assert!(made.contains(":us-east-1:") && made.contains("key/mrk-"), "{made}");
    // The client of this fixture is in eu-west-1.
    let kms = client(&moto);
    let here = kms.describe_key(&made).unwrap().arn;
    assert_eq!(here, made.replace("us-east-1", "eu-west-1"));
    let wrapped = kms.generate_data_key(&made, &flights()).unwrap();
    assert_eq!(wrapped.kms_key, here);
    // moto cannot decrypt with such a key: its blobs hold 36 bytes of an id, and its multi-Region ids have 40.
    // The control: a key of one region is not looked for in another.
    let single = made.replace("mrk-", "");
    assert!(matches!(kms.describe_key(&single), Err(KmsError::NotFound)));
}

#[test]
fn key_of_another_region_is_asked_for_there_and_a_table_may_be_under_keys_of_two() {
    let Some(moto) = moto() else { return };
    let there = with_sdk(&moto, "us-east-1", async |sdk| {
        sdk.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap()
    });
    assert!(there.contains(":us-east-1:"), "{there}");
    let kms = client(&moto);
    let here = kms.ensure_key(&alias("here"), "").unwrap().arn;
    assert!(here.contains(":eu-west-1:"), "{here}");
    assert_eq!(kms.describe_key(&there).unwrap().arn, there);
    // The control: in the client's region there is no such key.
    let elsewhere = there.replace("us-east-1", "eu-west-1");
    assert!(matches!(kms.describe_key(&elsewhere), Err(KmsError::NotFound)));

    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(FolderStore::open(folder.path()).unwrap());
    let service = Service::builder(Arc::new(kms.clone()), store).build();
    service.create_table(&TableSpec::new("flights").kms_key(&here)).unwrap();
    service.add_kms_key("flights", &there).unwrap();
    let record = service.open_table("flights").unwrap().base().seal(b"key", b"text").unwrap();
    service.switch_key("flights", &[&there]).unwrap();
    assert_eq!(service.open_table("flights").unwrap().base().open(b"key", &record).unwrap(), b"text");
}

#[test]
fn client_is_made_once_and_clones_share_it() {
    let made = Arc::new(AtomicU32::new(0));
    let (ours, counted) = (Ours::new(), Arc::clone(&made));
    let kms = ours.kms.clone().with_config({
        let url = ours.url();
        move |loader| {
            counted.fetch_add(1, Ordering::Relaxed);
            let region = Region::from_static(REGION);
            loader.endpoint_url(&url).region(region).credentials_provider(credentials())
        }
    });
    kms.ensure_key("alias/clones", "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let kms = kms.clone();
            scope.spawn(move || kms.describe_key("alias/clones").unwrap());
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn what_says_who_wrapped_it_need_not_be_true() {
    let ours = Ours::new();
    let key = ours.kms.ensure_key("alias/said", "").unwrap();
    let mut wrapped = ours.kms.generate_data_key(&key.arn, &flights()).unwrap().wrapped;
    assert_eq!(LocalKms::wrapped_by(&wrapped), Some(key.id.clone()));
    wrapped[0] = 2;
    assert_eq!(LocalKms::wrapped_by(&wrapped), None);
    assert_eq!(LocalKms::wrapped_by(&wrapped[..16]), None);
}
