//! The identifiers a bridge and the core exchange: opaque, and a type each, so that one is never
//! taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; what it may hold is for its maker to decide.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The identifier as text, without a copy.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque!(
    /// The name of a bridge instance, as the configuration has it (`libera` in `[bridges.libera]`).
    InstanceName
);
opaque!(
    /// A user or room in the form that its network compares it by (`#rust` lower-cased under the
    /// server's case mapping, `@bob:example.org`, `bob@example.org`): equal ids are the same user
    /// or room, different ids are not.
    RemoteId
);
opaque!(
    /// The network's own id of one event (an IRC `msgid`, a Matrix event id, an XMPP stanza-id), or
    /// one that the bridge made where the network gives none. Unique within the bridge instance.
    EventId
);
opaque!(
    /// The gateway's id of one message, the same wherever that message is delivered and across
    /// restarts: what a bridge derives transaction ids and vendored tags from. Letters, digits,
    /// `-` and `_` only, at most 64 of them.
    MessageKey
);
opaque!(
    /// Somebody (or something) outside the bridge's own network: a Monster person, or a person of
    /// another bridged network. The text is their Monster address.
    PersonaId
);

opaque!(
    /// The id of a call: of one that began on a network, the network's own; of any other, the
    /// gateway's. Unique per pair of people.
    CallId
);
opaque!(
    /// One of several devices or sessions on which a person can take a call (a Matrix `party_id`, an
    /// XMPP full address).
    DeviceId
);

/// Who speaks through a bridge: a person outside the bridge's own network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Author {
    /// Who it is, for as long as the address lives.
    pub id: PersonaId,
    /// What people call them; never empty. May hold anything: a bridge fits it to its network.
    pub name: String,
    /// An `http(s)` URL of a picture, if there is one.
    pub picture: Option<String>,
}

/// A user of the bridge's own network, as an event shows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteUser {
    /// Who it is, as the network compares it.
    pub id: RemoteId,
    /// What people call them (an IRC nick in its own spelling, a display name); never empty.
    pub name: String,
    /// An `http(s)` URL of a picture, if there is one.
    pub picture: Option<String>,
}

/// A name that cannot be a user or room of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a name on this network: {why}")]
pub struct BadName {
    /// The name that was asked for.
    pub name: String,
    /// What is wrong with it, for a person.
    pub why: String,
}
