//! The channels we are in and who is there with us. Plain state: `presence` changes it as lines
//! come, the accessors of the session show it.

use super::request::ChannelInfo;
use crate::proto::{
    isupport::Isupport,
    line::{Message, Source},
    modes::{ModeChange, parse_channel_modes},
};
use std::collections::{BTreeMap, HashMap};

/// More members of one channel are not kept track of.
const MAX_MEMBERS: usize = 100_000;
/// More channels are not kept track of; a server can force us into any number.
const MAX_CHANNELS: usize = 4_096;

/// The channels we are in, by folded name.
#[derive(Debug, Default)]
pub(super) struct Roster(HashMap<String, Channel>);

/// A channel we are in.
#[derive(Debug, Default)]
pub(super) struct Channel {
    /// As the server spells it.
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) topic_by: Option<(String, Option<u64>)>,
    /// Modes that are set, with their parameter; lists are not kept.
    pub(super) modes: BTreeMap<char, String>,
    /// By folded nick.
    members: HashMap<String, Member>,
    /// The list of members is still coming.
    pub(super) names_open: bool,
}

/// Somebody in a channel with us.
#[derive(Debug, Clone, Default)]
pub(super) struct Member {
    pub(super) source: Source,
    pub(super) account: Option<String>,
    /// Letters of the member modes they have.
    pub(super) modes: String,
}

impl Roster {
    pub(super) fn get(&self, folded: &str) -> Option<&Channel> {
        self.0.get(folded)
    }

    pub(super) fn get_mut(&mut self, folded: &str) -> Option<&mut Channel> {
        self.0.get_mut(folded)
    }

    /// We are in a channel now.
    pub(super) fn enter(&mut self, folded: String, name: &str) {
        if self.0.len() < MAX_CHANNELS {
            self.0.insert(folded, Channel { name: name.to_owned(), names_open: true, ..Channel::default() });
        }
    }

    /// We are no longer in a channel.
    pub(super) fn leave(&mut self, folded: &str) -> Option<Channel> {
        self.0.remove(folded)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.values()
    }

    /// The names of the channels a nick is in, sorted.
    pub(super) fn channels_of(&self, nick: &str) -> Vec<String> {
        let with = self.0.values().filter(|channel| channel.members.contains_key(nick));
        let mut names: Vec<String> = with.map(|channel| channel.name.clone()).collect();
        names.sort();
        names
    }

    /// Somebody left the network.
    pub(super) fn forget(&mut self, nick: &str) {
        self.0.values_mut().for_each(|channel| {
            channel.members.remove(nick);
        });
    }

    /// Changes what is known of somebody, in every channel.
    pub(super) fn update(&mut self, nick: &str, change: impl Fn(&mut Member)) {
        self.0.values_mut().filter_map(|channel| channel.members.get_mut(nick)).for_each(change);
    }

    /// Somebody is called something else.
    pub(super) fn rename(&mut self, from: &str, folded: &str, to: &str) {
        for channel in self.0.values_mut() {
            if let Some(mut member) = channel.members.remove(from) {
                to.clone_into(&mut member.source.nick);
                channel.members.insert(folded.to_owned(), member);
            }
        }
    }

    /// What is known of somebody in a channel with us.
    pub(super) fn person(&self, nick: &str) -> Option<&Member> {
        self.0.values().find_map(|channel| channel.members.get(nick))
    }
}

impl Channel {
    /// Somebody is in the channel; what is known already is kept.
    pub(super) fn add(&mut self, folded: String, source: Source, account: Option<String>) -> Option<&mut Member> {
        if self.members.len() >= MAX_MEMBERS && !self.members.contains_key(&folded) {
            return None;
        }
        let member = self.members.entry(folded).or_default();
        let known = std::mem::replace(&mut member.source, source);
        member.source.user = member.source.user.take().or(known.user);
        member.source.host = member.source.host.take().or(known.host);
        member.account = account.or_else(|| member.account.take());
        Some(member)
    }

    pub(super) fn member(&self, folded: &str) -> Option<&Member> {
        self.members.get(folded)
    }

    pub(super) fn remove(&mut self, folded: &str) -> Option<Member> {
        self.members.remove(folded)
    }

    /// Takes topic, modes or members (all, or `only` one) from a numeric.
    pub(super) fn learn(&mut self, numeric: u16, message: &Message, only: Option<&str>, isupport: &Isupport) {
        match numeric {
            324 => {
                self.modes.clear();
                let changes = parse_channel_modes(message.params.get(2..).unwrap_or_default(), isupport);
                for change in &changes {
                    self.change(change, isupport);
                }
            }
            331 => self.topic.clear(),
            332 => message.last().clone_into(&mut self.topic),
            333 => self.topic_by = Some((message.param(2).to_owned(), message.param(3).parse().ok())),
            353 => {
                for entry in message.last().split_ascii_whitespace() {
                    self.add_name(entry, only, isupport);
                }
            }
            _ => {}
        }
    }

    /// Takes an entry of a 353 line: `@+nick`, or `@+nick!user@host`.
    fn add_name(&mut self, entry: &str, only: Option<&str>, isupport: &Isupport) {
        let (modes, source) = parse_name(entry, isupport);
        if source.nick.is_empty() || only.is_some_and(|nick| !isupport.same(nick, &source.nick)) {
            return;
        }
        if let Some(member) = self.add(isupport.fold(&source.nick), source, None) {
            member.modes = modes;
        }
    }

    /// Takes one change of a mode.
    pub(super) fn change(&mut self, change: &ModeChange, isupport: &Isupport) {
        if isupport.prefixes().iter().any(|(mode, _)| *mode == change.mode) {
            let nick = change.param.as_deref().map(|nick| isupport.fold(nick));
            if let Some(member) = nick.and_then(|nick| self.members.get_mut(&nick)) {
                member.modes.retain(|mode| mode != change.mode);
                if change.set {
                    member.modes.push(change.mode);
                }
            }
        } else if !isupport.chanmodes().lists.contains(change.mode) {
            if change.set {
                self.modes.insert(change.mode, change.param.clone().unwrap_or_default());
            } else {
                self.modes.remove(&change.mode);
            }
        }
    }

    /// What is known of it.
    pub(super) fn info(&self, isupport: &Isupport) -> ChannelInfo {
        let sign = |member: &Member| highest_sign(&member.modes, isupport);
        let mut members: Vec<_> =
            self.members.values().map(|member| (member.source.nick.clone(), sign(member))).collect();
        members.sort();
        ChannelInfo {
            name: self.name.clone(),
            topic: self.topic.clone(),
            topic_by: self.topic_by.clone(),
            modes: self.modes.keys().collect(),
            members,
            moderated: self.modes.contains_key(&'m'),
        }
    }
}

/// Takes the signs off an entry of a list of names, and gives the modes they stand for.
pub(super) fn parse_name(entry: &str, isupport: &Isupport) -> (String, Source) {
    let mut modes = String::new();
    let mut rest = entry;
    while let Some(first) = rest.chars().next() {
        let Some((mode, _)) = isupport.prefixes().iter().find(|(_, sign)| *sign == first) else { break };
        modes.push(*mode);
        rest = &rest[first.len_utf8()..];
    }
    (modes, Source::parse(rest))
}

/// The highest of the signs that modes stand for.
pub(super) fn highest_sign(modes: &str, isupport: &Isupport) -> Option<char> {
    isupport.prefixes().iter().find(|(mode, _)| modes.contains(*mode)).map(|(_, sign)| *sign)
}
