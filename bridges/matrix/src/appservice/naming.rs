//! Who is who: personas and their ghosts' ids, Matrix ids and their Monster addresses. All of it is
//! text that can be read back; only names too long for Matrix are hashed.

use crate::id;
use monster_bridge_api::{InstanceName, PersonaId};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;

/// What is encoded in a name within a Monster address.
const NAME: &AsciiSet = &CONTROLS.add(b':').add(b'/').add(b'%');
/// The longest id of a user, in bytes.
const LONGEST: usize = 255;
/// What begins the name of a ghost whose address is hashed: no escape looks like this.
const HASHED: &str = "=-";

/// The names of one instance.
#[derive(Debug)]
pub(crate) struct Naming {
    prefix: String,
    server: String,
    bot: String,
    instance: String,
    host: String,
}

impl Naming {
    pub(crate) fn new(prefix: &str, server: &str, bot: &str, instance: &InstanceName, host: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            server: server.to_owned(),
            bot: format!("@{bot}:{server}"),
            instance: instance.as_str().to_owned(),
            host: host.to_owned(),
        }
    }

    /// The bot's id.
    pub(crate) fn bot(&self) -> &str {
        &self.bot
    }

    /// True for the bot and for ghosts.
    pub(crate) fn is_ours(&self, user: &str) -> bool {
        user == self.bot || self.ghost_local(user).is_some()
    }

    /// The ghost's name without its prefix.
    fn ghost_local<'u>(&self, user: &'u str) -> Option<&'u str> {
        let rest = user.strip_prefix('@')?.strip_suffix(self.server.as_str())?.strip_suffix(':')?;
        rest.strip_prefix(self.prefix.as_str())
    }

    /// The id of a persona's ghost.
    pub(crate) fn ghost_of(&self, persona: &PersonaId) -> String {
        let user = format!("@{}{}:{}", self.prefix, self.escaped(persona.as_str()), self.server);
        if user.len() <= LONGEST {
            return user;
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, persona.as_str().as_bytes());
        let mut hash = String::new();
        for byte in digest.as_ref() {
            let _ = write!(hash, "{byte:02x}");
        }
        format!("@{}{HASHED}{hash}:{}", self.prefix, self.server)
    }

    /// Whose ghost it is; `None` if it is none, or one whose name is a hash.
    pub(crate) fn persona_of(&self, user: &str) -> Option<PersonaId> {
        let persona = PersonaId::new(self.unescaped(self.ghost_local(user)?)?);
        (self.ghost_of(&persona) == user).then_some(persona)
    }

    /// The alias at which a room for an address elsewhere is made on demand.
    pub(crate) fn address_of_alias(&self, alias: &str) -> Option<PersonaId> {
        let rest = alias.strip_prefix('#')?.strip_suffix(self.server.as_str())?.strip_suffix(':')?;
        self.unescaped(rest.strip_prefix(self.prefix.as_str())?).map(PersonaId::new)
    }

    /// An address as part of a user's name. What is on this gateway goes without its host; anything
    /// else begins with a dot.
    fn escaped(&self, address: &str) -> String {
        let inside = address.strip_prefix('@').unwrap_or(address);
        let ours = inside.strip_suffix(self.host.as_str()).and_then(|rest| rest.strip_suffix(':'));
        let mut out = String::from(if ours.is_some() { "" } else { "." });
        for (at, byte) in ours.unwrap_or(inside).bytes().enumerate() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
                b'.' if at > 0 => out.push('.'),
                b':' => out.push('_'),
                other => {
                    let _ = write!(out, "={other:02x}");
                }
            }
        }
        out
    }

    fn unescaped(&self, local: &str) -> Option<String> {
        let (foreign, text) = local.strip_prefix('.').map_or((false, local), |rest| (true, rest));
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                b'_' => bytes.push(b':'),
                b'=' => {
                    let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                    bytes.push(u8::from_str_radix(digits, 16).ok()?);
                    rest = &rest[2..];
                }
                other => bytes.push(*other),
            }
        }
        let inside = String::from_utf8(bytes).ok().filter(|inside| !inside.is_empty())?;
        Some(if foreign { format!("@{inside}") } else { format!("@{inside}:{}", self.host) })
    }

    /// The Monster address of whoever has this id: a persona's own for a ghost.
    pub(crate) fn address_of(&self, id: &str) -> String {
        if let Some(persona) = self.persona_of(id) {
            return persona.into_string();
        }
        let name = id::name_of(id);
        format!("@{}:{}:{}", utf8_percent_encode(&name, NAME), self.instance, self.host)
    }

    /// The id of whoever has this Monster address: a Matrix user's own, or the ghost's.
    pub(crate) fn user_of(&self, address: &str) -> Option<String> {
        let here = format!(":{}:{}", self.instance, self.host);
        let inside = address.strip_prefix('@')?;
        let Some(name) = inside.strip_suffix(&here) else {
            return Some(self.ghost_of(&PersonaId::new(address)));
        };
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let id = id::id_of(&name).ok()?.into_string();
        id::is_user(&id).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naming() -> Naming {
        Naming::new("_monster_", "example.org", "monster", &InstanceName::new("matrix"), "gw.example.org:7580")
    }

    #[test]
    fn ghosts_have_readable_names() {
        for (persona, ghost) in [
            ("@alice:gw.example.org:7580", "@_monster_alice:example.org"),
            ("@Al_ice:gw.example.org:7580", "@_monster_=41l=5fice:example.org"),
            ("@bob:libera:gw.example.org:7580", "@_monster_bob_libera:example.org"),
            ("@carol:other.example", "@_monster_.carol_other.example:example.org"),
            ("@.x:gw.example.org:7580", "@_monster_=2ex:example.org"),
        ] {
            assert_eq!(naming().ghost_of(&PersonaId::new(persona)), ghost);
            assert_eq!(naming().persona_of(ghost), Some(PersonaId::new(persona)));
        }
    }

    #[test]
    fn nobody_else_is_ours() {
        for user in ["@_monster_alice:evil.org", "@monster:evil.org", "@alice:example.org", "@x:example.org.evil.org"] {
            assert!(!naming().is_ours(user), "{user}");
        }
        assert!(naming().is_ours("@monster:example.org") && naming().is_ours("@_monster_a:example.org"));
        // A second spelling of somebody's ghost is nobody's.
        assert_eq!(naming().persona_of("@_monster_=61lice:example.org"), None);
    }

    #[test]
    fn a_long_address_is_hashed_and_stays_apart() {
        let long = |end: &str| PersonaId::new(format!("@{}{end}:gw.example.org:7580", "é".repeat(90)));
        let (one, other) = (naming().ghost_of(&long("a")), naming().ghost_of(&long("b")));
        assert!(one.len() <= 255 && one != other && naming().is_ours(&one));
        assert_eq!(naming().persona_of(&one), None);
    }

    #[test]
    fn mentions_find_matrix_users_and_ghosts() {
        let naming = naming();
        assert_eq!(naming.address_of("@bob:x.org:8448"), "@bob@x.org%3A8448:matrix:gw.example.org:7580");
        assert_eq!(naming.user_of("@bob@x.org%3A8448:matrix:gw.example.org:7580").as_deref(), Some("@bob:x.org:8448"));
        assert_eq!(naming.user_of("@alice:gw.example.org:7580").as_deref(), Some("@_monster_alice:example.org"));
        assert_eq!(naming.address_of("@_monster_alice:example.org"), "@alice:gw.example.org:7580");
    }

    proptest! {
        #[test]
        fn a_ghost_is_one_persona(name in "[a-zA-Z_.=:é%@#-]{1,20}", ours in any::<bool>()) {
            let host = if ours { "gw.example.org:7580" } else { "other.example" };
            let persona = PersonaId::new(format!("@{name}:{host}"));
            let ghost = naming().ghost_of(&persona);
            prop_assert!(crate::id::is_user(&ghost));
            prop_assert_eq!(naming().persona_of(&ghost), Some(persona));
        }
    }
}
