//! The names of AWS's errors, their statuses, and which of them a [`KmsError`] is.
//!
//! Reference: AWS KMS API Reference, "Common Errors" and the errors of each action.

use tablecrypt::kms::KmsError;

/// An error as AWS KMS says it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    /// The request is none of this action's.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// What an error of LocalKms is called at AWS, of a call that named this key.
    pub(super) fn of(error: &KmsError, key: &str) -> Self {
        match error {
            KmsError::AccessDenied => Self::new("AccessDeniedException", "not authorized"),
            KmsError::Disabled => Self::new("DisabledException", format!("{key} is disabled.")),
            // AWS says no more either.
            KmsError::Invalid | KmsError::WrongContext => Self::new("InvalidCiphertextException", ""),
            KmsError::NotFound => Self::new("NotFoundException", format!("{key} is not found.")),
            KmsError::PendingDeletion => Self::new("KMSInvalidStateException", format!("{key} is pending deletion.")),
            KmsError::Throttled => Self::new("ThrottlingException", "Rate exceeded"),
            _ => Self::new("KMSInternalException", ""),
        }
    }

    pub(super) fn status(&self) -> u16 {
        KNOWN.iter().find(|(name, _)| *name == self.name).map_or(500, |(_, status)| *status)
    }
}

/// The name, if it is one of AWS's.
pub(super) fn known(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

const KNOWN: &[(&str, u16)] = &[
    ("AccessDeniedException", 400),
    ("AlreadyExistsException", 400),
    ("DependencyTimeoutException", 503),
    ("DisabledException", 400),
    ("ExpiredTokenException", 400),
    ("IncorrectKeyException", 400),
    ("InternalFailure", 500),
    ("InvalidAliasNameException", 400),
    ("InvalidArnException", 400),
    ("InvalidCiphertextException", 400),
    ("InvalidKeyUsageException", 400),
    ("InvalidSignatureException", 400),
    ("KMSInternalException", 500),
    ("KMSInvalidStateException", 400),
    ("KeyUnavailableException", 500),
    ("LimitExceededException", 400),
    ("MissingAuthenticationTokenException", 400),
    ("NotFoundException", 400),
    ("ServiceUnavailable", 503),
    ("ThrottlingException", 400),
    ("UnknownOperationException", 400),
    ("UnrecognizedClientException", 400),
    ("UnsupportedOperationException", 400),
    ("ValidationException", 400),
];
