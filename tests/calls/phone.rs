//! The tests' own telephone (`tests/browser/phone`) in a tab: one device of a local account.

use monster_testkit::{Browser, Gateway, PATIENCE, Tab};
use serde_json::{Value, json};
use std::time::Duration;

/// A device that calls and is called.
pub(crate) struct Phone {
    /// The tab it is in: what arrives is asked of it.
    pub(crate) tab: Tab,
    /// Its account's address.
    pub(crate) address: String,
}

impl Phone {
    /// A device of a new account.
    pub(crate) async fn new(browser: &Browser, gateway: &Gateway, name: &str) -> Self {
        let token = gateway.account(name).await;
        Self::device(browser, gateway, name, &token, json!({})).await
    }

    /// A further device of an account; `config` as for `RTCPeerConnection`, and `filter`, which every
    /// candidate that it tells must contain, and `videoCodec`, the only one that it has,
    /// and `apart` for one that does not bundle.
    pub(crate) async fn device(browser: &Browser, gateway: &Gateway, name: &str, token: &str, config: Value) -> Self {
        let tab = browser.tab(name).await;
        let page = format!("http://{}/phone", gateway.host());
        tab.serve(&page, "phone").await;
        tab.open(&format!("{page}/index.html")).await;
        let socket = format!("ws://{}/{name}?token={token}&ext=1", gateway.host());
        let arg = json!({"socket": socket, "config": config});
        tab.run("({ socket, config }) => window.phone.open(socket, config)", arg).await;
        Self { tab, address: gateway.address(name, "") }
    }

    /// Calls an address.
    pub(crate) async fn call(&self, to: &str, video: bool) {
        self.tab.run("({ to, video }) => window.phone.call(to, { video })", json!({"to": to, "video": video})).await;
    }

    /// Calls, lets it ring there, and is answered; both have video if `video`.
    pub(crate) async fn reach(&self, other: &Phone, video: bool) {
        self.call(&other.address, video).await;
        other.is("invited").await;
        other.tell("ring()").await;
        self.is("ringing").await;
        other.tell("answer()").await;
        self.is("talking").await;
    }

    /// Does something: a method of the page's telephone.
    pub(crate) async fn tell(&self, what: &str) {
        self.tab.run(&format!("async () => {{ await window.phone.{what}; }}"), Value::Null).await;
    }

    /// A field of the page's telephone.
    pub(crate) async fn field(&self, name: &str) -> Value {
        self.tab.run(&format!("() => window.phone.{name}"), Value::Null).await
    }

    /// Waits until a field has this value.
    pub(crate) async fn has(&self, field: &str, value: Value) {
        let waiting = async {
            while self.field(field).await != value {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let [state, reason, heard, refused] = [
                self.field("state").await,
                self.field("reason").await,
                self.field("heard").await,
                self.field("refused").await,
            ];
            panic!(
                "{}'s {field} did not become {value}: state {state}, reason {reason}, heard {heard}, refused {refused}",
                self.tab.name()
            );
        }
    }

    /// Waits until the call is in this state.
    pub(crate) async fn is(&self, state: &str) {
        self.has("state", json!(state)).await;
    }

    /// Waits until the call is over here and everything closed; why.
    pub(crate) async fn is_over(&self) -> String {
        self.is("over").await;
        self.tab.is_idle().await;
        self.field("reason").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until sound arrives.
    pub(crate) async fn hears(&self) {
        self.tab.hears_sound().await;
    }

    /// Waits until sound and pictures arrive.
    pub(crate) async fn hears_and_sees(&self) {
        self.tab.hears_sound().await;
        self.tab.sees_frames().await;
    }
}
