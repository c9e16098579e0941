//! The sections that every gateway has, with their keys, defaults and limits. (The sections of
//! bridges are in `bridges`, since each kind of bridge has keys of its own.)

use super::layers::Reader;
use super::section::section;
use super::setting::{LogFormat, PublicUrl, Secret};
use crate::outbound::Allow;
use crate::turn::ServerUrl;
use ipnet::IpNet;
use monster_media::Codec;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

section! {
    /// Where the gateway listens, and what it is called from outside.
    pub struct Server: "server" {
        /// The address and port of the one listener for HTTP and WebSockets.
        "listen" => listen: SocketAddr = "\"127.0.0.1:7580\"",
        /// The URL by which others reach that listener. Its host and port are the host of every
        /// address on this gateway, so it must not change once people have these addresses.
        "public_url" => public_url: PublicUrl = "\"http://localhost:7580\"",
        /// Where everything that must be kept is kept. A relative path starts at the directory the
        /// gateway is started in.
        "data_dir" => data_dir: PathBuf = "\"data\"",
        /// Reverse proxies in front of the gateway, as networks: their `X-Forwarded-For` is believed,
        /// so that limits count the people behind them.
        "trusted_proxies" => trusted_proxies: Vec<IpNet> = "[]",
        /// A directory from which the web client is served instead of the one within the program: for
        /// those who work on it. Empty for the one within.
        "web_dir" => web_dir: String = "\"\"",
        /// How long a connection may take to send the head of a request, in seconds.
        "header_seconds" => header_seconds: u64 = "10",
        /// How long what is in flight may take when the gateway is told to stop, in seconds.
        "stop_seconds" => stop_seconds: u64 = "10",
    }
}

impl Server {
    fn check(&self, reader: &mut Reader) {
        at_least(reader, "server.header_seconds", self.header_seconds, 1);
        if self.stop_seconds > 300 {
            reader.complain("server.stop_seconds", "expected at most 300");
        }
    }
}

section! {
    /// How the gateway knows who is speaking, and which hosts it may reach for that.
    pub struct Identity: "identity" {
        /// Whether check URLs must be `https` and other gateways are reached by `wss` only.
        "require_tls" => require_tls: bool = "false",
        /// Hosts that check URLs and dials may reach although they are private: `host`,
        /// `host:port`, an IP address or a network, e.g. `["localhost:9090", "10.0.0.0/8"]`.
        "allow_private" => allow_private: Vec<String> = "[]",
        /// Hosts that are reached by `wss` although their port is not 443: `host` or `host:port`.
        "wss_hosts" => wss_hosts: Vec<String> = "[]",
    }
}

impl Identity {
    fn check(&self, reader: &mut Reader) {
        for why in self.allow_private.iter().filter_map(|entry| entry.parse::<Allow>().err()) {
            reader.complain("identity.allow_private", why.to_string());
        }
        for host in self.wss_hosts.iter().filter(|host| !is_host(host)) {
            reader.complain("identity.wss_hosts", format!("`{host}` is not a host (with or without port)"));
        }
    }
}

section! {
    /// Voice and video.
    pub struct Calls: "calls" {
        /// Whether there are calls.
        "enabled" => enabled: bool = "true",
        /// The address and port of the one UDP port for media.
        "udp_listen" => udp_listen: SocketAddr = "\"0.0.0.0:7581\"",
        /// The address and port for media over TCP, for those whose network lets no UDP out; empty for
        /// none. It may be the same port as for UDP.
        "tcp_listen" => tcp_listen: Option<SocketAddr> = "\"\"",
        /// The addresses that are told to others, when the gateway is behind NAT.
        "external_ips" => external_ips: Vec<IpAddr> = "[]",
        /// STUN servers, e.g. `["stun:stun.example.org:3478"]`.
        "stun" => stun: Vec<String> = "[]",
        /// TURN servers, e.g. `["turn:turn.example.org:3478?transport=udp"]`.
        "turn.urls" => turn_urls: Vec<String> = "[]",
        /// The secret shared with the TURN servers (`static-auth-secret` of coturn).
        "turn.secret" => turn_secret: Secret = "\"\"",
        /// For how long credentials for the TURN servers are good, in seconds. A call needs them when
        /// it begins and when it finds a new way, not all the time.
        "turn.ttl_seconds" => turn_ttl_seconds: u64 = "14400",
        /// What may be spoken and shown in, in the order of preference; nothing is transcoded. Known:
        /// opus, G722, PCMU, PCMA, telephone-event, CN, VP8, VP9, H264, AV1.
        "codecs" => codecs: Vec<String> = "[\"opus\", \"G722\", \"PCMU\", \"PCMA\", \"telephone-event\", \"CN\", \"VP8\", \"VP9\", \"H264\", \"AV1\"]",
        /// How long it rings before nobody has answered, in seconds.
        "ring_seconds" => ring_seconds: u64 = "60",
        /// The same for a call that was announced by a link, as on IRC, in seconds.
        "link_seconds" => link_seconds: u64 = "180",
        /// Calls at the same time, all together.
        "max_calls" => max_calls: usize = "1000",
        /// Calls at the same time that one account or user may be in.
        "max_calls_per_account" => max_calls_per_account: usize = "5",
    }
}

impl Calls {
    fn check(&self, reader: &mut Reader) {
        for (key, urls, relays) in [("calls.stun", &self.stun, false), ("calls.turn.urls", &self.turn_urls, true)] {
            for url in urls {
                match url.parse::<ServerUrl>() {
                    Err(why) => reader.complain(key, why),
                    Ok(server) if server.relays != relays => {
                        reader.complain(key, format!("`{url}` belongs into the list of the other kind of servers"));
                    }
                    Ok(_) => {}
                }
            }
        }
        if !self.turn_urls.is_empty() && self.turn_secret.is_empty() {
            reader.complain("calls.turn.secret", "expected the secret of the servers in `calls.turn.urls`");
        }
        at_least(reader, "calls.turn.ttl_seconds", self.turn_ttl_seconds, 60);
        at_least(reader, "calls.ring_seconds", self.ring_seconds, 5);
        at_least(reader, "calls.link_seconds", self.link_seconds, 5);
        at_least(reader, "calls.max_calls", self.max_calls as u64, 1);
        at_least(reader, "calls.max_calls_per_account", self.max_calls_per_account as u64, 1);
        for name in self.codecs.iter().filter(|name| Codec::named(name).is_none()) {
            reader.complain("calls.codecs", format!("`{name}` is not a codec that is known here"));
        }
        if self.codecs.is_empty() {
            reader.complain("calls.codecs", "expected one codec at least");
        }
    }
}

section! {
    /// What one account, and one address of origin, may cost. Generous: they stop floods, not people.
    pub struct Limits: "limits" {
        /// Whether there are any. The size of frames is limited in any case.
        "enabled" => enabled: bool = "true",
        /// Frames a second that an account may send, all its sockets together.
        "frames_per_second" => frames_per_second: u32 = "50",
        /// Frames that an account may send at once, before the rate counts.
        "frames_burst" => frames_burst: u32 = "200",
        /// The size of a frame, in bytes; a larger one closes the socket with 1009.
        "frame_bytes" => frame_bytes: usize = "262144",
        /// Sockets that are open at the same time, all together.
        "sockets" => sockets: usize = "50000",
        /// Sockets from one address of origin (of IPv6, from one /64) that are open at the same time.
        "sockets_per_origin" => sockets_per_origin: usize = "1000",
        /// Sockets that one address of origin may open a second.
        "upgrades_per_second" => upgrades_per_second: u32 = "100",
        /// How long a socket of somebody unknown may say nothing before it is closed, in seconds.
        "anonymous_idle_seconds" => anonymous_idle_seconds: u64 = "60",
    }
}

impl Limits {
    fn check(&self, reader: &mut Reader) {
        at_least(reader, "limits.frames_per_second", u64::from(self.frames_per_second), 1);
        at_least(reader, "limits.frames_burst", u64::from(self.frames_burst), 1);
        at_least(reader, "limits.frame_bytes", self.frame_bytes as u64, 4096);
        at_least(reader, "limits.sockets", self.sockets as u64, 1);
        at_least(reader, "limits.sockets_per_origin", self.sockets_per_origin as u64, 1);
        at_least(reader, "limits.upgrades_per_second", u64::from(self.upgrades_per_second), 1);
        at_least(reader, "limits.anonymous_idle_seconds", self.anonymous_idle_seconds, 5);
        if self.frame_bytes > 16 << 20 {
            reader.complain("limits.frame_bytes", "expected at most 16777216 (16 MiB)");
        }
    }
}

section! {
    /// Messages that cannot be delivered at once, and how long messages are kept.
    pub struct Delivery: "delivery" {
        /// For how many days an undeliverable message is tried again before its sender is told.
        "keep_days" => keep_days: u32 = "7",
        /// For how many days delivered messages are kept, so that edits, replies and repetitions of
        /// them are understood.
        "retention_days" => retention_days: u32 = "30",
    }
}

impl Delivery {
    fn check(&self, reader: &mut Reader) {
        at_least(reader, "delivery.keep_days", u64::from(self.keep_days), 1);
        at_least(reader, "delivery.retention_days", u64::from(self.retention_days), 1);
    }
}

section! {
    /// Files of bridged networks: people elsewhere get them by links below `/media/`, which the gateway
    /// hands out without keeping them.
    pub struct Media: "media" {
        /// The most bytes of a file that is handed out.
        "max_bytes" => max_bytes: u64 = "52428800",
        /// For how many days a link to a file is good.
        "link_days" => link_days: u32 = "7",
        /// The most bytes of a file that an account sends; 0 for none at all.
        "upload_bytes" => upload_bytes: u64 = "26214400",
        /// The most bytes of all files of an account together. They go when their links end.
        "upload_quota" => upload_quota: u64 = "262144000",
        /// Files that are handed out at the same time, all together.
        "downloads" => downloads: usize = "200",
    }
}

impl Media {
    fn check(&self, reader: &mut Reader) {
        at_least(reader, "media.max_bytes", self.max_bytes, 1);
        at_least(reader, "media.link_days", u64::from(self.link_days), 1);
        at_least(reader, "media.downloads", self.downloads as u64, 1);
        if self.link_days > 3650 {
            reader.complain("media.link_days", "expected at most 3650");
        }
    }
}

section! {
    /// What the gateway says about itself on its standard error.
    pub struct Log: "log" {
        /// What is said: a level (`error`, `warn`, `info`, `debug`, `trace`), also per part, e.g.
        /// `info,monster_gateway::core=debug`. Only `trace` shows what people write.
        "filter" => filter: String = "\"info\"",
        /// `human` for people, `json` for one object a line.
        "format" => format: LogFormat = "\"human\"",
    }
}

impl Log {
    fn check(&self, reader: &mut Reader) {
        if let Err(why) = tracing_subscriber::EnvFilter::try_new(&self.filter) {
            reader.complain("log.filter", format!("expected a log filter such as `info`: {why}"));
        }
    }
}

section! {
    /// Figures for Prometheus, at `/metrics`.
    pub struct Metrics: "metrics" {
        /// Whether `/metrics` answers.
        "enabled" => enabled: bool = "true",
        /// What a reader must send as bearer token; empty for nothing.
        "token" => token: Secret = "\"\"",
    }
}

impl Metrics {
    #[expect(clippy::unused_self, reason = "every section is checked in the same way; here the types see it all")]
    fn check(&self, _: &mut Reader) {}
}

fn at_least(reader: &mut Reader, key: &str, number: u64, least: u64) {
    if number < least {
        reader.complain(key, format!("expected at least {least}, not {number}"));
    }
}

/// Whether it is a host or IP address, with or without a port.
fn is_host(text: &str) -> bool {
    if text.is_empty() || text.contains(['/', '@', '?', '#']) {
        return false;
    }
    text.parse::<IpAddr>().is_ok()
        || url::Url::parse(&format!("http://{text}/")).is_ok_and(|url| url.host().is_some() && url.path() == "/")
}
