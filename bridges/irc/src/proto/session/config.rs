//! What a session needs to know before it begins.

use crate::proto::param::{Middle, Trailing};
use encoding_rs::Encoding;
use monster_bridge_api::Secret;
use std::time::Duration;

/// What a session needs to know before it begins.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The nick to have, and to take back when it is free again.
    pub nick: Middle,
    /// The user name (`~name` in what others see, without an ident answer).
    pub username: Middle,
    /// The real name.
    pub realname: Trailing,
    /// The server's password (`PASS`).
    pub password: Option<Secret>,
    /// Says for whom the connection is, to a server that trusts us with that.
    pub webirc: Option<Webirc>,
    /// Login by SASL.
    pub sasl: Option<SaslConfig>,
    /// Login by a service, where SASL is not configured, not offered or failed.
    pub nickserv: Option<NickServ>,
    /// True on a connection with TLS.
    pub secure: bool,
    /// What is not UTF-8 is read in this encoding.
    pub fallback: &'static Encoding,
    /// Mark ourselves as a program, where the server has a mode for it.
    pub bot: bool,
    /// Keep no list of who is in the channels where `MONITOR` can tell who is on the network: for one
    /// of many connections beside one that keeps it.
    pub lean: bool,
    /// How long to wait for what.
    pub timing: Timing,
    /// Random bytes: the nonce of SCRAM and the tokens of this session come from them.
    pub entropy: [u8; 24],
}

/// Says for whom a connection is (`WEBIRC`).
#[derive(Debug, Clone)]
pub struct Webirc {
    /// The password the server gave us.
    pub password: Secret,
    /// Our name as a gateway.
    pub gateway: Middle,
    /// The host the person comes from.
    pub host: Middle,
    /// The IP address the person comes from; a leading `:` is written as `0:`.
    pub ip: std::net::IpAddr,
}

/// Login by SASL.
#[derive(Debug, Clone)]
pub struct SaslConfig {
    /// What to log in with.
    pub credentials: Credentials,
    /// Without a login there is no session.
    pub required: bool,
}

/// What to log in with.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Account and password: SCRAM-SHA-256 where offered, else PLAIN (over TLS, or where
    /// `plain_without_tls`).
    Password {
        /// The account.
        account: String,
        /// Its password.
        password: Secret,
        /// Send the password readable for everybody on the way.
        plain_without_tls: bool,
    },
    /// The client certificate of the TLS connection.
    Certificate {
        /// The account, where the certificate alone does not tell.
        account: Option<String>,
    },
}

/// Login by a service.
#[derive(Debug, Clone)]
pub struct NickServ {
    /// The nick of the service.
    pub service: Middle,
    /// The account, where the nick alone does not tell.
    pub account: Option<Middle>,
    /// The password.
    pub password: Secret,
    /// Ask the service to free our nick when somebody has it (`REGAIN`).
    pub regain: bool,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// After this long without a line from the server, ask it whether it is there.
    pub quiet: Duration,
    /// So long may the answer to that, and to anything else that was written, take.
    pub answer: Duration,
    /// So long may the registration take.
    pub registration: Duration,
    /// So long may a request (`WHOIS`, `JOIN` …) take from when it was written.
    pub request: Duration,
    /// After this long, try again for the wanted nick; doubled each time, up to 32 times.
    pub regain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_mins(1),
            answer: Duration::from_secs(45),
            registration: Duration::from_mins(1),
            request: Duration::from_secs(30),
            regain: Duration::from_mins(1),
        }
    }
}
