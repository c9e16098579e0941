//! The application-service registration (Matrix v1.17 application-service API "Registration") that an
//! administrator gives to the homeserver.

use super::instance::Instance;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The id by which the homeserver keeps the bridge's place.
pub(crate) fn id(instance: &Instance) -> String {
    format!("monster-{}", instance.scope.instance)
}

/// The registration, as YAML; why not, if the tokens cannot be kept.
pub(crate) fn yaml(instance: &Instance) -> Result<String, String> {
    let config = &instance.config;
    let tokens = instance.tokens()?;
    let server = literal(&config.server_name);
    let ghosts = format!("^@{}.*:{server}$", literal(&config.user_prefix));
    let aliases = format!("^#{}.*:{server}$", literal(&config.user_prefix));
    let url = config.url.as_deref().unwrap_or(&instance.scope.public_url).trim_end_matches('/');
    let bot = format!("^{}$", literal(instance.naming.bot()));
    let entries: [(&str, Value); 11] = [
        ("id", json!(id(instance))),
        ("url", json!(url)),
        ("as_token", json!(tokens.bridge.reveal())),
        ("hs_token", json!(tokens.homeserver.reveal())),
        ("sender_localpart", json!(config.sender_localpart)),
        ("rate_limited", json!(false)),
        ("receive_ephemeral", json!(true)),
        ("de.sorunome.msc2409.push_ephemeral", json!(true)),
        ("org.matrix.msc3202", json!(true)),
        ("io.element.msc4190", json!(true)),
        (
            "namespaces",
            json!({ "users": [{ "exclusive": true, "regex": ghosts }, { "exclusive": true, "regex": bot }],
                    "aliases": [{ "exclusive": true, "regex": aliases }], "rooms": [] }),
        ),
    ];
    let mut yaml = String::new();
    for (key, value) in entries {
        // A JSON value is YAML, and needs no rules for quoting of its own.
        let _ = writeln!(yaml, "{key}: {value}");
    }
    Ok(yaml)
}

/// A text as a regular expression that matches nothing else.
fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '_' | '@' | ':' | '=' | '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
