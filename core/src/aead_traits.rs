//! The traits of crate `aead` 0.6, so that both ciphers drop in wherever RustCrypto's `Aes256Gcm` stood.

use aead::array::Array;
use aead::consts::{U12, U16, U24, U32};
use aead::inout::InOutBuf;
use aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser, TagPosition};

use crate::xaes::split;
use crate::{Aes256Gcm, Key, Xaes256Gcm};

impl KeySizeUser for Aes256Gcm {
    type KeySize = U32;
}

impl KeyInit for Aes256Gcm {
    fn new(key: &aead::Key<Self>) -> Self {
        Self::new(&Key::from(key.0))
    }
}

impl AeadCore for Aes256Gcm {
    type NonceSize = U12;
    type TagSize = U16;
    const TAG_POSITION: TagPosition = TagPosition::Postfix;
}

impl AeadInOut for Aes256Gcm {
    fn encrypt_inout_detached(
        &self,
        nonce: &Array<u8, U12>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<aead::Tag<Self>> {
        Ok(self.seal_inout(&nonce.0, associated_data, buffer)?.into())
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &Array<u8, U12>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &aead::Tag<Self>,
    ) -> aead::Result<()> {
        Ok(self.open_inout(&nonce.0, associated_data, buffer, &tag.0)?)
    }
}

impl KeySizeUser for Xaes256Gcm {
    type KeySize = U32;
}

impl KeyInit for Xaes256Gcm {
    fn new(key: &aead::Key<Self>) -> Self {
        Self::new(&Key::from(key.0))
    }
}

impl AeadCore for Xaes256Gcm {
    type NonceSize = U24;
    type TagSize = U16;
    const TAG_POSITION: TagPosition = TagPosition::Postfix;
}

impl AeadInOut for Xaes256Gcm {
    fn encrypt_inout_detached(
        &self,
        nonce: &Array<u8, U24>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<aead::Tag<Self>> {
        let (prefix, rest) = split(&nonce.0);
        Ok(self.derive(prefix).seal_inout(rest, associated_data, buffer)?.into())
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &Array<u8, U24>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &aead::Tag<Self>,
    ) -> aead::Result<()> {
        let (prefix, rest) = split(&nonce.0);
        Ok(self.derive(prefix).open_inout(rest, associated_data, buffer, &tag.0)?)
    }
}
