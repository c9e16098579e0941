//! A TCP proxy that can swallow what the server says, and cut connections: for the bad days.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Open,
    /// Passes on what clients say, and nothing of what the server says.
    Mute,
    /// Ends every connection, and takes no new ones.
    Cut,
}

/// A proxy before a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
}

impl Proxy {
    /// Stands before the server, open.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let sender = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mode = sender.subscribe();
                tokio::spawn(async move {
                    if *mode.borrow() != Mode::Cut
                        && let Ok(server) = TcpStream::connect(server).await
                    {
                        carry(client, server, mode).await;
                    }
                });
            }
        });
        Self { address, mode }
    }

    /// From now on nothing of what the server says comes through.
    pub(crate) fn mute(&self) {
        self.mode.send_replace(Mode::Mute);
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets everything through again.
    pub(crate) fn open(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

async fn carry(client: TcpStream, server: TcpStream, mode: watch::Receiver<Mode>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let muted = mode.clone();
    let mut cut = mode;
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await.ok();
    };
    let down = async {
        let mut buffer = vec![0; 4096];
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            if *muted.borrow() == Mode::Open && to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}
