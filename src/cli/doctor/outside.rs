//! How others see the gateway: its name, its URL, its certificate, and whether check tokens can be
//! redeemed there.

use super::Finding;
use crate::config::Config;
use axum::Router;
use axum::routing::get;
use reqwest::{Client, StatusCode};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// All of it. `running` says whether the gateway itself answers; otherwise a stand-in does meanwhile.
pub(super) async fn look(config: &Config, running: bool) -> Vec<Finding> {
    let url = &config.server.public_url;
    let mut findings = vec![security(config), name(config).await];
    let stand_in = if running { None } else { StandIn::start(config).await };
    if !running && stand_in.is_none() {
        let said = "not tried, as nothing can listen where the gateway should";
        findings.push(Finding::bad("public URL", said, "see the listener above"));
        return findings;
    }
    let expected = stand_in.as_ref().map(|stand_in| stand_in.token.clone());
    findings.push(round_trip(url.as_str(), expected.as_deref(), config).await);
    findings
}

fn security(config: &Config) -> Finding {
    let what = "encryption";
    let host = config.server.public_url.authority().bare_host();
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if config.server.public_url.is_secure() || local {
        return Finding::good(
            what,
            if local { "not needed, the gateway is for this machine" } else { "https and wss" },
        );
    }
    Finding::bad(
        what,
        format!(
            "{} is not encrypted: anybody on the way can read messages and tokens",
            config.server.public_url.as_str()
        ),
        "put a reverse proxy with a certificate in front, and set `server.public_url` to its https URL",
    )
}

async fn name(config: &Config) -> Finding {
    let what = "name";
    let authority = config.server.public_url.authority();
    let port = authority.port_or_default(config.server.public_url.is_secure());
    match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((authority.bare_host(), port))).await {
        Ok(Ok(found)) => {
            let mut found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            found.dedup();
            if !found.is_empty() {
                return Finding::good(what, format!("{} is {}", authority.host(), found.join(", ")));
            }
            Finding::bad(what, format!("{} has no address", authority.host()), advice_for_name())
        }
        Ok(Err(why)) => Finding::bad(what, format!("{} is not known: {why}", authority.host()), advice_for_name()),
        Err(_) => Finding::bad(what, "the resolver does not answer", "check the network and /etc/resolv.conf"),
    }
}

fn advice_for_name() -> &'static str {
    "add an A or AAAA record for it, or correct `server.public_url`"
}

/// Asks for a check token at the public URL, as another server would.
async fn round_trip(url: &str, expected: Option<&str>, config: &Config) -> Finding {
    let what = "public URL";
    let advice = format!(
        "requests to {url} must reach {}: look at the reverse proxy, port forwarding and firewall, and at \
         `server.public_url`",
        config.server.listen
    );
    let client = Client::builder().no_proxy().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(why) => return Finding::bad(what, why.to_string(), advice),
    };
    let token = expected.unwrap_or("doctor");
    let answer = match client.get(format!("{url}/check/{token}")).send().await {
        Ok(answer) => answer,
        Err(why) => return Finding::bad(what, format!("{url} cannot be reached: {}", reason(&why)), advice),
    };
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    match expected {
        Some(token) if status == StatusCode::OK && text == token => {
            Finding::good(what, format!("{url} leads here, and check tokens can be redeemed"))
        }
        None if status == StatusCode::NOT_FOUND && text.contains("there is no such token") => {
            Finding::good(what, format!("{url} leads to a gateway that answers for check tokens"))
        }
        _ => Finding::bad(what, format!("{url} leads to something else (it answered {status})"), advice),
    }
}

/// The innermost cause, which is the one that says something.
fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Answers for one token where the gateway would listen, until it is dropped.
struct StandIn {
    token: String,
    task: tokio::task::JoinHandle<()>,
}

impl StandIn {
    async fn start(config: &Config) -> Option<Self> {
        let listener = TcpListener::bind(config.server.listen).await.ok()?;
        let token = format!("doctor-{:032x}", rand::random::<u128>());
        let answer = token.clone();
        let router = Router::new().route(&format!("/check/{token}"), get(async move || answer));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::debug!(%error, "the stand-in ended");
            }
        });
        Some(Self { token, task })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}
