//! A router over a core with a bridge whose files say what they are.

use super::super::bridges_web::tests::Net;
use super::*;
use crate::core::{Environment, FileSettings, Settings};
use crate::store::sqlite::SqliteStore;
use axum::http::HeaderMap;
use monster_bridge_api::{InstanceName, MediaFile};
use monster_protocol::Authority;
use tower::ServiceExt as _;

struct Stage {
    core: Arc<Core>,
    router: Router,
    _data: tempfile::TempDir,
}

impl Stage {
    async fn new(max_bytes: u64, at_a_time: usize) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(data.path()).unwrap());
        let files = FileSettings { max_bytes, ..FileSettings::default() };
        let settings = Settings { files, ..Settings::default() };
        let core = Core::new(Environment::system(), store, settings, Authority::new("gw.example", None).unwrap());
        core.register_bridge(&InstanceName::new("net"), Arc::new(Net { token: "one", bytes: 0 }));
        core.start().await.unwrap();
        Self { router: routes(Arc::clone(&core), at_a_time), core, _data: data }
    }

    /// The path of a link to a file.
    fn link(&self, reference: &str, name: &str) -> String {
        let (reference, media_type) = (reference.to_owned(), String::new());
        let file = MediaFile { reference, name: name.to_owned(), media_type };
        let link = self.core.media_link(&InstanceName::new("net"), &file);
        link.strip_prefix("http://localhost:7580").unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Result<Bytes, axum::Error>) {
        let (head, body) = self.ask(Method::GET, path).await.into_parts();
        (head.status, head.headers, axum::body::to_bytes(body, 1 << 20).await)
    }
}

#[tokio::test]
async fn a_picture_is_shown_and_a_page_is_only_saved() {
    let stage = Stage::new(100, 10).await;
    let (status, headers, body) = stage.get(&stage.link("image/png a picture", "näh/../a b.png")).await;
    assert_eq!((status, &body.unwrap()[..]), (StatusCode::OK, &b"a picture"[..]));
    assert_eq!(headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(headers[header::CONTENT_LENGTH], "9");
    assert_eq!(headers[header::CONTENT_DISPOSITION], "inline; filename*=UTF-8''n%C3%A4h%5F%2E%2E%5Fa%20b%2Epng");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    for kind in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/plain", "image/png\u{7f}", "x"] {
        let (status, headers, _) = stage.get(&stage.link(&format!("{kind} <script>"), "page.html")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream", "{kind}");
        assert!(headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"), "{kind}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
    }
}

#[tokio::test]
async fn who_asks_for_the_head_gets_no_more() {
    let stage = Stage::new(100, 1).await;
    for _ in 0..2 {
        let (head, body) = stage.ask(Method::HEAD, &stage.link("audio/ogg sound", "a.ogg")).await.into_parts();
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.headers[header::CONTENT_LENGTH], "5");
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), Bytes::new());
    }
}

#[tokio::test]
async fn what_is_not_there_not_ours_or_too_large_is_said_in_words() {
    let stage = Stage::new(10, 10).await;
    let link = stage.link("image/png small", "a.png");
    assert_eq!(stage.get(&link).await.0, StatusCode::OK);
    for wrong in [link.replace("a.png", "a.html"), link.replace("/media/", "/media/A"), "/media/x/a.png".to_owned()] {
        assert_eq!(stage.get(&wrong).await.0, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert_eq!(stage.get(&stage.link("gone", "a.png")).await.0, StatusCode::NOT_FOUND);
    let (status, _, body) = stage.get(&stage.link("image/png more than ten", "a.png")).await;
    assert_eq!((status, &body.unwrap()[..4]), (StatusCode::PAYLOAD_TOO_LARGE, &b"the "[..]));
}

#[tokio::test]
async fn so_many_files_are_handed_out_at_a_time_and_no_more() {
    let stage = Stage::new(1 << 20, 1).await;
    let long = stage.link(&format!("image/png {}", "x".repeat(100)), "a.png");
    let held = stage.ask(Method::GET, &long).await;
    assert_eq!(stage.get(&long).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(axum::body::to_bytes(held.into_body(), 1000).await.unwrap().len(), 100);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while stage.get(&long).await.0 != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "the place of a reader who is done is free within 10 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_link_of_our_own_is_opened_without_a_way_around() {
    let stage = Stage::new(100, 10).await;
    let link = format!("http://localhost:7580{}", stage.link("image/png a picture", "a ä.png"));
    let media = stage.core.fetch_file(&link, 9).await.unwrap();
    assert_eq!((media.media_type.as_deref(), media.size), (Some("image/png"), Some(9)));
    assert_eq!(stage.core.fetch_file(&link, 8).await.unwrap_err(), MediaError::TooLarge { limit: 8 });
    // Nothing else is fetched by a gateway that has no way out.
    assert!(matches!(stage.core.fetch_file("http://example.org/a.png", 9).await, Err(MediaError::Refused(_))));
}
