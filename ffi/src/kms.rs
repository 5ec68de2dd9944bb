//! The KMS of a service: a folder, AWS KMS, or functions of the caller's.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs and callbacks.rs")]

use core::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use envelope::Error;
use envelope::kms::{KmsError, LocalKms};
use envelope::store::FolderStore;

#[cfg(feature = "aws")]
use crate::aws;
use crate::boundary;
use crate::callbacks::{Callbacks, Caller};
use crate::service::path;
use crate::settings::Settings;
use crate::status::{Failure, Status};

/// A KMS, for tablecrypt_service_open. It may be freed as soon as the services are open.
pub struct Kms(pub(crate) Provider);

/// What a service is opened over.
pub(crate) enum Provider {
    Local(Arc<LocalKms>),
    Callbacks(Arc<Callbacks>),
    #[cfg(feature = "aws")]
    Aws(Arc<tablecrypt_kms_aws::AwsKms>),
}

impl Provider {
    pub(crate) fn local(folder: &Path) -> Result<Self, Failure> {
        let kms = LocalKms::open(named(folder)?).map_err(|error| match error {
            KmsError::Io(source) => io(folder, source),
            error => Failure::from(error),
        });
        Ok(Self::Local(Arc::new(kms?)))
    }

    /// A service over it.
    pub(crate) fn open(&self, folder: &Path, settings: Option<&Settings>) -> Result<envelope::Service, Failure> {
        let folder = named(folder)?;
        let store = Arc::new(FolderStore::open(folder).map_err(|source| io(folder, Arc::new(source)))?);
        let caller = |callbacks: &Arc<Callbacks>, principal: Option<&str>| -> Arc<dyn envelope::kms::Kms> {
            Arc::new(Caller { callbacks: Arc::clone(callbacks), principal: principal.map(Box::from) })
        };
        let kms = match self {
            Self::Local(kms) => Arc::clone(kms) as _,
            Self::Callbacks(callbacks) => caller(callbacks, None),
            #[cfg(feature = "aws")]
            Self::Aws(kms) => Arc::clone(kms) as _,
        };
        let mut builder = envelope::Service::builder(kms, store);
        if let Some(settings) = settings {
            builder = settings.apply(builder)?;
        }
        if let Self::Callbacks(callbacks) = self {
            let callbacks = Arc::clone(callbacks);
            builder = builder.principals(move |principal| caller(&callbacks, Some(principal)));
        }
        Ok(builder.build())
    }
}

/// A name and a value of the encryption context. Both end with a NUL and are UTF-8.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KmsPair {
    /// The name, such as "tablecrypt:table".
    pub name: *const c_char,
    /// The value.
    pub value: *const c_char,
}

/// What a KMS of the caller's is asked. All of it is the library's, and there until the function returns.
///
/// A later version may have more members at the end.
#[repr(C)]
pub struct KmsRequest {
    /// The KMS key: an id, ARN or alias. For ensure_key an alias.
    pub key: *const c_char,
    /// re_encrypt: the KMS key that is to wrap it: an id, ARN or alias. Else NULL.
    pub to: *const c_char,
    /// ensure_key: what the key is for, in a sentence. Else NULL.
    pub description: *const c_char,
    /// Who connected, as tablecrypt_service_connect_as was told; NULL for the service itself.
    pub principal: *const c_char,
    /// The encryption context, in the order of its names: what the wrapped key is bound to.
    pub context: *const KmsPair,
    /// How many pairs it has; none for ensure_key and describe_key.
    pub context_count: usize,
    /// decrypt and re_encrypt: the wrapped key. Else NULL.
    pub wrapped: *const u8,
    /// Its length.
    pub wrapped_length: usize,
}

/// What a KMS of the caller's answers. The buffers are the library's, and there until the function returns.
///
/// A later version may have more members at the end.
#[repr(C)]
pub struct KmsAnswer {
    /// generate_data_key and decrypt: where the key goes, 32 bytes in locked memory. Else NULL.
    pub key: *mut u8,
    /// To be set: how many bytes of it were written, which must be 32.
    pub key_length: usize,
    /// generate_data_key and re_encrypt: where the wrapped key goes. Else NULL.
    pub wrapped: *mut u8,
    /// How many bytes that has room for: 6144, which is AWS KMS's longest.
    pub wrapped_capacity: usize,
    /// To be set: how many bytes of it were written.
    pub wrapped_length: usize,
    /// All but decrypt: where the ARN of the KMS key goes, with its NUL; for generate_data_key of the key that wrapped, for
    /// re_encrypt of `to`. It says which key it is, and so must always be the same for the same key. Else NULL.
    pub arn: *mut c_char,
    /// How many bytes that has room for: 2048.
    pub arn_capacity: usize,
    /// ensure_key and describe_key: to be set to a tablecrypt_kms_state. It is ENABLED unless set.
    pub state: i32,
    /// Where the KMS's id of this request may be written, with its NUL, also where it refused: the audit log has it.
    pub request_id: *mut c_char,
    /// How many bytes that has room for: 256.
    pub request_id_capacity: usize,
}

/// Whether a KMS key can be used.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KmsState {
    /// It can be used.
    Enabled = 0,
    /// It cannot, until somebody enables it.
    Disabled = 1,
    /// It cannot, and will be destroyed unless somebody cancels that.
    PendingDeletion = 2,
}

/// A tablecrypt_status: a function of C's may answer any number.
pub type StatusNumber = i32;

/// A function of a KMS of the caller's: does what is asked, or says why not.
///
/// It answers OK, or ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION, KMS_REQUEST_INVALID (the wrapped
/// key is none of this KMS key's, or this is no name of a KMS key) or WRONG_CONTEXT: a definite no, for which keys are
/// wiped at once. KEY_UNAVAILABLE and every other number is a failure that may pass (unreachable, throttled, a fault): it
/// is tried again until the deadline. A timeout is the function's own to keep, some seconds at most: a refresh waits for
/// it.
///
/// It may be called from any thread, also from the library's own and several at once, and no lock of the library is held.
/// In a child of fork() it is called with the same `caller`: it is for the caller to see that the process is another one
/// and to make its client anew there. It must neither throw nor longjmp, nor use what stands on this very KMS.
pub type KmsCall = Option<
    unsafe extern "C" fn(caller: *mut c_void, request: *const KmsRequest, answer: *mut KmsAnswer) -> StatusNumber,
>;

/// A KMS of the caller's. What is NULL of it answers ACCESS_DENIED; decrypt must be there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KmsCallbacks {
    /// sizeof(tablecrypt_kms_callbacks): a later version may have more members at the end.
    pub size: usize,
    /// Makes 32 random bytes, and gives them in clear and wrapped under `key`, bound to the context, and the ARN of that key.
    /// KEY_NOT_FOUND for the alias of the default key has it made by ensure_key.
    pub generate_data_key: KmsCall,
    /// Unwraps `wrapped`, if it was wrapped under `key` with this context.
    pub decrypt: KmsCall,
    /// Wraps again, under `to`, what `key` wrapped, without giving the key; and gives the ARN of `to`.
    pub re_encrypt: KmsCall,
    /// Gives the ARN of the key that the alias `key` names, and its state. Where there is none it is made, once, however
    /// many callers ask at once.
    pub ensure_key: KmsCall,
    /// Gives the ARN of a key, and its state.
    pub describe_key: KmsCall,
    /// Called once, when nothing will use the KMS any more: the handle and all that was opened over it are freed. It may
    /// be called from a thread of the library's. In a child of fork() too, if that frees them. May be NULL.
    pub release: Option<unsafe extern "C" fn(caller: *mut c_void)>,
}

/// Opens a local KMS: keys in files of `folder`, in clear, for development and tests. What is missing is created. A service
/// of tablecrypt_service_open_local has its in `folder`/kms.
///
/// Errors: NULL_ARGUMENT, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_kms_open_local(folder: *const c_char, kms: *mut *mut Kms) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let folder = unsafe { boundary::string(folder) }?;
            Provider::local(path(folder)).map(Kms)
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(kms, make) }
    })
}

/// Opens AWS KMS, by the AWS SDK for Rust. Credentials come from the SDK's standard chain: environment, profiles, web
/// identity, containers, instances. So do the region, the endpoint (a URL) and the profile (a name) where they are NULL.
/// Nothing is sent before the first call: without a region or credentials that is KEY_UNAVAILABLE.
///
/// `attempt_timeout` is what one try may take, `call_timeout` a call with all its tries, in milliseconds; 0 is 2,000 and
/// 10,000.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8; INVALID_SETTING for a time above 86,400,000, a day. NOT_BUILT_IN in a library
/// without the feature aws.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_kms_open_aws(
    region: *const c_char,
    endpoint: *const c_char,
    profile: *const c_char,
    attempt_timeout: u64,
    call_timeout: u64,
    kms: *mut *mut Kms,
) -> Status {
    #[cfg(feature = "aws")]
    let make = || {
        // SAFETY: the header's promise.
        let region = unsafe { boundary::optional_text(region) }?;
        // SAFETY: the header's promise.
        let endpoint = unsafe { boundary::optional_text(endpoint) }?;
        // SAFETY: the header's promise.
        let profile = unsafe { boundary::optional_text(profile) }?;
        let kms = aws::open(region, endpoint, profile, attempt_timeout, call_timeout)?;
        Ok(Kms(Provider::Aws(Arc::new(kms))))
    };
    #[cfg(not(feature = "aws"))]
    let _ = (region, endpoint, profile, attempt_timeout, call_timeout);
    #[cfg(not(feature = "aws"))]
    let make = || Err(Status::NotBuiltIn.into());
    // SAFETY: the header's promise.
    boundary::call(|| unsafe { boundary::give(kms, make) })
}

/// Makes a KMS of functions of the caller's, each called with `caller`, which the library does not look at. The functions
/// are copied. Where this fails, release is not called.
///
/// Errors: NULL_ARGUMENT, also for decrypt; LENGTH for a size that is no tablecrypt_kms_callbacks's; NOT_BUILT_IN for a
/// member that this version does not know, and that is not 0.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_kms_from_callbacks(
    callbacks: *const KmsCallbacks,
    caller: *mut c_void,
    kms: *mut *mut Kms,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let make = || unsafe { Callbacks::new(callbacks, caller) }.map(|made| Kms(Provider::Callbacks(Arc::new(made))));
        // SAFETY: the header's promise.
        unsafe { boundary::give(kms, make) }
    })
}

/// Frees the KMS; nothing for NULL. Services that were opened over it go on.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_kms_free(kms: *mut Kms) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(kms) };
}

/// A folder that has a name: an unset variable must not scatter keys over the working folder.
pub(crate) fn named(folder: &Path) -> Result<&Path, Failure> {
    if folder.as_os_str().is_empty() {
        return Err(io(folder, Arc::new(std::io::ErrorKind::InvalidInput.into())));
    }
    Ok(folder)
}

fn io(path: &Path, source: Arc<std::io::Error>) -> Failure {
    Error::Io { path: path.into(), source }.into()
}
