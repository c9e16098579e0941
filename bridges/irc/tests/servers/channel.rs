//! Talking in a channel, both ways, on Ergo.

use crate::support::{
    Running, author, content, deliver, message, reference, relayed, room, section, section_with, text_of,
};
use monster_bridge_api::{Action, ContentStyle, EventKind, Hint, RemoteId, Support};
use monster_testkit::{Ergo, IrcClient};
use serde_json::json;

#[tokio::test]
async fn somebody_on_monster_and_somebody_on_irc_talk_in_a_channel() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#talk").await;
    let gateway = Running::start(section(ergo.address), &["#talk"]).await;
    let alice = author("Alice");

    let receipt = gateway.says(&alice, "#talk", "hello from Monster").await;
    let line = bob.hears("Alice", "#talk", "hello from Monster").await;
    assert_eq!(line.tag("msgid"), Some(receipt.ids[0].as_str()), "the receipt names the message");
    assert!(line.tag("+monster-gateway/id").is_some(), "it can be found again");

    bob.say("#talk", "hello from IRC").await;
    let event = gateway.hears("hello from IRC").await;
    assert_eq!(event.venue, room("#talk"));
    assert_eq!((event.author.id.as_str(), event.author.name.as_str()), ("bob", "bob"));
    assert!(event.cursor.is_some(), "how far the history was read is saved with the event");

    bob.send("PRIVMSG #talk :\u{1}ACTION waves\u{1}").await;
    let waved = gateway.hears("waves").await;
    assert!(matches!(&waved.kind, EventKind::Message(content) if content.style == ContentStyle::Emote));
    bob.send("NOTICE #talk :take note").await;
    let noticed = gateway.hears("take note").await;
    assert!(matches!(&noticed.kind, EventKind::Message(content) if content.style == ContentStyle::Notice));

    let own = gateway.host.events().into_iter().filter(|event| text_of(event).is_some_and(|t| t.contains("Monster")));
    assert_eq!(own.count(), 0, "what our own connections say is no event");
    gateway.stop().await;
}

#[tokio::test]
async fn replies_reactions_and_recalls_use_the_tags_of_the_server() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#tags").await;
    let gateway = Running::start(section(ergo.address), &["#tags"]).await;
    let alice = author("Alice");

    let abilities = gateway.bridge.capabilities(&RemoteId::new("#tags"));
    assert_eq!((abilities.reply, abilities.reaction, abilities.recall), (Support::Full, Support::Full, Support::Full));
    assert_eq!(abilities.edit, Support::Words, "IRC has no edits");

    bob.say("#tags", "what is the answer?").await;
    let question = gateway.hears("what is the answer?").await;
    let mut to_bob = reference(&alice, &monster_bridge_api::Receipt { ids: vec![question.id.clone()] }, "what is");
    to_bob.author_name = "bob".to_owned();
    let answer = Action::Send { content: content("42"), reply_to: Some(to_bob.clone()) };
    gateway.bridge.deliver(&deliver(&alice, "#tags", answer)).await.unwrap();
    assert_eq!(bob.hears("Alice", "#tags", "42").await.tag("+draft/reply"), Some(question.id.as_str()));

    let like = Action::React { target: to_bob, emoji: "👍".to_owned(), remove: false };
    gateway.bridge.deliver(&deliver(&alice, "#tags", like)).await.unwrap();
    let tagged = bob.expect("a reaction", |line| line.command == "TAGMSG" && line.tag("+draft/react").is_some()).await;
    assert_eq!((tagged.tag("+draft/react"), tagged.tag("+draft/reply")), (Some("👍"), Some(question.id.as_str())));

    let said = gateway.says(&alice, "#tags", "a mistake").await;
    let msgid = bob.hears("Alice", "#tags", "a mistake").await.tag("msgid").unwrap().to_owned();
    bob.send(&format!("@+draft/react=🎉;+draft/reply={msgid} TAGMSG #tags")).await;
    let event = gateway.host.event("bob's reaction", |event| matches!(event.kind, EventKind::Reaction { .. })).await;
    assert_eq!(event.kind, EventKind::Reaction { target: said.ids[0].clone(), emoji: "🎉".to_owned(), removed: false });

    // Without an account nobody may withdraw on Ergo; then it is said in words.
    let recall = Action::Recall { target: reference(&alice, &said, "a mistake"), reason: None };
    gateway.bridge.deliver(&deliver(&alice, "#tags", recall)).await.unwrap();
    bob.expect("the withdrawal", |line| {
        line.command == "REDACT" || line.says("Alice", "#tags", "withdrawn: “a mistake”")
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_withdrawn_on_irc_is_recalled() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#redact").await;
    let gateway = Running::start(section(ergo.address), &["#redact"]).await;
    bob.send("NS REGISTER secret-password").await;
    bob.expect("an account", |line| line.text().contains("logged in as")).await;
    bob.say("#redact", "oops").await;
    let said = gateway.hears("oops").await;
    bob.send(&format!("REDACT #redact {} :typo", said.id)).await;
    let event = gateway.host.event("the recall", |event| matches!(event.kind, EventKind::Recall { .. })).await;
    assert_eq!(event.kind, EventKind::Recall { target: said.id, reason: Some("typo".to_owned()) });
    gateway.stop().await;
}

#[tokio::test]
async fn the_relay_names_who_speaks_without_calling_them() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#relay").await;
    let gateway = Running::start(section_with(ergo.address, &json!({"mode": "relay"})), &["#relay"]).await;
    gateway.says(&author("alice"), "#relay", "hello\nworld").await;
    bob.hears("gw", "#relay", "<a\u{200b}lice> hello").await;

    let emote = monster_bridge_api::Content { style: ContentStyle::Emote, ..content("waves") };
    let action = Action::Send { content: emote, reply_to: None };
    gateway.bridge.deliver(&deliver(&author("alice"), "#relay", action)).await.unwrap();
    bob.hears("gw", "#relay", "* a\u{200b}lice waves").await;

    let mut impostor = author("aIice");
    impostor.id = monster_bridge_api::PersonaId::new("@x:evil.example");
    gateway.says(&impostor, "#relay", "it is me").await;
    bob.hears("gw", "#relay", "<a\u{200b}Iice-2> it is me").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_bot_that_is_an_operator_speaks_under_the_names_of_the_authors() {
    let ergo = Ergo::start().await;
    let gateway = Running::start(section_with(ergo.address, &json!({"mode": "relay"})), &["#named"]).await;
    // The bot made the channel, so it is an operator.
    let alice = author("alice");
    let receipt = gateway.says(&alice, "#named", "first").await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#named").await;
    gateway.says(&alice, "#named", "hello").await;
    let line = bob.hears("alice/m", "#named", "hello").await;
    assert!(line.tag("msgid").is_some() && !receipt.ids.is_empty());
    assert!(gateway.host.events().iter().all(|event| text_of(event).is_none()), "our own lines are no events");

    // Ergo keeps no mark with such a line; it is found all the same, and only once.
    let delivery = message(&alice, "#named", "hello");
    gateway.bridge.deliver(&delivery).await.unwrap();
    assert!(matches!(gateway.bridge.find(&delivery).await, Ok(monster_bridge_api::Found::Delivered(_))));
    let other = message(&alice, "#named", "hello");
    assert_eq!(gateway.bridge.find(&other).await, Ok(monster_bridge_api::Found::Absent));
    gateway.stop().await;
}

#[tokio::test]
async fn a_link_can_ask_for_the_relay_where_the_instance_has_puppets() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#both").await;
    let gateway = Running::start(section(ergo.address), &["#both"]).await;
    gateway.bridge.deliver(&relayed(message(&author("alice"), "#both", "by the bot"))).await.unwrap();
    bob.hears("gw", "#both", "<a\u{200b}lice> by the bot").await;
    gateway.says(&author("alice"), "#both", "by myself").await;
    bob.hears("alice", "#both", "by myself").await;
    gateway.stop().await;
}

#[tokio::test]
async fn two_equal_lines_within_a_second_are_two_messages_both_ways() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#twice").await;
    let gateway = Running::start(section(ergo.address), &["#twice"]).await;
    let alice = author("alice");
    let first = gateway.says(&alice, "#twice", "same").await;
    let second = gateway.says(&alice, "#twice", "same").await;
    assert_ne!(first.ids, second.ids);
    bob.hears("alice", "#twice", "same").await;
    bob.hears("alice", "#twice", "same").await;

    bob.say("#twice", "echo").await;
    bob.say("#twice", "echo").await;
    bob.say("#twice", "end").await;
    gateway.hears("end").await;
    let heard = gateway.host.events().iter().filter(|event| text_of(event).as_deref() == Some("echo")).count();
    assert_eq!(heard, 2);
    gateway.stop().await;
}

#[tokio::test]
async fn long_messages_arrive_whole() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", &["message-tags", "server-time"]).await;
    bob.join("#long").await;
    let gateway = Running::start(section(ergo.address), &["#long"]).await;
    let alice = author("alice");
    for text in ["x".repeat(600), "漢".repeat(250), "word ".repeat(300).trim().to_owned()] {
        let receipt = gateway.says(&alice, "#long", &text).await;
        assert!(!receipt.ids.is_empty());
        let mut heard = String::new();
        while heard.chars().filter(|c| *c != ' ').count() < text.chars().filter(|c| *c != ' ').count() {
            heard.push_str(bob.hears("alice", "#long", "").await.text());
        }
        let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        assert_eq!(letters(&heard), letters(&text));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn comings_and_goings_and_typing_are_passed_on() {
    let ergo = Ergo::start().await;
    let gateway = Running::start(section(ergo.address), &["#door"]).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#door").await;
    let is = |wanted: &'static str| {
        move |event: &monster_bridge_api::Event| match &event.kind {
            EventKind::Membership(change) => format!("{change:?}").starts_with(wanted),
            _ => false,
        }
    };
    gateway.host.event("bob joining", is("Joined")).await;
    bob.send("@+typing=active TAGMSG #door").await;
    gateway.host.hint("bob typing", |hint| matches!(hint, Hint::Typing { active: true, .. })).await;
    assert!(!gateway.host.hints().is_empty());
    bob.send("NICK robert").await;
    let renamed = gateway.host.event("bob's new nick", is("Renamed")).await;
    assert_eq!(renamed.author.id.as_str(), "robert");
    bob.send("PART #door :bye").await;
    gateway.host.event("robert leaving", is("Left")).await;
    gateway.says(&author("alice"), "#door", "hello").await;
    assert!(gateway.host.events().iter().all(|event| event.author.id.as_str() != "alice"), "puppets are no guests");
    gateway.stop().await;
}

#[tokio::test]
async fn a_profile_tells_about_people_and_channels() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#about").await;
    bob.send("TOPIC #about :Everything about it").await;
    bob.drain().await;
    let gateway = Running::start(section_with(ergo.address, &json!({"connect": "always"})), &[]).await;
    let person = gateway.bridge.profile(&RemoteId::new("bob")).await.unwrap();
    assert_eq!((person.name.as_str(), person.kind), ("bob", monster_bridge_api::PlaceKind::Person));
    let channel = gateway.bridge.profile(&RemoteId::new("#about")).await.unwrap();
    assert_eq!(channel.kind, monster_bridge_api::PlaceKind::Group);
    assert!(channel.info.iter().any(|row| row.value == "Everything about it"), "{channel:?}");
    bob.join("#mod").await;
    bob.send("MODE #mod +m").await;
    bob.drain().await;
    let moderated = gateway.bridge.profile(&RemoteId::new("#mod")).await.unwrap();
    assert_eq!(moderated.kind, monster_bridge_api::PlaceKind::Channel);
    let nobody = gateway.bridge.profile(&RemoteId::new("nobody")).await;
    assert!(matches!(nobody, Err(monster_bridge_api::RequestError::Unknown(_))), "{nobody:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn one_message_goes_to_two_channels_and_to_each_once() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#one").await;
    bob.join("#two").await;
    let gateway = Running::start(section(ergo.address), &["#one", "#two"]).await;
    let first = message(&author("alice"), "#one", "to all");
    let second = monster_bridge_api::Delivery { target: RemoteId::new("#two"), ..first.clone() };
    let receipt = gateway.bridge.deliver(&first).await.unwrap();
    bob.hears("alice", "#one", "to all").await;
    gateway.bridge.deliver(&second).await.unwrap();
    bob.hears("alice", "#two", "to all").await;
    assert_eq!(gateway.bridge.deliver(&first).await.unwrap(), receipt, "done once is done");
    assert!(bob.drain().await.iter().all(|line| line.command != "PRIVMSG"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_given_up_does_not_give_up_the_message() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#slow").await;
    let slow = json!({"flood": {"burst": 1, "per_second": 4.0}});
    let gateway = Running::start(section_with(ergo.address, &slow), &["#slow"]).await;
    let delivery = message(&author("alice"), "#slow", "patience");
    let begun = tokio::time::timeout(std::time::Duration::from_millis(1), gateway.bridge.deliver(&delivery)).await;
    assert!(begun.is_err(), "a connection takes longer than that");
    let (again, found) = tokio::join!(gateway.bridge.deliver(&delivery), gateway.bridge.find(&delivery));
    assert_eq!(found, Ok(monster_bridge_api::Found::Delivered(again.unwrap())));
    bob.hears("alice", "#slow", "patience").await;
    assert!(bob.drain().await.iter().all(|line| line.command != "PRIVMSG"), "it came once");
    gateway.stop().await;
}

#[tokio::test]
async fn puppets_leave_a_channel_that_is_no_longer_used_and_take_new_names() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#gone").await;
    bob.join("#stays").await;
    let gateway = Running::start(section(ergo.address), &["#gone", "#stays"]).await;
    let mut alice = author("alice");
    gateway.says(&alice, "#gone", "hello").await;
    gateway.says(&alice, "#stays", "hello").await;
    alice.name = "alicia".to_owned();
    gateway.says(&alice, "#stays", "new name").await;
    bob.expect("the new nick", |line| line.command == "NICK" && line.text() == "alicia").await;
    gateway.bridge.use_room(&RemoteId::new("#gone"), None).await;
    bob.expect("alicia leaving", |line| line.command == "PART" && line.source == "alicia").await;
    gateway.says(&alice, "#stays", "still here").await;
    bob.hears("alicia", "#stays", "still here").await;
    gateway.stop().await;
}
