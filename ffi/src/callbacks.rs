//! A KMS of the caller's: the trait [`Kms`] over functions of C's; and whom a log is told.
//!
//! What the functions write into is here: the key where it stays, in key memory, and the rest in one block for each call. An
//! answer is taken only if all is there that it must have, so that a function that says OK and writes nothing gives no key
//! of zeros: that is a failure of the KMS like any other.

#![allow(unsafe_code, reason = "calls of C's functions; CONTRIBUTING.md names this file")]

use core::ffi::{CStr, c_char, c_void};
use core::fmt;
use core::ptr::{self, null, null_mut};
use std::ffi::CString;
use std::sync::Arc;

use envelope::KeyBox;
use envelope::core::{KEY, Key};
use envelope::kms::{EncryptionContext, GeneratedKey, KeyMetadata, KeyState, Kms, KmsError, note_request};

use crate::boundary::{self, Input};
use crate::kms::{KmsAnswer, KmsCall, KmsCallbacks, KmsPair, KmsRequest, KmsState};
use crate::log::LogLevel;
use crate::status::{Failure, Status};

/// The functions, and what they are called with.
pub(crate) struct Callbacks {
    functions: KmsCallbacks,
    caller: *mut c_void,
}

// SAFETY: the header's promise: its functions may be called from any thread, several at once; nothing here looks at `caller`.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    /// A copy of C's functions.
    ///
    /// # Safety
    /// The header's promise: as many bytes as its first member says.
    pub(crate) unsafe fn new(functions: *const KmsCallbacks, caller: *mut c_void) -> Result<Self, Failure> {
        // SAFETY: the header's promise.
        let size = unsafe { boundary::size_of_struct(functions) }?;
        // This is the first version, so none is shorter; of a later one nothing is known here, and nothing may be in it.
        if size < size_of::<KmsCallbacks>() {
            return Err(Status::Length.into());
        }
        // SAFETY: the header's promise: it has as many bytes as it says.
        let bytes = unsafe { Input::new(functions.cast(), size)?.bytes() };
        let (known, later) = bytes.split_at(size_of::<KmsCallbacks>());
        if later.iter().any(|byte| *byte != 0) {
            return Err(Status::NotBuiltIn.into());
        }
        // SAFETY: as many bytes as its type has, of its type, as promised; it need not be aligned.
        let functions = unsafe { ptr::read_unaligned(known.as_ptr().cast::<KmsCallbacks>()) };
        if functions.decrypt.is_none() {
            return Err(Status::NullArgument.into());
        }
        Ok(Self { functions, caller })
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        if let Some(release) = self.functions.release {
            // SAFETY: the header's promise; this is the last that knows it.
            unsafe { release(self.caller) };
        }
    }
}

/// Whom a log is told.
pub(crate) struct Listener {
    pub(crate) log: unsafe extern "C" fn(*mut c_void, LogLevel, *const c_char),
    pub(crate) caller: *mut c_void,
    pub(crate) release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: the header's promise: its functions may be called from any thread, several at once; nothing here looks at `caller`.
unsafe impl Send for Listener {}
// SAFETY: as above.
unsafe impl Sync for Listener {}

impl envelope::Listener for Listener {
    fn tell(&self, level: envelope::LogLevel, event: &str) {
        let level = match level {
            envelope::LogLevel::Error => LogLevel::Error,
            envelope::LogLevel::Warn => LogLevel::Warn,
            envelope::LogLevel::Info => LogLevel::Info,
            envelope::LogLevel::Debug => LogLevel::Debug,
        };
        let message = format!("{event}\0");
        // SAFETY: the header's promise; the message ends with a NUL and lives until it returns.
        unsafe { (self.log)(self.caller, level, message.as_ptr().cast()) };
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the header's promise; this is the last that knows it.
            unsafe { release(self.caller) };
        }
    }
}

/// The functions as one principal uses them, or the service itself.
pub(crate) struct Caller {
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) principal: Option<Box<str>>,
}

impl Kms for Caller {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        let asked = Asked { description: Some(description), arn: true, ..Asked::of(alias) };
        self.ask(self.callbacks.functions.ensure_key, asked).map(Answer::metadata)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        let asked = Asked { arn: true, ..Asked::of(key) };
        self.ask(self.callbacks.functions.describe_key, asked).map(Answer::metadata)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        let asked = Asked { context: Some(context), arn: true, wraps: true, ..Asked::of(key) };
        let (key, answer) = self.ask_key(self.callbacks.functions.generate_data_key, asked)?;
        Ok(GeneratedKey { kms_key: answer.arn, key, wrapped: answer.wrapped })
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let asked = Asked { context: Some(context), wrapped: Some(wrapped), ..Asked::of(key) };
        self.ask_key(self.callbacks.functions.decrypt, asked).map(|(key, _)| key)
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        let (context, wrapped, to) = (Some(context), Some(wrapped), Some(to));
        let asked = Asked { to, context, wrapped, arn: true, wraps: true, ..Asked::of(from) };
        let answer = self.ask(self.callbacks.functions.re_encrypt, asked)?;
        Ok((answer.arn, answer.wrapped))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the caller's functions")
    }
}

/// What is asked, and what has to be answered.
struct Asked<'a> {
    key: &'a str,
    to: Option<&'a str>,
    description: Option<&'a str>,
    context: Option<&'a EncryptionContext>,
    wrapped: Option<&'a [u8]>,
    /// Where a key goes.
    into: Option<&'a mut [u8; KEY]>,
    arn: bool,
    wraps: bool,
}

impl<'a> Asked<'a> {
    const fn of(key: &'a str) -> Self {
        let (to, description, context, wrapped, into) = (None, None, None, None, None);
        Self { key, to, description, context, wrapped, into, arn: false, wraps: false }
    }
}

/// What was answered, checked.
struct Answer {
    arn: String,
    wrapped: Vec<u8>,
    state: KeyState,
}

impl Answer {
    fn metadata(self) -> KeyMetadata {
        // Nothing here asks for the id that an ARN ends with.
        KeyMetadata { id: self.arn.clone(), arn: self.arn, state: self.state, description: String::new() }
    }
}

impl Caller {
    /// Asks for a key, which is written where it stays.
    fn ask_key(&self, function: KmsCall, asked: Asked<'_>) -> Result<(KeyBox<Key>, Answer), KmsError> {
        let mut answer = Err(KmsError::Internal);
        let key = KeyBox::fill(Key::zeroed(), |key| {
            answer = self.ask(function, Asked { into: Some(key.expose_mut()), ..asked });
            // What it wrote is wiped where it failed.
            answer.as_ref().map(drop).map_err(KmsError::clone)
        })?;
        Ok((key, answer?))
    }

    /// Asks a function of C's.
    fn ask(&self, function: KmsCall, mut asked: Asked<'_>) -> Result<Answer, KmsError> {
        let function = function.ok_or(KmsError::AccessDenied)?;
        // What C reads until the call returns.
        let mut texts = Vec::new();
        let mut text = |text: &str| -> Result<*const c_char, KmsError> {
            texts.push(CString::new(text).map_err(|_| KmsError::Invalid)?);
            Ok(texts.last().map_or(null(), |text| text.as_ptr()))
        };
        let mut context = Vec::new();
        if let Some(pairs) = asked.context {
            for (name, value) in pairs.iter() {
                context.push(KmsPair { name: text(name)?, value: text(value)? });
            }
        }
        let mut optional = |given: Option<&str>| given.map_or(Ok(null()), &mut text);
        let request = KmsRequest {
            key: optional(Some(asked.key))?,
            to: optional(asked.to)?,
            description: optional(asked.description)?,
            principal: optional(self.principal.as_deref())?,
            context: context.as_ptr(),
            context_count: context.len(),
            wrapped: asked.wrapped.map_or(null(), <[u8]>::as_ptr),
            wrapped_length: asked.wrapped.map_or(0, <[u8]>::len),
        };
        let mut room = vec![0; REQUEST_ID + ARN + WRAPPED];
        let (id, rest) = room.split_at_mut(REQUEST_ID);
        let (arn, wrapped) = rest.split_at_mut(ARN);
        let place =
            |is_asked, room: &mut [u8]| if is_asked { (room.as_mut_ptr(), room.len()) } else { (null_mut(), 0) };
        let (arn_at, arn_capacity) = place(asked.arn, arn);
        let (wrapped_at, wrapped_capacity) = place(asked.wraps, wrapped);
        let mut answer = KmsAnswer {
            key: asked.into.as_mut().map_or(null_mut(), |key| key.as_mut_ptr()),
            key_length: 0,
            wrapped: wrapped_at,
            wrapped_capacity,
            wrapped_length: 0,
            arn: arn_at.cast(),
            arn_capacity,
            state: ENABLED,
            request_id: id.as_mut_ptr().cast(),
            request_id_capacity: id.len(),
        };
        // SAFETY: the header's promise; both structs and all that they lead to live until it returns.
        let status = unsafe { function(self.callbacks.caller, &raw const request, &raw mut answer) };
        let KmsAnswer { key_length, wrapped_length, state, .. } = answer;
        if let Some(id) = terminated(id).filter(|id| !id.is_empty()) {
            note_request(id);
        }
        refused(status)?;

        // Whatever is not as it must be is a fault of the KMS.
        let has_key = asked.into.is_none_or(|key| key_length == KEY && key.iter().any(|byte| *byte != 0));
        let wrapped = wrapped.get(..wrapped_length).filter(|wrapped| !asked.wraps || !wrapped.is_empty());
        let arn = terminated(arn).filter(|arn| !asked.arn || !arn.is_empty());
        let state = match state {
            ENABLED => Some(KeyState::Enabled),
            DISABLED => Some(KeyState::Disabled),
            PENDING_DELETION => Some(KeyState::PendingDeletion),
            _ => None,
        };
        match (has_key, wrapped, arn, state) {
            (true, Some(wrapped), Some(arn), Some(state)) => {
                Ok(Answer { arn: arn.to_owned(), wrapped: wrapped.to_vec(), state })
            }
            _ => Err(KmsError::Internal),
        }
    }
}

/// What a function of C's answered: a definite no of those that the header names, or a failure.
fn refused(status: i32) -> Result<(), KmsError> {
    let error = match status {
        OK => return Ok(()),
        ACCESS_DENIED => KmsError::AccessDenied,
        KEY_DISABLED => KmsError::Disabled,
        KEY_NOT_FOUND => KmsError::NotFound,
        KEY_PENDING_DELETION => KmsError::PendingDeletion,
        KMS_REQUEST_INVALID => KmsError::Invalid,
        WRONG_CONTEXT => KmsError::WrongContext,
        _ => KmsError::Unreachable,
    };
    Err(error)
}

/// A string that C wrote, if it ended it.
fn terminated(room: &[u8]) -> Option<&str> {
    CStr::from_bytes_until_nul(room).ok()?.to_str().ok()
}

// The header says these numbers.
const WRAPPED: usize = 6144;
const ARN: usize = 2048;
const REQUEST_ID: usize = 256;

// Numbers as C gives them.
const OK: i32 = Status::Ok as i32;
const ACCESS_DENIED: i32 = Status::AccessDenied as i32;
const KEY_DISABLED: i32 = Status::KeyDisabled as i32;
const KEY_NOT_FOUND: i32 = Status::KeyNotFound as i32;
const KEY_PENDING_DELETION: i32 = Status::KeyPendingDeletion as i32;
const KMS_REQUEST_INVALID: i32 = Status::KmsRequestInvalid as i32;
const WRONG_CONTEXT: i32 = Status::WrongContext as i32;
const ENABLED: i32 = KmsState::Enabled as i32;
const DISABLED: i32 = KmsState::Disabled as i32;
const PENDING_DELETION: i32 = KmsState::PendingDeletion as i32;
