//! Against coturn, and against what is none.

use super::*;
use crate::turn::IceServers;
use monster_testkit::Coturn;

/// The credentials of a gateway that has this secret.
fn credentials(secret: &str) -> (String, String) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    IceServers::with_secret(secret).credentials("alice", i64::try_from(now.as_millis()).expect("a time"))
}

async fn tried(url: &str, secret: &str) -> Result<Tried, ProbeError> {
    let (username, password) = credentials(secret);
    let url: ServerUrl = url.parse().expect("a url");
    monster_testkit::within("the end of the try", try_server(&url, (&username, &password))).await
}

#[tokio::test]
async fn coturn_relays_for_our_credentials_over_udp_and_tcp() {
    let coturn = Coturn::start().await;
    for url in coturn.urls() {
        let found = tried(&url, coturn.secret()).await.unwrap();
        assert_eq!(found.server, coturn.address);
        assert!(found.relayed.is_some_and(|relayed| relayed.ip().is_loopback()), "{found:?}");
        assert!(found.seen_as.is_some_and(|address| address.ip().is_loopback()), "{found:?}");
    }
    let stun = format!("stun:{}", coturn.address);
    assert!(tried(&stun, "").await.unwrap().seen_as.is_some());
}

#[tokio::test]
async fn another_secret_is_refused() {
    let coturn = Coturn::start().await;
    for url in coturn.urls() {
        let refused = tried(&url, "another").await.unwrap_err();
        assert!(matches!(refused, ProbeError::Refused { code: 401, .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_is_another_is_told_apart() {
    let closed = monster_testkit::free_port();
    assert!(matches!(tried(&format!("turn:127.0.0.1:{closed}?transport=tcp"), "").await, Err(ProbeError::Connect(..))));
    let udp = tried(&format!("turn:127.0.0.1:{closed}"), "").await;
    assert!(matches!(udp, Err(ProbeError::Io(..) | ProbeError::Silent(_))), "{udp:?}");

    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let nonsense = tried(&format!("turn:127.0.0.1:{port}?transport=tcp"), "").await;
    assert!(matches!(nonsense, Err(ProbeError::Nonsense(_) | ProbeError::Silent(_))), "{nonsense:?}");
    drop(answering.await.unwrap());

    assert!(matches!(tried("stun:no.such.host.invalid", "").await, Err(ProbeError::Name(_))));
}
