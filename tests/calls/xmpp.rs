//! Calls between an XMPP client (stanza.js, on this browser's WebRTC, at a Prosody) and the web client.

use crate::client::{open_conversation, sign_in};
use crate::gateway_with;
use monster_testkit::{Browser, Gateway, PATIENCE, Prosody, Tab, tools};
use serde_json::{Value, json};

/// How the Monster account `alice` appears on XMPP, on the one device that she has there.
const ALICE: &str = "alice@monster.localhost/monster";

/// The client of an XMPP account in a tab.
struct Client {
    tab: Tab,
}

impl Client {
    /// `apart`: it does not know of BUNDLE.
    async fn new(browser: &Browser, gateway: &Gateway, prosody: &Prosody, name: &str, apart: bool) -> Self {
        let (jid, password) = prosody.account(name);
        let tab = browser.tab(name).await;
        let page = format!("http://{}/xmpp", gateway.host());
        tab.serve(&page, "xmpp").await;
        tab.open(&format!("{page}/index.html")).await;
        tab.page("addScriptTag", json!([{"path": tools::stanza()}])).await;
        let open = json!({"jid": jid, "password": password, "url": prosody.websocket, "apart": apart});
        tab.run("(options) => window.xmpp.open(options)", open).await;
        let client = Self { tab };
        client.tell(&format!("show({})", json!(ALICE))).await;
        client
    }

    /// Does something: a method of the page's client.
    async fn tell(&self, what: &str) {
        self.tab.run(&format!("async () => {{ await window.xmpp.{what}; }}"), Value::Null).await;
    }

    async fn field(&self, name: &str) -> Value {
        self.tab.run(&format!("() => window.xmpp.{name}"), Value::Null).await
    }

    /// Waits until the call is in this state.
    async fn is(&self, state: &str) {
        let waiting = async {
            while self.field("state").await != state {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let [now, reason, told] = [self.field("state").await, self.field("reason").await, self.field("told").await];
            panic!("the XMPP client's call did not become {state}: it is {now}, reason {reason}, told {told}");
        }
    }

    /// Waits until the other side has told this of itself.
    async fn was_told(&self, what: &str) {
        let script = format!("() => window.xmpp.told.includes({})", json!(what));
        monster_testkit::until(&format!("the XMPP client being told {what}"), async || {
            (self.tab.run(&script, Value::Null).await == json!(true)).then_some(())
        })
        .await;
    }
}

async fn both(prosody: &Prosody, browser: &Browser, apart: bool) -> (Gateway, Tab, Client) {
    let gateway = gateway_with(&prosody.section("xmpp", "")).await;
    let alice = browser.tab("alice").await;
    sign_in(&alice, &gateway, "alice").await;
    let bob = Client::new(browser, &gateway, prosody, "bob", apart).await;
    (gateway, alice, bob)
}

async fn hear_each_other(alice: &Tab, bob: &Client) {
    tokio::join!(alice.hears_sound(), bob.tab.hears_sound());
}

#[tokio::test]
async fn an_xmpp_client_calls_the_web_client() {
    let prosody = Prosody::start().await;
    let browser = Browser::start().await;
    let (_gateway, alice, bob) = both(&prosody, &browser, false).await;

    bob.tell(&format!("call({}, false)", json!(ALICE))).await;
    alice.sees("ring").await;
    bob.is("ringing").await;
    alice.click("ring-accept").await;
    bob.is("talking").await;
    hear_each_other(&alice, &bob).await;

    // Muted and on hold, and not any more.
    alice.click("call-mute").await;
    bob.was_told("mute").await;
    alice.click("call-mute").await;
    bob.was_told("unmute").await;
    alice.click("call-hold").await;
    bob.was_told("hold").await;
    bob.tab.sound_stops().await;
    alice.click("call-hold").await;
    bob.was_told("resumed").await;
    hear_each_other(&alice, &bob).await;
    bob.tell("hold()").await;
    alice.sound_stops().await;
    bob.tell("resume()").await;
    hear_each_other(&alice, &bob).await;

    // This client takes no pictures within a call: the call goes on as it is.
    alice.click("call-camera").await;
    hear_each_other(&alice, &bob).await;
    bob.tell("end()").await;
    alice.is_idle().await;

    // And with pictures from the beginning.
    bob.tell(&format!("call({}, true)", json!(ALICE))).await;
    alice.click("ring-accept-video").await;
    bob.is("talking").await;
    hear_each_other(&alice, &bob).await;
    tokio::join!(alice.sees_frames(), bob.tab.sees_frames());
    alice.click("call-hangup").await;
    bob.is("over").await;
    assert_eq!(bob.field("reason").await, "success");
}

#[tokio::test]
async fn the_web_client_calls_an_xmpp_client() {
    let prosody = Prosody::start().await;
    let browser = Browser::start().await;
    let (gateway, alice, bob) = both(&prosody, &browser, false).await;
    open_conversation(&alice, &gateway, &gateway.address("bob@localhost", "xmpp")).await;

    alice.click("call-voice").await;
    bob.is("invited").await;
    bob.tell("ring()").await;
    alice.locate("[data-testid=\"call\"][data-state=\"ringing\"]", "waitFor", json!([])).await;
    bob.tell("answer(false)").await;
    hear_each_other(&alice, &bob).await;
    alice.click("call-hangup").await;
    bob.is("over").await;
    alice.sees_no("call").await;

    alice.click("call-video").await;
    bob.is("invited").await;
    bob.tell("answer(true)").await;
    hear_each_other(&alice, &bob).await;
    tokio::join!(alice.sees_frames(), bob.tab.sees_frames());
    bob.tell("end()").await;
    alice.is_idle().await;
    alice.sees_no("call").await;

    // Declined.
    alice.click("call-voice").await;
    bob.is("invited").await;
    bob.tell("end('decline')").await;
    alice.is_idle().await;
}

#[tokio::test]
async fn an_xmpp_client_without_bundle_has_pictures_in_both_directions() {
    let prosody = Prosody::start().await;
    let browser = Browser::start().await;
    let (gateway, alice, bob) = both(&prosody, &browser, true).await;

    bob.tell(&format!("call({}, true)", json!(ALICE))).await;
    alice.click("ring-accept-video").await;
    bob.is("talking").await;
    hear_each_other(&alice, &bob).await;
    tokio::join!(alice.sees_frames(), bob.tab.sees_frames());
    assert_eq!(bob.field("transports()").await, 2, "one for each section");
    alice.click("call-hangup").await;
    bob.is("over").await;
    alice.sees_no("call").await;

    open_conversation(&alice, &gateway, &gateway.address("bob@localhost", "xmpp")).await;
    alice.click("call-video").await;
    bob.is("invited").await;
    bob.tell("answer(true)").await;
    hear_each_other(&alice, &bob).await;
    tokio::join!(alice.sees_frames(), bob.tab.sees_frames());
    assert_eq!(bob.field("transports()").await, 2, "one for each section");
    bob.tell("end()").await;
    alice.is_idle().await;
}
