//! Joining and leaving (1001, 1004): how an account stands to rooms and people, and what is decided
//! about it. Part of [`Core`]; called by `requests`, and by `speak` for rooms that are open.

use super::Core;
use super::body::{Body, Said, Scene};
use super::conversation;
use super::graph::Graph;
use super::journal::Entry;
use super::keys::{new_key, stored_id};
use super::places::{Place, RemotePlace};
use super::requests::{Refusal, Voice};
use crate::store::{Lane, Relation, RelationState};
use monster_bridge_api::Admission;
use monster_protocol::{Address, Decision, Request, RequestBody, Response, Status};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The longest that a network may take to let somebody in.
const JOIN: Duration = Duration::from_secs(10);

impl Core {
    /// 1001.
    pub(crate) async fn join(
        self: &Arc<Self>,
        voice: &Voice,
        place: &Place,
        request: &Request<'_>,
        pass: Option<&str>,
    ) -> Result<Response<'static>, Refusal> {
        if pass.is_some_and(|pass| pass.contains(char::is_control)) {
            return Err(Refusal::bad("`pass` cannot hold line breaks or other control characters"));
        }
        let (account, address) = (voice.account.as_str(), place.address().as_str());
        let known = self.store.answer(account, address, &request.message_id).await?;
        if let Some(decision) = known.as_deref().and_then(decision_of) {
            return Ok(request.answer(Status::Information).with_decision(decision));
        }
        let admission = match place {
            Place::Person(to) => self.ask_person(voice, to, request, pass).await?,
            Place::Remote(to) => self.ask_remote(voice, to, request, pass).await?,
            _ => self.admit(voice, place, pass).await?,
        };
        let decision = match admission {
            Admission::Accepted => Decision::Accepted,
            Admission::Waiting => Decision::Waiting,
            Admission::WrongPass => Decision::WrongPass,
            Admission::Refused => return Err(Refusal::bad(format!("{address} does not let you in"))),
        };
        self.store.remember_answer(account, address, &request.message_id, decision.as_str()).await?;
        Ok(request.answer(Status::Information).with_decision(decision))
    }

    /// Lets an account into a group or something on a bridge, if that lets it in.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        voice: &Voice,
        place: &Place,
        pass: Option<&str>,
    ) -> Result<Admission, Refusal> {
        let (admission, kept) = match place {
            Place::Group(room) => {
                let account = self.book.graph().read().account(&room.name()).cloned();
                let asked = account.and_then(|account| account.pass.clone());
                let fits = asked.is_none_or(|asked| asked.as_bytes().ct_eq(pass.unwrap_or_default().as_bytes()).into());
                (if fits { Admission::Accepted } else { Admission::WrongPass }, None)
            }
            Place::Bridge(remote) => {
                let joined = remote.bridge.join(&voice.author, &remote.id, pass);
                let late = |_| Refusal::Unavailable(format!("{} did not answer in time", remote.instance));
                (tokio::time::timeout(JOIN, joined).await.map_err(late)??, pass)
            }
            Place::Console(..) => return Ok(Admission::Accepted),
            Place::Person(to) | Place::Remote(to) => {
                return Err(Refusal::bad(format!("{to} is not a room")));
            }
        };
        let state = match admission {
            Admission::Accepted => RelationState::Accepted,
            Admission::Waiting => RelationState::Asked,
            Admission::WrongPass | Admission::Refused => return Ok(admission),
        };
        self.relate(&voice.account, place.address(), state, kept, Some(&voice.author.name)).await?;
        if admission == Admission::Accepted
            && let Place::Bridge(remote) = place
            && remote.is_room()
        {
            // Who is in hears what is said from now on.
            remote.bridge.use_room(&remote.id, self.book.room_use(&remote.address)).await;
        }
        Ok(admission)
    }

    /// A local person is asked; where they have asked already, that is the agreement.
    async fn ask_person(
        self: &Arc<Self>,
        voice: &Voice,
        to: &Address,
        request: &Request<'_>,
        pass: Option<&str>,
    ) -> Result<Admission, Refusal> {
        if voice.account == *to {
            return Err(Refusal::bad("that is your own account"));
        }
        match self.standing(&voice.account, to) {
            Standing::Contacts => Ok(Admission::Accepted),
            Standing::TheyAsked => {
                self.tell(voice, to, request, Said::Decided(Admission::Accepted)).await?;
                self.agree(voice, to).await?;
                Ok(Admission::Accepted)
            }
            Standing::WeAsked => Ok(Admission::Waiting),
            Standing::None => {
                // First the request, then the note of it: a crash between them leaves a request
                // that is made again, not one that never arrives.
                self.tell(voice, to, request, Said::Request { pass: pass.map(str::to_owned) }).await?;
                self.relate(&voice.account, to, RelationState::Asked, None, Some(&voice.author.name)).await?;
                Ok(Admission::Waiting)
            }
        }
    }

    /// An account on another server is asked, and its answer noted.
    async fn ask_remote(
        self: &Arc<Self>,
        voice: &Voice,
        to: &Address,
        request: &Request<'_>,
        pass: Option<&str>,
    ) -> Result<Admission, Refusal> {
        let standing = self.standing(&voice.account, to);
        if standing == Standing::Contacts && pass.is_none() {
            return Ok(Admission::Accepted);
        }
        if standing == Standing::TheyAsked {
            self.tell(voice, to, request, Said::Decided(Admission::Accepted)).await?;
            self.agree(voice, to).await?;
            return Ok(Admission::Accepted);
        }
        let body = RequestBody::Join { pass: pass.map(|pass| pass.to_owned().into()) };
        let response = self.ask(voice, to, body).await?;
        let admission = match (response.status.is_success(), response.decision) {
            (true, Some(Decision::Accepted)) => Admission::Accepted,
            (true, Some(Decision::WrongPass)) => Admission::WrongPass,
            (true, _) => Admission::Waiting,
            (false, _) => return Err(refused(&response)),
        };
        let state = match admission {
            Admission::Accepted => RelationState::Accepted,
            Admission::Waiting => RelationState::Asked,
            Admission::WrongPass | Admission::Refused => return Ok(admission),
        };
        self.relate(&voice.account, to, state, None, Some(&voice.author.name)).await?;
        Ok(admission)
    }

    /// Asks an account of another server on behalf of a local one.
    pub(crate) async fn ask(
        &self,
        voice: &Voice,
        to: &Address,
        body: RequestBody<'static>,
    ) -> Result<Response<'static>, Refusal> {
        let Some(port) = self.port.get() else {
            return Err(Refusal::Unavailable("other servers cannot be reached now".to_owned()));
        };
        let mut request = Request::new(new_key(&self.environment), body);
        request.ext.nickname = Some(voice.author.name.clone().into());
        Ok(port.ask(to, &voice.account, request).await?)
    }

    /// 1004.
    pub(crate) async fn leave(
        self: &Arc<Self>,
        voice: &Voice,
        place: &Place,
        request: &Request<'_>,
    ) -> Result<Response<'static>, Refusal> {
        let (account, address) = (voice.account.as_str(), place.address());
        if self.store.answer(account, address.as_str(), &request.message_id).await?.is_none() {
            match place {
                Place::Person(to) | Place::Remote(to) => {
                    if self.standing(&voice.account, to) != Standing::None {
                        self.tell(voice, to, request, Said::Closed).await?;
                    }
                    self.book.remove_relation(to.as_str(), account).await?;
                }
                Place::Bridge(remote) => leave_network(voice, remote).await,
                Place::Group(_) | Place::Console(..) => {}
            }
            self.book.remove_relation(account, address.as_str()).await?;
            self.leave_linked(voice, address).await;
            self.store.remember_answer(account, address.as_str(), &request.message_id, "200").await?;
        }
        Ok(request.answer(Status::Accepted))
    }

    /// Whoever has left their last room of a link leaves those on other networks in which they spoke.
    async fn leave_linked(&self, voice: &Voice, left: &Address) {
        let Some(link) = self.book.graph().read().link_of(left.as_str()).cloned() else { return };
        let is_in = |room: &Address| self.book.graph().read().is_in(voice.account.as_str(), room.as_str());
        if link.rooms.iter().any(|room| is_in(&room.address)) {
            return;
        }
        for room in link.rooms.iter().filter(|room| room.address != *left) {
            if let Ok(Place::Bridge(remote)) = self.book.resolve(&room.address) {
                leave_network(voice, &remote).await;
            }
        }
    }

    /// Journals what an account lets a person know about their relation.
    async fn tell(&self, voice: &Voice, to: &Address, request: &Request<'_>, said: Said) -> Result<(), Refusal> {
        let mut body = Body::new(Scene::Private, said);
        body.picture.clone_from(&voice.author.picture);
        let entry = Entry {
            key: new_key(&self.environment),
            conversation: conversation::between(&voice.account, to),
            venue: to.as_str().to_owned(),
            author: voice.account.as_str().to_owned(),
            author_name: voice.author.name.clone(),
            origin_id: stored_id(None, &request.message_id),
            at: self.environment.now_ms(),
            body,
            lanes: vec![Lane { to: to.as_str().to_owned(), via: voice.account.as_str().to_owned() }],
            cursor: None,
        };
        self.store.accept(entry.into_incoming()).await?;
        Ok(())
    }

    /// The account agrees to what `to` asked.
    async fn agree(&self, voice: &Voice, to: &Address) -> Result<(), Refusal> {
        let state = RelationState::Accepted;
        let nickname = self.book.graph().read().relation(to.as_str(), voice.account.as_str()).cloned();
        let nickname = nickname.and_then(|relation| relation.nickname.clone());
        self.relate(to, &voice.account, state, None, nickname.as_deref()).await
    }

    pub(crate) async fn relate(
        &self,
        account: &Address,
        place: &Address,
        state: RelationState,
        pass: Option<&str>,
        nickname: Option<&str>,
    ) -> Result<(), Refusal> {
        let known = self.book.graph().read().relation(account.as_str(), place.as_str()).cloned();
        let relation = Relation {
            account: account.as_str().to_owned(),
            place: place.as_str().to_owned(),
            state,
            pass: pass.map(str::to_owned),
            nickname: nickname.map(str::to_owned),
            since: known
                .as_ref()
                .filter(|known| known.state == state)
                .map_or_else(|| self.environment.now_ms(), |known| known.since),
        };
        if known.as_deref() != Some(&relation) {
            self.book.set_relation(relation).await?;
        }
        Ok(())
    }

    fn standing(&self, account: &Address, other: &Address) -> Standing {
        Standing::between(&self.book.graph().read(), account, other)
    }
}

/// Takes somebody out of a room of another network, or closes their conversation with a person.
async fn leave_network(voice: &Voice, remote: &RemotePlace) {
    match tokio::time::timeout(JOIN, remote.bridge.leave(&voice.author, &remote.id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(instance = %remote.instance, %error, "leaving later"),
        Err(_) => tracing::info!(instance = %remote.instance, "leaving takes long"),
    }
}

/// How two people stand to each other, seen from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    None,
    WeAsked,
    TheyAsked,
    Contacts,
}

impl Standing {
    pub(crate) fn between(graph: &Graph, account: &Address, other: &Address) -> Self {
        let ours = graph.relation(account.as_str(), other.as_str()).map(|relation| relation.state);
        let theirs = graph.relation(other.as_str(), account.as_str()).map(|relation| relation.state);
        match (ours, theirs) {
            (Some(RelationState::Accepted), _) | (_, Some(RelationState::Accepted)) => Self::Contacts,
            (_, Some(RelationState::Asked)) | (Some(RelationState::Invited), _) => Self::TheyAsked,
            (Some(RelationState::Asked), _) | (_, Some(RelationState::Invited)) => Self::WeAsked,
            (None, None) => Self::None,
        }
    }
}

fn decision_of(answer: &str) -> Option<Decision> {
    Decision::from_number(answer.parse().ok()?)
}

/// Another server's failure, as ours.
pub(crate) fn refused(response: &Response<'_>) -> Refusal {
    let why = response.error.as_deref().unwrap_or("the other server refused").to_owned();
    match (response.status, &response.location) {
        (Status::Elsewhere, Some(location)) => Refusal::Elsewhere(location.clone()),
        (Status::Unavailable, _) => Refusal::Unavailable(why),
        _ => Refusal::Bad(why),
    }
}
