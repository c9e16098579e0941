//! What comes in: bodies, path segments and query parameters, each checked before anything is done.
//! Unknown fields are refused, sizes are bounded, and no control character gets past here, so none
//! reaches a network.

use super::error::{ApiError, Result};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use monster_protocol::Address;
use serde::de::DeserializeOwned;

/// The largest body, in bytes.
pub(super) const BODY_BYTES: usize = 64 * 1024;
/// The longest short text (names, passes, ids), in bytes.
pub(super) const TEXT_BYTES: usize = 512;
/// The longest URL, in bytes.
const URL_BYTES: usize = 2048;

/// A JSON body. The type should be `deny_unknown_fields`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if !is_json(request.headers()) {
            let why = "expected a body of `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let why = error.into_inner().to_string();
            match field_at(&path, &why) {
                Some(field) => ApiError::field(field, why),
                None => ApiError::new(StatusCode::BAD_REQUEST, why),
            }
        })?;
        json.end().map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        Ok(Self(value))
    }
}

/// The field that serde complains of: the path it stopped at, and for a field that is not there or not
/// known, its name, which the path may lack. `None` if it is the whole body.
fn field_at(path: &str, why: &str) -> Option<String> {
    // `.` is the library's word for "the whole", `?` for what it did not get to know.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let named = ["missing field `", "unknown field `", "duplicate field `"];
    let name = named.iter().find_map(|start| why.strip_prefix(start)?.split('`').next());
    match name.filter(|name| path != *name && !path.ends_with(&format!(".{name}"))) {
        Some(name) if path.is_empty() => Some(name.to_owned()),
        Some(name) => Some(format!("{path}.{name}")),
        None => (!path.is_empty()).then(|| path.to_owned()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn unread(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("expected a body of at most {BODY_BYTES} bytes"))
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "the body could not be read"),
    }
}

/// The values of the path's segments.
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// The query's parameters, each known and at most once.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "the query could not be read")),
        }
    }
}

impl Parameters {
    /// Takes a parameter out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Refuses whatever was not taken.
    pub(super) fn finish(self) -> Result<()> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::field(name, "this parameter is unknown, or given twice")),
        }
    }
}

/// Text that people read or a network carries: neither empty nor long, without control characters.
pub(super) fn text(field: &str, value: &str, bytes_at_most: usize) -> Result<()> {
    if value.trim().is_empty() {
        return Err(ApiError::field(field, "expected some text"));
    }
    printable(field, value, bytes_at_most)
}

fn printable(field: &str, value: &str, bytes_at_most: usize) -> Result<()> {
    if value.len() > bytes_at_most {
        return Err(ApiError::field(field, format!("expected at most {bytes_at_most} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(ApiError::field(field, "expected no control characters (line breaks, NUL and the like)"));
    }
    Ok(())
}

/// A Monster address, in its canonical spelling afterwards.
pub(super) fn address(field: &str, value: &str) -> Result<Address> {
    printable(field, value, monster_protocol::MAX_ADDRESS_BYTES)?;
    value.parse().map_err(|error| {
        ApiError::field(field, format!("expected an address such as `@#rust:libera:gw.example.org`: {error}"))
    })
}

/// The URL of a picture.
pub(super) fn picture(field: &str, value: &str) -> Result<()> {
    printable(field, value, URL_BYTES)?;
    let uri: Option<Uri> = value.parse().ok();
    let fine = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if fine { Ok(()) } else { Err(ApiError::field(field, "expected an `http` or `https` URL")) }
}

/// The number in a path.
pub(super) fn number(field: &str, value: &str) -> Result<i64> {
    match value.parse() {
        Ok(number) if number >= 0 => Ok(number),
        _ => Err(ApiError::field(field, "expected a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_parameter_that_is_unknown_or_given_twice_is_refused() {
        let pairs = |names: &[&str]| Parameters(names.iter().map(|name| ((*name).to_owned(), String::new())).collect());
        let mut twice = pairs(&["limit", "limit"]);
        assert!(twice.take("limit").is_some());
        assert!(twice.finish().is_err());
        assert!(pairs(&["limt"]).finish().is_err());
        assert!(pairs(&[]).finish().is_ok());
    }

    #[test]
    fn the_field_at_fault_is_named_also_where_it_is_missing() {
        let cases = [
            (".", "missing field `ends` at line 1 column 2", Some("ends")),
            ("ends[0]", "missing field `address` at line 1 column 20", Some("ends[0].address")),
            (".", "unknown field `end`, expected `ends` or `pass` at line 1", Some("end")),
            ("end", "unknown field `end`, expected `ends` or `pass` at line 1", Some("end")),
            ("ends[0].port", "unknown field `port`, expected `address`", Some("ends[0].port")),
            ("ends", "invalid type: string \"x\", expected a sequence", Some("ends")),
            (".", "expected value at line 1 column 1", None),
            ("?", "EOF while parsing an object at line 1 column 1", None),
        ];
        for (path, why, field) in cases {
            assert_eq!(field_at(path, why).as_deref(), field, "{path}: {why}");
        }
    }

    #[test]
    fn a_picture_is_a_web_url() {
        for good in ["https://example.org/a.png", "http://example.org:8080/a?b=c"] {
            assert!(picture("picture", good).is_ok(), "{good}");
        }
        for bad in ["", "a.png", "//example.org/a", "ftp://example.org/a", "https://u:p@example.org/", "https://a b"] {
            assert!(picture("picture", bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_control_character_passes(before in ".{0,8}", control in prop::char::range('\0', '\x1f'), after in ".{0,8}") {
            let value = format!("@{before}{control}{after}:example.org");
            prop_assert!(text("field", &value, 1 << 16).is_err());
            prop_assert!(address("field", &value).is_err());
            let url = format!("https://example.org/{value}");
            prop_assert!(picture("field", &url).is_err());
        }
    }
}
