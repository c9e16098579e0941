//! What a session lets others see of itself: plain questions that send nothing.

use super::{ChannelInfo, Phase, Saying, Session, roster::highest_sign};
use crate::proto::{
    caps::{Cap, CapTable},
    isupport::Isupport,
    line::Source,
};

impl Session {
    /// Our nick now.
    pub fn nick(&self) -> &str {
        &self.me.nick
    }

    /// The account we are logged in to.
    pub fn account(&self) -> Option<&str> {
        self.me.account.as_deref()
    }

    /// True from [`super::Event::Registered`] to [`super::Event::Closed`].
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    /// What the server says about itself.
    pub fn isupport(&self) -> &Isupport {
        &self.isupport
    }

    /// Which capabilities are on.
    pub fn caps(&self) -> &CapTable {
        &self.caps
    }

    /// The channels we are in, as the server spells them.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.roster.iter().map(|channel| channel.name.as_str())
    }

    /// True if we are in the channel.
    pub fn is_in(&self, channel: &str) -> bool {
        self.roster.get(&self.isupport.fold(channel)).is_some()
    }

    /// True if we share a channel with the nick.
    pub fn sees(&self, nick: &str) -> bool {
        self.roster.person(&self.isupport.fold(nick)).is_some()
    }

    /// What is known of somebody who shares a channel with us: their mask, and their account where
    /// the server tells.
    pub fn person(&self, nick: &str) -> Option<(&Source, Option<&str>)> {
        let member = self.roster.person(&self.isupport.fold(nick))?;
        Some((&member.source, member.account.as_deref()))
    }

    /// What is known of a channel we are in, without asking.
    pub fn channel(&self, name: &str) -> Option<ChannelInfo> {
        self.roster.get(&self.isupport.fold(name)).map(|channel| channel.info(&self.isupport))
    }

    /// The highest sign (`@`, `+` …) that somebody has in a channel we are in.
    pub fn sign_in(&self, channel: &str, nick: &str) -> Option<char> {
        let channel = self.roster.get(&self.isupport.fold(channel))?;
        highest_sign(&channel.member(&self.isupport.fold(nick))?.modes, &self.isupport)
    }

    /// True if a redaction can be sent.
    pub fn redacts(&self) -> bool {
        self.caps.has(Cap::MessageRedaction)
    }

    /// True if client-only tags of this name reach others (`+draft/react`, `+typing` …).
    pub fn passes_tag(&self, tag: &str) -> bool {
        self.caps.has(Cap::MessageTags) && self.isupport.allows_client_tag(tag)
    }

    /// True if we can speak under other nicks in channels (`RELAYMSG`).
    pub fn relays(&self) -> bool {
        self.caps.has(Cap::RelayMsg)
    }

    /// The separators of which a relayed nick must hold one (`/`).
    pub fn relay_separators(&self) -> &str {
        self.caps.value(Cap::RelayMsg).filter(|separators| !separators.is_empty()).unwrap_or("/")
    }

    /// True if history can be asked for.
    pub fn has_history(&self) -> bool {
        self.caps.has(Cap::ChatHistory)
    }

    /// How many lines a saying would become now; those of a `draft/multiline` message count one by
    /// one.
    pub fn count_lines(&self, saying: &Saying) -> usize {
        self.units(saying).iter().map(crate::split::Unit::line_count).sum()
    }

    /// How many messages a saying would become now: its lines, or fewer with `draft/multiline`.
    /// [`Saying::skip`] and the parts of delivery marks count these.
    pub fn count_parts(&self, saying: &Saying) -> usize {
        self.units(saying).len()
    }

    /// How many pieces wait for the pacing.
    pub fn waiting(&self) -> usize {
        self.queue.paced()
    }
}
