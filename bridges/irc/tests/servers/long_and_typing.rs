//! What takes the place of words: a link to a message that is too long, and that somebody types.

use crate::support::{Running, author, deliver, message, reference, section, section_with};
use futures_util::StreamExt as _;
use monster_bridge_api::{Action, Author, HintDelivery, HintKind, MediaError, RemoteId, Support};
use monster_testkit::{Ergo, IrcClient};
use serde_json::json;

#[tokio::test]
async fn a_message_of_too_many_lines_is_begun_and_a_link_leads_to_the_whole_of_it() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#long").await;
    let few = json!({"max_lines": 5});
    let gateway = Running::start(section_with(ergo.address, &few), &["#long"]).await;
    let alice = author("Alice");

    gateway.says(&alice, "#long", "1\n2\n3\n4\nall five").await;
    bob.hears("Alice", "#long", "all five").await;

    let words: Vec<_> = (1..=40).map(|number| format!("verse {number}")).collect();
    let delivery = message(&alice, "#long", &words.join("\n"));
    let receipt = gateway.bridge.deliver(&delivery).await.unwrap();
    bob.hears("Alice", "#long", "verse 3 …").await;
    let link = bob.expect("the link", |line| line.text().contains("the whole message, 40 lines: ")).await;
    let file = link.text().rsplit_once(' ').unwrap().1.trim_end_matches(']').to_owned();
    assert_eq!(text_behind(&gateway, &file).await.unwrap(), words.join("\n"));

    let mut withdrawn = reference(&alice, &receipt, "verse 1");
    withdrawn.key = delivery.key.clone();
    let recall = Action::Recall { target: withdrawn, reason: None };
    gateway.bridge.deliver(&deliver(&alice, "#long", recall)).await.unwrap();
    let gone = text_behind(&gateway, &file).await;
    assert!(matches!(gone, Err(MediaError::Gone(_))), "what is withdrawn is not kept: {gone:?}");
    let other = text_behind(&gateway, "epoch").await;
    assert!(matches!(other, Err(MediaError::Gone(_))), "no other value is handed out: {other:?}");
    gateway.stop().await;
}

async fn text_behind(gateway: &Running, file: &str) -> Result<String, MediaError> {
    let media = gateway.bridge.media(file).await?;
    let pieces: Vec<_> = media.body.map(|piece| piece.unwrap()).collect().await;
    Ok(String::from_utf8(pieces.concat()).unwrap())
}

#[tokio::test]
async fn that_somebody_types_is_shown_by_their_puppet() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#typing").await;
    let gateway = Running::start(section(ergo.address), &["#typing"]).await;
    let alice = author("Alice");
    assert_eq!(gateway.bridge.capabilities(&RemoteId::new("#typing")).typing, Support::Full);

    // Nobody connects only to type.
    types(&gateway, &alice, "#typing", true);
    gateway.says(&alice, "#typing", "hello").await;
    bob.hears("Alice", "#typing", "hello").await;
    types(&gateway, &alice, "#typing", true);
    let typing = bob.expect("that Alice types", |line| line.tag("+typing").is_some()).await;
    assert_eq!((typing.source.as_str(), typing.tag("+typing")), ("Alice", Some("active")));
    types(&gateway, &alice, "#typing", false);
    bob.expect("that Alice stopped", |line| line.tag("+typing") == Some("done")).await;

    gateway.says(&alice, "bob", "in private").await;
    bob.hears("Alice", "bob", "in private").await;
    types(&gateway, &alice, "bob", true);
    bob.expect("that Alice types to bob", |line| line.tag("+typing") == Some("active")).await;
    gateway.stop().await;
}

fn types(gateway: &Running, who: &Author, target: &str, active: bool) {
    let kind = HintKind::Typing(active);
    gateway.bridge.hint(HintDelivery { target: RemoteId::new(target), author: who.clone(), kind });
}
