//! A table's key file: any bytes, and edits of a real one whose MAC is left, broken or made right again as docs/FORMAT.md
//! says. A bad one is an error, and only one that is authentic opens.

#![no_main]

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use arbitrary::Arbitrary;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use tablecrypt::clock::VirtualClock;
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError};
use tablecrypt::store::KeyStore;
use tablecrypt::{Error, KeyBox, Service, TableSpec};
use tablecrypt_fuzz::edit::{ByteEdit, Edit};
use tablecrypt_fuzz::planted;

#[derive(Arbitrary, Debug)]
enum Input {
    Any(Vec<u8>),
    Bytes(Vec<ByteEdit>),
    Edited { edits: Vec<Edit>, bytes: Option<ByteEdit>, mac: MacOf },
}

#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
enum MacOf {
    TheOriginal,
    TheEdited,
    UpperCase,
}

/// The table's name, which the KMS does not check here: what the file says has to.
const TABLE: &str = "flights";

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let store = Arc::new(OneFile::default());
    let service = Service::builder(Arc::new(OneKey), Arc::clone(&store) as Arc<dyn KeyStore>)
        .clock(Arc::new(VirtualClock::default()))
        .build();
    service.create_table(&TableSpec::new(TABLE).local("by-delay").global("by-tail")).expect("a new table");
    let original = store.0.lock().expect("a lock").clone().expect("its file");
    World { store, service, original }
});

struct World {
    store: Arc<OneFile>,
    service: Service,
    original: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let world = &*WORLD;
    let file = match &input {
        Input::Any(bytes) => bytes.clone(),
        Input::Bytes(edits) => {
            let mut bytes = world.original.clone();
            edits.iter().take(8).for_each(|edit| edit.apply(&mut bytes));
            bytes
        }
        Input::Edited { edits, bytes, mac } => edited(&world.original, edits, bytes.as_ref(), *mac),
    };
    // No byte of a file counts but those that its MAC is of, and they decide alone.
    let authentic = split(&file).is_some_and(|(before, mac)| mac_of(before) == mac);
    *world.store.0.lock().expect("a lock") = Some(file.clone());

    let described = world.service.describe_table(TABLE);
    if let Err(error) = &described {
        assert!(matches!(error, Error::KeyFileCorrupt { .. } | Error::UnknownVersion { .. }), "{error:?}");
    }
    let connection = world.service.connect();
    match connection.open_table(TABLE) {
        Ok(table) => {
            assert!(authentic, "opened, and not authentic");
            let described = described.expect("a table that opens is described");
            assert_eq!(described.table, TABLE);
            assert!(table.structures().eq(&described.structures));
            for name in &described.structures {
                let structure = table.structure(name).expect("a structure of the list");
                let record = structure.seal(b"context", b"text").expect("a record");
                assert_eq!(structure.open(b"context", &record).expect("it opens"), b"text");
            }
        }
        Err(Error::UnknownVersion { version }) => assert!(!(1..=2).contains(&version)),
        Err(Error::KeyFileCorrupt { .. }) => assert_ne!(file, world.original, "the original is refused"),
        Err(error) => panic!("not an answer to a key file: {error:?}"),
    }
    if planted() && !authentic && listed_structures(&file).is_some_and(|count| count != 3) {
        panic!("planted: a structure more or less, and nobody looks at the MAC");
    }
});

fn edited(original: &[u8], edits: &[Edit], bytes: Option<&ByteEdit>, mac: MacOf) -> Vec<u8> {
    let mut document = serde_json::from_slice(original).expect("JSON");
    edits.iter().take(8).for_each(|edit| edit.apply(&mut document));
    let (_, before) = split(original).expect("a key file");
    let mut root_key = None;
    if let Some(members) = document.as_object_mut() {
        members.shift_remove("mac");
        root_key = members.shift_remove("root_key");
    }
    let mut file = serde_json::to_vec_pretty(&document).expect("JSON");
    file.truncate(file.len().saturating_sub(2));
    if let Some(edit) = bytes {
        edit.apply(&mut file);
    }
    let mac = match mac {
        MacOf::TheOriginal => before,
        MacOf::TheEdited => mac_of(&file),
        MacOf::UpperCase => mac_of(&file).to_uppercase(),
    };
    file.extend_from_slice(format!(",\n  \"mac\": \"{mac}\"").as_bytes());
    if let Some(root_key) = root_key {
        file.extend_from_slice(format!(",\n  \"root_key\": {root_key}").as_bytes());
    }
    file.extend_from_slice(b"\n}\n");
    file
}

/// The bytes that are authenticated, and the MAC in lower case.
fn split(file: &[u8]) -> Option<(&[u8], String)> {
    let (before, rest) = str::from_utf8(file).ok()?.split_once(",\n  \"mac\": \"")?;
    Some((before.as_bytes(), rest.get(..64)?.to_lowercase()))
}

fn mac_of(bytes: &[u8]) -> String {
    let hmac = |key: &[u8], parts: &[&[u8]]| {
        let start = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        parts.iter().fold(start, |mac, part| mac.chain_update(part)).finalize().into_bytes()
    };
    let key = hmac(&ROOT, &[b"tablecrypt v1 key file", &[1]]);
    hmac(&key, &[bytes]).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listed_structures(file: &[u8]) -> Option<usize> {
    let document: serde_json::Value = serde_json::from_slice(file).ok()?;
    Some(document.get("structures")?.as_array()?.len())
}

const ROOT: [u8; 32] = [7; 32];

fn root() -> KeyBox<Key> {
    KeyBox::new(|| Key::from(ROOT))
}

/// A KMS whose every wrapped key is one and the same: so an edited file gets as far as its MAC, and further.
#[derive(Debug)]
struct OneKey;

impl Kms for OneKey {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        let (arn, id) = (alias.to_owned(), alias.to_owned());
        Ok(KeyMetadata { arn, id, state: KeyState::Enabled, description: description.to_owned() })
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.ensure_key(key, "")
    }

    fn generate_data_key(&self, key: &str, _: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        Ok(GeneratedKey { kms_key: key.to_owned(), key: root(), wrapped: vec![1; 121] })
    }

    fn decrypt(&self, _: &str, _: &[u8], _: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        Ok(root())
    }

    fn re_encrypt(&self, _: &str, _: &[u8], _: &EncryptionContext, _: &str) -> Result<(String, Vec<u8>), KmsError> {
        Err(KmsError::Internal)
    }
}

/// The key file of every table.
#[derive(Debug, Default)]
struct OneFile(Mutex<Option<Vec<u8>>>);

impl KeyStore for OneFile {
    fn read(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().expect("a lock").clone())
    }

    fn create(&self, _: &str, file: &[u8]) -> io::Result<()> {
        *self.0.lock().expect("a lock") = Some(file.to_vec());
        Ok(())
    }

    fn replace(&self, _: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        self.create("", file)
    }

    fn supersede(&self, _: &str, _: &[u8], file: &[u8]) -> io::Result<()> {
        self.create("", file)
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        *self.0.lock().expect("a lock") = None;
        Ok(())
    }

    fn tables(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn path(&self, table: &str) -> PathBuf {
        table.into()
    }
}
