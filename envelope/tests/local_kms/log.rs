//! The audit log: one line a call, also when a crash cut the last one or there is no room.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;

use tablecrypt::clock::Clock;
use tablecrypt::kms::{KeyState, Kms, with_request};

use crate::fixture::{ALIAS, Fixture, assert_io, context, flights};

#[test]
fn every_call_is_one_line_with_who_what_and_how_it_ended() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    let arn = kms.ensure_key(ALIAS, "").unwrap().arn;
    let wrapped = kms.generate_data_key(ALIAS, &flights()).unwrap().wrapped;
    kms.decrypt(ALIAS, &wrapped, &flights()).unwrap();
    kms.decrypt(ALIAS, &wrapped, &context(&[])).unwrap_err();
    kms.decrypt("alias/none\n{}", &wrapped, &flights()).unwrap_err();
    kms.re_encrypt(ALIAS, &wrapped, &flights(), ALIAS).unwrap();
    kms.describe_key(ALIAS).unwrap();
    kms.disable_key(ALIAS).unwrap();
    kms.decrypt(ALIAS, &wrapped, &flights()).unwrap_err();
    kms.enable_key(ALIAS).unwrap();
    kms.create_alias("alias/other", ALIAS).unwrap();
    kms.delete_alias("alias/other").unwrap();
    kms.list_keys().unwrap();
    kms.list_aliases().unwrap();
    kms.schedule_key_deletion(ALIAS, 7).unwrap();
    kms.decrypt(ALIAS, &wrapped, &flights()).unwrap_err();
    kms.cancel_key_deletion(ALIAS).unwrap();
    assert_eq!(
        fixture.log(),
        [
            "CreateKey ok",
            "GenerateDataKey ok",
            "Decrypt ok",
            "Decrypt WrongContext",
            "Decrypt NotFound",
            "ReEncrypt ok",
            "DescribeKey ok",
            "DisableKey ok",
            "Decrypt Disabled",
            "EnableKey ok",
            "CreateAlias ok",
            "DeleteAlias ok",
            "ListKeys ok",
            "ListAliases ok",
            "ScheduleKeyDeletion ok",
            "Decrypt PendingDeletion",
            "CancelKeyDeletion ok",
        ]
    );
    let entries = kms.audit().unwrap();
    assert!(entries.iter().all(|entry| entry.time == fixture.clock.date() && entry.pid == std::process::id()));
    let decrypt = &entries[2];
    assert_eq!(decrypt.key.as_ref(), Some(&arn));
    assert_eq!(decrypt.context["tablecrypt:table"], "flights");
    assert_eq!(entries[4].key.as_deref(), Some("alias/none\n{}"));
    let text = fs::read_to_string(fixture.path("audit.jsonl")).unwrap();
    assert_eq!(text.lines().count(), entries.len());
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["time"], "2026-01-01T00:00:00Z");
}

#[test]
fn caller_learns_under_which_request_its_call_is_logged_also_of_a_refusal() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    kms.ensure_key(ALIAS, "").unwrap();
    let requests = [
        with_request(|| kms.generate_data_key(ALIAS, &flights()).map(|_| ())),
        with_request(|| kms.decrypt(ALIAS, b"garbage", &flights()).map(|_| ())),
    ];
    let logged = kms.audit().unwrap();
    for ((result, request), entry) in requests.iter().zip(&logged[1..]) {
        assert_eq!(request.as_ref(), Some(&entry.request));
        assert_eq!(result.is_ok(), entry.outcome == "ok");
    }
    assert_ne!(requests[0].1, requests[1].1);
}

#[test]
fn torn_line_is_skipped_and_the_next_one_starts_anew() {
    let fixture = Fixture::new();
    fixture.kms.ensure_key(ALIAS, "é").unwrap();
    fixture.kms.generate_data_key(ALIAS, &context(&[("é", "é")])).unwrap();
    let path = fixture.path("audit.jsonl");
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in first..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        // Only the newline is missing at the very end: the line is whole.
        let kept = if end == whole.len() - 1 { 2 } else { 1 };
        assert_eq!(fixture.kms.audit().unwrap().len(), kept, "cut at {end}");
        if end % 16 == 0 || kept == 2 {
            fixture.kms.list_keys().unwrap();
            assert_eq!(fixture.kms.audit().unwrap().len(), kept + 1, "cut at {end}");
            assert_eq!(fixture.last(), "ListKeys ok");
        }
    }
    fs::write(&path, [&whole[..first], &[0; 99]].concat()).unwrap();
    fixture.kms.list_keys().unwrap();
    assert_eq!(fixture.log(), ["CreateKey ok", "ListKeys ok"]);
}

#[test]
fn line_that_is_none_of_ours_is_an_error_and_not_skipped() {
    let fixture = Fixture::new();
    let path = fixture.path("audit.jsonl");
    fs::File::create(&path).unwrap().write_all(b"{\"time\": 7}\n").unwrap();
    assert_io(fixture.kms.audit(), ErrorKind::InvalidData, &path);
}

/// `/dev/full` stands for the log on a disk without room.
#[test]
fn nothing_is_done_that_cannot_be_logged() {
    let fixture = Fixture::new();
    let kms = &fixture.kms;
    let made = kms.ensure_key(ALIAS, "").and_then(|_| kms.generate_data_key(ALIAS, &flights())).unwrap();
    let (log, aside) = (fixture.path("audit.jsonl"), fixture.path("aside"));
    fs::rename(&log, &aside).unwrap();
    symlink("/dev/full", &log).unwrap();
    assert_io(kms.generate_data_key(ALIAS, &flights()), ErrorKind::StorageFull, &log);
    assert_io(kms.decrypt(ALIAS, &made.wrapped, &flights()), ErrorKind::StorageFull, &log);
    assert_io(kms.decrypt("alias/none", &made.wrapped, &flights()), ErrorKind::StorageFull, &log);
    assert_io(kms.ensure_key("alias/other", ""), ErrorKind::StorageFull, &log);
    assert_io(kms.disable_key(ALIAS), ErrorKind::StorageFull, &log);
    assert_io(kms.delete_alias(ALIAS), ErrorKind::StorageFull, &log);
    fs::rename(&aside, &log).unwrap();
    assert_eq!(fixture.key_files(), 1);
    assert_eq!(kms.list_aliases().unwrap().len(), 1);
    assert_eq!(kms.describe_key(ALIAS).unwrap().state, KeyState::Enabled);
}
