//! Where a request comes from: the connection's other end, or, behind a reverse proxy that the
//! configuration trusts, whom that proxy names.

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a request comes from; in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// Finds out where a request comes from and puts [`ClientAddress`] into its extensions.
pub(super) async fn find(trusted: Arc<[IpNet]>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = client_of(peer.ip(), request.headers(), &trusted);
        request.extensions_mut().insert(ClientAddress(client));
    }
    next.run(request).await
}

/// The last hop that is not a trusted proxy. Hops before it are hearsay: anybody can write them.
fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut client = peer.to_canonical();
    if !is_trusted(&client) {
        return client;
    }
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.into_iter().rev() {
        let Some(ip) = parse_hop(hop) else { break };
        client = ip;
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// An address as proxies write it, with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let ip = hop.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()));
    let ip = ip.ok().or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(client("203.0.113.5", &["10.0.0.1"], &[]), "203.0.113.5");
        assert_eq!(client("203.0.113.5", &["10.0.0.1"], &["127.0.0.0/8"]), "203.0.113.5");
    }

    #[test]
    fn the_hop_that_a_trusted_proxy_saw_counts_and_those_before_it_do_not() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"];
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 203.0.113.5"], &trusted), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 203.0.113.5", "10.1.1.1"], &trusted), "203.0.113.5");
        assert_eq!(client("::ffff:127.0.0.1", &["[2001:db8::1]:443"], &trusted), "2001:db8::1");
    }

    #[test]
    fn nonsense_from_a_proxy_ends_the_chain() {
        assert_eq!(client("127.0.0.1", &["203.0.113.5, unknown"], &["127.0.0.0/8"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &[], &["127.0.0.0/8"]), "127.0.0.1");
    }
}
