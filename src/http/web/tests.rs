//! The web client's files as a browser is given them.

use super::*;
use crate::config::Config;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const PAGE: &str = "<!doctype html><title>client</title>";

fn policy() -> Policy {
    let config = Config::read(None, HashMap::new(), &crate::core::Registry::default()).unwrap();
    Policy::of(&config.server.public_url)
}

/// A client of a page and a script, in a directory that also has what nobody should get.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("web");
    std::fs::create_dir_all(root.join("js")).unwrap();
    std::fs::write(root.join("index.html"), PAGE).unwrap();
    std::fs::write(root.join("js/main.js"), "export {};").unwrap();
    std::fs::write(root.join(".hidden.js"), "secret").unwrap();
    std::fs::write(root.join("notes.txt"), "secret").unwrap();
    std::fs::write(directory.path().join("outside.js"), "secret").unwrap();
    directory
}

fn from(directory: &tempfile::TempDir) -> Router {
    routes(Web::new(directory.path().join("web").to_str().unwrap(), policy()))
}

async fn ask(router: &Router, method: &str, path: &str, tag: Option<&HeaderValue>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

#[tokio::test]
async fn files_come_with_their_type_and_the_headers_that_bound_them() {
    let directory = directory();
    let router = from(&directory);
    let (status, headers, text) = ask(&router, "GET", "/app/", None).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, PAGE));
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
    assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    assert!(headers["permissions-policy"].to_str().unwrap().contains("camera=(self), microphone=(self)"));
    let content = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "connect-src 'self' ws://localhost:7580;"] {
        assert!(content.contains(part), "{part} is not in {content}");
    }
    assert!(!content.contains("unsafe"), "{content}");

    let (status, headers, text) = ask(&router, "GET", "/app/js/main.js", None).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "export {};"));
    assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn nobody_leaves_the_directory_or_gets_what_is_not_for_browsers() {
    let directory = directory();
    let router = from(&directory);
    for path in [
        "/app/../outside.js",
        "/app/%2e%2e/outside.js",
        "/app/js/..%2f..%2foutside.js",
        "/app/js/%2e%2e/%2e%2e/outside.js",
        "/app//etc/hosts.js",
        "/app/%2fetc%2fhosts.js",
        "/app/js\\..\\index.html",
        "/app/main.js%00",
        "/app/.hidden.js",
        "/app/notes.txt",
        "/app/js",
        "/app/js/",
        "/app/missing.js",
    ] {
        let (status, headers, text) = ask(&router, "GET", path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!text.contains("secret"), "{path}");
        assert!(path.contains("..") || headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
    }
    assert_eq!(ask(&router, "POST", "/app/", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, headers, _) = ask(&router, "GET", "/app", None).await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::PERMANENT_REDIRECT, &HeaderValue::from_static("/app/"))
    );
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let directory = directory();
    let router = from(&directory);
    let (_, headers, _) = ask(&router, "GET", "/app/", None).await;
    let tag = headers[header::ETAG].clone();
    let (status, headers, text) = ask(&router, "GET", "/app/", Some(&tag)).await;
    assert_eq!((status, text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(headers[header::ETAG], tag);
    std::fs::write(directory.path().join("web/index.html"), "changed").unwrap();
    assert_eq!(ask(&router, "GET", "/app/", Some(&tag)).await.2, "changed");

    let (status, headers, text) = ask(&router, "HEAD", "/app/", None).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    assert_eq!(headers[header::CONTENT_LENGTH], "7");
}

#[tokio::test]
async fn the_program_holds_the_client_and_nothing_else() {
    let router = routes(Web::new("", policy()));
    for (name, content) in EMBEDDED {
        let (status, _, text) = ask(&router, "HEAD", &format!("/app/{name}"), None).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, ""), "{name}");
        assert!(is_below(name) && !name.starts_with("test/") && !content.is_empty(), "{name}");
    }
    assert_eq!(ask(&router, "GET", "/app/package.json", None).await.0, StatusCode::NOT_FOUND);
}
