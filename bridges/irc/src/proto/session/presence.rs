//! Who is where and called what: JOIN, PART, KICK, QUIT, NICK, MODE, TOPIC and their IRCv3 kin.

use super::{Event, Session};
use crate::proto::{
    batch::BatchKind,
    caps::Cap,
    command::Command,
    line::{Message, Source},
    modes::{parse_channel_modes, parse_user_modes},
};
use std::time::Instant;

impl Session {
    /// A line about somebody's presence; other commands are none of our business.
    pub(super) fn on_presence(&mut self, message: &Message, label: Option<&str>, now: Instant) {
        let Some(who) = message.source.clone() else { return };
        self.learn_mask(&who);
        match message.command.as_str() {
            "JOIN" => self.on_join(&who, message),
            "PART" => self.on_part(&who, message),
            "KICK" => self.on_kick(&who, message),
            "QUIT" => self.on_quit(&who, message),
            "NICK" => self.on_nick(&who, message.param(0), label),
            "MODE" => self.on_mode(&who, message, now),
            "TOPIC" => self.on_topic(&who, message),
            "ACCOUNT" => self.on_account(&who, message.param(0), now),
            "AWAY" => self.emit(Event::AwayChanged { nick: who.nick, reason: reason(message, 0) }),
            "CHGHOST" => self.on_chghost(&who, message.param(0), message.param(1)),
            "INVITE" if self.is_me(message.param(0)) => {
                self.emit(Event::Invited { by: who, channel: message.param(1).to_owned() });
            }
            _ => {}
        }
    }

    fn on_join(&mut self, who: &Source, message: &Message) {
        // `extended-join` has the account (`*` for none) behind the channel.
        let account =
            Some(message.param(1)).filter(|account| !account.is_empty() && *account != "*").map(str::to_owned);
        let account = account.or_else(|| message.tags.filled("account").map(str::to_owned));
        // Some servers still name several channels in one line.
        for name in message.param(0).split(',').filter(|name| !name.is_empty()) {
            let folded = self.isupport.fold(name);
            if self.is_me(&who.nick) {
                self.on_own_join(&folded, name);
                continue;
            }
            let keeps_members = self.keeps_members();
            let Some(channel) = self.roster.get_mut(&folded).filter(|_| keeps_members) else { continue };
            channel.add(self.isupport.fold(&who.nick), who.clone(), account.clone());
            let channel = channel.name.clone();
            self.emit(Event::MemberJoined { channel, who: who.clone(), account: account.clone() });
        }
    }

    fn on_own_join(&mut self, folded: &str, name: &str) {
        if self.unwanted.remove(folded) && !self.is_joining(folded) {
            return self.part_unwanted(name);
        }
        if self.roster.get(folded).is_some() {
            return;
        }
        self.roster.enter(folded.to_owned(), name);
        self.emit(Event::Joined { channel: name.to_owned() });
        if self.caps.has(Cap::NoImplicitNames) {
            if self.keeps_members() {
                self.control(&Command::new("NAMES").word(name));
            } else {
                self.members_known(folded);
            }
        }
    }

    fn on_part(&mut self, who: &Source, message: &Message) {
        for name in message.param(0).split(',').filter(|name| !name.is_empty()) {
            self.remove_from(name, who, None, reason(message, 1));
        }
    }

    fn on_kick(&mut self, by: &Source, message: &Message) {
        let kicked = Source { nick: message.param(1).to_owned(), ..Source::default() };
        self.remove_from(message.param(0), &kicked, Some(by.nick.clone()), reason(message, 2));
    }

    fn remove_from(&mut self, name: &str, who: &Source, by: Option<String>, reason: Option<String>) {
        let folded = self.isupport.fold(name);
        if self.is_me(&who.nick) {
            let Some(left) = self.roster.leave(&folded) else { return };
            self.emit(Event::Left { channel: left.name, by, reason });
            return self.finish_part(&folded);
        }
        let nick = self.isupport.fold(&who.nick);
        let keeps_members = self.keeps_members();
        let Some(channel) = self.roster.get_mut(&folded).filter(|_| keeps_members) else { return };
        let known = channel.remove(&nick).map(|member| member.source);
        let who = if who.host.is_some() { who.clone() } else { known.unwrap_or_else(|| who.clone()) };
        let channel = channel.name.clone();
        self.emit(Event::MemberLeft { channel, who, by, reason });
    }

    fn on_quit(&mut self, who: &Source, message: &Message) {
        let reason = reason(message, 0);
        if self.is_me(&who.nick) {
            return;
        }
        let nick = self.isupport.fold(&who.nick);
        let channels = self.roster.channels_of(&nick);
        self.roster.forget(&nick);
        let batch = message.tags.get("batch").and_then(|batch| self.batches.nearest(batch, BatchKind::Netsplit));
        let netsplit = batch.is_some() || reason.as_deref().is_some_and(looks_like_netsplit);
        self.emit(Event::Quit { who: who.clone(), channels, reason, netsplit });
        self.nick_is_free(&who.nick);
    }

    fn on_nick(&mut self, who: &Source, to: &str, label: Option<&str>) {
        if to.is_empty() {
            return;
        }
        // InspIRCd 3 sends the labelled answer to our own request from the nick we have only now.
        let asked_for = label.is_some_and(|label| self.asks.is_nick(label));
        let who = if asked_for { &Source { nick: self.me.nick.clone(), ..who.clone() } } else { who };
        let (from, folded) = (self.isupport.fold(&who.nick), self.isupport.fold(to));
        let channels = self.roster.channels_of(&from);
        self.roster.rename(&from, &folded, to);
        let own = self.is_me(&who.nick);
        if own {
            self.nick_changed(to);
        }
        self.emit(Event::NickChanged { from: who.nick.clone(), to: to.to_owned(), own, channels });
        if own {
            self.finish_nick(&folded);
        } else {
            self.nick_is_free(&who.nick);
        }
    }

    fn on_mode(&mut self, who: &Source, message: &Message, now: Instant) {
        let target = message.param(0);
        if !self.isupport.is_channel(target) {
            // `+r` is how services without account-notify confirm a login.
            let confirmed = parse_user_modes(message.param(1)).iter().any(|change| change.mode == 'r' && change.set);
            if confirmed && self.is_me(target) && self.me.account.is_none() && !self.is_up() {
                self.logged_in(&self.me.nick.clone(), now);
            }
            return;
        }
        let changes = parse_channel_modes(message.params.get(1..).unwrap_or_default(), &self.isupport);
        let Some(channel) = self.roster.get_mut(&self.isupport.fold(target)) else { return };
        for change in &changes {
            channel.change(change, &self.isupport);
        }
        let channel = channel.name.clone();
        self.emit(Event::Modes { channel, by: who.nick.clone(), changes });
    }

    fn on_topic(&mut self, who: &Source, message: &Message) {
        let Some(channel) = self.roster.get_mut(&self.isupport.fold(message.param(0))) else { return };
        message.param(1).clone_into(&mut channel.topic);
        channel.topic_by = Some((who.nick.clone(), None));
        let (channel, topic) = (channel.name.clone(), channel.topic.clone());
        self.emit(Event::Topic { channel, by: who.nick.clone(), topic });
    }

    fn on_account(&mut self, who: &Source, account: &str, now: Instant) {
        let account = Some(account).filter(|account| !account.is_empty() && *account != "*").map(str::to_owned);
        if self.is_me(&who.nick) {
            match &account {
                Some(account) if self.me.account.as_ref() != Some(account) => self.logged_in(account, now),
                Some(_) => {}
                None => self.me.account = None,
            }
        }
        self.roster.update(&self.isupport.fold(&who.nick), |member| member.account.clone_from(&account));
        self.emit(Event::AccountChanged { nick: who.nick.clone(), account });
    }

    fn on_chghost(&mut self, who: &Source, user: &str, host: &str) {
        let source = Source { nick: who.nick.clone(), user: Some(user.to_owned()), host: Some(host.to_owned()) };
        self.learn_mask(&source);
        self.roster.update(&self.isupport.fold(&who.nick), |member| member.source = source.clone());
    }

    /// True unless `MONITOR` makes a list of members needless.
    pub(super) fn keeps_members(&self) -> bool {
        !self.config.lean || self.isupport.monitor().is_none()
    }

    /// `730` (there) and `731` (gone): nicks that are watched.
    pub(super) fn on_monitor(&mut self, online: bool, list: &str) {
        for entry in list.split(',').filter(|entry| !entry.is_empty()) {
            let nick = Source::parse(entry).nick;
            if self.watched.contains_key(&self.isupport.fold(&nick)) {
                self.emit(Event::Presence { nick: nick.clone(), online });
            }
            if !online {
                self.nick_is_free(&nick);
            }
        }
    }
    /// `734`: the server has no room to watch these.
    pub(super) fn on_monitor_full(&mut self, list: &str) {
        for nick in list.split(',') {
            self.watched.remove(&self.isupport.fold(nick));
        }
    }
}

fn reason(message: &Message, at: usize) -> Option<String> {
    Some(message.param(at)).filter(|reason| !reason.is_empty()).map(str::to_owned)
}

/// `a.example b.example`: two servers lost each other.
fn looks_like_netsplit(reason: &str) -> bool {
    let server = |name: &str| {
        let edges_fit = !name.starts_with('.') && !name.ends_with('.');
        name.contains('.') && edges_fit && !name.contains(['/', ':', '@'])
    };
    reason.split_once(' ').is_some_and(|(one, other)| server(one) && server(other) && !other.contains(' '))
}
