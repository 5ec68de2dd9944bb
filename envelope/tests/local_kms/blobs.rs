//! Wrapped keys: their format, their context, and every forgery.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tablecrypt::kms::{Kms, KmsError, LocalKms};
use tablecrypt_core::{Key, Xaes256Gcm};

use crate::fixture::{ALIAS, Fixture, context, flights};

#[test]
fn wrapped_key_unwraps_to_itself_by_id_arn_and_alias() {
    let fixture = Fixture::new();
    let Fixture { kms, folder, .. } = &fixture;
    let key = kms.ensure_key(ALIAS, "for tests").unwrap();
    assert_eq!(key.arn, format!("arn:tablecrypt:kms:local:000000000000:key/{}", key.id));
    let made = kms.generate_data_key(ALIAS, &flights()).unwrap();
    assert_eq!((made.kms_key.as_str(), made.wrapped.len()), (key.arn.as_str(), 121));
    let again = LocalKms::open(folder.path()).unwrap();
    for name in [ALIAS, &key.id, &key.arn] {
        let found = again.decrypt(name, &made.wrapped, &flights()).unwrap();
        assert_eq!(found.get().unwrap().expose(), made.key.get().unwrap().expose(), "{name}");
    }
}

#[test]
fn two_data_keys_are_never_the_same() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let made = [(); 2].map(|()| kms.generate_data_key(ALIAS, &flights()).unwrap());
    assert_ne!(made[0].key.get().unwrap().expose(), made[1].key.get().unwrap().expose());
    assert_ne!(made[0].wrapped[49..73], made[1].wrapped[49..73], "the nonce");
}

/// Opens the blob by the words of its format, with the material from the key file, and with none of LocalKms's code.
#[test]
fn blob_is_what_its_format_says() {
    let fixture = Fixture::new();
    let id = fixture.kms.ensure_key(ALIAS, "").unwrap().id;
    let made = fixture.kms.generate_data_key(ALIAS, &context(&[("b", "cd"), ("a", "")])).unwrap();
    let file: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture.path(&format!("keys/{id}.json"))).unwrap()).unwrap();
    let material: [u8; 32] = STANDARD.decode(file["material"].as_str().unwrap()).unwrap().try_into().unwrap();

    let canonical = b"\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01b\0\0\0\0\0\0\0\x02cd";
    let mut aad = vec![1];
    aad.extend(hex::decode(id.replace('-', "")).unwrap());
    aad.extend(Sha256::digest(canonical));
    assert_eq!(made.wrapped[..49], aad);
    aad.extend(canonical);
    let nonce = made.wrapped[49..73].try_into().unwrap();
    let mut opened = [0; 32];
    Xaes256Gcm::new(&Key::from(material)).open(&nonce, &aad, &made.wrapped[73..], &mut opened).unwrap();
    assert_eq!(&opened, made.key.get().unwrap().expose());
}

#[test]
fn every_other_context_is_a_wrong_context() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let right = context(&[("a", "bc"), ("d", "e")]);
    let wrapped = kms.generate_data_key(ALIAS, &right).unwrap().wrapped;
    for wrong in [
        context(&[]),
        context(&[("a", "bc")]),
        context(&[("a", "bc"), ("d", "e"), ("f", "")]),
        context(&[("a", "bc"), ("d", "E")]),
        context(&[("a", "bc"), ("D", "e")]),
        context(&[("ab", "c"), ("d", "e")]),
        context(&[("a", "bcde")]),
        context(&[("a", "e"), ("d", "bc")]),
        context(&[("bc", "a"), ("e", "d")]),
    ] {
        assert!(matches!(kms.decrypt(ALIAS, &wrapped, &wrong), Err(KmsError::WrongContext)), "{wrong:?}");
        assert!(matches!(kms.re_encrypt(ALIAS, &wrapped, &wrong, ALIAS), Err(KmsError::WrongContext)), "{wrong:?}");
    }
    kms.decrypt(ALIAS, &wrapped, &context(&[("d", "e"), ("a", "bc")])).unwrap();
}

#[test]
fn a_is_bc_does_not_open_ab_is_c() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let wrapped = kms.generate_data_key(ALIAS, &context(&[("a", "bc")])).unwrap().wrapped;
    assert!(matches!(kms.decrypt(ALIAS, &wrapped, &context(&[("ab", "c")])), Err(KmsError::WrongContext)));
}

#[test]
fn every_flipped_byte_of_a_blob_is_refused() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    for (position, mask) in (0..wrapped.len()).map(|position| (position, [1, 0x80, 0xff][position % 3])) {
        let mut forged = wrapped.clone();
        forged[position] ^= mask;
        let result = kms.decrypt(ALIAS, &forged, &flights());
        match position {
            17..49 => assert!(matches!(result, Err(KmsError::WrongContext)), "byte {position}: {result:?}"),
            _ => assert!(matches!(result, Err(KmsError::Invalid)), "byte {position}: {result:?}"),
        }
    }
}

/// The digest tells a wrong context apart; it is the tag that keeps it out.
#[test]
fn right_digest_of_a_wrong_context_is_refused_by_the_tag() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let mut forged = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    let other = context(&[("a", "b")]);
    forged[17..49].copy_from_slice(&Sha256::digest(other.canonical_bytes()));
    assert!(matches!(kms.decrypt(ALIAS, &forged, &other), Err(KmsError::Invalid)));
}

#[test]
fn blob_of_any_other_length_is_refused() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let mut wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    wrapped.push(0);
    for length in (0..121).chain([122]) {
        let result = kms.decrypt(ALIAS, &wrapped[..length], &flights());
        assert!(matches!(result, Err(KmsError::Invalid)), "{length}: {result:?}");
    }
}

#[test]
fn blob_of_another_key_or_another_kms_is_refused() {
    let (here, there) = (Fixture::new(), Fixture::new());
    for fixture in [&here, &there] {
        fixture.kms.ensure_key(ALIAS, "").unwrap();
    }
    let other = here.kms.create_key("").unwrap().id;
    let wrapped = here.kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    assert!(matches!(there.kms.decrypt(ALIAS, &wrapped, &flights()), Err(KmsError::Invalid)));
    assert!(matches!(here.kms.decrypt(&other, &wrapped, &flights()), Err(KmsError::Invalid)));
}

#[test]
fn re_encrypted_blob_opens_with_the_new_key_alone() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let to = kms.create_key("").unwrap();
    let made = kms.generate_data_key(ALIAS, &flights()).unwrap();
    let (arn, wrapped) = kms.re_encrypt(ALIAS, &made.wrapped, &flights(), &to.id).unwrap();
    assert_eq!(arn, to.arn);
    assert_eq!(
        kms.decrypt(&arn, &wrapped, &flights()).unwrap().get().unwrap().expose(),
        made.key.get().unwrap().expose()
    );
    assert!(matches!(kms.decrypt(ALIAS, &wrapped, &flights()), Err(KmsError::Invalid)));
    let entry = kms.audit().unwrap().into_iter().find(|entry| entry.to.is_some()).unwrap();
    assert_eq!(entry.to.as_deref(), Some(to.arn.as_str()));
    kms.disable_key(&to.id).unwrap();
    assert!(matches!(kms.re_encrypt(ALIAS, b"", &flights(), &to.id), Err(KmsError::Disabled)));
}
