//! The sealed record's bytes, and what of them is authenticated. No keys here.
//!
//! ```text
//! 1 version | 3 zero | 4 key number | 24 nonce | n ciphertext | 16 tag          48 bytes over the text
//! AAD = the first 8 bytes, then the caller's context (an item's key; a page's file and number), which is not stored
//! ```
//!
//! A record is plain XAES-256-GCM: docs/FORMAT.md.

use tablecrypt_core::{NONCE, Nonce, PREFIX, TAG, Tag, XNONCE};

use crate::{Error, Result};

/// How many bytes longer a record is than its text.
pub const OVERHEAD: usize = TEXT_AT + TAG;

/// Where the text begins.
pub(crate) const TEXT_AT: usize = HEADER + XNONCE;

/// The length of the header.
pub(crate) const HEADER: usize = 8;
const VERSION: u8 = 1;

/// The length of the record of a text, or TooLong where that is no `usize`.
#[inline(always)]
pub(crate) fn sealed_length(text: usize) -> Result<usize> {
    text.checked_add(OVERHEAD).ok_or_else(|| Error::TooLong)
}

/// The eight bytes that a record of this data key begins with.
#[inline(always)]
pub(crate) fn header(number: u32) -> [u8; HEADER] {
    let [a, b, c, d] = number.to_be_bytes();
    [VERSION, 0, 0, 0, a, b, c, d]
}

/// What stands before the text: the header and the nonce.
#[inline(always)]
pub(crate) fn head(number: u32, prefix: &[u8; PREFIX], rest: &Nonce) -> [u8; TEXT_AT] {
    let mut head = [0; TEXT_AT];
    head[..HEADER].copy_from_slice(&header(number));
    head[HEADER..HEADER + PREFIX].copy_from_slice(prefix);
    head[HEADER + PREFIX..].copy_from_slice(rest);
    head
}

/// The places of a record's head, text and tag; None where it is shorter than any record.
#[inline(always)]
pub(crate) fn places(record: &mut [u8]) -> Option<(&mut [u8; TEXT_AT], &mut [u8], &mut Tag)> {
    let (head, body) = record.split_first_chunk_mut()?;
    let (text, tag) = body.split_last_chunk_mut()?;
    Some((head, text, tag))
}

/// A record taken apart.
pub(crate) struct Parts<'a> {
    pub(crate) number: u32,
    pub(crate) prefix: &'a [u8; PREFIX],
    pub(crate) rest: &'a Nonce,
    pub(crate) text: &'a [u8],
    pub(crate) tag: &'a Tag,
}

/// Takes a record apart; what it says is not authenticated yet.
#[inline(always)]
pub(crate) fn parse(record: &[u8]) -> Result<Parts<'_>> {
    if let Some(version) = record.first().filter(|version| **version != VERSION) {
        return Err(Error::UnknownVersion { version: u32::from(*version) });
    }
    let (header, record) = record.split_first_chunk::<HEADER>().ok_or_else(|| Error::Truncated)?;
    let (prefix, record) = record.split_first_chunk::<PREFIX>().ok_or_else(|| Error::Truncated)?;
    let (rest, record) = record.split_first_chunk::<NONCE>().ok_or_else(|| Error::Truncated)?;
    let (text, tag) = record.split_last_chunk::<TAG>().ok_or_else(|| Error::Truncated)?;
    Ok(Parts { number: parse_header(header)?, prefix, rest, text, tag })
}

/// The key number of a record, of which the header is enough; not authenticated.
pub(crate) fn number(record: &[u8]) -> Result<u32> {
    if let Some(version) = record.first().filter(|version| **version != VERSION) {
        return Err(Error::UnknownVersion { version: u32::from(*version) });
    }
    parse_header(record.first_chunk().ok_or_else(|| Error::Truncated)?)
}

/// The key number in a header whose first byte is the version.
#[inline(always)]
fn parse_header(header: &[u8; HEADER]) -> Result<u32> {
    let [version, zeros @ .., a, b, c, d] = *header;
    if zeros != [0; 3] {
        return Err(Error::UnknownVersion { version: u32::from_be_bytes([version, zeros[0], zeros[1], zeros[2]]) });
    }
    Ok(u32::from_be_bytes([a, b, c, d]))
}

/// Calls `f` with the AAD: the header, then the context. No allocation up to 248 bytes of context.
#[inline(always)]
pub(crate) fn with_aad<T>(number: u32, context: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
    #[inline(always)]
    fn on_stack<const N: usize, T>(header: [u8; HEADER], context: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
        let mut aad = [0; N];
        let length = HEADER + context.len();
        aad[..HEADER].copy_from_slice(&header);
        aad[HEADER..length].copy_from_slice(context);
        f(&aad[..length])
    }
    let header = header(number);
    match context.len() {
        0..=56 => on_stack::<64, T>(header, context, f),
        57..=248 => on_stack::<256, T>(header, context, f),
        _ => f(&[&header, context].concat()),
    }
}
