//! Where keys stand in the memory of a process that has a table open: in locked pages that are not dumped and not a
//! child's, and nowhere else. Looked for in the process itself, in a forked child, and in a core dump.
//!
//! Three times: with memfd_secret; without it, as kernels have it that were started so; and where nothing may be locked.
//! Each in a forked process of its own, which is told only masked bytes of what it is to look for.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, clippy::unwrap_used, reason = "tests fork and read their own memory, and may panic")]

mod common;

use core::hint::black_box;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use common::kms::ConstantKms;
use common::search::{Masked, find, mask};
use common::{Child, Mapping};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tablecrypt::core::{Aes256Gcm, Key, Xaes256Gcm};
use tablecrypt::store::FolderStore;
use tablecrypt::{MemoryKind, Service, TableSpec, key_memory};

/// What the process looks for: the first three are needed for a moment only, the others as long as the table is open.
const NEEDLES: [&str; 5] = ["root key", "wrapping key", "MAC key", "data key", "session key"];
const TRANSIENT: usize = 3;

#[test]
fn keys_stand_in_kept_memory_alone_whatever_the_system_gives() {
    let mut lines = Vec::new();
    for kind in [MemoryKind::Secret, MemoryKind::Locked, MemoryKind::Unlocked] {
        let folder = tempfile::tempdir().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut root = [0; 32];
        File::open("/dev/urandom").unwrap().read_exact(&mut root).unwrap();
        let masked_root = mask(&root);
        root = [0; 32];
        black_box(&root);
        let process = Child::fork(|| {
            limit_to(kind);
            process(folder.path(), masked_root, theirs);
            Vec::new()
        });
        let record = read(&mut ours);
        let needles = needles(&masked_root, folder.path(), &record);
        ours.write_all(needles.as_flattened()).unwrap();
        let data_key_at = usize::from_ne_bytes(read(&mut ours).try_into().unwrap());
        let found_in = String::from_utf8(read(&mut ours)).unwrap();
        let line = String::from_utf8(read(&mut ours)).unwrap();
        if found_in != kind.name() {
            println!("SKIPPED: this system gives no {} memory", kind.name());
        }
        lines.push(format!("{found_in}: {line}"));

        // Another process, of the same user, that may trace it.
        let mut seen = [0; 32];
        let memory = File::open(format!("/proc/{}/mem", process.pid)).unwrap();
        let is_seen = memory.read_exact_at(&mut seen, data_key_at as u64).is_ok() && mask(&seen) == needles[TRANSIENT];
        assert_eq!(is_seen, found_in != "secret", "secret memory is not another process's to read, and no other is");

        ours.write_all(b"!").unwrap();
        assert!(process.wait().is_none(), "it was to dump its core");
        lines.push(core(folder.path(), &needles));
    }
    println!("key memory: {}", lines.join("; "));
}

/// The process with the keys. It gives its record, is given what to look for, and tells what it found.
fn process(folder: &Path, masked_root: Masked, mut socket: UnixStream) {
    let kms = Arc::new(ConstantKms::new(masked_root, Duration::ZERO));
    let store = FolderStore::open(folder.join("tables")).unwrap();
    let service = Service::builder(kms.clone(), Arc::new(store)).build();
    service.create_table(&TableSpec::new("flights")).unwrap();
    let connection = service.connect();
    let base = connection.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    write(&mut socket, &record);
    let mut needles = [Masked::default(); NEEDLES.len()];
    socket.read_exact(needles.as_flattened_mut()).unwrap();

    let kind = key_memory().worst().unwrap();
    let mut places = 0;
    for (name, needle) in NEEDLES.iter().zip(&needles) {
        let found = find(needle);
        for (at, mapping) in &found {
            assert!(is_kept(mapping, kind), "the {name} stands at {at:x} in {mapping:?}");
        }
        let is_transient = NEEDLES[..TRANSIENT].contains(name);
        assert_eq!(found.is_empty(), is_transient, "{name}: {found:?}");
        places += found.len();
    }
    write(&mut socket, &find(&needles[TRANSIENT])[0].0.to_ne_bytes());
    write(&mut socket, kind.name().as_bytes());

    // The control: an unprotected copy of the data key, and what finds it.
    let data_key = &needles[TRANSIENT];
    let copy = Box::new(mask(data_key));
    let unprotected = |needle| find(needle).iter().filter(|(_, mapping)| !is_kept(mapping, kind)).count();
    assert!(unprotected(data_key) >= 1, "the search finds nothing");

    // A child has the copy and no key; it asks the KMS for itself, and then has keys of its own.
    let before = kms.calls.load(Ordering::Relaxed);
    let answer = Child::fork(|| {
        let kept = |needle| find(needle).iter().filter(|(_, mapping)| is_kept(mapping, kind)).count();
        let inherited: usize = needles.iter().map(kept).sum();
        let copies = unprotected(data_key);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text");
        let calls = kms.calls.load(Ordering::Relaxed) - before;
        [inherited, copies.min(1), calls, kept(data_key)].map(|count| u8::try_from(count).unwrap()).to_vec()
    });
    let answer = answer.wait().unwrap();
    assert_eq!(answer, [0, 1, 1, 1], "inherited, copies, KMS calls, places of the data key then");

    // Dropped: nowhere. Then loaded once more, for the core dump.
    drop(copy);
    connection.close();
    for (name, needle) in NEEDLES.iter().zip(&needles) {
        let found = find(needle);
        let is_copy = |mapping| *name == "data key" && !is_kept(mapping, kind);
        assert!(found.iter().all(|(_, mapping)| is_copy(mapping)), "the {name} after the connection was closed");
    }
    assert_eq!(key_memory().worst(), None);
    let base = service.open_table("flights").unwrap().base();
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    let kept = find(data_key).iter().filter(|(_, mapping)| is_kept(mapping, kind)).count();
    write(&mut socket, format!("{places} places, all kept; 0 of them in a child; none after a close").as_bytes());

    let mut copy = Box::new(*data_key);
    socket.read_exact(&mut [0]).unwrap();
    assert_eq!(kept, 1);
    // The control of the core dump: this copy differs in one byte from the key, so that each is found by itself.
    copy.iter_mut().for_each(|byte| *byte ^= common::kms::MASK);
    copy[0] ^= 1;
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: sets a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const unlimited) };
    std::env::set_current_dir(folder).unwrap();
    black_box(&*copy);
    // SAFETY: ends this process, with a core dump.
    unsafe { libc::abort() };
}

/// What a core dump says: no key, and the control.
fn core(folder: &Path, needles: &[Masked; NEEDLES.len()]) -> String {
    let dumped = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let Some(dump) = dumped
        .into_iter()
        .find(|path| path.is_file() && path.file_name().unwrap().as_encoded_bytes().starts_with(b"core"))
    else {
        return "SKIPPED: this machine writes no core dump to the working folder".to_owned();
    };
    let dump = fs::read(dump).unwrap();
    let count = |masked: &Masked| {
        dump.windows(32).filter(|bytes| bytes.iter().zip(masked).all(|(a, b)| a ^ 0xa5 == *b)).count()
    };
    for (name, needle) in NEEDLES.iter().zip(needles) {
        assert_eq!(count(needle), 0, "the {name} is in the core dump");
    }
    let mut control = needles[TRANSIENT];
    control[0] ^= 1;
    assert!(count(&control) >= 1, "the control is not in the core dump");
    format!("core dump of {} KiB without a key", dump.len() >> 10)
}

fn is_kept(mapping: &Mapping, kind: MemoryKind) -> bool {
    let flags: &[&str] = match kind {
        MemoryKind::Secret => &["lo", "dd", "dc"],
        MemoryKind::Locked => &["lo", "dd", "wf"],
        MemoryKind::Unlocked => &["dd", "wf"],
    };
    flags.iter().all(|flag| mapping.has(flag)) && mapping.has("lo") == (kind != MemoryKind::Unlocked)
}

/// The keys that the process has, computed from the root key, the key file and a record, as docs/FORMAT.md says.
fn needles(masked_root: &Masked, folder: &Path, record: &[u8]) -> [Masked; NEEDLES.len()] {
    let root = mask(masked_root);
    let expand = |info: &[u8]| -> [u8; 32] {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&root).unwrap();
        mac.chain_update(info).chain_update([1]).finalize().into_bytes().into()
    };
    let (wrapping, mac) = (expand(b"tablecrypt v1 wrap"), expand(b"tablecrypt v1 key file"));
    let file = fs::read(folder.join("tables/flights/keys.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let table = hex::decode(text(&file["table_id"])).unwrap();
    let wrapped = text(&file["structures"][0]["data_keys"][0]["wrapped"]);
    let wrapped = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, wrapped).unwrap();
    let aad = [&b"tablecrypt v1 data key\0"[..], &table, &[0; 5], &1_u32.to_be_bytes()].concat();
    let mut data_key = [0; 32];
    let (nonce, sealed) = wrapped.split_first_chunk().unwrap();
    Xaes256Gcm::new(&Key::from(&wrapping)).open(nonce, &aad, sealed, &mut data_key).unwrap();
    // An expanded key begins with the key, except in the backend portable, which lays it out in another way. So what is
    // looked for is a part of the expanded key.
    let expanded = |key: &Aes256Gcm| -> [u8; 32] {
        // SAFETY: all of it but padding and powers that come later was written when it was expanded.
        let bytes =
            unsafe { core::slice::from_raw_parts(core::ptr::from_ref(key).cast::<u8>(), size_of::<Aes256Gcm>()) };
        let known = Aes256Gcm::new(&Key::from(&[0x77; 32]));
        // SAFETY: as above.
        let known =
            unsafe { core::slice::from_raw_parts(core::ptr::from_ref(&known).cast::<u8>(), size_of::<Aes256Gcm>()) };
        let at = known.windows(32).position(|bytes| bytes == [0x77; 32]).unwrap_or(128);
        bytes[at..at + 32].try_into().unwrap()
    };
    let session = expanded(&Xaes256Gcm::new(&Key::from(&data_key)).derive(record[8..20].try_into().unwrap()));
    let data_key = expanded(&Aes256Gcm::new(&Key::from(&data_key)));
    [root, wrapping, mac, data_key, session].map(|key| mask(&key))
}

/// Lets this process have this kind of memory and no better one.
fn limit_to(kind: MemoryKind) {
    if kind == MemoryKind::Secret {
        return;
    }
    // What a kernel answers that was started without it.
    let (load, jump, ret) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ, libc::BPF_RET);
    let step = |code: u32, jt, k| libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf: 0, k };
    let errno = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::ENOSYS).unwrap();
    let mut filter = [
        step(load, 0, 0),
        step(jump, 1, u32::try_from(libc::SYS_memfd_secret).unwrap()),
        step(ret, 0, libc::SECCOMP_RET_ALLOW),
        step(ret, 0, errno),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program lives through the call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }, 0);
    if kind == MemoryKind::Unlocked {
        const IPC_LOCK: u32 = 14;
        let header = [0x2008_0522_u32, 0];
        let mut sets = [0_u32; 6];
        // SAFETY: both have the layout of version 3; they live through the call.
        assert_eq!(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) }, 0);
        sets[0] &= !(1 << IPC_LOCK);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) }, 0);
        let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: sets a limit of this process.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const nothing) }, 0);
    }
}

fn write(socket: &mut UnixStream, bytes: &[u8]) {
    socket.write_all(&(bytes.len() as u64).to_ne_bytes()).and_then(|()| socket.write_all(bytes)).unwrap();
}

fn read(socket: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 8];
    socket.read_exact(&mut length).expect("the process has failed; see above");
    let mut bytes = vec![0; usize::try_from(u64::from_ne_bytes(length)).unwrap()];
    socket.read_exact(&mut bytes).unwrap();
    bytes
}
