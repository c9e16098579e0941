//! Comings and goings: of people in rooms, of the other side of a conversation of two, and what others
//! do to ghosts (invite, kick, ban).

use super::direct::{Direct, Standing};
use super::follow::Follow;
use super::hear::{Hearing, Unavailable, event, private};
use crate::map::{Heard, Member, MemberState, membership};
use monster_bridge_api::{Admission, EventKind, PersonaId, Venue};

/// Takes a change over.
pub(super) async fn changed(
    hearing: &mut Hearing<'_>,
    room: &str,
    heard: &Heard,
    member: &Member,
) -> Result<(), Unavailable> {
    let instance = hearing.instance;
    if instance.naming.is_ours(&member.user) {
        match member.now {
            MemberState::Join => instance.rooms.came(room, &member.user),
            MemberState::Leave | MemberState::Ban => instance.rooms.went(room, &member.user),
            MemberState::Invite | MemberState::Knock => {}
        }
        if instance.naming.is_ours(&heard.sender) {
            return Ok(());
        }
        return done_to_us(hearing, room, heard, member).await;
    }
    if instance.puppets.persona_of(&member.user).is_some() {
        match member.now {
            MemberState::Join => instance.rooms.came(room, &member.user),
            _ => instance.rooms.went(room, &member.user),
        }
    }
    if member.now == MemberState::Join {
        instance.people.note(room, member);
    }
    match instance.directs.of_room(room) {
        Some(direct) if direct.user == member.user => other_side(hearing, room, heard, member, &direct).await,
        Some(_) => Ok(()),
        None => in_room(hearing, room, heard, member).await,
    }
}

async fn in_room(hearing: &mut Hearing<'_>, room: &str, heard: &Heard, member: &Member) -> Result<(), Unavailable> {
    let by = hearing.instance.user_in(hearing.running, room, &heard.sender).await;
    let author = hearing.instance.user_in(hearing.running, room, &member.user).await;
    if member.before == MemberState::Join && member.now == MemberState::Join {
        hearing.changed_looks(author.clone());
    }
    let Some(change) = membership(member, (&heard.sender, &by.name)) else { return Ok(()) };
    let venue = Venue::Room(hearing.instance.room_name(room));
    hearing.gather(event(heard.id.clone(), heard, venue, author, EventKind::Membership(change))).await
}

/// The Matrix user of a conversation of two came or went.
async fn other_side(
    hearing: &mut Hearing<'_>,
    room: &str,
    heard: &Heard,
    member: &Member,
    direct: &Direct,
) -> Result<(), Unavailable> {
    let (standing, kind) = match (member.now, direct.standing) {
        (MemberState::Join, Standing::Asked) => (Standing::Open, Some(EventKind::Decided(Admission::Accepted))),
        (MemberState::Join, Standing::Written | Standing::Closed) => (Standing::Open, None),
        (MemberState::Leave | MemberState::Ban, Standing::Asked) => {
            (Standing::Closed, Some(EventKind::Decided(Admission::Refused)))
        }
        (MemberState::Leave | MemberState::Ban, Standing::Open | Standing::Written | Standing::Invited) => {
            (Standing::Closed, Some(EventKind::Closed))
        }
        _ => return Ok(()),
    };
    if let Some(kind) = kind {
        let author = hearing.instance.user_in(hearing.running, room, &member.user).await;
        hearing.gather(private(heard, "", &direct.persona, author, kind)).await?;
    }
    hearing.set_standing(room, direct, standing).await;
    Ok(())
}

/// Somebody invited one of our users, or took one out.
async fn done_to_us(hearing: &mut Hearing<'_>, room: &str, heard: &Heard, member: &Member) -> Result<(), Unavailable> {
    let instance = hearing.instance;
    if member.user == instance.naming.bot() {
        if member.now == MemberState::Invite {
            let console = member.is_direct;
            hearing.afterwards(Follow::BotInvited { room: room.to_owned(), console });
        }
        return Ok(());
    }
    let Some(persona) = instance.persona_of(&member.user).await else { return Ok(()) };
    match member.now {
        MemberState::Invite => invited(hearing, room, heard, member, &persona).await,
        MemberState::Leave | MemberState::Ban => taken_out(hearing, room, heard, member, &persona).await,
        MemberState::Join | MemberState::Knock => Ok(()),
    }
}

async fn invited(
    hearing: &mut Hearing<'_>,
    room: &str,
    heard: &Heard,
    member: &Member,
    persona: &PersonaId,
) -> Result<(), Unavailable> {
    let instance = hearing.instance;
    let ghost = member.user.clone();
    if instance.waiting.is_waiting(room, &ghost) {
        hearing.afterwards(Follow::LetIn { room: room.to_owned(), ghost, persona: persona.clone() });
        return Ok(());
    }
    let used = instance.rooms.is_used(&instance.room_name(room));
    if member.is_direct && !used {
        let author = instance.user_in(hearing.running, room, &heard.sender).await;
        let direct = Direct {
            persona: persona.clone(),
            ghost: ghost.clone(),
            user: heard.sender.clone(),
            standing: Standing::Invited,
        };
        // A room in which they already talk stays the one that is written to.
        let known = instance.directs.of_pair(persona, &heard.sender);
        let open = known.is_some_and(|(_, direct)| direct.standing == Standing::Open);
        instance.set_direct(hearing.running, room, direct).await;
        if !open {
            let request = EventKind::Request { pass: member.reason.clone() };
            hearing.gather(private(heard, "", persona, author, request)).await?;
        }
        hearing.afterwards(Follow::Greet { room: room.to_owned(), ghost, persona: persona.clone() });
        return Ok(());
    }
    let author = instance.room_as_author(room);
    let by = instance.user_in(hearing.running, room, &heard.sender).await;
    let request = EventKind::Request { pass: Some(format!("{} invites you", by.name)) };
    hearing.gather(private(heard, "", persona, author, request)).await
}

async fn taken_out(
    hearing: &mut Hearing<'_>,
    room: &str,
    heard: &Heard,
    member: &Member,
    persona: &PersonaId,
) -> Result<(), Unavailable> {
    let instance = hearing.instance;
    if instance.directs.of_room(room).is_some() {
        let author = instance.user_in(hearing.running, room, &heard.sender).await;
        hearing.gather(private(heard, "", persona, author, EventKind::Closed)).await?;
        instance.end_direct(hearing.running, room).await;
        return Ok(());
    }
    let author = instance.room_as_author(room);
    if instance.end_waiting(hearing.running, room, &member.user).await {
        let refused = EventKind::Decided(Admission::Refused);
        return hearing.gather(private(heard, "", persona, author, refused)).await;
    }
    if member.before != MemberState::Join && member.before != MemberState::Invite {
        return Ok(());
    }
    let by = instance.user_in(hearing.running, room, &heard.sender).await;
    let what = if member.now == MemberState::Ban { "banned you from" } else { "removed you from" };
    let why = member.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let words = format!("{} {what} {}{why}", by.name, author.name);
    hearing.gather(private(heard, "/notice", persona, author.clone(), EventKind::Notice(words))).await?;
    hearing.gather(private(heard, "", persona, author, EventKind::Closed)).await
}
