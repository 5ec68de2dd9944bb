//! rscrypto.

use rscrypto::aead::Nonce96;
use rscrypto::aead::expert::AeadWithNonce;
use rscrypto::{Aes256Gcm, Aes256GcmKey};

use super::{Cipher, Library, NONCE, Shared, TAG};

pub(super) struct RsCrypto;

impl Library for RsCrypto {
    type Key = Aes256GcmKey;
    type Cipher = Aes256Gcm;

    fn name(&self) -> String {
        "rscrypto".into()
    }

    fn key(bytes: &[u8; 32]) -> Aes256GcmKey {
        Aes256GcmKey::from_bytes(*bytes)
    }

    #[inline]
    fn expand(&self, key: &Aes256GcmKey) -> Aes256Gcm {
        Aes256Gcm::new(key)
    }
}

impl Cipher for Aes256Gcm {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.seal_shared(nonce, aad, text)
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().expect("a tag is there");
        let tag = Self::tag_from_slice(tag).expect("16 bytes");
        self.decrypt_in_place(&Nonce96::from_bytes(*nonce), aad, text, &tag).is_ok()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for Aes256Gcm {
    #[inline]
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let tag = self.encrypt_in_place(&Nonce96::from_bytes(*nonce), aad, text).expect("no text is too long");
        *tag.as_bytes()
    }
}
