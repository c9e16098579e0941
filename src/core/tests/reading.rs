//! What an account may read again of what was said, and what it may not.

use super::world::*;
use crate::core::{Row, RowKind, Talk};
use crate::store::{AccountKind, RelationState};
use monster_bridge_api::EventKind;
use monster_protocol::{AccountType, Address, RequestBody, Response, Status};

/// Rows as `kind:text-or-id-referred-to`, newest first.
fn short(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{:?}:{}", row.kind, row.excerpt).to_lowercase()).collect()
}

async fn rows(world: &World, account: &Address, address: &Address) -> Vec<Row> {
    world.core.read_messages(account, address, None, 50).await.unwrap().expect("a conversation").0
}

async fn talks(world: &World, account: &Address) -> Vec<Talk> {
    world.core.read_talks(account, None, 50).await.unwrap()
}

fn addresses(talks: &[Talk]) -> Vec<&str> {
    talks.iter().map(|talk| talk.address.as_str()).collect()
}

/// Time is told in milliseconds: what follows is later than what was.
async fn later() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let before = now();
    eventually("the next millisecond", async || now() > before).await;
}

#[tokio::test]
async fn both_ends_of_a_private_conversation_read_it_and_nobody_else() {
    let world = World::new().await;
    let (alice, bob, eve) = (world.person("alice").await, world.person("bob").await, world.person("eve").await);
    world.say(&home(&alice), &bob, "a1", "hello bob").await;
    world.say(&home(&bob), &alice, "b1", "hello alice").await;
    world.say(&home(&eve), &bob, "e1", "psst").await;

    let of_alice = rows(&world, &alice, &bob).await;
    assert_eq!(short(&of_alice), ["text:hello alice", "text:hello bob"]);
    assert_eq!(of_alice[1].id, "a1", "one's own message has one's own id");
    assert!(of_alice[0].id.starts_with("mg-"), "{}", of_alice[0].id);
    assert_eq!(short(&rows(&world, &bob, &alice).await), ["text:hello alice", "text:hello bob"]);
    assert_eq!(short(&rows(&world, &eve, &alice).await), Vec::<String>::new());
    assert_eq!(addresses(&talks(&world, &eve).await), [bob.as_str()]);
    assert_eq!(addresses(&talks(&world, &bob).await), [eve.as_str(), alice.as_str()]);
}

#[tokio::test]
async fn an_account_made_anew_reads_nothing_of_the_one_before() {
    let world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    world.say(&home(&alice), &bob, "a1", "between us").await;
    world.admin().remove_account("alice").await.unwrap();
    assert!(world.core.read_messages(&alice, &bob, None, 50).await.unwrap().is_none());
    later().await;
    world.person("alice").await;
    assert_eq!(rows(&world, &alice, &bob).await, []);
    assert_eq!(talks(&world, &alice).await, []);
    assert_eq!(short(&rows(&world, &bob, &alice).await), ["text:between us"]);
}

#[tokio::test]
async fn a_room_is_read_from_when_one_came_in_and_until_one_leaves() {
    let world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.account("lobby", AccountKind::Group, None).await;
    assert!(world.core.read_messages(&alice, &room, None, 50).await.unwrap().is_none());
    world.say(&home(&alice), &room, "a1", "before bob").await;
    later().await;
    world.join(&home(&bob), &room).await;
    later().await;
    world.say(&home(&alice), &room, "a2", "with bob").await;

    assert_eq!(short(&rows(&world, &alice, &room).await), ["text:with bob", "text:before bob"]);
    assert_eq!(short(&rows(&world, &bob, &room).await), ["text:with bob"]);
    let of_bob = talks(&world, &bob).await;
    assert_eq!((addresses(&of_bob), of_bob[0].is_room), (vec![room.as_str()], true));
    assert_eq!(of_bob[0].relation, Some(RelationState::Accepted));

    assert_eq!(world.ask(&home(&bob), &room, RequestBody::Leave).await.status, Status::Accepted);
    assert!(world.core.read_messages(&bob, &room, None, 50).await.unwrap().is_none());
    assert_eq!(talks(&world, &bob).await, []);
}

#[tokio::test]
async fn linked_rooms_are_one_conversation_without_what_was_said_in_the_others_before() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let (one, two) = (ours("#one:net"), ours("#two:net"));
    let carol = world.person("carol").await;
    world.join(&home(&alice), &one).await;
    world.join(&home(&carol), &two).await;
    later().await;
    world.net.says("e1", "Carl", room("#one"), "in one").await;
    world.net.says("e2", "Dora", room("#two"), "in two").await;
    world.arrive(2).await;
    world.link(&[&one, &two]).await;
    world.net.says("e3", "Dora", room("#two"), "in both").await;
    world.arrive(2).await;

    assert_eq!(short(&rows(&world, &alice, &one).await), ["text:in both", "text:in one"]);
    assert_eq!(rows(&world, &alice, &two).await, rows(&world, &alice, &one).await);
    assert_eq!(short(&rows(&world, &carol, &two).await), ["text:in both", "text:in two"]);
    let of_alice = talks(&world, &alice).await;
    assert_eq!(addresses(&of_alice), [one.as_str()]);
    assert_eq!(of_alice[0].places, [one, two]);
}

#[tokio::test]
async fn edits_reactions_and_recalls_are_rows_that_name_their_message_as_frames_do() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    world.say(&home(&alice), &bob, "a1", "helo").await;
    let (_, _, told) = world.arrives().await;
    let mut edit = text("a2", "hello");
    edit.ext.replaces = Some("a1".into());
    let mut reaction = text("b1", "👍");
    reaction.ext.reaction = Some("👍".into());
    reaction.ext.reply_to = Some(told.key.clone().into());
    world.core.request(&home(&alice), &bob, edit).await;
    world.core.request(&home(&bob), &alice, reaction).await;
    world.ask(&home(&alice), &bob, RequestBody::Recall { target: "a1".into() }).await;

    let kinds = |rows: &[Row]| rows.iter().map(|row| row.kind).collect::<Vec<_>>();
    let of_bob = rows(&world, &bob, &alice).await;
    assert_eq!(kinds(&of_bob), [RowKind::Recall, RowKind::Reaction, RowKind::Edit, RowKind::Text]);
    assert_eq!(of_bob[3].id, told.key);
    assert_eq!(of_bob[1].id, "b1");
    for (row, id) in of_bob.iter().zip([&told.key; 3]) {
        let act = format!("{:?}", row.act);
        assert!(act.contains(id.as_str()), "{act} names {id}");
        assert_eq!(row.quote.as_ref().map(|quote| quote.author.as_str()), Some(alice.as_str()));
    }
    let of_alice = rows(&world, &alice, &bob).await;
    assert!(of_alice[..3].iter().all(|row| format!("{:?}", row.act).contains("\"a1\"")), "{of_alice:?}");
}

#[tokio::test]
async fn pages_follow_on_each_other_without_gaps_or_repetitions() {
    let world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    for n in 0..25 {
        world.say(&home(&alice), &bob, &format!("a{n}"), &format!("number {n}")).await;
    }
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = world.core.read_messages(&bob, &alice, before, 7).await.unwrap().unwrap();
        found.extend(page.into_iter().map(|row| row.excerpt));
        before = next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..25).rev().map(|n| format!("number {n}")).collect::<Vec<_>>());

    for name in ["c", "d", "e"] {
        world.say(&home(&alice), &ours(&format!("{name}:net")), name, "hi").await;
    }
    let first = world.core.read_talks(&alice, None, 3).await.unwrap();
    let rest = world.core.read_talks(&alice, Some(&first[2].position), 3).await.unwrap();
    let expected = ["@e:net:gw.example.org", "@d:net:gw.example.org", "@c:net:gw.example.org", bob.as_str()];
    assert_eq!([addresses(&first), addresses(&rest)].concat(), expected);
}

#[tokio::test]
async fn what_others_said_after_the_mark_is_unread() {
    let world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    for n in 0..3 {
        world.say(&home(&alice), &bob, &format!("a{n}"), "hi").await;
    }
    world.say(&home(&bob), &alice, "b1", "hi").await;
    let unread = async |account: &Address| talks(&world, account).await[0].unread;
    assert_eq!((unread(&bob).await, unread(&alice).await), (3, 1));
    let seen = rows(&world, &bob, &alice).await;
    assert!(world.core.mark_read(&bob, &alice, seen[2].number).await.unwrap());
    assert_eq!(unread(&bob).await, 1);
    assert!(world.core.mark_read(&bob, &alice, seen[3].number).await.unwrap());
    assert_eq!(unread(&bob).await, 1, "the mark never goes back");
    let nowhere = world.account("closed", AccountKind::Group, Some("x")).await;
    assert!(!world.core.mark_read(&bob, &nowhere, 1).await.unwrap());
}

#[tokio::test]
async fn contacts_and_requests_are_listed_as_each_side_sees_them() {
    let world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    world.join(&home(&alice), &bob).await;
    let relation = async |account: &Address| talks(&world, account).await[0].relation;
    assert_eq!(relation(&alice).await, Some(RelationState::Asked));
    assert_eq!(relation(&bob).await, Some(RelationState::Invited));
    assert_eq!(rows(&world, &bob, &alice).await[0].kind, RowKind::Request);
    world.join(&home(&bob), &alice).await;
    assert_eq!(relation(&alice).await, Some(RelationState::Accepted));
    assert_eq!(relation(&bob).await, Some(RelationState::Accepted));
}

#[tokio::test]
async fn an_address_made_up_to_look_like_a_conversation_opens_none() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    // Its conversation with bob is called `@alice:gw.example.org @b:evil.example @bob:gw.example.org`.
    let evil = at("@alice:gw.example.org @b:evil.example");
    world.core.request(&remote(evil.as_str()), &bob, text("1", "secret")).await;
    world.arrives().await;
    assert_eq!(talks(&world, &alice).await, []);
    let other = at("@b:evil.example @bob:gw.example.org");
    assert_eq!(rows(&world, &alice, &other).await, []);
}

#[tokio::test]
async fn who_comes_and_goes_is_a_notice_and_not_unread() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let hash = ours("#one:net");
    world.join(&home(&alice), &hash).await;
    later().await;
    let left = monster_bridge_api::Membership::Left(None);
    world.net.happens("e1", "Carl", room("#one"), EventKind::Membership(left)).await;
    world.net.says("e2", "Carl", room("#one"), "back").await;
    world.arrives().await;
    let found = rows(&world, &alice, &hash).await;
    assert_eq!(found[0].kind, RowKind::Text);
    assert!(found[1..].iter().all(|row| row.kind == RowKind::Notice), "{found:?}");
    assert_eq!(talks(&world, &alice).await[0].unread, 1);
}

#[tokio::test]
async fn who_passes_on_others_words_is_a_room_unless_their_server_says_that_they_are_a_person() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let kinds =
        [("@club:other.example", Some(AccountType::Group)), ("@carol:other.example", Some(AccountType::Person))];
    for (who, account_type) in kinds.into_iter().chain([("@dark:other.example", None)]) {
        if account_type.is_some() {
            let answer = Response { account_type, ..Response::new("", Status::Information) };
            world.monsters.answers.lock().insert(who.to_owned(), answer);
        }
        let mut frame = text("1", "hello");
        frame.ext.from = Some(at("@dave:third.example"));
        assert_eq!(world.core.request(&remote(who), &alice, frame).await.status, Status::Accepted);
    }
    eventually("the kinds being known", async || {
        let rooms = talks(&world, &alice).await.into_iter().filter(|talk| talk.is_room);
        let mut rooms: Vec<_> = rooms.map(|talk| talk.address.to_string()).collect();
        rooms.sort_unstable();
        rooms == ["@club:other.example", "@dark:other.example"]
    })
    .await;
}
