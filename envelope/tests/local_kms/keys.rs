//! Keys, aliases, and the states of a key.

use core::time::Duration;

use tablecrypt::clock::Clock;
use tablecrypt::kms::{KeyState, Kms, KmsError};

use crate::fixture::{ALIAS, DAY, Fixture, flights};

#[test]
fn ensured_key_is_made_once_and_keeps_its_description() {
    let fixture = Fixture::new();
    let first = fixture.kms.ensure_key(ALIAS, "first").unwrap();
    assert_eq!((first.state, first.description.as_str()), (KeyState::Enabled, "first"));
    assert_eq!(fixture.kms.ensure_key(ALIAS, "second").unwrap(), first);
    assert_eq!(fixture.log(), ["CreateKey ok", "DescribeKey ok"]);
    assert_eq!(fixture.kms.list_keys().unwrap(), [first]);
}

#[test]
fn name_of_no_key_is_not_found() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    let id = kms.create_key("").unwrap().id;
    let (upper, bare) = (id.to_uppercase(), id.replace('-', ""));
    let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{id}");
    for name in ["", "alias/none", "../lock", "00000000-0000-4000-8000-000000000000", &upper, &bare, &arn] {
        assert!(matches!(kms.describe_key(name), Err(KmsError::NotFound)), "{name}");
    }
}

#[test]
fn disabled_key_is_refused_until_it_is_enabled() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    for _ in 0..2 {
        kms.disable_key(ALIAS).unwrap();
    }
    assert!(matches!(kms.decrypt(ALIAS, &wrapped, &flights()), Err(KmsError::Disabled)));
    assert!(matches!(kms.decrypt(ALIAS, b"garbage", &flights()), Err(KmsError::Disabled)), "before the bytes");
    assert!(matches!(kms.generate_data_key(ALIAS, &flights()), Err(KmsError::Disabled)));
    assert_eq!(kms.ensure_key(ALIAS, "").unwrap().state, KeyState::Disabled);
    kms.enable_key(ALIAS).unwrap();
    kms.decrypt(ALIAS, &wrapped, &flights()).unwrap();
}

#[test]
fn key_pending_deletion_is_refused_and_comes_back_disabled() {
    let fixture = Fixture::new();
    let Fixture { kms, clock, .. } = &fixture;
    kms.ensure_key(ALIAS, "").unwrap();
    let wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    assert!(matches!(kms.cancel_key_deletion(ALIAS), Err(KmsError::Invalid)));
    for days in [0, 6, 31, u32::MAX] {
        assert!(matches!(kms.schedule_key_deletion(ALIAS, days), Err(KmsError::Invalid)), "{days}");
    }
    assert_eq!(kms.schedule_key_deletion(ALIAS, 30).unwrap(), clock.date() + 30 * DAY);
    assert_eq!(kms.describe_key(ALIAS).unwrap().state, KeyState::PendingDeletion);
    assert!(matches!(kms.decrypt(ALIAS, &wrapped, &flights()), Err(KmsError::PendingDeletion)));
    assert!(matches!(kms.enable_key(ALIAS), Err(KmsError::PendingDeletion)));
    assert!(matches!(kms.disable_key(ALIAS), Err(KmsError::PendingDeletion)));
    assert!(matches!(kms.schedule_key_deletion(ALIAS, 7), Err(KmsError::PendingDeletion)));
    assert!(matches!(kms.create_alias("alias/other", ALIAS), Err(KmsError::PendingDeletion)));
    kms.cancel_key_deletion(ALIAS).unwrap();
    assert_eq!(kms.describe_key(ALIAS).unwrap().state, KeyState::Disabled);
    clock.advance(31 * DAY);
    kms.enable_key(ALIAS).unwrap();
    kms.decrypt(ALIAS, &wrapped, &flights()).unwrap();
}

#[test]
fn key_is_destroyed_at_its_date_and_its_alias_is_free() {
    let fixture = Fixture::new();
    let Fixture { kms, clock, .. } = &fixture;
    let old = kms.ensure_key(ALIAS, "").unwrap();
    kms.create_alias("alias/other", ALIAS).unwrap();
    let wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    kms.schedule_key_deletion(ALIAS, 7).unwrap();
    clock.advance(7 * DAY - Duration::from_nanos(1));
    assert_eq!(kms.describe_key(ALIAS).unwrap().state, KeyState::PendingDeletion);
    clock.advance(Duration::from_nanos(1));
    assert!(matches!(kms.cancel_key_deletion(ALIAS), Err(KmsError::NotFound)), "too late");
    assert_eq!(fixture.key_files(), 0);
    assert_eq!(fixture.log()[fixture.log().len() - 2..], ["DeleteKey ok", "CancelKeyDeletion NotFound"]);
    for name in [ALIAS, "alias/other", &old.id, &old.arn] {
        assert!(matches!(kms.decrypt(name, &wrapped, &flights()), Err(KmsError::NotFound)), "{name}");
    }
    assert!(kms.list_aliases().unwrap().is_empty());
    let new = kms.ensure_key(ALIAS, "").unwrap();
    assert_ne!(new.id, old.id);
    assert!(matches!(kms.decrypt(ALIAS, &wrapped, &flights()), Err(KmsError::Invalid)));
}

#[test]
fn ensuring_or_listing_destroys_a_key_that_is_due() {
    for list in [false, true] {
        let fixture = Fixture::new();
        let old = fixture.kms.ensure_key(ALIAS, "").unwrap();
        fixture.kms.schedule_key_deletion(ALIAS, 7).unwrap();
        fixture.clock.advance(7 * DAY);
        if list {
            assert!(fixture.kms.list_keys().unwrap().is_empty());
        } else {
            assert_ne!(fixture.kms.ensure_key(ALIAS, "").unwrap().id, old.id);
        }
        assert!(!fixture.path(&format!("keys/{}.json", old.id)).exists());
    }
}

#[test]
fn aliases_are_made_listed_and_deleted() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    let key = kms.create_key("").unwrap();
    kms.create_alias("alias/a/B_1-c", &key.id).unwrap();
    assert!(matches!(kms.create_alias("alias/a/B_1-c", &key.id), Err(KmsError::Invalid)), "taken");
    assert!(matches!(kms.create_alias("alias/new", "alias/none"), Err(KmsError::NotFound)));
    assert_eq!(kms.list_aliases().unwrap(), [("alias/a/B_1-c".into(), key.arn.clone())].into());
    kms.delete_alias("alias/a/B_1-c").unwrap();
    assert!(matches!(kms.delete_alias("alias/a/B_1-c"), Err(KmsError::NotFound)));
    assert!(matches!(kms.delete_alias(&key.id), Err(KmsError::NotFound)));
    assert_eq!(kms.describe_key(&key.id).unwrap(), key);
}

#[test]
fn malformed_alias_is_refused_and_makes_nothing() {
    let fixture = Fixture::new();
    let long = format!("alias/{}", "a".repeat(251));
    for alias in ["", "alias/", "default", "alias/a b", "alias/é", "alias/../x", "alias/aws/dynamodb", &long] {
        assert!(matches!(fixture.kms.ensure_key(alias, ""), Err(KmsError::Invalid)), "{alias}");
        assert_eq!(fixture.last(), "DescribeKey Invalid");
    }
    assert_eq!(fixture.key_files(), 0);
}
