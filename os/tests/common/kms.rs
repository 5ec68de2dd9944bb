//! A KMS that is a constant, and counts its calls: a root key that the test knows, and no file that all would wait for.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::thread;

use tablecrypt::KeyBox;
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError};

/// What a byte that is kept for a search is XORed with, so that the search does not find what it is given.
pub(crate) const MASK: u8 = 0xa5;

#[derive(Debug)]
pub(crate) struct ConstantKms {
    /// The root key, masked.
    masked: [u8; 32],
    /// How long a call takes, so that forks meet some that are under way.
    takes: Duration,
    pub(crate) calls: AtomicUsize,
}

impl ConstantKms {
    pub(crate) fn new(masked: [u8; 32], takes: Duration) -> Self {
        Self { masked, takes, calls: AtomicUsize::new(0) }
    }

    fn key(&self) -> Result<KeyBox<Key>, KmsError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(self.takes);
        KeyBox::fill(Key::zeroed(), |key| {
            key.expose_mut().iter_mut().zip(&self.masked).for_each(|(byte, masked)| *byte = *masked ^ MASK);
            Ok(())
        })
    }
}

impl Kms for ConstantKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        let (arn, id, description) = (alias.to_owned(), alias.to_owned(), description.to_owned());
        Ok(KeyMetadata { arn, id, state: KeyState::Enabled, description })
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.ensure_key(key, "")
    }

    fn generate_data_key(&self, key: &str, _: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        Ok(GeneratedKey { kms_key: key.to_owned(), key: self.key()?, wrapped: b"wrapped".to_vec() })
    }

    fn decrypt(&self, _: &str, _: &[u8], _: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.key()
    }

    fn re_encrypt(&self, _: &str, _: &[u8], _: &EncryptionContext, _: &str) -> Result<(String, Vec<u8>), KmsError> {
        Err(KmsError::Invalid)
    }
}
