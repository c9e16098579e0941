//! Several events of a bridge at once: what is said in a busy room costs one wait for the disk
//! instead of one for each line. Part of [`BridgeHost`], which knows what an event becomes.

use super::host::{BridgeHost, Cursor, Prepared, accepted, unavailable};
use crate::store::Incoming;
use monster_bridge_api::{ACCEPT_AT_ONCE, AcceptError, Accepted, Event, EventKind};

type Outcome = Result<Accepted, AcceptError>;

/// Events that are written together, in their order.
#[derive(Default)]
struct Gathered {
    incoming: Vec<Incoming>,
    slots: Vec<Slot>,
    /// How far the bridge has read with those behind the last message that concern nobody.
    cursor: Option<Cursor>,
}

/// What becomes of one of them.
enum Slot {
    /// The next message.
    Message,
    /// Nobody is concerned; its cursor is saved.
    Unconcerned,
    Refused(String),
}

impl BridgeHost {
    /// [`monster_bridge_api::Host::accept_all`].
    pub(super) async fn take_all(&self, events: Vec<Event>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut gathered = Gathered::default();
        for event in events.into_iter().take(ACCEPT_AT_ONCE) {
            if stands_alone(&event) {
                if !self.write(&mut gathered, &mut outcomes).await {
                    return outcomes;
                }
                outcomes.push(self.take(event).await);
                if matches!(outcomes.last(), Some(Err(AcceptError::Unavailable(_)))) {
                    return outcomes;
                }
                continue;
            }
            match self.prepare(event).await {
                Ok(Prepared::Entry { incoming, .. }) => gathered.message(incoming),
                Ok(Prepared::Unconcerned { cursor }) => gathered.unconcerned(cursor),
                Err(AcceptError::Refused(why)) => gathered.slots.push(Slot::Refused(why)),
                Err(error @ AcceptError::Unavailable(_)) => {
                    if self.write(&mut gathered, &mut outcomes).await {
                        outcomes.push(Err(error));
                    }
                    return outcomes;
                }
            }
        }
        self.write(&mut gathered, &mut outcomes).await;
        outcomes
    }

    /// Writes what was gathered and adds what became of it; false if the journal is not available.
    async fn write(&self, gathered: &mut Gathered, outcomes: &mut Vec<Outcome>) -> bool {
        let Gathered { incoming, slots, cursor } = std::mem::take(gathered);
        let written = if incoming.is_empty() { Ok(Vec::new()) } else { self.core.store.accept_all(incoming).await };
        let written = written.map_err(|error| unavailable(&error));
        let kept = match (&written, &cursor) {
            (Ok(_), Some(cursor)) => self.keep(cursor).await,
            (Ok(_), None) => Ok(()),
            (Err(error), _) => Err(error.clone()),
        };
        let mut written = written.map(Vec::into_iter);
        for slot in slots {
            outcomes.push(match slot {
                Slot::Refused(why) => Err(AcceptError::Refused(why)),
                Slot::Unconcerned => kept.clone().map(|()| Accepted::Unconcerned),
                Slot::Message => match &mut written {
                    Ok(written) => written.next().map(|one| accepted(&one)).ok_or_else(lost),
                    Err(error) => Err(error.clone()),
                },
            });
            if matches!(outcomes.last(), Some(Err(AcceptError::Unavailable(_)))) {
                return false;
            }
        }
        true
    }
}

impl Gathered {
    fn message(&mut self, incoming: Incoming) {
        if let Some((owner, key, _)) = &incoming.cursor {
            // In one transaction, the last value of a key is the one that counts.
            let same = |cursor: &mut Cursor| cursor.0 == *owner && cursor.1 == *key;
            self.cursor.take_if(same);
            if let Some(last) = self.incoming.last_mut() {
                last.cursor.take_if(same);
            }
        }
        self.incoming.push(incoming);
        self.slots.push(Slot::Message);
    }

    fn unconcerned(&mut self, cursor: Option<Cursor>) {
        self.cursor = cursor.or(self.cursor.take());
        self.slots.push(Slot::Unconcerned);
    }
}

/// True if an event may refer to one before it, or changes how others stand to each other: it has to
/// see what was done before.
fn stands_alone(event: &Event) -> bool {
    match &event.kind {
        EventKind::Message(content) => content.reply_to.is_some(),
        EventKind::Membership(_) | EventKind::RoomProfile(_) | EventKind::Notice(_) => false,
        _ => true,
    }
}

/// The store answers each message.
fn lost() -> AcceptError {
    AcceptError::Unavailable("the store gave no answer".to_owned())
}
