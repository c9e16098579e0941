//! Ad-hoc commands (XEP-0050): the same commands as the bot's, as forms.

use crate::instance::{Instance, Running};
use crate::xml::{self, Make, attr, el, ns, text_of};
use minidom::Element;
use monster_bridge_api::Control;

/// The commands: node and name.
pub(crate) const COMMANDS: [(&str, &str); 4] = [
    ("help", "What the gateway can do"),
    ("status", "How the gateway is doing"),
    ("link", "Link a room with a room of another network"),
    ("unlink", "Take a room out of its link"),
];

impl Instance {
    /// One step of a command.
    pub(crate) async fn command_step(&self, running: &Running, iq: &Element, command: &Element) -> Element {
        let node = command.attr("node").unwrap_or_default();
        let Some((node, title)) = COMMANDS.into_iter().find(|(known, _)| *known == node) else {
            return xml::error(iq, "cancel", "item-not-found", "there is no such command");
        };
        let Some(by) = attr(iq, "from").and_then(|from| jid::Jid::new(from).ok()).map(jid::Jid::into_bare) else {
            return Self::unknown(iq);
        };
        let reply = |status: &str| {
            el("command", ns::COMMANDS).with("node", node).with("sessionid", node).with("status", status)
        };
        if command.attr("action") == Some("cancel") {
            return xml::result(iq).child(reply("canceled"));
        }
        let form = command.get_child("x", ns::DATA).filter(|form| form.attr("type") == Some("submit"));
        let needs_room = matches!(node, "link" | "unlink");
        let line = match (needs_room, form) {
            (false, _) => node.to_owned(),
            (true, None) => {
                let actions = el("actions", ns::COMMANDS).child(el("complete", ns::COMMANDS));
                return xml::result(iq).child(reply("executing").child(actions).child(ask(node, title)));
            }
            (true, Some(form)) => format!("{node} {}", value(form, "address")).trim().to_owned(),
        };
        let room = form.map(|form| value(form, "room")).filter(|room| !room.is_empty());
        let room = match room.map(|room| crate::names::id_of(&room)).transpose() {
            Ok(room) => room,
            Err(error) => return xml::error(iq, "modify", "bad-request", &error.to_string()),
        };
        // Asked of the room each time: who was its owner yesterday need not be it today.
        let owns = room.as_ref().and_then(|id| self.rooms.get(id)).is_some_and(|room| {
            let id = monster_bridge_api::RemoteId::new(by.as_str());
            room.may_change(&id)
        });
        let may_link = owns || self.config.admins.iter().any(|admin| admin == by.as_str());
        let answer = running.host.control(Control { by: self.user(&by), room, may_link, line }).await;
        let note = el("note", ns::COMMANDS).with("type", "info").words(answer);
        xml::result(iq).child(reply("completed").child(note))
    }
}

fn ask(node: &str, title: &str) -> Element {
    let field = |var: &str, label: &str| {
        let field = el("field", ns::DATA).with("var", var).with("type", "text-single").with("label", label);
        field.child(el("required", ns::DATA))
    };
    let form = el("x", ns::DATA).with("type", "form").child(el("title", ns::DATA).words(title));
    let form = form.child(field("room", "Room here"));
    if node == "link" { form.child(field("address", "Monster address of the other room")) } else { form }
}

fn value(form: &Element, name: &str) -> String {
    let field = form.children().find(|field| field.name() == "field" && field.attr("var") == Some(name));
    field.and_then(|field| text_of(field, "value", ns::DATA)).unwrap_or_default().trim().to_owned()
}
