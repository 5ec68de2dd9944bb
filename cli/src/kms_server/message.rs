//! What the requests and answers of AWS KMS look like, in JSON 1.1: the parts of them that LocalKms has a meaning for.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tablecrypt::kms::{EncryptionContext, KeyMetadata, KeyState};

/// Every request: an operation reads the fields that are its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Request {
    pub(super) key_id: Option<String>,
    pub(super) description: String,
    pub(super) key_spec: Option<String>,
    pub(super) key_usage: Option<String>,
    pub(super) number_of_bytes: Option<u32>,
    pub(super) alias_name: Option<String>,
    pub(super) target_key_id: Option<String>,
    pub(super) ciphertext_blob: Option<String>,
    pub(super) encryption_context: BTreeMap<String, String>,
    pub(super) source_key_id: Option<String>,
    pub(super) source_encryption_context: BTreeMap<String, String>,
    pub(super) destination_key_id: Option<String>,
    pub(super) destination_encryption_context: BTreeMap<String, String>,
    pub(super) pending_window_in_days: Option<u32>,
}

pub(super) fn context(pairs: &BTreeMap<String, String>) -> EncryptionContext {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn key_metadata(key: &KeyMetadata) -> Value {
    let mut fields: Vec<&str> = key.arn.splitn(6, ':').collect();
    json!({
        "AWSAccountId": fields.swap_remove(4),
        "Arn": key.arn,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "Description": key.description,
        "Enabled": key.state == KeyState::Enabled,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "KeyId": key.id,
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyState": state(key.state),
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": false,
        "Origin": "AWS_KMS",
    })
}

pub(super) fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled => "Disabled",
        KeyState::PendingDeletion => "PendingDeletion",
    }
}

/// Seconds since 1970, as JSON 1.1 has dates.
pub(super) fn seconds(date: SystemTime) -> f64 {
    date.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

pub(super) fn blob(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn bytes(blob: &str) -> Option<Vec<u8>> {
    STANDARD.decode(blob).ok()
}
