//! What can happen in a call between two accounts, step by step, on the tests' own telephones.

use crate::gateway;
use crate::phone::Phone;
use monster_testkit::{Browser, Gateway};
use serde_json::json;
use std::time::{Duration, Instant};

/// A gateway, a browser, and alice and bob with a telephone each.
async fn two() -> (Gateway, Browser, Phone, Phone) {
    two_on(gateway().await).await
}

async fn two_on(gateway: Gateway) -> (Gateway, Browser, Phone, Phone) {
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    let bob = Phone::new(&browser, &gateway, "bob").await;
    (gateway, browser, alice, bob)
}

#[tokio::test]
async fn a_voice_call_becomes_video_is_muted_held_resumed_and_ends() {
    let (_gateway, browser, alice, bob) = two().await;
    alice.reach(&bob, false).await;
    tokio::join!(alice.hears(), bob.hears());

    alice.tell("addVideo()").await;
    bob.tab.sees_frames().await;
    bob.tell("addVideo()").await;
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());

    alice.tell("mute(true, false)").await;
    bob.has("muted", json!({"audio": true, "video": false})).await;
    bob.tab.sound_stops().await;
    bob.tab.sees_frames().await;
    alice.hears_and_sees().await;
    alice.tell("mute(false, false)").await;
    bob.has("muted", json!({"audio": false, "video": false})).await;
    bob.hears_and_sees().await;

    bob.tell("direct('inactive')").await;
    tokio::join!(alice.tab.frames_stop(), alice.tab.sound_stops(), bob.tab.frames_stop(), bob.tab.sound_stops());
    bob.tell("direct('sendrecv')").await;
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());

    alice.tell("end()").await;
    alice.is_over().await;
    bob.is_over().await;
    browser.assert_quiet().await;
}

#[tokio::test]
async fn sound_comes_back_both_ways_after_every_hold() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.reach(&bob, false).await;
    tokio::join!(alice.hears(), bob.hears());
    for _ in 0..3 {
        alice.tell("direct('inactive')").await;
        tokio::join!(alice.tab.sound_stops(), bob.tab.sound_stops());
        alice.tell("direct('sendrecv')").await;
        tokio::join!(alice.hears(), bob.hears());
    }
}

#[tokio::test]
async fn another_camera_in_the_middle_of_a_call_is_seen() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.reach(&bob, true).await;
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
    alice.tell("replaceVideo(320)").await;
    bob.tab.counts("the other camera's smaller picture", |now| now.video.width == 320).await;
    bob.hears_and_sees().await;
}

#[tokio::test]
async fn media_comes_within_three_seconds_of_the_answer() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.call(&bob.address, true).await;
    bob.is("invited").await;
    let answered = Instant::now();
    bob.tell("answer()").await;
    tokio::join!(
        alice.tab.counts("a first frame", |now| now.video.frames > 0),
        bob.tab.counts("a first frame", |now| now.video.frames > 0)
    );
    let took = answered.elapsed();
    assert!(took < Duration::from_secs(3), "the first frames came {took:?} after the answer");
}

/// Longer than browsers try to connect before they give up.
const LONG_RING: Duration = Duration::from_secs(35);

#[tokio::test]
async fn a_call_that_rang_for_long_connects_when_it_is_answered() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.call(&bob.address, false).await;
    bob.is("invited").await;
    bob.tell("ring()").await;
    alice.is("ringing").await;
    tokio::time::sleep(LONG_RING).await;
    assert_eq!(alice.tab.figures().await.path, None, "nothing is connected before the answer");
    bob.tell("answer()").await;
    tokio::join!(alice.hears(), bob.hears());
}

#[tokio::test]
async fn who_declines_is_busy_or_cancels_ends_the_ringing() {
    let (_gateway, browser, alice, bob) = two().await;
    for how in ["reject", "busy"] {
        alice.call(&bob.address, false).await;
        bob.is("invited").await;
        bob.tell(&format!("end('{how}')")).await;
        alice.is_over().await;
        assert_eq!(alice.field("heard").await.as_array().and_then(|all| all.last()), Some(&json!(how)));
    }
    alice.call(&bob.address, false).await;
    bob.is("invited").await;
    alice.tell("end()").await;
    bob.is_over().await;

    alice.call(&bob.address, false).await;
    bob.is("invited").await;
    alice.tell("raw({ code: '2004', to: window.phone.to, recallMessageId: window.phone.offerId })").await;
    bob.is_over().await;
    browser.assert_quiet().await;
}

#[tokio::test]
async fn a_device_stops_ringing_when_another_one_answers() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    let desk = Phone::new(&browser, &gateway, "bob").await;
    let token = gateway.cli(&["account", "token", "bob"]).await;
    let pocket = Phone::device(&browser, &gateway, "bob", &token, json!({})).await;

    alice.call(&desk.address, false).await;
    desk.is("invited").await;
    pocket.is("invited").await;
    pocket.tell("answer()").await;
    desk.is_over().await;
    tokio::join!(alice.hears(), pocket.hears());
    pocket.tell("end()").await;
    alice.is_over().await;
}

#[tokio::test]
async fn nobody_is_left_ringing_when_the_caller_vanishes() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.call(&bob.address, false).await;
    bob.is("invited").await;
    alice.tab.close().await;
    bob.is_over().await;
}

#[tokio::test]
async fn nobody_is_left_talking_when_the_other_side_vanishes() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.reach(&bob, true).await;
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
    alice.tab.close().await;
    let reason = bob.is_over().await;
    assert!(!reason.is_empty(), "a reason is given");
}

#[tokio::test]
async fn a_call_in_which_no_media_comes_ends_with_a_reason() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    let token = gateway.account("bob").await;
    // Bob can be reached through a TURN server only, and knows none.
    let bob = Phone::device(&browser, &gateway, "bob", &token, json!({"iceTransportPolicy": "relay"})).await;
    alice.call(&bob.address, false).await;
    bob.is("invited").await;
    bob.tell("answer()").await;
    let (alices, bobs) = tokio::join!(alice.is_over(), bob.is_over());
    assert!(!alices.is_empty() && !bobs.is_empty(), "both are told why: {alices:?}, {bobs:?}");
}

#[tokio::test]
async fn both_ends_use_a_codec_that_both_have() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    for (name, codec) in [("bob", "video/VP9"), ("carol", "video/AV1")] {
        let token = gateway.account(name).await;
        let other = Phone::device(&browser, &gateway, name, &token, json!({"videoCodec": codec})).await;
        alice.reach(&other, true).await;
        tokio::join!(alice.hears_and_sees(), other.hears_and_sees());
        for end in [&alice, &other] {
            assert_eq!(end.tab.figures().await.video.codec.as_deref(), Some(codec), "at {}", end.tab.name());
        }
        other.tell("end()").await;
        tokio::join!(alice.is_over(), other.is_over());
    }
}

/// How many transports a telephone has connected.
async fn transports(phone: &Phone) -> u64 {
    const COUNT: &str = "async () => {
        const rows = [...(await window.phone.connection.getStats()).values()];
        return rows.filter((row) => row.type === 'transport' && row.dtlsState === 'connected').length;
    }";
    phone.tab.run(COUNT, serde_json::Value::Null).await.as_u64().unwrap()
}

#[tokio::test]
async fn a_device_that_does_not_bundle_calls_and_is_called_with_pictures_and_is_held() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    let token = gateway.account("bob").await;
    let bob = Phone::device(&browser, &gateway, "bob", &token, json!({"apart": true})).await;
    for (caller, callee) in [(&alice, &bob), (&bob, &alice)] {
        caller.reach(callee, true).await;
        tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
        assert_eq!((transports(&alice).await, transports(&bob).await), (1, 2));
        alice.tell("direct('inactive')").await;
        tokio::join!(bob.tab.frames_stop(), bob.tab.sound_stops(), alice.tab.frames_stop(), alice.tab.sound_stops());
        alice.tell("direct('sendrecv')").await;
        tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
        bob.tell("restart()").await;
        tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
        caller.tell("end()").await;
        tokio::join!(alice.is_over(), bob.is_over());
    }
    // Voice becomes video, which gets a transport of its own.
    alice.reach(&bob, false).await;
    tokio::join!(alice.hears(), bob.hears());
    alice.tell("addVideo()").await;
    bob.hears_and_sees().await;
    browser.assert_quiet().await;
}

#[tokio::test]
async fn two_changes_that_cross_are_settled() {
    let (_gateway, browser, alice, bob) = two().await;
    alice.reach(&bob, false).await;
    tokio::join!(alice.hears(), bob.hears());
    for _ in 0..3 {
        tokio::join!(alice.tell("renegotiate()"), bob.tell("renegotiate()"));
        tokio::join!(alice.hears(), bob.hears());
    }
    tokio::join!(alice.tell("addVideo()"), bob.tell("addVideo()"));
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
    browser.assert_quiet().await;
}

#[tokio::test]
async fn the_stopping_gateway_ends_the_call_with_a_reason() {
    let (mut gateway, _browser, alice, bob) = two().await;
    alice.reach(&bob, false).await;
    tokio::join!(alice.hears(), bob.hears());
    gateway.stop().await;
    let (alices, bobs) = tokio::join!(alice.is_over(), bob.is_over());
    assert!(!alices.is_empty() && !bobs.is_empty(), "both are told why: {alices:?}, {bobs:?}");
}

#[tokio::test]
async fn a_broken_description_is_refused_and_changes_nothing() {
    let (_gateway, _browser, alice, bob) = two().await;
    alice.reach(&bob, false).await;
    let broken = "raw({ code: '2002', to: window.phone.to, \
                  text: btoa(JSON.stringify({ type: 'update', callId: window.phone.callId, sdp: 'v=0\\r\\nnonsense' })) })";
    alice.tell(broken).await;
    monster_testkit::until("the refusal", async || {
        alice.field("refused.length").await.as_u64().filter(|count| *count > 0)
    })
    .await;
    tokio::join!(alice.hears(), bob.hears());
}
