//! What people outside XMPP write to the bridge itself (`@*:instance:host`).

use crate::instance::Instance;
use monster_bridge_api::Author;

const HELP: &str = "Write to somebody by their address, e.g. `@bob@example.org:xmpp:…`; join a room the same way.\n\
                    whoami – the address under which people of XMPP know you";

impl Instance {
    /// The answer to a line.
    pub(crate) fn command(&self, who: &Author, line: &str) -> String {
        match line.trim() {
            "whoami" => match self.personas.jid_of(&who.id) {
                Some(jid) => format!("People of XMPP know you as {jid}."),
                None => "Your address is too long to be one of XMPP.".to_owned(),
            },
            "help" | "" => HELP.to_owned(),
            other => format!("`{other}` is not known here.\n{HELP}"),
        }
    }
}
