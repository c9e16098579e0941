//! What IRC users say to the bot in private: `help`, `msg ADDRESS TEXT`, `status`, commands about a
//! channel (`#channel link ADDRESS`), which the host carries out, and the answers to people whom the
//! bot relays.

use crate::conn::Conn;
use crate::ctcp;
use crate::format;
use crate::hear::is_service;
use crate::instance::{Instance, Running};
use crate::net::Bucket;
use crate::proto::session::{Heard, Manner, Saying, Speech};
use monster_bridge_api::{
    Accepted, Content, Control, Event, EventId, EventKind, MessageKey, PersonaId, RemoteId, RemoteUser, Venue,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

/// The commands that the host knows.
const COMMANDS: [&str; 6] = ["links", "link", "unlink", "invite", "call", "status"];
/// The signs of those who keep a channel: operators, and those above them.
const KEEPERS: [char; 4] = ['@', '&', '~', '!'];

/// Nicks whose pace is remembered.
const MOST_NICKS: usize = 4096;

/// Who last wrote to a nick through the bot: whom an answer without an address goes to.
#[derive(Debug, Default)]
pub(crate) struct Correspondents {
    last: Mutex<HashMap<RemoteId, PersonaId>>,
    /// How often the bot answers each nick.
    pace: Mutex<HashMap<RemoteId, Bucket>>,
}

impl Correspondents {
    /// Takes over what was kept (`correspondent/<nick>`).
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let nick = |key: &str| key.strip_prefix("correspondent/").map(RemoteId::new);
        *self.last.lock() =
            saved.into_iter().filter_map(|(key, persona)| Some((nick(&key)?, PersonaId::new(persona)))).collect();
    }

    /// Whom an answer of the nick goes to.
    pub(crate) fn of(&self, nick: &RemoteId) -> Option<PersonaId> {
        self.last.lock().get(nick).cloned()
    }

    fn may_answer(&self, nick: &RemoteId) -> bool {
        let mut pace = self.pace.lock();
        if pace.len() >= MOST_NICKS {
            pace.clear();
        }
        let now = tokio::time::Instant::now();
        let flood = crate::config::Flood { burst: 5, per_second: 0.5 };
        let bucket = pace.entry(nick.clone()).or_insert_with(|| Bucket::new(flood, now));
        let may = bucket.ready(now).is_ok();
        if may {
            bucket.spend(1);
        }
        may
    }
}

impl Instance {
    /// A persona wrote to a nick through the bot.
    pub(crate) async fn note_correspondent(&self, nick: &RemoteId, persona: &PersonaId) {
        let before = self.correspondents.last.lock().insert(nick.clone(), persona.clone());
        if before.as_ref() != Some(persona) {
            self.save(&format!("correspondent/{nick}"), Some(persona.as_str())).await;
        }
    }
}

/// Does what somebody says to the bot.
pub(crate) async fn to_bot(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    conn: &Arc<Conn>,
    peer: &RemoteId,
    heard: Heard,
) {
    let by = &heard.by;
    if by.own || instance.network.is_own(peer.as_str()) || is_service(&by.source) || by.history.is_some() {
        return;
    }
    if crate::hear::is_ignored(instance, by) {
        return;
    }
    match &heard.speech {
        Speech::Ctcp { verb, reply: false } => {
            return ctcp::answer(instance, conn, &by.source.nick, verb, &heard.text);
        }
        // Programs are not answered.
        Speech::Ctcp { .. } | Speech::Notice => return,
        Speech::Message | Speech::Action => {}
    }
    let answer = match Said::parse(&heard.text) {
        Said::Help => help(instance),
        Said::Status => vec![instance.status_line()],
        Said::Message { address, text } => pass_on(instance, running, conn, &heard, address, text).await,
        Said::Command { channel, line } => command(instance, running, conn, &heard, channel, line).await,
        Said::Other => match instance.correspondents.of(peer) {
            Some(persona) => pass_on(instance, running, conn, &heard, persona.as_str(), &heard.text).await,
            None => vec![format!("I carry messages for {}. Say `help` to learn how.", instance.scope.public_host)],
        },
    };
    if !instance.correspondents.may_answer(peer) {
        return;
    }
    for line in answer {
        reply(instance, conn, peer, line);
    }
}

/// What somebody wants of the bot.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Help,
    Status,
    Message { address: &'a str, text: &'a str },
    Command { channel: Option<&'a str>, line: &'a str },
    Other,
}

impl<'a> Said<'a> {
    fn parse(line: &'a str) -> Self {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word.to_ascii_lowercase().trim_start_matches(['!', '/']) {
            "help" => Self::Help,
            "status" if rest.is_empty() => Self::Status,
            "msg" => {
                let (address, text) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
                if address.starts_with('@') && !text.trim().is_empty() {
                    Self::Message { address, text: text.trim_start() }
                } else {
                    Self::Help
                }
            }
            "call" if rest.trim_start().starts_with('@') => Self::Command { channel: None, line },
            _ if word.starts_with(['#', '&']) => {
                let line = rest.trim_start();
                let verb = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
                let is_command = COMMANDS.contains(&verb.as_str());
                if is_command { Self::Command { channel: Some(word), line } } else { Self::Other }
            }
            _ => Self::Other,
        }
    }
}

fn help(instance: &Instance) -> Vec<String> {
    vec![
        format!("I carry messages between IRC and {}.", instance.scope.public_host),
        format!("msg ADDRESS TEXT - writes to somebody, e.g. msg @alice:{} hello", instance.scope.public_host),
        "status - tells how I am doing".to_owned(),
        "call ADDRESS - sends you a link to a page that calls somebody".to_owned(),
        "#CHANNEL links, #CHANNEL invite ADDRESS, #CHANNEL call - for those who are in it".to_owned(),
        "#CHANNEL link ADDRESS, #CHANNEL unlink - joins it with a room elsewhere; for its operators".to_owned(),
    ]
}

/// Has a command carried out. Who is what in the channel, the server is asked each time.
async fn command(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    conn: &Conn,
    heard: &Heard,
    channel: Option<&str>,
    line: &str,
) -> Vec<String> {
    let nick = &heard.by.source.nick;
    let Ok(id) = instance.names.id_of(nick) else { return Vec::new() };
    let (mut room, mut may_link) = (None, false);
    if let Some(channel) = channel {
        let Ok(asked) = instance.names.id_of(channel) else { return vec![format!("{channel} is no channel")] };
        let Ok(target) = instance.names.target(&asked) else { return vec![format!("{channel} is no channel")] };
        let info = match conn.channel_info(&target).await {
            Ok(info) => info,
            Err(failure) => return vec![format!("{channel}: {}", failure.why)],
        };
        let Some((_, sign)) = info.members.iter().find(|(member, _)| instance.names.fold(member) == id) else {
            return vec![format!("join {channel} first; if it is secret, invite me too")];
        };
        may_link = sign.is_some_and(|sign| KEEPERS.contains(&sign));
        room = Some(asked);
    }
    let by = RemoteUser { id, name: nick.clone(), picture: None };
    let answer = running.host.control(Control { by, room, may_link, line: line.to_owned() }).await;
    answer.lines().map(str::to_owned).collect()
}

/// Passes a message on; what the author is told.
async fn pass_on(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    conn: &Conn,
    heard: &Heard,
    address: &str,
    text: &str,
) -> Vec<String> {
    let by = &heard.by;
    let persona = PersonaId::new(address);
    let Ok(id) = instance.names.id_of(&by.source.nick) else { return Vec::new() };
    // To whom the conversation belongs is settled before the message can be answered.
    let newcomer = instance.heard_from(conn, &persona, &by.source, by.account.as_deref()).await;
    let style = match heard.speech {
        Speech::Action => monster_bridge_api::ContentStyle::Emote,
        _ => monster_bridge_api::ContentStyle::Said,
    };
    let author = RemoteUser { id, name: by.source.nick.clone(), picture: None };
    let event = |id: EventId, kind: EventKind| Event {
        id,
        venue: Venue::Private(persona.clone()),
        author: author.clone(),
        at: by.time.unwrap_or_else(SystemTime::now),
        key: None,
        kind,
        persona: None,
        cursor: None,
    };
    if let Some(words) = newcomer {
        drop(running.accept(event(running.own_id(), EventKind::Notice(words))).await);
    }
    let content = Content {
        text: format::to_text(text, &|_| None),
        style,
        reply_to: heard.reply_to.clone().map(EventId::new),
        attachments: Vec::new(),
    };
    let id = by.msgid.clone().map_or_else(|| running.own_id(), EventId::new);
    let mut message = event(id, EventKind::Message(content));
    message.key = by.mark.as_ref().map(|mark| MessageKey::new(mark.key.clone()));
    match running.accept(message).await {
        None | Some(Ok(Accepted::New | Accepted::Known)) => Vec::new(),
        Some(Ok(Accepted::Unconcerned)) => vec![format!("{address} cannot be reached from here")],
        Some(Err(why)) => vec![format!("your message to {address} was not taken: {why}")],
    }
}

fn reply(instance: &Instance, conn: &Conn, peer: &RemoteId, text: String) {
    let Ok(target) = instance.names.target(peer) else { return };
    let saying = Saying { target, manner: Manner::Notice, text, key: None, reply_to: None, speak_as: None, skip: 0 };
    if let Err(error) = conn.act(|session| session.say(&saying)) {
        tracing::debug!(%error, "the bot could not answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_understood_and_everything_else_is_talk() {
        assert_eq!(Said::parse("HELP me"), Said::Help);
        assert_eq!(Said::parse("!status"), Said::Status);
        assert_eq!(Said::parse("msg  @a:b:gw  hello  you"), Said::Message { address: "@a:b:gw", text: "hello  you" });
        assert_eq!(Said::parse("msg @a:gw"), Said::Help);
        assert_eq!(Said::parse("msg bob hi"), Said::Help);
        assert_eq!(Said::parse("status quo"), Said::Other);
        assert_eq!(Said::parse("#rust  link @a:b"), Said::Command { channel: Some("#rust"), line: "link @a:b" });
        assert_eq!(Said::parse("call @a:b video"), Said::Command { channel: None, line: "call @a:b video" });
        assert_eq!(Said::parse("call me"), Said::Other);
        assert_eq!(Said::parse("#rust is nice"), Said::Other);
        assert_eq!(Said::parse("hello"), Said::Other);
    }
}
