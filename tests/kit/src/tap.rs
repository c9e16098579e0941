//! A wire tap before a server: passes everything on as it is, and shows each line that the server
//! says to whoever listens, before it goes on. So a test knows what a server has handed over by the
//! moment it was killed.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The tap; ends with its value.
#[derive(Debug)]
pub struct Tap {
    /// Where to connect instead of to the server.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tap {
    /// Starts one before `server`. Each line of the server, without its end, goes to `heard`.
    pub async fn start(server: SocketAddr, heard: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(heard);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&heard)));
            }
        });
        Self { address, task }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. It ends on both sides as soon as it has ended on one.
async fn pass(client: TcpStream, server: SocketAddr, heard: Arc<dyn Fn(&str) + Send + Sync>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server) => {}
        () = show(from_server, to_client, &*heard) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Which side ended, and how, is for the sides to see.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

async fn show(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: &(dyn Fn(&str) + Send + Sync)) {
    let mut buffer = vec![0; 16 * 1024];
    let mut line = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        for byte in &buffer[..read] {
            match byte {
                b'\n' => heard(String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end()),
                byte => line.push(*byte),
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
