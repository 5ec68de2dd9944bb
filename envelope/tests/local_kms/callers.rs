//! Many threads and many processes at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Barrier;
use std::{io, thread};

use tablecrypt::kms::{Kms, LocalKms};

use crate::fixture::{ALIAS, CHILD, Fixture, child, flights};

#[test]
fn sixty_four_threads_make_one_key() {
    let fixture = Fixture::new();
    let start = Barrier::new(64);
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let ensure = || {
            // Half of them on the same LocalKms, half on their own.
            let own = LocalKms::open(fixture.folder.path()).unwrap();
            start.wait();
            fixture.kms.ensure_key(ALIAS, "").unwrap();
            own.ensure_key(ALIAS, "").unwrap().id
        };
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(ensure)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((ids.len(), fixture.key_files()), (1, 1));
    let log = fixture.log();
    assert_eq!(log.len(), 128);
    assert_eq!(log.iter().filter(|line| *line == "CreateKey ok").count(), 1);
}

#[test]
fn eight_processes_make_one_key_and_lose_no_audit_line() {
    let fixture = Fixture::new();
    let mut children: Vec<(Child, BufReader<ChildStderr>)> = (0..8)
        .map(|_| {
            let mut command = child("callers::child_ensures_wraps_and_unwraps", fixture.folder.path());
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let stderr = BufReader::new(child.stderr.take().unwrap());
            (child, stderr)
        })
        .collect();
    let pids: BTreeSet<u32> = children.iter().map(|(child, _)| child.id()).collect();
    for (_, stderr) in &mut children {
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line, READY);
    }
    // All stand before their first call. The end of their input lets them go.
    for (child, _) in &mut children {
        drop(child.stdin.take());
    }
    for (mut child, mut stderr) in children {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
    assert_eq!(fixture.key_files(), 1);
    let entries = fixture.kms.audit().unwrap();
    assert_eq!(entries.len(), 8 * 3 * CHILD_ROUNDS);
    assert!(entries.iter().all(|entry| entry.outcome == "ok"));
    assert_eq!(entries.iter().map(|entry| entry.pid).collect::<BTreeSet<_>>(), pids);
    assert_eq!(entries.iter().map(|entry| &entry.request).collect::<BTreeSet<_>>().len(), entries.len());
    assert_eq!(entries.iter().filter(|entry| entry.operation.to_string() == "CreateKey").count(), 1);
    assert_eq!(entries.iter().map(|entry| &entry.key).collect::<BTreeSet<_>>().len(), 1);
}

/// The part of a child process; in the parent it does nothing.
#[test]
fn child_ensures_wraps_and_unwraps() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let kms = LocalKms::open(folder).unwrap();
    io::stderr().write_all(READY.as_bytes()).unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for _ in 0..CHILD_ROUNDS {
        kms.ensure_key(ALIAS, "").unwrap();
        let made = kms.generate_data_key(ALIAS, &flights()).unwrap();
        assert_eq!(
            kms.decrypt(ALIAS, &made.wrapped, &flights()).unwrap().get().unwrap().expose(),
            made.key.get().unwrap().expose()
        );
    }
}

const CHILD_ROUNDS: usize = 5;
/// What a child says when it stands before its first call.
const READY: &str = "ready\n";
