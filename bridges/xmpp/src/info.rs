//! Answers to questions about the component, its people and its rooms: service discovery (XEP-0030),
//! capabilities (XEP-0115), cards (XEP-0054), version, ping.

use crate::instance::{Instance, Running};
use crate::xml::{self, Make, attr, el, ns};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minidom::Element;
use monster_bridge_api::{PlaceKind, Profile};
use std::sync::Arc;

const NODE: &str = "https://monster-gateway.invalid/caps";

/// What people of other networks can do here, beside calls.
const OF_PEOPLE: [&str; 13] = [
    ns::CAPS,
    ns::CHAT_STATES,
    ns::DISCO_INFO,
    ns::CORRECT,
    ns::FALLBACK,
    ns::MARKERS,
    ns::OOB,
    ns::PING,
    ns::REACTIONS,
    ns::RECEIPTS,
    ns::REPLY,
    ns::RETRACT,
    ns::VCARD,
];

/// What people of other networks can do here: these, and calls.
fn of_people() -> Vec<&'static str> {
    OF_PEOPLE.iter().chain(&monster_jingle::ns::FEATURES).copied().collect()
}

/// What the component can do itself.
const OF_COMPONENT: [&str; 6] = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::MUC, ns::PING, ns::VCARD, ns::COMMANDS];

/// What its rooms can do.
const OF_ROOMS: [&str; 11] = [
    ns::DISCO_INFO,
    ns::MUC,
    ns::STANZA_ID,
    ns::OCCUPANT_ID,
    ns::PING,
    ns::VCARD,
    "muc_open",
    "muc_persistent",
    "muc_semianonymous",
    "muc_unmoderated",
    "muc_unsecured",
];

/// The capabilities of people, as presences carry them.
pub(crate) fn caps() -> Element {
    let c = el("c", ns::CAPS).with("hash", "sha-1").with("node", NODE);
    c.with("ver", version_hash("client", "pc", &of_people()))
}

fn version_hash(category: &str, kind: &str, features: &[&str]) -> String {
    let mut sorted = features.to_vec();
    sorted.sort_unstable();
    let mut text = format!("{category}/{kind}//<");
    for feature in sorted {
        text.push_str(feature);
        text.push('<');
    }
    BASE64_STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

fn info(node: Option<&str>, identity: Element, features: &[&str]) -> Element {
    let all = features.iter().map(|feature| el("feature", ns::DISCO_INFO).with("var", *feature));
    el("query", ns::DISCO_INFO).with_some("node", node).child(identity).all(all)
}

fn identity(category: &str, kind: &str, name: Option<&str>) -> Element {
    el("identity", ns::DISCO_INFO).with("category", category).with("type", kind).with_some("name", name)
}

impl Instance {
    /// The answer to an IQ.
    pub(crate) async fn answer(self: &Arc<Self>, running: &Arc<Running>, iq: &Element) -> Element {
        let to = attr(iq, "to").and_then(|to| jid::Jid::new(to).ok());
        let (Some(to), Some(payload)) = (to, iq.children().next()) else { return Self::unknown(iq) };
        let get = iq.attr("type") == Some("get");
        let (name, namespace) = (payload.name(), payload.ns());
        match (get, name, namespace.as_str()) {
            (true, "ping", ns::PING) => self.ping(iq, &to),
            (true, "query", ns::VERSION) => {
                let version = el("query", ns::VERSION)
                    .child(el("name", ns::VERSION).words("monster-gateway"))
                    .child(el("version", ns::VERSION).words(env!("CARGO_PKG_VERSION")));
                xml::result(iq).child(version)
            }
            (true, "query", ns::DISCO_INFO) => self.disco_info(running, iq, &to, payload.attr("node")).await,
            (true, "query", ns::DISCO_ITEMS) => self.disco_items(iq, &to, payload.attr("node")),
            (true, "vCard", ns::VCARD) => self.card_of(running, iq, &to).await,
            (_, "query", ns::MUC_ADMIN | ns::MUC_OWNER) => self.administer(iq, &to, payload),
            (false, "command", ns::COMMANDS) => self.command_step(running, iq, payload).await,
            _ => Self::unknown(iq),
        }
    }

    async fn disco_info(&self, running: &Running, iq: &Element, to: &jid::Jid, node: Option<&str>) -> Element {
        let bare = to.to_bare();
        let Some(persona) = self.personas.persona_of(&bare) else {
            if bare.as_str() != self.personas.domain() {
                return xml::error(iq, "cancel", "item-not-found", "there is nobody of this name");
            }
            if node == Some(ns::COMMANDS) {
                return xml::result(iq).child(info(
                    node,
                    identity("automation", "command-list", None),
                    &[ns::COMMANDS],
                ));
            }
            let gateway = identity("gateway", "monster", Some("Monster gateway"));
            let about = info(node, gateway, &OF_COMPONENT).child(identity(
                "conference",
                "text",
                Some("Rooms of other networks"),
            ));
            return xml::result(iq).child(about);
        };
        // Somebody's device, by the capabilities in its presence.
        let caps = node.is_some_and(|node| node.starts_with(NODE));
        if caps || to.resource().is_some() {
            return xml::result(iq).child(info(node, identity("client", "pc", None), &of_people()));
        }
        match running.host.about(&persona).await {
            Ok(profile) if profile.kind != PlaceKind::Person => {
                let room = info(node, identity("conference", "text", Some(&profile.name)), &OF_ROOMS);
                xml::result(iq).child(room)
            }
            Ok(profile) => {
                let account = identity("account", "registered", Some(&profile.name));
                xml::result(iq).child(info(node, account, &[ns::DISCO_INFO, ns::VCARD]))
            }
            Err(error) => xml::error(iq, "cancel", "item-not-found", &error.to_string()),
        }
    }

    /// Rooms are listed for those who may bring them here, and for nobody else: their names may be
    /// secret where they come from.
    fn disco_items(&self, iq: &Element, to: &jid::Jid, node: Option<&str>) -> Element {
        let asks = attr(iq, "from").and_then(|from| jid::Jid::new(from).ok()).map(jid::Jid::into_bare);
        let trusted = asks.is_some_and(|asks| self.config.trusts(&asks));
        let mut items = el("query", ns::DISCO_ITEMS).with_some("node", node);
        if to.node().is_none() && node == Some(ns::COMMANDS) {
            for (node, name) in crate::adhoc::COMMANDS {
                let item = el("item", ns::DISCO_ITEMS).with("jid", self.personas.domain());
                items.append_child(item.with("node", node).with("name", name));
            }
        } else if to.node().is_none() && trusted {
            for room in self.service.rooms() {
                items.append_child(el("item", ns::DISCO_ITEMS).with("jid", room.as_str()));
            }
        }
        xml::result(iq).child(items)
    }

    async fn card_of(&self, running: &Running, iq: &Element, to: &jid::Jid) -> Element {
        let Some(persona) = self.personas.persona_of(&to.to_bare()) else {
            let name = el("FN", ns::VCARD).words("Monster gateway");
            return xml::result(iq).child(el("vCard", ns::VCARD).child(name));
        };
        match running.host.about(&persona).await {
            Ok(profile) => xml::result(iq).child(card(&profile)),
            Err(error) => xml::error(iq, "cancel", "item-not-found", &error.to_string()),
        }
    }
}

fn card(profile: &Profile) -> Element {
    let words = |name: &str, text: &str| el(name, ns::VCARD).words(text);
    let mut card = el("vCard", ns::VCARD).child(words("FN", &profile.name)).child(words("NICKNAME", &profile.name));
    if let Some(picture) = &profile.picture {
        card.append_child(el("PHOTO", ns::VCARD).child(words("EXTVAL", picture)));
    }
    let rows: Vec<String> = profile.info.iter().map(|row| format!("{}: {}", row.title, row.value)).collect();
    if !rows.is_empty() {
        card.append_child(words("DESC", &rows.join("\n")));
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        // XEP-0115 §5.2, whose identity has a name.
        let text = "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<\
                    http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<";
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
        assert_eq!(hash, "QgayPKawpkPSDYmwT/WM94uAlu0=");
        assert_eq!(caps().attr("ver").map(str::len), Some(28));
    }
}
