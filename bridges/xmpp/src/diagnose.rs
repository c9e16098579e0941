//! Trying out, for `doctor`, whether the configuration can work from this machine: the connection, the
//! handshake, and the way there and back. Leaves again at once.

use crate::config::Config;
use crate::session::Session;

/// What works, and what does not, one line each.
pub(crate) async fn diagnose(config: &Config) -> Vec<Result<String, String>> {
    let (host, port) = config.host_port();
    let (session, _heard) = match Session::open(config).await {
        Ok(opened) => opened,
        Err(why) => {
            let hint = "the server's configuration needs a component of this domain with this secret";
            return vec![Err(format!("{host}:{port} does not take `{}`: {why}; {hint}", config.address()))];
        }
    };
    let mut findings = vec![Ok(format!("{host}:{port} takes this gateway as `{}`", config.address()))];
    findings.push(match session.passed().await {
        Ok(()) => Ok(format!("stanzas to `{}` come back", config.address())),
        Err(_) => {
            Err(format!("stanzas to `{}` do not come back: does the server know the component?", config.address()))
        }
    });
    session.close().await;
    findings
}
