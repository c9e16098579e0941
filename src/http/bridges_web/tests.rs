//! A router with bridges that answer at paths of their own.

use super::*;
use async_trait::async_trait;
use axum::http::{HeaderValue, Method};
use monster_bridge_api::{
    Admission, Author, BadName, Capabilities, Delivery, DeliveryError, Found, Host, Media, MediaError, PlaceKind,
    Profile, Receipt, RemoteId, RequestError, RoomUse, RunError,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const PATHS: &[&str] = &["/_matrix/app/", "/accounts/", "/_matrix/{x}", "/"];

/// Answers to those who have its token. Its files are called by their media type and what they hold.
pub(in crate::http) struct Net {
    pub(in crate::http) token: &'static str,
    pub(in crate::http) bytes: usize,
}

#[async_trait]
impl Bridge for Net {
    fn web_paths(&self) -> &'static [&'static str] {
        PATHS
    }

    fn web_bytes(&self) -> usize {
        self.bytes
    }

    async fn web(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let presented = request.headers().get(header::AUTHORIZATION)?;
        if presented != self.token {
            return None;
        }
        let said = format!("{} {} {} bytes", self.token, request.uri(), request.body().len());
        Some(http::Response::new(Bytes::from(said)))
    }

    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        let (media_type, words) = reference.split_once(' ').ok_or_else(|| MediaError::Gone("gone".to_owned()))?;
        let (media_type, size) = (Some(media_type.to_owned()), Some(words.len() as u64));
        let pieces: Vec<_> = words.as_bytes().chunks(3).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(Media { media_type, size, body: Box::pin(futures_util::stream::iter(pieces)) })
    }

    fn unclaimed_web(&self) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::from_static(b"who are you?"));
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }

    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        Ok(RemoteId::new(name))
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.to_string()
    }

    fn kind_of(&self, _: &RemoteId) -> PlaceKind {
        PlaceKind::Person
    }

    fn capabilities(&self, _: &RemoteId) -> Capabilities {
        Capabilities::text_only()
    }

    async fn run(&self, _: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        stop.cancelled().await;
        Ok(())
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        Err(RequestError::Unknown(target.to_string()))
    }

    async fn join(&self, _: &Author, _: &RemoteId, _: Option<&str>) -> Result<Admission, RequestError> {
        Ok(Admission::Refused)
    }

    async fn leave(&self, _: &Author, _: &RemoteId) -> Result<(), RequestError> {
        Ok(())
    }

    async fn use_room(&self, _: &RemoteId, _: Option<RoomUse>) {}

    async fn deliver(&self, _: &Delivery) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError::permanent("nothing is delivered here"))
    }

    async fn find(&self, _: &Delivery) -> Result<Found, DeliveryError> {
        Ok(Found::Unknown)
    }

    async fn command(&self, _: &Author, _: &str) -> String {
        String::new()
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        Vec::new()
    }
}

fn site() -> Router {
    let bridges: Vec<Arc<dyn Bridge>> =
        vec![Arc::new(Net { token: "one", bytes: 10 }), Arc::new(Net { token: "two", bytes: 200_000 })];
    // As the whole site has it: the limit of everything else must not hold here.
    routes(&bridges).layer(axum::extract::DefaultBodyLimit::max(64 * 1024))
}

async fn put(token: &str, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let mut request = http::Request::new(body.into());
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(token).unwrap());
    let response = site().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_request_is_handed_to_the_instance_whose_token_it_has() {
    let (status, said) = put("one", "/_matrix/app/v1/transactions/7?x=y", "hello").await;
    assert_eq!((status, said.as_str()), (StatusCode::OK, "one /_matrix/app/v1/transactions/7?x=y 5 bytes"));
    let (_, said) = put("two", "/_matrix/app", vec![b' '; 150_000]).await;
    assert_eq!(said, "two /_matrix/app 150000 bytes");
    assert_eq!(put("two", "/_matrix/app/", "").await.1, "two /_matrix/app/ 0 bytes");
}

#[tokio::test]
async fn what_no_instance_knows_gets_their_own_words() {
    let (status, said) = put("three", "/_matrix/app/v1/users/@x:y", "").await;
    assert_eq!((status, said.as_str()), (StatusCode::FORBIDDEN, "who are you?"));
    assert_eq!(put("one", "/_matrix/app/v1", "more than ten bytes").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_body_has_the_limit_of_the_bridges_announced_or_not() {
    let long = vec![b' '; 200_001];
    assert_eq!(put("two", "/_matrix/app/v1", long.clone()).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let pieces = futures_util::stream::iter(
        long.chunks(50_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    );
    assert_eq!(put("two", "/_matrix/app/v1", Body::from_stream(pieces)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_bridge_gets_no_path_that_is_not_for_bridges() {
    for path in ["/accounts/x", "/_matrix/client/x", "/"] {
        assert_eq!(put("one", path, "").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
