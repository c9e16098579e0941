//! The web client at `/app/` as people use it: found by `data-testid`, judged by what arrives.

use crate::gateway;
use monster_testkit::{Browser, Gateway, Tab, until};
use serde_json::{Value, json};

/// Signs a new account in.
pub(crate) async fn sign_in(tab: &Tab, gateway: &Gateway, name: &str) {
    let token = gateway.account(name).await;
    tab.open(&format!("http://{}/app/", gateway.host())).await;
    tab.fill("signin-account", name).await;
    tab.fill("signin-token", &token).await;
    tab.click("signin-submit").await;
    tab.sees("conversations").await;
}

/// Opens the conversation with an address.
pub(crate) async fn open_conversation(tab: &Tab, gateway: &Gateway, address: &str) {
    let hash = format!("#/c/{}", percent_encoding::utf8_percent_encode(address, percent_encoding::NON_ALPHANUMERIC));
    tab.open_part(&format!("http://{}/app/{hash}", gateway.host())).await;
    tab.sees("composer").await;
}

/// Waits until the call on the screen is in this state.
async fn call_is(tab: &Tab, state: &str) {
    tab.locate(&format!("[data-testid=\"call\"][data-state=\"{state}\"]"), "waitFor", json!([])).await;
}

async fn two(gateway: &Gateway, browser: &Browser) -> (Tab, Tab) {
    let alice = browser.tab("alice").await;
    let bob = browser.tab("bob").await;
    sign_in(&alice, gateway, "alice").await;
    sign_in(&bob, gateway, "bob").await;
    (alice, bob)
}

#[tokio::test]
async fn two_people_call_each_other_in_the_client() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, bob) = two(&gateway, &browser).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;

    alice.click("call-voice").await;
    bob.sees("ring").await;
    call_is(&alice, "ringing").await;
    bob.click("ring-accept").await;
    tokio::join!(call_is(&alice, "connected"), call_is(&bob, "connected"));
    tokio::join!(alice.hears_sound(), bob.hears_sound());

    // Voice becomes video, one side after the other.
    alice.click("call-camera").await;
    bob.sees_frames().await;
    bob.click("call-camera").await;
    tokio::join!(alice.sees_frames(), bob.sees_frames());

    // Muted, and not any more.
    alice.click("call-mute").await;
    bob.reads("call-notes", "alice").await;
    bob.sound_stops().await;
    tokio::join!(bob.sees_frames(), alice.hears_sound());
    alice.click("call-mute").await;
    bob.hears_sound().await;

    // On hold, and back.
    bob.click("call-hold").await;
    tokio::join!(alice.frames_stop(), alice.sound_stops(), bob.frames_stop(), bob.sound_stops());
    bob.click("call-hold").await;
    tokio::join!(alice.hears_sound(), bob.hears_sound(), alice.sees_frames(), bob.sees_frames());

    // The camera off: its light goes out, and sound goes on.
    alice.click("call-camera").await;
    bob.frames_stop().await;
    alice.counts("the camera's light going out", |now| now.capturing == ["audio"]).await;
    bob.hears_sound().await;

    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle());

    // One line is left on both sides.
    for tab in [&alice, &bob] {
        open_conversation(tab, &gateway, &gateway.address(if tab.name() == "alice" { "bob" } else { "alice" }, ""))
            .await;
        tab.locate("[data-testid=\"notice\"]", "waitFor", json!([])).await;
    }
    browser.assert_quiet().await;
}

#[tokio::test]
async fn a_call_that_is_declined_and_one_that_is_called_off_leave_nobody_ringing() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, bob) = two(&gateway, &browser).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-video").await;
    bob.click("ring-decline").await;
    call_is(&alice, "ended").await;
    tokio::join!(bob.sees_no("ring"), alice.is_idle(), bob.is_idle());

    alice.sees_no("call").await;
    alice.click("call-video").await;
    bob.sees("ring").await;
    alice.click("call-hangup").await;
    tokio::join!(bob.sees_no("ring"), alice.is_idle(), bob.is_idle());
    browser.assert_quiet().await;
}

#[tokio::test]
async fn the_echo_answers_the_client() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = browser.phone("alice").await;
    sign_in(&alice, &gateway, "alice").await;
    open_conversation(&alice, &gateway, &gateway.address("echo", "echo")).await;
    alice.click("call-voice").await;
    call_is(&alice, "connected").await;
    alice.hears_sound().await;
    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), alice.sees_no("call"));

    alice.click("call-video").await;
    call_is(&alice, "connected").await;
    tokio::join!(alice.hears_sound(), alice.sees_frames());
    alice.click("call-hangup").await;
    alice.is_idle().await;
    browser.assert_quiet().await;
}

/// Waits until what the page sends is a screen, or not.
async fn sends(tab: &Tab, what: &str, screen: Value) {
    const IS_SCREEN: &str = "() => {
        const senders = window.__observed.open().flatMap((connection) => connection.getSenders());
        const video = senders.find(({ track }) => track?.kind === 'video' && track.readyState === 'live');
        return video ? Boolean(video.track.getSettings().displaySurface) : null;
    }";
    until(what, async || (tab.run(IS_SCREEN, Value::Null).await == screen).then_some(())).await;
}

#[tokio::test]
async fn the_screen_is_shared_and_the_camera_comes_back() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, bob) = two(&gateway, &browser).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-video").await;
    bob.click("ring-accept-video").await;
    tokio::join!(alice.sees_frames(), bob.sees_frames());
    alice.click("call-share").await;
    sends(&alice, "a screen", json!(true)).await;
    bob.sees_frames().await;
    alice.click("call-share").await;
    sends(&alice, "the camera again", json!(false)).await;
    bob.sees_frames().await;
    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle());
}

#[tokio::test]
async fn a_page_whose_token_is_revoked_hangs_up_signs_out_and_says_why() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, bob) = two(&gateway, &browser).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-voice").await;
    bob.click("ring-accept").await;
    tokio::join!(call_is(&alice, "connected"), call_is(&bob, "connected"));

    gateway.cli(&["account", "token", "bob", "--revoke-others"]).await;
    bob.reads("signin-problem", "no longer valid").await;
    alice.sees_no("call").await;
    // It stays so: nothing tries the token again.
    bob.sees("signin").await;
}
