//! XAES-256-GCM under one key, and GCM with nonces of any length: for storage code that has keys and nonces of its own.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use envelope::core::{Key, TAG, XNONCE, Xaes256Gcm, hazmat};

use crate::boundary::{self, Input, Output};
use crate::detached::{self, Parts};
use crate::gcm::Gcm;
use crate::status::{Failure, Status};

/// XAES-256-GCM (C2SP) under one key, expanded for the best backend of this CPU: AES-256-GCM with nonces of 24 bytes, which
/// may be random. Each message derives a key from the first 12 bytes of its nonce: tablecrypt_xaes_derive keeps that.
pub struct Xaes(Xaes256Gcm);

/// Expands a key of 32 bytes. The caller's copy of it stays the caller's to wipe.
///
/// Errors: NULL_ARGUMENT.
///
/// cbindgen:ptrs-as-arrays=[[key; 32]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_xaes_expand(key: *const u8, xaes: *mut *mut Xaes) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise; nothing is written while it lives.
            let key = Key::from(unsafe { boundary::array(key) }?);
            Ok(Xaes(Xaes256Gcm::new(&key)))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(xaes, make) }
    })
}

/// Seals `text` into `out`, which is as long, and gives the tag apart: as tablecrypt_gcm_seal, with a nonce of 24 bytes.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text. Nothing was written.
///
/// cbindgen:ptrs-as-arrays=[[nonce; 24], [tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_xaes_seal(
    xaes: *const Xaes,
    nonce: *const u8,
    aad: *const u8,
    aad_length: usize,
    text: *const u8,
    text_length: usize,
    out: *mut u8,
    tag: *mut u8,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let xaes = unsafe { boundary::shared(xaes) }?;
        let parts = Parts { nonce, aad, aad_length, text, text_length, out };
        let seal = |nonce: &[u8; XNONCE], aad: &[u8], text: envelope::core::InOutBuf<'_, '_, u8>| {
            xaes.0.seal_inout(nonce, aad, text)
        };
        // SAFETY: the header's promise.
        unsafe { detached::seal(parts, tag, seal) }
    })
}

/// Opens `text`, a ciphertext, into `out`, which is as long, if `tag` is its tag: as tablecrypt_gcm_open, with a nonce of 24
/// bytes.
///
/// Errors: UNAUTHENTIC, and `out` was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
///
/// cbindgen:ptrs-as-arrays=[[nonce; 24], [tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_xaes_open(
    xaes: *const Xaes,
    nonce: *const u8,
    aad: *const u8,
    aad_length: usize,
    text: *const u8,
    text_length: usize,
    tag: *const u8,
    out: *mut u8,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let xaes = unsafe { boundary::shared(xaes) }?;
        let parts = Parts { nonce, aad, aad_length, text, text_length, out };
        let open = |nonce: &[u8; XNONCE], aad: &[u8], text: envelope::core::InOutBuf<'_, '_, u8>, tag: &[u8; TAG]| {
            xaes.0.open_inout(nonce, aad, text, tag)
        };
        // SAFETY: the header's promise.
        unsafe { detached::open(parts, tag, open) }
    })
}

/// Gives the key of all nonces that begin with these 12 bytes, whose own nonces are the other 12: a message under it is one
/// of XAES-256-GCM, and costs what plain GCM costs.
///
/// Errors: NULL_ARGUMENT.
///
/// cbindgen:ptrs-as-arrays=[[prefix; 12]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_xaes_derive(xaes: *const Xaes, prefix: *const u8, gcm: *mut *mut Gcm) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let xaes = unsafe { boundary::shared(xaes) }?;
            // SAFETY: the header's promise; nothing is written while it lives.
            Gcm::new(xaes.0.derive(unsafe { boundary::array(prefix) }?))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(gcm, make) }
    })
}

/// Wipes and frees the key; nothing for NULL. Keys that were derived from it go on.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_xaes_free(xaes: *mut Xaes) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(xaes) };
}

/// Seals in place with a nonce of any length from 1 byte (SP 800-38D section 7.1), and gives the tag. One of 12 bytes is
/// used as it is; any other is hashed, and two such nonces may come to the same after 2^48 messages, as if one had been used
/// twice. Take this only where a format dictates it.
///
/// No two of the nonce, the AAD, the text and the tag may share a byte.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text, and for a nonce of no byte. Nothing was
/// written.
///
/// cbindgen:ptrs-as-arrays=[[tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_hazmat_seal(
    gcm: *const Gcm,
    nonce: *const u8,
    nonce_length: usize,
    aad: *const u8,
    aad_length: usize,
    text: *mut u8,
    text_length: usize,
    tag: *mut u8,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let gcm = unsafe { boundary::shared(gcm) }?;
        let (nonce, aad) = (Input::new(nonce, nonce_length)?, Input::new(aad, aad_length)?);
        let (text, tag) = (Output::new(text, text_length)?, Output::new(tag, TAG)?);
        text.apart_from([nonce.range(), aad.range(), tag.range()])?;
        tag.apart_from([nonce.range(), aad.range()])?;
        // SAFETY: the header's promise; both outputs are apart from it.
        let nonce = unsafe { nonce.bytes() };
        // SAFETY: as the nonce.
        let aad = unsafe { aad.bytes() };
        // SAFETY: the header's promise; apart from all others.
        let sealed = hazmat::seal_any_nonce(&gcm.gcm, nonce, aad, unsafe { text.bytes() })?;
        // SAFETY: as the text.
        unsafe { tag.bytes() }.copy_from_slice(&sealed);
        Ok(())
    })
}

/// Opens in place what tablecrypt_gcm_hazmat_seal sealed, if `tag` is its tag.
///
/// The text may share no byte with the nonce, the AAD or the tag.
///
/// Errors: UNAUTHENTIC, and the text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
///
/// cbindgen:ptrs-as-arrays=[[tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_hazmat_open(
    gcm: *const Gcm,
    nonce: *const u8,
    nonce_length: usize,
    aad: *const u8,
    aad_length: usize,
    text: *mut u8,
    text_length: usize,
    tag: *const u8,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let gcm = unsafe { boundary::shared(gcm) }?;
        let (nonce, aad) = (Input::new(nonce, nonce_length)?, Input::new(aad, aad_length)?);
        let (text, tag) = (Output::new(text, text_length)?, Input::new(tag, TAG)?);
        text.apart_from([nonce.range(), aad.range(), tag.range()])?;
        // SAFETY: the header's promise; the text is apart from it.
        let nonce = unsafe { nonce.bytes() };
        // SAFETY: as the nonce.
        let aad = unsafe { aad.bytes() };
        // SAFETY: as the nonce.
        let tag = unsafe { tag.bytes() }.try_into().map_err(|_| Status::Length)?;
        // SAFETY: the header's promise; apart from all others.
        hazmat::open_any_nonce(&gcm.gcm, nonce, aad, unsafe { text.bytes() }, tag).map_err(Failure::from)
    })
}
