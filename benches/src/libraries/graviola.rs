//! graviola.

use graviola::aead::AesGcm;

use super::{Cipher, Library, NONCE, Shared, TAG};

pub(super) struct Graviola;

impl Library for Graviola {
    type Key = [u8; 32];
    type Cipher = AesGcm;

    fn name(&self) -> String {
        "graviola".into()
    }

    fn key(bytes: &[u8; 32]) -> [u8; 32] {
        *bytes
    }

    #[inline]
    fn expand(&self, key: &[u8; 32]) -> AesGcm {
        AesGcm::new(key)
    }
}

impl Cipher for AesGcm {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.seal_shared(nonce, aad, text)
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().expect("a tag is there");
        self.decrypt(nonce, aad, text, tag).is_ok()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for AesGcm {
    #[inline]
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        self.encrypt(nonce, aad, text, &mut tag);
        tag
    }
}
