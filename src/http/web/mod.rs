//! The web client: the files of `web/`, which the program holds (`build.rs` lists them), or those of
//! a directory for who works on them; and the headers that keep browsers from doing anything with
//! them but what they are for. Mounted by `http` under `/app/`; the join page of `call` is one of
//! the files. What the pages then ask for is `api::me`'s and `monster`'s business.

mod policy;

pub(super) use policy::Policy;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segments, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files within the program: path and content.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web.rs"));
/// The file at `/app/`.
const INDEX: &str = "index.html";
/// Browsers ask each time whether a file has changed; the `ETag` answers.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// The files, and the headers they are sent with.
#[derive(Debug)]
pub(super) struct Web {
    files: Files,
    policy: Policy,
}

#[derive(Debug)]
enum Files {
    Embedded(HashMap<&'static str, File>),
    /// Read anew each time.
    Directory(PathBuf),
}

/// One file as it is sent.
#[derive(Debug, Clone)]
struct File {
    content: Bytes,
    kind: &'static str,
    tag: HeaderValue,
}

impl File {
    fn new(name: &str, content: Bytes) -> Option<Self> {
        let kind = kind_of(name)?;
        let mut tag = String::from("\"");
        for byte in &digest(&SHA256, &content).as_ref()[..16] {
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        Some(Self { content, kind, tag: tag.parse().ok()? })
    }
}

/// The type of a file by its name; `None` for what is not served.
fn kind_of(name: &str) -> Option<&'static str> {
    Some(match Path::new(name).extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "ogg" => "audio/ogg",
        _ => return None,
    })
}

impl Web {
    /// The files in this directory, or those within the program if it is empty.
    pub(super) fn new(directory: &str, policy: Policy) -> Arc<Self> {
        let files = if directory.is_empty() {
            let file = |(name, content): &(&'static str, &'static [u8])| {
                Some((*name, File::new(name, Bytes::from_static(content))?))
            };
            Files::Embedded(EMBEDDED.iter().filter_map(file).collect())
        } else {
            Files::Directory(PathBuf::from(directory))
        };
        Arc::new(Self { files, policy })
    }

    async fn file(&self, name: &str) -> Option<File> {
        match &self.files {
            Files::Embedded(files) => files.get(name).cloned(),
            Files::Directory(root) => {
                if !is_below(name) {
                    return None;
                }
                let content = tokio::fs::read(root.join(name)).await.ok()?;
                File::new(name, content.into())
            }
        }
    }

    /// Answers with a file, or that the browser has it already.
    pub(super) async fn answer(&self, status: StatusCode, name: &str, asked: &HeaderMap) -> Response {
        let mut response = match self.file(name).await {
            None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
            Some(file) if status == StatusCode::OK && has(asked, &file.tag) => {
                let headers = [(header::ETAG, file.tag), (header::CACHE_CONTROL, CACHING)];
                (StatusCode::NOT_MODIFIED, headers).into_response()
            }
            Some(file) => {
                let kind = HeaderValue::from_static(file.kind);
                let headers =
                    [(header::CONTENT_TYPE, kind), (header::ETAG, file.tag), (header::CACHE_CONTROL, CACHING)];
                (status, headers, Body::from(file.content)).into_response()
            }
        };
        self.policy.put(response.headers_mut());
        response
    }
}

/// Whether the browser has the file with this tag (RFC 9110 §13.1.2).
fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known.as_bytes() == tag.as_bytes())
}

/// Whether a path stays below the directory it starts at, and names no hidden file.
fn is_below(name: &str) -> bool {
    let fine = |segment: &str| {
        !segment.is_empty() && !segment.starts_with('.') && !segment.contains(|c: char| c == '\\' || c.is_control())
    };
    name.split('/').all(fine)
}

/// The routes of the web client.
pub(super) fn routes(web: Arc<Web>) -> Router {
    Router::new()
        .route("/app", get(async || Redirect::permanent("/app/")))
        .route("/app/", get(index))
        .route("/app/{*path}", get(one))
        .with_state(web)
}

async fn index(State(web): State<Arc<Web>>, asked: HeaderMap) -> Response {
    web.answer(StatusCode::OK, INDEX, &asked).await
}

async fn one(State(web): State<Arc<Web>>, Segments(path): Segments<String>, asked: HeaderMap) -> Response {
    web.answer(StatusCode::OK, &path, &asked).await
}

#[cfg(test)]
mod tests;
