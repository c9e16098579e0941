//! Two bridged networks and nobody else: what goes between their rooms and their people.

use super::world::*;
use crate::core::Act;
use crate::store::RelationState;
use monster_bridge_api::{
    Action, Admission, Content, Event, EventId, EventKind, Hint, HintKind, Membership, PersonaId, Presence, Reference,
    RemoteId, RemoteUser, RoomProfile, Support, Text, Venue,
};
use monster_protocol::Address;

fn user(name: &str) -> RemoteUser {
    RemoteUser { id: RemoteId::new(name.to_lowercase()), name: name.to_owned(), picture: None }
}

fn words(action: Action) -> String {
    let Action::Send { content, .. } = action else { panic!("words, not {action:?}") };
    content.text.to_plain()
}

fn message(words: &str, reply_to: Option<&str>) -> Content {
    Content { text: Text::plain(words), reply_to: reply_to.map(EventId::new), ..Content::default() }
}

fn ids(reference: &Reference) -> Vec<&str> {
    reference.ids.iter().map(EventId::as_str).collect()
}

/// `#one` of the near network is linked with `#two` of the far one.
async fn linked() -> World {
    let world = World::new().await;
    world.link(&[&ours("#one:net"), &ours("#two:far")]).await;
    world
}

fn full(world: &World) {
    for net in [&world.net, &world.far] {
        let mut can = net.capabilities.lock();
        (can.edit, can.recall, can.reply) = (Support::Full, Support::Full, Support::Full);
        (can.membership, can.room_profile) = (Support::Full, Support::Full);
        (can.typing, can.read, can.presence) = (Support::Full, Support::Full, Support::Full);
    }
}

#[tokio::test]
async fn comings_goings_and_topics_are_shown_as_the_other_network_can() {
    let mut world = linked().await;
    let alice = world.person("alice").await;
    world.join(&home(&alice), &ours("#one:net")).await;
    let topic = RoomProfile { name: None, topic: Some("tea".to_owned()) };
    let happenings = [EventKind::Membership(Membership::Joined), EventKind::RoomProfile(topic.clone())];
    let [joined, changed] = happenings.clone();
    // Left out, but for the topic at the account.
    world.net.happens("a1", "Carl", room("#one"), joined).await;
    world.net.happens("a2", "Carl", room("#one"), changed).await;
    let (_, via, told) = world.arrives().await;
    assert_eq!(told.act, Act::Say { text: "Carl changed the topic to “tea”".to_owned(), reply_to: None });
    assert_eq!(via, ours("#one:net").as_str());
    world.nothing_more().await;
    for (support, id) in [(Support::Words, "b"), (Support::Full, "c")] {
        {
            let mut can = world.far.capabilities.lock();
            (can.membership, can.room_profile) = (support, support);
        }
        for (number, kind) in happenings.clone().into_iter().enumerate() {
            world.net.happens(&format!("{id}{number}"), "Carl", room("#one"), kind).await;
        }
        let (first, second) = (world.reaches_far().await, world.reaches_far().await);
        assert_eq!(first.author.name, "Carl");
        if support == Support::Full {
            assert_eq!(first.action, Action::Membership(Membership::Joined));
            assert_eq!(second.action, Action::RoomProfile(topic.clone()));
        } else {
            assert_eq!(words(first.action), "joined");
            assert_eq!(words(second.action), "changed the topic to “tea”");
        }
        world.arrives().await;
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn hints_go_to_who_is_concerned_and_can_show_them() {
    let mut world = linked().await;
    full(&world);
    world.far.capabilities.lock().typing = Support::Words;
    let (net, far) = (world.net.host().await, world.far.host().await);
    world.net.says("e1", "Carl", room("#one"), "hello").await;
    let given = world.reaches_far().await;
    world.settled().await;
    let given = world.far.on_network.lock()[given.key.as_str()].ids[0].clone();

    let venue = || room("#one");
    net.hint(Hint::Typing { user: user("Carl"), venue: venue(), active: true });
    net.hint(Hint::Read { user: user("Carl"), venue: venue(), up_to: EventId::new("nobody knows") });
    net.hint(Hint::Read { user: user("Carl"), venue: venue(), up_to: EventId::new("e1") });
    net.hint(Hint::Presence { user: user("Carl"), presence: Presence::Away });
    net.hint(Hint::Profile(user("Carl")));
    let private = Venue::Private(PersonaId::new(ours("dora:far").as_str()));
    net.hint(Hint::Read { user: user("Carl"), venue: private, up_to: EventId::new("e1") });
    far.hint(Hint::Read { user: user("Dora"), venue: room("#two"), up_to: given.clone() });
    far.hint(Hint::Typing { user: user("Dora"), venue: private_to_carl(), active: false });

    eventually("the last hint is passed on", async || world.net.hints.lock().len() == 2).await;
    let at_far: Vec<_> = world.far.hints.lock().drain(..).collect();
    assert_eq!(at_far.len(), 3, "{at_far:?}");
    assert!(at_far.iter().all(|hint| hint.target.as_str() == "#two" && hint.author.name == "Carl"));
    assert!(matches!(&at_far[0].kind, HintKind::Read(up_to) if up_to.ids == [given.clone()]), "{at_far:?}");
    assert_eq!((&at_far[1].kind, &at_far[2].kind), (&HintKind::Presence(Presence::Away), &HintKind::Profile));
    let at_net: Vec<_> = world.net.hints.lock().drain(..).collect();
    assert!(matches!(&at_net[0].kind, HintKind::Read(up_to) if ids(up_to) == ["e1"]), "{at_net:?}");
    assert_eq!((at_net[1].target.as_str(), &at_net[1].kind), ("carl", &HintKind::Typing(false)));
    world.nothing_more().await;
}

fn private_to_carl() -> Venue {
    Venue::Private(PersonaId::new(ours("carl:net").as_str()))
}

#[tokio::test]
async fn what_somebody_s_own_account_says_is_said_by_them_and_not_told_to_them() {
    let mut world = linked().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    for who in [&alice, &bob] {
        world.join(&home(who), &ours("#one:net")).await;
    }
    let own = |id: &str, persona: &Address| {
        let persona = Some(PersonaId::new(persona.as_str()));
        Event { persona, ..event(id, "Al1ce", room("#one"), EventKind::Message(message("hi", None))) }
    };
    let host = world.net.host().await;
    host.accept(own("e1", &alice)).await.unwrap();
    let (to, _, told) = world.arrives().await;
    assert_eq!((to.as_str(), told.author.as_str(), &*told.author_name), (bob.as_str(), alice.as_str(), "alice"));
    assert_eq!(world.reaches_far().await.author.id.as_str(), alice.as_str());
    world.nothing_more().await;
    // She edits it there, and others know whose it is.
    let edit = EventKind::Edit { target: EventId::new("e1"), content: message("hello", None) };
    let edit = Event { persona: Some(PersonaId::new(alice.as_str())), ..event("e2", "Al1ce", room("#one"), edit) };
    host.accept(edit).await.unwrap();
    let key = told.key.clone();
    assert_eq!(world.arrives().await.2.act, Act::Edit { replaces: key, text: "hello".to_owned() });
    world.reaches_far().await;
    // Nobody else's name is to be had like that.
    for (number, impostor) in
        [ours("dora:far"), at("@x:elsewhere.example"), ours("nobody"), ours("#two:far")].iter().enumerate()
    {
        host.accept(own(&format!("f{number}"), impostor)).await.unwrap();
        for (_, _, told) in world.arrive(2).await {
            assert_eq!(told.author, ours("al1ce:net"));
        }
        assert_eq!(world.reaches_far().await.author.name, "Al1ce");
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn people_of_two_networks_talk_edit_answer_and_withdraw() {
    let mut world = World::new().await;
    full(&world);
    let (carl, dora) = (ours("carl:net"), ours("dora:far"));
    world.net.says("e1", "Carl", private(&dora), "hello").await;
    let hello = world.reaches_far().await;
    assert_eq!((hello.target.as_str(), hello.author.id.as_str()), ("dora", carl.as_str()));
    assert_eq!(hello.author.name, "Carl");
    world.settled().await;
    let known_as = world.far.on_network.lock()[hello.key.as_str()].ids[0].clone();

    let reply = EventKind::Message(message("hi", Some(known_as.as_str())));
    world.far.happens("f1", "Dora", private(&carl), reply).await;
    let answer = world.reaches_network().await;
    let Action::Send { reply_to: Some(to), .. } = &answer.action else { panic!("an answer: {answer:?}") };
    assert_eq!((ids(to), to.author.as_ref().map(RemoteId::as_str)), (vec!["e1"], Some("carl")));

    let edit = EventKind::Edit { target: EventId::new("e1"), content: message("hello!", None) };
    world.net.happens("e2", "Carl", private(&dora), edit).await;
    let Action::Edit { target, .. } = world.reaches_far().await.action else { panic!("an edit") };
    assert_eq!(target.ids.first(), Some(&known_as), "by the id that it has there");
    assert_eq!(target.author, None, "nobody of that network wrote it");

    let recall = EventKind::Recall { target: EventId::new("f1"), reason: None };
    world.far.happens("f2", "Dora", private(&carl), recall).await;
    let Action::Recall { target, .. } = world.reaches_network().await.action else { panic!("a recall") };
    world.settled().await;
    let there = world.net.on_network.lock()[answer.key.as_str()].ids.clone();
    assert_eq!(target.ids, there);
    world.nothing_more().await;
}

#[tokio::test]
async fn a_request_goes_to_the_other_network_and_its_decision_comes_back() {
    let world = World::new().await;
    let (carl, dora, erna) = (ours("carl:net"), ours("dora:far"), ours("erna:far"));
    let asked = |net: &Net| net.joined.lock().clone();
    let request = || EventKind::Request { pass: Some("it is me".to_owned()) };
    // One network agrees at once.
    world.net.happens("e1", "Carl", private(&dora), request()).await;
    let pair =
        |who: &Address, whom: &str, pass: Option<&str>| (who.to_string(), whom.to_owned(), pass.map(str::to_owned));
    eventually("the answer comes back", async || !asked(&world.net).is_empty()).await;
    assert_eq!(asked(&world.far), [pair(&carl, "dora", Some("it is me"))]);
    assert_eq!(asked(&world.net), [pair(&dora, "carl", None)]);
    // The other one has to be waited for.
    *world.far.admission.lock() = Admission::Waiting;
    world.net.happens("e2", "Carl", private(&erna), request()).await;
    world.settled().await;
    assert_eq!(asked(&world.net).len(), 1);
    world.far.happens("f1", "Erna", private(&carl), EventKind::Decided(Admission::Accepted)).await;
    eventually("the decision arrives", async || asked(&world.net).contains(&pair(&erna, "carl", None))).await;
    let state = |place: &Address| {
        let graph = world.core.book.graph().read();
        graph.relation(carl.as_str(), place.as_str()).map(|relation| relation.state)
    };
    assert_eq!((state(&dora), state(&erna)), (Some(RelationState::Accepted), Some(RelationState::Accepted)));
    // And either parts.
    world.far.happens("f2", "Erna", private(&carl), EventKind::Closed).await;
    eventually("the end arrives", async || !asked(&world.net).contains(&pair(&erna, "carl", None))).await;
    assert_eq!(state(&erna), None);
}

#[tokio::test]
async fn a_request_that_is_refused_ends_it() {
    let mut world = World::new().await;
    let (carl, dora) = (ours("carl:net"), ours("dora:far"));
    *world.far.admission.lock() = Admission::WrongPass;
    world.net.happens("e1", "Carl", private(&dora), EventKind::Request { pass: None }).await;
    assert_eq!(words(world.reaches_network().await.action), "did not accept the pass");
    *world.far.admission.lock() = Admission::Refused;
    world.net.joined.lock().push((dora.to_string(), "carl".to_owned(), None));
    world.net.happens("e2", "Carl", private(&dora), EventKind::Request { pass: None }).await;
    eventually("the refusal arrives", async || world.net.joined.lock().is_empty()).await;
    assert!(world.core.book.graph().read().relation(carl.as_str(), dora.as_str()).is_none());
    world.nothing_more().await;
}
