//! AES-256-GCM under one key, without tables: for storage code that has keys and nonces of its own.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use std::ffi::CString;
use std::sync::LazyLock;

use envelope::core::{AAD_LIMIT, Aes256Gcm, Backend, Key, Nonce, OpenMessage, SealMessage, TAG, TEXT_LIMIT, Tag};

use crate::boundary::{self, Array, Input, Output};
use crate::detached::{self, Parts};
use crate::places;
use crate::status::{Failure, Status};

/// AES-256-GCM under one key, expanded for the best backend of this CPU.
///
/// A nonce must never be used twice under one key: that gives away the texts and the means to forge. Records of a
/// tablecrypt_structure need no nonce from the caller.
pub struct Gcm {
    pub(crate) gcm: Aes256Gcm,
    backend: &'static CStr,
}

/// One message of tablecrypt_gcm_seal_many or tablecrypt_gcm_open_many, which is sealed or opened where it stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Message {
    /// Its nonce; where it is sealed no other message under this key has it.
    pub nonce: [u8; 12],
    /// Its tag: given where it is sealed, taken where it is opened.
    pub tag: MaybeUninit<[u8; 16]>,
    /// Its associated data.
    pub aad: *const u8,
    /// The length of the associated data.
    pub aad_length: usize,
    /// The text, which becomes its ciphertext; or the other way round.
    pub text: *mut u8,
    /// The length of the text.
    pub text_length: usize,
    /// Given: what the call for one would have answered.
    pub status: MaybeUninit<Status>,
}

/// Expands a key of 32 bytes. The caller's copy of it stays the caller's to wipe.
///
/// Errors: NULL_ARGUMENT.
///
/// cbindgen:ptrs-as-arrays=[[key; 32]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_expand(key: *const u8, gcm: *mut *mut Gcm) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise; nothing is written while it lives.
            let key = Key::from(unsafe { boundary::array(key) }?);
            Gcm::new(Aes256Gcm::new(&key))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(gcm, make) }
    })
}

/// Expands a key of 32 bytes for the backend of this name: for tests and measurements.
///
/// Errors: NULL_ARGUMENT; NO_SUCH_BACKEND, also where this CPU cannot run it.
///
/// cbindgen:ptrs-as-arrays=[[key; 32]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_expand_on(
    backend: *const c_char,
    key: *const u8,
    gcm: *mut *mut Gcm,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let backend = unsafe { boundary::string(backend) }?;
            // SAFETY: the header's promise; nothing is written while it lives.
            let key = Key::from(unsafe { boundary::array(key) }?);
            let (backend, name) = find(backend).ok_or(Status::NoSuchBackend)?;
            let gcm = Aes256Gcm::on(backend, &key).ok_or(Status::NoSuchBackend)?;
            Ok(Gcm { gcm, backend: name })
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(gcm, make) }
    })
}

/// Seals `text` into `out`, which is as long, and gives the tag apart. In place where `out` is `text`.
///
/// Neither `out` nor `tag` may share a byte with each other, the nonce or the AAD, nor lie partly over the text. The
/// AAD is authenticated, not encrypted, and not stored.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text. Nothing was written.
///
/// cbindgen:ptrs-as-arrays=[[nonce; 12], [tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_seal(
    gcm: *const Gcm,
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
        let gcm = unsafe { boundary::shared(gcm) }?;
        let parts = Parts { nonce, aad, aad_length, text, text_length, out };
        // SAFETY: the header's promise.
        unsafe { detached::seal(parts, tag, |nonce: &Nonce, aad, text| gcm.gcm.seal_inout(nonce, aad, text)) }
    })
}

/// Opens `text`, a ciphertext, into `out`, which is as long, if `tag` is its tag. In place where `out` is `text`.
///
/// `out` may share no byte with the nonce, the AAD or the tag, nor lie partly over the text.
///
/// Errors: UNAUTHENTIC, and `out` was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
///
/// cbindgen:ptrs-as-arrays=[[nonce; 12], [tag; 16]]
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_open(
    gcm: *const Gcm,
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
        let gcm = unsafe { boundary::shared(gcm) }?;
        let parts = Parts { nonce, aad, aad_length, text, text_length, out };
        // SAFETY: the header's promise.
        unsafe { detached::open(parts, tag, |nonce: &Nonce, aad, text, tag| gcm.gcm.open_inout(nonce, aad, text, tag)) }
    })
}

/// Seals many messages, each in place and short ones faster than one by one; gives their tags. All are sealed, or none is.
///
/// No text may share a byte with another one, with the AAD of any message, or with the messages; nor may an AAD with
/// those.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG. That of any message is the status of all, and nothing else was
/// written.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_seal_many(gcm: *const Gcm, messages: *mut Message, count: usize) -> Status {
    boundary::call(|| {
        let messages = Array::new(messages, count)?;
        // SAFETY: the header's promise.
        let gcm = unsafe { check_many(gcm, &messages) }?;
        let mut batch = Vec::with_capacity(count.min(BATCH));
        for start in (0..count).step_by(BATCH) {
            for index in start..count.min(start.saturating_add(BATCH)) {
                // SAFETY: the header's promise; what is not written yet may be any bytes.
                let message = unsafe { messages.read(index) };
                let (aad, text) = message.buffers()?;
                // SAFETY: the header's promise; all texts are apart from it.
                let aad = unsafe { aad.bytes() };
                // SAFETY: the header's promise; it is apart from all AADs, the other texts and the messages.
                let text = unsafe { text.bytes() };
                batch.push(SealMessage { nonce: message.nonce, aad, text, tag: [0; TAG] });
            }
            gcm.seal_many(&mut batch)?;
            for (index, sealed) in (start..).zip(batch.drain(..)) {
                // SAFETY: the header's promise; AADs and texts are apart from the messages.
                unsafe { answer(&messages, index, Status::Ok, Some(sealed.tag)) };
            }
        }
        Ok(())
    })
}

/// Opens many messages, each in place and short ones faster than one by one. OK if all are opened; else the status of the
/// first that is not, and the others are opened all the same.
///
/// No text may share a byte with another one, with the AAD of any message, or with the messages; nor may an AAD with
/// those.
///
/// Errors: UNAUTHENTIC of a message is its status, and its text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG:
/// that of any message is the status of all, and nothing else was written.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_open_many(gcm: *const Gcm, messages: *mut Message, count: usize) -> Status {
    boundary::call(|| {
        let messages = Array::new(messages, count)?;
        // SAFETY: the header's promise.
        let gcm = unsafe { check_many(gcm, &messages) }?;
        let mut batch = Vec::with_capacity(count.min(BATCH));
        let mut first = Ok(());
        for start in (0..count).step_by(BATCH) {
            for index in start..count.min(start.saturating_add(BATCH)) {
                // SAFETY: the header's promise; what is not written yet may be any bytes.
                let message = unsafe { messages.read(index) };
                let (aad, text) = message.buffers()?;
                // SAFETY: the header's promise.
                let tag = unsafe { boundary::written(message.tag) };
                // SAFETY: the header's promise; all texts are apart from it.
                let aad = unsafe { aad.bytes() };
                // SAFETY: the header's promise; it is apart from all AADs, the other texts and the messages.
                let text = unsafe { text.bytes() };
                batch.push(OpenMessage::new(message.nonce, aad, text, tag));
            }
            gcm.open_many(&mut batch);
            for (index, opened) in (start..).zip(batch.drain(..)) {
                let failure = opened.verdict.err().map(Failure::from);
                let status = failure.as_ref().map_or(Status::Ok, Failure::status);
                // SAFETY: the header's promise; AADs and texts are apart from the messages.
                unsafe { answer(&messages, index, status, None) };
                first = first.and(failure.map_or(Ok(()), Err));
            }
        }
        first
    })
}

/// The name of the backend that the key was expanded for. Static; NULL for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_backend(gcm: *const Gcm) -> *const c_char {
    // SAFETY: the header's promise.
    let gcm = unsafe { boundary::shared(gcm) };
    gcm.map_or(core::ptr::null(), |gcm| gcm.backend.as_ptr())
}

/// Wipes and frees the key; nothing for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_gcm_free(gcm: *mut Gcm) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(gcm) };
}

/// How many backends this library has, whether or not this CPU can run them.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_backend_count() -> usize {
    Backend::ALL.len()
}

/// The name of a backend, from 0, the best first. Static; NULL from tablecrypt_backend_count on.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_backend_name(index: usize) -> *const c_char {
    NAMES.get(index).map_or(core::ptr::null(), |name| name.as_ptr())
}

/// Whether this CPU can run the backend of this name: 1 or 0. 0 for an unknown name and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_backend_is_available(name: *const c_char) -> c_int {
    // SAFETY: the header's promise.
    let name = unsafe { boundary::string(name) };
    name.ok().and_then(find).is_some_and(|(backend, _)| backend.is_available()).into()
}

/// Checks all buffers before any is read; gives every message the failure, or what a panic leaves it with.
///
/// # Safety
/// The header's promise.
unsafe fn check_many<'a>(gcm: *const Gcm, messages: &Array<Message>) -> Result<&'a Aes256Gcm, Failure> {
    // SAFETY: the header's promise.
    let checked = unsafe { boundary::shared(gcm) }.and_then(|gcm| {
        places::apart(messages.range(), messages.count(), |index| {
            // SAFETY: the header's promise; what is not written yet may be any bytes.
            let (aad, text) = unsafe { messages.read(index) }.buffers()?;
            Ok(([aad.range()], text.range()))
        })?;
        Ok(&gcm.gcm)
    });
    let status = checked.as_ref().map_or_else(Failure::status, |_| Status::Panic);
    for index in 0..messages.count() {
        // SAFETY: the header's promise; no reference was made yet.
        unsafe { answer(messages, index, status, None) };
    }
    checked
}

/// Writes what came of a message.
///
/// # Safety
/// The header's promise; and no reference leads to the messages.
unsafe fn answer(messages: &Array<Message>, index: usize, status: Status, tag: Option<Tag>) {
    // SAFETY: the header's promise; what is not written yet may be any bytes.
    let mut message = unsafe { messages.read(index) };
    message.status = MaybeUninit::new(status);
    message.tag = tag.map_or(message.tag, MaybeUninit::new);
    // SAFETY: as this function.
    unsafe { messages.write(index, message) };
}

/// How many messages become references at a time.
const BATCH: usize = 64;

impl Gcm {
    pub(crate) fn new(gcm: Aes256Gcm) -> Result<Self, Failure> {
        let backend = name(gcm.backend()).ok_or(Status::NoSuchBackend)?;
        Ok(Self { gcm, backend })
    }
}

impl Message {
    /// Its AAD and its text.
    #[inline]
    fn buffers(&self) -> Result<(Input, Output), Failure> {
        let aad = Input::new(self.aad, self.aad_length)?;
        let text = Output::new(self.text, self.text_length)?;
        if self.text_length as u64 > TEXT_LIMIT || self.aad_length as u64 > AAD_LIMIT {
            return Err(Status::TooLong.into());
        }
        Ok((aad, text))
    }
}

/// The names of [`Backend::ALL`], in its order, as C wants them.
static NAMES: LazyLock<Vec<CString>> =
    LazyLock::new(|| Backend::ALL.iter().filter_map(|backend| CString::new(backend.name()).ok()).collect());

fn name(backend: Backend) -> Option<&'static CStr> {
    Backend::ALL.iter().zip(NAMES.iter()).find(|(known, _)| **known == backend).map(|(_, name)| name.as_c_str())
}

fn find(name: &CStr) -> Option<(Backend, &'static CStr)> {
    let mut known = Backend::ALL.iter().zip(NAMES.iter());
    known.find(|(_, known)| known.as_c_str() == name).map(|(backend, name)| (*backend, name.as_c_str()))
}
