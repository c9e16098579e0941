//! Names and words made to do harm.

use crate::support::{Running, author, deliver, message, reference, section};
use monster_bridge_api::{Action, Author, PersonaId, RemoteId};
use monster_testkit::{Ergo, IrcClient};

#[tokio::test]
async fn no_text_name_or_target_can_begin_a_second_line() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#safe").await;
    let gateway = Running::start(section(ergo.address), &["#safe"]).await;
    let evil = Author {
        id: PersonaId::new("@evil\r\nQUIT:evil.example"),
        name: "evil\r\nJOIN #owned\r\n".to_owned(),
        picture: None,
    };
    let words = "one\r\nPRIVMSG #safe :forged\0\u{1}DCC SEND x 1 1 1\u{1}\nJOIN #owned";
    let sent = gateway.says(&evil, "#safe", words).await;
    let mut recall = reference(&evil, &sent, "x\r\nJOIN #owned");
    recall.author_name = "a\r\nJOIN #owned".to_owned();
    let action = Action::Recall { target: recall.clone(), reason: Some("r\r\nJOIN #owned".to_owned()) };
    gateway.bridge.deliver(&deliver(&evil, "#safe", action)).await.unwrap();
    let action = Action::React { target: recall, emoji: "x\r\nJOIN #owned".to_owned(), remove: false };
    drop(gateway.bridge.deliver(&deliver(&evil, "#safe", action)).await);
    drop(gateway.bridge.join(&evil, &RemoteId::new("#safe"), Some("key\r\nJOIN #owned")).await);
    drop(gateway.bridge.join(&evil, &RemoteId::new("#owned\r\nJOIN #owned"), None).await);
    drop(gateway.bridge.profile(&RemoteId::new("bob\r\nJOIN #owned")).await);
    drop(gateway.send(&evil, "bob\r\nJOIN #owned", "x").await);
    drop(gateway.bridge.command(&evil, "nick a\r\nJOIN #owned").await);

    gateway.says(&author("alice"), "#safe", "the end").await;
    bob.hears("alice", "#safe", "the end").await;
    bob.send("NAMES #owned").await;
    let names = bob.drain().await;
    assert!(names.iter().all(|line| line.command != "353"), "nobody is in #owned: {names:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn names_that_are_no_nick_and_no_channel_are_refused() {
    let ergo = Ergo::start().await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    for name in ["", "a b", "#a,#b", "a\r\nb", "#a\x07b", "#a b", "a!b@c", "$*.test", "@#x", "#a\0"] {
        assert!(gateway.bridge.id_of(name).is_err(), "{name:?}");
    }
    assert_ne!(gateway.bridge.id_of("#a["), gateway.bridge.id_of("#a{"), "Ergo compares by ASCII");
    assert_eq!(gateway.bridge.id_of("#Rust"), gateway.bridge.id_of("#rust"));
    let id = gateway.bridge.id_of("#Rust").unwrap();
    assert_eq!(gateway.bridge.id_of(&gateway.bridge.name_of(&id)), Ok(id));
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_said_to_operators_only_stays_with_them() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#ops"]).await;
    bob.join("#ops").await;
    bob.say("@#ops", "for operators").await;
    bob.say("#ops", "for everybody").await;
    gateway.hears("for everybody").await;
    assert_eq!(gateway.host.events().iter().filter_map(crate::support::text_of).collect::<Vec<_>>(), ["for everybody"]);
    gateway.stop().await;
}

#[tokio::test]
async fn ignored_masks_are_not_heard() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let mut spam = IrcClient::connect(ergo.address, "spambot", IrcClient::ALL_CAPS).await;
    let mut config = section(ergo.address);
    config["ignore"] = serde_json::json!(["spam*!*@*"]);
    let gateway = Running::start(config, &["#quiet"]).await;
    bob.join("#quiet").await;
    spam.join("#quiet").await;
    spam.say("#quiet", "buy this").await;
    spam.drain().await;
    bob.say("#quiet", "hello").await;
    gateway.hears("hello").await;
    assert_eq!(gateway.host.events().iter().filter_map(crate::support::text_of).collect::<Vec<_>>(), ["hello"]);
    let own = message(&author("spambot"), "#quiet", "x");
    assert!(gateway.bridge.deliver(&own).await.is_ok());
    gateway.stop().await;
}
