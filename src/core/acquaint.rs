//! People of two bridged networks who get to know each other: a request, a decision and an end that a
//! bridge heard are done on the other network by its own means (join and leave), and what that
//! network decides goes back. Part of the [`Courier`]; the lanes keep the order and try again.
//! (A Monster account is asked and answers in frames; see `relate`.)

use super::body::{Body, Said, Scene};
use super::conversation;
use super::deliver::{Courier, author_of, store_failed};
use super::journal::Entry;
use super::parcel::Parcel;
use super::places::RemotePlace;
use crate::store::{Lane, NewMessage, Relation, RelationState, StoreError};
use monster_bridge_api::{Admission, DeliveryError, RequestError};
use monster_protocol::Address;

/// What is done on the other network.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// The author asks, with what they said.
    Ask(Option<&'a str>),
    /// The author agrees to what was asked.
    Agree,
    /// The author declines, or parts.
    Part,
}

/// What an act means between people; `None` for what is said.
pub(super) fn step(act: &Said) -> Option<Step<'_>> {
    match act {
        Said::Request { pass } => Some(Step::Ask(pass.as_deref())),
        Said::Decided(Admission::Accepted) => Some(Step::Agree),
        Said::Decided(Admission::Refused) | Said::Closed => Some(Step::Part),
        _ => None,
    }
}

impl Courier {
    /// Does it there.
    pub(super) async fn acquaint(
        &self,
        lane: &Lane,
        parcel: &Parcel,
        body: &Body,
        step: Step<'_>,
    ) -> Result<(), DeliveryError> {
        let place = self.bridge_place(lane)?;
        let author = author_of(&parcel.message, body);
        match step {
            Step::Part => place.bridge.leave(&author, &place.id).await.map_err(undone),
            Step::Agree => place.bridge.join(&author, &place.id, None).await.map(drop).map_err(undone),
            Step::Ask(pass) => {
                let admission = place.bridge.join(&author, &place.id, pass).await.map_err(undone)?;
                self.answer(&place, parcel, admission).await.map_err(|error| store_failed(&error))
            }
        }
    }

    /// Tells who asked what was decided, and notes it.
    async fn answer(&self, place: &RemotePlace, parcel: &Parcel, admission: Admission) -> Result<(), StoreError> {
        let asked = &parcel.message;
        let state = match admission {
            Admission::Accepted => RelationState::Accepted,
            Admission::Waiting => RelationState::Asked,
            Admission::WrongPass | Admission::Refused => {
                self.book.remove_relation(&asked.author, place.address.as_str()).await?;
                return self.tell(place, asked, admission).await;
            }
        };
        self.book.set_relation(self.relation(asked, place, state)).await?;
        // Whoever has to wait is told once it is decided.
        if admission == Admission::Accepted { self.tell(place, asked, admission).await } else { Ok(()) }
    }

    fn relation(&self, asked: &NewMessage, place: &RemotePlace, state: RelationState) -> Relation {
        Relation {
            account: asked.author.clone(),
            place: place.address.as_str().to_owned(),
            state,
            pass: None,
            nickname: Some(asked.author_name.clone()),
            since: self.environment.now_ms(),
        }
    }

    async fn tell(&self, place: &RemotePlace, asked: &NewMessage, admission: Admission) -> Result<(), StoreError> {
        let Ok(to) = asked.author.parse::<Address>() else { return Ok(()) };
        // The same again on every try.
        let key = format!("{}-d", asked.key);
        let back = match self.book.resolve(&to) {
            Ok(super::places::Place::Bridge(to)) => {
                Lane { to: to.instance.as_str().to_owned(), via: to.address.as_str().to_owned() }
            }
            Ok(to) => Lane { to: to.address().as_str().to_owned(), via: place.address.as_str().to_owned() },
            Err(_) => return Ok(()),
        };
        let entry = Entry {
            key: key.clone(),
            conversation: conversation::between(&to, &place.address),
            venue: to.as_str().to_owned(),
            author: place.address.as_str().to_owned(),
            author_name: place.address.name().into_owned(),
            origin_id: key,
            at: self.environment.now_ms(),
            body: Body::new(Scene::Private, Said::Decided(admission)),
            lanes: vec![back],
            cursor: None,
        };
        self.book.store.accept(entry.into_incoming()).await.map(drop)
    }
}

fn undone(error: RequestError) -> DeliveryError {
    match error {
        RequestError::Unavailable(why) => DeliveryError::transient(why),
        RequestError::Unknown(why) | RequestError::Refused(why) => DeliveryError::permanent(why),
    }
}
