//! `org.matrix.custom.html` (Matrix v1.17 "m.room.message msgtypes") ⇄ the neutral [`Text`], and the
//! plain `body` that goes with it. No I/O; who is named by a mention is asked of the caller.
//!
//! Reading is a walk over the tokens of hostile markup: depths are numbers with a limit, nothing is a
//! tree, and what is not on the list of elements leaves its text. Called by `map`.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::to_text;
pub use write::{Written, from_text};

use monster_bridge_api::Text;

/// Who is named by a mention: a Matrix user id to the Monster address where reading, the other way round
/// where writing; `None` if nobody is.
pub type Naming<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The plain text of a message without HTML: paragraphs as they are.
pub fn from_plain(body: &str) -> Text {
    Text::plain(body)
}
