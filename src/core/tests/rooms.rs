//! What is said in rooms: who gets it, who does not, and what belongs to what.

use super::world::*;
use crate::core::{Act, Peer};
use crate::store::AccountKind;
use monster_bridge_api::{Accepted, Action, Admission, Content, EventId, EventKind, RemoteId, Support, Text};
use monster_protocol::{Decision, Request, RequestBody, Status};

#[tokio::test]
async fn what_is_said_in_a_linked_room_reaches_every_other_room_and_member_once() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let (one, two, group) = (ours("#one:net"), ours("#two:net"), ours("lobby"));
    world.link(&[&one, &two, &group]).await;
    world.join(&home(&alice), &one).await;
    world.join(&home(&alice), &group).await;
    world.join(&home(&bob), &group).await;

    assert_eq!(world.net.says("e1", "Carl", room("#one"), "hello").await, Accepted::New);
    let delivery = world.reaches_network().await;
    assert_eq!(delivery.target.as_str(), "#two");
    assert_eq!((delivery.author.id.as_str(), &*delivery.author.name), ("@carl:net:gw.example.org", "Carl"));
    let arrived = world.arrive(2).await;
    assert_eq!((&*arrived[0].0, &*arrived[0].1), (alice.as_str(), one.as_str()));
    assert_eq!((&*arrived[1].0, &*arrived[1].1), (bob.as_str(), group.as_str()));
    let message = &arrived[0].2;
    assert_eq!(message.group.as_ref(), Some(&one));
    assert_eq!(message.author.as_str(), "@carl:net:gw.example.org");
    assert_eq!(message.act, Act::Say { text: "hello".to_owned(), reply_to: None });
    assert_eq!(message.words.as_deref(), Some("Carl: hello"));
    world.nothing_more().await;

    world.say(&home(&bob), &group, "1", "**hi**").await;
    let mut targets = [world.reaches_network().await.target, world.reaches_network().await.target];
    targets.sort();
    assert_eq!(targets.iter().map(RemoteId::as_str).collect::<Vec<_>>(), ["#one", "#two"]);
    assert_eq!(world.arrives().await.0, alice.as_str());
    world.nothing_more().await;
}

#[tokio::test]
async fn a_repetition_has_no_second_effect_and_the_same_answer() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let hash = ours("#one:net");
    world.join(&home(&alice), &hash).await;
    for _ in 0..3 {
        world.say(&home(&alice), &hash, "same", "once").await;
        world.net.says("e1", "Carl", room("#one"), "once too").await;
    }
    world.reaches_network().await;
    world.arrives().await;
    world.nothing_more().await;
    let request = || Request::new("join", RequestBody::Join { pass: None });
    let before = world.core.request(&home(&alice), &hash, request()).await;
    *world.net.admission.lock() = Admission::WrongPass;
    assert_eq!(world.core.request(&home(&alice), &hash, request()).await, before);
}

#[tokio::test]
async fn speaking_in_an_open_room_joins_it_and_a_closed_one_asks_for_the_pass() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let closed = world.account("closed", AccountKind::Group, Some("xyzzy")).await;
    world.say(&home(&alice), &ours("#one:net"), "1", "hi").await;
    assert_eq!(world.net.joined.lock().len(), 1);
    world.reaches_network().await;

    let refused = world.core.request(&home(&alice), &closed, text("2", "hi")).await;
    assert_eq!(refused.status, Status::BadRequest);
    let with = |pass: &'static str| RequestBody::Join { pass: Some(pass.into()) };
    let wrong = world.ask(&home(&alice), &closed, with("plugh")).await;
    assert_eq!((wrong.status, wrong.decision), (Status::Information, Some(Decision::WrongPass)));
    let right = world.ask(&home(&alice), &closed, with("xyzzy")).await;
    assert_eq!(right.decision, Some(Decision::Accepted));
    world.say(&home(&alice), &closed, "3", "hi").await;
    world.nothing_more().await;
}

#[tokio::test]
async fn edits_recalls_replies_and_reactions_find_their_message_on_every_side() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let hash = ours("#one:net");
    {
        let mut capabilities = world.net.capabilities.lock();
        capabilities.edit = Support::Full;
        capabilities.reply = Support::Full;
        capabilities.reaction = Support::Words;
        capabilities.recall = Support::Words;
    }
    world.join(&home(&alice), &hash).await;
    world.net.says("e1", "Carl", room("#one"), "a question about life").await;
    let (_, _, question) = world.arrives().await;

    let mut reply = text("r", "an answer");
    reply.ext.reply_to = Some(question.key.clone().into());
    assert_eq!(world.core.request(&home(&alice), &hash, reply).await.status, Status::Accepted);
    let Action::Send { reply_to: Some(reference), .. } = world.reaches_network().await.action else {
        panic!("a reply with a reference");
    };
    assert_eq!(reference.ids, [EventId::new("e1")]);
    assert_eq!(reference.author.as_ref().map(RemoteId::as_str), Some("carl"));

    let mut edit = text("e", "a better answer");
    edit.ext.replaces = Some("r".into());
    assert_eq!(world.core.request(&home(&alice), &hash, edit).await.status, Status::Accepted);
    let Action::Edit { target, .. } = world.reaches_network().await.action else { panic!("an edit") };
    assert_eq!(target.ids, [EventId::new("n0")]);

    let mut reaction = text("x", "👍");
    reaction.ext.reaction = Some("👍".into());
    reaction.ext.reply_to = Some(question.key.clone().into());
    assert_eq!(world.core.request(&home(&alice), &hash, reaction).await.status, Status::Accepted);
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("words") };
    assert_eq!(content.text.to_plain(), "reacted with 👍 to “a question about life”");

    world.ask(&home(&alice), &hash, RequestBody::Recall { target: "x".into() }).await;
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("words") };
    assert_eq!(content.text.to_plain(), "took back 👍 from “a question about life”");
    world.ask(&home(&alice), &hash, RequestBody::Recall { target: "r".into() }).await;
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("words") };
    assert_eq!(content.text.to_plain(), "withdrew: “an answer”");

    // And back: somebody on the network reacts to what came from here, edits and withdraws.
    let emoji = "🎉".to_owned();
    let kind = EventKind::Reaction { target: EventId::new("n0"), emoji: emoji.clone(), removed: false };
    world.net.happens("e2", "Carl", room("#one"), kind).await;
    let (_, _, reacted) = world.arrives().await;
    assert_eq!(reacted.act, Act::React { reply_to: "r".to_owned(), emoji: emoji.clone() });
    let kind = EventKind::Reaction { target: EventId::new("n0"), emoji, removed: true };
    world.net.happens("e3", "Carl", room("#one"), kind).await;
    assert_eq!(world.arrives().await.2.act, Act::Recall { target: reacted.key.clone() });
    let content = Content { text: Text::plain("a rest"), ..Content::default() };
    world.net.happens("e4", "Carl", room("#one"), EventKind::Edit { target: EventId::new("e1"), content }).await;
    let edited = world.arrives().await.2;
    assert_eq!(edited.act, Act::Edit { replaces: question.key.clone(), text: "a rest".to_owned() });
    assert_eq!(edited.words.as_deref(), Some("Carl: edited “a question about life”: a rest"));
    let kind = EventKind::Recall { target: EventId::new("e1"), reason: None };
    world.net.happens("e5", "Carl", room("#one"), kind).await;
    assert_eq!(world.arrives().await.2.act, Act::Recall { target: question.key.clone() });
    world.nothing_more().await;
}

#[tokio::test]
async fn a_reply_to_a_message_of_another_conversation_quotes_nothing() {
    let mut world = World::new().await;
    let (alice, eve) = (world.person("alice").await, world.person("eve").await);
    let (secret, open) = (ours("#secret:net"), ours("#open:net"));
    world.join(&home(&alice), &secret).await;
    world.join(&home(&eve), &open).await;
    world.net.says("s1", "Carl", room("#secret"), "the launch code").await;
    let (_, _, secret_message) = world.arrives().await;

    let mut reply = text("1", "what?");
    reply.ext.reply_to = Some(secret_message.key.clone().into());
    world.core.request(&home(&eve), &open, reply).await;
    let Action::Send { content, reply_to } = world.reaches_network().await.action else { panic!("a message") };
    assert_eq!((content.text.to_plain(), reply_to), ("what?".to_owned(), None));

    let content = Content { text: Text::plain("hm"), reply_to: Some(EventId::new("s1")), ..Content::default() };
    world.net.happens("o1", "Dave", room("#open"), EventKind::Message(content)).await;
    let (_, _, message) = world.arrives().await;
    assert_eq!(message.act, Act::Say { text: "hm".to_owned(), reply_to: None });

    let recall = RequestBody::Recall { target: secret_message.key.clone().into() };
    assert_eq!(world.ask(&home(&eve), &open, recall.clone()).await.status, Status::BadRequest);
    assert_eq!(world.ask(&home(&alice), &secret, recall).await.status, Status::BadRequest);
    world.nothing_more().await;
}

#[tokio::test]
async fn nobody_edits_or_withdraws_what_others_said() {
    let mut world = World::new().await;
    let (alice, eve) = (world.person("alice").await, world.person("eve").await);
    let group = world.account("lobby", AccountKind::Group, None).await;
    world.join(&home(&alice), &group).await;
    world.join(&home(&eve), &group).await;
    world.say(&home(&alice), &group, "1", "mine").await;
    let (_, _, message) = world.arrives().await;
    let mut edit = text("2", "not mine");
    edit.ext.replaces = Some(message.key.clone().into());
    assert_eq!(world.core.request(&home(&eve), &group, edit).await.status, Status::BadRequest);
    let recall = RequestBody::Recall { target: message.key.clone().into() };
    assert_eq!(world.ask(&home(&eve), &group, recall).await.status, Status::BadRequest);
    world.nothing_more().await;
}

#[tokio::test]
async fn another_server_speaks_for_its_room_but_never_for_ours() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let passer = remote("@room:other.example");
    let mut frame = text("1", "hello");
    frame.ext.from = Some(at("@bob:third.example"));
    frame.ext.nickname = Some("Bob".into());
    world.core.request(&passer, &alice, frame).await;
    let (_, via, message) = world.arrives().await;
    assert_eq!((&*via, message.author.as_str()), ("@room:other.example", "@bob:third.example"));
    assert_eq!(message.group, Some(at("@room:other.example")));
    assert_eq!(message.words.as_deref(), Some("Bob: hello"));

    // An address of ours is not believed: the room has said it, and says who it was.
    let mut forged = text("2", "I quit");
    forged.ext.from = Some(ours("boss"));
    world.core.request(&passer, &alice, forged).await;
    let (_, _, message) = world.arrives().await;
    assert_eq!(message.author, at("@room:other.example"));
    assert_eq!(message.act, Act::Say { text: "boss: I quit".to_owned(), reply_to: None });

    // Bob's own id is his, whatever the room sent under it before; and the room withdraws nothing
    // of his.
    world.core.request(&remote("@bob:third.example"), &alice, text("1", "in person")).await;
    let (_, _, message) = world.arrives().await;
    assert_eq!(message.group, None);
    let mut recall = Request::new("3", RequestBody::Recall { target: message.key.clone().into() });
    recall.ext.from = Some(at("@bob:third.example"));
    assert_eq!(world.core.request(&passer, &alice, recall).await.status, Status::BadRequest);
    world.nothing_more().await;
}

#[tokio::test]
async fn a_message_that_comes_back_with_its_key_is_a_repetition() {
    let mut world = World::new().await;
    let (one, two) = (ours("#one:net"), ours("#two:net"));
    world.link(&[&one, &two]).await;
    world.net.says("e1", "Carl", room("#one"), "hello").await;
    let delivery = world.reaches_network().await;
    let mut echo = event("e2", "Mirror", room("#two"), EventKind::Message(Content::default()));
    echo.key = Some(delivery.key);
    assert_eq!(world.net.host().await.accept(echo).await, Ok(Accepted::Known));
    let mut first = event("e3", "Carl", room("#one"), EventKind::Notice("x".to_owned()));
    first.key = Some(foreign_key('a'));
    assert_eq!(world.net.host().await.accept(first.clone()).await, Ok(Accepted::New));
    assert_eq!(world.reaches_network().await.key, foreign_key('a'));
    first.id = EventId::new("e4");
    assert_eq!(world.net.host().await.accept(first).await, Ok(Accepted::Known));
    world.nothing_more().await;
}

#[tokio::test]
async fn a_bridge_is_told_which_rooms_are_in_use() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let (one, two) = (ours("#One:net"), ours("#two:net"));
    world.join(&home(&alice), &one).await;
    let id = world.link(&[&one, &two]).await;
    let used = |name: &'static str| {
        let net = &world.net;
        async move |want: bool| net.rooms.lock().get(name).map(Option::is_some) == Some(want)
    };
    eventually("both rooms are in use", async || used("#one")(true).await && used("#two")(true).await).await;
    let members = world.net.rooms.lock()["#one"].as_ref().map(|usage| usage.members.len());
    assert_eq!(members, Some(1), "a name is one room, however it is spelled");
    world.admin().remove_link(id).await.unwrap();
    eventually("the second is not", async || used("#two")(false).await && used("#one")(true).await).await;
    world.ask(&home(&alice), &one, RequestBody::Leave).await;
    eventually("none is", async || used("#one")(false).await).await;
    assert_eq!(world.net.says("e", "Carl", room("#one"), "anybody?").await, Accepted::Unconcerned);
}

#[tokio::test]
async fn what_another_process_changes_is_seen() {
    let world = World::new().await;
    let store = crate::store::sqlite::SqliteStore::open(world.data_dir()).unwrap();
    let ours_too = monster_protocol::Authority::new(HOST, None).unwrap();
    let command = crate::core::Admin::new(crate::core::Environment::system(), std::sync::Arc::new(store), ours_too);
    command.register_bridge(&monster_bridge_api::InstanceName::new("net"), world.net.clone());
    command.reload().await.unwrap();
    let ends = ["#one:net", "lobby"].map(|end| crate::core::NewEnd { address: ours(end), posting: None });
    command.add_link(ends.to_vec(), None).await.unwrap();
    eventually("the room is in use", async || world.net.rooms.lock().contains_key("#one")).await;
    let about = world.ask(&Peer::Anonymous, &ours("lobby"), RequestBody::Info).await;
    assert_eq!(about.account_type, Some(monster_protocol::AccountType::Group));
}
