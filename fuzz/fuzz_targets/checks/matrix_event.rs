//! What holds for any input of the target `matrix_event`: HTML as the formatted body of a message, and
//! the same text as a whole event. The tests of `bridges/matrix` replay its seeds with it.

use monster_bridge_matrix::{html, map};

/// Markup gives up its words, and what is made of them says the same words again, without any element
/// or link that was not allowed; an event is read, or is none.
pub(crate) fn check(data: &[u8]) {
    let input = String::from_utf8_lossy(data);
    let text = html::to_text(&input, &naming);
    let written = html::from_text(&text, &back);
    if let Some(again) = &written.html {
        let lower = again.to_ascii_lowercase();
        assert!(
            !lower.contains("<script") && !lower.contains("<img") && !lower.contains("href=\"javascript:"),
            "{again}"
        );
        let words = |text: &monster_bridge_api::Text| {
            text.to_plain().chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '>').collect::<String>()
        };
        assert_eq!(words(&html::to_text(again, &naming)), words(&text), "{again}");
    }
    if let Some(raw) = map::parse(&input) {
        let _ = map::read(&raw, &naming);
    }
}

fn naming(user: &str) -> Option<String> {
    let user = user.strip_prefix('@')?;
    Some(format!("@{}:gw", user.replacen(':', "=", 1)))
}

fn back(person: &str) -> Option<String> {
    let user = person.strip_suffix(":gw")?.replacen('=', ":", 1);
    monster_bridge_matrix::id::is_user(&user).then_some(user)
}
