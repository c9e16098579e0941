//! What went wrong between the SDK and the homeserver, as the core has to know it.

use matrix_sdk::ruma::api::error::{ErrorKind, RetryAfter};
use matrix_sdk::{Error, HttpError};
use monster_bridge_api::{DeliveryError, RequestError};
use std::time::{Duration, SystemTime};

/// The homeserver's answer, if it gave one.
fn kind_of(error: &Error) -> Option<&ErrorKind> {
    error.client_api_error_kind()
}

/// How long the homeserver asks to wait.
fn retry_after(kind: &ErrorKind) -> Option<Duration> {
    let ErrorKind::LimitExceeded(data) = kind else { return None };
    match data.retry_after.as_ref()? {
        RetryAfter::Delay(delay) => Some(*delay),
        RetryAfter::DateTime(at) => at.duration_since(SystemTime::now()).ok(),
    }
}

/// True if the device is signed out.
pub(crate) fn is_signed_out(error: &Error) -> bool {
    matches!(kind_of(error), Some(ErrorKind::UnknownToken(_) | ErrorKind::MissingToken | ErrorKind::UserDeactivated))
}

/// True if there is nothing of that name.
pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(kind_of(error), Some(ErrorKind::NotFound))
}

/// True if the same reaction is there already.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    kind_of(error).is_some_and(|kind| kind.errcode().as_str() == "M_DUPLICATE_ANNOTATION")
}

/// What a failed delivery is. The homeserver recognises a transaction that it has seen, so nothing is uncertain
/// that it has not answered.
pub(crate) fn of_delivery(doing: &str, error: &Error) -> DeliveryError {
    match kind_of(error) {
        Some(kind @ ErrorKind::LimitExceeded(_)) => DeliveryError::Transient {
            why: format!("{doing}: the homeserver asks to wait"),
            retry_after: retry_after(kind),
        },
        Some(ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::TooLarge | ErrorKind::BadJson) => {
            DeliveryError::permanent(format!("{doing}: {}", in_words(error)))
        }
        None if reached(error) => DeliveryError::uncertain(format!("{doing}: {}", in_words(error))),
        _ => DeliveryError::transient(format!("{doing}: {}", in_words(error))),
    }
}

/// True if the request may have reached the homeserver.
fn reached(error: &Error) -> bool {
    match error {
        Error::Http(http) => match http.as_ref() {
            HttpError::Reqwest(error) => !error.is_connect() && !error.is_builder(),
            _ => true,
        },
        _ => false,
    }
}

/// What a failed request is.
pub(crate) fn of_request(doing: &str, error: &Error) -> RequestError {
    let words = format!("{doing}: {}", in_words(error));
    match kind_of(error) {
        Some(ErrorKind::NotFound) => RequestError::Unknown(words),
        Some(ErrorKind::Forbidden | ErrorKind::InvalidParam | ErrorKind::BadState) => RequestError::Refused(words),
        _ => RequestError::Unavailable(words),
    }
}

/// The error for a person, without a URL that may hold a token.
pub(crate) fn in_words(error: &Error) -> String {
    if let Some(answer) = error.as_client_api_error() {
        let code = answer.error_kind().map(|kind| kind.errcode().to_string()).unwrap_or_default();
        return format!("the homeserver answered {} {code}", answer.status_code.as_u16());
    }
    match error {
        Error::Http(http) => match http.as_ref() {
            HttpError::Reqwest(error) if error.is_timeout() => "the homeserver did not answer in time".to_owned(),
            HttpError::Reqwest(error) if error.is_connect() => "the homeserver cannot be reached".to_owned(),
            HttpError::Reqwest(_) => "the connection to the homeserver broke".to_owned(),
            _ => "the homeserver's answer cannot be read".to_owned(),
        },
        other => other.to_string(),
    }
}
