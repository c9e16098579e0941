//! The bridge to Matrix, in two modes over one mapping (docs/decisions/0013-matrix.md).
//!
//! `id`, `html`, `map` and `book` know Matrix and no server: identifiers and their names, formatted
//! text, events, which room has which name. `appservice` is the mode in which a homeserver lets the
//! bridge speak as ghosts, `account` the one in which it is signed in as a user. [`factory`] makes an instance from a section of the configuration; the core
//! calls nothing else.

#![forbid(unsafe_code)]

mod account;
mod appservice;
pub mod book;
mod client;
pub mod html;
pub mod id;
pub mod map;

use monster_bridge_api::{Bridge, ConfigError, Scope};
use serde_json::Value;
use std::sync::Arc;

/// What a configuration names this kind of bridge (`kind = "matrix"`).
pub const KIND: &str = "matrix";

/// Makes an instance from its configuration section; connects nowhere.
pub fn factory(scope: Scope, mut section: Value) -> Result<Arc<dyn Bridge>, ConfigError> {
    let mode = section.as_object_mut().and_then(|section| section.remove("mode"));
    match mode.as_ref().map(Value::as_str) {
        None | Some(Some("appservice")) => Ok(Arc::new(appservice::Appservice::new(scope, section)?)),
        Some(Some("account")) => Ok(Arc::new(account::AccountBridge::new(scope, account::Config::read(section)?))),
        _ => Err(ConfigError { key: "mode".to_owned(), why: "expected `appservice` or `account`".to_owned() }),
    }
}
