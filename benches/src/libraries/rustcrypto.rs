//! RustCrypto's aes-gcm: with the CPU's instructions, which it chooses at run time, or as software where the rustflags of
//! `.cargo/config.toml` say so. The one is a rival, the other what our portable backend compares with.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key};

use super::{Cipher, Library, NONCE, Shared, TAG};

pub(super) struct RustCrypto;

impl Library for RustCrypto {
    type Key = Key<Aes256Gcm>;
    type Cipher = Aes256Gcm;

    fn name(&self) -> String {
        if cfg!(any(aes_backend = "soft", polyval_backend = "soft")) { "rustcrypto:soft" } else { "rustcrypto" }.into()
    }

    fn key(bytes: &[u8; 32]) -> Key<Aes256Gcm> {
        (*bytes).into()
    }

    #[inline]
    fn expand(&self, key: &Key<Aes256Gcm>) -> Aes256Gcm {
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
        self.decrypt_inout_detached(nonce.into(), aad, text.into(), (&*tag).into()).is_ok()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for Aes256Gcm {
    #[inline]
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.encrypt_inout_detached(nonce.into(), aad, text.into()).expect("no text is too long").into()
    }
}
