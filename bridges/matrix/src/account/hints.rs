//! What may be lost: typing and read marks, both ways.

use super::hear::{self, Place};
use super::{Account, Live, rooms};
use matrix_sdk::Room;
use matrix_sdk::ruma::EventId as RumaEventId;
use matrix_sdk::ruma::api::client::receipt::create_receipt::v3::ReceiptType;
use matrix_sdk::ruma::events::receipt::ReceiptThread;
use monster_bridge_api::{EventId, Hint, HintDelivery, HintKind, Venue};
use std::collections::HashSet;

/// The most people of a room whose typing is passed on.
const AT_MOST: usize = 20;

/// Passes what a room says beside its timeline on.
pub(crate) async fn hear(live: &Live, room: &Room, place: &Place, json: &str) {
    let Some(raw) = crate::map::parse(json) else { return };
    let venue = match place {
        Place::Room(name) => Venue::Room(name.clone()),
        Place::Direct(persona) => Venue::Private(persona.clone()),
    };
    match raw["type"].as_str() {
        Some("m.typing") => {
            let users = raw["content"]["user_ids"].as_array().into_iter().flatten().filter_map(|user| user.as_str());
            let now: HashSet<String> =
                users.filter(|user| *user != live.user).take(AT_MOST).map(str::to_owned).collect();
            let before = live.typing.lock().insert(room.room_id().to_string(), now.clone()).unwrap_or_default();
            for (user, active) in now
                .difference(&before)
                .map(|user| (user, true))
                .chain(before.difference(&now).map(|user| (user, false)))
            {
                let user = hear::user(live, room, user).await;
                live.host.hint(Hint::Typing { user, venue: venue.clone(), active });
            }
        }
        Some("m.receipt") => {
            for (event, receipts) in raw["content"].as_object().into_iter().flatten().take(AT_MOST) {
                for user in receipts["m.read"].as_object().into_iter().flat_map(|read| read.keys()).take(AT_MOST) {
                    if *user != live.user {
                        let user = hear::user(live, room, user).await;
                        live.host.hint(Hint::Read { user, venue: venue.clone(), up_to: EventId::new(event) });
                    }
                }
            }
        }
        _ => {}
    }
}

/// Shows what may be lost.
pub(crate) async fn show(account: &Account, live: &Live, hint: HintDelivery) {
    let Some(room) = rooms::existing(account, live, &hint.author, &hint.target) else { return };
    let shown = match &hint.kind {
        HintKind::Typing(active) => room.typing_notice(*active).await.map(drop),
        HintKind::Read(reference) => {
            let Some(Ok(event)) = reference.ids.last().map(|id| RumaEventId::parse(id.as_str())) else { return };
            room.send_single_receipt(ReceiptType::Read, ReceiptThread::Unthreaded, event).await
        }
        _ => return,
    };
    if let Err(error) = shown {
        tracing::debug!(why = super::trouble::in_words(&error), "a hint could not be shown");
    }
}
