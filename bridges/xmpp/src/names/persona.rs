//! People and rooms outside XMPP as addresses of the component, and back: a reversible rule, without
//! a table.
//!
//! | Monster address on `gw.example.org` | local part |
//! | --- | --- |
//! | `@alice:gw.example.org` | `alice` |
//! | `@#rust:libera:gw.example.org` | `#rust%libera` |
//! | `@bob@matrix.org:matrix:gw.example.org` | `bob\40matrix.org%matrix` |
//! | `@carol:other.example` (another gateway's) | `\40carol\3aother.example`, the whole address |

use super::escape;
use jid::{BareJid, DomainPart, NodePart};
use monster_bridge_api::PersonaId;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// A name as Monster addresses have it.
fn in_address(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, ':' | '/' | '%') || c.is_control() {
            out.extend(utf8_percent_encode(c.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC));
        } else {
            out.push(c);
        }
    }
    out
}

/// Both directions, for one instance.
#[derive(Debug, Clone)]
pub(crate) struct Personas {
    /// The gateway's own address: the component's domain, or an account.
    domain: String,
    /// Whether it is an account: then nobody else has an address.
    alone: bool,
    /// The gateway's host, as addresses end with it.
    host: String,
    /// This instance, whose people have addresses of their own.
    instance: String,
}

impl Personas {
    /// For a component of this domain, or an account, on a gateway with this public host.
    pub(crate) fn new(domain: &str, host: &str, instance: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            alone: domain.contains('@'),
            host: host.to_owned(),
            instance: instance.to_owned(),
        }
    }

    /// The gateway's own address: the component's domain, or the account.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether an address is one of the component's.
    pub(crate) fn is_ours(&self, jid: &BareJid) -> bool {
        if self.alone { jid.as_str() == self.domain } else { jid.domain().as_str() == self.domain }
    }

    /// The address under which somebody or some room appears; `None` if it would be longer than an
    /// address may be.
    pub(crate) fn jid_of(&self, persona: &PersonaId) -> Option<BareJid> {
        if self.alone {
            return None;
        }
        let local = self.local_of(persona.as_str());
        let (local, domain) = (NodePart::new(&local).ok()?, DomainPart::new(&self.domain).ok()?);
        Some(domain.with_node(&local))
    }

    fn local_of(&self, address: &str) -> String {
        let whole = || {
            let encoded = escape::encode(address.strip_prefix('@').unwrap_or(address));
            format!("\\40{encoded}")
        };
        let Some(inside) = address.strip_prefix('@').and_then(|rest| rest.strip_suffix(&format!(":{}", self.host)))
        else {
            return whole();
        };
        let mut segments = inside.split(':');
        let (name, instance, further) = (segments.next(), segments.next(), segments.next());
        let name = name.and_then(|name| percent_decode_str(name).decode_utf8().ok());
        match (name, instance, further) {
            (Some(name), None, _) => escape::encode(&name),
            (Some(name), Some(instance), None) => format!("{}%{}", escape::encode(&name), escape::encode(instance)),
            _ => whole(),
        }
    }

    /// Whom an address of the component stands for; `None` if nobody can have it.
    pub(crate) fn persona_of(&self, jid: &BareJid) -> Option<PersonaId> {
        let local = jid.node().filter(|_| !self.alone && self.is_ours(jid))?.as_str();
        let address = if let Some(whole) = local.strip_prefix("\\40") {
            format!("@{}", escape::decode(whole)?)
        } else {
            let (name, instance) = match local.rsplit_once('%') {
                Some((name, instance)) => (name, Some(escape::decode(instance)?)),
                None => (local, None),
            };
            let name = escape::decode(name).filter(|name| !name.is_empty())?;
            let name = in_address(&name);
            match instance {
                // Our own people and rooms have addresses already; an alias would be a loop.
                Some(instance) if instance == self.instance => return None,
                Some(instance) => format!("@{name}:{instance}:{}", self.host),
                None => format!("@{name}:{}", self.host),
            }
        };
        let persona = PersonaId::new(address);
        (self.jid_of(&persona).as_ref() == Some(jid)).then_some(persona)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn personas() -> Personas {
        Personas::new("monster.example.org", "gw.example.org:7580", "xmpp")
    }

    #[test]
    fn the_rule_is_that_of_the_table() {
        for (address, local) in [
            ("@alice:gw.example.org:7580", "alice"),
            ("@#rust:libera:gw.example.org:7580", "#rust%libera"),
            ("@bob@matrix.org:matrix:gw.example.org:7580", "bob\\40matrix.org%matrix"),
            ("@50%25:gw.example.org:7580", "50=25"),
            ("@carol:other.example", "\\40carol\\3aother.example"),
        ] {
            let jid = personas().jid_of(&PersonaId::new(address)).unwrap();
            assert_eq!(jid.as_str(), format!("{local}@monster.example.org"));
            assert_eq!(personas().persona_of(&jid), Some(PersonaId::new(address)));
        }
    }

    #[test]
    fn our_own_people_have_no_second_address() {
        let jid = BareJid::new("bob\\40example.org%xmpp@monster.example.org").unwrap();
        assert_eq!(personas().persona_of(&jid), None);
        assert_eq!(personas().persona_of(&BareJid::new("alice@elsewhere.org").unwrap()), None);
        assert_eq!(personas().persona_of(&BareJid::new("a\\zz@monster.example.org").unwrap()), None);
    }

    proptest! {
        #[test]
        fn everybody_has_one_address_and_it_leads_back(name in "\\PC{1,20}", instance in "[a-z][a-z0-9_-]{0,8}", form in 0..3) {
            let encoded = in_address(&name);
            let address = match form {
                0 => format!("@{encoded}:gw.example.org:7580"),
                1 if instance != "xmpp" => format!("@{encoded}:{instance}:gw.example.org:7580"),
                _ => format!("@{encoded}:{instance}:elsewhere.example"),
            };
            let persona = PersonaId::new(address);
            let jid = personas().jid_of(&persona).unwrap();
            prop_assert_eq!(BareJid::new(jid.as_str()).unwrap(), jid.clone(), "no server changes it");
            prop_assert_eq!(personas().persona_of(&jid), Some(persona));
        }
    }
}
