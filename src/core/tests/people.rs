//! What people say to each other in private, and how they become contacts; what nobody may.

use super::world::*;
use crate::core::{Act, Peer};
use monster_bridge_api::{Action, Admission, EventKind, PersonaId};
use monster_protocol::{AccountType, CallContext, Decision, Media, Request, RequestBody, Response, Status};

#[tokio::test]
async fn somebody_who_has_not_shown_who_they_are_may_ask_who_others_are_and_nothing_else() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let about = world.ask(&Peer::Anonymous, &alice, RequestBody::Info).await;
    assert_eq!((about.status, about.nickname.as_deref()), (Status::Information, Some("alice")));
    assert_eq!(about.account_type, Some(AccountType::Person));
    assert!(about.reads_extensions());
    let room = world.ask(&Peer::Anonymous, &ours("#x:net"), RequestBody::Info).await;
    assert_eq!(room.account_type, Some(AccountType::Group));
    for body in [RequestBody::Join { pass: None }, RequestBody::Leave, RequestBody::Text { text: "x".into() }] {
        assert_eq!(world.ask(&Peer::Anonymous, &alice, body).await.status, Status::BadRequest);
    }
    for nobody in ["nobody", "x:nonet", "a:b:net", "a b:net"] {
        let answer = world.ask(&Peer::Anonymous, &ours(nobody), RequestBody::Info).await;
        assert_eq!(answer.status, Status::BadRequest, "{nobody}");
        assert!(answer.error.is_some());
    }
}

#[tokio::test]
async fn what_does_not_live_here_is_elsewhere_for_other_servers_and_asked_there_for_our_own() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let carol = at("@carol:other.example");
    let answer = world.core.request(&remote("@dave:third.example"), &carol, text("1", "hi")).await;
    assert_eq!((answer.status, answer.location), (Status::Elsewhere, Some(carol.clone())));
    let mut known = Response::new("", Status::Information);
    known.nickname = Some("Carol".into());
    world.monsters.answers.lock().insert(carol.to_string(), known);
    let about = world.core.request(&home(&alice), &carol, Request::new("mine", RequestBody::Info)).await;
    assert_eq!((&*about.message_id, about.nickname.as_deref()), ("mine", Some("Carol")));
    let dark = world.ask(&home(&alice), &at("@x:dark.example"), RequestBody::Info).await;
    assert_eq!(dark.status, Status::Unavailable);
}

#[tokio::test]
async fn calls_have_a_clear_answer() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let context = CallContext::parse("v=0", "c").unwrap();
    let call = RequestBody::Call { media: Media::Voice, context };
    let answer = world.ask(&home(&alice), &alice, call).await;
    assert_eq!(
        (answer.status, answer.error.as_deref()),
        (Status::BadRequest, Some("calls are switched off on this gateway"))
    );
}

#[tokio::test]
async fn two_people_of_any_sides_talk_in_private() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let bob = ours("Bob:net");
    world.say(&home(&alice), &bob, "1", "psst").await;
    let delivery = world.reaches_network().await;
    assert_eq!((delivery.target.as_str(), delivery.author.id.as_str()), ("bob", alice.as_str()));
    world.net.says("e1", "Bob", private(&alice), "yes?").await;
    let (to, via, message) = world.arrives().await;
    assert_eq!((&*to, &*via), (alice.as_str(), "@bob:net:gw.example.org"));
    assert_eq!((&message.group, message.words.as_deref()), (&None, Some("yes?")));
    let mut reply = text("2", "this");
    reply.ext.reply_to = Some(message.key.clone().into());
    world.core.request(&home(&alice), &bob, reply).await;
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("a message") };
    assert_eq!(content.text.to_plain(), "Bob (“yes?”): this");
    let carol = remote("@carol:other.example");
    world.say(&carol, &bob, "1", "from afar").await;
    assert_eq!(world.reaches_network().await.author.id, PersonaId::new("@carol:other.example"));
    world.say(&carol, &alice, "1", "from afar").await;
    assert_eq!(world.arrives().await.0, alice.as_str());
    world.say(&home(&alice), &at("@carol:other.example"), "1", "and back").await;
    assert_eq!(world.arrives().await.0, "@carol:other.example");
    world.nothing_more().await;
}

#[tokio::test]
async fn what_nobody_could_see_is_refused_wherever_it_goes() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    for to in [&bob, &ours("bob:net"), &ours("#x:net"), &ours("*:net"), &at("@carol:other.example")] {
        for blank in ["", " \n\t", "\u{200b}", "\u{3164}", "```\n```", "\u{2}"] {
            let body = RequestBody::Text { text: blank.into() };
            let answer = world.ask(&home(&alice), to, body).await;
            assert_eq!(answer.status, Status::BadRequest, "{blank:?} to {to}");
            assert!(answer.error.is_some_and(|error| error.contains("empty")));
        }
    }
    let mut reaction = text("r", "x");
    (reaction.ext.reaction, reaction.ext.reply_to) = (Some("\u{200b}".into()), Some("1".into()));
    assert_eq!(world.core.request(&home(&alice), &bob, reaction).await.status, Status::BadRequest);
    for seen in ["👍", "字", "-", "> ", "\u{200b}x"] {
        assert_eq!(
            world.ask(&home(&alice), &bob, RequestBody::Text { text: seen.into() }).await.status,
            Status::Accepted
        );
        assert_eq!(world.arrives().await.0, bob.as_str());
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn another_server_says_when_something_was_said_unless_that_cannot_be() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let carol = remote("@carol:other.example");
    let now = world.core.now_ms();
    let (day, keep) = (86_400_000, i64::try_from(impatient().keep.as_millis()).unwrap());
    let cases =
        [(now - 60_000, true), (now - keep + 60_000, true), (now - keep - day, false), (now + day, false), (0, false)];
    for (id, (time, is_believed)) in cases.into_iter().enumerate() {
        let mut frame = text(&format!("t{id}"), "hello");
        frame.ext.time = u64::try_from(time).ok();
        assert_eq!(world.core.request(&carol, &alice, frame).await.status, Status::Accepted);
        let at = world.arrives().await.2.at;
        assert!(if is_believed { at == time } else { (now..=world.core.now_ms()).contains(&at) }, "{time}: {at}");
    }
    // A home socket says it when it comes.
    let mut frame = text("own", "hello");
    frame.ext.time = u64::try_from(now - 60_000).ok();
    world.core.request(&home(&alice), &at("@carol:other.example"), frame).await;
    assert!(world.arrives().await.2.at >= now);
}

#[tokio::test]
async fn a_contact_is_asked_for_and_agreed_to_or_declined() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let asked = world.ask(&home(&alice), &bob, RequestBody::Join { pass: Some("it's me".into()) }).await;
    assert_eq!((asked.status, asked.decision), (Status::Information, Some(Decision::Waiting)));
    let (to, via, message) = world.arrives().await;
    assert_eq!((&*to, &*via), (bob.as_str(), alice.as_str()));
    assert_eq!(message.act, Act::Ask { pass: Some("it's me".to_owned()) });
    assert_eq!(world.join(&home(&bob), &alice).await.decision, Some(Decision::Accepted));
    let (to, _, message) = world.arrives().await;
    assert_eq!((&*to, &message.act), (alice.as_str(), &Act::Ask { pass: None }));
    assert_eq!(world.join(&home(&alice), &bob).await.decision, Some(Decision::Accepted));

    let ended = world.ask(&home(&bob), &alice, RequestBody::Leave).await;
    assert_eq!(ended.status, Status::Accepted);
    assert_eq!(world.arrives().await.2.act, Act::Close);
    assert_eq!(world.join(&home(&alice), &bob).await.decision, Some(Decision::Waiting));
    world.arrives().await;
    world.ask(&home(&bob), &alice, RequestBody::Leave).await;
    let (to, _, message) = world.arrives().await;
    assert_eq!((&*to, &message.act), (alice.as_str(), &Act::Close));
    assert!(world.admin().relations().await.unwrap().is_empty());
    world.nothing_more().await;
}

#[tokio::test]
async fn a_contact_on_another_server_agrees_when_it_asks_back() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let carol = at("@carol:other.example");
    let waiting = Response::new("", Status::Information).with_decision(Decision::Waiting);
    world.monsters.answers.lock().insert(carol.to_string(), waiting);
    assert_eq!(world.join(&home(&alice), &carol).await.decision, Some(Decision::Waiting));
    assert_eq!(world.join(&remote(carol.as_str()), &alice).await.decision, Some(Decision::Accepted));
    assert_eq!(world.arrives().await.2.act, Act::Ask { pass: None });
    assert_eq!(world.join(&home(&alice), &carol).await.decision, Some(Decision::Accepted));
    world.nothing_more().await;
}

#[tokio::test]
async fn a_request_from_a_network_is_agreed_to_by_asking_back() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let bob = ours("bob:net");
    world.net.happens("e1", "Bob", private(&alice), EventKind::Request { pass: None }).await;
    assert_eq!(world.arrives().await.2.act, Act::Ask { pass: None });
    assert_eq!(world.join(&home(&alice), &bob).await.decision, Some(Decision::Accepted));
    assert_eq!(world.net.joined.lock().len(), 1);
    world.net.happens("e2", "Bob", private(&alice), EventKind::Closed).await;
    assert_eq!(world.arrives().await.2.act, Act::Close);
    *world.net.admission.lock() = Admission::Waiting;
    assert_eq!(world.join(&home(&alice), &bob).await.decision, Some(Decision::Waiting));
    world.net.happens("e3", "Bob", private(&alice), EventKind::Decided(Admission::Accepted)).await;
    assert_eq!(world.arrives().await.2.act, Act::Ask { pass: None });
    world.nothing_more().await;
}

#[tokio::test]
async fn a_bridge_takes_commands_at_its_own_address_and_carries_each_out_once() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let console = ours("*:net");
    let about = world.ask(&home(&alice), &console, RequestBody::Info).await;
    assert!(about.info.iter().any(|row| row.title == "state" && row.value == "connected"), "{:?}", about.info);
    world.say(&home(&alice), &console, "1", "help").await;
    world.say(&home(&alice), &console, "1", "help").await;
    let (to, via, message) = world.arrives().await;
    assert_eq!((&*to, &*via), (alice.as_str(), console.as_str()));
    assert_eq!(message.act, Act::Say { text: "you said help".to_owned(), reply_to: None });
    world.nothing_more().await;
}

#[tokio::test]
async fn administrators_are_told_which_field_is_wrong() {
    use crate::core::{AdminError, NewEnd};
    let world = World::new().await;
    let alice = world.person("alice").await;
    let link = async |ends: &[&monster_protocol::Address], pass: Option<&str>| {
        let ends = ends.iter().map(|address| NewEnd { address: (*address).clone(), posting: None }).collect();
        world.admin().add_link(ends, pass.map(str::to_owned)).await
    };
    let (one, two, group) = (ours("#one:net"), ours("#two:net"), ours("lobby"));
    for ends in [&[&one, &alice][..], &[&one, &ours("bob:net")], &[&one], &[&one, &ours("#ONE:net")]] {
        assert!(matches!(link(ends, None).await, Err(AdminError::Invalid { field: "ends", .. })), "{ends:?}");
    }
    for ends in [&[&one, &at("@room:other.example")][..], &[&one, &ours("#x:nonet")], &[&one, &ours("*:net")]] {
        assert!(matches!(link(ends, None).await, Err(AdminError::Invalid { field: "ends", .. })), "{ends:?}");
    }
    for (ends, pass) in [([&one, &two], "x"), ([&one, &group], "a\r\nb")] {
        assert!(matches!(link(&ends, Some(pass)).await, Err(AdminError::Invalid { field: "pass", .. })));
    }
    let made = link(&[&one, &group], Some("xyzzy")).await.unwrap();
    assert_eq!(made.ends.len(), 2);
    let extended = link(&[&group, &two], None).await.unwrap();
    assert_eq!((extended.id, extended.ends.len()), (made.id, 3));
    let (three, four) = (ours("#three:net"), ours("#four:net"));
    link(&[&three, &four], None).await.unwrap();
    assert!(matches!(link(&[&one, &three], None).await, Err(AdminError::Store(_))), "two links are not one");
    let wrong = world.ask(&home(&alice), &group, RequestBody::Join { pass: Some("plugh".into()) }).await;
    assert_eq!(wrong.decision, Some(Decision::WrongPass));

    let alias = world.admin().add_alias("net", "#One", &ours("front-door")).await.unwrap();
    assert_eq!(alias.remote_id, "#one");
    let about = world.ask(&Peer::Anonymous, &ours("front-door"), RequestBody::Info).await;
    assert_eq!(about.nickname.as_deref(), Some("#one"));
    for (bridge, remote, address) in [("no", "#x", "x"), ("net", "a b", "x"), ("net", "#x", "alice")] {
        assert!(world.admin().add_alias(bridge, remote, &ours(address)).await.is_err(), "{bridge} {remote} {address}");
    }
}
