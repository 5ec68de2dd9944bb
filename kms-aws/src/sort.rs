//! Vendor errors, sorted once: what passes by itself, and what is a definite no.
//!
//! | what came | what it is |
//! | --- | --- |
//! | no connection, no name, no answer in time, no credentials or region to ask with | `Unreachable` |
//! | an answer that is none of KMS's: garbage, or an error without a code | `Internal` |
//! | a code of KMS | by [`by_code`] |
//!
//! A definite no locks a table at once, so only KMS itself can say it: it has a code that is known, or a code and a status
//! that blames the caller. Reference: AWS KMS API Reference, "Common Errors" and the errors of each action.

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use tablecrypt::kms::KmsError;

/// What an error of the SDK means.
pub(crate) fn sort<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> KmsError {
    match error {
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code(), service.err().message().unwrap_or_default());
            by_code(code, message, service.raw().status().as_u16())
        }
        SdkError::ResponseError(_) => KmsError::Internal,
        // Timeouts come as either of two; with no region or endpoint there is nobody to reach.
        _ => KmsError::Unreachable,
    }
}

/// What a code of KMS means; `status` decides for codes that are not known here.
fn by_code(code: Option<&str>, message: &str, status: u16) -> KmsError {
    let Some(code) = code else { return KmsError::Internal };
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "LimitExceededException" => KmsError::Throttled,
        "KMSInternalException"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "DependencyTimeoutException"
        | "KeyUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => KmsError::Internal,
        // The service knows this caller, or nobody of that name, and says no.
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired" => KmsError::AccessDenied,
        "DisabledException" => KmsError::Disabled,
        "NotFoundException" => KmsError::NotFound,
        "KMSInvalidStateException" => by_state(message),
        _ if status >= 500 => KmsError::Internal,
        _ if status == 429 => KmsError::Throttled,
        _ if status == 403 => KmsError::AccessDenied,
        // InvalidCiphertextException, IncorrectKeyException, ValidationException, InvalidKeyUsageException ...
        _ => KmsError::Invalid,
    }
}

/// KMS says the state of a key in words only. What is not known is a definite no, until an administrator acts.
fn by_state(message: &str) -> KmsError {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["pending deletion", "pendingdeletion", "pending replica deletion"]) {
        KmsError::PendingDeletion
    } else if says(&["unavailable", "creating", "updating"]) {
        KmsError::Internal
    } else {
        KmsError::Disabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning_and_only_a_code_is_a_definite_no() {
        let table = [
            ("ThrottlingException", 400, "Throttled"),
            ("LimitExceededException", 400, "Throttled"),
            ("KMSInternalException", 500, "Internal"),
            ("DependencyTimeoutException", 503, "Internal"),
            ("KeyUnavailableException", 500, "Internal"),
            ("AccessDeniedException", 400, "AccessDenied"),
            ("UnrecognizedClientException", 400, "AccessDenied"),
            ("ExpiredTokenException", 400, "AccessDenied"),
            ("DisabledException", 400, "Disabled"),
            ("NotFoundException", 400, "NotFound"),
            ("InvalidCiphertextException", 400, "Invalid"),
            ("IncorrectKeyException", 400, "Invalid"),
            ("InvalidKeyUsageException", 400, "Invalid"),
            ("ValidationException", 400, "Invalid"),
            ("NeverHeardOfException", 400, "Invalid"),
            ("NeverHeardOfException", 403, "AccessDenied"),
            ("NeverHeardOfException", 429, "Throttled"),
            ("NeverHeardOfException", 500, "Internal"),
        ];
        for (code, status, meaning) in table {
            assert_eq!(format!("{:?}", by_code(Some(code), "", status)), meaning, "{code} {status}");
        }
        for status in [200, 301, 400, 403, 404, 502] {
            assert!(matches!(by_code(None, "", status), KmsError::Internal), "a proxy's {status} is no word of KMS");
        }
    }

    #[test]
    fn invalid_state_is_told_by_its_words_and_is_a_definite_no_where_they_are_new() {
        let table = [
            ("arn:aws:kms:eu-west-1:111122223333:key/1 is pending deletion.", "PendingDeletion"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1 is pending replica deletion.", "PendingDeletion"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1 is pending import.", "Disabled"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1 is unavailable.", "Internal"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1 is Creating.", "Internal"),
            ("something new", "Disabled"),
        ];
        for (message, meaning) in table {
            assert_eq!(format!("{:?}", by_code(Some("KMSInvalidStateException"), message, 400)), meaning, "{message}");
        }
    }
}
