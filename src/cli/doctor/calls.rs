//! `doctor --media`: calls the echo as a caller from outside would, through the public URL, directly
//! and through each TURN server, and says which way of media fails and what that usually means. Whether
//! the servers answer at all is `media`'s.

use super::Finding;
use crate::cli::call::without_media;
use crate::cli::home::{self, Home, Link};
use crate::config::Config;
use crate::core::Environment;
use crate::turn::{IceServers, ServerUrl, Transport};
use monster_caller::{CallError, IceServer, Options, Report};
use monster_protocol::Address;
use std::path::Path;
use std::time::Duration;

/// How long the echo is listened to, from its first packet on.
const LISTEN: Duration = Duration::from_secs(3);
/// How long the echo may take to answer; it does so at once.
const ANSWER: Duration = Duration::from_secs(15);
/// Loss from which on a way counts as bad, in percent.
const LOSS: f64 = 5.0;

/// A way of media.
enum Way<'a> {
    Direct,
    Relay(&'a str),
}

/// Calls over every way.
pub(super) async fn look(file: Option<&Path>, config: &Config) -> Vec<Finding> {
    let what = "a call to the echo";
    let Some(echo) = echo(config) else {
        return vec![Finding::bad(
            what,
            "there is no bridge of kind `echo` to call",
            "add `[bridges.echo]` with kind = \"echo\"",
        )];
    };
    let advice = "run this as the user the gateway runs as";
    let home = match home::find(file, None).await {
        Ok(home) => home.through(&config.server.public_url),
        Err(why) => return vec![Finding::bad(what, why.line(), advice)],
    };
    let mut findings = vec![call(&home, &echo, config, &Way::Direct, Vec::new()).await];
    let now = Environment::system().clock.now_ms();
    let (user, password) = IceServers::of(&config.calls).credentials("doctor", now);
    for url in &config.calls.turn_urls {
        let over = url.parse::<ServerUrl>().map(|server| server.transport);
        findings.push(match over {
            Ok(Transport::Udp) => {
                let server = IceServer { url: url.clone(), user: user.clone(), password: password.clone() };
                call(&home, &echo, config, &Way::Relay(url), vec![server]).await
            }
            _ => Finding::good(
                &name(&Way::Relay(url)),
                "not tried: the caller reaches TURN servers over UDP only, browsers this one too",
            ),
        });
    }
    findings
}

/// The address of the echo, if there is one.
fn echo(config: &Config) -> Option<Address> {
    let instance = config.bridges.iter().find(|instance| instance.kind == "echo")?;
    format!("@echo:{}:{}", instance.name, config.server.public_url.authority()).parse().ok()
}

fn name(way: &Way<'_>) -> String {
    match way {
        Way::Direct => "a call to the echo, directly".to_owned(),
        Way::Relay(url) => format!("a call to the echo, through {url}"),
    }
}

async fn call(home: &Home, echo: &Address, config: &Config, way: &Way<'_>, servers: Vec<IceServer>) -> Finding {
    let what = name(way);
    let mut link = match Link::open(home).await {
        Ok(link) => link,
        Err(why) => return Finding::bad(&what, why.line(), "without the public URL nobody can call; see above"),
    };
    let options = Options {
        relay_only: matches!(way, Way::Relay(_)),
        loopback: home.is_here(),
        ice_servers: servers,
        ring: ANSWER,
        talk: Some(LISTEN),
        ..Options::default()
    };
    let called = monster_caller::call(&mut link, echo, &options, &mut |_| ()).await;
    link.close().await;
    judge(&what, way, called, config)
}

fn judge(what: &str, way: &Way<'_>, called: Result<Report, CallError>, config: &Config) -> Finding {
    let report = match called {
        Ok(report) => report,
        Err(why) => {
            return Finding::bad(
                what,
                why.to_string(),
                "the call was not even begun: this is not about media; look at the gateway's log",
            );
        }
    };
    if !report.media_came() {
        return Finding::bad(what, without_media(&report), advice(way, config));
    }
    let audio = report.audio.unwrap_or_default();
    let trip = report.round_trip_ms.map(|ms| format!(", round trip {ms:.1} ms")).unwrap_or_default();
    let said = format!(
        "media {:.0} ms after the offer; {} packets came back, {:.1} % lost, jitter {:.1} ms{trip}",
        report.setup_ms.unwrap_or_default(),
        audio.received,
        audio.lost_percent,
        audio.jitter_ms
    );
    if audio.lost_percent > LOSS {
        return Finding::bad(
            what,
            said,
            "the network between here and there loses packets, or the machine is overloaded",
        );
    }
    Finding::good(what, said)
}

/// What it usually means that no media comes over this way.
fn advice(way: &Way<'_>, config: &Config) -> String {
    match way {
        Way::Direct => format!(
            "UDP to {} does not arrive, or its answers do not: open the port in the firewall (and publish it, in a \
             container), and behind NAT put the address that the machine has outside into calls.external_ips",
            config.calls.udp_listen
        ),
        Way::Relay(_) => "the TURN server cannot exchange packets with the gateway: let it relay to the gateway's \
                          address (denied-peer-ip and allowed-peer-ip of coturn), open its relay ports (min-port to \
                          max-port, UDP), and set its external-ip behind NAT; with a wrong secret, it refuses at once"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_caller::End;

    fn report(end: End) -> Report {
        Report::unbegun("@echo:echo:host", end)
    }

    #[test]
    fn a_way_without_media_is_told_with_what_to_look_at() {
        let config = Config::load(None, &crate::app::bridge_kinds()).unwrap();
        let direct = judge("x", &Way::Direct, Ok(report(End::NoMedia)), &config);
        assert!(!direct.ok && direct.advice.unwrap().contains("calls.external_ips"));
        let relay = judge("x", &Way::Relay("turn:a"), Ok(report(End::NoPath)), &config);
        assert!(relay.advice.unwrap().contains("external-ip"));
        let refused = judge("x", &Way::Direct, Err(CallError::Refused("no".to_owned())), &config);
        assert!(refused.advice.unwrap().contains("not about media"));
    }
}
