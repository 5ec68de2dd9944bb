//! OpenSSL, through the crate openssl: one context a direction, kept; a message sets its nonce and nothing else.
//!
//! A context is not shared between threads: each call changes it.

use openssl::cipher::{Cipher as Kind, CipherRef};
use openssl::cipher_ctx::CipherCtx;

use super::{Cipher, Library, NONCE, TAG};

pub(super) struct OpenSsl;

/// A user expands for one direction, so set-up expands one and the other comes with the first message opened.
pub(super) struct Contexts {
    seal: CipherCtx,
    open: Option<CipherCtx>,
    key: [u8; 32],
}

impl Library for OpenSsl {
    type Key = [u8; 32];
    type Cipher = Contexts;

    fn name(&self) -> String {
        // A build with OPENSSL_NO_VENDOR links the system's, which is older.
        if option_env!("OPENSSL_NO_VENDOR").is_none() {
            return "openssl".into();
        }
        let number = openssl::version::number();
        format!("openssl:{}.{}", number >> 28, (number >> 20) & 0xff)
    }

    fn key(bytes: &[u8; 32]) -> [u8; 32] {
        *bytes
    }

    #[inline]
    fn expand(&self, key: &[u8; 32]) -> Contexts {
        let mut seal = CipherCtx::new().expect("memory");
        seal.encrypt_init(Some(kind()), Some(key), None).expect("32 bytes");
        Contexts { seal, open: None, key: *key }
    }
}

impl Cipher for Contexts {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let context = &mut self.seal;
        let mut tag = [0; TAG];
        context.encrypt_init(None, None, Some(nonce)).expect("12 bytes");
        context.cipher_update(aad, None).expect("no AAD is too long");
        context.cipher_update_inplace(text, text.len()).expect("no text is too long");
        context.cipher_final(&mut []).expect("GCM has no padding");
        context.tag(&mut tag).expect("16 bytes");
        tag
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let context = self.open.get_or_insert_with(|| {
            let mut open = CipherCtx::new().expect("memory");
            open.decrypt_init(Some(kind()), Some(&self.key), None).expect("32 bytes");
            open
        });
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().expect("a tag is there");
        context.decrypt_init(None, None, Some(nonce)).expect("12 bytes");
        context.cipher_update(aad, None).expect("no AAD is too long");
        context.cipher_update_inplace(text, text.len()).expect("no text is too long");
        context.set_tag(tag).expect("16 bytes");
        context.cipher_final(&mut []).is_ok()
    }
}

/// Fetched once: `EVP_aes_256_gcm` would be looked up again at every set-up.
#[inline]
fn kind() -> &'static CipherRef {
    use std::sync::LazyLock;
    static KIND: LazyLock<Kind> = LazyLock::new(|| Kind::fetch(None, "AES-256-GCM", None).expect("it has AES-256-GCM"));
    &KIND
}
