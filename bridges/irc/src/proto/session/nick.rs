//! Our nick: what to try when it is taken, and how to get the wanted one back.

use super::{Session, queue::Class};
use crate::proto::{command::Command, param::Target};
use std::time::Instant;

/// So many nicks are tried before registration is given up.
const MAX_TRIES: usize = 16;
/// The nick length every server has (RFC 1459 §1.2).
const SAFE_LENGTH: usize = 9;
/// The pauses between tries for the wanted nick grow up to this multiple.
const MAX_BACKOFF: u32 = 32;

/// The nick we want, and when to try for it again.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) nick: String,
    tries: usize,
    next: Option<Instant>,
    pause: u32,
    /// It was asked for, and the server has not answered yet.
    asked: bool,
}

impl Wanted {
    pub(super) fn new(nick: &str) -> Self {
        Self { nick: nick.to_owned(), tries: 0, next: None, pause: 1, asked: false }
    }

    pub(super) fn next_try(&self) -> Option<Instant> {
        self.next
    }
}

impl Session {
    /// The nick was refused during registration: the next one to try.
    pub(super) fn next_nick(&mut self, malformed: bool) -> Option<String> {
        self.wanted.tries += if malformed { 4 } else { 1 };
        if self.wanted.tries > MAX_TRIES {
            return None;
        }
        Some(candidate(&self.wanted.nick, self.wanted.tries, self.config.entropy[0]))
    }

    /// Registration is over: if we have another nick than the wanted one, begin to watch for it.
    pub(super) fn begin_regain(&mut self, now: Instant) {
        let longest = self.isupport.nick_len();
        if self.isupport.get("NICKLEN").is_some() && self.wanted.nick.len() > longest {
            self.wanted.nick = cut(&self.wanted.nick, longest).to_owned();
        }
        if self.has_wanted_nick() {
            self.wanted.next = None;
            return;
        }
        self.watch_for_nick(now);
        self.ask_service_for_nick();
    }

    /// From now on looks out for the wanted nick to be free.
    fn watch_for_nick(&mut self, now: Instant) {
        self.wanted.next = Some(now + self.config.timing.regain);
        if self.isupport.monitor().is_some() {
            self.control(&Command::new("MONITOR").word("+").word(&self.wanted.nick.clone()));
        }
    }

    /// True if we are called what we want to be called.
    pub(super) fn has_wanted_nick(&self) -> bool {
        self.isupport.same(&self.me.nick, &self.wanted.nick)
    }

    /// Somebody called so is gone; if it is the nick we want, take it.
    pub(super) fn nick_is_free(&mut self, nick: &str) {
        let is_ours_to_take = self.isupport.same(nick, &self.wanted.nick) && !self.has_wanted_nick();
        if self.is_up() && is_ours_to_take && !std::mem::replace(&mut self.wanted.asked, true) {
            self.control(&Command::new("NICK").word(&self.wanted.nick.clone()));
        }
    }

    /// Tries for the wanted nick when it is time to.
    pub(super) fn tick_regain(&mut self, now: Instant) {
        if self.wanted.next.is_none_or(|next| next > now) {
            return;
        }
        if self.has_wanted_nick() {
            self.wanted.next = None;
            return;
        }
        self.wanted.pause = (self.wanted.pause * 2).min(MAX_BACKOFF);
        self.wanted.next = Some(now + self.config.timing.regain * self.wanted.pause);
        self.wanted.asked = false;
        self.nick_is_free(&self.wanted.nick.clone());
    }

    /// The server did not give us the nick we asked for.
    pub(super) fn nick_refused(&mut self) {
        self.wanted.asked = false;
    }

    /// From now on another nick is wanted.
    pub(super) fn want_nick(&mut self, nick: &Target) {
        let watched = self.watched.contains_key(&self.isupport.fold(&self.wanted.nick));
        if self.wanted.next.is_some() && self.isupport.monitor().is_some() && !watched {
            self.control(&Command::new("MONITOR").word("-").word(&self.wanted.nick.clone()));
        }
        self.wanted = Wanted::new(nick.as_str());
        self.wanted.next = Some(self.pulse.heard + self.config.timing.regain);
    }

    /// We are called something else now.
    pub(super) fn nick_changed(&mut self, to: &str) {
        to.clone_into(&mut self.me.nick);
        self.wanted.asked = false;
        if !self.has_wanted_nick() && self.is_up() && self.wanted.next.is_none() {
            // Somebody with power over nicks (a service, an operator) gave us another.
            let now = self.pulse.heard;
            return self.watch_for_nick(now);
        }
        if self.has_wanted_nick() && self.wanted.next.take().is_some() {
            let watched = self.watched.contains_key(&self.isupport.fold(to));
            if self.isupport.monitor().is_some() && !watched {
                self.control(&Command::new("MONITOR").word("-").word(to));
            }
        }
    }

    pub(super) fn control(&mut self, command: &Command) {
        self.push(Class::Control, command);
    }
}

/// What to try instead of a nick that is taken: first with `_`, then with numbers, at last short
/// enough for any server.
fn candidate(wanted: &str, tries: usize, seed: u8) -> String {
    let suffix = match tries {
        0..=2 => "_".repeat(tries),
        _ => format!("{}", (tries * 37 + usize::from(seed)) % 1_000),
    };
    let longest = if tries < 4 { usize::MAX } else { SAFE_LENGTH };
    let base = if tries < 8 { wanted.to_owned() } else { plain(wanted) };
    format!("{}{suffix}", cut(&base, longest - suffix.len().min(longest)))
}

/// Only what every server allows in a nick.
fn plain(nick: &str) -> String {
    let kept: String = nick.chars().filter(|c| c.is_ascii_alphanumeric() || "[]\\`_^{|}-".contains(*c)).collect();
    let kept = kept.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    if kept.is_empty() { "guest".to_owned() } else { kept.to_owned() }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_try_is_another_nick_and_the_last_ones_suit_any_server() {
        let all: Vec<String> = (0..=MAX_TRIES).map(|tries| candidate("汉字alexandria", tries, 7)).collect();
        assert_eq!(all[1], "汉字alexandria_");
        assert!(all[4..].iter().all(|nick| nick.len() <= SAFE_LENGTH));
        assert!(all[8..].iter().all(|nick| nick.is_ascii() && nick.starts_with("alexan")));
        let mut unique = all.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
        assert!(candidate("汉字", 9, 0).starts_with("guest"));
    }
}
