//! What the echo answers: the one place where a [`Delivery`] (the gateway speaks to the network)
//! becomes an [`Event`] (the network speaks to the gateway), and a step of a call the answer to it.

use monster_bridge_api::{
    Action, BlockKind, CallDelivery, CallHeard, CallStep, Content, ContentStyle, Delivery, Event, EventId, EventKind,
    Reference, RemoteUser, Venue,
};
use std::time::SystemTime;

/// What the echo says to a delivery, or nothing where it keeps silent.
pub(crate) fn answer(delivery: &Delivery, echo: RemoteUser) -> Option<Event> {
    let kind = match &delivery.action {
        // What a program said is never answered by one: two of them would talk for ever.
        Action::Send { content, .. } if content.style == ContentStyle::Notice => return None,
        Action::Send { content, reply_to } => {
            // The copy answers the same message that the original answered.
            let reply_to = reply_to.as_ref().and_then(|earlier| earlier.ids.first().cloned());
            EventKind::Message(Content { reply_to, ..repeated(content) })
        }
        Action::Edit { target, content } => {
            EventKind::Edit { target: copy_of_earlier(target)?, content: repeated(content) }
        }
        Action::Recall { target, reason } => {
            EventKind::Recall { target: copy_of_earlier(target)?, reason: reason.clone() }
        }
        // An emoji is repeated on the message it was put to, whoever wrote that.
        Action::React { target, emoji, remove } => {
            EventKind::Reaction { target: target.ids.first()?.clone(), emoji: emoji.clone(), removed: *remove }
        }
        // Actions that a later version of the contract adds.
        _ => return None,
    };
    Some(Event {
        id: copy_of(delivery.key.as_str()),
        venue: Venue::Private(delivery.author.id.clone()),
        author: echo,
        at: SystemTime::now(),
        key: None,
        kind,
        persona: None,
        cursor: None,
    })
}

/// What the echo does about a step of a call: it answers one that begins. There is nothing to be done
/// about any other, as the gateway itself gives the caller's media back.
pub(crate) fn call_answer(step: &CallDelivery, echo: RemoteUser) -> Option<CallHeard> {
    matches!(step.step, CallStep::Offer { .. }).then(|| CallHeard {
        call: step.call.clone(),
        author: echo,
        device: None,
        to: step.author.id.clone(),
        step: CallStep::LoopBack,
    })
}

/// The id of the copy of a message. No key holds a `:`, so no copy has the id of an original.
fn copy_of(id: &str) -> EventId {
    EventId::new(format!("copy:{id}"))
}

/// The id of the copy that was made of an earlier message.
fn copy_of_earlier(earlier: &Reference) -> Option<EventId> {
    earlier.ids.first().map(|id| copy_of(id.as_str()))
}

/// The same words. A mention names somebody by an id of the network that speaks, and nobody who is
/// mentioned to the echo has one here: the visible name stays, the reference goes.
fn repeated(content: &Content) -> Content {
    let mut content = content.clone();
    for block in &mut content.text.blocks {
        if let BlockKind::Paragraph(spans) = &mut block.kind {
            for span in spans {
                span.style.mention = None;
            }
        }
    }
    content
}
