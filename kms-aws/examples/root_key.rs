//! Root keys by hand, for whoever compares this client with another: it never prints a key, only its SHA-256.
//!
//! ```text
//! root_key generate KEY TABLE           prints the KMS key's ARN, the wrapped key in base64, the digest
//! root_key open KEY TABLE WRAPPED       prints the digest
//! root_key create FOLDER TABLE KEY      creates a table under that KMS key, its key file in FOLDER/tables
//! ```
//!
//! The KMS is what the environment says: `AWS_REGION`, `AWS_ENDPOINT_URL_KMS`, `AWS_PROFILE` ...

use core::error::Error;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, Kms};
use tablecrypt::store::FolderStore;
use tablecrypt::{KeyBox, Service, TableSpec};
use tablecrypt_kms_aws::AwsKms;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let kms = AwsKms::new();
    match words[..] {
        ["generate", key, table] => {
            let made = kms.generate_data_key(key, &context(table))?;
            println!("{} {} {}", made.kms_key, STANDARD.encode(&made.wrapped), digest(&made.key)?);
        }
        ["open", key, table, wrapped] => {
            let opened = kms.decrypt(key, &STANDARD.decode(wrapped)?, &context(table))?;
            println!("{}", digest(&opened)?);
        }
        ["create", folder, table, key] => {
            let store = FolderStore::open(Path::new(folder).join("tables"))?;
            let service = Service::builder(Arc::new(kms), Arc::new(store)).build();
            println!("{}", service.create_table(&TableSpec::new(table).kms_key(key))?.kms_key);
        }
        _ => return Err("generate KEY TABLE, open KEY TABLE WRAPPED or create FOLDER TABLE KEY".into()),
    }
    Ok(())
}

fn context(table: &str) -> EncryptionContext {
    EncryptionContext::of_table(table, "default")
}

fn digest(key: &KeyBox<Key>) -> Result<String, Box<dyn Error>> {
    let key = key.get().ok_or("a key of another process")?;
    Ok(hex::encode(Sha256::digest(key.expose())))
}
