//! Trying out, for `doctor`, whether the configuration can work from this machine: the connection, the
//! handshake, and the way there and back. Leaves again at once.

use crate::config::{Config, Mode};
use crate::session::{OpenError, Session};

/// What works, and what does not, one line each.
pub(crate) async fn diagnose(config: &Config) -> Vec<Result<String, String>> {
    let (host, port) = config.host_port();
    let (session, _heard) = match Session::open(config).await {
        Ok(opened) => opened,
        Err(why) => return vec![without_session(config, &why)],
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

/// What it means that there is no session, and what to do.
fn without_session(config: &Config, why: &OpenError) -> Result<String, String> {
    let ((host, port), address) = (config.host_port(), config.address());
    let component = config.mode == Mode::Component;
    let advice = match why {
        // The secret was right: servers look at it first.
        OpenError::Refused { condition, .. } if component && condition == "conflict" => {
            return Ok(format!(
                "{host}:{port} knows `{address}`, which is connected already, as it should be while the gateway runs"
            ));
        }
        OpenError::Unreached(_) if component => "check `server`, and that the server listens there for components",
        OpenError::Unreached(_) => "check `server`",
        OpenError::Refused { condition, .. } if component && condition == "not-authorized" => {
            "`secret` or `domain` is not what the server's configuration gives the component"
        }
        OpenError::Refused { condition, .. }
            if component && matches!(condition.as_str(), "host-unknown" | "invalid-namespace") =>
        {
            "the server's configuration needs a component of this `domain`, and `server` is to be its port for \
             components, not that for clients"
        }
        _ if component => "the server's configuration needs a component of this domain with this secret",
        _ => "check `account` and `password`",
    };
    Err(format!("{host}:{port} does not take `{address}`: {why}; {advice}"))
}
