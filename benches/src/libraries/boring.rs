//! BoringSSL, through the crate boring, by `EVP_AEAD`.

use boring::aead::{AeadCtx, Algorithm};

use super::{Cipher, Library, NONCE, Shared, TAG};

pub(super) struct Boring;

impl Library for Boring {
    type Key = [u8; 32];
    type Cipher = AeadCtx;

    fn name(&self) -> String {
        "boringssl".into()
    }

    fn key(bytes: &[u8; 32]) -> [u8; 32] {
        *bytes
    }

    #[inline]
    fn expand(&self, key: &[u8; 32]) -> AeadCtx {
        AeadCtx::new_default_tag(&Algorithm::aes_256_gcm(), key).expect("32 bytes")
    }
}

impl Cipher for AeadCtx {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        self.seal_in_place_mut(nonce, text, &mut tag, aad).expect("no text is too long");
        tag
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().expect("a tag is there");
        self.open_in_place_mut(nonce, text, tag, aad).is_ok()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for AeadCtx {
    #[inline]
    #[allow(deprecated, reason = "deprecated for TLS's stateful algorithms, which this is none of")]
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        self.seal_in_place(nonce, text, &mut tag, aad).expect("no text is too long");
        tag
    }
}
