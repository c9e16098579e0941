//! Commands to a bridge's bot.

use super::world::*;
use crate::core::Act;
use crate::store::AccountKind;
use monster_bridge_api::{Action, Control, RemoteId, RemoteUser};
use monster_protocol::Address;

async fn command(world: &World, room: Option<&str>, may_link: bool, line: &str) -> String {
    let by = RemoteUser { id: RemoteId::new("carl"), name: "Carl".to_owned(), picture: None };
    let command = Control { by, room: room.map(RemoteId::new), may_link, line: line.to_owned() };
    world.net.host().await.control(command).await
}

#[tokio::test]
async fn a_room_is_linked_and_unlinked_by_who_keeps_it() {
    let world = World::new().await;
    let two = ours("#two:far");
    let link = format!("link {two}");
    assert!(command(&world, Some("#one"), false, &link).await.contains("Only those who keep"));
    assert!(command(&world, None, true, &link).await.contains("in the room"));
    assert!(command(&world, Some("#one"), true, "link #two").await.contains("not an address"));
    assert!(command(&world, Some("#one"), true, "links").await.contains("not linked"));
    assert!(command(&world, Some("#one"), true, &format!("LINK  {two} ")).await.contains("is linked with"));
    assert_eq!(command(&world, Some("#one"), false, "links").await, format!("This room is linked with:\n{two}"));
    assert!(command(&world, Some("#one"), false, "status").await.contains("linked with 1 elsewhere"));
    assert!(command(&world, Some("#one"), false, "unlink").await.contains("Only those"));
    assert!(command(&world, Some("#one"), true, "unlink").await.contains("not linked any more"));
    assert!(command(&world, Some("#one"), true, "unlink").await.contains("not linked."));
}

#[tokio::test]
async fn an_account_is_asked_into_a_room_and_joins_by_agreeing() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let one = ours("#one:net");
    let invite = format!("invite {alice}");
    assert!(command(&world, Some("#one"), false, &invite).await.contains("is asked to join"));
    let (to, via, asked) = world.arrives().await;
    assert_eq!((to.as_str(), via.as_str()), (alice.as_str(), one.as_str()));
    assert_eq!(asked.act, Act::Ask { pass: Some("Carl asks you in".to_owned()) });
    assert!(command(&world, Some("#one"), false, &invite).await.contains("asked already"));
    world.join(&home(&alice), &one).await;
    assert!(command(&world, Some("#one"), false, &invite).await.contains("here already"));
    world.net.says("e1", "Carl", room("#one"), "welcome").await;
    assert_eq!(world.arrives().await.2.act, Act::Say { text: "welcome".to_owned(), reply_to: None });
    world.nothing_more().await;
}

#[tokio::test]
async fn somebody_of_another_network_is_told_what_the_room_is_called_there() {
    let mut world = World::new().await;
    let (one, two) = (ours("#one:net"), ours("#two:far"));
    let said = |action: Action| match action {
        Action::Send { content, .. } => content.text.to_plain(),
        other => panic!("words, not {other:?}"),
    };
    command(&world, Some("#one"), false, &format!("invite {}", ours("dora:far"))).await;
    let told = world.reaches_far().await;
    assert_eq!((told.target.as_str(), told.author.name.as_str()), ("dora", "Carl"));
    assert_eq!(said(told.action), format!("Carl invites you to {one}"));
    world.link(&[&one, &two]).await;
    command(&world, Some("#one"), false, &format!("invite {}", ours("dora:far"))).await;
    assert_eq!(said(world.reaches_far().await.action), format!("Carl invites you to #two, which is linked with {one}"));
    for nobody in [ours("nobody"), two, ours("*:far")] {
        let answer = command(&world, Some("#one"), false, &format!("invite {nobody}")).await;
        assert!(!answer.contains("is told") && !answer.contains("is asked"), "{nobody}: {answer}");
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_answered_in_words_and_nobody_commands_without_end() {
    let world = World::new().await;
    world.account("lobby", AccountKind::Group, None).await;
    let address = |name: &str| -> Address { ours(name) };
    for (line, expected) in [
        ("help", "link ADDRESS"),
        ("", "link ADDRESS"),
        ("dance", "I do not know `dance`"),
        ("link", "ADDRESS"),
        ("call", "switched off"),
        (&format!("call {} video", address("lobby")), "only from within"),
        ("call nobody", "not an address"),
    ] {
        let answer = command(&world, Some("#one"), true, line).await;
        assert!(answer.contains(expected), "`{line}`: {answer}");
    }
    for _ in 0..20 {
        command(&world, None, false, "help").await;
    }
    assert!(command(&world, None, false, "help").await.contains("wait"));
}
