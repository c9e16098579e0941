//! Whether the STUN and TURN servers of `[calls]` answer. Both kinds answer a Binding request
//! (RFC 8489 §2, RFC 8656 §3), for which nobody has to log in.

use super::Finding;
use crate::config::Calls;
use std::io;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a server is asked: datagrams get lost.
const TRIES: usize = 3;
/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Binding success and error responses (RFC 8489 §5).
const ANSWERS: [[u8; 2]; 2] = [[0x01, 0x01], [0x01, 0x11]];

/// All of them.
pub(super) async fn look(calls: &Calls) -> Vec<Finding> {
    let servers = calls.stun.iter().chain(&calls.turn_urls);
    futures_util::future::join_all(servers.map(|url| ask(url))).await
}

async fn ask(url: &str) -> Finding {
    let what = format!("media server {url}");
    let advice = "correct the URL in `[calls]`, start the server, or open its port in the firewall";
    let Some((host, port)) = parse(url) else {
        return Finding::bad(&what, "it has no host", advice);
    };
    if url.starts_with("stuns:") || url.starts_with("turns:") || url.contains("transport=tcp") {
        let connected = timeout(2 * PATIENCE, tokio::net::TcpStream::connect((host.as_str(), port))).await;
        return match connected {
            Ok(Ok(_)) => Finding::good(&what, "accepts connections"),
            Ok(Err(why)) => Finding::bad(&what, why.to_string(), advice),
            Err(_) => Finding::bad(&what, "does not answer", advice),
        };
    }
    match bind(&host, port).await {
        Ok(true) => Finding::good(&what, "answers"),
        Ok(false) => Finding::bad(&what, "does not answer", advice),
        Err(why) => Finding::bad(&what, why.to_string(), advice),
    }
}

/// Host and port of `stun:host[:port][?transport=…]` (RFC 7064, RFC 7065).
fn parse(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let rest = rest.split('?').next()?;
    let usual = if scheme.ends_with('s') { 5349 } else { 3478 };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (rest, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Sends Binding requests until one is answered; whether one was.
async fn bind(host: &str, port: u16) -> io::Result<bool> {
    let server = tokio::net::lookup_host((host, port)).await?.next();
    let server = server.ok_or_else(|| io::Error::other("its name has no address"))?;
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    let mut request = [0; 20];
    request[1] = 0x01;
    request[4..8].copy_from_slice(&MAGIC_COOKIE);
    request[8..].copy_from_slice(&rand::random::<[u8; 12]>());
    let mut answer = [0; 512];
    for _ in 0..TRIES {
        socket.send(&request).await?;
        if let Ok(received) = timeout(PATIENCE, socket.recv(&mut answer)).await {
            let length = received?;
            let is_answer = length >= 20 && ANSWERS.iter().any(|kind| answer.starts_with(kind));
            if is_answer && answer[8..20] == request[8..] {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_from_the_urls() {
        assert_eq!(parse("stun:stun.example.org"), Some(("stun.example.org".to_owned(), 3478)));
        assert_eq!(parse("turns:turn.example.org?transport=tcp"), Some(("turn.example.org".to_owned(), 5349)));
        assert_eq!(parse("turn:[2001:db8::1]:99?transport=udp"), Some(("2001:db8::1".to_owned(), 99)));
        assert_eq!(parse("turn:[2001:db8::1]"), Some(("2001:db8::1".to_owned(), 3478)));
        assert_eq!(parse("stun:"), None);
    }

    #[tokio::test]
    async fn a_server_that_answers_is_found_and_a_silent_one_is_not() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let answering = tokio::spawn(async move {
            let mut request = [0; 20];
            let (_, from) = server.recv_from(&mut request).await.unwrap();
            request[..2].copy_from_slice(&ANSWERS[0]);
            server.send_to(&request, from).await.unwrap();
        });
        assert!(bind("127.0.0.1", port).await.unwrap());
        answering.await.unwrap();
        // Its port is closed now, which the system tells at once.
        assert!(!bind("127.0.0.1", port).await.unwrap_or(false));
    }
}
