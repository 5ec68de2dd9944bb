//! ring, by `LessSafeKey`.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Cipher, Library, NONCE, Shared, TAG};

pub(super) struct Ring;

impl Library for Ring {
    type Key = [u8; 32];
    type Cipher = LessSafeKey;

    fn name(&self) -> String {
        "ring".into()
    }

    fn key(bytes: &[u8; 32]) -> [u8; 32] {
        *bytes
    }

    #[inline]
    fn expand(&self, key: &[u8; 32]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
    }
}

impl Cipher for LessSafeKey {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.seal_shared(nonce, aad, text)
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        self.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), sealed).is_ok()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for LessSafeKey {
    #[inline]
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.seal_in_place_separate_tag(nonce, Aad::from(aad), text).expect("no text is too long");
        tag.as_ref().try_into().expect("16 bytes")
    }
}
