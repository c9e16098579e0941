//! Private conversations, and to whom they belong.
//!
//! A conversation is between a persona and whoever had the nick when it began: known by their
//! account, or lacking that, by their connection. Whoever takes the nick later does not inherit it:
//! what the persona writes is refused until they open the conversation again (1001). A change of
//! nick is followed. Kept under `conversation/…`.

mod owner;

use crate::conn::Conn;
use crate::hear::private_key;
use crate::instance::Instance;
use crate::proto::session::{FailureKind, RequestFailure, Whois};
use crate::proto::{Event, Source, Target};
use monster_bridge_api::{DeliveryError, PersonaId, RemoteId, RequestError};
use owner::Owner;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// All private conversations.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    table: Mutex<HashMap<(PersonaId, RemoteId), Conversation>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Conversation {
    persona: PersonaId,
    /// The nick under which the conversation is known.
    peer: RemoteId,
    /// What the other is called now.
    nick: String,
    owner: Owner,
    /// The nick is somebody else's now.
    #[serde(default)]
    lost: bool,
    /// The connection that has made sure of the owner and would notice a change.
    #[serde(skip)]
    fresh_on: Option<u64>,
}

impl Conversations {
    /// Takes over what was kept; what cannot be read is reported and left where it is.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let mut table = HashMap::new();
        for (key, value) in saved {
            match serde_json::from_str::<Conversation>(&value) {
                Ok(found) => drop(table.insert((found.persona.clone(), found.peer.clone()), found)),
                Err(error) => tracing::warn!(key, %error, "a damaged record is set aside"),
            }
        }
        *self.table.lock() = table;
    }

    /// With whom a persona is in conversation.
    pub(crate) fn peers_of(&self, persona: &PersonaId) -> Vec<RemoteId> {
        self.table.lock().keys().filter(|(who, _)| who == persona).map(|(_, peer)| peer.clone()).collect()
    }

    /// Whether there is a conversation.
    pub(crate) fn has(&self, persona: &PersonaId, peer: &RemoteId) -> bool {
        self.table.lock().contains_key(&(persona.clone(), peer.clone()))
    }

    /// What the other of a conversation is called now, as far as this connection knows without asking;
    /// `None` where it would have to make sure first.
    pub(crate) fn certain_nick(&self, conn: &Conn, persona: &PersonaId, peer: &RemoteId) -> Option<RemoteId> {
        let known = self.get(persona, peer)?;
        (!known.lost && known.is_fresh(conn)).then(|| RemoteId::new(known.nick))
    }

    fn get(&self, persona: &PersonaId, peer: &RemoteId) -> Option<Conversation> {
        self.table.lock().get(&(persona.clone(), peer.clone())).cloned()
    }
}

impl Instance {
    /// To whom a message to `peer` goes now. Makes sure that they are who they were.
    pub(crate) async fn addressee(
        &self,
        conn: &Conn,
        persona: &PersonaId,
        peer: &RemoteId,
    ) -> Result<Target, DeliveryError> {
        let known = self.conversations.get(persona, peer);
        if known.as_ref().is_some_and(|known| known.lost) {
            return Err(DeliveryError::permanent(taken_over(peer)));
        }
        let nick = known.as_ref().map_or(peer.as_str(), |known| known.nick.as_str());
        let target = self.target_of(nick)?;
        if known.as_ref().is_some_and(|known| known.is_fresh(conn)) {
            return Ok(target);
        }
        let whois = conn.whois(&target).await.map_err(|failure| whois_failed(nick, &failure))?;
        match known {
            Some(known) if !known.owner.is_still(&whois) => {
                self.lose(known).await;
                Err(DeliveryError::permanent(taken_over(peer)))
            }
            Some(mut known) => {
                known.owner.learn(&whois);
                self.make_sure(conn, known).await;
                Ok(target)
            }
            None => {
                self.begin(conn, persona, peer, &whois).await;
                Ok(target)
            }
        }
    }

    /// Opens a conversation with whoever has the nick now.
    pub(crate) async fn open_conversation(
        &self,
        conn: &Conn,
        persona: &PersonaId,
        peer: &RemoteId,
    ) -> Result<(), RequestError> {
        let target = self.names.target(peer).map_err(|why| RequestError::Refused(why.to_string()))?;
        let whois = conn.whois(&target).await.map_err(|failure| match failure.kind {
            FailureKind::Unknown => {
                RequestError::Unknown(format!("nobody is called {peer} on {} now", self.dialer.host()))
            }
            _ => RequestError::Unavailable(failure.why),
        })?;
        self.begin(conn, persona, peer, &whois).await;
        Ok(())
    }

    /// Forgets a conversation.
    pub(crate) async fn close_conversation(&self, persona: &PersonaId, peer: &RemoteId) {
        let closed = self.conversations.table.lock().remove(&(persona.clone(), peer.clone()));
        if let Some(closed) = closed {
            self.save(&closed.key(), None).await;
            self.save(&private_key(persona, peer), None).await;
        }
    }

    /// Somebody wrote to a persona. Words for the persona, if it is not who wrote before.
    pub(crate) async fn heard_from(
        &self,
        conn: &Conn,
        persona: &PersonaId,
        source: &Source,
        account: Option<&str>,
    ) -> Option<String> {
        let peer = self.names.fold(&source.nick);
        let Some(mut known) = self.conversations.get(persona, &peer) else {
            let begun = Conversation::new(persona, &peer, source.nick.clone(), Owner::of_line(source, account));
            self.make_sure(conn, begun).await;
            return None;
        };
        if known.lost || known.is_fresh(conn) && self.names.fold(&known.nick) == peer {
            return None;
        }
        let moved = self.names.fold(&known.nick) != peer;
        let same = !moved && self.is_same(conn, &mut known, source, account).await;
        if same {
            self.make_sure(conn, known).await;
            return None;
        }
        self.lose(known).await;
        Some(format!(
            "{peer} is somebody else than before. What they write is shown; to write to them, add them again."
        ))
    }

    async fn is_same(&self, conn: &Conn, known: &mut Conversation, source: &Source, account: Option<&str>) -> bool {
        if account.is_some() && known.owner.has_account(account) {
            return true;
        }
        let Ok(target) = self.target_of(&source.nick) else { return false };
        match conn.whois(&target).await {
            Ok(whois) => {
                let same = known.owner.is_still(&whois);
                if same {
                    known.owner.learn(&whois);
                }
                same
            }
            Err(_) => known.owner.is_line(source, account),
        }
    }

    /// Follows what a connection saw of people coming, going and changing.
    pub(crate) fn follow(&self, conn: &Conn, event: &Event) {
        match event {
            Event::NickChanged { from, to, own: false, .. } => {
                let (old, new) = (self.names.fold(from), self.names.fold(to));
                self.network.saw_change(old.as_str(), new.as_str());
                let now = crate::people::now();
                self.each_with(&old, |known| {
                    known.nick.clone_from(to);
                    known.owner.changed_nick(now);
                });
                if let Ok(target) = self.target_of(to)
                    && self.conversations.table.lock().values().any(|known| self.names.fold(&known.nick) == new)
                {
                    conn.act(|session| session.watch(&target));
                }
            }
            Event::Quit { who, netsplit: false, .. } => {
                self.each_with(&self.names.fold(&who.nick), |known| known.owner.connection_ended());
            }
            Event::Quit { who, netsplit: true, .. } => self.went_out_of_sight(&who.nick),
            Event::Presence { nick, online: false } => self.went_out_of_sight(nick),
            // Out of sight on this connection: whether it is still the same has to be asked again.
            Event::MemberLeft { who, .. } => self.each_with(&self.names.fold(&who.nick), |_| {}),
            _ => {}
        }
    }

    fn went_out_of_sight(&self, nick: &str) {
        let now = crate::people::now();
        self.each_with(&self.names.fold(nick), |known| known.owner.out_of_sight(now));
    }

    /// Changes the conversations with whoever has the nick; they have to be made sure of again.
    fn each_with(&self, nick: &RemoteId, change: impl Fn(&mut Conversation)) {
        let mut changed = Vec::new();
        for known in self.conversations.table.lock().values_mut() {
            if !known.lost && self.names.fold(&known.nick) == *nick {
                let before = known.clone();
                change(known);
                known.fresh_on = None;
                if known.nick != before.nick || known.owner != before.owner {
                    changed.push(known.clone());
                }
            }
        }
        let Some(running) = self.running() else { return };
        for known in changed {
            let (host, (key, record)) = (running.host.clone(), (known.key(), known.record()));
            running.spawn("save", async move {
                if let Err(error) = host.save(&key, Some(&record)).await {
                    tracing::warn!(%error, "a conversation could not be saved");
                }
            });
        }
    }

    async fn begin(&self, conn: &Conn, persona: &PersonaId, peer: &RemoteId, whois: &Whois) {
        let nick = if whois.nick.is_empty() { peer.to_string() } else { whois.nick.clone() };
        let begun = Conversation::new(persona, peer, nick, Owner::of_whois(whois));
        self.make_sure(conn, begun).await;
    }

    /// The owner is certain: keeps the conversation, and watches the nick where that can be done.
    async fn make_sure(&self, conn: &Conn, mut known: Conversation) {
        let watched = self.target_of(&known.nick).is_ok_and(|target| conn.act(|session| session.watch(&target)));
        let seen = watched || conn.look(|session| session.sees(&known.nick));
        known.fresh_on = seen.then_some(conn.id());
        self.keep(known).await;
    }

    async fn lose(&self, mut known: Conversation) {
        known.lost = true;
        known.fresh_on = None;
        self.keep(known).await;
    }

    async fn keep(&self, known: Conversation) {
        let key = (known.persona.clone(), known.peer.clone());
        let before = self.conversations.table.lock().insert(key, known.clone());
        let record = known.record();
        if before.is_none_or(|before| before.record() != record) {
            self.save(&known.key(), Some(&record)).await;
        }
    }

    fn target_of(&self, nick: &str) -> Result<Target, DeliveryError> {
        self.names.target(&RemoteId::new(nick)).map_err(|why| DeliveryError::permanent(format!("`{nick}`: {why}")))
    }
}

impl Conversation {
    fn new(persona: &PersonaId, peer: &RemoteId, nick: String, owner: Owner) -> Self {
        Self { persona: persona.clone(), peer: peer.clone(), nick, owner, lost: false, fresh_on: None }
    }

    /// Whether this connection made sure and has seen nothing since. One that does not see the nick
    /// go cannot be sure.
    fn is_fresh(&self, conn: &Conn) -> bool {
        self.fresh_on == Some(conn.id())
    }

    fn key(&self) -> String {
        format!("conversation/{}\u{1f}{}", self.persona, self.peer)
    }

    fn record(&self) -> String {
        // Text and numbers under fixed names always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn taken_over(peer: &RemoteId) -> String {
    format!(
        "{peer} is no longer who you were talking to; your message was not sent. To talk to whoever is called {peer} \
         now, add them again"
    )
}

fn whois_failed(nick: &str, failure: &RequestFailure) -> DeliveryError {
    match failure.kind {
        FailureKind::Unknown => DeliveryError::permanent(format!("{nick} is not on the network now")),
        _ => DeliveryError::transient(format!("it could not be found out who {nick} is: {}", failure.why)),
    }
}
