//! Calls between Monster accounts and users of a network that carries calls.

use super::world::{World, description};
use monster_bridge_api::{CallError, CallMedia, CallStep, DeviceId, Devices, EndReason, Muted};
use monster_protocol::{CallContext, CallSignal, CallStep as Wire, Status};

fn answer() -> CallStep {
    CallStep::Answer { sdp: Some(description("active")) }
}

fn offer() -> CallStep {
    CallStep::Offer { media: CallMedia::Voice, sdp: Some(description("actpass")) }
}

#[tokio::test]
async fn a_user_of_a_network_is_called_answers_and_is_hung_up_on() {
    let world = World::new().await;
    let (alice, carol) = (&world.alice, World::on_net("carol"));
    world.calls(alice, &carol, "c1").await;
    let invited = world.net_hears().await;
    assert!(matches!(&invited.step, CallStep::Offer { sdp: Some(sdp), .. } if sdp.contains("a=candidate:")));
    assert_eq!((invited.author.id.as_str(), invited.target.as_str()), (alice.as_str(), "carol"));
    let call = invited.call.as_str();
    world.net.does("carol", alice, call, CallStep::Ringing).await.unwrap();
    assert_eq!(world.hears(alice).await.step, Wire::Ringing);
    world.net.does("carol", alice, call, answer()).await.unwrap();
    let answered = world.hears(alice).await;
    assert_eq!(answered.call_id, "c1", "each leg keeps its own name for the call");
    assert!(matches!(answered.step, Wire::Answer(_)), "{answered:?}");
    let muted = CallStep::Update { sdp: None, muted: Some(Muted { audio: true, video: false }) };
    world.net.does("carol", alice, call, muted).await.unwrap();
    assert!(matches!(world.hears(alice).await.step, Wire::Update { muted: Some(_), .. }));
    world.does(alice, &carol, "c1", Wire::Hangup).await;
    assert_eq!(world.net_hears().await.step, CallStep::End(EndReason::HungUp));
    let mut lines = [world.reads(alice).await, world.net_says().await.1];
    lines.sort();
    assert!(lines.iter().all(|line| line.starts_with("voice call, ")), "{lines:?}");
    // The row is written after the lines; a stop waits for both.
    world.calls.stop(std::time::Duration::from_secs(10)).await;
    let rows = world.store.calls(None, 9).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome.as_deref(), Some("answered"));
}

#[tokio::test]
async fn a_network_is_told_which_device_answered_and_of_keys() {
    let world = World::new().await;
    let (alice, carol) = (&world.alice, World::on_net("carol"));
    world.calls(alice, &carol, "c1").await;
    let invited = world.net_hears().await;
    assert_eq!(invited.to, Devices::All);
    let call = invited.call.as_str();
    world.net.does_on(Some("pocket"), "carol", alice, call, answer()).await.unwrap();
    let elsewhere = world.net_hears().await;
    assert_eq!(elsewhere.to, Devices::AllBut(DeviceId::new("pocket")));
    assert_eq!(elsewhere.step, CallStep::End(EndReason::AnsweredElsewhere));
    assert!(matches!(world.hears(alice).await.step, Wire::Answer(_)));
    world.does(alice, &carol, "c1", Wire::Dtmf("42#".to_owned())).await;
    let keys = world.net_hears().await;
    assert_eq!((keys.to, keys.step), (Devices::One(DeviceId::new("pocket")), CallStep::Dtmf("42#".to_owned())));
    world.net.does_on(Some("pocket"), "carol", alice, call, CallStep::Dtmf("1".to_owned())).await.unwrap();
    assert_eq!(world.hears(alice).await.step, Wire::Dtmf("1".to_owned()));
    let letters = CallContext::Signal(CallSignal::new("c1", Wire::Dtmf("call me".to_owned())));
    assert_eq!(world.asks(alice, &carol, letters).await.status, Status::BadRequest);
}

#[tokio::test]
async fn a_user_of_a_network_calls_and_is_declined() {
    let world = World::new().await;
    let (alice, carol) = (&world.alice, World::on_net("carol"));
    world.net.does("carol", alice, "net-call", offer()).await.unwrap();
    let rings = world.hears(alice).await;
    assert!(matches!(rings.step, Wire::Offer(_)), "{rings:?}");
    assert_ne!(rings.call_id, "net-call", "nobody chooses a name on somebody else's leg");
    world.does(alice, &carol, &rings.call_id, Wire::Reject).await;
    let ended = world.net_hears().await;
    assert_eq!((ended.call.as_str(), &ended.step), ("net-call", &CallStep::End(EndReason::Declined)));
    let gone = world.net.does("carol", alice, "net-call", CallStep::Ringing).await;
    assert!(matches!(gone, Err(CallError::Unavailable(_))), "{gone:?}");
}

#[tokio::test]
async fn users_of_two_networks_call_each_other_with_nobody_of_monster_s() {
    let world = World::new().await;
    let (carol, erin) = (World::on_net("carol"), World::on_far("erin"));
    world.net.does("carol", &erin, "net-call", offer()).await.unwrap();
    let invited = world.net_hears().await;
    assert_eq!((invited.target.as_str(), invited.author.id.as_str()), ("erin", carol.as_str()));
    assert!(matches!(&invited.step, CallStep::Offer { sdp: Some(_), .. }), "{invited:?}");
    let call = invited.call.as_str();
    world.far.does("erin", &carol, call, CallStep::Ringing).await.unwrap();
    assert_eq!(world.net_hears().await.step, CallStep::Ringing);
    world.far.does("erin", &carol, call, answer()).await.unwrap();
    let answered = world.net_hears().await;
    assert_eq!((answered.target.as_str(), answered.call.as_str()), ("carol", "net-call"));
    assert!(matches!(answered.step, CallStep::Answer { sdp: Some(_) }), "{answered:?}");
    world.net.does("carol", &erin, "net-call", CallStep::End(EndReason::HungUp)).await.unwrap();
    let ended = world.net_hears().await;
    assert_eq!((ended.target.as_str(), &ended.step), ("erin", &CallStep::End(EndReason::HungUp)));
    let mut told: Vec<String> = Vec::new();
    for _ in 0..2 {
        let (delivery, line) = world.net_says().await;
        assert!(line.starts_with("voice call, "), "{line}");
        told.push(delivery.target.to_string());
    }
    told.sort();
    assert_eq!(told, ["carol", "erin"]);
}

#[tokio::test]
async fn a_user_of_a_network_without_calls_is_sent_a_link_by_a_caller_of_another() {
    let world = World::new().await;
    world.net.does("carol", &World::on_far("plain-erin"), "net-call", offer()).await.unwrap();
    let (delivery, line) = world.net_says().await;
    assert_eq!((delivery.target.as_str(), delivery.author.name.as_str()), ("plain-erin", "carol"));
    assert!(line.contains("/call/"), "{line}");
}

#[tokio::test]
async fn a_room_is_called_only_from_within_its_conversation() {
    let world = World::new().await;
    let room: monster_protocol::Address = "@#room:far:gw.example".parse().unwrap();
    let refused = world.net.does("carol", &room, "net-call", offer()).await.unwrap_err();
    assert!(refused.to_string().contains("from within"), "{refused}");
}

#[cfg(feature = "echo")]
#[tokio::test]
async fn a_user_of_a_network_calls_the_echo() {
    let world = World::new().await;
    let echo: monster_protocol::Address = "@echo:echo:gw.example".parse().unwrap();
    world.net.does("carol", &echo, "net-call", offer()).await.unwrap();
    loop {
        let heard = world.net_hears().await;
        match &heard.step {
            CallStep::Ringing => {}
            CallStep::Answer { sdp: Some(sdp) } => {
                assert!(sdp.contains("a=candidate:"), "the echo's media is the gateway's own: {sdp}");
                break;
            }
            other => panic!("an answer, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_network_s_user_offers_wrongly_is_refused_in_words() {
    let world = World::new().await;
    let nonsense = CallStep::Offer { media: CallMedia::Voice, sdp: Some("v=0\r\nnonsense".to_owned()) };
    let refused = world.net.does("carol", &world.alice, "net-call", nonsense).await.unwrap_err();
    assert!(refused.to_string().contains("session description"), "{refused}");
}

#[tokio::test]
async fn nobody_is_in_more_calls_than_one_may_be() {
    let world = World::with(|settings| settings.max_calls_per_account = 1).await;
    let alice = &world.alice;
    world.calls(alice, &World::on_net("carol"), "c1").await;
    let second = CallSignal::new("c2", Wire::Offer(description("actpass")));
    let refused = world.asks(alice, &World::on_net("dave"), CallContext::Signal(second)).await;
    assert_eq!(refused.status, Status::BadRequest);
    assert!(refused.error.unwrap().contains("as many calls as one may be"));
    let busy = world.net.does("erin", alice, "net-call", offer()).await.unwrap_err();
    assert!(busy.to_string().contains("alice"), "{busy}");
}

#[tokio::test]
async fn a_stop_ends_what_goes_on_and_begins_nothing() {
    let world = World::new().await;
    let (alice, carol) = (&world.alice, World::on_net("carol"));
    world.calls(alice, &carol, "c1").await;
    world.net_hears().await;
    world.calls.stop(std::time::Duration::from_secs(10)).await;
    assert_eq!(world.net_hears().await.step, CallStep::End(EndReason::GatewayStopped));
    assert_eq!(world.hears(alice).await.reason.as_deref(), Some("gateway_stopped"));
    assert_eq!(world.calls.count(), 0);
    let next = CallSignal::new("c2", Wire::Offer(description("actpass")));
    let refused = world.asks(alice, &carol, CallContext::Signal(next)).await;
    assert_eq!(refused.status, Status::Unavailable, "{refused:?}");
}
