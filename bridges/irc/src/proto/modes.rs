//! Mode changes: which letter takes which parameter. A change that gives one member's operator
//! status to another is how CVE-2022-39202 began, so every letter takes its own parameter, by what
//! ISUPPORT says of it.

use super::isupport::Isupport;

/// One change of a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeChange {
    /// The letter.
    pub mode: char,
    /// True if it is set, false if it is taken away.
    pub set: bool,
    /// Its parameter, where it takes one and one was there.
    pub param: Option<String>,
}

/// Takes the parameters of a channel's `MODE` apart, from the letters on: `["+ov-b", "a", "b", "c"]`.
pub fn parse_channel_modes(params: &[String], isupport: &Isupport) -> Vec<ModeChange> {
    let Some((letters, params)) = params.split_first() else { return Vec::new() };
    let mut params = params.iter();
    let mut set = true;
    let mut changes = Vec::new();
    for mode in letters.chars() {
        match mode {
            '+' => set = true,
            '-' => set = false,
            _ => {
                let param = if takes_param(mode, set, isupport) { params.next().cloned() } else { None };
                changes.push(ModeChange { mode, set, param });
            }
        }
    }
    changes
}

/// Takes the letters of our own `MODE` apart; user modes have no parameters.
pub fn parse_user_modes(letters: &str) -> Vec<ModeChange> {
    let mut set = true;
    let mut changes = Vec::new();
    for mode in letters.chars() {
        match mode {
            '+' => set = true,
            '-' => set = false,
            _ => changes.push(ModeChange { mode, set, param: None }),
        }
    }
    changes
}

fn takes_param(mode: char, set: bool, isupport: &Isupport) -> bool {
    let kinds = isupport.chanmodes();
    isupport.prefixes().iter().any(|(letter, _)| *letter == mode)
        || kinds.lists.contains(mode)
        || kinds.always.contains(mode)
        || (set && kinds.on_set.contains(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Vec<(char, bool, Option<String>)> {
        let mut isupport = Isupport::default();
        isupport.apply("PREFIX=(qaohv)~&@%+");
        isupport.apply("CHANMODES=beI,k,lj,imnst");
        let params: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse_channel_modes(&params, &isupport)
            .into_iter()
            .map(|change| (change.mode, change.set, change.param))
            .collect()
    }

    fn change(mode: char, set: bool, param: &str) -> (char, bool, Option<String>) {
        (mode, set, Some(param).filter(|param| !param.is_empty()).map(str::to_owned))
    }

    #[test]
    fn each_mode_takes_its_own_parameter() {
        assert_eq!(parse("+ov-b a b c"), [change('o', true, "a"), change('v', true, "b"), change('b', false, "c")]);
        assert_eq!(
            parse("+mlk-ko+t 5 key key bob"),
            [
                change('m', true, ""),
                change('l', true, "5"),
                change('k', true, "key"),
                change('k', false, "key"),
                change('o', false, "bob"),
                change('t', true, ""),
            ]
        );
        assert_eq!(parse("-l+o bob"), [change('l', false, ""), change('o', true, "bob")]);
    }

    #[test]
    fn missing_parameters_and_unknown_letters_shift_nothing() {
        assert_eq!(parse("+Zo bob"), [change('Z', true, ""), change('o', true, "bob")]);
        assert_eq!(parse("+oo bob"), [change('o', true, "bob"), change('o', true, "")]);
        assert_eq!(parse("+b"), [change('b', true, "")]);
        assert!(parse_channel_modes(&[], &Isupport::default()).is_empty());
    }
}
