//! Getting a file from a URL that came from outside, as a stream. Each redirect is a URL from outside
//! again, and guarded like the first one. How many bytes are too many, the reader says.

use super::web::{Answer, GetError, web_url};
use super::{ConnectError, Outbound};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use hyper::{HeaderMap, StatusCode};
use monster_bridge_api::{Media, MediaError};
use std::io;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Files that are fetched at a time.
pub(super) const AT_A_TIME: usize = 64;
/// How many redirects are followed.
const REDIRECTS: usize = 3;
/// How long it may take until the file begins.
const BEGINS_WITHIN: Duration = Duration::from_secs(15);
/// How long one piece of it may take.
const PIECE_WITHIN: Duration = Duration::from_secs(30);
/// How long all of it may take.
const ENDS_WITHIN: Duration = Duration::from_mins(15);

/// A file that comes.
struct Coming {
    body: Incoming,
    until: Instant,
    // Held as long as the file comes.
    _driven: tokio_util::task::AbortOnDropHandle<Result<(), hyper::Error>>,
    _place: OwnedSemaphorePermit,
}

impl Outbound {
    /// Opens the file at a URL.
    pub(crate) async fn fetch(&self, url: &str) -> Result<Media, MediaError> {
        let begin = async {
            let place = self.fetching.clone().acquire_owned().await;
            let place = place.map_err(|_| MediaError::Unavailable("the gateway is stopping".to_owned()))?;
            Ok((self.follow(url).await?, place))
        };
        let slow = |_| Err(MediaError::Unavailable("the file did not begin to arrive in time".to_owned()));
        let (answer, place) = tokio::time::timeout(BEGINS_WITHIN, begin).await.unwrap_or_else(slow)?;
        let (head, body) = answer.response.into_parts();
        let coming = Coming { body, until: Instant::now() + ENDS_WITHIN, _driven: answer.driven, _place: place };
        Ok(Media {
            media_type: text(&head.headers, &CONTENT_TYPE).map(str::to_owned),
            size: text(&head.headers, &CONTENT_LENGTH).and_then(|size| size.parse().ok()),
            body: Box::pin(stream::unfold(Some(coming), piece)),
        })
    }

    async fn follow(&self, url: &str) -> Result<Answer, MediaError> {
        let refused = |why: &str| MediaError::Refused(format!("the file's URL {why}"));
        let mut url = web_url(url).map_err(refused)?;
        for _ in 0..=REDIRECTS {
            let answer = self.get(&url, "*/*").await.map_err(failed)?;
            let status = answer.response.status();
            if !status.is_redirection() {
                return if status == StatusCode::OK { Ok(answer) } else { Err(not_given(status)) };
            }
            let next = text(answer.response.headers(), &LOCATION).ok_or_else(|| refused("leads nowhere"))?;
            let next = url.join(next).map_err(|_| refused("leads to what is no URL"))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(refused("leads away from https"));
            }
            url = web_url(next.as_str()).map_err(refused)?;
        }
        Err(refused("leads from one to the next too often"))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &hyper::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn failed(error: GetError) -> MediaError {
    match error {
        GetError::Connect(error @ ConnectError::Private { .. }) => MediaError::Refused(error.to_string()),
        other => MediaError::Unavailable(other.to_string()),
    }
}

fn not_given(status: StatusCode) -> MediaError {
    let why = format!("the file's server answers with status {}", status.as_u16());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        MediaError::Unavailable(why)
    } else {
        MediaError::Gone(why)
    }
}

/// The next piece; nothing behind an error.
async fn piece(coming: Option<Coming>) -> Option<(io::Result<Bytes>, Option<Coming>)> {
    let mut coming = coming?;
    loop {
        let at_most = coming.until.min(Instant::now() + PIECE_WITHIN);
        let frame = match tokio::time::timeout_at(at_most, coming.body.frame()).await {
            Ok(frame) => frame?,
            Err(_) => return Some((Err(io::Error::new(io::ErrorKind::TimedOut, "the file comes too slowly")), None)),
        };
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => return Some((Ok(data), Some(coming))),
            // Trailers are no data.
            Ok(Err(_)) => {}
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::client_tls;
    use futures_util::StreamExt as _;
    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives each connection the next of these answers, and its own port for `{port}`.
    async fn server(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.replace("{port}", &port.to_string()).as_bytes()).await;
            }
        });
        port
    }

    fn redirect(to: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    }

    async fn fetch(port: u16, allowed: &[String]) -> Result<(Option<String>, Vec<u8>), MediaError> {
        let allowed = allowed.iter().map(|entry| entry.parse().unwrap()).collect();
        let outbound = Outbound::new(allowed, client_tls(RootCertStore::empty()));
        let mut media = outbound.fetch(&format!("http://127.0.0.1:{port}/a?b=c")).await?;
        let mut all = Vec::new();
        while let Some(piece) = media.body.next().await {
            all.extend_from_slice(&piece.map_err(|error| MediaError::Unavailable(error.to_string()))?);
        }
        Ok((media.media_type, all))
    }

    const FILE: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nfile";

    #[tokio::test]
    async fn a_file_is_fetched_and_redirects_are_followed_thrice() {
        let thrice = vec![redirect("/b"), redirect("http://127.0.0.1:{port}/c"), redirect("d"), FILE.to_owned()];
        let port = server(thrice).await;
        let (media_type, all) = fetch(port, &[format!("127.0.0.1:{port}")]).await.unwrap();
        assert_eq!((media_type.as_deref(), &all[..]), (Some("image/png"), &b"file"[..]));
        let port = server((0..5).map(|_| redirect("/again")).collect()).await;
        let endless = fetch(port, &[format!("127.0.0.1:{port}")]).await;
        assert!(matches!(endless, Err(MediaError::Refused(_))), "{endless:?}");
    }

    #[tokio::test]
    async fn a_private_address_is_refused_also_behind_a_redirect() {
        let port = server(vec![FILE.to_owned()]).await;
        assert!(matches!(fetch(port, &[]).await, Err(MediaError::Refused(_))));
        for inward in [
            "http://127.0.0.2:{port}/x",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "http://u:p@127.0.0.1/",
        ] {
            let port = server(vec![redirect(inward), FILE.to_owned()]).await;
            let refused = fetch(port, &[format!("127.0.0.1:{port}")]).await;
            assert!(matches!(refused, Err(MediaError::Refused(_))), "{inward}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_or_ends_early_is_an_error() {
        let port = server(vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()]).await;
        assert!(matches!(fetch(port, &[format!("127.0.0.1:{port}")]).await, Err(MediaError::Gone(_))));
        let port = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nfile".to_owned()]).await;
        assert!(matches!(fetch(port, &[format!("127.0.0.1:{port}")]).await, Err(MediaError::Unavailable(_))));
    }
}
