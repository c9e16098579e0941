//! Capability negotiation (IRCv3 `capability-negotiation` 302): which extensions we want, what the
//! server offers, and what is on. [`CapTable`] is fed every `CAP` line and says which to request.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A capability we make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the capability of that name; see `Cap::name`")]
pub enum Cap {
    MessageTags,
    ServerTime,
    EchoMessage,
    LabeledResponse,
    Batch,
    Multiline,
    ChatHistory,
    EventPlayback,
    AccountTag,
    AccountNotify,
    AwayNotify,
    ExtendedJoin,
    ExtendedMonitor,
    Chghost,
    Setname,
    InviteNotify,
    MultiPrefix,
    UserhostInNames,
    MessageRedaction,
    StandardReplies,
    RelayMsg,
    CapNotify,
    NoImplicitNames,
    Sasl,
}

impl Cap {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::MessageTags,
        Self::ServerTime,
        Self::EchoMessage,
        Self::LabeledResponse,
        Self::Batch,
        Self::Multiline,
        Self::ChatHistory,
        Self::EventPlayback,
        Self::AccountTag,
        Self::AccountNotify,
        Self::AwayNotify,
        Self::ExtendedJoin,
        Self::ExtendedMonitor,
        Self::Chghost,
        Self::Setname,
        Self::InviteNotify,
        Self::MultiPrefix,
        Self::UserhostInNames,
        Self::MessageRedaction,
        Self::StandardReplies,
        Self::RelayMsg,
        Self::CapNotify,
        Self::NoImplicitNames,
        Self::Sasl,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageTags => "message-tags",
            Self::ServerTime => "server-time",
            Self::EchoMessage => "echo-message",
            Self::LabeledResponse => "labeled-response",
            Self::Batch => "batch",
            Self::Multiline => "draft/multiline",
            Self::ChatHistory => "draft/chathistory",
            Self::EventPlayback => "draft/event-playback",
            Self::AccountTag => "account-tag",
            Self::AccountNotify => "account-notify",
            Self::AwayNotify => "away-notify",
            Self::ExtendedJoin => "extended-join",
            Self::ExtendedMonitor => "extended-monitor",
            Self::Chghost => "chghost",
            Self::Setname => "setname",
            Self::InviteNotify => "invite-notify",
            Self::MultiPrefix => "multi-prefix",
            Self::UserhostInNames => "userhost-in-names",
            Self::MessageRedaction => "draft/message-redaction",
            Self::StandardReplies => "standard-replies",
            Self::RelayMsg => "draft/relaymsg",
            Self::CapNotify => "cap-notify",
            Self::NoImplicitNames => "draft/no-implicit-names",
            Self::Sasl => "sasl",
        }
    }

    /// The capabilities without which this one does nothing.
    const fn needs(self) -> &'static [Self] {
        match self {
            Self::LabeledResponse => &[Self::Batch],
            Self::Multiline | Self::ChatHistory => &[Self::Batch, Self::ServerTime, Self::MessageTags],
            Self::EventPlayback => &[Self::ChatHistory],
            Self::MessageRedaction => &[Self::MessageTags],
            _ => &[],
        }
    }

    /// The capability of a name: with `draft/` or, once it is ratified, without.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cap| {
            let ours = cap.name();
            name == ours || Some(name) == ours.strip_prefix("draft/")
        })
    }
}

/// A server's policy to be used with TLS only (IRCv3 `sts`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsPolicy {
    /// The port with TLS; counts on a connection without.
    pub port: Option<u16>,
    /// How long the policy holds; counts on a connection with TLS. Zero takes it back.
    pub duration: Option<Duration>,
}

/// The limits of `draft/multiline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultilineLimits {
    /// The most bytes of one message, line breaks included.
    pub max_bytes: usize,
    /// The most lines of one message.
    pub max_lines: usize,
}

/// What a `CAP` line calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapStep {
    /// More of the same list follows, or there is nothing to do.
    Nothing,
    /// The whole list is known: these are to be requested (none: go on without).
    Request(Vec<String>),
    /// A request was answered; what is on has changed.
    Settled,
    /// What the server offers has changed after the list; these are to be requested.
    Changed(Vec<String>),
}

/// What the server offers and what is on.
#[derive(Debug, Clone, Default)]
pub struct CapTable {
    offered: BTreeMap<String, Option<String>>,
    enabled: BTreeMap<Cap, String>,
    refused: BTreeSet<String>,
    unwanted: Vec<Cap>,
}

/// No server offers more than this; further ones are not kept.
const MAX_OFFERED: usize = 256;
/// The bytes of names one `CAP REQ` carries.
const MAX_REQUEST_BYTES: usize = 400;

impl CapTable {
    /// An empty table; `unwanted` are left alone although the server offers them.
    pub fn new(unwanted: Vec<Cap>) -> Self {
        Self { unwanted, ..Self::default() }
    }

    /// True if the capability is on.
    pub fn has(&self, cap: Cap) -> bool {
        self.enabled.contains_key(&cap)
    }

    /// The value the server gave with a capability that is offered, e.g. the mechanisms of `sasl`.
    pub fn value(&self, cap: Cap) -> Option<&str> {
        let named = |name: &str| self.offered.get(name).and_then(Option::as_deref);
        named(cap.name()).or_else(|| named(cap.name().strip_prefix("draft/")?))
    }

    /// True if the server offers it, on or not.
    pub fn offers(&self, cap: Cap) -> bool {
        self.offered.keys().any(|name| Cap::named(name) == Some(cap))
    }

    /// The names of what is on.
    pub fn enabled(&self) -> impl Iterator<Item = &str> {
        self.enabled.values().map(String::as_str)
    }

    /// The limits for messages of several lines, where `draft/multiline` is on.
    pub fn multiline(&self) -> Option<MultilineLimits> {
        if !self.has(Cap::Multiline) {
            return None;
        }
        let value = self.value(Cap::Multiline)?;
        let number = |key: &str| {
            value.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse::<usize>().ok())
        };
        let max_bytes = number("max-bytes").filter(|bytes| *bytes > 0)?;
        Some(MultilineLimits {
            max_bytes,
            max_lines: number("max-lines").filter(|lines| *lines > 0).unwrap_or(usize::MAX),
        })
    }

    /// The policy the server offers, if it has one.
    pub fn sts(&self) -> Option<StsPolicy> {
        let value = self.offered.get("sts")?.as_deref()?;
        let number = |key: &str| value.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let port = number("port").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let duration = number("duration").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        (port.is_some() || duration.is_some()).then_some(StsPolicy { port, duration })
    }

    /// Takes the parameters of a `CAP` line from the subcommand on: `["LS", "*", "a b"]`.
    pub fn receive(&mut self, params: &[String]) -> CapStep {
        let Some((subcommand, rest)) = params.split_first() else { return CapStep::Nothing };
        let list = rest.last().map_or("", String::as_str);
        let more = rest.len() > 1 && rest[0] == "*";
        match subcommand.to_ascii_uppercase().as_str() {
            "LS" => {
                self.offer(list);
                if more { CapStep::Nothing } else { CapStep::Request(self.missing()) }
            }
            "NEW" => {
                self.offer(list);
                CapStep::Changed(self.missing())
            }
            "DEL" => {
                for name in list.split_ascii_whitespace() {
                    let name = name.split('=').next().unwrap_or(name);
                    self.offered.remove(name);
                    self.refused.remove(name);
                    self.disable(name);
                }
                CapStep::Changed(Vec::new())
            }
            "ACK" => {
                self.acknowledge(list);
                CapStep::Settled
            }
            "NAK" => {
                self.refused.extend(list.split_ascii_whitespace().take(MAX_OFFERED).map(str::to_owned));
                CapStep::Settled
            }
            _ => CapStep::Nothing,
        }
    }

    /// Splits names into lists that fit into one `CAP REQ` each. Capabilities that need each other
    /// are requested together or one by one alike; a server that refuses a list refuses all of it,
    /// so [`Self::retry_singly`] tries its names alone.
    pub fn requests(names: &[String]) -> Vec<String> {
        let mut lists: Vec<String> = Vec::new();
        for name in names {
            match lists.last_mut().filter(|list| list.len() + 1 + name.len() <= MAX_REQUEST_BYTES) {
                Some(list) => {
                    list.push(' ');
                    list.push_str(name);
                }
                None => lists.push(name.clone()),
            }
        }
        lists
    }

    /// The names of a refused list that are worth a request of their own.
    pub fn retry_singly(&mut self, params: &[String]) -> Vec<String> {
        let names: Vec<&str> = params.last().map_or("", String::as_str).split_ascii_whitespace().collect();
        if params.first().is_none_or(|sub| !sub.eq_ignore_ascii_case("NAK")) || names.len() < 2 {
            return Vec::new();
        }
        for name in &names {
            self.refused.remove(*name);
        }
        self.missing().into_iter().filter(|name| names.contains(&name.as_str())).collect()
    }

    fn offer(&mut self, list: &str) {
        for item in list.split_ascii_whitespace() {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (item, None),
            };
            if self.offered.len() < MAX_OFFERED || self.offered.contains_key(name) {
                self.offered.insert(name.to_owned(), value);
            }
        }
    }

    /// What is offered, wanted and not on.
    fn missing(&self) -> Vec<String> {
        let known = |name: &String| Cap::named(name).map(|cap| (cap, name.clone()));
        let mut names: BTreeMap<Cap, String> = BTreeMap::new();
        for (cap, name) in self.offered.keys().filter_map(known) {
            let useful = !self.unwanted.contains(&cap) && cap.needs().iter().all(|need| self.offers(*need));
            if useful && !self.has(cap) && !self.refused.contains(&name) {
                // Of a draft and its ratified form, the latter; only one may be on.
                names
                    .entry(cap)
                    .and_modify(|kept| {
                        if kept.starts_with("draft/") {
                            kept.clone_from(&name);
                        }
                    })
                    .or_insert(name);
            }
        }
        names.into_values().collect()
    }

    fn acknowledge(&mut self, list: &str) {
        for item in list.split_ascii_whitespace() {
            let name = item.trim_start_matches(['~', '=']);
            match name.strip_prefix('-') {
                Some(name) => self.disable(name),
                None => {
                    if let Some(cap) = Cap::named(name) {
                        self.enabled.insert(cap, name.to_owned());
                    }
                }
            }
        }
    }

    fn disable(&mut self, name: &str) {
        self.enabled.retain(|_, enabled| enabled != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(line: &str) -> Vec<String> {
        let (words, list) = line.split_once(" :").unwrap_or((line, ""));
        words.split(' ').map(str::to_owned).chain([list.to_owned()]).collect()
    }

    #[test]
    fn a_list_of_several_lines_is_requested_once_it_is_whole() {
        let mut table = CapTable::new(Vec::new());
        assert_eq!(table.receive(&params("LS * :batch message-tags unknown/cap")), CapStep::Nothing);
        let CapStep::Request(names) = table.receive(&params("LS :labeled-response sasl=PLAIN,EXTERNAL server-time"))
        else {
            panic!("the list is whole")
        };
        assert_eq!(names, ["message-tags", "server-time", "labeled-response", "batch", "sasl"]);
        assert_eq!(table.value(Cap::Sasl), Some("PLAIN,EXTERNAL"));
        assert_eq!(
            table.receive(&params("ACK :message-tags server-time labeled-response batch sasl ")),
            CapStep::Settled
        );
        assert!(table.has(Cap::LabeledResponse) && !table.has(Cap::EchoMessage));
    }

    #[test]
    fn what_needs_something_that_is_not_offered_is_not_requested() {
        let mut table = CapTable::new(vec![Cap::Sasl]);
        let step = table.receive(&params("LS :labeled-response draft/multiline=max-bytes=4096 sasl echo-message"));
        assert_eq!(step, CapStep::Request(vec!["echo-message".into()]));
    }

    #[test]
    fn a_refused_list_is_tried_name_by_name() {
        let mut table = CapTable::new(vec![Cap::Sasl]);
        table.receive(&params("LS :batch echo-message"));
        let nak = params("NAK :echo-message batch");
        assert_eq!(table.receive(&nak), CapStep::Settled);
        assert_eq!(table.retry_singly(&nak), ["echo-message", "batch"]);
        let nak = params("NAK :echo-message");
        table.receive(&nak);
        assert!(table.retry_singly(&nak).is_empty());
        assert_eq!(
            table.receive(&params("NEW :away-notify echo-message")),
            CapStep::Changed(vec!["batch".into(), "away-notify".into()])
        );
    }

    #[test]
    fn what_the_server_takes_away_is_off() {
        let mut table = CapTable::new(Vec::new());
        table.receive(&params("LS :echo-message sasl"));
        table.receive(&params("ACK :echo-message sasl"));
        assert_eq!(table.receive(&params("DEL :echo-message sasl=PLAIN")), CapStep::Changed(Vec::new()));
        assert!(!table.has(Cap::EchoMessage) && !table.has(Cap::Sasl) && !table.offers(Cap::Sasl));
        table.receive(&params("NEW :echo-message"));
        table.receive(&params("ACK :echo-message"));
        assert!(table.has(Cap::EchoMessage));
        table.receive(&params("ACK :-echo-message"));
        assert!(!table.has(Cap::EchoMessage));
    }

    #[test]
    fn limits_and_policies_are_read() {
        let mut table = CapTable::new(vec![Cap::Sasl]);
        table.receive(&params("LS :batch message-tags server-time draft/multiline=max-bytes=4096,max-lines=24 sts=port=6697,duration=2592000,preload"));
        assert_eq!(table.multiline(), None);
        table.receive(&params("ACK :draft/multiline"));
        assert_eq!(table.multiline(), Some(MultilineLimits { max_bytes: 4096, max_lines: 24 }));
        assert_eq!(table.sts(), Some(StsPolicy { port: Some(6697), duration: Some(Duration::from_hours(720)) }));
        table.receive(&params("NEW :sts=port=0"));
        assert_eq!(table.sts(), None);
    }

    #[test]
    fn a_long_wish_list_is_cut_into_lines() {
        let names: Vec<String> = (0..60).map(|n| format!("vendor.example/cap-{n}")).collect();
        let lists = CapTable::requests(&names);
        assert!(lists.len() > 1 && lists.iter().all(|list| list.len() <= MAX_REQUEST_BYTES));
        assert_eq!(lists.join(" "), names.join(" "));
    }

    #[test]
    fn a_server_that_never_stops_offering_is_bounded() {
        let mut table = CapTable::new(vec![Cap::Sasl]);
        for n in 0..10_000 {
            table.receive(&params(&format!("LS * :cap{n}")));
        }
        assert!(table.offered.len() <= MAX_OFFERED);
    }
}
