//! Commands that people of a network give to the gateway through the bridge's bot, in a room or in
//! private. What they do is the core's business and the same everywhere; who may is the network's.

use crate::{RemoteId, RemoteUser};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Who gives it.
    pub by: RemoteUser,
    /// The room in which it was given; `None` in private.
    pub room: Option<RemoteId>,
    /// Whether they may change which rooms this room is linked with, asked of the network for this
    /// command and not remembered.
    pub may_link: bool,
    /// The command, without what addresses the bot: `link @#rust:libera:gw.example.org`.
    pub line: String,
}
