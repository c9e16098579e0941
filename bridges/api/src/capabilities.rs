//! What a network can do, graded, so that the core knows what to put into words.

use serde::Serialize;

/// How well a feature survives the way to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// The network has it.
    Full,
    /// The core puts it into a readable line.
    Words,
    /// It is left out without a word, as it would only be noise there.
    Dropped,
}

/// What a network can do at one target, now. (What an IRC server can do is known once it has been
/// asked, so a bridge may answer differently later.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Edits of earlier messages.
    pub edit: Support,
    /// Withdrawing earlier messages.
    pub recall: Support,
    /// Reference to the message that is answered.
    pub reply: Support,
    /// Emoji put to messages.
    pub reaction: Support,
    /// Files: `Full` if the bridge uploads them itself, `Words` for a link.
    pub attachment: Support,
    /// Comings and goings of the people on the other side.
    pub membership: Support,
    /// What a linked room is called, and what it is about, when that changes.
    pub room_profile: Support,
    /// Who is typing.
    pub typing: Support,
    /// What has been read.
    pub read: Support,
    /// Whether people are here.
    pub presence: Support,
    /// Voice and video: `Words` for a link to a page that joins the call.
    pub call: Support,
    /// The longest text of one message in bytes, where the bridge does not split by itself.
    pub text_bytes: Option<usize>,
}

impl Capabilities {
    /// Text, and everything else in words: where a bridge starts from.
    pub const fn text_only() -> Self {
        Self {
            edit: Support::Words,
            recall: Support::Words,
            reply: Support::Words,
            reaction: Support::Words,
            attachment: Support::Words,
            membership: Support::Dropped,
            room_profile: Support::Dropped,
            typing: Support::Dropped,
            read: Support::Dropped,
            presence: Support::Dropped,
            call: Support::Words,
            text_bytes: None,
        }
    }
}
