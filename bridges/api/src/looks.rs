//! How names look to people: what of a name is seen, and which names are taken for each other. For
//! whoever puts names before words, so that nobody passes for somebody else.

/// What a name looks like from a distance: two names with one skeleton must be told apart. Letters
/// are folded to the ones they are taken for, other scripts to Latin letters, and what only
/// decorates is left out.
pub fn skeleton(name: &str) -> String {
    let mut folded = String::new();
    let latin: String = name.chars().map(taken_for).collect();
    for c in deunicode::deunicode_with_tofu(&latin, "").chars() {
        match c.to_ascii_lowercase() {
            'i' | 'l' | '1' | '|' | '!' => folded.push('l'),
            'o' | '0' => folded.push('o'),
            's' | '5' | '$' => folded.push('s'),
            'b' | '8' => folded.push('b'),
            'z' | '2' => folded.push('z'),
            c if c.is_ascii_alphanumeric() => folded.push(c),
            _ => {}
        }
    }
    folded.replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

/// The Latin letter that a Cyrillic or Greek one is taken for, where that is another one than it
/// sounds like.
fn taken_for(c: char) -> char {
    match c {
        'В' | 'Β' | 'в' => 'b',
        'С' | 'с' | 'Ϲ' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'Н' | 'н' | 'Η' | 'һ' => 'h',
        'η' | 'п' => 'n',
        'Р' | 'р' | 'Ρ' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'и' | 'υ' => 'u',
        'ν' => 'v',
        'ԝ' | 'ω' | 'ш' => 'w',
        'Х' | 'х' | 'Χ' | 'χ' => 'x',
        'У' | 'у' | 'Υ' | 'γ' | 'Ү' => 'y',
        'І' | 'і' | 'ӏ' | 'Ι' | 'ι' => 'l',
        'З' | 'з' => '3',
        other => other,
    }
}

/// False for characters that nobody sees but that change what is seen: controls, joiners, marks of
/// direction, variation selectors, tags.
pub fn is_shown(c: char) -> bool {
    let hidden = c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || ('\u{fe00}'..='\u{fe0e}').contains(&c)
        || ('\u{e0000}'..='\u{e0fff}').contains(&c);
    !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_for_each_other_have_one_skeleton() {
        for (one, other) in
            [("alice", "A1ice"), ("Bob", "В0b"), ("paypal", "раураӏ"), ("carol", "ca\u{200b}rol"), ("rnary", "mary")]
        {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("alice"), skeleton("alicia"));
    }

    #[test]
    fn what_turns_or_hides_is_not_shown() {
        assert!("\u{202e}\u{200b}\n\u{2066}\u{feff}".chars().all(|c| !is_shown(c)));
        assert!("aé漢👍 ".chars().all(is_shown));
    }
}
