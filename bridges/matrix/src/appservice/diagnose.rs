//! Trying out, for `doctor`, whether the configuration can work from this machine.

use super::instance::Instance;
use super::run::{ping, token_advice};
use crate::client::{Ask, Failure};
use crate::map::text_at;
use reqwest::Method;
use serde_json::Value;

/// What works, and what does not, one line each.
pub(crate) async fn diagnose(instance: &Instance) -> Vec<Result<String, String>> {
    let mut findings = Vec::new();
    if let Err(failed) = try_out(instance, &mut findings).await {
        findings.push(Err(failed));
    }
    findings
}

async fn try_out(instance: &Instance, findings: &mut Vec<Result<String, String>>) -> Result<(), String> {
    let client = instance.client()?;
    let homeserver = &instance.config.homeserver;
    let versions = client.ask(Ask::at(Method::GET, "/_matrix/client/versions", &[])).await;
    let versions = versions.map_err(|failure| match failure {
        // Some servers look at the token here already.
        Failure::Refused { status: 401, .. } => token_advice(&failure),
        failure => {
            format!("no homeserver answers at {homeserver}: check `homeserver`, the URL that clients use ({failure})")
        }
    })?;
    let newest = versions.get("versions").and_then(Value::as_array).and_then(|all| all.last()?.as_str());
    let Some(newest) = newest else {
        return Err(format!("what answers at {homeserver} is no homeserver: check `homeserver`"));
    };
    findings.push(Ok(format!("{homeserver} is a homeserver (Matrix {newest})")));
    let whoami = client.ask(Ask::get(&["account", "whoami"])).await.map_err(|failure| token_advice(&failure))?;
    let user = text_at(&whoami, &["user_id"]).unwrap_or_default();
    if user != instance.naming.bot() {
        return Err(format!(
            "the homeserver takes the bridge for {user}, the configuration for {}: check `server_name` and \
             `sender_localpart`, and give the homeserver the registration again",
            instance.naming.bot()
        ));
    }
    findings.push(Ok(format!("the homeserver knows the bridge as {user}")));
    ping(instance, client).await?;
    findings.push(Ok("the homeserver reaches the gateway".to_owned()));
    Ok(())
}
