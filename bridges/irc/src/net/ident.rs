//! The ident listener (RFC 1413): tells the server which user of this gateway a connection belongs
//! to, so that a network can tell, limit and ban people behind one address one by one.
//!
//! A connection enters its local port before it connects ([`Ident::enter`]), so that the answer is
//! there when the server asks. Everything a query may hold is two port numbers; everything else is
//! closed on.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A listener and whom it knows.
#[derive(Debug)]
pub(crate) struct Ident {
    users: Arc<Mutex<HashMap<u16, String>>>,
    _stop: DropGuard,
}

/// Keeps a connection known while it lives.
#[derive(Debug)]
pub(crate) struct IdentEntry {
    users: Arc<Mutex<HashMap<u16, String>>>,
    port: u16,
}

const MOST_QUERIES: usize = 32;
const LONGEST_QUERY: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(10);

static LISTENING: LazyLock<AsyncMutex<HashMap<SocketAddr, Weak<Ident>>>> = LazyLock::new(AsyncMutex::default);

impl Ident {
    /// The listener at this address, which all instances of the process share.
    pub(crate) async fn shared(at: SocketAddr) -> std::io::Result<Arc<Self>> {
        let mut listening = LISTENING.lock().await;
        if let Some(ident) = listening.get(&at).and_then(Weak::upgrade) {
            return Ok(ident);
        }
        let ident = Arc::new(Self::listen(at).await?.0);
        listening.insert(at, Arc::downgrade(&ident));
        Ok(ident)
    }

    /// Listens; ends when dropped.
    pub(crate) async fn listen(at: SocketAddr) -> std::io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(at).await?;
        let bound = listener.local_addr()?;
        let users = Arc::new(Mutex::new(HashMap::new()));
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&users), stop.clone()));
        Ok((Self { users, _stop: stop.drop_guard() }, bound))
    }

    /// From now on the connection from this local port is this user's.
    pub(crate) fn enter(&self, port: u16, user: &str) -> IdentEntry {
        self.users.lock().insert(port, user.to_owned());
        IdentEntry { users: Arc::clone(&self.users), port }
    }
}

impl Drop for IdentEntry {
    fn drop(&mut self) {
        self.users.lock().remove(&self.port);
    }
}

async fn serve(listener: TcpListener, users: Arc<Mutex<HashMap<u16, String>>>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_QUERIES));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "ident query could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Beyond the limit the query is dropped: a server that gets no answer goes on without.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let users = Arc::clone(&users);
        tokio::spawn(async move {
            let _place = place;
            if tokio::time::timeout(PATIENCE, answer(stream, &users)).await.is_err() {
                tracing::debug!("ident query took too long");
            }
        });
    }
}

async fn answer(stream: TcpStream, users: &Mutex<HashMap<u16, String>>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    if BufReader::new(read.take(LONGEST_QUERY)).read_line(&mut line).await.is_err() {
        return;
    }
    let reply = reply(&line, |port| users.lock().get(&port).cloned());
    if let Some(reply) = reply
        && let Err(error) = write.write_all(reply.as_bytes()).await
    {
        tracing::debug!(%error, "ident answer could not be sent");
    }
}

/// The answer to `our-port , their-port`; `None` to what is no query.
fn reply(query: &str, user_of: impl FnOnce(u16) -> Option<String>) -> Option<String> {
    let (ours, theirs) = query.trim().split_once(',')?;
    let ours: u16 = ours.trim().parse().ok().filter(|port| *port > 0)?;
    let theirs: u16 = theirs.trim().parse().ok().filter(|port| *port > 0)?;
    Some(match user_of(ours) {
        Some(user) => format!("{ours} , {theirs} : USERID : UNIX : {user}\r\n"),
        None => format!("{ours} , {theirs} : ERROR : NO-USER\r\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_asks_learns_whose_connection_it_is() {
        let (ident, at) = Ident::listen("127.0.0.1:0".parse().expect("address")).await.expect("listening");
        let entry = ident.enter(4242, "alice");
        assert_eq!(ask(at, "4242, 6667\r\n").await, "4242 , 6667 : USERID : UNIX : alice\r\n");
        drop(entry);
        assert_eq!(ask(at, "4242, 6667\r\n").await, "4242 , 6667 : ERROR : NO-USER\r\n");
    }

    #[tokio::test]
    async fn nonsense_is_closed_on() {
        let (_ident, at) = Ident::listen("127.0.0.1:0".parse().expect("address")).await.expect("listening");
        assert_eq!(ask(at, "GET / HTTP/1.1\r\n").await, "");
        assert_eq!(ask(at, &format!("{}\n", "1".repeat(500))).await, "");
    }

    async fn ask(at: SocketAddr, query: &str) -> String {
        let mut stream = TcpStream::connect(at).await.expect("connected");
        stream.write_all(query.as_bytes()).await.expect("asked");
        let mut reply = String::new();
        // A listener that closes on unread input may reset the connection; that is an empty answer.
        drop(tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut reply)).await.expect("an answer"));
        reply
    }
}
