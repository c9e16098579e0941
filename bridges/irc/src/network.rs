//! What all instances of this process on one server share: the pace of connecting, and the nicks
//! that are ours. What one of our own connections says is nobody's event, whichever instance hears
//! it.
//!
//! Instances find each other by the server of their configuration; two instances for one network
//! should therefore name the same server.

use crate::net::Pacer;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

/// One server, as this process knows it.
#[derive(Debug)]
pub(crate) struct Network {
    /// When connections may be opened.
    pub(crate) pacer: Pacer,
    own: Mutex<HashMap<String, Own>>,
}

/// How a nick is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// A connection of ours has it.
    Here,
    /// A connection of ours had it (or is about to be told that it has it): lines of it may still
    /// be on their way to another connection.
    Passing(Instant),
}

/// How long lines of a nick that was given up may still be on their way.
const PASSING: Duration = Duration::from_mins(1);

static NETWORKS: LazyLock<Mutex<HashMap<String, Weak<Network>>>> = LazyLock::new(Mutex::default);

impl Network {
    /// The network behind a server; the first instance sets the pace.
    pub(crate) fn behind(server: &str, connects_per_minute: u32) -> Arc<Self> {
        let mut networks = NETWORKS.lock();
        if let Some(network) = networks.get(server).and_then(Weak::upgrade) {
            return network;
        }
        networks.retain(|_, network| network.strong_count() > 0);
        let network = Arc::new(Self { pacer: Pacer::new(connects_per_minute), own: Mutex::default() });
        networks.insert(server.to_owned(), Arc::downgrade(&network));
        network
    }

    /// A connection of ours has this nick (folded) from now on.
    pub(crate) fn enter(self: &Arc<Self>, nick: String) -> OwnNick {
        self.own.lock().insert(nick.clone(), Own::Here);
        OwnNick { network: Arc::clone(self), nick: Mutex::new(nick) }
    }

    /// Whether a nick (folded) is ours, or was until a moment ago.
    pub(crate) fn is_own(&self, nick: &str) -> bool {
        match self.own.lock().get(nick) {
            Some(Own::Here) => true,
            Some(Own::Passing(since)) => since.elapsed() < PASSING,
            None => false,
        }
    }

    /// A listening connection saw the nick leave: what comes from it now is somebody else's.
    pub(crate) fn saw_quit(&self, nick: &str) {
        let mut own = self.own.lock();
        if matches!(own.get(nick), Some(Own::Passing(_))) {
            own.remove(nick);
        }
    }

    /// A listening connection saw a nick change: if the old one is ours, so is the new one, even
    /// where its own connection has not been told yet.
    pub(crate) fn saw_change(&self, from: &str, to: &str) {
        let mut own = self.own.lock();
        if own.contains_key(from) {
            own.entry(to.to_owned()).or_insert(Own::Passing(Instant::now()));
            if matches!(own.get(from), Some(Own::Passing(_))) {
                own.remove(from);
            }
        }
    }
}

/// The nick of one of our connections while it lives.
#[derive(Debug)]
pub(crate) struct OwnNick {
    network: Arc<Network>,
    nick: Mutex<String>,
}

impl OwnNick {
    /// The connection is called something else now (folded).
    pub(crate) fn rename(&self, to: String) {
        let mut nick = self.nick.lock();
        let mut own = self.network.own.lock();
        own.insert(to.clone(), Own::Here);
        if *nick != to {
            own.insert(std::mem::replace(&mut *nick, to), Own::Passing(Instant::now()));
        }
    }
}

impl Drop for OwnNick {
    fn drop(&mut self) {
        let mut own = self.network.own.lock();
        own.retain(|_, how| !matches!(how, Own::Passing(since) if since.elapsed() >= PASSING));
        own.insert(self.nick.lock().clone(), Own::Passing(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_on_one_server_know_each_others_nicks() {
        let one = Network::behind("irc.one.example:6697", 20);
        let other = Network::behind("irc.one.example:6697", 5);
        let elsewhere = Network::behind("irc.two.example:6697", 20);
        let nick = one.enter("alice".to_owned());
        assert!(other.is_own("alice") && !elsewhere.is_own("alice"));
        nick.rename("alice_".to_owned());
        assert!(other.is_own("alice_"));
    }

    #[test]
    fn a_nick_stays_ours_until_its_end_was_seen() {
        let network = Network::behind("irc.three.example:6697", 20);
        drop(network.enter("alice".to_owned()));
        assert!(network.is_own("alice"), "a line may be on its way");
        network.saw_quit("alice");
        assert!(!network.is_own("alice"), "whoever has it now is somebody else");
    }

    #[test]
    fn a_change_is_followed_before_our_own_connection_hears_of_it() {
        let network = Network::behind("irc.four.example:6697", 20);
        let nick = network.enter("alice".to_owned());
        network.saw_change("alice", "alicia");
        network.saw_change("bob", "rob");
        assert!(network.is_own("alicia") && !network.is_own("rob"));
        nick.rename("alicia".to_owned());
        assert!(network.is_own("alicia"));
    }
}
