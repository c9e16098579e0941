//! The name of a conversation: what belongs together in the journal. A link is `link:7`, an unlinked
//! room its address, a private conversation the two addresses in order.

use monster_protocol::Address;

/// The conversation of two people.
pub(crate) fn between(one: &Address, other: &Address) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    format!("{first} {second}")
}

/// What the name of a link's conversation begins with; its number follows.
const LINK: &str = "link:";

/// The conversation of a link.
pub(crate) fn of_link(id: i64) -> String {
    format!("{LINK}{id}")
}

/// The number of the link, if it is one's conversation.
pub(crate) fn link_in(conversation: &str) -> Option<i64> {
    conversation.strip_prefix(LINK)?.parse().ok()
}

/// The addresses in the name of a conversation that is no link.
pub(crate) fn places_in(conversation: &str) -> Vec<String> {
    // A name may hold spaces; an address begins with `@` and its host never holds one.
    match conversation.split_once(" @") {
        Some((first, second)) => split_at_host(conversation, first, second),
        None => vec![conversation.to_owned()],
    }
}

/// Where the first address may itself hold ` @`, the cut is where both sides are addresses.
fn split_at_host(conversation: &str, first: &str, second: &str) -> Vec<String> {
    let second = format!("@{second}");
    if first.parse::<Address>().is_ok() && second.parse::<Address>().is_ok() {
        return vec![first.to_owned(), second];
    }
    for (at, _) in conversation.match_indices(" @") {
        let (first, second) = (&conversation[..at], &conversation[at + 1..]);
        if first.parse::<Address>().is_ok() && second.parse::<Address>().is_ok() {
            return vec![first.to_owned(), second.to_owned()];
        }
    }
    vec![conversation.to_owned()]
}
