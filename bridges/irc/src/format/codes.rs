//! The mIRC formatting codes themselves: which bytes are one, what they switch, and which codes
//! bring a state about. Used by `read` and `write`, and by `split`, which must not cut a code and
//! opens again what a cut would lose.

/// What a code switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `0x02`.
    Bold,
    /// `0x1d`.
    Italic,
    /// `0x1f`.
    Underline,
    /// `0x1e`.
    Strike,
    /// `0x11`.
    Mono,
    /// `0x16`: letters and ground change places.
    Reverse,
    /// `0x0f`: everything off.
    Reset,
    /// `0x03` and `0x04`: letters and ground; without a colour for the letters both are off.
    Colours(Option<Ink>, Option<Ink>),
}

/// A colour as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// One of the palette, 0–98; 99 is the reader's own.
    Palette(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// How the letters look at one point of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "styles are independent of each other")]
pub struct State {
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Struck through.
    pub strike: bool,
    /// In a fixed-width face.
    pub mono: bool,
    /// Letters and ground have changed places.
    pub reverse: bool,
    /// The colour of the letters.
    pub ink: Option<Ink>,
    /// The colour of the ground.
    pub ground: Option<Ink>,
}

/// Turns everything off.
pub const RESET: char = '\x0f';
/// Two codes that cancel each other: they keep a digit or comma from being read as part of a colour.
pub const SEPARATOR: &str = "\x02\x02";

/// The code at the beginning of a text, with its length in bytes.
pub fn code_at(text: &str) -> Option<(Code, usize)> {
    let code = match *text.as_bytes().first()? {
        0x02 => Code::Bold,
        0x1d => Code::Italic,
        0x1f => Code::Underline,
        0x1e => Code::Strike,
        0x11 => Code::Mono,
        0x16 => Code::Reverse,
        0x0f => Code::Reset,
        0x03 => return Some(colours(text, palette)),
        0x04 => return Some(colours(text, hex)),
        _ => return None,
    };
    Some((code, 1))
}

/// The text without its formatting.
pub fn without(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some((_, length)) = code_at(rest) {
            length
        } else {
            plain.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    plain
}

/// Reads a code, one or two colours after it.
fn colours(text: &str, read: fn(&[u8]) -> Option<(Ink, usize)>) -> (Code, usize) {
    let bytes = text.as_bytes();
    let Some((ink, length)) = read(&bytes[1..]) else { return (Code::Colours(None, None), 1) };
    let end = 1 + length;
    if bytes.get(end) == Some(&b',')
        && let Some((ground, length)) = read(&bytes[end + 1..])
    {
        return (Code::Colours(Some(ink), Some(ground)), end + 1 + length);
    }
    (Code::Colours(Some(ink), None), end)
}

fn palette(bytes: &[u8]) -> Option<(Ink, usize)> {
    let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0');
    let first = digit(0)?;
    Some(match digit(1) {
        Some(second) => (Ink::Palette(first * 10 + second), 2),
        None => (Ink::Palette(first), 1),
    })
}

fn hex(bytes: &[u8]) -> Option<(Ink, usize)> {
    let digits =
        std::str::from_utf8(bytes.get(..6)?).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    let [_, red, green, blue] = value.to_be_bytes();
    Some((Ink::Rgb(red, green, blue), 6))
}

impl State {
    /// Does what a code says.
    pub fn apply(&mut self, code: Code) {
        match code {
            Code::Bold => self.bold ^= true,
            Code::Italic => self.italic ^= true,
            Code::Underline => self.underline ^= true,
            Code::Strike => self.strike ^= true,
            Code::Mono => self.mono ^= true,
            Code::Reverse => self.reverse ^= true,
            Code::Reset => *self = Self::default(),
            Code::Colours(None, _) => (self.ink, self.ground) = (None, None),
            Code::Colours(ink, ground) => {
                self.ink = ink.filter(|ink| *ink != Ink::Palette(99));
                self.ground = ground.or(self.ground).filter(|ground| *ground != Ink::Palette(99));
            }
        }
    }

    /// True if nothing is switched on.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Writes the codes that lead from this state to `wanted`; `next` is the text that follows.
    pub fn write_change(&self, wanted: &Self, next: &str, out: &mut String) {
        if self == wanted {
            return;
        }
        if wanted.is_plain() {
            out.push(RESET);
            return;
        }
        for (is, should, code) in [
            (self.bold, wanted.bold, '\x02'),
            (self.italic, wanted.italic, '\x1d'),
            (self.underline, wanted.underline, '\x1f'),
            (self.strike, wanted.strike, '\x1e'),
            (self.mono, wanted.mono, '\x11'),
            (self.reverse, wanted.reverse, '\x16'),
        ] {
            if is != should {
                out.push(code);
            }
        }
        if (self.ink, self.ground) != (wanted.ink, wanted.ground) {
            self.write_colours(wanted, next, out);
        }
    }

    fn write_colours(&self, wanted: &Self, next: &str, out: &mut String) {
        // A ground alone, or one that must go, needs the letters' colour beside it.
        let ink = wanted.ink.or(wanted.ground.map(|_| Ink::Palette(99)));
        let Some(ink) = ink else {
            out.push('\x03');
            if next.starts_with(|c: char| c.is_ascii_digit()) {
                out.push_str(SEPARATOR);
            }
            return;
        };
        let ground = if self.ground == wanted.ground { None } else { wanted.ground.or(Some(Ink::Palette(99))) };
        match (ink, ground) {
            (Ink::Palette(_), Some(Ink::Rgb(..))) | (Ink::Rgb(..), Some(Ink::Palette(_))) => {
                // Both codes of one kind only: the ground first, then the letters alone.
                let under = ground.unwrap_or(Ink::Palette(99));
                write_ink(under, true, out);
                out.push(',');
                write_ink(under, false, out);
                write_ink(ink, true, out);
            }
            _ => {
                write_ink(ink, true, out);
                if let Some(ground) = ground {
                    out.push(',');
                    write_ink(ground, false, out);
                }
            }
        }
        if next.starts_with(',') {
            out.push_str(SEPARATOR);
        }
    }
}

fn write_ink(ink: Ink, with_code: bool, out: &mut String) {
    if with_code {
        out.push(if matches!(ink, Ink::Palette(_)) { '\x03' } else { '\x04' });
    }
    match ink {
        Ink::Palette(number) => out.extend([number / 10, number % 10].map(|digit| char::from(b'0' + digit))),
        Ink::Rgb(red, green, blue) => out.push_str(&hex_digits([red, green, blue])),
    }
}

fn hex_digits(bytes: [u8; 3]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_end_where_they_should() {
        let ink = Ink::Palette;
        for (text, code, length) in [
            ("\x034red", Code::Colours(Some(ink(4)), None), 2),
            ("\x0304,07x", Code::Colours(Some(ink(4)), Some(ink(7))), 6),
            ("\x03123", Code::Colours(Some(ink(12)), None), 3),
            ("\x034,x", Code::Colours(Some(ink(4)), None), 2),
            ("\x03,4", Code::Colours(None, None), 1),
            ("\x03", Code::Colours(None, None), 1),
            ("\x04FF8000x", Code::Colours(Some(Ink::Rgb(255, 128, 0)), None), 7),
            ("\x04FF800", Code::Colours(None, None), 1),
            ("\x04000000,ffffff", Code::Colours(Some(Ink::Rgb(0, 0, 0)), Some(Ink::Rgb(255, 255, 255))), 14),
        ] {
            assert_eq!(code_at(text), Some((code, length)), "{text:?}");
        }
        assert_eq!(code_at("x"), None);
        assert_eq!(code_at("\x04ééé"), Some((Code::Colours(None, None), 1)));
    }

    fn ink() -> impl Strategy<Value = Option<Ink>> {
        prop_oneof![
            Just(None),
            (0u8..99).prop_map(|number| Some(Ink::Palette(number))),
            any::<(u8, u8, u8)>().prop_map(|(r, g, b)| Some(Ink::Rgb(r, g, b))),
        ]
    }

    prop_compose! {
        fn state()(bits in any::<[bool; 6]>(), ink in ink(), ground in ink()) -> State {
            let [bold, italic, underline, strike, mono, reverse] = bits;
            State { bold, italic, underline, strike, mono, reverse, ink, ground }
        }
    }

    proptest! {
        #[test]
        fn the_codes_written_lead_from_one_state_to_the_other(from in state(), to in state(), next in "[0-9,a]{0,3}") {
            let mut written = String::new();
            from.write_change(&to, &next, &mut written);
            written.push_str(&next);
            let (mut at, mut rest) = (from, written.as_str());
            while let Some((code, length)) = code_at(rest) {
                at.apply(code);
                rest = &rest[length..];
            }
            prop_assert_eq!(at, to);
            prop_assert_eq!(rest, next);
        }
    }
}
