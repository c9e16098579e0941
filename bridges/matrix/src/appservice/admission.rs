//! Letting personas into rooms and conversations, and taking them out (Monster's 1001 and 1004).

use super::direct::Standing;
use super::instance::{Instance, Running};
use super::rooms::{Outside, is_room};
use crate::client::{Ask, Failure};
use crate::id;
use monster_bridge_api::{Admission, Author, RemoteId, RequestError};

/// 1001.
pub(crate) async fn join(
    instance: &Instance,
    running: &Running,
    who: &Author,
    target: &RemoteId,
) -> Result<Admission, RequestError> {
    if is_room(target) {
        join_room(instance, running, who, target).await
    } else {
        talk(instance, running, who, target).await
    }
}

async fn join_room(
    instance: &Instance,
    running: &Running,
    who: &Author,
    target: &RemoteId,
) -> Result<Admission, RequestError> {
    let room = instance.room_of(running, target).await?;
    let bound = instance.book.bind(running.host.as_ref(), target.as_str(), &room).await;
    let name = bound.map_err(|error| RequestError::Unavailable(error.to_string()))?;
    if name != *target {
        let known = instance.naming.address_of(name.as_str());
        return Err(RequestError::Refused(format!("this room is known here as {known}: join that")));
    }
    if let Some(user) = instance.puppets.user_of(&who.id)
        && instance.enter(&name, &room, &user).await.is_ok()
    {
        return Ok(Admission::Accepted);
    }
    let ghost = instance.ghost(running, who).await?;
    match instance.enter(&name, &room, &ghost).await {
        Ok(()) => {
            instance.end_waiting(running, &room, &ghost).await;
            Ok(Admission::Accepted)
        }
        Err(Outside::Banned(_)) => Ok(Admission::Refused),
        // Asked to be let in, or waiting until somebody invites: the invitation is the answer.
        Err(Outside::NotInvited(_)) => {
            let knocked = instance.knock(&name, &room, &ghost).await?;
            tracing::debug!(room, knocked, "somebody waits to be let in");
            instance.set_waiting(running, &room, &ghost, &who.id).await;
            Ok(Admission::Waiting)
        }
        Err(Outside::Failed(failure)) => Err(failure.into()),
    }
}

async fn talk(
    instance: &Instance,
    running: &Running,
    who: &Author,
    target: &RemoteId,
) -> Result<Admission, RequestError> {
    let user = target.as_str();
    if instance.naming.is_ours(user) {
        return Err(RequestError::Refused(format!("{user} stands for somebody who is not on Matrix")));
    }
    let ghost = instance.ghost(running, who).await?;
    if let Some((room, direct)) = instance.directs.of_pair(&who.id, user) {
        match direct.standing {
            Standing::Open => return Ok(Admission::Accepted),
            Standing::Invited => {
                return match instance.enter(&RemoteId::new(&room), &room, &ghost).await {
                    Ok(()) => {
                        let open = super::direct::Direct { standing: Standing::Open, ..direct };
                        instance.set_direct(running, &room, open).await;
                        Ok(Admission::Accepted)
                    }
                    Err(Outside::Failed(failure)) => Err(failure.into()),
                    // The invitation was taken back.
                    Err(_) => {
                        instance.end_direct(running, &room).await;
                        Ok(Admission::Refused)
                    }
                };
            }
            // They asked first: the invitation that is there counts as one of 1001.
            Standing::Written => {
                let asked = super::direct::Direct { standing: Standing::Asked, ..direct };
                instance.set_direct(running, &room, asked).await;
                return Ok(Admission::Waiting);
            }
            Standing::Asked => return Ok(Admission::Waiting),
            Standing::Closed => {}
        }
    }
    exists(instance, user).await?;
    instance.open_direct(running, &who.id, &ghost, user, Standing::Asked).await?;
    Ok(Admission::Waiting)
}

/// Only of its own users does the homeserver know for certain that they are not there.
async fn exists(instance: &Instance, user: &str) -> Result<(), RequestError> {
    if id::server_of(user) != Some(instance.config.server_name.as_str()) {
        return Ok(());
    }
    let client = instance.client().map_err(RequestError::Unavailable)?;
    match client.ask(Ask::get(&["profile", user])).await {
        Err(failure) if failure.is_missing() => Err(RequestError::Unknown(format!("nobody is called {user}"))),
        Err(Failure::Refused { status: 403, .. }) | Ok(_) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// 1004.
pub(crate) async fn leave(
    instance: &Instance,
    running: &Running,
    who: &Author,
    target: &RemoteId,
) -> Result<(), RequestError> {
    let ghost = instance.naming.ghost_of(&who.id);
    if is_room(target) {
        let room = instance.room_of(running, target).await?;
        instance.end_waiting(running, &room, &ghost).await;
        return Ok(instance.exit(&room, &ghost).await?);
    }
    if let Some((room, direct)) = instance.directs.of_pair(&who.id, target.as_str()) {
        if direct.standing == Standing::Invited {
            let words = format!("{} does not want to talk now.", who.name);
            super::follow::notice(instance, &ghost, &room, &words, &format!("declined-{room}")).await;
        }
        instance.exit(&room, &ghost).await?;
        instance.end_direct(running, &room).await;
    }
    Ok(())
}
