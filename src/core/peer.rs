//! Who speaks on the Monster side. `monster` has found out who it is before it calls the core.

use monster_bridge_api::DeviceId;
use monster_protocol::Address;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Nobody knows. May ask 1000 and nothing else (contract.md "Who is speaking").
    Anonymous,
    /// Somebody who has shown who they are.
    Account(Speaker),
}

/// An account that has shown that it is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Whose account it is.
    pub account: Address,
    /// How it came here.
    pub side: Side,
    /// True if it reads the optional fields (`ext=1`).
    pub ext: bool,
    /// What people call it, where it said so.
    pub nickname: Option<String>,
    /// An `http(s)` URL of a picture, where it gave one.
    pub picture: Option<String>,
    /// Which of its devices it speaks on: a name that the socket gave itself, or one of the socket's
    /// own.
    pub device: DeviceId,
}

/// How an account came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Its owner, with a token, on its own home socket.
    Home,
    /// Its server, which vouched for it.
    Remote,
}

impl Peer {
    /// Whose account it is, if that is known.
    pub fn account(&self) -> Option<&Address> {
        match self {
            Self::Anonymous => None,
            Self::Account(speaker) => Some(&speaker.account),
        }
    }
}
