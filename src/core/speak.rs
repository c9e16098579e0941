//! Saying, editing, reacting and withdrawing (2001, 2004): what a Monster peer says at a place goes
//! into the journal, for everybody concerned. Part of [`Core`]; called by `requests`.

use super::body::{Body, Said, Scene, Words};
use super::fanout::{self, conversation_of, fan_out, rooms_of};
use super::journal::Entry;
use super::keys::{is_key, new_key, stored_id};
use super::places::Place;
use super::quotes::{self, Earlier};
use super::requests::{Refusal, Voice};
use super::{Core, conversation, metrics};
use crate::store::{Journalled, Lane};
use monster_bridge_api::Admission;
use monster_protocol::{Address, Request};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a bridge may take to carry out a command.
const COMMAND: Duration = Duration::from_secs(10);

/// Where something is said, and who gets it.
struct Target {
    conversation: String,
    /// All names that the conversation had.
    conversations: Vec<String>,
    venue: Address,
    scene: Scene,
    lanes: Vec<Lane>,
}

impl Core {
    /// 2001.
    pub(crate) async fn say(
        self: &Arc<Self>,
        voice: &Voice,
        place: &Place,
        request: &Request<'_>,
        text: &str,
    ) -> Result<(), Refusal> {
        let emoji = request.ext.reaction.as_deref();
        if [Some(text), emoji].into_iter().flatten().any(|words| Words::markdown(words).is_blank()) {
            return Err(Refusal::bad("the message is empty: `text` has nothing that anybody could see"));
        }
        if let Place::Console(address, ..) = place {
            return self.command(voice, address, place, request, text).await;
        }
        let (voice, target) = self.target(voice, place).await?;
        let said = self.said(&voice, &target, request, text).await?;
        self.journal(&voice, target, request, said).await
    }

    /// What a 2001 means, by its optional fields. What refers to a message that is not known here
    /// (any more) is said in its own words, so that nothing gets lost.
    async fn said(&self, voice: &Voice, target: &Target, request: &Request<'_>, text: &str) -> Result<Said, Refusal> {
        let ext = &request.ext;
        if let Some(id) = &ext.replaces
            && let Some(earlier) = self.earlier(voice, target, id).await?
        {
            own(voice, &earlier, "edit")?;
            return Ok(Said::Edit { target: earlier.quote(), words: voice.words(text) });
        }
        let reply = match &ext.reply_to {
            Some(id) => self.earlier(voice, target, id).await?.map(|earlier| earlier.quote()),
            None => None,
        };
        match (&ext.reaction, reply) {
            (Some(emoji), Some(target)) => Ok(Said::React { target, emoji: emoji.to_string() }),
            (_, reply) => Ok(Said::Send { words: self.words(voice, text), reply }),
        }
    }

    /// What is said; a message that is nothing but a link to a file of one's own is that file.
    fn words(&self, voice: &Voice, text: &str) -> Words {
        match self.upload_in(text).filter(|_| voice.home) {
            Some(file) => Words { attachments: vec![file], ..Words::markdown("") },
            None => voice.words(text),
        }
    }

    /// 2004.
    pub(crate) async fn recall(
        self: &Arc<Self>,
        voice: &Voice,
        place: &Place,
        request: &Request<'_>,
        id: &str,
    ) -> Result<(), Refusal> {
        if let Place::Console(..) = place {
            return Err(Refusal::bad("what was said to a bridge cannot be withdrawn"));
        }
        let (voice, target) = self.target(voice, place).await?;
        let Some(earlier) = self.earlier(&voice, &target, id).await? else {
            return Err(Refusal::bad("`recallMessageId` names no message that is known here"));
        };
        own(&voice, &earlier, "withdraw")?;
        let said = match earlier.reaction() {
            Some((target, emoji)) => {
                let (target, emoji) = (target.clone(), emoji.to_owned());
                Said::Unreact { target, emoji, reaction: Some(earlier.quote()) }
            }
            None => Said::Recall { target: earlier.quote(), reason: None },
        };
        self.journal(&voice, target, request, said).await
    }

    async fn earlier(&self, voice: &Voice, target: &Target, id: &str) -> Result<Option<Earlier>, Refusal> {
        let (store, by) = (self.store.as_ref(), voice.brought_by());
        let author = voice.address.as_str();
        Ok(quotes::by_peers_id(store, &target.conversations, &target.venue, author, by, id).await?)
    }

    /// Who gets what this voice says at this place, and as whom it says it there.
    async fn target(self: &Arc<Self>, voice: &Voice, place: &Place) -> Result<(Voice, Target), Refusal> {
        let voice = voice.clone();
        match place {
            Place::Group(room) => {
                self.admitted(&voice, place).await?;
                Ok(self.in_room(voice, room))
            }
            Place::Bridge(remote) if remote.is_room() => {
                self.admitted(&voice, place).await?;
                Ok(self.in_room(voice, &remote.address))
            }
            Place::Bridge(remote) => {
                let lane = Lane { to: remote.instance.as_str().to_owned(), via: remote.address.as_str().to_owned() };
                Ok(between(alone(voice), &remote.address, lane))
            }
            Place::Person(to) => {
                let lane = Lane { to: to.as_str().to_owned(), via: voice.account.as_str().to_owned() };
                Ok(between(voice, to, lane))
            }
            Place::Remote(to) => {
                let lane = Lane { to: to.as_str().to_owned(), via: voice.account.as_str().to_owned() };
                Ok(between(alone(voice), to, lane))
            }
            Place::Console(..) => Err(Refusal::bad("a bridge takes commands only")),
        }
    }

    fn in_room(&self, voice: Voice, room: &Address) -> (Voice, Target) {
        let graph = self.book.graph().read();
        let said = fanout::Said {
            room,
            author: voice.address.as_str(),
            brought_by: voice.brought_by().map(Address::as_str),
            heard: false,
        };
        let target = Target {
            conversation: conversation_of(&graph, room),
            conversations: quotes::conversations_of_room(&graph, room),
            venue: room.clone(),
            scene: Scene::Room,
            lanes: fan_out(&graph, self.book.ours(), &said),
        };
        drop(graph);
        (voice, target)
    }

    /// Sees to it that the account is in the room, or in one that is linked with it. Who is not is
    /// let in if the room is open to them: on most networks speaking needs that first.
    pub(crate) async fn admitted(self: &Arc<Self>, voice: &Voice, place: &Place) -> Result<(), Refusal> {
        let account = voice.account.as_str();
        let inside = {
            let graph = self.book.graph().read();
            let is_in = |room: &Address| {
                graph.is_in(account, room.as_str()) || (!voice.home && graph.is_in(room.as_str(), account))
            };
            account == place.address().as_str() || rooms_of(&graph, place.address()).iter().any(is_in)
        };
        if inside {
            return Ok(());
        }
        let address = place.address();
        match self.admit(voice, place, None).await? {
            Admission::Accepted => Ok(()),
            Admission::Waiting => Err(Refusal::bad(format!("{address} has yet to let you in"))),
            Admission::WrongPass => Err(Refusal::bad(format!("{address} asks for a pass; join it first (1001)"))),
            Admission::Refused => Err(Refusal::bad(format!("{address} does not let you in"))),
        }
    }

    async fn journal(&self, voice: &Voice, target: Target, request: &Request<'_>, said: Said) -> Result<(), Refusal> {
        let by = voice.brought_by();
        let known_elsewhere = (by.is_some() || voice.claimed.is_some()) && is_key(&request.message_id);
        let key = if known_elsewhere { request.message_id.to_string() } else { new_key(&self.environment) };
        let mut body = Body::new(target.scene, said);
        body.picture.clone_from(&voice.author.picture);
        body.by = by.map(|account| account.as_str().to_owned());
        let entry = Entry {
            key,
            conversation: target.conversation,
            venue: target.venue.as_str().to_owned(),
            author: voice.address.as_str().to_owned(),
            author_name: voice.author.name.clone(),
            origin_id: stored_id(by, &request.message_id),
            at: self.said_at(voice, request),
            body,
            lanes: target.lanes,
            cursor: None,
        };
        let outcome = match self.store.accept(entry.into_incoming()).await? {
            Journalled::New { .. } => "new",
            Journalled::Known { .. } => "known",
        };
        metrics::accepted("monster", outcome);
        Ok(())
    }

    /// When something was said: another server's word for it counts, as a message may have waited there;
    /// but not for what has yet to come, or is older than a message can become that is under way.
    fn said_at(&self, voice: &Voice, request: &Request<'_>) -> i64 {
        let now = self.environment.now_ms();
        let keep = i64::try_from(self.settings.keep.as_millis()).unwrap_or(i64::MAX);
        let claimed = request.ext.time.filter(|_| !voice.home).and_then(|time| i64::try_from(time).ok());
        claimed.filter(|time| (now.saturating_sub(keep)..=now).contains(time)).unwrap_or(now)
    }

    /// A line for a bridge itself. Not journalled, as it may hold a password; the answer is.
    async fn command(
        &self,
        voice: &Voice,
        console: &Address,
        place: &Place,
        request: &Request<'_>,
        line: &str,
    ) -> Result<(), Refusal> {
        let Place::Console(_, instance, bridge) = place else { return Ok(()) };
        let account = voice.account.as_str();
        if self.store.answer(account, console.as_str(), &request.message_id).await?.is_some() {
            return Ok(());
        }
        let answer = tokio::time::timeout(COMMAND, bridge.command(&voice.author, line)).await;
        let answer = answer.map_err(|_| Refusal::Unavailable(format!("{instance} did not answer in time")))?;
        self.store.remember_answer(account, console.as_str(), &request.message_id, "200").await?;
        let key = new_key(&self.environment);
        let entry = Entry {
            key: key.clone(),
            conversation: conversation::between(&voice.account, console),
            venue: account.to_owned(),
            author: console.as_str().to_owned(),
            author_name: instance.as_str().to_owned(),
            origin_id: key,
            at: self.environment.now_ms(),
            body: Body::new(Scene::Private, Said::Notice(answer)),
            lanes: vec![Lane { to: account.to_owned(), via: console.as_str().to_owned() }],
            cursor: None,
        };
        self.store.accept(entry.into_incoming()).await?;
        Ok(())
    }
}

/// What is said in private at `venue`.
fn between(voice: Voice, venue: &Address, lane: Lane) -> (Voice, Target) {
    let conversation = conversation::between(&voice.account, venue);
    let scene = match voice.brought_by() {
        Some(room) => Scene::Foreign(room.as_str().to_owned()),
        None => Scene::Private,
    };
    let conversations = vec![conversation.clone()];
    let target = Target { conversation, conversations, venue: venue.clone(), scene, lanes: vec![lane] };
    (voice, target)
}

/// The voice of the account alone: where the reader can only answer the account itself, the
/// account has said it, with the author's name before the words.
fn alone(mut voice: Voice) -> Voice {
    if voice.brought_by().is_some() {
        voice.claimed = Some(std::mem::take(&mut voice.author.name));
        voice.address = voice.account.clone();
        voice.author.id = monster_bridge_api::PersonaId::new(voice.account.as_str());
        voice.author.name = voice.account.name().into_owned();
        voice.author.picture = None;
    }
    voice
}

fn own(voice: &Voice, earlier: &Earlier, what: &str) -> Result<(), Refusal> {
    if earlier.is_by(voice.address.as_str(), voice.brought_by()) {
        return Ok(());
    }
    Err(Refusal::bad(format!("only its author can {what} a message")))
}
