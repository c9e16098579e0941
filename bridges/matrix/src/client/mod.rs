//! A homeserver's client-server API (Matrix v1.17), as an application service asks it: one connection
//! pool, a user to speak as for each request, and answers as values.
//!
//! What may go wrong is told apart by whether the request can have had an effect ([`Failure`]). What
//! to ask, and what follows from an answer, is the caller's business (`appservice`).

mod pacer;

pub(crate) use pacer::Pacer;

use monster_bridge_api::{DeliveryError, RequestError, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, Method, Response};
use serde_json::Value;
use std::time::Duration;

/// What stays as it is within a segment of a path (RFC 3986 "unreserved").
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest answer that is read, in bytes: the members of a large room.
const LONGEST_ANSWER: usize = 32 << 20;
/// How long a request may take.
const USUAL: Duration = Duration::from_secs(30);
/// How long a join of a room on far servers may take.
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// A request was not answered with success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The homeserver refused it.
    #[error("the homeserver answered {status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// `errcode`, e.g. `M_FORBIDDEN`; empty if there was none.
        code: String,
        /// What it says to people.
        message: String,
        /// When to try again, where it said so.
        retry_after: Option<Duration>,
    },
    /// It never reached the homeserver.
    #[error("the homeserver cannot be reached: {0}")]
    Unreachable(String),
    /// It may have reached the homeserver.
    #[error("the homeserver did not answer: {0}")]
    Lost(String),
}

impl Failure {
    /// True for this `errcode`.
    pub(crate) fn is(&self, errcode: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == errcode)
    }

    /// True if the homeserver said no, and will again.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// True if there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl From<Failure> for DeliveryError {
    fn from(failure: Failure) -> Self {
        let why = failure.to_string();
        match failure {
            Failure::Refused { status: 429, retry_after, .. } => Self::Transient { why, retry_after },
            // The token is not known (any more): somebody has to see to that.
            Failure::Refused { status: 401, .. } | Failure::Unreachable(_) => Self::transient(why),
            Failure::Refused { status, .. } if status >= 500 => Self::uncertain(why),
            Failure::Refused { message, .. } => Self::permanent(message),
            Failure::Lost(_) => Self::uncertain(why),
        }
    }
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { status: 404, message, .. } => Self::Unknown(message),
            Failure::Refused { status: 400 | 403, message, .. } => Self::Refused(message),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    patience: Duration,
}

impl Ask {
    /// A request to a path of the client API's third version, by its segments.
    pub(crate) fn new(method: Method, segments: &[&str]) -> Self {
        Self::at(method, "/_matrix/client/v3", segments)
    }

    /// A request to any path.
    pub(crate) fn at(method: Method, base: &str, segments: &[&str]) -> Self {
        let mut path = base.to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Self { method, path, query: Vec::new(), body: None, patience: USUAL }
    }

    /// `GET`.
    pub(crate) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// `POST` with a body.
    pub(crate) fn post(segments: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, segments) }
    }

    /// `PUT` with a body.
    pub(crate) fn put(segments: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PUT, segments) }
    }

    /// With a body.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Speaking as a user of the namespace.
    pub(crate) fn by_user(self, user: &str) -> Self {
        self.query("user_id", user)
    }

    /// With a parameter of the query.
    pub(crate) fn query(mut self, key: &'static str, value: &str) -> Self {
        self.query.push((key, value.to_owned()));
        self
    }

    /// With another time limit.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn url(&self, base: &str) -> String {
        let mut url = format!("{base}{}", self.path);
        for (at, (key, value)) in self.query.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(key);
            url.push('=');
            url.extend(utf8_percent_encode(value, SEGMENT));
        }
        url
    }
}

/// A homeserver.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl Client {
    /// Connects nowhere yet.
    pub(crate) fn new(base: &str, token: Secret) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http, base: base.to_owned(), token })
    }

    /// The answer to a request.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Value, Failure> {
        let mut request = self.http.request(ask.method.clone(), ask.url(&self.base)).timeout(ask.patience);
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let response = self.send(request).await?;
        let body = read(response).await?;
        serde_json::from_slice(&body).map_err(|_| Failure::Lost("its answer is not JSON".to_owned()))
    }

    /// Opens what is at a path, as it comes; `patience` is for its beginning only.
    pub(crate) async fn open(&self, ask: Ask) -> Result<Response, Failure> {
        let request = self.http.request(ask.method.clone(), ask.url(&self.base));
        match tokio::time::timeout(ask.patience, self.send(request)).await {
            Ok(response) => response,
            Err(_) => Err(Failure::Lost("it takes too long".to_owned())),
        }
    }

    /// Takes a file of a known size to the homeserver; its `mxc://` URI.
    pub(crate) async fn upload(
        &self,
        user: &str,
        name: &str,
        media_type: &str,
        size: u64,
        body: Body,
    ) -> Result<String, Failure> {
        let ask = Ask::at(Method::POST, "/_matrix/media/v3/upload", &[]).by_user(user).query("filename", name);
        let request = self.http.post(ask.url(&self.base)).timeout(LONG).body(body);
        let request = request.header("content-type", media_type).header("content-length", size);
        let answer = read(self.send(request).await?).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match crate::map::text_at(&answer, &["content_uri"]).filter(|uri| crate::map::is_mxc(uri)) {
            Some(uri) => Ok(uri.to_owned()),
            None => Err(Failure::Lost("it did not say where the file is".to_owned())),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let response = request.bearer_auth(self.token.reveal()).send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        let body = read(response).await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |key: &str| crate::map::text_at(&body, &[key]).unwrap_or_default().chars().take(500).collect();
        let in_ms = body.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis);
        let message: String = text("error");
        Err(Failure::Refused {
            status: status.as_u16(),
            code: text("errcode"),
            message: if message.is_empty() { format!("the homeserver answered {status}") } else { message },
            retry_after: in_ms.or_else(|| after.map(Duration::from_secs)),
        })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err(Failure::Lost("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The URL may hold names of people; it is not told.
fn failure(error: &reqwest::Error) -> Failure {
    let mut why = if error.is_timeout() { "it takes too long".to_owned() } else { String::new() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() || error.is_builder() { Failure::Unreachable(why) } else { Failure::Lost(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_path_never_leaves_its_segment() {
        let ask = Ask::get(&["rooms", "!a/../b?c#d:x.org", "state"]).by_user("@a&b=c:x.org");
        assert_eq!(
            ask.url("http://hs"),
            "http://hs/_matrix/client/v3/rooms/%21a%2F..%2Fb%3Fc%23d%3Ax.org/state?user_id=%40a%26b%3Dc%3Ax.org"
        );
    }

    fn refused(status: u16) -> Failure {
        let (code, message) = ("M_X".to_owned(), "no".to_owned());
        Failure::Refused { status, code, message, retry_after: Some(Duration::from_secs(3)) }
    }

    #[test]
    fn what_failed_decides_what_is_done_next() {
        let wait = DeliveryError::from(refused(429));
        assert!(matches!(wait, DeliveryError::Transient { retry_after: Some(after), .. } if after.as_secs() == 3));
        assert_eq!(DeliveryError::from(refused(403)), DeliveryError::permanent("no"));
        assert!(matches!(DeliveryError::from(refused(502)), DeliveryError::Uncertain { .. }));
        assert!(matches!(DeliveryError::from(Failure::Lost("x".to_owned())), DeliveryError::Uncertain { .. }));
        let away = DeliveryError::from(Failure::Unreachable("x".to_owned()));
        assert!(matches!(away, DeliveryError::Transient { .. }));
        assert!(matches!(DeliveryError::from(refused(401)), DeliveryError::Transient { .. }));
    }
}
