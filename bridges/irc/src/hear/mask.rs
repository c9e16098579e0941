//! Masks of users: `nick!user@host` with `*` and `?`.

use crate::proto::Source;

/// Whether any of the masks is the user's. Letters compare without case.
pub(super) fn matches_any(masks: &[String], source: &Source) -> bool {
    if masks.is_empty() {
        return false;
    }
    let user = source.user.as_deref().unwrap_or("*");
    let host = source.host.as_deref().unwrap_or("*");
    let full = format!("{}!{user}@{host}", source.nick).to_lowercase();
    masks.iter().any(|mask| {
        let mask = mask.to_lowercase();
        // A mask without user and host is a nick.
        if mask.contains(['!', '@']) { fits(&mask, &full) } else { fits(&mask, &source.nick.to_lowercase()) }
    })
}

/// Whether a text fits a pattern. Linear in the text for each `*`: no pattern makes it explode.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_mean_what_they_mean_on_irc() {
        let source = Source::parse("Spammer!~x@bad.example.org");
        for (mask, hit) in [
            ("spammer", true),
            ("spam*", true),
            ("*!*@*.example.org", true),
            ("*!~?@bad.*", true),
            ("*!root@*", false),
            ("ham*", false),
            ("*!*@example.org", false),
        ] {
            assert_eq!(matches_any(&[mask.to_owned()], &source), hit, "{mask}");
        }
    }

    #[test]
    fn a_mask_made_to_be_slow_is_not() {
        let source = Source::parse(&format!("{}!a@b", "a".repeat(400)));
        assert!(!matches_any(&[format!("{}b!x@y", "*a".repeat(100))], &source));
    }
}
