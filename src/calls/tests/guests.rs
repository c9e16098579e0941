//! Calls by links: to those whose network has none, and by those who have no WebRTC.

use super::world::{World, description};
use crate::calls::{GuestError, NoLink, Role};
use monster_protocol::{CallContext, CallStep as Wire};
use serde_json::{Value, json};

/// The token of the link in a line.
fn token(line: &str) -> String {
    let (_, token) = line.rsplit_once("https://gw.example/call/").unwrap_or_else(|| panic!("no link in: {line}"));
    assert!(token.len() >= 43, "256 bits that nobody guesses: {token}");
    token.to_owned()
}

fn context(text: Option<String>) -> Value {
    serde_json::from_str(&text.expect("the call goes on")).unwrap()
}

fn answer(call: &str) -> String {
    json!({"type": "answer", "callId": call, "sdp": description("active")}).to_string()
}

#[tokio::test]
async fn whose_network_has_no_calls_joins_by_a_link() {
    for nick in ["plain", "old"] {
        let world = World::new().await;
        let (alice, callee) = (&world.alice, World::on_net(nick));
        world.calls(alice, &callee, "c1").await;
        let (delivery, line) = world.net_says().await;
        assert!(line.starts_with("alice is calling you (voice): https://gw.example/call/"), "{line}");
        assert_eq!(delivery.author.id.as_str(), alice.as_str());
        let guests = world.calls.guests();
        assert_eq!(world.hears(alice).await.step, Wire::LinkSent, "nothing rings");
        let token = token(&line);
        let invited = guests.look(&token).unwrap();
        assert_eq!((invited.invitation.name.as_str(), invited.invitation.role), ("alice", Role::Callee));
        guests.look(&token).expect("looking uses nothing up");

        let mut guest = guests.join(&token, "Bob").unwrap();
        assert!(invited.over.is_cancelled());
        assert_eq!(guests.join(&token, "Eve").err(), Some(NoLink), "it is for one");
        let offer = context(guest.next().await);
        assert_eq!((&offer["type"], &offer["callId"]), (&json!("offer"), &json!(invited.invitation.call_id)));
        assert!(matches!(guest.hear("{\"type\":\"nonsense\"}").await, Err(GuestError::Malformed(_))));
        guest.hear(&answer(&invited.invitation.call_id)).await.unwrap();
        let (called, answered) = world.hears_of(alice).await;
        assert!(matches!(answered.step, Wire::Answer(_)));
        assert_eq!(called, "Bob", "the caller sees who came");
        drop(guest);
        let ended = world.hears(alice).await;
        assert_eq!((ended.step, ended.reason.as_deref()), (Wire::Hangup, Some("hung_up")));
        assert!(world.reads(alice).await.starts_with("voice call with Bob, "));
    }
}

#[tokio::test]
async fn a_link_ends_with_its_call_and_so_does_the_guest_s_part() {
    let world = World::new().await;
    let (alice, callee) = (&world.alice, World::on_net("plain"));
    world.calls(alice, &callee, "c1").await;
    let link = token(&world.net_says().await.1);
    let invited = world.calls.guests().look(&link).unwrap();
    world.does(alice, &callee, "c1", Wire::Hangup).await;
    invited.over.cancelled().await;
    assert_eq!(world.calls.guests().look(&link).err(), Some(NoLink));
    assert!(world.reads(alice).await.contains("cancelled"));
    assert!(world.net_says().await.1.contains("missed voice call"));
}

#[tokio::test]
async fn a_link_that_cannot_be_said_ends_the_call_at_once_and_says_why() {
    let world = World::new().await;
    let alice = &world.alice;
    world.calls(alice, &World::on_net("plain-gone"), "c1").await;
    loop {
        let step = world.hears(alice).await;
        if step.step == Wire::Hangup {
            assert_eq!(step.reason.unwrap_or_default(), "failed: plain-gone could not be sent a link: no such nick");
            break;
        }
        assert_eq!(step.step, Wire::LinkSent, "{step:?}");
    }
    let line = world.reads(alice).await;
    assert!(line.ends_with("no such nick") && !line.contains("/call/"), "and nothing else is said of it: {line}");
}

#[tokio::test]
async fn a_link_is_not_said_any_more_once_its_call_is_over() {
    let world = World::new().await;
    let (alice, far) = (&world.alice, World::on_net("plain-far"));
    world.calls(alice, &far, "c1").await;
    world.net.far.notified().await;
    let key = format!("{}-link", world.calls.registry.all()[0].id);
    let desk = world.calls.desk();
    assert!(!desk.is_too_late(&key));
    world.does(alice, &far, "c1", Wire::Hangup).await;
    world.reads(alice).await;
    assert!(desk.is_too_late(&key) && !desk.is_too_late("any-other"));
}

#[tokio::test]
async fn a_room_is_told_once_in_a_while() {
    let world = World::new().await;
    let (alice, bob, room) = (&world.alice, &world.bob, World::on_net("#room"));
    world.calls(alice, &room, "c1").await;
    let (_, line) = world.net_says().await;
    assert!(line.contains("alice is calling (voice): https://"), "{line}");
    assert_eq!(world.hears(alice).await.step, Wire::LinkSent);
    world.calls(bob, &room, "c2").await;
    let refused = world.hears(bob).await;
    assert!(refused.reason.unwrap_or_default().contains("a moment ago"));
}

#[tokio::test]
async fn who_has_no_webrtc_calls_by_a_link() {
    let world = World::new().await;
    let (alice, bob) = (&world.alice, &world.bob);
    let answered = world.asks(alice, bob, CallContext::Ring("call me".to_owned())).await;
    assert!(answered.status.is_success());
    let line = world.reads(alice).await;
    let guests = world.calls.guests();
    let link = token(&line);
    let Role::Caller = guests.look(&link).unwrap().invitation.role else { panic!("the guest calls") };
    let mut guest = guests.join(&link, "alice").unwrap();
    let call = guest.invitation.call_id.clone();
    let early = json!({"type": "hangup", "callId": "another"}).to_string();
    assert!(matches!(guest.hear(&early).await, Err(GuestError::Malformed(_))), "of another call");
    let bad = json!({"type": "offer", "callId": call, "sdp": "v=0\r\nnonsense"}).to_string();
    let refused = guest.hear(&bad).await.unwrap_err();
    assert!(matches!(&refused, GuestError::Refused(why) if why.contains("session description")), "{refused:?}");
    let offer = json!({"type": "offer", "callId": call, "sdp": description("actpass")}).to_string();
    guest.hear(&offer).await.expect("a better one may follow");
    let rings = world.hears(bob).await;
    assert!(matches!(rings.step, Wire::Offer(_)));
    world.does(bob, alice, &rings.call_id, Wire::Answer(description("active"))).await;
    assert_eq!(context(guest.next().await)["type"], "answer");
    world.does(bob, alice, &rings.call_id, Wire::Hangup).await;
    loop {
        let step = context(guest.next().await);
        if step["type"] == "hangup" {
            break;
        }
        assert_eq!(step["type"], "candidates", "{step}");
    }
    assert_eq!(guest.next().await, None, "the socket is closed after it");
}
