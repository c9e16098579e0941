//! The requests of Monster peers: who may ask what of which place, and what is answered. What is
//! said is in `speak`, joining and leaving in `relate`, 1000 in `about`. Called through
//! [`Core::request`].

use super::body::Words;
use super::graph::{Home, home_of};
use super::places::{NoPlace, Place};
use super::{Core, Peer, Side, Speaker, keys, words};
use crate::store::StoreError;
use monster_bridge_api::{Author, RequestError};
use monster_protocol::{Address, Request, RequestBody, Response, Status};
use std::sync::Arc;

/// Somebody who makes a request, as far as it matters to the places concerned.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    /// Whose socket it is.
    pub account: Address,
    /// Who says it, as bridges show them: the account, or somebody in the room that the account is.
    pub author: Author,
    /// The author's address.
    pub address: Address,
    /// True for an account of this gateway on its own socket.
    pub home: bool,
    /// A name that the socket claims for the author, where the claim is not believed: it is put
    /// before the words, and the account itself has said them.
    pub claimed: Option<String>,
}

impl Voice {
    /// The account, where it speaks for somebody else.
    pub(crate) fn brought_by(&self) -> Option<&Address> {
        (self.account != self.address).then_some(&self.account)
    }

    /// The words as the author's.
    pub(crate) fn words(&self, text: &str) -> Words {
        match &self.claimed {
            Some(name) => Words::markdown(format!("{}: {text}", words::name(name))),
            None => Words::markdown(text),
        }
    }
}

/// Why a request is not done, as it is answered.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 400.
    Bad(String),
    /// 300.
    Elsewhere(Address),
    /// 500.
    Unavailable(String),
}

impl Refusal {
    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::Bad(why.into())
    }

    /// The words for whoever asked.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Bad(why) | Self::Unavailable(why) => why,
            Self::Elsewhere(location) => format!("it lives at {location}"),
        }
    }

    fn into_response(self, request: &Request<'_>) -> Response<'static> {
        match self {
            Self::Bad(why) => request.answer(Status::BadRequest).with_error(why),
            Self::Unavailable(why) => request.answer(Status::Unavailable).with_error(why),
            Self::Elsewhere(location) => {
                let mut response = request.answer(Status::Elsewhere);
                response.error = Some(format!("{location} does not live here").into());
                response.location = Some(location);
                response
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(why) | StoreError::Missing(why) => Self::Bad(why),
            StoreError::Busy => Self::Unavailable("too much is waiting to be stored; try again".to_owned()),
            StoreError::Failed { .. } => {
                tracing::error!(%error, "a request could not be stored");
                Self::Unavailable("it could not be stored; try again".to_owned())
            }
        }
    }
}

impl From<NoPlace> for Refusal {
    fn from(error: NoPlace) -> Self {
        Self::Bad(error.0)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Unknown(why) | RequestError::Refused(why) => Self::Bad(why),
            RequestError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Core {
    /// [`Core::request`].
    pub(crate) async fn handle(self: &Arc<Self>, peer: &Peer, to: &Address, request: Request<'_>) -> Response<'static> {
        match self.answer(peer, to, &request).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(&request),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        peer: &Peer,
        to: &Address,
        request: &Request<'_>,
    ) -> Result<Response<'static>, Refusal> {
        self.book.look_again(to).await?;
        let place = self.book.resolve(to)?;
        let Peer::Account(speaker) = peer else {
            if !matches!(request.body, RequestBody::Info) {
                return Err(Refusal::bad("only 1000 can be asked by somebody who has not shown who they are"));
            }
            return self.about(None, &place, request).await;
        };
        if let Place::Remote(address) = &place
            && speaker.side == Side::Remote
        {
            return Err(Refusal::Elsewhere(address.clone()));
        }
        match &request.body {
            RequestBody::Info => self.about(Some(&self.voice(speaker)), &place, request).await,
            RequestBody::Join { pass } => self.join(&self.voice(speaker), &place, request, pass.as_deref()).await,
            RequestBody::Leave => self.leave(&self.voice(speaker), &place, request).await,
            RequestBody::Text { text } => {
                let voice = self.voice_for(speaker, request, &place).await?;
                self.say(&voice, &place, request, text).await?;
                if let (Some(by), Place::Person(reader)) = (voice.brought_by(), &place) {
                    self.learn_kind(by, reader);
                }
                Ok(request.answer(Status::Accepted))
            }
            RequestBody::Recall { target } => {
                if self.recall_call(&self.voice(speaker), &place, target).await {
                    return Ok(request.answer(Status::Accepted));
                }
                let voice = self.voice_for(speaker, request, &place).await?;
                self.recall(&voice, &place, request, target).await?;
                Ok(request.answer(Status::Accepted))
            }
            RequestBody::Call { media, context } => {
                self.call(speaker, &self.voice(speaker), &place, request, (*media, context)).await?;
                Ok(request.answer(Status::Accepted))
            }
            _ => Err(Refusal::bad("this code is not known here")),
        }
    }

    /// The account itself.
    fn voice(&self, speaker: &Speaker) -> Voice {
        let author = self.book.author(&speaker.account, speaker.nickname.as_deref(), speaker.picture.as_deref());
        Voice {
            account: speaker.account.clone(),
            author,
            address: speaker.account.clone(),
            home: speaker.side == Side::Home,
            claimed: None,
        }
    }

    /// Who says it: the account, or the `from` of a frame that another server's room passes on. A
    /// home socket speaks for its own account only.
    async fn voice_for(&self, speaker: &Speaker, request: &Request<'_>, place: &Place) -> Result<Voice, Refusal> {
        let mut voice = self.voice(speaker);
        let Some(from) = request.ext.from.as_ref().filter(|from| **from != speaker.account) else {
            return Ok(voice);
        };
        if voice.home {
            return Err(Refusal::bad("`from` can only be the account that the socket belongs to"));
        }
        let name = request.ext.nickname.as_deref().unwrap_or_default().trim();
        let name = if name.is_empty() { from.name().into_owned() } else { name.to_owned() };
        let is_reader = matches!(place, Place::Person(_)) || place.is_room();
        let ours = home_of(self.book.ours(), from) != Home::Remote;
        if !is_reader || (ours && !self.passed_on(from, &speaker.account, &request.message_id).await?) {
            voice.claimed = Some(name);
            return Ok(voice);
        }
        voice.author = self.book.author(from, Some(&name), None);
        voice.address = from.clone();
        Ok(voice)
    }

    /// True if this message is one that an account of ours sent to the other server's room, which
    /// now passes it on: nobody else speaks for an address on our host.
    async fn passed_on(&self, author: &Address, room: &Address, message_id: &str) -> Result<bool, Refusal> {
        if !keys::is_key(message_id) {
            return Ok(false);
        }
        let conversation = super::conversation::between(author, room);
        let known = self.store.message_by_key(&conversation, message_id).await?;
        Ok(known.is_some_and(|message| message.message.author == author.as_str()))
    }
}
