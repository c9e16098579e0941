//! Trying out, for `doctor`, whether the configuration can work from this machine: the name, TCP,
//! TLS, registration, login. Leaves again at once.

use crate::conn::{Conn, Opening};
use crate::identity;
use crate::instance::Instance;
use crate::proto::Event;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long registration may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// What works, and what does not, one line each.
pub(crate) async fn diagnose(instance: &Instance) -> Vec<Result<String, String>> {
    let mut findings = Vec::new();
    if let Err(failed) = try_out(instance, &mut findings).await {
        findings.push(Err(failed));
    }
    findings
}

async fn try_out(instance: &Instance, findings: &mut Vec<Result<String, String>>) -> Result<(), String> {
    let (dialer, host) = (&instance.dialer, instance.dialer.host());
    let addresses = dialer.resolve().await.map_err(|error| error.to_string())?;
    findings.push(Ok(format!("{host} has {} address(es)", addresses.len())));
    let (stream, _) = dialer.connect(&addresses, None).await.map_err(|error| error.to_string())?;
    findings.push(Ok(format!("{} accepts connections", dialer.server())));
    if dialer.is_secure() {
        drop(dialer.secure(stream, true).await.map_err(|error| error.to_string())?);
        findings.push(Ok(format!("TLS with {host} works")));
    }
    register(instance, findings).await
}

async fn register(instance: &Instance, findings: &mut Vec<Result<String, String>>) -> Result<(), String> {
    let session = identity::bot(&instance.config, &instance.scope, instance.dialer.is_secure())?;
    let (events, mut told) = mpsc::channel(64);
    let opening = Opening {
        dialer: &instance.dialer,
        ident: None,
        session,
        flood: instance.config.flood,
        with_certificate: true,
        events,
    };
    let opened = tokio::time::timeout(PATIENCE, Conn::open(opening)).await;
    let conn = opened
        .map_err(|_| format!("registration took longer than {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    findings.push(Ok(format!("registered as {}", conn.nick())));
    while let Ok(event) = told.try_recv() {
        match event {
            Event::LoggedIn { account } => findings.push(Ok(format!("logged in as {account}"))),
            Event::LoginFailed { why } => findings.push(Err(format!("the login failed: {why}"))),
            _ => {}
        }
    }
    conn.quit("only trying out").await;
    Ok(())
}
