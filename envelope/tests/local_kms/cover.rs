//! Keys that a passphrase or a file elsewhere covers: nothing of them is in the folder, and nothing opens without it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tablecrypt::kms::{KeyState, Kms, KmsError, LocalKms, Protection};

use crate::fixture::{ALIAS, assert_io, flights};

/// Both kinds, over a folder and a place for the key file beside it.
fn each(test: impl Fn(&Path, &dyn Fn() -> Protection)) {
    for kind in ["passphrase", "key file"] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("key");
        let passphrase = || Protection::passphrase("correct horse");
        let key_file = || Protection::key_file(&file);
        println!("cover: {kind}");
        test(&place.path().join("kms"), if kind == "passphrase" { &passphrase } else { &key_file });
    }
}

#[test]
fn covered_keys_work_as_others_do_also_in_another_process() {
    each(|folder, protection| {
        let kms = LocalKms::open_protected(folder, &protection()).unwrap();
        let key = kms.ensure_key(ALIAS, "covered").unwrap();
        let made = kms.generate_data_key(ALIAS, &flights()).unwrap();
        kms.disable_key(ALIAS).unwrap();

        let another = LocalKms::open_protected(folder, &protection()).unwrap();
        assert_eq!(another.describe_key(ALIAS).unwrap().state, KeyState::Disabled);
        another.enable_key(&key.arn).unwrap();
        let opened = another.decrypt(&key.arn, &made.wrapped, &flights()).unwrap();
        assert_eq!(opened.get().unwrap().expose(), made.key.get().unwrap().expose());
        let (_, moved) = kms.re_encrypt(ALIAS, &made.wrapped, &flights(), &another.create_key("").unwrap().id).unwrap();
        assert_ne!(moved, made.wrapped);
    });
}

/// The attack: whoever has the folder reads its files, and guesses. The control does the same to keys in clear.
#[test]
fn thief_of_the_folder_finds_no_key_in_it_and_opens_it_with_nothing() {
    each(|folder, protection| {
        let kms = LocalKms::open_protected(folder, &protection()).unwrap();
        let id = kms.ensure_key(ALIAS, "the description").unwrap().id;
        let text = fs::read_to_string(folder.join(format!("keys/{id}.json"))).unwrap();
        assert!(!text.contains("material") && !text.contains("the description"), "{text}");

        let cover = folder.join("cover.json");
        assert_io(LocalKms::open(folder).map(drop), ErrorKind::PermissionDenied, &cover);
        let other = folder.with_file_name("other");
        fs::write(&other, [7; 32]).unwrap();
        for wrong in [Protection::passphrase("correct horsf"), Protection::passphrase(""), Protection::key_file(&other)]
        {
            let refused = LocalKms::open_protected(folder, &wrong).map(drop);
            assert!(matches!(refused, Err(KmsError::AccessDenied)), "{wrong:?}: {refused:?}");
        }
        // Without the cover's file the keys are no files of a folder in clear either.
        fs::remove_file(&cover).unwrap();
        let bare = LocalKms::open(folder).unwrap();
        let file = folder.join(format!("keys/{id}.json"));
        assert_io(bare.generate_data_key(&id, &flights()).map(drop), ErrorKind::InvalidData, &file);
        // And a new cover is not put over them.
        let refused = LocalKms::open_protected(folder, &Protection::passphrase("mine")).map(drop);
        assert_io(refused, ErrorKind::AlreadyExists, &file);
    });
    let clear = tempfile::tempdir().unwrap();
    let id = LocalKms::open(clear.path()).unwrap().ensure_key(ALIAS, "the description").unwrap().id;
    let text = fs::read_to_string(clear.path().join(format!("keys/{id}.json"))).unwrap();
    assert!(text.contains("material") && text.contains("the description"), "the control finds it");
}

/// The attack: whoever can write the folder plants a key that they know, or moves one.
#[test]
fn planted_moved_and_changed_key_files_are_refused() {
    each(|folder, protection| {
        let kms = LocalKms::open_protected(folder, &protection()).unwrap();
        let ids = ["one", "other"].map(|name| kms.create_key(name).unwrap().id);
        let [one, other] = ids.each_ref().map(|id| folder.join(format!("keys/{id}.json")));
        let whole = fs::read(&one).unwrap();

        let stranger = tempfile::tempdir().unwrap();
        let strange = LocalKms::open(stranger.path()).unwrap().create_key("").unwrap().id;
        let planted = fs::read_to_string(stranger.path().join(format!("keys/{strange}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        let mut sealed = STANDARD.decode(json["sealed"].as_str().unwrap()).unwrap();
        sealed[100] ^= 1;
        let changed = serde_json::json!({ "version": 2, "sealed": STANDARD.encode(&sealed) }).to_string();
        let cut = serde_json::json!({ "version": 2, "sealed": STANDARD.encode(&sealed[..30]) }).to_string();
        for forged in [
            planted.replace(&strange, &ids[0]).into_bytes(),
            fs::read(&other).unwrap(),
            changed.into_bytes(),
            cut.into_bytes(),
            b"{}".to_vec(),
        ] {
            fs::write(&one, &forged).unwrap();
            assert_io(kms.generate_data_key(&ids[0], &flights()).map(drop), ErrorKind::InvalidData, &one);
        }
        fs::write(&one, whole).unwrap();
        kms.generate_data_key(&ids[0], &flights()).unwrap();
    });
}

#[test]
fn folder_with_keys_in_clear_is_not_covered_and_costs_that_nobody_has_are_not_paid() {
    let place = tempfile::tempdir().unwrap();
    let clear = place.path().join("clear");
    let id = LocalKms::open(&clear).unwrap().create_key("").unwrap().id;
    let refused = LocalKms::open_protected(&clear, &Protection::passphrase("p")).map(drop);
    assert_io(refused, ErrorKind::AlreadyExists, &clear.join(format!("keys/{id}.json")));
    LocalKms::open(&clear).unwrap().generate_data_key(&id, &flights()).unwrap();

    let covered = place.path().join("covered");
    LocalKms::open_protected(&covered, &Protection::passphrase("p")).unwrap();
    let cover = covered.join("cover.json");
    let text = fs::read_to_string(&cover).unwrap();
    let costly = text.replace("\"memory\": 65536", "\"memory\": 4294967295");
    assert_ne!(costly, text);
    fs::write(&cover, costly).unwrap();
    assert_io(
        LocalKms::open_protected(&covered, &Protection::passphrase("p")).map(drop),
        ErrorKind::InvalidData,
        &cover,
    );
    // Cheaper ones make another key, which does not open the check.
    fs::write(&cover, text.replace("\"memory\": 65536", "\"memory\": 64")).unwrap();
    let refused = LocalKms::open_protected(&covered, &Protection::passphrase("p")).map(drop);
    assert!(matches!(refused, Err(KmsError::AccessDenied)), "{refused:?}");
}

#[test]
fn passphrase_is_not_printed_and_a_key_file_of_another_length_is_refused() {
    assert_eq!(format!("{:?}", Protection::passphrase("secret")), "Passphrase(..)");
    let place = tempfile::tempdir().unwrap();
    let short = place.path().join("short");
    fs::write(&short, [1; 31]).unwrap();
    let refused = LocalKms::open_protected(place.path().join("kms"), &Protection::key_file(&short)).map(drop);
    assert_io(refused, ErrorKind::InvalidData, &short);
}
