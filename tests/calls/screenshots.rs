//! Pictures of what people see, for people to look at: `tests/browser/screenshots DIRECTORY`.

use crate::client::{open_conversation, sign_in};
use crate::gateway;
use monster_testkit::{Browser, MonsterClient, Tab};
use serde_json::json;
use std::path::{Path, PathBuf};

struct Album {
    directory: PathBuf,
    count: u32,
}

impl Album {
    async fn add(&mut self, tab: &Tab, what: &str) {
        self.count += 1;
        tab.screenshot(&self.directory.join(format!("{:02}-{what}.png", self.count))).await;
    }
}

#[tokio::test]
#[ignore = "makes pictures; `tests/browser/screenshots` runs it"]
async fn what_people_see() {
    let directory = std::env::var("SCREENSHOTS").expect("tests/browser/screenshots says where to");
    let mut album = Album { directory: Path::new(&directory).to_owned(), count: 0 };
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = browser.tab("alice").await;
    let bob = browser.phone("bob").await;

    alice.open(&format!("http://{}/app/", gateway.host())).await;
    alice.sees("signin").await;
    album.add(&alice, "wide-sign-in").await;
    sign_in(&alice, &gateway, "alice").await;
    sign_in(&bob, &gateway, "bob").await;
    album.add(&alice, "wide-nothing-yet").await;
    album.add(&bob, "phone-nothing-yet").await;

    open_conversation(&alice, &gateway, &gateway.address("bob", "")).await;
    open_conversation(&bob, &gateway, &gateway.address("alice", "")).await;
    for (from, to, words) in [
        (&alice, &bob, "Have you seen **this**? It has `code`, a list:\n- one\n- two"),
        (&bob, &alice, "看到了，谢谢！ 👍"),
        (
            &alice,
            &bob,
            "> Somebody said that long lines break\n\nThis one is long enough to need more than one row, on a desk as well as in a hand, and has a link: https://example.org/a/very/long/path/that/does/not/end",
        ),
    ] {
        from.fill("composer", words).await;
        from.click("send").await;
        to.locate(
            &format!("[data-testid=\"message\"] >> nth=-1 >> text={}", json!(&words[..9.min(words.len())])),
            "count",
            json!([]),
        )
        .await;
    }
    bob.locate("[data-testid=\"message\"] >> text=long enough", "waitFor", json!([])).await;
    album.add(&alice, "wide-conversation").await;
    album.add(&bob, "phone-conversation").await;
    alice.click("settings-open").await;
    album.add(&alice, "wide-settings").await;
    alice.click("dialog-close").await;

    alice.click("call-video").await;
    bob.sees("ring").await;
    album.add(&alice, "wide-calling").await;
    album.add(&bob, "phone-ringing").await;
    bob.click("ring-accept-video").await;
    tokio::join!(alice.sees_frames(), bob.sees_frames());
    album.add(&alice, "wide-video-call").await;
    album.add(&bob, "phone-video-call").await;
    alice.click("call-shrink").await;
    album.add(&alice, "wide-call-behind-messages").await;
    bob.click("call-hold").await;
    bob.frames_stop().await;
    album.add(&bob, "phone-on-hold").await;
    bob.click("call-hangup").await;
    tokio::join!(alice.is_idle(), bob.is_idle(), bob.sees_no("call"));
    album.add(&alice, "wide-after-the-call").await;
    bob.click("back").await;
    album.add(&bob, "phone-conversations").await;

    // Carol's own client has no calls: she gets a link to a page that calls for her.
    let token = gateway.account("carol").await;
    let mut carol = gateway.home("carol", &token).await;
    let words = "Y2FsbCBtZQ==";
    carol.request(json!({"code": "2003", "to": gateway.address("bob", ""), "text": words})).await;
    let line = MonsterClient::text(&carol.hears("/call/").await);
    let link = line.split_whitespace().find(|word| word.contains("/call/")).expect("a link");
    let guest = browser.phone("carol").await;
    guest.open(link).await;
    guest.sees("preview").await;
    album.add(&guest, "phone-join").await;
    guest.page("setViewportSize", json!([{"width": 844, "height": 390}])).await;
    album.add(&guest, "lying-phone-join").await;
    guest.fill("guest-name", "Carol").await;
    guest.click("guest-join").await;
    bob.click("ring-accept-video").await;
    tokio::join!(guest.sees_frames(), bob.sees_frames());
    album.add(&guest, "lying-phone-guest-in-a-call").await;
    bob.click("call-hangup").await;
    guest.sees("join-over").await;
    album.add(&guest, "lying-phone-over").await;
}
