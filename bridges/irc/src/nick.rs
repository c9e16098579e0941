//! Names of people fitted to IRC: a nick for a puppet, a label for a relayed line. Two authors whose
//! names look alike never look alike here.
//!
//! Only text in, text out; who has which name is for `people` to remember.

pub(crate) use monster_bridge_api::skeleton;
use unicode_segmentation::UnicodeSegmentation;

/// The longest label, in characters as people see them.
const LONGEST_LABEL: usize = 40;

/// Makes a nick of a name: what a server takes that says nothing else (RFC 2812 §2.3.1), at most
/// `longest` bytes. Other scripts are written in Latin letters; a name of which nothing is left is
/// `fallback`, and if nothing is left of that, `guest`.
pub(crate) fn nick_of(name: &str, fallback: &str, longest: usize) -> String {
    let fitted = [name, fallback, "guest"].iter().map(|text| fit(text, longest)).find(|nick| !nick.is_empty());
    fitted.unwrap_or_default()
}

fn fit(text: &str, longest: usize) -> String {
    let latin = deunicode::deunicode_with_tofu(text, "");
    let mut nick = String::new();
    for c in latin.trim().chars() {
        let c = if c == ' ' || c == '.' { '_' } else { c };
        let fits = c.is_ascii_alphanumeric() || "[]\\`_^{|}-".contains(c);
        // A nick begins with a letter or one of the special characters.
        let leads = !(c.is_ascii_digit() || c == '-');
        if fits && (leads || !nick.is_empty()) && !(c == '_' && nick.ends_with('_')) {
            nick.push(c);
        }
    }
    nick.truncate(longest);
    let kept = nick.trim_end_matches('_').len();
    nick.truncate(kept);
    if nick.chars().any(|c| c.is_ascii_alphanumeric()) { nick } else { String::new() }
}

/// The nick with a number that tells it apart.
pub(crate) fn numbered(nick: &str, number: u32, longest: usize) -> String {
    let suffix = format!("-{number}");
    let keep = longest.saturating_sub(suffix.len()).min(nick.len());
    format!("{}{suffix}", &nick[..keep])
}

/// The user name (ident) of a puppet.
pub(crate) fn user_of(nick: &str) -> String {
    let user: String = nick.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    if user.is_empty() { "guest".to_owned() } else { user.to_ascii_lowercase() }
}

/// A name that can stand in a line before what somebody said: one line, nothing invisible, nothing
/// that could be taken for the end of the name.
pub(crate) fn label_of(name: &str, fallback: &str) -> String {
    let visible: String =
        name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_shown(*c)).collect();
    let words = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let label: String = words.graphemes(true).take(LONGEST_LABEL).collect();
    let label = label.trim().to_owned();
    if label.is_empty() { fallback.to_owned() } else { label }
}

/// The signs around a label are not part of one.
fn is_shown(c: char) -> bool {
    monster_bridge_api::is_shown(c) && !matches!(c, '<' | '>')
}

/// The label with something invisible inside, so that the name does not call the person of that
/// name in the channel.
pub(crate) fn without_ping(label: &str) -> String {
    let mut graphemes = label.graphemes(true);
    let Some(first) = graphemes.next() else { return String::new() };
    format!("{first}\u{200b}{}", graphemes.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_nicks_that_people_recognise() {
        for (name, nick) in [
            ("alice", "alice"),
            ("Alice B. Smith", "Alice_B_Smith"),
            ("Zoë", "Zoe"),
            ("1337", "guest"),
            ("42bob", "bob"),
            ("@bob!x@y", "bobxy"),
            ("bob\r\nQUIT", "bobQUIT"),
        ] {
            assert_eq!(nick_of(name, "", 16), nick, "{name:?}");
        }
        assert!(nick_of("王芳", "", 16).is_ascii());
        assert_ne!(nick_of("王芳", "", 16), "guest");
        assert_eq!(nick_of("🦀", "crab-fan", 16).to_lowercase(), "crab", "an emoji is read aloud");
        assert_eq!(nick_of("…", "alice", 16), "alice");
        assert_eq!(nick_of("a_very_long_name_indeed", "", 9), "a_very_lo");
        assert_eq!(numbered("abcdefghi", 12, 9), "abcdef-12");
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (a, b) in [
            ("alice", "aIice"),
            ("alice", "al1ce"),
            ("bob", "b0b"),
            ("alice", "аlice"),
            ("alice", "a_l-ice"),
            ("modern", "modem"),
        ] {
            assert_eq!(skeleton(a), skeleton(b), "{a} {b}");
        }
        assert_ne!(skeleton("alice"), skeleton("alicia"));
    }

    #[test]
    fn a_label_cannot_pretend_to_be_somebody_else() {
        assert_eq!(label_of("bob> hi\n<alice", ""), "bob hi alice");
        assert_eq!(label_of("a\u{202e}ecila\u{200b}", ""), "aecila");
        assert_eq!(label_of("\u{3}04red", ""), "04red");
        assert_eq!(label_of(" \u{200b} ", "@x:y"), "@x:y");
        assert_eq!(label_of(&"x".repeat(100), "").len(), 40);
        assert_eq!(without_ping("alice"), "a\u{200b}lice");
    }

    proptest! {
        #[test]
        fn a_nick_is_always_one_that_servers_take(name in "\\PC{0,40}", longest in 3usize..40) {
            let nick = nick_of(&name, "", longest);
            prop_assert!(!nick.is_empty() && nick.len() <= longest.max(5));
            prop_assert!(crate::proto::Target::nick(&nick).is_ok());
            prop_assert!(!nick.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
        }
    }
}
