//! Doing what the core asks: saying, withdrawing, reacting; each through the connection that speaks
//! for its author, acknowledged by the server, and with what went wrong sorted by what it means.

mod find;
mod flight;
mod speaker;
mod wording;

pub(crate) use find::find;
pub(crate) use flight::Flights;

use crate::conn::SendError;
use crate::instance::{Instance, Running};
use crate::proto::session::{Refusal, Saying, SendFailure};
use crate::proto::tags;
use monster_bridge_api::{
    Action, Capabilities, Content, ContentStyle, Delivery, DeliveryError, EventId, MessageKey, Receipt, Reference,
    RemoteId, Support, Text,
};
use speaker::{Speaker, Voice};
use std::sync::Arc;

/// How ids begin that we made ourselves because the server gave none.
const OWN_ID: &str = "own-";

/// What can be done on this server, as far as is known now or was known last time.
pub(crate) fn capabilities(instance: &Instance) -> Capabilities {
    let known = instance.names.abilities();
    let support = |able: bool| if able { Support::Full } else { Support::Words };
    Capabilities {
        recall: support(known.redacts),
        reply: support(known.replies),
        reaction: support(known.reacts),
        typing: if known.types { Support::Full } else { Support::Dropped },
        ..Capabilities::text_only()
    }
}

/// Does what the delivery says. Dropping the future gives up the wait and not the work.
pub(crate) async fn deliver(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    delivery: &Delivery,
) -> Result<Receipt, DeliveryError> {
    instance.bot.need();
    let which = (delivery.key.clone(), delivery.target.clone());
    let tell = match instance.flights.join(&which) {
        Ok(flight) => return flight::outcome(flight).await,
        Err(tell) => tell,
    };
    let flight = tell.subscribe();
    let (instance, delivery, task) = (Arc::clone(instance), delivery.clone(), Arc::clone(running));
    running.spawn("delivery", async move {
        let landing = instance.flights.landing(&which, tell);
        let outcome = fly(&instance, &task, &delivery).await;
        landing.land(outcome);
    });
    flight::outcome(flight).await
}

async fn fly(instance: &Arc<Instance>, running: &Arc<Running>, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
    if let Some(seen) = instance.marks.get(&delivery.target, &delivery.key).filter(crate::marks::Seen::is_whole) {
        return Ok(receipt(&delivery.key, seen.front_ids()));
    }
    let speaker = instance.speaker(running, delivery).await?;
    let done = match &delivery.action {
        Action::Send { content, reply_to } => {
            send(instance, running, delivery, &speaker, content, reply_to.as_ref()).await
        }
        Action::Edit { content, .. } => send(instance, running, delivery, &speaker, content, None).await,
        Action::Recall { target, reason } => {
            instance.forget_text(running, &target.key).await;
            recall(instance, delivery, &speaker, target, reason.as_deref()).await
        }
        Action::React { target, emoji, remove } => react(instance, delivery, &speaker, target, emoji, *remove).await,
        _ => Err(DeliveryError::permanent("IRC has nothing like that")),
    };
    if let Err(error) = &done {
        tracing::debug!(instance = %instance.scope.instance, key = %delivery.key, target = %delivery.target, %error, "a delivery was not done");
    }
    done
}

async fn send(
    instance: &Instance,
    running: &Running,
    delivery: &Delivery,
    speaker: &Speaker,
    content: &Content,
    reply_to: Option<&Reference>,
) -> Result<Receipt, DeliveryError> {
    let answered = reply_to.and_then(|to| real_id(&to.ids));
    let mut words = wording::words(instance, content);
    if let (Some(to), None) = (reply_to, answered) {
        words = format!("{}\n{words}", wording::answers(to));
    }
    let saying = |words: &str| speaker.saying(&delivery.key, words, content.style, answered);
    let shortened = instance.shorten(running, &speaker.conn, &delivery.key, &words, saying).await;
    if let Some(short) = shortened.map_err(|error| DeliveryError::transient(error.to_string()))? {
        words = short;
    }
    say(instance, delivery, speaker, &words, content.style, answered).await
}

/// Says something; lines that are there from an earlier try are left out.
async fn say(
    instance: &Instance,
    delivery: &Delivery,
    speaker: &Speaker,
    words: &str,
    style: ContentStyle,
    reply_to: Option<&str>,
) -> Result<Receipt, DeliveryError> {
    let key = &delivery.key;
    if let Voice::Relay { nick: Some(nick), .. } = &speaker.voice {
        instance.note_relayed(&delivery.author.id, nick).await;
        let saying = speaker.saying(key, words, style, reply_to);
        match speaker.conn.say(&saying).await {
            // Not allowed to speak under other names here: as the bot then.
            Err(SendError::Failure(SendFailure::Refused { lines_sent: 0, temporary: false, .. })) => {}
            Ok(ids) => {
                find::note_relayed(instance, &delivery.target, key, &ids).await;
                return Ok(receipt(key, ids));
            }
            Err(error) => return Err(failed(instance, delivery, &saying, speaker, error)),
        }
    }
    let mut saying = speaker.as_itself().saying(key, words, style, reply_to);
    let mut ids = Vec::new();
    let parts = speaker.conn.look(|session| session.count_parts(&saying));
    if let Some(seen) = instance
        .marks
        .get(&delivery.target, key)
        .filter(|seen| usize::try_from(seen.parts).is_ok_and(|seen| seen == parts))
    {
        ids = seen.front_ids();
        if ids.len() >= parts {
            // Seen since it was looked for: a line of an earlier try may come late.
            return Ok(receipt(key, ids));
        }
        saying.skip = ids.len();
    }
    match speaker.conn.say(&saying).await {
        Ok(sent) => {
            ids.extend(sent);
            instance.marks.sent(&delivery.target, key, ids.len(), &ids);
            if !speaker.target.is_channel() && matches!(speaker.voice, Voice::Relay { .. }) {
                instance.note_correspondent(&delivery.target, &delivery.author.id).await;
            }
            Ok(receipt(key, ids))
        }
        Err(error) => Err(failed(instance, delivery, &saying, speaker, error)),
    }
}

/// What it means that something was not acknowledged; lines that certainly arrived are remembered.
fn failed(
    instance: &Instance,
    delivery: &Delivery,
    saying: &Saying,
    speaker: &Speaker,
    error: SendError,
) -> DeliveryError {
    let remember = |ids: &[Option<String>]| {
        if ids.is_empty() {
            return;
        }
        let parts = speaker.conn.look(|session| session.count_parts(&Saying { skip: 0, ..saying.clone() }));
        let mut all =
            instance.marks.get(&delivery.target, &delivery.key).map(|seen| seen.front_ids()).unwrap_or_default();
        all.truncate(saying.skip);
        all.extend_from_slice(ids);
        instance.marks.sent(&delivery.target, &delivery.key, parts, &all);
    };
    match error {
        SendError::Refusal(refusal @ (Refusal::NotConnected | Refusal::Full)) => {
            DeliveryError::transient(refusal.to_string())
        }
        SendError::Refusal(refusal) => DeliveryError::permanent(refusal.to_string()),
        SendError::Failure(SendFailure::Refused { why, lines_sent, temporary }) => {
            remember(&vec![None; lines_sent]);
            if temporary { DeliveryError::transient(why) } else { DeliveryError::permanent(why) }
        }
        SendError::Failure(SendFailure::NotSent(why)) => DeliveryError::transient(why),
        SendError::Failure(SendFailure::Uncertain { why, ids }) => {
            remember(&ids);
            DeliveryError::uncertain(why)
        }
    }
}

/// Withdraws a message, by the network's own means or in words.
async fn recall(
    instance: &Instance,
    delivery: &Delivery,
    speaker: &Speaker,
    target: &Reference,
    reason: Option<&str>,
) -> Result<Receipt, DeliveryError> {
    let ids: Vec<_> = target.ids.iter().filter(|id| is_real(id)).collect();
    if speaker.conn.look(crate::proto::Session::redacts) && !ids.is_empty() && ids.len() == target.ids.len() {
        match redact(instance, speaker, &ids, reason).await {
            Ok(()) => return Ok(Receipt::default()),
            Err(SendError::Failure(SendFailure::Refused { temporary: false, .. }) | SendError::Refusal(_)) => {}
            // Withdrawing twice is withdrawing once: the core may well try again.
            Err(error) => return Err(DeliveryError::transient(error.to_string())),
        }
    }
    say(instance, delivery, speaker, &wording::withdrawn(target, reason), ContentStyle::Said, None).await
}

async fn redact(
    instance: &Instance,
    speaker: &Speaker,
    ids: &[&EventId],
    reason: Option<&str>,
) -> Result<(), SendError> {
    for id in ids {
        let refused = match speaker.conn.redact(&speaker.target, id.as_str(), reason).await {
            Err(error @ SendError::Failure(SendFailure::Refused { temporary: false, .. })) => error,
            other => {
                other?;
                continue;
            }
        };
        // The author's own connection may not; the bot may, where it is an operator.
        let bot = instance
            .bot
            .conn()
            .filter(|bot| bot.id() != speaker.conn.id() && speaker::is_operator(bot, &speaker.target));
        match bot {
            Some(bot) => bot.redact(&speaker.target, id.as_str(), reason).await?,
            None => return Err(refused),
        };
    }
    Ok(())
}

/// Puts an emoji to a message, by the network's own means or in words.
async fn react(
    instance: &Instance,
    delivery: &Delivery,
    speaker: &Speaker,
    target: &Reference,
    emoji: &str,
    remove: bool,
) -> Result<Receipt, DeliveryError> {
    let tag = if remove { tags::UNREACT } else { tags::REACT };
    let able = speaker.conn.look(|session| session.passes_tag(tag));
    if let (true, Voice::Own, Some(id)) = (able, &speaker.voice, real_id(&target.ids)) {
        let sent = speaker.conn.react(&speaker.target, id, emoji, remove, delivery.key.as_str()).await;
        match sent {
            Ok(ids) => return Ok(receipt(&delivery.key, ids)),
            Err(SendError::Failure(SendFailure::Uncertain { why, .. } | SendFailure::NotSent(why))) => {
                return Err(DeliveryError::transient(why));
            }
            Err(SendError::Refusal(Refusal::NotConnected | Refusal::Full)) => {
                return Err(DeliveryError::transient("the connection to the IRC server is busy"));
            }
            Err(error) => tracing::debug!(%error, "a reaction is put into words"),
        }
    }
    say(instance, delivery, speaker, &wording::reacted(target, emoji, remove), ContentStyle::Said, None).await
}

/// The ids of what was sent; where the server gave none, ids of our own, the same on every try.
fn receipt(key: &MessageKey, ids: Vec<Option<String>>) -> Receipt {
    let id = |(part, id): (usize, Option<String>)| EventId::new(id.unwrap_or_else(|| format!("{OWN_ID}{key}-{part}")));
    Receipt { ids: ids.into_iter().enumerate().map(id).collect() }
}

/// Whether the server gave the id.
fn is_real(id: &EventId) -> bool {
    !id.as_str().starts_with(OWN_ID)
}

/// The id by which the server knows a message: of one of several lines, the first.
fn real_id(ids: &[EventId]) -> Option<&str> {
    ids.iter().find(|id| is_real(id)).map(EventId::as_str)
}

/// The nick under which somebody is known here, for a mention.
pub(crate) fn name_of(instance: &Instance, mention: &str) -> Option<String> {
    let persona = monster_bridge_api::PersonaId::new(mention);
    if let Some(conn) = instance.puppets.conn_of(&persona) {
        return Some(conn.nick());
    }
    let inside = mention.strip_prefix('@')?;
    let here = format!(":{}:{}", instance.scope.instance, instance.scope.public_host);
    let name = inside.strip_suffix(&here)?;
    instance.names.target(&RemoteId::new(name)).ok().map(|target| target.as_str().to_owned())
}

/// True if nothing would be said.
fn is_blank(text: &Text) -> bool {
    text.is_blank()
}
