//! As whom connections register: the bot as the configuration says, puppets as the people they are.

use crate::config::{Config, Mechanism};
use crate::nick;
use crate::people::Person;
use crate::proto::session::{Credentials, NickServ, SaslConfig, Timing, Webirc};
use crate::proto::{Middle, SessionConfig, Trailing};
use monster_bridge_api::{PersonaId, Scope};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The service that knows nicks, where there is one.
const NICKSERV: &str = "NickServ";

/// As the bot.
pub(crate) fn bot(config: &Config, scope: &Scope, secure: bool) -> Result<SessionConfig, String> {
    let realname = config.realname.clone().unwrap_or_else(|| format!("gateway of {}", scope.public_host));
    let mut session = plain(config, &config.nick, &config.username, &realname, secure)?;
    session.bot = true;
    session.sasl = config.sasl.as_ref().map(|sasl| SaslConfig {
        credentials: match (sasl.mechanism, &sasl.password) {
            (Mechanism::External, _) | (_, None) => {
                Credentials::Certificate { account: Some(sasl.user.clone()).filter(|user| !user.is_empty()) }
            }
            (Mechanism::Plain, Some(password)) => Credentials::Password {
                account: sasl.user.clone(),
                password: password.clone(),
                plain_without_tls: true,
            },
            (Mechanism::ScramSha256, Some(password)) => Credentials::Password {
                account: sasl.user.clone(),
                password: password.clone(),
                plain_without_tls: false,
            },
        },
        required: true,
    });
    session.nickserv = match config.nickserv.as_ref().and_then(|service| service.password.clone()) {
        Some(password) => Some(NickServ { service: middle(NICKSERV)?, account: None, password, regain: true }),
        None => None,
    };
    Ok(session)
}

/// As somebody's puppet.
pub(crate) fn puppet(
    config: &Config,
    person: &Person,
    longest_nick: usize,
    secure: bool,
) -> Result<SessionConfig, String> {
    let nick = person.wanted_nick(&config.puppets.nick_template, longest_nick);
    let realname = format!("{} ({})", person.author.name, person.author.id);
    let mut session = plain(config, &nick, &nick::user_of(&nick), &realname, secure)?;
    // The bot keeps the lists of members; a thousand puppets need not keep a thousand copies.
    session.lean = true;
    session.webirc = match &config.webirc {
        Some(webirc) => webirc.password.as_ref().map(|password| {
            Ok::<_, String>(Webirc {
                password: password.clone(),
                gateway: middle(&webirc.gateway)?,
                host: middle(&host_of(&person.author.id))?,
                ip: address_of(&person.author.id),
            })
        }),
        None => None,
    }
    .transpose()?;
    Ok(session)
}

fn plain(config: &Config, nick: &str, user: &str, realname: &str, secure: bool) -> Result<SessionConfig, String> {
    Ok(SessionConfig {
        nick: middle(nick)?,
        username: middle(user)?,
        realname: Trailing::one_line(realname),
        password: config.password.clone(),
        webirc: None,
        sasl: None,
        nickserv: None,
        secure,
        fallback: encoding_rs::Encoding::for_label(config.fallback_encoding.as_bytes())
            .unwrap_or(encoding_rs::WINDOWS_1252),
        bot: false,
        lean: false,
        timing: Timing {
            quiet: config.keepalive(),
            answer: config.ack_timeout(),
            request: config.ack_timeout(),
            ..Timing::default()
        },
        entropy: rand::random(),
    })
}

fn middle(text: &str) -> Result<Middle, String> {
    Middle::new(text).map_err(|why| format!("`{text}` cannot be sent: {why}"))
}

/// A host name that tells people apart for the server, made of their address: letters, digits,
/// dots and dashes.
fn host_of(persona: &PersonaId) -> String {
    let mut host: String = persona
        .as_str()
        .trim_start_matches('@')
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c.to_ascii_lowercase() } else { '.' })
        .take(60)
        .collect();
    while host.contains("..") {
        host = host.replace("..", ".");
    }
    let host = host.trim_matches(['.', '-']);
    match host {
        "" => "guest.invalid".to_owned(),
        host if host.contains('.') => host.to_owned(),
        host => format!("{host}.invalid"),
    }
}

/// An IP address that tells people apart for the server, where it trusts us with that (WEBIRC):
/// theirs is not known here, so each gets one of a private range (RFC 4193), always the same.
fn address_of(persona: &PersonaId) -> IpAddr {
    // FNV-1a: the same for ever, which the standard library's hashes do not promise.
    let hash = persona.as_str().bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let local = 0xfd_u128 << 120;
    IpAddr::V6(Ipv6Addr::from(local | (hash >> 8)))
}

/// How long a connection may take in all, from the turn to the end of registration.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_behind_a_trusted_gateway_have_hosts_and_addresses_of_their_own() {
        let (a, b) = (PersonaId::new("@alice:gw.example"), PersonaId::new("@alice:m:evil_example:80"));
        assert_eq!(host_of(&a), "alice.gw.example");
        assert_eq!(host_of(&b), "alice.m.evil.example.80");
        assert_eq!(host_of(&PersonaId::new("@王")), "guest.invalid");
        assert_eq!(address_of(&a), address_of(&a));
        assert_ne!(address_of(&a), address_of(&b));
        assert!(address_of(&a).to_string().starts_with("fd"));
    }
}
