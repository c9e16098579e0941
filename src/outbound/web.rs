//! One plain GET at a URL that somebody outside named: what such a URL may be, and the request. It
//! follows nothing and has no limit on time or size; whoever asks has.

use super::{ConnectError, Outbound, Target};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// The longest URL, in bytes.
const LONGEST_URL: usize = 2048;
/// The most of an HTTP head that is read.
const LONGEST_HEAD: usize = 16 << 10;

/// Nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    /// Nothing was connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The other server did not answer as HTTP has it.
    #[error("{0}")]
    Http(String),
}

/// An answer, whose body can be read as long as this lives.
pub(crate) struct Answer {
    /// The answer.
    pub(crate) response: Response<Incoming>,
    /// Drives the connection.
    pub(crate) driven: AbortOnDropHandle<Result<(), hyper::Error>>,
}

/// A URL that can be asked: `http` or `https`, with a host and without a user name.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(crate) fn web_url(text: &str) -> Result<Url, &'static str> {
    if text.len() > LONGEST_URL {
        return Err("is too long");
    }
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host");
    }
    Ok(url)
}

impl Outbound {
    /// Asks for what is at a URL ([`web_url`]), whatever the answer is.
    pub(crate) async fn get(&self, url: &Url, accept: &'static str) -> Result<Answer, GetError> {
        let http = |error: hyper::Error| GetError::Http(error.to_string());
        let connection = self.connect(&target_of(url)).await?;
        let (mut sender, driving) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .handshake(TokioIo::new(connection))
            .await
            .map_err(http)?;
        let driven = AbortOnDropHandle::new(tokio::spawn(driving));
        let response = sender.send_request(request(url, accept)?).await.map_err(http)?;
        Ok(Answer { response, driven })
    }
}

fn target_of(url: &Url) -> Target {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Target { host: bare.to_owned(), port: url.port_or_known_default().unwrap_or(80), tls: url.scheme() == "https" }
}

fn request(url: &Url, accept: &'static str) -> Result<Request<Empty<Bytes>>, GetError> {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, concat!("monster-gateway/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| GetError::Http("the URL cannot be asked".to_owned()))
}
