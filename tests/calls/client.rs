//! The web client at `/app/` as people use it: found by `data-testid`, judged by what arrives.

use crate::gateway;
use monster_testkit::{Browser, Gateway, Tab, until};
use serde_json::{Value, json};

/// Signs a new account in.
pub(crate) async fn sign_in(tab: &Tab, gateway: &Gateway, name: &str) {
    let token = gateway.account(name).await;
    sign_in_with(tab, gateway, name, &token).await;
}

/// Signs in to an account that is there.
async fn sign_in_with(tab: &Tab, gateway: &Gateway, name: &str, token: &str) {
    tab.open(&format!("http://{}/app/", gateway.host())).await;
    tab.fill("signin-account", name).await;
    tab.fill("signin-token", token).await;
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

/// What a page hears now of a frequency (Hz), in dB; the loudest within 300 ms.
const LEVELS: &str = "async (frequencies) => {
    const [track] = window.__observed.open().flatMap((one) => one.getReceivers()).map((one) => one.track)
        .filter((one) => one.kind === 'audio');
    window.__context ??= new AudioContext();
    window.__ear ??= window.__context.createAnalyser();
    if (!window.__source) {
        window.__ear.fftSize = 4096;
        window.__source = window.__context.createMediaStreamSource(new MediaStream([track]));
        window.__source.connect(window.__ear);
    }
    const levels = frequencies.map(() => -200);
    const bins = new Float32Array(window.__ear.frequencyBinCount);
    for (let turn = 0; turn < 15; turn += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        window.__ear.getFloatFrequencyData(bins);
        frequencies.forEach((hz, at) => {
            const bin = Math.round(hz * window.__ear.fftSize / window.__context.sampleRate);
            levels[at] = Math.max(levels[at], Math.min(bins[bin], 0));
        });
    }
    return levels;
}";

#[tokio::test]
async fn keys_are_heard_as_tones_and_seen() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, bob) = two(&gateway, &browser).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-voice").await;
    bob.click("ring-accept").await;
    tokio::join!(alice.hears_sound(), bob.hears_sound());
    // The made-up microphone beeps: only the keys are to be heard.
    alice.click("call-mute").await;
    bob.sound_stops().await;
    alice.click("call-keypad").await;
    // The key 1 is 697 Hz and 1209 Hz; the key 9 would be 852 Hz and 1477 Hz (ITU-T Q.23).
    until("the tones of the key", async || {
        alice.locate("[data-testid=\"keypad\"] .key >> nth=0", "click", json!([])).await;
        let levels = bob.run(LEVELS, json!([697, 1209, 852, 1477])).await;
        let of = |at: usize| levels[at].as_f64().unwrap();
        (of(0).min(of(1)) > of(2).max(of(3)) + 20.0 && of(0).min(of(1)) > -70.0).then_some(())
    })
    .await;
    bob.reads("call-notes", "alice").await;
    bob.reads("call-notes", "1").await;
    alice.click("dialog-close").await;
    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle());
    browser.assert_quiet().await;
}

#[tokio::test]
async fn a_missed_call_is_news_also_after_a_reload_and_in_the_reader_s_language() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = browser.tab("alice").await;
    let bob = browser.tab_with("bob", json!({"locale": "zh-CN", "viewport": {"width": 390, "height": 844}})).await;
    sign_in(&alice, &gateway, "alice").await;
    sign_in(&bob, &gateway, "bob").await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-voice").await;
    bob.click("ring-accept").await;
    tokio::join!(alice.hears_sound(), bob.hears_sound());
    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle(), alice.sees_no("call"), bob.sees_no("call"));
    bob.reads("conversation", "语音通话，时长 0:0").await;
    bob.sees_no("unread").await;

    alice.click("call-video").await;
    bob.sees("ring").await;
    alice.click("call-hangup").await;
    bob.reads("unread", "1").await;
    bob.reads("conversation", "未接视频来电").await;
    bob.page("reload", json!([])).await;
    bob.reads("unread", "1").await;
    bob.reads("conversation", "未接视频来电").await;
    bob.click("conversation").await;
    bob.reads("messages", "语音通话，时长 0:0").await;
    alice.reads("messages", "Video call: cancelled").await;
    browser.assert_quiet().await;
}

#[tokio::test]
async fn a_call_is_accepted_from_the_list_on_a_phone() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = browser.tab("alice").await;
    let bob = browser.phone("bob").await;
    sign_in(&alice, &gateway, "alice").await;
    sign_in(&bob, &gateway, "bob").await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-video").await;
    bob.sees("conversations").await;
    bob.click("ring-accept-video").await;
    call_is(&bob, "connected").await;
    tokio::join!(alice.sees_frames(), bob.sees_frames(), alice.hears_sound(), bob.hears_sound());
    bob.sees("call-hangup").await;
    bob.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle(), bob.sees_no("call"));
    bob.sees("conversations").await;
    browser.assert_quiet().await;
}

#[tokio::test]
async fn one_of_two_devices_answers_and_the_other_stops_ringing() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let (alice, desk) = two(&gateway, &browser).await;
    let pocket = browser.phone("bob's phone").await;
    sign_in_with(&pocket, &gateway, "bob", &gateway.cli(&["account", "token", "bob"]).await).await;
    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    alice.click("call-voice").await;
    tokio::join!(desk.sees("ring"), pocket.sees("ring"));
    pocket.click("ring-accept").await;
    desk.sees_no("ring").await;
    tokio::join!(alice.hears_sound(), pocket.hears_sound());
    desk.is_idle().await;
    desk.sees_no("unread").await;
    alice.click("call-hangup").await;
    tokio::join!(alice.is_idle(), pocket.is_idle());
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
