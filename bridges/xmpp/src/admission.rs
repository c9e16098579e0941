//! Monster's 1001 and 1004: into rooms and out of them, and contacts with people.

use crate::instance::{Instance, Running};
use crate::rooms::{EnterError, is_about_pass};
use monster_bridge_api::{Admission, Author, PlaceKind, RemoteId, RequestError};
use std::sync::Arc;

impl Instance {
    /// Lets somebody into a room, or makes them a contact.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        running: &Arc<Running>,
        who: &Author,
        target: &RemoteId,
        pass: Option<&str>,
    ) -> Result<Admission, RequestError> {
        if self.is_served(target) {
            return self.admit_served(target);
        }
        if crate::names::split_occupant(target.as_str()).is_some() {
            // Whoever is in a room with somebody may write to them.
            return Ok(Admission::Accepted);
        }
        if let (Some(session), Some(jid)) = (running.session(), crate::names::jid_of(target)) {
            self.learn_domain(running, &session, jid.domain().as_str()).await;
        }
        if self.kind_of(target) == PlaceKind::Person {
            return self.befriend(running, who, target, pass).await;
        }
        if pass.is_some_and(|pass| pass.chars().any(char::is_control)) {
            return Ok(Admission::WrongPass);
        }
        let room = self.room(running, target);
        let room = room.ok_or_else(|| RequestError::Unknown(format!("`{target}` is no room")))?;
        let (speaker, _) = self.speaker(who, None);
        match self.enter(running, &room, &speaker, pass).await {
            Ok(()) => Ok(Admission::Accepted),
            Err(EnterError::Refused(error)) if is_about_pass(&error) => Ok(Admission::WrongPass),
            // Members only: its keepers decide.
            Err(EnterError::Refused(error)) if error.condition == "registration-required" => Ok(Admission::Waiting),
            Err(EnterError::Refused(error)) if error.condition == "forbidden" => Ok(Admission::Refused),
            Err(EnterError::Refused(error))
                if matches!(
                    error.condition.as_str(),
                    "item-not-found" | "remote-server-not-found" | "not-allowed" | "gone"
                ) =>
            {
                Err(RequestError::Unknown(format!("{target}: {}", error.text)))
            }
            Err(EnterError::Refused(error)) => Err(RequestError::Refused(format!("{target}: {}", error.text))),
            Err(EnterError::NotNow(why)) => Err(RequestError::Unavailable(why)),
        }
    }

    /// Takes somebody out of a room, or ends a contact.
    pub(crate) async fn dismiss(&self, running: &Running, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        if self.is_served(target) {
            return Ok(());
        }
        if crate::names::split_occupant(target.as_str()).is_some() {
            return Ok(());
        }
        if self.kind_of(target) == PlaceKind::Person {
            return self.unfriend(running, who, target).await;
        }
        let (speaker, relayed) = self.speaker(who, None);
        if let (Some(room), None) = (self.rooms.get(target), relayed) {
            self.leave(&room, &speaker).await;
        }
        Ok(())
    }
}
