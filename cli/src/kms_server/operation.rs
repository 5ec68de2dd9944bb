//! The operations: a request of AWS KMS, done by a LocalKms.

use serde_json::{Value, json};
use tablecrypt::kms::{KeyMetadata, Kms, KmsError, LocalKms};

use super::message::{Request, blob, bytes, context, key_metadata, seconds, state};
use super::refusal::Refusal;

type Result<T = Value> = core::result::Result<T, Refusal>;

/// Does what the request asks for.
pub(super) fn perform(kms: &LocalKms, operation: &str, body: &[u8]) -> Result {
    let body = if body.is_empty() { b"{}" } else { body };
    let request: Request =
        serde_json::from_slice(body).map_err(|_| Refusal::new("ValidationException", "the request is malformed"))?;
    let call = Call { kms, request };
    match operation {
        "CancelKeyDeletion" => call.cancel_key_deletion(),
        "CreateAlias" => call.create_alias(),
        "CreateKey" => call.create_key(),
        "Decrypt" => call.decrypt(),
        "DeleteAlias" => call.delete_alias(),
        "DescribeKey" => Ok(json!({ "KeyMetadata": key_metadata(&call.described(call.key()?)?) })),
        "DisableKey" => call.on_key(LocalKms::disable_key),
        "EnableKey" => call.on_key(LocalKms::enable_key),
        "GenerateDataKey" => call.generate_data_key(true),
        "GenerateDataKeyWithoutPlaintext" => call.generate_data_key(false),
        "ListAliases" => call.list_aliases(),
        "ListKeys" => call.list_keys(),
        "ReEncrypt" => call.re_encrypt(),
        "ScheduleKeyDeletion" => call.schedule_key_deletion(),
        _ => Err(Refusal::new("UnknownOperationException", format!("{operation} is not served here"))),
    }
}

struct Call<'a> {
    kms: &'a LocalKms,
    request: Request,
}

impl Call<'_> {
    fn create_key(&self) -> Result {
        let Request { key_spec, key_usage, description, .. } = &self.request;
        let symmetric = key_spec.as_deref().is_none_or(|spec| spec == "SYMMETRIC_DEFAULT");
        if !symmetric || key_usage.as_deref().is_some_and(|usage| usage != "ENCRYPT_DECRYPT") {
            return Err(Refusal::new("UnsupportedOperationException", "only SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT"));
        }
        let made = self.kms.create_key(description).map_err(|error| Refusal::of(&error, ""))?;
        Ok(json!({ "KeyMetadata": key_metadata(&made) }))
    }

    fn create_alias(&self) -> Result {
        let alias = present(self.request.alias_name.as_deref(), "AliasName")?;
        let key = name(present(self.request.target_key_id.as_deref(), "TargetKeyId")?);
        match self.kms.create_alias(alias, key) {
            Ok(()) => Ok(Value::Null),
            // LocalKms has one word for both.
            Err(KmsError::Invalid) if self.kms.describe_key(alias).is_ok() => {
                Err(Refusal::new("AlreadyExistsException", format!("An alias with the name {alias} already exists")))
            }
            Err(KmsError::Invalid) => Err(Refusal::new("InvalidAliasNameException", alias)),
            Err(error) => Err(Refusal::of(&error, key)),
        }
    }

    fn delete_alias(&self) -> Result {
        let alias = present(self.request.alias_name.as_deref(), "AliasName")?;
        self.kms.delete_alias(alias).map_err(|error| Refusal::of(&error, alias))?;
        Ok(Value::Null)
    }

    fn generate_data_key(&self, plaintext: bool) -> Result {
        let Request { key_spec, number_of_bytes, .. } = &self.request;
        if !matches!((key_spec.as_deref(), number_of_bytes), (Some("AES_256"), None) | (None, Some(32))) {
            return Err(Refusal::validation(
                "only keys of 256 bits are made here: KeySpec AES_256 or NumberOfBytes 32",
            ));
        }
        let key = self.key()?;
        let made = self.kms.generate_data_key(key, &context(&self.request.encryption_context));
        let made = made.map_err(|error| self.refusal(&error, key))?;
        let mut answer = json!({ "CiphertextBlob": blob(&made.wrapped), "KeyId": made.kms_key });
        if plaintext {
            answer["Plaintext"] = blob(made.key.get().ok_or_else(internal)?.expose()).into();
        }
        Ok(answer)
    }

    fn decrypt(&self) -> Result {
        let wrapped = self.wrapped()?;
        let key = self.wrapped_under(&wrapped, self.request.key_id.as_deref())?;
        let opened = self.kms.decrypt(&key.arn, &wrapped, &context(&self.request.encryption_context));
        let opened = opened.map_err(|error| Refusal::of(&error, &key.arn))?;
        Ok(json!({
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "KeyId": key.arn,
            "Plaintext": blob(opened.get().ok_or_else(internal)?.expose()),
        }))
    }

    fn re_encrypt(&self) -> Result {
        let wrapped = self.wrapped()?;
        let from = self.wrapped_under(&wrapped, self.request.source_key_id.as_deref())?;
        let to = self.described(name(present(self.request.destination_key_id.as_deref(), "DestinationKeyId")?))?;
        let Request { source_encryption_context: before, destination_encryption_context: after, .. } = &self.request;
        if before != after {
            return Err(Refusal::validation("to another encryption context nothing is moved here"));
        }
        let moved = self.kms.re_encrypt(&from.arn, &wrapped, &context(before), &to.arn);
        // One word for two keys; the states tell which it is of.
        let of = if self.usable(&from) { &to.arn } else { &from.arn };
        let (arn, wrapped) = moved.map_err(|error| Refusal::of(&error, of))?;
        Ok(json!({
            "CiphertextBlob": blob(&wrapped),
            "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "KeyId": arn,
            "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "SourceKeyId": from.arn,
        }))
    }

    fn schedule_key_deletion(&self) -> Result {
        let key = self.described(self.key()?)?;
        let days = self.request.pending_window_in_days.unwrap_or(30);
        let date = self.kms.schedule_key_deletion(&key.arn, days).map_err(|error| match error {
            KmsError::Invalid => Refusal::validation("PendingWindowInDays is 7 to 30"),
            error => Refusal::of(&error, &key.arn),
        })?;
        let state = state(tablecrypt::kms::KeyState::PendingDeletion);
        Ok(json!({ "DeletionDate": seconds(date), "KeyId": key.arn, "KeyState": state, "PendingWindowInDays": days }))
    }

    fn cancel_key_deletion(&self) -> Result {
        let key = self.described(self.key()?)?;
        self.kms.cancel_key_deletion(&key.arn).map_err(|error| match error {
            KmsError::Invalid => {
                Refusal::new("KMSInvalidStateException", format!("{} is not pending deletion.", key.arn))
            }
            error => Refusal::of(&error, &key.arn),
        })?;
        Ok(json!({ "KeyId": key.arn }))
    }

    fn list_keys(&self) -> Result {
        let keys = self.kms.list_keys().map_err(|error| Refusal::of(&error, ""))?;
        let keys: Vec<_> = keys.iter().map(|key| json!({ "KeyArn": key.arn, "KeyId": key.id })).collect();
        Ok(json!({ "Keys": keys, "Truncated": false }))
    }

    fn list_aliases(&self) -> Result {
        let only = match &self.request.key_id {
            Some(key) => Some(self.described(name(key))?.arn),
            None => None,
        };
        let aliases = self.kms.list_aliases().map_err(|error| Refusal::of(&error, ""))?;
        let shown = aliases.iter().filter(|(_, arn)| only.as_ref().is_none_or(|only| only == *arn));
        let aliases: Vec<_> = shown
            .map(|(alias, arn)| {
                let (before, id) = arn.split_once("key/").unwrap_or(("", arn));
                json!({ "AliasArn": format!("{before}{alias}"), "AliasName": alias, "TargetKeyId": id })
            })
            .collect();
        Ok(json!({ "Aliases": aliases, "Truncated": false }))
    }

    fn on_key(&self, act: impl FnOnce(&LocalKms, &str) -> core::result::Result<(), KmsError>) -> Result {
        let key = self.key()?;
        act(self.kms, key).map_err(|error| self.refusal(&error, key))?;
        Ok(Value::Null)
    }

    /// The name of the key that the request is about.
    fn key(&self) -> Result<&str> {
        Ok(name(present(self.request.key_id.as_deref(), "KeyId")?))
    }

    fn wrapped(&self) -> Result<Vec<u8>> {
        let text = present(self.request.ciphertext_blob.as_deref(), "CiphertextBlob")?;
        bytes(text).ok_or_else(|| Refusal::validation("CiphertextBlob is no base64"))
    }

    /// The key that wrapped these bytes, which the caller may name, and then has to be right.
    fn wrapped_under(&self, wrapped: &[u8], named: Option<&str>) -> Result<KeyMetadata> {
        let said = LocalKms::wrapped_by(wrapped);
        let Some(named) = named else {
            return self.described(&said.ok_or_else(|| Refusal::of(&KmsError::Invalid, ""))?);
        };
        let key = self.described(name(named))?;
        match said {
            Some(said) if said != key.id && self.usable(&key) => {
                let why = "The key ID in the request does not identify the key that encrypted this ciphertext.";
                Err(Refusal::new("IncorrectKeyException", why))
            }
            _ => Ok(key),
        }
    }

    fn described(&self, key: &str) -> Result<KeyMetadata> {
        self.kms.describe_key(key).map_err(|error| Refusal::of(&error, key))
    }

    fn usable(&self, key: &KeyMetadata) -> bool {
        key.state == tablecrypt::kms::KeyState::Enabled
    }

    /// An error of a key that the caller named, which AWS calls by its ARN.
    fn refusal(&self, error: &KmsError, key: &str) -> Refusal {
        match self.kms.describe_key(key) {
            Ok(found) => Refusal::of(error, &found.arn),
            Err(_) => Refusal::of(error, key),
        }
    }
}

/// An alias's ARN names the alias.
fn name(key: &str) -> &str {
    match key.find(":alias/") {
        Some(at) if key.starts_with("arn:") => &key[at + 1..],
        _ => key,
    }
}

fn present<'a>(field: Option<&'a str>, what: &str) -> Result<&'a str> {
    field.ok_or_else(|| Refusal::validation(format!("{what} is missing")))
}

fn internal() -> Refusal {
    Refusal::of(&KmsError::Internal, "")
}
