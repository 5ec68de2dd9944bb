//! The folder of a LocalKms: any bytes and edits in its files, strangers among them, and then any order of its calls. A bad
//! file is an error, no call ruins a good one, and a key comes back only from what was wrapped here.

#![no_main]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tablecrypt::KeyBox;
use tablecrypt::clock::VirtualClock;
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, KeyState, Kms, KmsError, LocalKms};
use tablecrypt_fuzz::edit::{ByteEdit, Edit};
use tablecrypt_fuzz::planted;

#[derive(Arbitrary, Debug)]
struct Input {
    files: Vec<(u8, Content)>,
    calls: Vec<Call>,
}

/// What becomes of a file before the first call.
#[derive(Arbitrary, Debug)]
enum Content {
    Any(Vec<u8>),
    Edited(Vec<Edit>),
    Bytes(Vec<ByteEdit>),
    /// The content of another file.
    Of(u8),
    Gone,
    Folder,
    /// A hole this many powers of two long.
    Hole(u8),
}

#[derive(Arbitrary, Debug)]
enum Call {
    Create,
    List,
    Aliases,
    Ensure(u8),
    Describe(u8),
    Enable(u8),
    Disable(u8),
    Schedule(u8, u8),
    Cancel(u8),
    Alias(u8, u8),
    Unalias(u8),
    Generate(u8, u8),
    /// A wrapped key, edited or not.
    Decrypt(u8, u8, Vec<ByteEdit>),
    ReEncrypt(u8, u8, u8),
    Audit,
    Later(u32),
}

type Files = BTreeMap<String, Vec<u8>>;

/// A folder with an enabled, a disabled and a doomed key, by the names of its files; the names of its keys; and what the
/// first one wrapped.
static ORIGINAL: LazyLock<(Files, Vec<String>, Wrapped)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let kms = LocalKms::open_with(folder.path(), Arc::new(VirtualClock::default())).expect("a KMS");
    let mut names: Vec<String> = ["a", "b", "c"].map(|name| format!("alias/{name}")).to_vec();
    for alias in &names {
        kms.ensure_key(alias, "a key").expect("a key");
    }
    let context = EncryptionContext::of_table("a", "s");
    let generated = kms.generate_data_key("alias/a", &context).expect("a data key");
    let wrapped = Wrapped { blob: generated.wrapped, context: 0, key: bytes(&generated.key) };
    kms.disable_key("alias/b").expect("an enabled key");
    kms.schedule_key_deletion("alias/c", 7).expect("an enabled key");
    let mut files = Files::new();
    for name in ["aliases.json", "audit.jsonl", "draft", "lock", "keys/draft", "keys/stranger.json"] {
        files.insert(name.to_owned(), fs::read(folder.path().join(name)).unwrap_or_default());
    }
    for key in kms.list_keys().expect("keys") {
        let name = format!("keys/{}.json", key.id);
        files.insert(name.clone(), fs::read(folder.path().join(name)).expect("a key file"));
        names.extend([key.id, key.arn]);
    }
    names.extend(["alias/aws/x", "alias/none", "", "00000000-0000-4000-8000-000000000000"].map(String::from));
    (files, names, wrapped)
});

fuzz_target!(|input: Input| {
    let (files, names, first) = &*ORIGINAL;
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("keys")).expect("a folder");
    for (name, bytes) in files {
        if !bytes.is_empty() {
            fs::write(folder.path().join(name), bytes).expect("a file");
        }
    }
    for (file, content) in input.files.iter().take(8) {
        let name = files.keys().nth(usize::from(*file) % files.len()).expect("a file");
        lay(&folder.path().join(name), &files[name], content, files);
    }
    let clock = Arc::new(VirtualClock::default());
    let Ok(kms) = LocalKms::open_with(folder.path(), Arc::clone(&clock) as _) else { return };
    let mut wrapped = vec![first.clone()];
    let sound = kms.list_keys().is_ok() && kms.list_aliases().is_ok() && kms.audit().is_ok();
    for call in input.calls.iter().take(12) {
        run(&kms, &clock, names, &mut wrapped, call);
    }
    if sound {
        // No call of ours makes a file that we cannot read afterwards.
        let again = (kms.list_keys(), kms.list_aliases(), kms.audit());
        assert!(matches!(again, (Ok(_), Ok(_), Ok(_))), "a file was ruined: {again:?}");
    }
});

fn lay(path: &Path, original: &[u8], content: &Content, files: &Files) {
    let write = |bytes: &[u8]| drop(fs::write(path, bytes));
    match content {
        Content::Any(bytes) => write(bytes),
        Content::Edited(edits) => {
            let Ok(mut document) = serde_json::from_slice(original) else { return };
            edits.iter().take(8).for_each(|edit| edit.apply(&mut document));
            write(&serde_json::to_vec_pretty(&document).expect("JSON"));
        }
        Content::Bytes(edits) => {
            let mut bytes = original.to_vec();
            edits.iter().take(8).for_each(|edit| edit.apply(&mut bytes));
            write(&bytes);
        }
        Content::Of(other) => write(files.values().nth(usize::from(*other) % files.len()).expect("a file")),
        Content::Gone => _ = fs::remove_file(path),
        Content::Folder => {
            let _ = fs::remove_file(path);
            let _ = fs::create_dir(path);
        }
        Content::Hole(power) => {
            if let Ok(file) = File::create(path) {
                // Longer than the file system takes is no hole then.
                let _ = file.set_len(1 << (power % 63));
            }
        }
    }
}

fn run(kms: &LocalKms, clock: &VirtualClock, names: &[String], wrapped: &mut Vec<Wrapped>, call: &Call) {
    let name = |index: &u8| names[usize::from(*index) % names.len()].as_str();
    let context = |index: &u8| EncryptionContext::of_table(["a", "b"][usize::from(*index) % 2], "s");
    let result = match call {
        Call::Create => kms.create_key("another").map(drop),
        Call::List => kms.list_keys().map(drop),
        Call::Aliases => kms.list_aliases().map(drop),
        Call::Ensure(alias) => kms.ensure_key(name(alias), "ensured").map(drop),
        Call::Describe(key) => kms.describe_key(name(key)).map(drop),
        Call::Enable(key) => kms.enable_key(name(key)),
        Call::Disable(key) => kms.disable_key(name(key)),
        Call::Schedule(key, days) => kms.schedule_key_deletion(name(key), u32::from(*days)).map(drop),
        Call::Cancel(key) => kms.cancel_key_deletion(name(key)),
        Call::Alias(alias, key) => kms.create_alias(name(alias), name(key)),
        Call::Unalias(alias) => kms.delete_alias(name(alias)),
        Call::Generate(key, of) => kms.generate_data_key(name(key), &context(of)).map(|generated| {
            assert_eq!(kms.describe_key(&generated.kms_key).expect("its key").state, KeyState::Enabled);
            let key = bytes(&generated.key);
            wrapped.push(Wrapped { blob: generated.wrapped, context: of % 2, key });
        }),
        Call::Decrypt(key, of, edits) => {
            let Some(Wrapped { blob, context: bound, key: expected }) = wrapped.last() else { return };
            let mut edited = blob.clone();
            edits.iter().take(8).for_each(|edit| edit.apply(&mut edited));
            if planted() && edited != *blob && edited.len() == blob.len() {
                panic!("planted: what is as long as a wrapped key is one");
            }
            kms.decrypt(name(key), &edited, &context(of)).map(|key| {
                assert!(edited == *blob && of % 2 == *bound, "unwrapped what was not wrapped here, or so");
                assert!(bytes(&key) == *expected, "another key");
            })
        }
        Call::ReEncrypt(from, to, of) => {
            let Some(Wrapped { blob, context: bound, key }) = wrapped.last() else { return };
            let moved = kms.re_encrypt(name(from), blob, &context(of), name(to));
            moved.map(|(_, blob)| Wrapped { blob, context: *bound, key: *key }).map(|moved| {
                assert_eq!(of % 2, moved.context, "moved with another context");
                wrapped.push(moved);
            })
        }
        Call::Audit => kms.audit().map(drop),
        Call::Later(seconds) => {
            clock.advance(std::time::Duration::from_secs(u64::from(*seconds)));
            Ok(())
        }
    };
    if let Err(error) = result {
        assert!(!matches!(error, KmsError::Internal | KmsError::Throttled | KmsError::Unreachable), "{error:?}");
    }
}

fn bytes(key: &KeyBox<Key>) -> [u8; 32] {
    *key.get().expect("this process made it").expose()
}

/// A data key as it was given.
#[derive(Clone)]
struct Wrapped {
    blob: Vec<u8>,
    context: u8,
    key: [u8; 32],
}
