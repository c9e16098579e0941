//! What bridges ask about people and rooms outside their network.

use super::world::*;
use crate::store::{Account, AccountKind, RelationState};
use monster_bridge_api::{Host, PersonaId, PlaceKind, RemoteId, RequestError};
use monster_protocol::{AccountType, Address, InfoItem, RequestBody, Response, Status};
use std::sync::Arc;

fn persona(address: &Address) -> PersonaId {
    PersonaId::new(address.as_str())
}

fn id(name: &str) -> RemoteId {
    RemoteId::new(name)
}

async fn linked(host: &Arc<dyn Host>, room: &str) -> Vec<String> {
    let mut linked: Vec<String> = host.linked(&id(room)).await.unwrap().iter().map(ToString::to_string).collect();
    linked.sort();
    linked
}

#[tokio::test]
async fn a_bridge_is_told_who_somebody_outside_is() {
    let world = World::new().await;
    let alice = Account {
        name: "alice".to_owned(),
        kind: AccountKind::Person,
        nickname: Some("Alice".to_owned()),
        picture: Some("https://pics.example/a.png".to_owned()),
        pass: None,
        created: 0,
    };
    let alice = world.admin().add_account(alice).await.unwrap();
    let closed = world.account("closed", AccountKind::Group, Some("xyzzy")).await;
    let host = world.net.host().await;

    let about = host.about(&persona(&alice)).await.unwrap();
    assert_eq!((&*about.name, about.picture.as_deref()), ("Alice", Some("https://pics.example/a.png")));
    assert_eq!(about.kind, PlaceKind::Person);
    let about = host.about(&persona(&closed)).await.unwrap();
    assert_eq!((&*about.name, about.kind), ("closed", PlaceKind::Group));
    let about = host.about(&persona(&ours("Dora:far"))).await.unwrap();
    assert_eq!((&*about.name, about.kind), ("dora", PlaceKind::Person));
    assert!(matches!(host.about(&persona(&ours("nobody"))).await, Err(RequestError::Unknown(_))));
    assert!(matches!(host.about(&PersonaId::new("nonsense")).await, Err(RequestError::Refused(_))));
}

#[tokio::test]
async fn another_server_is_asked_about_its_account_once_and_in_the_name_of_the_bridge() {
    let world = World::with(impatient(), |monsters| {
        let mut answer = Response::new("x", Status::Information);
        answer.nickname = Some("Dora".into());
        answer.picurl = Some("javascript:alert(1)".into());
        answer.account_type = Some(AccountType::Channel);
        answer.info = vec![InfoItem::new("town", "Rome"), InfoItem::new(monster_protocol::EXTENSIONS_TITLE, "1")];
        monsters.answers.lock().insert("@dora:far.example".to_owned(), answer);
    })
    .await;
    let host = world.net.host().await;
    for _ in 0..3 {
        let about = host.about(&PersonaId::new("@dora:far.example")).await.unwrap();
        assert_eq!((&*about.name, about.picture, about.kind), ("Dora", None, PlaceKind::Channel));
        assert_eq!(about.info.len(), 1, "{:?}", about.info);
    }
    assert!(matches!(world.monsters.asked.lock().as_slice(), [one] if matches!(one.body, RequestBody::Info)));
    let gone = host.about(&PersonaId::new("@erna:far.example")).await;
    assert!(matches!(gone, Err(RequestError::Unavailable(_))), "{gone:?}");
}

#[tokio::test]
async fn a_room_is_linked_from_within_its_network_and_taken_out_again() {
    let mut world = World::new().await;
    let (net, far) = (world.net.host().await, world.far.host().await);
    net.link(&id("#one"), &persona(&ours("#Two:far"))).await.unwrap();
    assert_eq!(linked(&net, "#one").await, [ours("#two:far").as_str()]);
    // The one that is in a link takes another one in, whoever asks.
    let group = world.account("lobby", AccountKind::Group, None).await;
    far.link(&id("#two"), &persona(&group)).await.unwrap();
    assert_eq!(linked(&net, "#one").await, [ours("#two:far").to_string(), group.to_string()]);

    world.net.says("e1", "Carl", room("#one"), "hello").await;
    assert_eq!(world.reaches_far().await.target.as_str(), "#two");
    far.unlink(&id("#two")).await.unwrap();
    far.unlink(&id("#two")).await.unwrap();
    assert_eq!(linked(&net, "#one").await, [group.as_str()]);
    assert_eq!(linked(&far, "#two").await, [""; 0]);
    world.net.says("e2", "Carl", room("#one"), "hello?").await;
    world.nothing_more().await;
    eventually("the bridge is told that nobody uses the room", async || {
        world.far.rooms.lock().get("#two").is_some_and(Option::is_none)
    })
    .await;
}

#[tokio::test]
async fn nobody_links_a_room_that_is_not_theirs_and_not_open() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    world.account("secret", AccountKind::Group, Some("xyzzy")).await;
    let with_key = RequestBody::Join { pass: Some("key".into()) };
    world.ask(&home(&alice), &ours("#keyed:far"), with_key).await;
    assert_eq!(world.store.relations().await.unwrap()[0].state, RelationState::Accepted);
    let host = world.net.host().await;
    for other in [
        ours("secret"),
        ours("#closed-one:far"),
        ours("#keyed:far"),
        ours("alice"),
        ours("carl:far"),
        ours("*:far"),
        ours("#one:net"),
        at("@room:far.example"),
    ] {
        let refused = host.link(&id("#one"), &persona(&other)).await;
        assert!(matches!(refused, Err(RequestError::Refused(_))), "{other}: {refused:?}");
    }
    // No group comes into being because somebody outside names it.
    assert!(matches!(host.link(&id("#one"), &persona(&ours("new"))).await, Err(RequestError::Unknown(_))));
    // Two conversations never become one by this.
    world.link(&[&ours("#one:net"), &ours("#two:net")]).await;
    world.link(&[&ours("#one:far"), &ours("#two:far")]).await;
    let swallow = host.link(&id("#one"), &persona(&ours("#one:far"))).await;
    assert!(matches!(swallow, Err(RequestError::Refused(_))), "{swallow:?}");
    assert_eq!(linked(&host, "#one").await, [ours("#two:net").as_str()]);
}
