//! Getting in, being thrown out, staying out.

use crate::support::{Running, author, room, section, section_with, text_of, to};
use monster_bridge_api::{Admission, DeliveryError, EventKind, RemoteId, RequestError, RoomUse};
use monster_testkit::{Ergo, Inspircd, IrcClient};
use serde_json::json;

#[tokio::test]
async fn a_channel_key_opens_the_channel_and_a_wrong_one_does_not() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#locked").await;
    bob.send("MODE #locked +k sesame").await;
    bob.drain().await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let (alice, locked) = (author("alice"), RemoteId::new("#locked"));
    assert_eq!(gateway.bridge.join(&alice, &locked, None).await, Ok(Admission::WrongPass));
    assert_eq!(gateway.bridge.join(&alice, &locked, Some("wrong")).await, Ok(Admission::WrongPass));
    assert_eq!(gateway.bridge.join(&alice, &locked, Some("sesame")).await, Ok(Admission::Accepted));
    bob.expect("alice", |line| line.command == "JOIN" && line.source == "alice").await;

    let usage =
        RoomUse { room: locked.clone(), posting: None, members: vec![(alice.clone(), Some("sesame".to_owned()))] };
    gateway.bridge.use_room(&locked, Some(usage)).await;
    bob.expect("the bot", |line| line.command == "JOIN" && line.source == "gw").await;
    gateway.bridge.leave(&alice, &locked).await.unwrap();
    bob.expect("alice leaving", |line| line.command == "PART" && line.source == "alice").await;
    gateway.bridge.use_room(&locked, None).await;
    bob.expect("the bot leaving", |line| line.command == "PART" && line.source == "gw").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_that_somebody_gave_opens_the_channel_for_nobody_else() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    for mode in ["puppets", "relay"] {
        let name = format!("#{mode}");
        bob.join(&name).await;
        bob.send(&format!("MODE {name} +k sesame")).await;
        bob.expect("the key", |line| line.command == "MODE").await;
        let gateway = Running::start(section_with(ergo.address, &json!({"mode": mode})), &["#x"]).await;
        let (alice, mallory, locked) = (author("alice"), author("mallory"), RemoteId::new(&name));
        let join = async |who, pass| gateway.bridge.join(who, &locked, pass).await;
        assert_eq!(join(&alice, Some("sesame")).await, Ok(Admission::Accepted), "{mode}");
        let members = vec![(alice.clone(), Some("sesame".to_owned()))];
        gateway.bridge.use_room(&locked, Some(RoomUse { room: locked.clone(), posting: None, members })).await;

        assert_eq!(join(&mallory, None).await, Ok(Admission::WrongPass), "{mode}");
        assert_eq!(join(&mallory, Some("wrong")).await, Ok(Admission::WrongPass), "{mode}");
        assert_eq!(join(&alice, None).await, Ok(Admission::Accepted), "{mode}: who is in is in");
        assert_eq!(join(&alice, Some("wrong")).await, Ok(Admission::WrongPass), "{mode}");
        assert_eq!(join(&mallory, Some("sesame")).await, Ok(Admission::Accepted), "{mode}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn the_bots_invitation_lets_in_those_who_waited_for_it_and_nobody_who_comes_later() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#club").await;
    bob.send("MODE #club +i").await;
    bob.expect("the mode", |line| line.command == "MODE").await;
    let gateway = Running::start(section_with(ergo.address, &json!({"mode": "relay"})), &["#x"]).await;
    let (alice, club) = (author("alice"), RemoteId::new("#club"));
    assert_eq!(gateway.bridge.join(&alice, &club, None).await, Ok(Admission::Waiting));
    bob.send("INVITE gw #club").await;
    let decided = gateway.host.event("the decision", |event| matches!(event.kind, EventKind::Decided(_))).await;
    assert_eq!((decided.kind, decided.venue), (EventKind::Decided(Admission::Accepted), to(&alice)));
    let members = vec![(alice.clone(), None)];
    gateway.bridge.use_room(&club, Some(RoomUse { room: club.clone(), posting: None, members })).await;
    assert_eq!(gateway.bridge.join(&alice, &club, None).await, Ok(Admission::Accepted));
    let later = gateway.bridge.join(&author("mallory"), &club, None).await;
    assert!(matches!(&later, Err(RequestError::Refused(why)) if why.contains("invited people")), "{later:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_invitation_lets_in_whoever_waited_for_it() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#club").await;
    bob.send("MODE #club +i").await;
    bob.drain().await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let alice = author("alice");
    assert_eq!(gateway.bridge.join(&alice, &RemoteId::new("#club"), None).await, Ok(Admission::Waiting));
    bob.send("INVITE alice #club").await;
    bob.expect("alice", |line| line.command == "JOIN" && line.source == "alice").await;
    let decided = gateway.host.event("the decision", |event| matches!(event.kind, EventKind::Decided(_))).await;
    assert_eq!((decided.kind, decided.venue), (EventKind::Decided(Admission::Accepted), to(&alice)));
    assert_eq!(decided.author.id.as_str(), "#club");
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_is_invited_hears_although_the_bot_is_not_and_nothing_twice_once_it_is() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#club").await;
    bob.send("MODE #club +i").await;
    bob.drain().await;
    let gateway = Running::start(section(ergo.address), &["#x"]).await;
    let (alice, club) = (author("alice"), RemoteId::new("#club"));
    assert_eq!(gateway.bridge.join(&alice, &club, None).await, Ok(Admission::Waiting));
    let usage = RoomUse { room: club.clone(), posting: None, members: Vec::new() };
    gateway.bridge.use_room(&club, Some(usage)).await;
    let notice = gateway.host.event("the notice", |event| matches!(event.kind, EventKind::Notice(_))).await;
    assert!(matches!(&notice.kind, EventKind::Notice(words) if words.contains("/invite gw #club")), "{notice:?}");

    bob.send("INVITE alice #club").await;
    bob.expect("alice", |line| line.command == "JOIN" && line.source == "alice").await;
    gateway.host.event("the decision", |event| matches!(event.kind, EventKind::Decided(_))).await;
    // What is said before the puppet begins to hear is read from the history.
    bob.say("#club", "do you hear me").await;
    let heard = gateway.hears("do you hear me").await;
    assert_eq!(heard.venue, room("#club"));
    gateway.says(&alice, "#club", "yes").await;
    bob.hears("alice", "#club", "yes").await;

    // Out and in again.
    gateway.bridge.leave(&alice, &club).await.unwrap();
    bob.expect("alice leaving", |line| line.command == "PART" && line.source == "alice").await;
    assert_eq!(gateway.bridge.join(&alice, &club, None).await, Ok(Admission::Waiting));
    bob.send("INVITE alice #club").await;
    bob.expect("alice", |line| line.command == "JOIN" && line.source == "alice").await;
    bob.say("#club", "and again").await;
    gateway.hears("and again").await;

    bob.send("INVITE gw #club").await;
    bob.expect("the bot", |line| line.command == "JOIN" && line.source == "gw").await;
    for words in ["one", "two"] {
        bob.say("#club", words).await;
        gateway.hears(words).await;
    }
    let texts: Vec<_> = gateway.host.events().iter().filter_map(text_of).collect();
    for words in ["do you hear me", "and again", "one", "two"] {
        assert_eq!(texts.iter().filter(|text| *text == words).count(), 1, "{texts:?}");
    }
    assert!(!texts.iter().any(|text| text == "yes"), "what the puppet said itself was reported: {texts:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_knock_is_heard_where_the_server_has_it() {
    let server = Inspircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#club").await;
    bob.send("MODE #club +i").await;
    bob.drain().await;
    let gateway = Running::start(section(server.address), &["#x"]).await;
    assert_eq!(gateway.bridge.join(&author("alice"), &RemoteId::new("#club"), None).await, Ok(Admission::Waiting));
    bob.expect("the knock", |line| line.text().to_lowercase().contains("knock") || line.command == "710").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_ban_is_told_in_words_and_not_evaded() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#strict").await;
    bob.send("MODE #strict +b alice!*@*").await;
    bob.drain().await;
    let gateway = Running::start(section(ergo.address), &["#strict"]).await;
    let alice = author("alice");
    let joined = gateway.bridge.join(&alice, &RemoteId::new("#strict"), None).await;
    assert!(matches!(&joined, Err(RequestError::Refused(why)) if why.contains("banned")), "{joined:?}");
    let sent = gateway.send(&alice, "#strict", "hello").await;
    assert!(matches!(&sent, Err(DeliveryError::Permanent { why }) if why.contains("banned")), "{sent:?}");
    gateway.says(&author("carol"), "#strict", "I may").await;
    bob.hears("carol", "#strict", "I may").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_puppet_that_may_not_come_in_is_spoken_for_by_the_bot() {
    let ergo = Ergo::start().await;
    let gateway = Running::start(section(ergo.address), &["#invited"]).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#invited").await;
    // The bot made the channel; it is bob's turn to be an operator.
    let samode = gateway.bridge.command(&author("x"), "help").await;
    assert!(samode.contains("nick"));
    gateway.stop().await;

    bob.send("PART #invited").await;
    bob.join("#invited").await;
    let gateway = Running::start(section(ergo.address), &["#invited"]).await;
    bob.send("MODE #invited +i").await;
    bob.drain().await;
    gateway.says(&author("alice"), "#invited", "through the bot").await;
    bob.hears("gw", "#invited", "<a\u{200b}lice> through the bot").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_bot_that_is_kicked_says_so_and_comes_back() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#boot").await;
    let gateway = Running::start(section(ergo.address), &["#boot"]).await;
    bob.send("KICK #boot gw :out").await;
    let notice = gateway.host.event("the notice", |event| matches!(event.kind, EventKind::Notice(_))).await;
    assert!(
        matches!(&notice.kind, EventKind::Notice(words) if words.contains("bob removed the gateway") && words.contains("out"))
    );
    bob.expect("the bot coming back", |line| line.command == "JOIN" && line.source == "gw").await;
    bob.say("#boot", "welcome back").await;
    gateway.hears("welcome back").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_banned_bot_says_so_once_and_relayed_messages_fail_in_words() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#nobots").await;
    bob.send("MODE #nobots +b gw!*@*").await;
    bob.drain().await;
    let host = std::sync::Arc::new(crate::support::Recorder::default());
    host.use_room(RoomUse { room: RemoteId::new("#nobots"), posting: None, members: Vec::new() });
    let config = section_with(ergo.address, &json!({"mode": "relay"}));
    let gateway = Running::start_on(config, host, std::sync::Arc::new(tempfile::tempdir().unwrap()));
    gateway.is_up().await;
    gateway
        .host
        .event("the notice", |event| matches!(&event.kind, EventKind::Notice(words) if words.contains("banned")))
        .await;
    let sent = gateway.send(&author("alice"), "#nobots", "hello").await;
    assert!(matches!(&sent, Err(DeliveryError::Permanent { why }) if why.contains("banned")), "{sent:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_nick_that_is_taken_gets_a_suffix_and_is_taken_back_when_free() {
    let ergo = Ergo::start().await;
    let mut other = IrcClient::connect(ergo.address, "alice", IrcClient::ALL_CAPS).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#nicks").await;
    let gateway = Running::start(section(ergo.address), &["#nicks"]).await;
    gateway.says(&author("alice"), "#nicks", "first").await;
    let line = bob.hears("", "#nicks", "first").await;
    assert!(line.source != "alice" && line.source.starts_with("alice"), "{}", line.source);
    other.send("QUIT").await;
    bob.expect("the nick being taken back", |line| line.command == "NICK" && line.text() == "alice").await;
    gateway.says(&author("alice"), "#nicks", "second").await;
    bob.hears("alice", "#nicks", "second").await;
    gateway.stop().await;
}
