//! What the domains of the network are: services of rooms, or of people. Known from the
//! configuration, found by asking (XEP-0030), and remembered, because whether an address is a room
//! must be told at once and always the same.

use crate::config::Config;
use crate::instance::{Instance, Running};
use crate::names;
use crate::session::Session;
use crate::xml::{Make, attr, el, ns, stanza};
use minidom::Element;
use monster_bridge_api::{PlaceKind, RemoteId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Under which keys it is kept what a domain is.
const KEPT: &str = "domain/";
/// The first labels by which services of rooms are named almost everywhere; for domains that nobody has
/// asked yet.
const USUAL: [&str; 6] = ["conference", "conf", "muc", "rooms", "groups", "groupchat"];
/// How many domains are remembered.
const DOMAINS: usize = 10_000;
/// How many items of a server's are asked what they are.
const ITEMS: usize = 50;

/// What the domains are.
pub(crate) struct Services {
    rooms: RwLock<HashMap<String, bool>>,
    configured: Vec<String>,
}

impl Services {
    /// As configured.
    pub(crate) fn new(config: &Config) -> Self {
        Self { rooms: RwLock::default(), configured: config.room_services.clone() }
    }

    /// Takes over what was remembered.
    pub(crate) fn load(&self, kept: Vec<(String, String)>) {
        let domains =
            kept.into_iter().filter_map(|(key, value)| Some((key.strip_prefix(KEPT)?.to_owned(), value == "rooms")));
        self.rooms.write().extend(domains);
    }

    /// The prefix of the keys to load.
    pub(crate) const fn kept() -> &'static str {
        KEPT
    }

    /// Whether addresses of a domain are rooms.
    pub(crate) fn has_rooms(&self, domain: &str) -> bool {
        if self.configured.iter().any(|service| service == domain) {
            return true;
        }
        let usual = || domain.split('.').next().is_some_and(|label| USUAL.contains(&label));
        self.rooms.read().get(domain).copied().unwrap_or_else(usual)
    }

    async fn learn(&self, running: &Running, domain: &str, rooms: bool) {
        let known = self.has_rooms(domain);
        {
            let mut all = self.rooms.write();
            if all.len() >= DOMAINS || all.insert(domain.to_owned(), rooms) == Some(rooms) || known == rooms {
                return;
            }
        }
        running.save(&format!("{KEPT}{domain}"), Some(if rooms { "rooms" } else { "people" })).await;
    }
}

impl Instance {
    /// Whether an id is a room, as far as is known.
    pub(crate) fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        let Some(jid) = names::jid_of(id).filter(|_| !id.as_str().contains('/')) else { return PlaceKind::Person };
        if jid.node().is_none() {
            return PlaceKind::Person;
        }
        let rooms = self.personas.is_ours(&jid) || self.services.has_rooms(jid.domain().as_str());
        if rooms { PlaceKind::Group } else { PlaceKind::Person }
    }

    /// Asks a domain what it is, unless that is known.
    pub(crate) async fn learn_domain(&self, running: &Running, session: &Session, domain: &str) {
        if self.services.rooms.read().contains_key(domain) || domain == self.personas.domain() {
            return;
        }
        if let Some(info) = ask_info(session, self.personas.domain(), domain).await {
            self.services.learn(running, domain, is_rooms(&info)).await;
        }
    }

    /// Looks for the services of the component's own server.
    pub(crate) async fn discover(self: Arc<Self>, running: Arc<Running>, session: Arc<Session>) {
        let Some(server) = self.config.above() else { return };
        let ask = stanza("iq", self.personas.domain(), server).with("type", "get");
        let Ok(answer) = session.ask(ask.child(el("query", ns::DISCO_ITEMS))).await else { return };
        let Some(items) = answer.get_child("query", ns::DISCO_ITEMS) else { return };
        let domains = items.children().filter_map(|item| attr(item, "jid")).filter(|item| !item.contains('@'));
        for domain in domains.filter(|domain| *domain != self.personas.domain()).take(ITEMS) {
            let Some(info) = ask_info(&session, self.personas.domain(), domain).await else { continue };
            self.services.learn(&running, domain, is_rooms(&info)).await;
        }
    }
}

/// What an entity says of itself.
pub(crate) async fn ask_info(session: &Session, from: &str, of: &str) -> Option<Element> {
    let ask = stanza("iq", from, of).with("type", "get").child(el("query", ns::DISCO_INFO));
    let answer = session.ask(ask).await.ok()?;
    answer.get_child("query", ns::DISCO_INFO).cloned()
}

/// Whether an entity has a feature.
pub(crate) fn has_feature(info: &Element, feature: &str) -> bool {
    info.children().any(|child| child.is("feature", ns::DISCO_INFO) && child.attr("var") == Some(feature))
}

fn is_rooms(info: &Element) -> bool {
    let conference = |child: &Element| {
        child.is("identity", ns::DISCO_INFO)
            && child.attr("category") == Some("conference")
            && child.attr("type") == Some("text")
    };
    info.children().any(conference) && has_feature(info, ns::MUC)
}
