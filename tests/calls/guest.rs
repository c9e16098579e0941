//! A guest on the join page, reached through a link that a real IRC client received.

use crate::BINARY;
use crate::client::{open_conversation, sign_in};
use monster_testkit::{Browser, Ergo, Gateway, IrcClient, Tab, irc_section};
use serde_json::json;

struct Callers {
    gateway: Gateway,
    browser: Browser,
    bob: IrcClient,
    alice: Tab,
    _ergo: Ergo,
}

impl Callers {
    /// Alice in the web client, bob on IRC, in `#rust`.
    async fn new() -> Self {
        let ergo = Ergo::start().await;
        let gateway = Gateway::start(BINARY, &irc_section("ergo", &ergo, "")).await;
        let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
        bob.join("#rust").await;
        let browser = Browser::start().await;
        let alice = browser.tab("alice").await;
        sign_in(&alice, &gateway, "alice").await;
        Self { gateway, browser, bob, alice, _ergo: ergo }
    }

    /// Waits for a line with a link to a call, and gives the link.
    async fn link(&mut self, target: &str) -> String {
        let line = self.bob.hears("alice", target, "/call/").await;
        let link = line.text().split_whitespace().find(|word| word.contains("/call/")).map(str::to_owned);
        link.unwrap_or_else(|| panic!("no link in {line:?}"))
    }

    /// Somebody opens the link and joins; a call with video is joined with a camera.
    async fn join(&self, link: &str, video: bool) -> Tab {
        let guest = self.browser.phone("guest").await;
        guest.open(link).await;
        guest.reads("invited", "alice").await;
        if video {
            guest.sees("preview").await;
        }
        guest.fill("guest-name", "Bob of IRC").await;
        guest.click("guest-join").await;
        guest
    }
}

#[tokio::test]
async fn an_irc_user_joins_a_video_call_by_the_link_they_got() {
    let mut callers = Callers::new().await;
    let at_bob = callers.gateway.address("bob", "ergo");
    open_conversation(&callers.alice, &callers.gateway, &at_bob).await;
    callers.alice.click("call-video").await;
    let link = callers.link("bob").await;
    callers.alice.reads("call-state", "open the link").await;
    let guest = callers.join(&link, true).await;
    let alice = &callers.alice;
    tokio::join!(alice.hears_sound(), alice.sees_frames(), guest.hears_sound(), guest.sees_frames());
    alice.reads("call", "Bob of IRC").await;
    alice.reads("call-notes", "Joined by the link").await;

    let late = callers.browser.tab("late").await;
    assert_eq!(late.page("goto", json!([link])).await, 404, "a link leads one guest into the call");

    guest.click("call-hold").await;
    tokio::join!(alice.frames_stop(), alice.sound_stops());
    guest.click("call-hold").await;
    tokio::join!(alice.hears_sound(), alice.sees_frames());

    alice.click("call-hangup").await;
    guest.sees("join-over").await;
    tokio::join!(alice.is_idle(), guest.is_idle());
    assert_eq!(guest.page("goto", json!([link])).await, 404, "the link ends with the call");
}

#[tokio::test]
async fn a_call_to_a_nick_that_is_not_there_ends_at_once() {
    let callers = Callers::new().await;
    let nobody = callers.gateway.address("nobody", "ergo");
    open_conversation(&callers.alice, &callers.gateway, &nobody).await;
    callers.alice.click("call-voice").await;
    callers.alice.locate("[data-testid=\"call\"][data-state=\"ended\"]", "waitFor", json!([])).await;
    callers.alice.reads("call-state", "could not be sent a link").await;
    callers.alice.is_idle().await;
}

#[tokio::test]
async fn a_call_to_an_irc_channel_is_announced_once() {
    let mut callers = Callers::new().await;
    let rust = callers.gateway.address("#rust", "ergo");
    open_conversation(&callers.alice, &callers.gateway, &rust).await;
    callers.alice.click("info").await;
    callers.alice.click("card-join").await;
    callers.alice.sees_no("card-dialog").await;
    callers.alice.click("call-voice").await;
    let link = callers.link("#rust").await;
    let guest = callers.join(&link, false).await;
    tokio::join!(callers.alice.hears_sound(), guest.hears_sound());
    guest.click("call-hangup").await;
    tokio::join!(callers.alice.is_idle(), guest.is_idle());
    let more = callers.bob.drain().await;
    assert!(!more.iter().any(|line| line.text().contains("/call/")), "the channel hears of a call once: {more:?}");
}
