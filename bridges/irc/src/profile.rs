//! What can be known about a nick or channel, asked of the server by the bot and remembered for a
//! minute.

use crate::conn::Conn;
use crate::instance::Instance;
use crate::proto::session::{ChannelInfo, FailureKind, RequestFailure, Whois};
use monster_bridge_api::{Info, PlaceKind, Profile, RemoteId, RequestError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How long an answer stays good.
const FRESH: Duration = Duration::from_mins(1);
/// How long whoever asks waits.
const PATIENCE: Duration = Duration::from_millis(4500);
/// Answers that are remembered.
const MOST: usize = 1024;
/// Channels of a person that are shown.
const MOST_CHANNELS: usize = 20;

/// Answers that were given lately.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    known: Mutex<HashMap<RemoteId, (Instant, Profile)>>,
}

impl Profiles {
    fn get(&self, id: &RemoteId) -> Option<Profile> {
        let known = self.known.lock();
        known.get(id).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, profile)| profile.clone())
    }

    fn put(&self, id: &RemoteId, profile: Profile) {
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if known.len() < MOST {
            known.insert(id.clone(), (Instant::now(), profile));
        }
    }
}

impl Instance {
    /// What can be known about a nick or channel.
    pub(crate) async fn profile(&self, id: &RemoteId) -> Result<Profile, RequestError> {
        if let Some(profile) = self.profiles.get(id) {
            return Ok(profile);
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask_profile(id)).await;
        let profile = asked
            .unwrap_or_else(|_| Err(RequestError::Unavailable("the IRC server did not answer in time".to_owned())))?;
        self.profiles.put(id, profile.clone());
        Ok(profile)
    }

    /// `Ok` for a channel that everybody can join. One that nobody is in is: whoever joins makes it.
    pub(crate) async fn is_open(&self, id: &RemoteId) -> Result<(), RequestError> {
        let target = self.names.target(id).map_err(|why| RequestError::Unknown(format!("`{id}`: {why}")))?;
        let conn = self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable)?;
        match conn.channel_info(&target).await {
            Ok(info) if info.modes.contains(['i', 'k']) => {
                let why = format!("{id} is not open to everybody; link it from within, or ask the administrator");
                Err(RequestError::Refused(why))
            }
            Err(failure) if failure.kind != FailureKind::Unknown => Err(failed(id, &failure)),
            _ => Ok(()),
        }
    }

    async fn ask_profile(&self, id: &RemoteId) -> Result<Profile, RequestError> {
        let target = self.names.target(id).map_err(|why| RequestError::Unknown(format!("`{id}`: {why}")))?;
        let conn = self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable)?;
        if target.is_channel() {
            let info = conn.channel_info(&target).await.map_err(|failure| failed(id, &failure))?;
            return Ok(of_channel(id, &info));
        }
        let whois = conn.whois(&target).await.map_err(|failure| failed(id, &failure))?;
        Ok(of_person(id, &whois, &|channel| is_public(&conn, channel)))
    }
}

/// Whether everybody may know that somebody is in a channel: we are shown the secret ones that we
/// are in ourselves.
fn is_public(conn: &Conn, channel: &str) -> bool {
    let name = channel.trim_start_matches(|c: char| !conn.look(|session| session.isupport().chantypes().contains(c)));
    conn.look(|session| match session.channel(name) {
        Some(info) => !is_secret(&info),
        None => !session.is_in(name),
    })
}

fn is_secret(info: &ChannelInfo) -> bool {
    info.modes.contains(['s', 'p'])
}

fn failed(id: &RemoteId, failure: &RequestFailure) -> RequestError {
    match failure.kind {
        FailureKind::Unknown => RequestError::Unknown(format!("there is no {id} now")),
        FailureKind::Later | FailureKind::Timeout | FailureKind::Disconnected => {
            RequestError::Unavailable(failure.why.clone())
        }
        _ => RequestError::Refused(failure.why.clone()),
    }
}

fn of_channel(id: &RemoteId, info: &ChannelInfo) -> Profile {
    let name = if info.name.is_empty() { id.to_string() } else { info.name.clone() };
    let kind = if info.moderated { PlaceKind::Channel } else { PlaceKind::Group };
    let mut rows = Vec::new();
    // What a secret channel is about is nobody's business who is not in it.
    if !is_secret(info) {
        if !info.topic.is_empty() {
            rows.push(Info::new("topic", plain(&info.topic)));
        }
        if !info.modes.is_empty() {
            rows.push(Info::new("modes", format!("+{}", info.modes)));
        }
        if !info.members.is_empty() {
            rows.push(Info::new("members", info.members.len().to_string()));
        }
    }
    Profile { name, picture: None, kind, info: rows }
}

fn of_person(id: &RemoteId, whois: &Whois, is_public: &dyn Fn(&str) -> bool) -> Profile {
    let name = if whois.nick.is_empty() { id.to_string() } else { whois.nick.clone() };
    let mut rows = Vec::new();
    let mut row = |title: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            rows.push(Info::new(title, value));
        }
    };
    row("real name", Some(plain(&whois.realname)));
    row("account", whois.account.clone());
    row("away", whois.away.as_deref().map(plain));
    let shown: Vec<_> =
        whois.channels.iter().filter(|channel| is_public(channel)).take(MOST_CHANNELS).cloned().collect();
    row("channels", Some(shown.join(" ")));
    row("server", whois.server.clone());
    row("idle", whois.idle.map(span));
    let signon = whois.signon.map(|at| crate::proto::time::format(UNIX_EPOCH + Duration::from_secs(at)));
    row("signed on", signon);
    row("operator", whois.operator.then(|| "yes".to_owned()));
    row("bot", whois.bot.then(|| "yes".to_owned()));
    row("encrypted", whois.secure.then(|| "yes".to_owned()));
    Profile { name, picture: None, kind: PlaceKind::Person, info: rows }
}

/// Text without mIRC codes.
fn plain(text: &str) -> String {
    crate::format::to_text(text, &|_| None).to_plain()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_channel_tells_neither_topic_nor_members() {
        let info = ChannelInfo {
            name: "#Den".to_owned(),
            topic: "plans".to_owned(),
            modes: "nst".to_owned(),
            members: vec![("bob".to_owned(), None)],
            ..ChannelInfo::default()
        };
        assert_eq!(of_channel(&RemoteId::new("#den"), &info).info, []);
        let open = ChannelInfo { modes: "nt".to_owned(), moderated: true, ..info };
        let profile = of_channel(&RemoteId::new("#den"), &open);
        assert_eq!((profile.kind, profile.info.len()), (PlaceKind::Channel, 3));
    }

    #[test]
    fn a_person_is_shown_without_the_secret_channels_that_we_happen_to_share() {
        let whois = Whois {
            nick: "Bob".to_owned(),
            realname: "\u{2}Bob\u{2}".to_owned(),
            idle: Some(3_700),
            channels: vec!["@#den".to_owned(), "#rust".to_owned()],
            ..Whois::default()
        };
        let profile = of_person(&RemoteId::new("bob"), &whois, &|channel| channel != "@#den");
        let rows: Vec<_> = profile.info.iter().map(|row| (row.title.as_str(), row.value.as_str())).collect();
        assert_eq!(rows, [("real name", "Bob"), ("channels", "#rust"), ("idle", "1 h 1 min")]);
    }
}
