//! Accepting connections: bounded in number, in the time and size of a request's head, and each on
//! a task of its own. What a connection then asks is the router's business. Called by `app`.

use super::origins::Origins;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

/// The largest head of a request, in bytes; also what a connection holds while it is read.
const HEAD_BYTES: usize = 16 * 1024;
/// How long to wait when the machine has no more sockets to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// What a listener allows.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections whose request is being answered, at the same time. (An upgraded one counts with
    /// the sockets of the Monster side.)
    pub connections: usize,
    /// The same from one address of origin; what is more is closed at once.
    pub connections_per_origin: usize,
    /// Proxies, for which that does not count.
    pub trusted_proxies: Arc<[IpNet]>,
    /// How long the head of a request may take.
    pub header_read: Duration,
}

/// Accepts connections until `stop`, then lets those that are being answered finish. Returns when
/// nothing is accepted any more; `tasks` knows the rest.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, stop: CancellationToken, tasks: TaskTracker) {
    let free = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    let origins = Origins::new(bounds.connections_per_origin, bounds.trusted_proxies);
    loop {
        // A place is taken before the connection is, so that what is too many waits in the
        // system's queue and costs nothing here.
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            next = async {
                let permit = Arc::clone(&free).acquire_owned().await;
                (permit, listener.accept().await)
            } => next,
        };
        let Ok(permit) = permit else { return };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
                continue;
            }
        };
        let Some(entered) = origins.enter(peer.ip()) else { continue };
        let answering = answer(stream, peer, router.clone(), bounds.header_read, stop.clone());
        tasks.spawn(async move {
            answering.await;
            drop((permit, entered));
        });
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, header_read: Duration, stop: CancellationToken) {
    // Frames are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    // Not a layer: that would copy every route for every connection.
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Whether the failure concerns only the one connection that was about to be accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Stage {
        address: SocketAddr,
        stop: CancellationToken,
        tasks: TaskTracker,
        serving: tokio::task::JoinHandle<()>,
    }

    async fn stage(connections: usize) -> Stage {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let router =
            Router::new().route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }));
        let bounds = Bounds {
            connections,
            connections_per_origin: 10,
            trusted_proxies: Arc::from([]),
            header_read: Duration::from_millis(200),
        };
        let serving = tokio::spawn(serve(listener, router, bounds, stop.clone(), tasks.clone()));
        Stage { address, stop, tasks, serving }
    }

    async fn ask(stream: &mut TcpStream, connection: &str) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer").unwrap();
        String::from_utf8(answer[..length].to_vec()).unwrap()
    }

    async fn ends(stream: &mut TcpStream) {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        let _ = end.expect("the connection should end");
    }

    #[tokio::test]
    async fn a_request_is_answered_and_knows_where_it_comes_from() {
        let stage = stage(10).await;
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        assert!(ask(&mut stream, "close").await.ends_with(&peer));
    }

    #[tokio::test]
    async fn who_is_too_many_waits_until_there_is_room() {
        let stage = stage(1).await;
        let mut first = TcpStream::connect(stage.address).await.unwrap();
        assert!(ask(&mut first, "keep-alive").await.starts_with("HTTP/1.1 200"));
        let mut second = TcpStream::connect(stage.address).await.unwrap();
        let waiting = tokio::spawn(async move { ask(&mut second, "close").await });
        // The first one says nothing more, and is ended for it; then it is the second one's turn.
        ends(&mut first).await;
        assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn an_origin_with_too_many_connections_gets_no_more() {
        let stage = stage(100).await;
        let mut held = Vec::new();
        for _ in 0..10 {
            let mut stream = TcpStream::connect(stage.address).await.unwrap();
            assert!(ask(&mut stream, "keep-alive").await.starts_with("HTTP/1.1 200"));
            held.push(stream);
        }
        ends(&mut TcpStream::connect(stage.address).await.unwrap()).await;
        assert!(ask(&mut held[0], "close").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_let_go() {
        let stage = stage(10).await;
        let mut silent = TcpStream::connect(stage.address).await.unwrap();
        ends(&mut silent).await;
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections_and_accepts_no_more() {
        let stage = stage(10).await;
        let mut idle = TcpStream::connect(stage.address).await.unwrap();
        ask(&mut idle, "keep-alive").await;
        stage.stop.cancel();
        stage.tasks.close();
        ends(&mut idle).await;
        tokio::time::timeout(PATIENCE, stage.tasks.wait()).await.expect("all connections should end");
        stage.serving.await.unwrap();
        assert!(TcpStream::connect(stage.address).await.is_err());
    }
}
