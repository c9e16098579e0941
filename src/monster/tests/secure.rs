//! TLS: sockets that we open with `wss`, and check URLs with `https`.

use super::Gateway;
use crate::outbound::client_tls;
use futures_util::StreamExt as _;
use monster_testkit::{MonsterClient, within};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A TLS server for `localhost`, and who trusts it.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    host: String,
    trust: RootCertStore,
}

impl Server {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let mut trust = RootCertStore::empty();
        trust.add(certificate).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), host, trust }
    }

    /// A gateway that trusts this server, and insists on TLS.
    async fn trusting_gateway(&self) -> Gateway {
        Gateway::with(|options| {
            options.allow_private = vec![self.host.parse().unwrap()];
            options.require_tls = true;
            options.tls = client_tls(self.trust.clone());
        })
        .await
    }

    async fn take(&self) -> TlsStream<TcpStream> {
        let (stream, _) = within("a connection", self.listener.accept()).await.unwrap();
        within("a TLS handshake", self.acceptor.accept(stream)).await.unwrap()
    }
}

#[tokio::test]
async fn a_host_that_is_listed_is_dialled_by_wss() {
    let server = Server::start().await;
    let gateway = Gateway::with(|options| {
        options.allow_private = vec![server.host.parse().unwrap()];
        options.wss_hosts = vec![server.host.clone()];
        options.tls = client_tls(server.trust.clone());
    })
    .await;
    let mut alice = gateway.home("alice").await;
    alice.say(&format!("@dora:{}", server.host), "hello").await;
    let handshake = Box::pin(tokio_tungstenite::accept_async(server.take().await));
    let mut socket = within("a handshake", handshake).await.unwrap();
    let frame = within("a frame", socket.next()).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(frame.to_text().unwrap()).unwrap()["code"], "1000");
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_spoken_to() {
    let server = Server::start().await;
    let gateway = Gateway::with(|options| {
        options.allow_private = vec![server.host.parse().unwrap()];
        options.require_tls = true;
    })
    .await;
    let mut alice = gateway.home("alice").await;
    let asking = alice.request(json!({"code": "1000", "to": format!("@dora:{}", server.host)}));
    let refusing = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        server.acceptor.accept(stream).await.map(drop)
    };
    let (answer, refused) = within("both sides", futures_util::future::join(asking, refusing)).await;
    assert!(refused.is_err());
    assert!(answer["error"].as_str().unwrap().contains("no TLS with localhost"), "{answer}");
}

#[tokio::test]
async fn a_check_url_may_be_https() {
    let server = Server::start().await;
    let gateway = server.trusting_gateway().await;
    let query = format!("?checkUrl=https://{}/check/x", server.host);
    let mut dora = MonsterClient::connect(&gateway.url("bob", &query)).await;
    let answering = async {
        let mut stream = server.take().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let body = json!({"account": format!("@dora:{}", server.host), "username": "dora"}).to_string();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let asking = dora.request(json!({"code": "2001", "text": "aGk="}));
    let (answer, head) = within("both sides", futures_util::future::join(asking, answering)).await;
    assert_eq!(answer["statusCode"], "200", "{answer}");
    assert!(head.starts_with("GET /check/x HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains(&format!("host: {}", server.host)), "{head}");
}
