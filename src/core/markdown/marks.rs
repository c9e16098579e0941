//! The marks of inline styles: how they are spelled, and when one may open or close.

use monster_bridge_api::SpanStyle;

/// An inline style with marks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Bold,
    Italic,
    Underline,
    Strike,
    Spoiler,
}

impl Mark {
    /// In the order in which the writer opens them.
    pub(super) const ALL: [Self; 5] = [Self::Spoiler, Self::Strike, Self::Underline, Self::Bold, Self::Italic];

    /// How the writer spells it.
    pub(super) const fn spelled(self) -> &'static str {
        match self {
            Self::Bold => "**",
            Self::Italic => "*",
            Self::Underline => "__",
            Self::Strike => "~~",
            Self::Spoiler => "||",
        }
    }

    /// The switch of a style that it works on.
    pub(super) fn switch(self, style: &mut SpanStyle) -> &mut bool {
        match self {
            Self::Bold => &mut style.bold,
            Self::Italic => &mut style.italic,
            Self::Underline => &mut style.underline,
            Self::Strike => &mut style.strike,
            Self::Spoiler => &mut style.spoiler,
        }
    }

    /// Whether the style has it.
    pub(super) fn is_on(self, style: &SpanStyle) -> bool {
        match self {
            Self::Bold => style.bold,
            Self::Italic => style.italic,
            Self::Underline => style.underline,
            Self::Strike => style.strike,
            Self::Spoiler => style.spoiler,
        }
    }

    /// Whether it works in the middle of a word. `snake_case`, `__init__x` and `2*3*4` say no.
    pub(super) const fn within_words(self) -> bool {
        matches!(self, Self::Bold | Self::Strike | Self::Spoiler)
    }
}

/// What a run of one character may be: `***` is bold and italic at once, `****` is itself.
pub(super) fn marks_of(character: char, length: usize) -> &'static [Mark] {
    match (character, length) {
        ('*' | '_', 1) => &[Mark::Italic],
        ('*', 2) => &[Mark::Bold],
        ('*', 3) => &[Mark::Bold, Mark::Italic],
        ('_', 2) => &[Mark::Underline],
        ('_', 3) => &[Mark::Underline, Mark::Italic],
        ('~', 2) => &[Mark::Strike],
        ('|', 2) => &[Mark::Spoiler],
        _ => &[],
    }
}

/// Whether a mark between these neighbours may open.
pub(super) fn opens(mark: Mark, before: Option<char>, after: Option<char>) -> bool {
    after.is_some_and(|c| !c.is_whitespace()) && (mark.within_words() || !before.is_some_and(char::is_alphanumeric))
}

/// Whether a mark between these neighbours may close.
pub(super) fn closes(mark: Mark, before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(|c| !c.is_whitespace()) && (mark.within_words() || !after.is_some_and(char::is_alphanumeric))
}

/// Characters that a `\` makes plain.
pub(super) fn is_special(character: char) -> bool {
    matches!(character, '\\' | '*' | '_' | '~' | '|' | '`' | '[' | ']' | '(' | ')' | '>' | ':')
}
