//! `doctor`: tries what the configuration needs from this machine, and says what to do about each
//! failure. It changes nothing (but makes the data
//! directory if it is not there), and works whether the gateway runs or not.

#[cfg(feature = "caller")]
mod calls;
mod local;
mod media;
mod outside;

use super::failure::{Failure, Outcome};
use super::{office, print};
use crate::app::bridge_kinds;
use crate::config::{Config, Instance};
use clap::Args;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also call the echo through the public URL, directly and through each TURN server. The gateway
    /// must be running; an account called like you on this machine is made if it is not there.
    #[cfg(feature = "caller")]
    #[arg(long)]
    media: bool,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: String,
    /// Whether it is as it should be.
    ok: bool,
    /// How it is.
    said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn good(what: &str, said: impl Into<String>) -> Self {
        Self { what: what.to_owned(), ok: true, said: said.into(), advice: None }
    }

    fn bad(what: &str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.to_owned(), ok: false, said: said.into(), advice: Some(advice.into()) }
    }

    fn show(&self) -> String {
        let mark = if self.ok { "ok  " } else { "FAIL" };
        let advice = self.advice.as_deref().map(|advice| format!("\n       {advice}")).unwrap_or_default();
        format!("{mark}   {}: {}{advice}", self.what, self.said)
    }
}

impl Doctor {
    pub(super) async fn run(self, file: Option<&Path>) -> Outcome {
        let config = office::load(file)?;
        crate::app::install_crypto();
        let mut findings = vec![configuration(&config)];
        findings.extend(local::look(&config));
        let running = local::is_running(&config);
        findings.extend(outside::look(&config, running).await);
        findings.extend(media::look(&config, running).await);
        let bridges = config.bridges.iter().map(|instance| diagnose(instance, &config));
        findings.extend(futures_util::future::join_all(bridges).await.into_iter().flatten());
        #[cfg(feature = "caller")]
        if self.media {
            findings.extend(calls::look(file, &config).await);
        }
        self.tell(&findings)
    }

    fn tell(&self, findings: &[Finding]) -> Outcome {
        let bad = findings.iter().filter(|finding| !finding.ok).count();
        if self.json {
            print::json(findings)?;
        } else {
            for finding in findings {
                print::line(&finding.show())?;
            }
        }
        match bad {
            0 => Ok(()),
            1 => Err(Failure::unavailable("one thing needs attention")),
            n => Err(Failure::unavailable(format!("{n} things need attention"))),
        }
    }
}

fn configuration(config: &Config) -> Finding {
    let from = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    Finding::good("configuration", from)
}

/// What a bridge says about its own section.
async fn diagnose(instance: &Instance, config: &Config) -> Vec<Finding> {
    let what = format!("bridge {}", instance.name);
    let advice = format!("look at [bridges.{}]; its server may also be down", instance.name);
    let bridge = match instance.build(&bridge_kinds(), &config.server) {
        Ok(bridge) => bridge,
        Err(why) => return vec![Finding::bad(&what, why.to_string(), advice)],
    };
    match tokio::time::timeout(PATIENCE, bridge.diagnose()).await {
        Err(_) => vec![Finding::bad(&what, format!("no result within {} s", PATIENCE.as_secs()), advice)],
        Ok(lines) if lines.is_empty() => vec![Finding::good(&what, "nothing to check")],
        Ok(lines) => {
            let finding = |line| match line {
                Ok(said) => Finding::good(&what, said),
                Err(said) => Finding::bad(&what, said, &advice),
            };
            lines.into_iter().map(finding).collect()
        }
    }
}
