//! Between mIRC formatting codes and the neutral [`Text`] of the bridge contract.

use monster_bridge_api::Text;

/// Reads a message with mIRC codes (`\n` between its lines). `mention` gives the user's network id
/// for a word that is the nick of somebody present.
pub fn to_text(message: &str, _mention: &dyn Fn(&str) -> Option<String>) -> Text {
    Text::plain(message)
}

/// Writes text with mIRC codes, `\n` between lines. `name` gives the nick under which the person of
/// a mention is known here; without one the words of the mention stand.
pub fn from_text(text: &Text, _name: &dyn Fn(&str) -> Option<String>) -> String {
    text.to_plain()
}
