//! Who is called what: addresses of XMPP as ids and names ([`id_of`]), and people and rooms of other
//! networks as addresses of the component ([`Personas`]). Rules without I/O.

mod escape;
mod persona;

pub(crate) use persona::Personas;

use jid::{BareJid, DomainPart, NodePart};
use monster_bridge_api::{BadName, RemoteId};

/// The id that a name in a Monster address stands for: the bare address as servers compare it. In
/// the local part, what cannot stand there is escaped (XEP-0106).
pub(crate) fn id_of(name: &str) -> Result<RemoteId, BadName> {
    let bad = |why: String| BadName { name: name.to_owned(), why };
    if let Some((room, occupant)) = split_occupant(name) {
        let room = id_of(room)?;
        if occupant.len() > 1000 || occupant.chars().any(char::is_control) {
            return Err(bad("this cannot be an occupant of a room".to_owned()));
        }
        return Ok(RemoteId::new(format!("{room}/{occupant}")));
    }
    let (local, domain) = match name.rsplit_once('@') {
        Some((local, domain)) => (Some(local), domain),
        None => (None, name),
    };
    if domain.is_empty() || domain.contains('/') {
        return Err(bad("expected an address like `bob@example.org`, without a resource".to_owned()));
    }
    let domain = DomainPart::new(domain).map_err(|error| bad(error.to_string()))?;
    let Some(local) = local else { return Ok(RemoteId::new(domain.as_str())) };
    if local.is_empty() || local.starts_with(' ') || local.ends_with(' ') {
        return Err(bad("the part before `@` is missing, or begins or ends with a space".to_owned()));
    }
    let escaped = escape::typed(local);
    let local = NodePart::new(&escaped).map_err(|error| bad(error.to_string()))?;
    Ok(RemoteId::new(domain.with_node(&local).as_str()))
}

/// The room and the rest of the id of an occupant whose real address is not known: `/~` and the id that
/// the room gives the occupant, or `/=` and the nick.
pub(crate) fn split_occupant(name: &str) -> Option<(&str, &str)> {
    let at = name.find("/~").into_iter().chain(name.find("/=")).min()?;
    let (room, occupant) = (&name[..at], &name[at + 1..]);
    (room.contains('@') && occupant.len() > 1).then_some((room, occupant))
}

/// An id as an address. Only what [`id_of`] made, or the network, is an id.
pub(crate) fn jid_of(id: &RemoteId) -> Option<BareJid> {
    BareJid::new(id.as_str()).ok()
}

/// What people call somebody whose name is not known: the local part, unescaped.
pub(crate) fn readable(jid: &BareJid) -> String {
    jid.node().map_or_else(|| jid.domain().to_string(), |node| escape::unescape(node.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_address_are_one_id() {
        for (name, id) in [
            ("Bob@Example.ORG", "bob@example.org"),
            ("d'artagnan@example.org", "d\\27artagnan@example.org"),
            ("d\\27artagnan@example.org", "d\\27artagnan@example.org"),
            ("bob@other@gw.example.org", "bob\\40other@gw.example.org"),
            ("example.org", "example.org"),
            ("ｂｏｂ@example.org", "bob@example.org"),
            ("Room@conf.example.org/~aB+/=1", "room@conf.example.org/~aB+/=1"),
        ] {
            assert_eq!(id_of(name).map(RemoteId::into_string), Ok(id.to_owned()), "{name}");
        }
    }

    #[test]
    fn what_is_no_address_has_a_reason() {
        for name in ["", "@", "bob@", "@example.org", "bob@example.org/phone", " bob@x", "a\r\nb@x", "a\0@x"] {
            assert!(id_of(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_whole_domain_counts() {
        assert_ne!(id_of("victim@evil.com"), id_of("victim@example.org"));
        assert_ne!(id_of("victim@evil.com"), id_of("victim"));
    }

    proptest! {
        #[test]
        fn a_name_stands_for_its_id_and_back(name in "\\PC{1,20}@[a-z]{1,8}\\.[a-z]{2,4}") {
            if let Ok(id) = id_of(&name) {
                prop_assert_eq!(id_of(id.as_str()), Ok(id));
            }
        }
    }
}
