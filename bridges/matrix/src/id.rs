//! Matrix identifiers, and the names that stand for them in Monster addresses.
//!
//! An id is compared as the homeserver spells it (Matrix v1.17 appendix "Identifier Grammar"); a name
//! has `@` where the id has its first `:`, so that it reads like an address: `bob@matrix.org`,
//! `#rust@matrix.org`, `!opaque@matrix.org`, `!opaque`. Used by everything here; knows no server.

use monster_bridge_api::{BadName, RemoteId};

/// The longest identifier in bytes.
const LONGEST: usize = 255;

/// What an identifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A user: `@bob:matrix.org`.
    User,
    /// A room's alias: `#rust:matrix.org`.
    Alias,
    /// A room: `!opaque:matrix.org`, or without a server from room version 12 on.
    Room,
}

/// What an identifier is; `None` if it is none.
pub fn form_of(id: &str) -> Option<Form> {
    if id.len() > LONGEST || id.chars().any(|c| c.is_control() || c == '\u{feff}') {
        return None;
    }
    let (form, rest) = match id.split_at_checked(1)? {
        ("@", rest) => (Form::User, rest),
        ("#", rest) => (Form::Alias, rest),
        ("!", rest) => (Form::Room, rest),
        _ => return None,
    };
    let fits = match rest.split_once(':') {
        Some((local, server)) => is_local(form, local) && is_server(server),
        None => form == Form::Room && is_hash(rest),
    };
    fits.then_some(form)
}

/// True for a user's identifier.
pub fn is_user(id: &str) -> bool {
    form_of(id) == Some(Form::User)
}

/// True for the identifier of a room, not an alias.
pub fn is_room(id: &str) -> bool {
    form_of(id) == Some(Form::Room)
}

/// The server that an identifier names.
pub fn server_of(id: &str) -> Option<&str> {
    id.split_once(':').map(|(_, server)| server)
}

/// The part of an identifier before its server, without the sigil.
pub fn local_of(id: &str) -> &str {
    let rest = id.get(1..).unwrap_or_default();
    rest.split_once(':').map_or(rest, |(local, _)| local)
}

/// True for an event's identifier, of any room version.
pub fn is_event(id: &str) -> bool {
    id.len() > 1 && id.len() <= LONGEST && id.starts_with('$') && !id.chars().any(|c| c.is_control() || c == ' ')
}

fn is_local(form: Form, local: &str) -> bool {
    match form {
        // Old users have any printable ASCII character in their names.
        Form::User => !local.is_empty() && local.chars().all(|c| c.is_ascii_graphic()),
        Form::Alias | Form::Room => !local.is_empty() && !local.contains(char::is_whitespace),
    }
}

/// True for what is between `!` and the end where there is no server: unpadded URL-safe base64.
fn is_hash(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// True for a server name: a host or an address, perhaps with a port.
pub fn is_server(server: &str) -> bool {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, after)) => {
                let fits = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
                return fits && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let fits = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    fits && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}

/// The id that a name stands for.
pub fn id_of(name: &str) -> Result<RemoteId, BadName> {
    let bad = |why: &str| BadName { name: name.to_owned(), why: why.to_owned() };
    let (sigil, rest) = match name.chars().next() {
        Some('#') => ('#', &name[1..]),
        Some('!') => ('!', &name[1..]),
        // How a user is written whose own name begins with one of the sigils.
        Some('@') => ('@', &name[1..]),
        _ => ('@', name),
    };
    let id = match rest.rsplit_once('@') {
        Some((local, server)) => format!("{sigil}{local}:{server}"),
        None if sigil == '!' => format!("!{rest}"),
        None => return Err(bad("expected user@server, #room@server or !room@server")),
    };
    match form_of(&id) {
        // Without this `!a:b` would be a second spelling of `!a@b`.
        Some(_) if rest.contains('@') || !rest.contains(':') => Ok(RemoteId::new(id)),
        _ => Err(bad("expected user@server, #room@server or !room@server")),
    }
}

/// The name that stands for an id.
pub fn name_of(id: &str) -> String {
    let (sigil, rest) = id.split_at_checked(1).unwrap_or(("", id));
    let name = rest.replacen(':', "@", 1);
    match sigil {
        "@" if rest.starts_with(['#', '!', '@']) => format!("@{name}"),
        "@" => name,
        _ => format!("{sigil}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_read_like_addresses() {
        for (name, id) in [
            ("bob@matrix.org", "@bob:matrix.org"),
            ("Bob=2f@localhost:8448", "@Bob=2f:localhost:8448"),
            ("#rust@matrix.org", "#rust:matrix.org"),
            ("!opaque@matrix.org", "!opaque:matrix.org"),
            ("!8Nns1_JkK0r-x", "!8Nns1_JkK0r-x"),
            ("a@b@[::1]:8448", "@a@b:[::1]:8448"),
            ("@#odd@matrix.org", "@#odd:matrix.org"),
            ("#漢字@matrix.org", "#漢字:matrix.org"),
        ] {
            assert_eq!(id_of(name).map(RemoteId::into_string), Ok(id.to_owned()), "{name}");
            assert_eq!(name_of(id), name);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("{}@matrix.org", "a".repeat(250));
        for name in [
            "",
            "bob",
            "@bob:matrix.org",
            "#rust:matrix.org",
            "!a:b",
            "bob@",
            "@matrix.org",
            "#@matrix.org",
            "b ob@x",
            "bob@matrix.org:",
            "bob@matrix.org:x",
            "bob@ex ample",
            "bob@x\n",
            "!a\0@b",
            "!a b",
            "*",
            &long,
            "@alice:gw.example.org",
            "@bob@matrix.org:matrix:gw.example.org",
            "bob@[::1",
            "!",
        ] {
            assert!(id_of(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_user_never_has_the_name_of_a_room() {
        assert_ne!(id_of(&name_of("@#rust:matrix.org")), id_of(&name_of("#rust:matrix.org")));
        assert_ne!(id_of(&name_of("@!x:matrix.org")), id_of(&name_of("!x:matrix.org")));
    }

    proptest! {
        #[test]
        fn a_name_stands_for_its_id_and_back(name in "[#!@]?[a-z@#!:.é]{1,12}(@[a-z.:0-9]{1,12})?") {
            if let Ok(id) = id_of(&name) {
                prop_assert_eq!(id_of(&name_of(id.as_str())), Ok(id));
            }
        }

        #[test]
        fn an_id_has_one_name(sigil in "[@#!]", local in "[!-9;-~]{1,12}", server in "[a-z0-9.-]{1,12}(:[0-9]{1,4})?") {
            let id = format!("{sigil}{local}:{server}");
            if form_of(&id).is_some() {
                prop_assert_eq!(id_of(&name_of(&id)).map(RemoteId::into_string), Ok(id));
            }
        }
    }
}
