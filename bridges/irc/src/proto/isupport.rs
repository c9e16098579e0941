//! What a server says about itself in `RPL_ISUPPORT` (005). Kept by the session, read by everybody
//! who needs to know what fits or how names compare.

use super::{
    casemap::CaseMap,
    param::{BadParam, Target},
};
use std::collections::BTreeMap;

/// Everything a server has said in its 005 lines, with the defaults of RFC 1459 for what it has not.
#[derive(Debug, Clone)]
pub struct Isupport {
    raw: BTreeMap<String, String>,
    casemap: CaseMap,
    chantypes: String,
    prefixes: Vec<(char, char)>,
    chanmodes: ChanModes,
}

/// The channel modes of a server by how they take parameters (`CHANMODES=A,B,C,D`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChanModes {
    /// A: lists (bans); take a parameter, except when listing.
    pub lists: String,
    /// B: take a parameter when set and when unset (the key).
    pub always: String,
    /// C: take a parameter when set only (the limit).
    pub on_set: String,
    /// D: never take one.
    pub never: String,
}

impl Default for ChanModes {
    fn default() -> Self {
        Self { lists: "beI".into(), always: "k".into(), on_set: "l".into(), never: "imnpstaqr".into() }
    }
}

impl Default for Isupport {
    fn default() -> Self {
        Self {
            raw: BTreeMap::new(),
            casemap: CaseMap::default(),
            chantypes: "#&".into(),
            prefixes: vec![('o', '@'), ('v', '+')],
            chanmodes: ChanModes::default(),
        }
    }
}

/// The longest line we believe a server to take, in bytes without tags.
pub(super) const MAX_LINE_BYTES: usize = 16_384;
/// A server does not have more tokens than this; further ones are not kept.
const MAX_TOKENS: usize = 512;

impl Isupport {
    /// Takes one token of a 005 line: `KEY`, `KEY=value`, or `-KEY` to take it back.
    pub fn apply(&mut self, token: &str) {
        if let Some(key) = token.strip_prefix('-') {
            self.raw.remove(&key.to_ascii_uppercase());
            self.read(&key.to_ascii_uppercase());
            return;
        }
        let (key, value) = token.split_once('=').unwrap_or((token, ""));
        let key = key.to_ascii_uppercase();
        if key.is_empty() || (self.raw.len() >= MAX_TOKENS && !self.raw.contains_key(&key)) {
            return;
        }
        self.raw.insert(key.clone(), unescape(value));
        self.read(&key);
    }

    /// The value of a token: empty where it has none, `None` where the server did not say it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.raw.get(&key.to_ascii_uppercase()).map(String::as_str)
    }

    /// How names compare.
    pub fn casemap(&self) -> CaseMap {
        self.casemap
    }

    /// The form in which names are compared on this server.
    pub fn fold(&self, name: &str) -> String {
        self.casemap.fold(name)
    }

    /// True if the server takes both for the same name.
    pub fn same(&self, a: &str, b: &str) -> bool {
        self.casemap.eq(a, b)
    }

    /// The characters channel names begin with.
    pub fn chantypes(&self) -> &str {
        &self.chantypes
    }

    /// True if the name is a channel's.
    pub fn is_channel(&self, name: &str) -> bool {
        name.starts_with(|first| self.chantypes.contains(first))
    }

    /// A channel or nick to send to, if the name can be one here.
    pub fn target(&self, name: &str) -> Result<Target, BadParam> {
        if !self.is_channel(name) {
            let target = Target::nick(name)?;
            let fits = self.number("NICKLEN").is_none_or(|most| name.len() <= most.max(64));
            return if fits { Ok(target) } else { Err(BadParam::TooLong) };
        }
        let fits = self.number("CHANNELLEN").is_none_or(|most| name.chars().count() <= most);
        if fits { Target::channel(name, &self.chantypes) } else { Err(BadParam::TooLong) }
    }

    /// Takes a channel's name and the status it is limited to apart: `@#c` is what is said to the
    /// operators of `#c` (`STATUSMSG`).
    pub fn split_status<'a>(&self, target: &'a str) -> (Option<char>, &'a str) {
        let status = self.get("STATUSMSG").unwrap_or("");
        let mut chars = target.chars();
        match chars.next() {
            Some(first) if status.contains(first) && self.is_channel(chars.as_str()) => (Some(first), chars.as_str()),
            _ => (None, target),
        }
    }

    /// The member modes with their signs, highest first: `('o', '@')`.
    pub fn prefixes(&self) -> &[(char, char)] {
        &self.prefixes
    }

    /// The channel modes by how they take parameters.
    pub fn chanmodes(&self) -> &ChanModes {
        &self.chanmodes
    }

    /// The longest nick in bytes; 9 where the server does not say (RFC 1459).
    pub fn nick_len(&self) -> usize {
        self.number("NICKLEN").or_else(|| self.number("MAXNICKLEN")).unwrap_or(9)
    }

    /// The longest line in bytes, without tags, with CR LF.
    pub fn line_len(&self) -> usize {
        self.number("LINELEN").unwrap_or(super::line::MAX_REST_BYTES).clamp(128, MAX_LINE_BYTES)
    }

    /// The longest topic in bytes, where the server says.
    pub fn topic_len(&self) -> Option<usize> {
        self.number("TOPICLEN")
    }

    /// The name of the network, for people.
    pub fn network(&self) -> Option<&str> {
        self.get("NETWORK").filter(|name| !name.is_empty())
    }

    /// How many nicks can be watched: `Some(None)` is without limit, `None` is not at all.
    pub fn monitor(&self) -> Option<Option<usize>> {
        self.get("MONITOR").map(|value| value.parse().ok())
    }

    /// The user mode that marks a program (`BOT=B`).
    pub fn bot_mode(&self) -> Option<char> {
        self.get("BOT").and_then(|value| value.chars().next()).filter(char::is_ascii_alphanumeric)
    }

    /// True if the server has `KNOCK`.
    pub fn knock(&self) -> bool {
        self.get("KNOCK").is_some()
    }

    /// True if the server takes nothing but UTF-8.
    pub fn utf8_only(&self) -> bool {
        self.get("UTF8ONLY").is_some()
    }

    /// How many messages one `CHATHISTORY` may ask for, where the server says; 0 is "any".
    pub fn chathistory(&self) -> Option<usize> {
        self.get("CHATHISTORY").or_else(|| self.get("draft/CHATHISTORY")).map(|value| value.parse().unwrap_or(0))
    }

    /// How many mode changes with a parameter one line may hold.
    pub fn modes(&self) -> usize {
        self.number("MODES").unwrap_or(3)
    }

    /// How many targets a command may name (`TARGMAX`); `None` is without limit.
    pub fn targmax(&self, command: &str) -> Option<usize> {
        let all = self.get("TARGMAX")?;
        let entry = all.split(',').find_map(|entry| {
            let (name, most) = entry.split_once(':')?;
            name.eq_ignore_ascii_case(command).then_some(most)
        })?;
        entry.parse().ok()
    }

    /// True if the server passes this client-only tag on (`CLIENTTAGDENY`); with or without `+`.
    pub fn allows_client_tag(&self, tag: &str) -> bool {
        let tag = tag.trim_start_matches('+');
        let mut allowed = true;
        for entry in self.get("CLIENTTAGDENY").unwrap_or("").split(',') {
            match entry.strip_prefix('-') {
                Some(exempt) if exempt == tag => return true,
                None if entry == "*" || entry == tag => allowed = false,
                _ => {}
            }
        }
        allowed
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.get(key).and_then(|value| value.parse().ok()).filter(|number| *number > 0)
    }

    /// Brings what is derived from a token up to date.
    fn read(&mut self, key: &str) {
        let value = self.raw.get(key).cloned();
        let defaults = Self::default();
        match key {
            "CASEMAPPING" => self.casemap = value.map_or(defaults.casemap, |name| CaseMap::named(&name)),
            "CHANTYPES" => self.chantypes = value.unwrap_or(defaults.chantypes),
            "PREFIX" => self.prefixes = value.map_or(defaults.prefixes, |value| parse_prefixes(&value)),
            "CHANMODES" => self.chanmodes = value.map_or(defaults.chanmodes, |value| ChanModes::parse(&value)),
            _ => {}
        }
    }
}

impl ChanModes {
    fn parse(value: &str) -> Self {
        let mut kinds = value.split(',').map(str::to_owned);
        let mut next = || kinds.next().unwrap_or_default();
        Self { lists: next(), always: next(), on_set: next(), never: next() }
    }
}

fn parse_prefixes(value: &str) -> Vec<(char, char)> {
    let Some((modes, signs)) = value.strip_prefix('(').and_then(|rest| rest.split_once(')')) else { return Vec::new() };
    modes.chars().zip(signs.chars()).collect()
}

/// Values escape bytes as `\x20`.
fn unescape(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find("\\x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = code.filter(u8::is_ascii) {
            out.push(char::from(byte));
            rest = &rest[at + 4..];
        } else {
            out.push_str("\\x");
            rest = &rest[at + 2..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tokens: &str) -> Isupport {
        let mut isupport = Isupport::default();
        tokens.split(' ').for_each(|token| isupport.apply(token));
        isupport
    }

    #[test]
    fn tokens_are_understood_and_can_be_taken_back() {
        let mut isupport = with(
            "CASEMAPPING=ascii CHANTYPES=# PREFIX=(qaohv)~&@%+ CHANMODES=beI,k,l,imn NICKLEN=32 LINELEN=1024 \
             TOPICLEN=390 MODES=4 NETWORK=Example\\x20Net BOT=B MONITOR=100 KNOCK UTF8ONLY draft/CHATHISTORY=500 \
             TARGMAX=NAMES:1,PRIVMSG:4,WHOIS: CHANNELLEN=64",
        );
        assert_eq!(isupport.casemap(), CaseMap::Ascii);
        assert_eq!(isupport.prefixes()[1], ('a', '&'));
        assert_eq!(isupport.chanmodes().never, "imn");
        assert_eq!((isupport.nick_len(), isupport.line_len(), isupport.topic_len()), (32, 1024, Some(390)));
        assert_eq!(isupport.network(), Some("Example Net"));
        assert_eq!(isupport.bot_mode(), Some('B'));
        assert_eq!(isupport.monitor(), Some(Some(100)));
        assert_eq!(isupport.chathistory(), Some(500));
        assert_eq!(
            (isupport.targmax("privmsg"), isupport.targmax("WHOIS"), isupport.targmax("JOIN")),
            (Some(4), None, None)
        );
        assert!(isupport.knock() && isupport.utf8_only());
        for token in ["-CASEMAPPING", "-PREFIX", "-KNOCK", "-NICKLEN", "-CHANTYPES"] {
            isupport.apply(token);
        }
        assert_eq!((isupport.casemap(), isupport.nick_len(), isupport.knock()), (CaseMap::Rfc1459, 9, false));
        assert_eq!(isupport.prefixes(), [('o', '@'), ('v', '+')]);
        assert!(isupport.is_channel("&local"));
    }

    #[test]
    fn a_server_without_channels_or_prefixes_is_taken_at_its_word() {
        let isupport = with("CHANTYPES= PREFIX=");
        assert!(!isupport.is_channel("#rust") && !isupport.is_channel(""));
        assert!(isupport.prefixes().is_empty());
    }

    #[test]
    fn what_is_said_to_operators_only_is_told_apart_from_what_is_said_to_all() {
        let isupport = with("STATUSMSG=@+");
        assert_eq!(isupport.split_status("@#rust"), (Some('@'), "#rust"));
        assert_eq!(isupport.split_status("#rust"), (None, "#rust"));
        assert_eq!(isupport.split_status("@bob"), (None, "@bob"));
    }

    #[test]
    fn denied_client_tags_are_known() {
        assert!(with("X").allows_client_tag("+typing"));
        let isupport = with("CLIENTTAGDENY=*,-draft/reply");
        assert!(isupport.allows_client_tag("+draft/reply"));
        assert!(!isupport.allows_client_tag("+monster-gateway/id"));
        assert!(!with("CLIENTTAGDENY=typing").allows_client_tag("+typing"));
    }

    #[test]
    fn a_hostile_flood_of_tokens_is_bounded() {
        let mut isupport = Isupport::default();
        (0..10_000).for_each(|n| isupport.apply(&format!("T{n}=x")));
        assert!(isupport.raw.len() <= MAX_TOKENS);
        isupport.apply("=x");
        isupport.apply("-");
        isupport.apply("T1=\\x");
        isupport.apply("T1=\\xé1");
        assert_eq!(isupport.get("t1"), Some("\\xé1"));
    }
}
