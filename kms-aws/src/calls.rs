//! The calls of KMS that the hierarchy makes, and what their answers are worth.

use std::collections::HashMap;

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::{self, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types;
use tablecrypt::KeyBox;
use tablecrypt::core::{KEY, Key};
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, KeyState, KmsError, key_in_region, same_key};
use zeroize::Zeroizing;

use crate::session::Session;
use crate::sort::sort;

/// A result, and the id of the request that it came from, if any service answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer<T> {
    pub(crate) result: Result<T, KmsError>,
    pub(crate) request: Option<String>,
}

impl<T> Answer<T> {
    /// A result that no service gave.
    pub(crate) const fn of(result: Result<T, KmsError>) -> Self {
        Self { result, request: None }
    }

    /// What the SDK gave, its errors sorted. An answer may hold a key, so nothing of it is logged but code and id.
    pub(crate) fn sorted<E>(operation: &'static str, sent: Result<T, SdkError<E, HttpResponse>>) -> Self
    where
        T: RequestId,
        E: ProvideErrorMetadata + core::error::Error + 'static,
    {
        let request = match &sent {
            Ok(output) => output.request_id(),
            Err(error) => error.request_id(),
        };
        let request = request.map(str::to_owned);
        let result = sent.map_err(|error| {
            let sorted = sort(&error);
            let id = request.as_deref();
            match &error {
                SdkError::ServiceError(service) => {
                    tracing::warn!(operation, code = service.err().code(), request = id, "{sorted}");
                }
                SdkError::ResponseError(_) => tracing::warn!(operation, request = id, "{sorted}: not an answer of KMS"),
                // What was never sent or never answered holds no key: say why, down to the last source.
                _ => tracing::warn!(operation, "{sorted}: {}", reasons(&error)),
            }
            sorted
        });
        Self { result, request }
    }

    pub(crate) fn and_then<U>(self, next: impl FnOnce(T) -> Result<U, KmsError>) -> Answer<U> {
        Answer { result: self.result.and_then(next), request: self.request }
    }
}

fn reasons(error: &dyn core::error::Error) -> String {
    let reasons = core::iter::successors(Some(error), |error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Session {
    pub(crate) async fn describe_key(&self, key: &str) -> Answer<KeyMetadata> {
        let place = self.place(key).await;
        let request = self.client().await.describe_key().key_id(&place.key);
        let sent = request.customize().config_override(place.config()).send().await;
        Answer::sorted("DescribeKey", sent)
            .and_then(|output| output.key_metadata.ok_or(KmsError::Internal).and_then(metadata))
    }

    pub(crate) async fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Answer<GeneratedKey> {
        let place = self.place(key).await;
        let request = self.client().await.generate_data_key().key_id(&place.key);
        let request = request.key_spec(types::DataKeySpec::Aes256).set_encryption_context(pairs(context));
        let sent = request.customize().config_override(place.config()).send().await;
        Answer::sorted("GenerateDataKey", sent).and_then(|output| {
            let wrapped = output.ciphertext_blob.ok_or(KmsError::Internal)?.into_inner();
            let kms_key = output.key_id.ok_or(KmsError::Internal)?;
            Ok(GeneratedKey { kms_key, key: boxed(output.plaintext)?, wrapped })
        })
    }

    pub(crate) async fn decrypt(
        &self,
        key: &str,
        wrapped: Vec<u8>,
        context: &EncryptionContext,
    ) -> Answer<KeyBox<Key>> {
        let place = self.place(key).await;
        let request = self.client().await.decrypt().key_id(&place.key).ciphertext_blob(Blob::new(wrapped));
        let request = request.set_encryption_context(pairs(context));
        let sent = request.customize().config_override(place.config()).send().await;
        Answer::sorted("Decrypt", sent).and_then(|output| {
            // Boxed first, so that it is wiped also where another key answered.
            let opened = boxed(output.plaintext)?;
            let answered = output.key_id.ok_or(KmsError::Internal)?;
            if is_key_arn(key) && !same_key(key, &answered) { Err(KmsError::Invalid) } else { Ok(opened) }
        })
    }

    pub(crate) async fn re_encrypt(
        &self,
        from: &str,
        wrapped: Vec<u8>,
        context: &EncryptionContext,
        to: &str,
    ) -> Answer<(String, Vec<u8>)> {
        // Within a region: that of the source.
        let (from, to) = (self.place(from).await, self.place(to).await);
        let request = self.client().await.re_encrypt().ciphertext_blob(Blob::new(wrapped));
        let request = request.source_key_id(&from.key).destination_key_id(&to.key);
        let request = request.set_source_encryption_context(pairs(context));
        let request = request.set_destination_encryption_context(pairs(context));
        let sent = request.customize().config_override(from.config()).send().await;
        Answer::sorted("ReEncrypt", sent).and_then(|output| {
            let wrapped = output.ciphertext_blob.ok_or(KmsError::Internal)?.into_inner();
            Ok((output.key_id.ok_or(KmsError::Internal)?, wrapped))
        })
    }

    /// Where a key is asked for, and by which name.
    async fn place(&self, key: &str) -> Place {
        let here = self.client().await.config().region().map(AsRef::as_ref);
        let key = here.map_or_else(|| key.to_owned(), |here| key_in_region(key, here));
        let region =
            region_of(&key).filter(|region| Some(*region) != here).map(|region| Region::new(region.to_owned()));
        Place { key, region }
    }
}

/// A key as it is asked for: a multi-Region key in the client's region, another by its ARN in the ARN's region.
struct Place {
    key: String,
    region: Option<Region>,
}

impl Place {
    fn config(&self) -> config::Builder {
        let mut config = config::Builder::new();
        // None would take the client's away.
        if self.region.is_some() {
            config.set_region(self.region.clone());
        }
        config
    }
}

/// The region in an ARN of AWS KMS.
fn region_of(key: &str) -> Option<&str> {
    match key.splitn(5, ':').collect::<Vec<_>>()[..] {
        ["arn", partition, "kms", region, _] if partition.starts_with("aws") && !region.is_empty() => Some(region),
        _ => None,
    }
}

pub(crate) fn metadata(metadata: types::KeyMetadata) -> Result<KeyMetadata, KmsError> {
    let state = match metadata.key_state {
        Some(types::KeyState::Enabled) => KeyState::Enabled,
        Some(types::KeyState::PendingDeletion | types::KeyState::PendingReplicaDeletion) => KeyState::PendingDeletion,
        _ => KeyState::Disabled,
    };
    let arn = metadata.arn.ok_or(KmsError::Internal)?;
    Ok(KeyMetadata { arn, id: metadata.key_id, state, description: metadata.description.unwrap_or_default() })
}

fn pairs(context: &EncryptionContext) -> Option<HashMap<String, String>> {
    let pairs: HashMap<_, _> = context.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// The 32 bytes of a key, moved to where keys live; what the SDK held them in is wiped.
fn boxed(plaintext: Option<Blob>) -> Result<KeyBox<Key>, KmsError> {
    let plaintext = Zeroizing::new(plaintext.ok_or(KmsError::Internal)?.into_inner());
    // Another length: KMS wrapped it, but it is no root key of ours.
    let bytes: &[u8; KEY] = plaintext.as_slice().try_into().map_err(|_| KmsError::Invalid)?;
    KeyBox::fill(Key::zeroed(), |key| {
        key.expose_mut().copy_from_slice(bytes);
        Ok(())
    })
}

fn is_key_arn(key: &str) -> bool {
    key.starts_with("arn:") && key.contains(":key/")
}
