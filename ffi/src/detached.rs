//! One message with its tag apart: the checks of its buffers, for GCM and for XAES.

#![allow(unsafe_code, reason = "the blocks only call boundary.rs")]

use envelope::core::{Error, InOutBuf, TAG, Tag};

use crate::boundary::{self, Input, Output};
use crate::status::{Failure, Status};

/// Where a message's parts are: its text goes from `text` to `out`, which is as long.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) nonce: *const u8,
    pub(crate) aad: *const u8,
    pub(crate) aad_length: usize,
    pub(crate) text: *const u8,
    pub(crate) text_length: usize,
    pub(crate) out: *mut u8,
}

/// Seals, by what `seal` does with the nonce, the AAD and the text.
///
/// # Safety
/// The header's promise.
#[inline]
pub(crate) unsafe fn seal<const NONCE: usize>(
    parts: Parts,
    tag: *mut u8,
    seal: impl FnOnce(&[u8; NONCE], &[u8], InOutBuf<'_, '_, u8>) -> Result<Tag, Error>,
) -> Result<(), Failure> {
    let nonce = Input::new(parts.nonce, NONCE)?;
    let aad = Input::new(parts.aad, parts.aad_length)?;
    let text = Input::new(parts.text, parts.text_length)?;
    let out = Output::new(parts.out, parts.text_length)?;
    let tag = Output::new(tag, TAG)?;
    out.on_or_apart_from(text)?;
    out.apart_from([nonce.range(), aad.range(), tag.range()])?;
    tag.apart_from([nonce.range(), aad.range(), text.range()])?;
    // SAFETY: the header's promise; `out` and `tag` are apart from it.
    let nonce = unsafe { nonce.bytes() }.try_into().map_err(|_| Status::Length)?;
    // SAFETY: as the nonce.
    let aad = unsafe { aad.bytes() };
    // SAFETY: the header's promise; one place or apart, and `out` is apart from the rest.
    let text = unsafe { boundary::in_out(text, out) };
    let sealed = seal(nonce, aad, text)?;
    // SAFETY: the header's promise; apart from all others.
    unsafe { tag.bytes() }.copy_from_slice(&sealed);
    Ok(())
}

/// Opens, by what `open` does with the nonce, the AAD, the text and the tag.
///
/// # Safety
/// The header's promise.
#[inline]
pub(crate) unsafe fn open<const NONCE: usize>(
    parts: Parts,
    tag: *const u8,
    open: impl FnOnce(&[u8; NONCE], &[u8], InOutBuf<'_, '_, u8>, &Tag) -> Result<(), Error>,
) -> Result<(), Failure> {
    let nonce = Input::new(parts.nonce, NONCE)?;
    let aad = Input::new(parts.aad, parts.aad_length)?;
    let text = Input::new(parts.text, parts.text_length)?;
    let tag = Input::new(tag, TAG)?;
    let out = Output::new(parts.out, parts.text_length)?;
    out.on_or_apart_from(text)?;
    out.apart_from([nonce.range(), aad.range(), tag.range()])?;
    // SAFETY: the header's promise; `out` is apart from it.
    let nonce = unsafe { nonce.bytes() }.try_into().map_err(|_| Status::Length)?;
    // SAFETY: as the nonce.
    let aad = unsafe { aad.bytes() };
    // SAFETY: as the nonce.
    let tag: &Tag = unsafe { tag.bytes() }.try_into().map_err(|_| Status::Length)?;
    // SAFETY: the header's promise; one place or apart, and `out` is apart from the rest.
    let text = unsafe { boundary::in_out(text, out) };
    open(nonce, aad, text, tag).map_err(Failure::from)
}
