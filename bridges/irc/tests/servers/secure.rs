//! Logging in, TLS, and what a server is told about who connects.

use crate::support::{Recorder, Running, author, section_with};
use monster_bridge_api::{Health, RemoteId};
use monster_testkit::{Ergo, IrcClient, within};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A TLS endpoint before a plain server, with its certificate in a file.
async fn tls_before(server: SocketAddr, dir: &std::path::Path) -> u16 {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("ca.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(made.cert.der().to_vec())], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut upstream = TcpStream::connect(server).await.unwrap();
                tokio::io::copy_bidirectional(&mut stream, &mut upstream).await.ok();
            });
        }
    });
    port
}

fn idle(section: serde_json::Value) -> Running {
    Running::start_on(section, Arc::new(Recorder::default()), Arc::new(tempfile::tempdir().unwrap()))
}

#[tokio::test]
async fn tls_is_spoken_with_a_server_whose_authority_is_configured_and_with_no_other() {
    let ergo = Ergo::start().await;
    let dir = tempfile::tempdir().unwrap();
    let port = tls_before(ergo.address, dir.path()).await;
    let mut secure = section_with(ergo.address, &json!({"tls": true, "connect": "always"}));
    secure["server"] = json!(format!("localhost:{port}"));
    let gateway = idle(secure.clone());
    let down = within("the refusal", gateway.host.health(|health| matches!(health, Health::Down { .. }))).await;
    assert!(matches!(&down, Health::Down { why } if why.contains("TLS with localhost failed")), "{down:?}");
    let found = gateway.bridge.diagnose().await;
    assert!(found.iter().any(Result::is_err), "{found:?}");
    gateway.stop().await;

    secure["tls_ca_file"] = json!(dir.path().join("ca.pem"));
    let gateway = idle(secure);
    gateway.is_up().await;
    let found = gateway.bridge.diagnose().await;
    assert!(found.iter().all(Result::is_ok) && found.len() >= 4, "{found:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_bot_logs_in_and_says_when_it_cannot() {
    let ergo = Ergo::start().await;
    let mut owner = IrcClient::connect(ergo.address, "gw", IrcClient::ALL_CAPS).await;
    owner.send("NS REGISTER secret-password").await;
    owner.expect("an account", |line| line.text().contains("logged in as")).await;
    owner.send("QUIT").await;
    while owner.next().await.is_some() {}
    for mechanism in ["plain", "scram-sha-256"] {
        let sasl =
            json!({"connect": "always", "sasl": {"mechanism": mechanism, "user": "gw", "password": "secret-password"}});
        let gateway = Running::start(section_with(ergo.address, &sasl), &[]).await;
        let profile = gateway.bridge.profile(&RemoteId::new("gw")).await.unwrap();
        assert!(profile.info.iter().any(|row| row.title == "account" && row.value == "gw"), "{profile:?}");
        gateway.stop().await;
    }
    let sasl = json!({"connect": "always", "sasl": {"mechanism": "plain", "user": "gw", "password": "wrong"}});
    let gateway = idle(section_with(ergo.address, &sasl));
    within("the refusal", gateway.host.health(|health| matches!(health, Health::Down { .. }))).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_trusts_the_gateway_is_told_who_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = monster_testkit::free_port();
    let keys = json!({
        "webirc": {"password": "trusted", "gateway": "gw"},
        "ident_listen": format!("127.0.0.1:{port}"),
    });
    let gateway = idle(section_with(listener.local_addr().unwrap(), &keys));
    within("the idle state", gateway.host.health(|health| *health == Health::Idle)).await;
    let bridge = Arc::clone(&gateway.bridge);
    let sending = tokio::spawn(async move {
        let delivery = crate::support::message(&author("Alice"), "bob", "hi");
        bridge.deliver(&delivery).await
    });
    let puppet = async {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let mut lines = BufReader::new(stream).lines();
            let mut seen = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                let end = line.starts_with("USER ");
                seen.push(line);
                if end {
                    break;
                }
            }
            if seen.iter().any(|line| line.starts_with("USER alice")) {
                return (seen, peer, lines);
            }
        }
    };
    let (seen, peer, _open) = within("the puppet's registration", puppet).await;
    assert!(seen[0].starts_with("WEBIRC trusted gw alice.gw.example fd"), "{seen:?}");
    assert!(seen.iter().any(|line| line.contains("(@alice:gw.example)")), "WHOIS shows the address: {seen:?}");

    let mut ident = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ident.write_all(format!("{}, 6667\r\n", peer.port()).as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the ident answer", ident.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.contains(": USERID : UNIX : alice"), "{answer}");
    sending.abort();
    gateway.stop().await;
}
