//! Which kinds of bridges this build has. `main` fills it by cargo feature; the wiring of `run`
//! makes instances from the configuration with it.

use monster_bridge_api::{Bridge, ConfigError, Factory, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of bridges (`kind = "irc"`), each with its maker.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Factory>,
}

impl Registry {
    /// The same with one more kind.
    #[must_use]
    pub fn with(mut self, kind: &'static str, factory: Factory) -> Self {
        self.kinds.insert(kind, factory);
        self
    }

    /// The kinds there are, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// Makes an instance from its configuration section (without `kind`).
    ///
    /// # Errors
    /// If there is no such kind, or the section cannot be used; `key` is within the section.
    pub fn make(&self, kind: &str, scope: Scope, section: serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError> {
        let Some(factory) = self.kinds.get(kind) else {
            let known = self.kinds().collect::<Vec<_>>().join(", ");
            let why = format!("`{kind}` is not a kind of bridge that this build has (it has: {known})");
            return Err(ConfigError { key: "kind".to_owned(), why });
        };
        factory(scope, section)
    }
}
