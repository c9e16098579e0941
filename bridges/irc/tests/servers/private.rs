//! Talking in private, and to whom a conversation belongs.

use crate::support::{Running, author, deliver, key, message, relayed, section, text_of, to};
use monster_bridge_api::{Admission, Delivery, DeliveryError, EventKind, RemoteId};
use monster_testkit::{Ergo, IrcClient};

#[tokio::test]
async fn a_private_conversation_goes_both_ways_and_ends_when_closed() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let alice = author("alice");
    let bob_id = RemoteId::new("bob");

    assert_eq!(gateway.bridge.join(&alice, &bob_id, None).await, Ok(Admission::Accepted));
    gateway.says(&alice, "bob", "hello in private").await;
    bob.hears("alice", "bob", "hello in private").await;
    bob.say("alice", "hello back").await;
    let event = gateway.hears("hello back").await;
    assert_eq!((event.venue, event.author.id.as_str()), (to(&alice), "bob"));

    gateway.bridge.leave(&alice, &bob_id).await.unwrap();
    let nobody = gateway.bridge.join(&alice, &RemoteId::new("nobody"), None).await;
    assert!(matches!(nobody, Err(monster_bridge_api::RequestError::Unknown(_))), "{nobody:?}");
    let refused = gateway.send(&alice, "nobody", "hello?").await;
    assert!(matches!(refused, Err(DeliveryError::Permanent { .. })), "{refused:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_takes_over_a_nick_does_not_inherit_the_conversation() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "a secret").await;
    bob.hears("alice", "bob", "a secret").await;
    bob.send("QUIT").await;
    while bob.next().await.is_some() {}

    let mut mallory = IrcClient::connect(ergo.address, "mallory", IrcClient::ALL_CAPS).await;
    mallory.send("NICK bob").await;
    mallory.expect("the nick", |line| line.command == "NICK").await;
    let refused = gateway.send(&alice, "bob", "another secret").await;
    let Err(DeliveryError::Permanent { why }) = refused else { panic!("it was not refused: {refused:?}") };
    assert!(why.contains("no longer who you were talking to"), "{why}");
    assert!(mallory.drain().await.iter().all(|line| line.command != "PRIVMSG"), "nothing reached the newcomer");

    mallory.say("alice", "hi, it is me").await;
    gateway.hears("hi, it is me").await;
    let again = gateway.send(&alice, "bob", "is it?").await;
    assert!(matches!(again, Err(DeliveryError::Permanent { .. })), "writing first does not open it: {again:?}");

    gateway.bridge.join(&alice, &RemoteId::new("bob"), None).await.unwrap();
    gateway.says(&alice, "bob", "hello, whoever you are").await;
    mallory.hears("alice", "bob", "whoever you are").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_newcomer_who_writes_is_announced_as_somebody_else() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "hello").await;
    bob.hears("alice", "bob", "hello").await;
    bob.send("QUIT").await;
    while bob.next().await.is_some() {}
    let mut mallory = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    mallory.say("alice", "trust me").await;
    gateway.hears("trust me").await;
    let events = gateway.host.events();
    let notice = events
        .iter()
        .position(|event| matches!(&event.kind, EventKind::Notice(words) if words.contains("somebody else")));
    let words = events.iter().position(|event| text_of(event).as_deref() == Some("trust me"));
    assert!(notice.is_some() && notice < words, "{events:#?}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_account_is_the_same_person_after_coming_back() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.send("NS REGISTER secret-password").await;
    bob.expect("an account", |line| line.text().contains("logged in as")).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "one").await;
    bob.hears("alice", "bob", "one").await;
    bob.send("QUIT").await;
    while bob.next().await.is_some() {}
    let mut back = IrcClient::connect(ergo.address, "guest", IrcClient::ALL_CAPS).await;
    back.send("NS IDENTIFY bob secret-password").await;
    back.expect("the login", |line| line.text().contains("logged in as")).await;
    back.send("NICK bob").await;
    back.expect("the nick", |line| line.command == "NICK").await;
    gateway.says(&alice, "bob", "two").await;
    back.hears("alice", "bob", "two").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_conversation_follows_a_person_who_changes_their_nick() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#follow").await;
    let gateway = Running::start(section(ergo.address), &["#follow"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "one").await;
    bob.hears("alice", "bob", "one").await;
    bob.send("NICK robert").await;
    gateway
        .host
        .event("the new nick", |event| {
            matches!(event.kind, EventKind::Membership(_)) && event.author.id.as_str() == "robert"
        })
        .await;
    let mut mallory = IrcClient::connect(ergo.address, "mallory", IrcClient::ALL_CAPS).await;
    mallory.send("NICK bob").await;
    mallory.expect("the nick", |line| line.command == "NICK").await;
    gateway.says(&alice, "bob", "two").await;
    bob.hears("alice", "robert", "two").await;
    assert!(mallory.drain().await.iter().all(|line| line.command != "PRIVMSG"));
    gateway.stop().await;
}

#[tokio::test]
async fn the_bot_helps_and_carries_messages_to_addresses() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    bob.say("gw", "help").await;
    bob.hears("gw", "bob", "msg ADDRESS TEXT").await;
    bob.say("gw", "status").await;
    bob.hears("gw", "bob", "connected to").await;
    bob.say("gw", "msg @carol:gw.example good morning").await;
    let event = gateway.hears("good morning").await;
    assert_eq!(event.venue, to(&author("carol")));
    gateway.host.nobody_is("@nobody:gw.example");
    bob.say("gw", "msg @nobody:gw.example hello").await;
    bob.hears("gw", "bob", "nobody has this address").await;
    bob.send("PRIVMSG gw :\u{1}VERSION\u{1}").await;
    bob.expect("the version", |line| line.command == "NOTICE" && line.text().contains("monster-gateway")).await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_to_the_relay_goes_to_whom_it_answers() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let (alice, carol) = (author("alice"), author("carol"));
    gateway.bridge.deliver(&relayed(message(&alice, "bob", "from alice"))).await.unwrap();
    bob.hears("gw", "bob", "from alice").await;
    gateway.bridge.deliver(&relayed(message(&carol, "bob", "from carol"))).await.unwrap();
    bob.hears("gw", "bob", "from carol").await;
    bob.say("gw", "thanks, carol").await;
    assert_eq!(gateway.hears("thanks, carol").await.venue, to(&carol));
    gateway.stop().await;
}

#[tokio::test]
async fn somebody_can_choose_their_nick_and_keeps_it() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#nick").await;
    let gateway = Running::start(section(ergo.address), &["#nick"]).await;
    let alice = author("alice");
    gateway.says(&alice, "#nick", "before").await;
    bob.hears("alice", "#nick", "before").await;
    assert_eq!(gateway.bridge.command(&alice, "nick wonderland").await, "you are wonderland now");
    gateway.says(&alice, "#nick", "after").await;
    bob.hears("wonderland", "#nick", "after").await;
    for bad in ["nick 1x", "nick a\r\nQUIT", "nick #x", "nick a!b", "nick"] {
        let answer = gateway.bridge.command(&alice, bad).await;
        assert!(!answer.contains("you are 1x") && !answer.contains("now"), "{bad:?}: {answer}");
    }
    let carol = author("carol");
    assert!(gateway.bridge.command(&carol, "nick w0nderland").await.contains("looks like"));
    assert!(gateway.bridge.command(&carol, "help").await.contains("nick NAME"));
    assert!(gateway.bridge.command(&carol, "nick ali cia").await.contains("one word"));
    assert!(gateway.bridge.command(&carol, "dance").await.starts_with("I do not know what to do with `dance`"));

    let (host, data) = gateway.stop().await;
    let gateway = Running::start_on(section(ergo.address), host, data);
    gateway.is_in(1).await;
    gateway.says(&alice, "#nick", "after the restart").await;
    bob.hears("wonderland", "#nick", "after the restart").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_to_a_puppet_of_our_own_is_refused_with_advice() {
    let ergo = Ergo::start().await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    gateway.says(&author("alice"), "#x", "here I am").await;
    let refused = gateway.send(&author("carol"), "alice", "hello").await;
    assert!(
        matches!(&refused, Err(DeliveryError::Permanent { why }) if why.contains("their own address")),
        "{refused:?}"
    );
    let delivery =
        Delivery { key: key(), ..deliver(&author("alice"), "#x", message(&author("alice"), "#x", "x").action) };
    assert!(gateway.bridge.deliver(&delivery).await.is_ok());
    gateway.stop().await;
}
