//! The service default key: made once, whoever comes first, and whatever happens to the answers.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::thread;

use aws_sdk_kms::types::KeyState as SdkState;
use tablecrypt::kms::{KeyState, Kms, KmsError};
use tablecrypt_kms_aws::AwsKms;

use crate::fixture::{Ours, PATIENCE, REGION, alias, client, each, flights, with_sdk};

const PROCESSES: usize = 8;
const THREADS: usize = 8;
/// What a caller in another process is told: the alias, which is the description too.
const ALIAS: &str = "TABLECRYPT_TEST_ALIAS";

#[test]
fn of_64_first_callers_in_8_processes_all_get_one_key_and_the_losers_keys_wait_for_deletion() {
    each(|who, url| {
        let alias = alias("first");
        let program = std::env::current_exe().unwrap();
        let processes: Vec<_> = (0..PROCESSES)
            .map(|_| {
                // The standard chain, as a user has it: nothing but the environment.
                let mut command = Command::new(&program);
                command.args(["--exact", "default_key::caller_in_another_process", "--nocapture", "--ignored"]);
                command.env(ALIAS, &alias).env("AWS_ENDPOINT_URL_KMS", url).env("AWS_REGION", REGION);
                command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
                command.env("AWS_EC2_METADATA_DISABLED", "true").stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut arns = Vec::new();
        for process in processes {
            let output = process.wait_with_output().unwrap();
            let told = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{who}: {told}");
            arns.extend(told.split_whitespace().filter(|word| word.starts_with("arn:")).map(str::to_owned));
        }
        assert_eq!(arns.len(), PROCESSES * THREADS, "{who}");
        let one: BTreeSet<_> = arns.into_iter().collect();
        assert_eq!(one.len(), 1, "{who}: {one:?}");
        let winner = one.into_iter().next().unwrap();
        assert_eq!(client(url).describe_key(&alias).unwrap().arn, winner, "{who}");

        let states = keys_described(url, &alias);
        let enabled: Vec<_> = states.iter().filter(|(_, state)| *state == SdkState::Enabled).collect();
        assert_eq!(enabled.len(), 1, "{who}: {states:?}");
        assert_eq!(enabled[0].0, winner, "{who}");
        assert!(states.len() <= PROCESSES, "{who}: a process makes one key at most: {states:?}");
        assert!(
            states.iter().all(|(arn, state)| *arn == winner || *state == SdkState::PendingDeletion),
            "{who}: {states:?}"
        );
        println!("kms: {who}: 64 first callers in 8 processes: 1 key, {} pending deletion", states.len() - 1);
    });
}

#[test]
#[ignore = "another test runs it, in processes of its own"]
fn caller_in_another_process() {
    let alias = std::env::var(ALIAS).unwrap();
    // The machine may be busy: 8 processes start at once.
    let kms = AwsKms::new().with_timeouts(PATIENCE, PATIENCE);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| println!("\n{}", kms.ensure_key(&alias, &alias).unwrap().arn));
        }
    });
}

/// The keys of this description, and their states.
fn keys_described(url: &str, description: &str) -> Vec<(String, SdkState)> {
    with_sdk(url, REGION, async |sdk| {
        let mut found = Vec::new();
        let mut pages = sdk.list_keys().into_paginator().send();
        while let Some(page) = pages.next().await {
            for key in page.unwrap().keys.unwrap() {
                let key = sdk.describe_key().key_id(key.key_arn.unwrap()).send().await.unwrap().key_metadata.unwrap();
                if key.description.as_deref() == Some(description) {
                    found.push((key.arn.unwrap(), key.key_state.unwrap()));
                }
            }
        }
        found
    })
}

#[test]
fn default_key_has_its_tags_and_its_description() {
    let Some(moto) = crate::fixture::moto() else { return };
    let kms = client(&moto).with_tags([("team", "storage")]);
    let key = kms.ensure_key(&alias("tags"), "what it is for").unwrap();
    assert_eq!(key.description, "what it is for");
    let tags = with_sdk(&moto, REGION, async |sdk| {
        let tags = sdk.list_resource_tags().key_id(&key.id).send().await.unwrap().tags.unwrap();
        tags.into_iter().map(|tag| format!("{}={}", tag.tag_key, tag.tag_value)).collect::<BTreeSet<_>>()
    });
    assert_eq!(tags, ["created-by=tablecrypt", "team=storage"].map(str::to_owned).into());
}

#[test]
fn lost_answer_to_create_alias_does_not_cost_the_key_that_was_just_made() {
    let ours = Ours::new();
    // The SDK asks again, and is told that the alias is there: it is ours.
    ours.fault("lost operation=CreateAlias times=1");
    let key = ours.kms.ensure_key("alias/lost", "").unwrap();
    assert_eq!(ours.requests("CreateAlias"), 2);
    assert_eq!(ours.requests("ScheduleKeyDeletion"), 0);
    let found = ours.kms.describe_key("alias/lost").unwrap();
    assert_eq!((found.arn, found.state), (key.arn, KeyState::Enabled));
    ours.kms.generate_data_key("alias/lost", &flights()).unwrap();
}

#[test]
fn lost_answer_to_create_key_makes_no_second_key_behind_the_callers_back() {
    let ours = Ours::new();
    ours.fault("lost operation=CreateKey times=1");
    assert!(matches!(ours.kms.ensure_key("alias/lost", ""), Err(KmsError::Unreachable)));
    assert_eq!(ours.requests("CreateKey"), 1);
    let key = ours.kms.ensure_key("alias/lost", "").unwrap();
    let keys = ours.local.list_keys().unwrap();
    // The first stays without an alias: nobody knows of it, so nobody can delete it.
    assert_eq!((keys.len(), keys[1].arn.as_str()), (2, key.arn.as_str()));
}

#[test]
fn loser_of_the_race_schedules_its_key_for_deletion_and_takes_the_winners() {
    let ours = Ours::new();
    // It has made its key, and waits to name it; meanwhile somebody else does.
    ours.fault("hold operation=CreateAlias");
    let loser = thread::spawn({
        let kms = ours.kms.clone();
        move || kms.ensure_key("alias/race", "the loser's").unwrap()
    });
    while ours.requests("CreateAlias") == 0 {
        thread::yield_now();
    }
    let winner = ours.local.create_key("the winner's").unwrap();
    ours.local.create_alias("alias/race", &winner.id).unwrap();
    ours.fault("none");
    assert_eq!(loser.join().unwrap().arn, winner.arn);
    let states = ours.local.list_keys().unwrap().into_iter().map(|key| (key.description, key.state));
    let expected = [("the loser's", KeyState::PendingDeletion), ("the winner's", KeyState::Enabled)];
    assert_eq!(states.collect::<Vec<_>>(), expected.map(|(description, state)| (description.to_owned(), state)));
}

#[test]
fn key_whose_alias_is_denied_is_scheduled_for_deletion() {
    let ours = Ours::new();
    ours.fault("denied operation=CreateAlias");
    assert!(matches!(ours.kms.ensure_key("alias/denied", ""), Err(KmsError::AccessDenied)));
    let keys = ours.local.list_keys().unwrap();
    assert_eq!((keys.len(), keys[0].state), (1, KeyState::PendingDeletion));
}

#[test]
fn name_that_is_no_alias_makes_no_key() {
    let ours = Ours::new();
    for name in ["flights", "", "arn:aws:kms:eu-west-1:111122223333:alias/flights"] {
        assert!(matches!(ours.kms.ensure_key(name, ""), Err(KmsError::Invalid)), "{name}");
    }
    assert_eq!((ours.requests("CreateKey"), ours.local.list_keys().unwrap().len()), (0, 0));
}

#[test]
fn throttled_creation_waits_and_ends_well() {
    let ours = Ours::new();
    ours.fault("throttle operation=CreateKey times=3");
    let key = ours.kms.ensure_key("alias/throttled", "").unwrap();
    assert_eq!(ours.requests("CreateKey"), 4);
    assert_eq!(ours.local.list_keys().unwrap().len(), 1);
    assert_eq!(ours.kms.describe_key("alias/throttled").unwrap().arn, key.arn);
}

#[test]
fn threads_of_one_process_share_one_creation() {
    let ours = Ours::new();
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| ours.kms.ensure_key("alias/shared", "").unwrap());
        }
    });
    assert_eq!(ours.requests("CreateKey"), 1);
    assert_eq!(ours.local.list_keys().unwrap().len(), 1);
}
