//! coturn from Debian: a TURN server on a free port, on the loopback address alone.

use crate::process::Process;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::Command;

/// A TURN server whose credentials come from a shared secret.
#[derive(Debug)]
pub struct Coturn {
    /// Where it listens, over UDP and TCP.
    pub address: SocketAddr,
    secret: String,
    process: Process,
    _dir: TempDir,
}

impl Coturn {
    /// Starts one on 127.0.0.1, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], crate::free_port())), &[]).await
    }

    /// Starts one at this address, with more lines in its configuration (`min-port=…`), and waits
    /// until it answers.
    pub async fn start_at(address: SocketAddr, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = "a-secret-of-the-tests".to_owned();
        let config = dir.path().join("turnserver.conf");
        std::fs::write(&config, settings(address, &secret, dir.path(), more)).unwrap();
        let mut command = Command::new("turnserver");
        command.arg("-c").arg(&config).current_dir(dir.path());
        let mut process = Process::start("turnserver", command, &dir.path().join("log"));
        process.listens(address).await;
        // It opens its UDP port after that.
        crate::until("an answer of coturn over UDP", || answers(address)).await;
        Self { address, secret, process, _dir: dir }
    }

    /// The secret that it makes credentials from.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Its URLs, over UDP and over TCP.
    pub fn urls(&self) -> Vec<String> {
        ["udp", "tcp"].map(|transport| format!("turn:{}?transport={transport}", self.address)).to_vec()
    }

    /// The keys `calls.turn` of a gateway that uses it, as TOML.
    pub fn section(&self) -> String {
        format!("turn = {{ urls = {:?}, secret = {:?} }}\n", self.urls(), self.secret)
    }

    /// What it has said so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Asks for a Binding (RFC 8489 §2), and waits a moment for any answer.
async fn answers(address: SocketAddr) -> Option<()> {
    let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42monster-test";
    let any: SocketAddr = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().ok()?;
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(address).await.ok()?;
    socket.send(&request).await.ok()?;
    let answer = tokio::time::timeout(Duration::from_millis(200), socket.recv(&mut [0; 512])).await;
    answer.ok()?.ok().map(drop)
}

fn settings(address: SocketAddr, secret: &str, dir: &std::path::Path, more: &[&str]) -> String {
    let (ip, port, dir) = (address.ip(), address.port(), dir.display());
    let more = more.join("\n");
    format!(
        "listening-ip={ip}\nlistening-port={port}\nrelay-ip={ip}\nrealm=test\nuse-auth-secret\n\
         static-auth-secret={secret}\nfingerprint\nallow-loopback-peers\nno-tls\nno-dtls\nno-cli\n\
         cli-password=unused\nlog-file=stdout\nsimple-log\nverbose\npidfile={dir}/pid\nuserdb={dir}/db\n{more}\n"
    )
}
