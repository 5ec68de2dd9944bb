//! A forked child of a busy process asks AWS KMS for itself, over a thread and connections of its own.

#![allow(unsafe_code, clippy::unwrap_used, reason = "a test forks, and may panic")]

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;

use aws_sdk_kms::config::{Credentials, Region};
use tablecrypt::kms::{EncryptionContext, Kms, LocalKms};
use tablecrypt_cli::kms_server::Server;
use tablecrypt_kms_aws::AwsKms;

const FORKS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn child_of_a_busy_process_asks_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalKms::open(folder.path()).unwrap());
    let server = Server::start(local, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let url = format!("http://{}", server.address());
    let kms = AwsKms::new().with_timeouts(PATIENCE, PATIENCE).with_config(move |loader| {
        let credentials = Credentials::new("test", "test", None, None, "a test");
        loader.endpoint_url(&url).region(Region::from_static("eu-west-1")).credentials_provider(credentials)
    });
    let context = EncryptionContext::of_table("flights", "default");
    let key = kms.ensure_key("alias/fork", "").unwrap().arn;
    let made = kms.generate_data_key(&key, &context).unwrap();
    let expected = *made.key.get().unwrap().expose();

    let done = AtomicBool::new(false);
    let opened = || *kms.decrypt(&key, &made.wrapped, &context).unwrap().get().unwrap().expose();
    let threads = thread::scope(|scope| {
        // Calls are under way whenever it forks.
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(opened(), expected);
                }
            });
        }
        let mut statuses = Vec::new();
        for _ in 0..FORKS {
            // SAFETY: the child calls this library, the standard library and `_exit`; glibc keeps its allocator usable there.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // A child that hangs is ended, and with another status.
                // SAFETY: it takes a number.
                unsafe { libc::alarm(300) };
                // The control: the parent's threads are not here, the worker's among them.
                let alone = threads_of_this_process() == 1;
                let status = i32::from(!(alone && opened() == expected && threads_of_this_process() > 1));
                // SAFETY: ends the child at once, which runs nothing of the parent's.
                unsafe { libc::_exit(status) }
            }
            assert!(pid > 0);
            let mut status = 0;
            // SAFETY: `status` is valid for the write; `pid` is a child of this process.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            statuses.push(status);
        }
        done.store(true, Ordering::Relaxed);
        statuses
    });
    assert_eq!(threads, [0; FORKS]);
    println!("kms: {FORKS} forked children asked for themselves");
}

fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}
