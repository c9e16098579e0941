//! One received line, from bytes to words. Tolerant of what real servers send: lines of any length
//! up to the framing limit, several spaces, no trailing colon, bytes that are not UTF-8. Called by
//! the session for every line; makes nothing that is sent (`command` does).

use super::tags::Tags;
use encoding_rs::Encoding;

/// The most bytes the tags of a line may take, `@` and the space included (IRCv3 `message-tags`).
pub const MAX_TAG_BYTES: usize = 8191;
/// The most bytes the rest of a line may take, CR LF included, unless the server says more
/// (`LINELEN`).
pub const MAX_REST_BYTES: usize = 512;
/// More parameters than this are read as one with the last (RFC 2812 has 15; be generous).
const MAX_PARAMS: usize = 64;

/// A line as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its tags, unescaped.
    pub tags: Tags,
    /// Who or what it comes from, where it says.
    pub source: Option<Source>,
    /// The command in upper case, or a numeric of three digits.
    pub command: String,
    /// The parameters, the last one without its colon.
    pub params: Vec<String>,
}

/// Who a line comes from: `nick!user@host`, or a server's name in `nick`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// The nick, or the server's name.
    pub nick: String,
    /// The user name, where the line tells.
    pub user: Option<String>,
    /// The host, where the line tells.
    pub host: Option<String>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has no command.
    #[error("the line has no command")]
    NoCommand,
    /// It holds a NUL, CR or LF.
    #[error("the line holds NUL, CR or LF")]
    BadByte,
}

impl Message {
    /// Reads one line, with or without its CR LF. What is not UTF-8 is read in `fallback`.
    pub fn parse(line: &[u8], fallback: &'static Encoding) -> Result<Self, LineError> {
        let line = trim_end(line);
        if line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(LineError::BadByte);
        }
        // Tags are UTF-8 by specification, so a rest in another encoding does not garble them.
        let (tags, rest) = split_tags(line);
        let tags = tags.map(|raw| Tags::parse(&String::from_utf8_lossy(raw))).unwrap_or_default();
        let rest = decode(rest, fallback);
        let mut rest = rest.trim_start_matches(' ');
        let mut source = None;
        if let Some(prefixed) = rest.strip_prefix(':') {
            let (prefix, after) = prefixed.split_once(' ').unwrap_or((prefixed, ""));
            source = Some(Source::parse(prefix));
            rest = after.trim_start_matches(' ');
        }
        let (command, params) = rest.split_once(' ').unwrap_or((rest, ""));
        if command.is_empty() {
            return Err(LineError::NoCommand);
        }
        Ok(Self { tags, source, command: command.to_ascii_uppercase(), params: parse_params(params) })
    }

    /// A parameter by position, empty where the line has fewer.
    pub fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The last parameter, empty where there is none.
    pub fn last(&self) -> &str {
        self.params.last().map_or("", String::as_str)
    }

    /// The nick (or server) it comes from, empty where the line does not say.
    pub fn nick(&self) -> &str {
        self.source.as_ref().map_or("", |source| source.nick.as_str())
    }

    /// The numeric, if the command is one.
    pub fn numeric(&self) -> Option<u16> {
        if self.command.len() == 3 && self.command.bytes().all(|byte| byte.is_ascii_digit()) {
            self.command.parse().ok()
        } else {
            None
        }
    }
}

impl Source {
    /// Reads `nick!user@host`, `nick@host` or a server's name.
    pub fn parse(prefix: &str) -> Self {
        let (before, host) = match prefix.split_once('@') {
            Some((before, host)) => (before, Some(host.to_owned())),
            None => (prefix, None),
        };
        let (nick, user) = match before.split_once('!') {
            Some((nick, user)) => (nick, Some(user.to_owned())),
            None => (before, None),
        };
        Self { nick: nick.to_owned(), user, host }
    }

    /// How many bytes it takes in a line as others receive it, without the colon.
    pub fn wire_len(&self) -> usize {
        self.nick.len()
            + self.user.as_ref().map_or(0, |user| user.len() + 1)
            + self.host.as_ref().map_or(0, |host| host.len() + 1)
    }
}

/// Text of bytes that should be UTF-8; where they are not, they are read in `fallback`.
pub fn decode(bytes: &[u8], fallback: &'static Encoding) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) if fallback == encoding_rs::UTF_8 => decode_cut(bytes),
        Err(_) => fallback.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// A server that cut a long line may have cut it inside the last character; that is dropped.
fn decode_cut(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn split_tags(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(tagged) = line.strip_prefix(b"@") else { return (None, line) };
    match tagged.iter().position(|byte| *byte == b' ') {
        Some(end) => (Some(&tagged[..end]), &tagged[end + 1..]),
        None => (Some(tagged), &[]),
    }
}

fn parse_params(raw: &str) -> Vec<String> {
    let mut params = Vec::new();
    let mut rest = raw.trim_start_matches(' ');
    while !rest.is_empty() {
        if let Some(trailing) = rest.strip_prefix(':') {
            params.push(trailing.to_owned());
            break;
        }
        if params.len() == MAX_PARAMS - 1 {
            params.push(rest.to_owned());
            break;
        }
        let (param, after) = rest.split_once(' ').unwrap_or((rest, ""));
        params.push(param.to_owned());
        rest = after.trim_start_matches(' ');
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Message {
        Message::parse(line.as_bytes(), encoding_rs::UTF_8).unwrap()
    }

    #[test]
    fn a_full_line_is_taken_apart() {
        let message =
            parse("@time=2026-11-01T10:00:00.000Z;msgid=a\\:b :bob!~b@host.example PRIVMSG #rust :hi : all\r\n");
        assert_eq!(message.tags.get("msgid"), Some("a;b"));
        let source = message.source.clone().unwrap();
        assert_eq!(
            (source.nick.as_str(), source.user.as_deref(), source.host.as_deref()),
            ("bob", Some("~b"), Some("host.example"))
        );
        assert_eq!(source.wire_len(), "bob!~b@host.example".len());
        assert_eq!(message.command, "PRIVMSG");
        assert_eq!(message.params, ["#rust", "hi : all"]);
    }

    #[test]
    fn what_real_servers_send_is_read_too() {
        assert_eq!(parse("ping x").command, "PING");
        assert_eq!(parse(":srv 001  bob   :Welcome").params, ["bob", "Welcome"]);
        assert_eq!(parse(":srv  005 bob NICKLEN=30 ").params, ["bob", "NICKLEN=30"]);
        assert_eq!(parse(":bob JOIN :#rust").params, ["#rust"]);
        assert_eq!(parse(":bob PRIVMSG #c :").params, ["#c", ""]);
        assert_eq!(parse("@a=1   :srv NOTICE * :x").nick(), "srv");
        assert_eq!(parse(":srv 433 * bob :taken").numeric(), Some(433));
        assert_eq!(parse("FAIL X").numeric(), None);
    }

    #[test]
    fn lines_without_a_command_are_refused() {
        for line in ["", " ", ":srv", ":srv ", "@a=b", "@a=b :srv "] {
            assert_eq!(Message::parse(line.as_bytes(), encoding_rs::UTF_8), Err(LineError::NoCommand), "{line:?}");
        }
        assert_eq!(Message::parse(b"PING a\nQUIT", encoding_rs::UTF_8), Err(LineError::BadByte));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_read_in_the_fallback_encoding() {
        let message = Message::parse(b"@a=\xc3\xbc PRIVMSG #c :gr\xfc\xdfe", encoding_rs::WINDOWS_1252).unwrap();
        assert_eq!(message.last(), "grüße");
        assert_eq!(message.tags.get("a"), Some("ü"));
        let message = Message::parse(b"PRIVMSG #c :gr\xfcn", encoding_rs::UTF_8).unwrap();
        assert_eq!(message.last(), "gr\u{fffd}n");
    }

    #[test]
    fn a_character_cut_at_the_end_of_a_line_leaves_no_rubbish() {
        let message = Message::parse(b"PRIVMSG #c :gr\xc3", encoding_rs::UTF_8).unwrap();
        assert_eq!(message.last(), "gr");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_fail_otherwise_than_by_an_error(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            if let Ok(message) = Message::parse(&bytes, encoding_rs::WINDOWS_1252) {
                prop_assert!(!message.command.is_empty());
                prop_assert!(message.params.len() <= MAX_PARAMS);
            }
        }
    }
}
