//! What a [`LocalKms`](super::LocalKms) hands out: a data key, wrapped and bound to a context. Bytes only, no files.
//!
//! ```text
//! 1 version | 16 key id | 32 SHA-256 of the context | 24 nonce | 32 ciphertext | 16 tag       121 bytes
//! '---------------- head, 49 bytes ----------------'
//! ```
//!
//! XAES-256-GCM (C2SP) under the KMS key's material. AAD: the head, then the context's canonical bytes. The digest
//! adds no security; it is there to tell a wrong context from a forgery, as a context is not secret.

use sha2::{Digest, Sha256};
use tablecrypt_core::{KEY, Key, TAG, XNONCE, XNonce, Xaes256Gcm};
use tablecrypt_os::KeyBox;
use uuid::Uuid;

use super::key::StoredKey;
use super::{alive, fill_random};
use crate::keys::boxed_key;
use crate::kms::{EncryptionContext, KmsError};

/// Wraps `key` under `kms_key`, bound to `context`.
pub(super) fn wrap(kms_key: &StoredKey, context: &EncryptionContext, key: &KeyBox<Key>) -> Result<Vec<u8>, KmsError> {
    let cipher = expand(kms_key)?;
    let (cipher, key) = (alive(&cipher)?, alive(key)?);
    let head = Head::new(kms_key, context);
    let mut nonce: XNonce = [0; XNONCE];
    fill_random(&mut nonce)?;
    let mut sealed = [0; KEY + TAG];
    // Only a text or an AAD past the limits of GCM is refused, and a context of 2^61 bytes fits in no memory.
    cipher.seal(&nonce, &head.aad(context), key.expose(), &mut sealed).map_err(|_| KmsError::Internal)?;
    Ok([&head.0[..], &nonce, &sealed].concat())
}

/// Unwraps what [`wrap`] made. A wrong context is told from everything else that is wrong.
pub(super) fn unwrap(kms_key: &StoredKey, context: &EncryptionContext, blob: &[u8]) -> Result<KeyBox<Key>, KmsError> {
    let cipher = expand(kms_key)?;
    let cipher = alive(&cipher)?;
    let (found, rest) = blob.split_first_chunk::<HEAD>().ok_or(KmsError::Invalid)?;
    let (nonce, sealed) = rest.split_first_chunk::<XNONCE>().ok_or(KmsError::Invalid)?;
    let head = Head::new(kms_key, context);
    if sealed.len() != KEY + TAG || found[..DIGEST] != head.0[..DIGEST] {
        return Err(KmsError::Invalid);
    }
    if found[DIGEST..] != head.0[DIGEST..] {
        return Err(KmsError::WrongContext);
    }
    let aad = head.aad(context);
    boxed_key(|key| cipher.open(nonce, &aad, sealed, key)).map_err(|_| KmsError::Invalid)
}

/// The id of the KMS key that these bytes say they were wrapped under; none if they say nothing of that kind.
pub(super) fn key_id(blob: &[u8]) -> Option<Uuid> {
    let (head, _) = blob.split_first_chunk::<DIGEST>()?;
    (head[0] == VERSION).then(|| Uuid::from_slice(&head[1..]).ok()).flatten()
}

fn expand(kms_key: &StoredKey) -> Result<KeyBox<Xaes256Gcm>, KmsError> {
    let material = kms_key.material()?;
    Ok(KeyBox::new(|| Xaes256Gcm::new(material)))
}

/// The bytes before the nonce.
struct Head([u8; HEAD]);

impl Head {
    fn new(kms_key: &StoredKey, context: &EncryptionContext) -> Self {
        let mut head = [0; HEAD];
        head[0] = VERSION;
        head[1..DIGEST].copy_from_slice(kms_key.id().as_bytes());
        head[DIGEST..].copy_from_slice(&Sha256::digest(context.canonical_bytes()));
        Self(head)
    }

    fn aad(&self, context: &EncryptionContext) -> Vec<u8> {
        [&self.0[..], &context.canonical_bytes()].concat()
    }
}

const VERSION: u8 = 1;
/// Where the context's digest starts.
const DIGEST: usize = 1 + 16;
const HEAD: usize = DIGEST + 32;
