//! Whether calls can find their way: the media port, the addresses that others are told, and the
//! STUN and TURN servers of `[calls]`, each tried as a caller would.

use super::Finding;
use crate::config::{Calls, Config};
use crate::turn::probe::{ProbeError, Tried, try_server};
use crate::turn::{IceServers, ServerUrl, Transport};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

/// An address outside, of those that are for documents (RFC 5737, RFC 3849): nothing is sent there.
const OUTSIDE: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// All of it. `running`: whether the gateway is, which has the media port then.
pub(super) async fn look(config: &Config, running: bool) -> Vec<Finding> {
    let calls = &config.calls;
    let mut findings = vec![port(calls.udp_listen, running)];
    let servers = calls.stun.iter().chain(&calls.turn_urls);
    let tried: Vec<_> = futures_util::future::join_all(servers.map(|url| ask(url, calls))).await;
    let seen_as: Vec<IpAddr> = tried.iter().filter_map(|(_, seen_as)| *seen_as).collect();
    findings.push(addresses(config, &own_addresses(), &seen_as));
    findings.extend(tried.into_iter().map(|(finding, _)| finding));
    findings
}

fn port(listen: SocketAddr, running: bool) -> Finding {
    let what = "media port";
    match UdpSocket::bind(listen) {
        Ok(_) if running && listen.port() == 0 => Finding::good(what, format!("any free UDP port of {}", listen.ip())),
        Ok(_) if running => Finding::bad(
            what,
            format!("a gateway runs, but nothing listens at UDP {listen}"),
            "look into its log: calls have no media like this",
        ),
        Ok(_) => Finding::good(what, format!("UDP {listen} is free (the gateway is not running)")),
        Err(why) if running && why.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::good(what, format!("UDP {listen} is in use, as it should be while the gateway runs"))
        }
        Err(why) => Finding::bad(
            what,
            format!("UDP {listen} cannot be used: {why}"),
            "set `calls.udp_listen` to an address of this machine and a free port",
        ),
    }
}

/// By which addresses this machine speaks to the outside, one for each version of IP that it has.
fn own_addresses() -> Vec<IpAddr> {
    let own = |outside: &&str| {
        let socket = UdpSocket::bind(if outside.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).ok()?;
        socket.connect(*outside).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    OUTSIDE.iter().filter_map(own).collect()
}

/// Whether callers are told of addresses by which they reach the media port.
fn addresses(config: &Config, own: &[IpAddr], seen_as: &[IpAddr]) -> Finding {
    let what = "media addresses";
    let Calls { external_ips, udp_listen, .. } = &config.calls;
    let host = config.server.public_url.authority().bare_host();
    let for_outside = host != "localhost" && host.parse::<IpAddr>().map_or(true, is_public);
    let advice = "set `calls.external_ips` to the public address of this machine or its router, and have UDP \
                  forwarded to it there";
    if let Some(odd) = external_ips.iter().find(|ip| ip.is_unspecified() || ip.is_multicast()) {
        return Finding::bad(what, format!("{odd} in `calls.external_ips` is nobody's address"), advice);
    }
    let mut told: Vec<IpAddr> = external_ips.clone();
    if told.is_empty() {
        told = if udp_listen.ip().is_unspecified() { own.to_vec() } else { vec![udp_listen.ip()] };
    }
    let shown = told.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if for_outside && !told.iter().any(|ip| is_public(*ip)) {
        let said = if shown.is_empty() {
            "callers are told of none".to_owned()
        } else {
            format!("callers from outside are told of {shown}, which is private")
        };
        return Finding::bad(what, said, advice);
    }
    let unknown = seen_as.iter().find(|ip| is_public(**ip) && !told.contains(ip) && same_kind(&told, **ip));
    if let Some(seen_as) = unknown {
        let said = format!("a server outside sees this machine as {seen_as}, but callers are told of {shown}");
        return Finding::bad(what, said, advice);
    }
    Finding::good(what, if shown.is_empty() { "those of this machine".to_owned() } else { shown })
}

/// Whether one of these is public and of the same version of IP: then that one should be it.
fn same_kind(told: &[IpAddr], seen_as: IpAddr) -> bool {
    told.iter().any(|ip| is_public(*ip) && ip.is_ipv4() == seen_as.is_ipv4())
}

/// Whether others on the internet can send there, as far as the address tells.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

/// Tries one server; also how it sees this machine's UDP.
async fn ask(url: &str, calls: &Calls) -> (Finding, Option<IpAddr>) {
    let what = format!("media server {url}");
    let server: ServerUrl = match url.parse() {
        Ok(server) => server,
        Err(why) => return (Finding::bad(&what, why, "correct the URL in `[calls]`"), None),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (username, password) = IceServers::of(calls).credentials("doctor", i64::try_from(now).unwrap_or(i64::MAX));
    match try_server(&server, (&username, &password)).await {
        Ok(tried) => {
            let seen_as = tried.seen_as.filter(|_| server.transport == Transport::Udp).map(|address| address.ip());
            (judge(&what, &server, &tried), seen_as)
        }
        Err(why) => (Finding::bad(&what, why.to_string(), advice_for(&why, &server)), None),
    }
}

/// Whether what a server gave is of use.
fn judge(what: &str, url: &ServerUrl, tried: &Tried) -> Finding {
    let seen_as = tried.seen_as.map(|address| format!(", sees this machine as {}", address.ip())).unwrap_or_default();
    match (url.relays, tried.relayed) {
        (false, _) => Finding::good(what, format!("answers{seen_as}")),
        (true, None) => Finding::bad(what, "takes the credentials, but relays nothing", "look into its log"),
        (true, Some(relayed)) if is_public(tried.server.ip()) && !is_public(relayed.ip()) => Finding::bad(
            what,
            format!("relays at {}, which nobody outside its own network reaches", relayed.ip()),
            "coturn is behind a NAT and does not know it: set its `external-ip` to PUBLIC/PRIVATE",
        ),
        (true, Some(relayed)) => Finding::good(what, format!("relays at {}{seen_as}", relayed.ip())),
    }
}

/// What a failure usually means.
fn advice_for(why: &ProbeError, url: &ServerUrl) -> String {
    let by = match url.transport {
        Transport::Udp => "UDP",
        Transport::Tcp | Transport::Tls => "TCP",
    };
    let port = url.port;
    match why {
        ProbeError::Name(_) => "correct the host in `[calls]`, or give it an A or AAAA record".to_owned(),
        ProbeError::Connect(..) | ProbeError::Silent(_) | ProbeError::Io(..) => format!(
            "start the server, or open {by} port {port} in its firewall (and in front of it: security groups, port \
             forwarding)"
        ),
        ProbeError::Tls(..) => {
            "its certificate must be valid for this name: look at `cert` and `pkey` of coturn".to_owned()
        }
        ProbeError::Nonsense(_) => format!("something else has {by} port {port} there: correct the URL in `[calls]`"),
        ProbeError::Refused { code: 401 | 441, .. } => {
            "`calls.turn.secret` must be coturn's `static-auth-secret`, coturn must have `use-auth-secret`, and both \
             clocks must be right"
                .to_owned()
        }
        ProbeError::Refused { code: 486, .. } => "coturn's `user-quota` or `total-quota` is used up".to_owned(),
        ProbeError::Refused { code: 508, .. } => {
            "coturn has no free port: widen `min-port` to `max-port`, and open them in its firewall".to_owned()
        }
        ProbeError::Refused { code: 442 | 440, .. } => "coturn has no relay for UDP over this version of IP".to_owned(),
        ProbeError::Refused { .. } | ProbeError::Write(_) => "look into the log of the server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use monster_testkit::Coturn;
    use std::collections::HashMap;

    fn config(url: &str, calls: &str) -> Config {
        let text = format!("[server]\npublic_url = \"{url}\"\n[calls]\n{calls}\n");
        let source = Source { path: "test.toml".into(), text };
        Config::read(Some(source), HashMap::new(), &crate::core::Registry::default()).unwrap()
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_that_callers_cannot_reach_are_found() {
        let outside = "https://gw.example.org";
        let fine = |calls: &str, own: &[&str], seen_as: &[&str]| {
            addresses(&config(outside, calls), &ips(own), &ips(seen_as)).ok
        };
        assert!(fine("", &["198.51.100.7"], &["198.51.100.7"]));
        assert!(!fine("", &["192.168.1.7"], &[]), "behind a NAT without external_ips");
        assert!(!fine("", &["100.64.0.1"], &[]), "behind a provider's NAT");
        assert!(fine(r#"external_ips = ["198.51.100.7"]"#, &["192.168.1.7"], &["198.51.100.7"]));
        assert!(!fine(r#"external_ips = ["198.51.100.7"]"#, &["192.168.1.7"], &["198.51.100.8"]), "an old address");
        assert!(!fine(r#"external_ips = ["10.0.0.1"]"#, &["198.51.100.7"], &[]));
        assert!(!fine(r#"external_ips = ["0.0.0.0"]"#, &["198.51.100.7"], &[]));
        assert!(!fine(r#"udp_listen = "127.0.0.1:7581""#, &["198.51.100.7"], &[]));
        assert!(addresses(&config("http://localhost:7580", ""), &ips(&["192.168.1.7"]), &[]).ok);
        assert!(addresses(&config("http://192.168.1.7:7580", ""), &ips(&["192.168.1.7"]), &[]).ok);
    }

    #[test]
    fn the_port_is_the_gateways_while_it_runs() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        assert!(!port(listen, false).ok);
        assert!(port(listen, true).ok);
        drop(taken);
        assert!(port(listen, false).ok);
        assert!(!port(listen, true).ok);
    }

    #[tokio::test]
    async fn coturn_is_tried_and_a_wrong_secret_is_explained() {
        let coturn = Coturn::start().await;
        let right = config("http://localhost:7580", &coturn.section());
        for url in coturn.urls() {
            let (finding, _) = ask(&url, &right.calls).await;
            assert!(finding.ok && finding.said.contains("relays at 127.0.0.1"), "{finding:?}");
        }
        let wrong = config("http://localhost:7580", &coturn.section().replace("a-secret", "another-secret"));
        for url in coturn.urls() {
            let (finding, _) = ask(&url, &wrong.calls).await;
            assert!(
                !finding.ok && finding.advice.as_ref().is_some_and(|it| it.contains("static-auth-secret")),
                "{finding:?}"
            );
            assert!(!format!("{finding:?}").contains("another-secret"), "{finding:?}");
        }
    }
}
