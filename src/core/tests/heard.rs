//! Several events that a bridge hands over at once.

use super::world::*;
use crate::core::Act;
use monster_bridge_api::{ACCEPT_AT_ONCE, AcceptError, Accepted, Content, Event, EventId, EventKind, Text, Venue};

fn says(id: &str, venue: Venue, words: &str, reply_to: Option<&str>) -> Event {
    let content = Content { text: Text::plain(words), reply_to: reply_to.map(EventId::new), ..Content::default() };
    Event { cursor: Some(("at".to_owned(), id.to_owned())), ..event(id, "Carl", venue, EventKind::Message(content)) }
}

#[tokio::test]
async fn what_is_handed_over_together_is_journalled_in_its_order_and_may_refer_to_what_came_before() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let one = ours("#one:net");
    world.join(&home(&alice), &one).await;
    let host = world.net.host().await;
    let mut events: Vec<Event> = (0..5).map(|n| says(&format!("e{n}"), room("#one"), &n.to_string(), None)).collect();
    events.push(says("e5", room("#one"), "5", Some("e4")));
    events.push(says("e1", room("#one"), "again", None));
    events.push(says("e6", Venue::Private(monster_bridge_api::PersonaId::new("nobody")), "6", None));
    events.push(says("e7", room("#nobody-is-here"), "7", None));
    let outcomes = host.accept_all(events).await;
    assert_eq!(outcomes[..6], [const { Ok(Accepted::New) }; 6]);
    assert_eq!(outcomes[6], Ok(Accepted::Known));
    assert!(matches!(&outcomes[7], Err(AcceptError::Refused(_))), "{:?}", outcomes[7]);
    assert_eq!(outcomes[8], Ok(Accepted::Unconcerned));
    assert_eq!(host.load("at").await.unwrap().as_deref(), Some("e7"));
    let mut before = None;
    for number in 0..6 {
        let (_, _, message) = world.arrives().await;
        let reply_to = if number == 5 { before } else { None };
        assert_eq!(message.act, Act::Say { text: number.to_string(), reply_to });
        before = Some(message.key.clone());
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn no_more_than_a_page_is_taken_at_a_time() {
    let world = World::new().await;
    let host = world.net.host().await;
    let events: Vec<Event> = (0..2 * ACCEPT_AT_ONCE).map(|n| says(&n.to_string(), room("#one"), "hi", None)).collect();
    assert_eq!(host.accept_all(events).await.len(), ACCEPT_AT_ONCE);
}
