//! Who somebody is, beyond their nick: their account, or their connection.

use crate::proto::Source;
use crate::proto::session::Whois;
use serde::{Deserialize, Serialize};

/// What is known of the one a conversation belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    account: Option<String>,
    user: Option<String>,
    host: Option<String>,
    /// When the connection began, in seconds since 1970: no other connection of the same host has
    /// the same, but by chance.
    signon: Option<u64>,
    /// The connection is gone; only the account can tell them now.
    #[serde(default)]
    ended: bool,
    /// When the nick went out of sight, in seconds since 1970 by our clock: it may come back after a
    /// netsplit, or somebody else may have it.
    #[serde(default)]
    gone_at: Option<u64>,
}

/// A connection that came back from a netsplit had begun at least so many seconds before: clocks
/// differ, and whoever takes a nick takes it at once.
const MARGIN: u64 = 10;

impl Owner {
    /// Whoever wrote a line.
    pub(super) fn of_line(source: &Source, account: Option<&str>) -> Self {
        Self {
            account: account.map(str::to_owned),
            user: source.user.clone(),
            host: source.host.clone(),
            signon: None,
            ended: false,
            gone_at: None,
        }
    }

    /// Whoever a WHOIS shows.
    pub(super) fn of_whois(whois: &Whois) -> Self {
        Self {
            account: whois.account.clone(),
            user: Some(whois.user.clone()),
            host: Some(whois.host.clone()),
            signon: whois.signon,
            ended: false,
            gone_at: None,
        }
    }

    /// Whether it is their account.
    pub(super) fn has_account(&self, account: Option<&str>) -> bool {
        self.account.is_some() && self.account.as_deref() == account
    }

    /// Whether a WHOIS shows the same person: by account, or by connection.
    pub(super) fn is_still(&self, whois: &Whois) -> bool {
        if self.has_account(whois.account.as_deref()) {
            return true;
        }
        // Logged in to another account: another person, whatever the connection.
        if self.account.is_some() && whois.account.is_some() {
            return false;
        }
        let same_place = self.user.as_deref() == Some(&whois.user) && self.host.as_deref() == Some(&whois.host);
        let same_start = match (self.signon, whois.signon) {
            (Some(before), Some(now)) => before == now && self.gone_at.is_none_or(|gone| now + MARGIN < gone),
            _ => self.gone_at.is_none(),
        };
        same_place && same_start && !self.ended
    }

    /// Whether a line looks like theirs, where nothing better can be asked.
    pub(super) fn is_line(&self, source: &Source, account: Option<&str>) -> bool {
        if self.account.is_some() && account.is_some() {
            return self.has_account(account);
        }
        !self.ended && self.gone_at.is_none() && self.user == source.user && self.host == source.host
    }

    /// They are known better now.
    pub(super) fn learn(&mut self, whois: &Whois) {
        let account = whois.account.clone().or_else(|| self.account.take());
        *self = Self { account, ..Self::of_whois(whois) };
    }

    /// They are out of sight: gone, or behind a netsplit.
    pub(super) fn out_of_sight(&mut self, now: u64) {
        self.gone_at.get_or_insert(now);
    }

    /// They were seen to change their nick: if they went out of sight just now, that was why.
    pub(super) fn changed_nick(&mut self, now: u64) {
        self.gone_at = self.gone_at.filter(|gone| *gone + MARGIN < now);
    }

    /// Their connection is gone.
    pub(super) fn connection_ended(&mut self) {
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whois(account: Option<&str>, user: &str, signon: u64) -> Whois {
        Whois {
            account: account.map(str::to_owned),
            user: user.to_owned(),
            host: "host.example".to_owned(),
            signon: Some(signon),
            ..Whois::default()
        }
    }

    #[test]
    fn an_account_is_the_same_person_wherever_they_connect() {
        let owner = Owner::of_whois(&whois(Some("bob"), "~bob", 1));
        assert!(owner.is_still(&whois(Some("bob"), "~phone", 9)));
        assert!(!owner.is_still(&whois(Some("mallory"), "~bob", 1)));
        assert!(!owner.is_still(&whois(None, "~bob", 9)));
        assert!(owner.is_still(&whois(None, "~bob", 1)), "only logged out");
    }

    #[test]
    fn without_an_account_the_connection_has_to_be_the_same() {
        let mut owner = Owner::of_whois(&whois(None, "~bob", 1));
        assert!(owner.is_still(&whois(None, "~bob", 1)));
        assert!(!owner.is_still(&whois(None, "~bob", 2)), "another connection of the same host");
        assert!(!owner.is_still(&whois(None, "~eve", 1)));
        owner.connection_ended();
        assert!(!owner.is_still(&whois(None, "~bob", 1)));
    }

    #[test]
    fn whoever_comes_back_from_a_netsplit_has_been_there_before() {
        let mut owner = Owner::of_whois(&whois(None, "~bob", 1_000));
        owner.out_of_sight(5_000);
        assert!(owner.is_still(&whois(None, "~bob", 1_000)));
        let mut owner = Owner::of_whois(&whois(None, "~bob", 4_999));
        owner.out_of_sight(5_000);
        assert!(!owner.is_still(&whois(None, "~bob", 4_999)), "it may as well be a newcomer of the same second");
    }

    #[test]
    fn a_line_tells_less_and_is_completed_later() {
        let source = Source::parse("bob!~bob@host.example");
        let mut owner = Owner::of_line(&source, None);
        assert!(owner.is_still(&whois(Some("bob"), "~bob", 5)));
        owner.learn(&whois(Some("bob"), "~bob", 5));
        assert!(owner.is_still(&whois(Some("bob"), "~elsewhere", 6)));
    }
}
