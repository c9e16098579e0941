//! The whole program between a Monster client and Synapse, in *appservice* mode: each row of the table
//! in docs/matrix.md.

use monster_testkit::{MatrixStage, MonsterClient};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

async fn stage() -> MatrixStage {
    MatrixStage::new(BINARY, "", "").await
}

#[tokio::test]
async fn a_monster_person_and_a_matrix_user_talk_in_a_room() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    bob.set_name("Bob B").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");

    let joined = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!((&joined["statusCode"], &joined["type"]), (&json!("100"), &json!("1")), "{joined}");
    stage.alice.say(&room, "hello from *far*").await;
    let heard = bob.hears(&id, "hello from").await;
    assert_eq!(heard["sender"], MatrixStage::ghost("alice"));
    assert_eq!(heard["content"]["formatted_body"], "hello from <em>far</em>");
    let members = bob.members(&id).await;
    assert!(members.contains(&(MatrixStage::ghost("alice"), "alice".to_owned())), "{members:?}");

    bob.say_html(&id, "hi alice", "hi <strong>alice</strong>").await;
    let heard = stage.alice.hears("hi").await;
    assert_eq!(MonsterClient::text(&heard), "hi **alice**");
    assert_eq!((&heard["from"], &heard["to"]), (&json!(stage.on_matrix("bob")), &json!(room)));
    assert_eq!(heard["nickname"], "Bob B");
}

#[tokio::test]
async fn edits_replies_reactions_and_recalls_reach_matrix() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    let asked = bob.say(&id, "which one?").await;
    let question = stage.alice.hears("which one?").await;

    let reply = stage.alice.say_with(&room, "the second", json!({"replyTo": question["messageId"]})).await;
    let heard = bob.hears(&id, "the second").await;
    assert_eq!(heard["content"]["m.relates_to"]["m.in_reply_to"]["event_id"], json!(asked), "{heard}");

    stage.alice.say_with(&room, "👍", json!({"replyTo": question["messageId"], "reaction": "👍"})).await;
    let reaction = bob.expect("a reaction", |event| event["type"] == "m.reaction").await;
    assert_eq!(reaction["content"]["m.relates_to"]["key"], "👍", "{reaction}");
    assert_eq!(reaction["content"]["m.relates_to"]["event_id"], json!(asked), "{reaction}");

    stage.alice.say_with(&room, "the third", json!({"replaces": reply})).await;
    let edit = bob.hears(&id, "the third").await;
    assert_eq!(edit["content"]["m.relates_to"]["event_id"], heard["event_id"], "{edit}");
    assert_eq!(edit["content"]["m.new_content"]["body"], "the third", "{edit}");

    let withdrawn = stage.alice.request(json!({"code": "2004", "to": room, "recallMessageId": reply})).await;
    assert_eq!(withdrawn["statusCode"], "200", "{withdrawn}");
    let redaction = bob.expect("a redaction", |event| event["type"] == "m.room.redaction").await;
    let gone = redaction["redacts"].as_str().or(redaction["content"]["redacts"].as_str());
    assert_eq!(gone, heard["event_id"].as_str(), "{redaction}");
}

#[tokio::test]
async fn edits_replies_reactions_and_redactions_come_from_matrix() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    let mine = stage.alice.say(&room, "tea or coffee?").await;
    let question = bob.hears(&id, "tea or coffee?").await;
    let question = question["event_id"].as_str().expect("an id").to_owned();

    let answer = bob.reply(&id, &question, "tee").await;
    let reply = stage.alice.hears("tee").await;
    assert_eq!(reply["replyTo"], json!(mine), "{reply}");
    bob.edit(&id, &answer, "tea").await;
    let edit = stage.alice.hears("tea").await;
    assert_eq!(edit["replaces"], reply["messageId"], "{edit}");
    let put = bob.react(&id, &question, "🍵").await;
    let reaction = stage.alice.expect("a reaction", |frame| frame["reaction"] == "🍵").await;
    assert_eq!(reaction["replyTo"], json!(mine), "{reaction}");
    bob.redact(&id, &put, "").await;
    let taken_back = stage.alice.expect("the reaction's recall", |frame| frame["code"] == "2004").await;
    assert_eq!(taken_back["recallMessageId"], reaction["messageId"], "{taken_back}");
    bob.redact(&id, &answer, "never mind").await;
    let recall = stage.alice.expect("the recall", |frame| frame["code"] == "2004").await;
    assert_eq!(recall["recallMessageId"], reply["messageId"], "{recall}");
}

#[tokio::test]
async fn a_monster_person_asks_a_matrix_user_to_talk() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let at_bob = stage.on_matrix("bob");

    let asked = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    let (room, by) = bob.invited().await;
    assert_eq!(by, MatrixStage::ghost("alice"));
    bob.join(&room).await;
    let agreed = stage.alice.expect("the agreement", |frame| frame["code"] == "1001").await;
    assert_eq!(agreed["from"], json!(at_bob), "{agreed}");

    stage.alice.say(&at_bob, "psst").await;
    bob.hears(&room, "psst").await;
    bob.say(&room, "what is it?").await;
    let heard = stage.alice.hears("what is it?").await;
    assert_eq!(heard["from"], json!(at_bob));
    assert_eq!(heard["to"], json!(stage.gateway.address("alice", "")));
}

#[tokio::test]
async fn a_matrix_user_who_declines_has_declined() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let at_bob = stage.on_matrix("bob");
    stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    let (room, _) = bob.invited().await;
    bob.leave(&room).await;
    let declined = stage.alice.expect("the refusal", |frame| frame["code"] == "1004").await;
    assert_eq!(declined["from"], json!(at_bob), "{declined}");
}

#[tokio::test]
async fn a_matrix_user_asks_a_monster_person_to_talk() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let at_bob = stage.on_matrix("bob");
    let room = bob.create_direct(&MatrixStage::ghost("alice")).await;
    let asked = stage.alice.expect("the request", |frame| frame["code"] == "1001").await;
    assert_eq!(asked["from"], json!(at_bob), "{asked}");
    bob.hears(&room, "has been asked").await;

    let agreed = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(agreed["type"], "1", "{agreed}");
    bob.say(&room, "hello alice").await;
    stage.alice.hears("hello alice").await;
    stage.alice.say(&at_bob, "hello bob").await;
    bob.hears(&room, "hello bob").await;
}

#[tokio::test]
async fn a_closed_room_lets_people_in_by_invitation() {
    let mut stage = stage().await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_room(json!({"preset": "private_chat", "room_alias_name": "closed", "name": "Closed"})).await;
    let room = stage.room("#closed:hs.test");
    let asked = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    bob.invite(&id, &MatrixStage::ghost("alice")).await;
    let let_in = stage.alice.expect("the agreement", |frame| frame["code"] == "1001").await;
    assert_eq!(let_in["from"], json!(room), "{let_in}");
    bob.say(&id, "welcome").await;
    stage.alice.hears("welcome").await;

    bob.kick(&id, &MatrixStage::ghost("alice"), "spam").await;
    let told = stage.alice.hears("removed you").await;
    assert!(MonsterClient::text(&told).contains("spam"), "{told}");
    stage.alice.expect("the end", |frame| frame["code"] == "1004" && frame["from"] == json!(room)).await;
}

#[tokio::test]
async fn two_aliases_of_a_room_are_one_room() {
    let mut stage = stage().await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let path = "/v3/directory/room/%23crab%3Ahs.test";
    bob.put(path, json!({"room_id": id})).await;
    let (first, second) = (stage.room("#rust:hs.test"), stage.room("#crab:hs.test"));
    stage.alice.request(json!({"code": "1001", "to": first})).await;
    let refused = stage.alice.request(json!({"code": "1001", "to": second})).await;
    assert!(refused["error"].as_str().is_some_and(|why| why.contains(&first)), "{refused}");
    let again = stage.alice.request(json!({"code": "1001", "to": second})).await;
    assert_eq!(again["type"], "1", "{again}");
    bob.say(&id, "once").await;
    let heard = stage.alice.hears("once").await;
    assert_eq!(heard["to"], json!(first), "{heard}");
}

#[tokio::test]
async fn what_is_known_of_rooms_and_people_is_told() {
    let mut stage = stage().await;
    let bob = stage.synapse.register("bob").await;
    bob.set_name("Bob B").await;
    let id = bob.create_public_room("rust").await;
    bob.set_state(&id, "m.room.topic", "", json!({"topic": "crabs"})).await;
    let person = stage.alice.request(json!({"code": "1000", "to": stage.on_matrix("bob")})).await;
    assert_eq!((&person["nickname"], &person["accountType"]), (&json!("Bob B"), &json!("1")), "{person}");
    let room = stage.room("#rust:hs.test");
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    let told = stage.alice.request(json!({"code": "1000", "to": room})).await;
    assert_eq!(told["accountType"], "2", "{told}");
    let info = told["info"].as_array().expect("rows");
    assert!(info.iter().any(|row| row["title"] == "topic" && row["value"] == "crabs"), "{told}");
    let nobody = stage.alice.request(json!({"code": "1001", "to": stage.on_matrix("nobody")})).await;
    assert_eq!(nobody["statusCode"], "400", "{nobody}");
}

#[tokio::test]
async fn an_upgraded_room_is_followed_and_a_forged_one_is_not() {
    let mut stage = stage().await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    let elsewhere = bob.create_public_room("trap").await;
    bob.set_state(&id, "m.room.tombstone", "", json!({"body": "moved", "replacement_room": elsewhere})).await;
    bob.expect("the scout's retreat", |event| {
        event["room_id"] == json!(elsewhere) && event["content"]["membership"] == "leave"
    })
    .await;
    bob.say(&id, "still here").await;
    stage.alice.hears("still here").await;

    let path = format!("/v3/rooms/{id}/upgrade");
    let upgraded = bob.post(&path, json!({"new_version": "10"})).await;
    let new = upgraded["replacement_room"].as_str().expect("a room").to_owned();
    bob.expect("the ghost in the new room", |event| {
        event["room_id"] == json!(new) && event["state_key"] == json!(MatrixStage::ghost("alice"))
    })
    .await;
    bob.say(&new, "over here").await;
    let heard = stage.alice.hears("over here").await;
    assert_eq!(heard["to"], json!(room), "{heard}");
    stage.alice.say(&room, "I see").await;
    bob.hears(&new, "I see").await;
}

#[tokio::test]
async fn strangers_are_turned_away_at_the_homeservers_door() {
    let stage = stage().await;
    let (status, _) = stage.gateway.get("/_matrix/app/v1/users/%40_monster_alice%3Ahs.test").await.expect("an answer");
    assert_eq!(status, 403);
}

#[tokio::test]
async fn doctor_says_what_to_do_about_a_homeserver_that_does_not_know_the_bridge() {
    let stage = stage().await;
    let doctor = |config: std::path::PathBuf| async move {
        let output = tokio::process::Command::new(BINARY).arg("doctor").arg("--config").arg(config).output().await;
        String::from_utf8_lossy(&output.expect("doctor runs").stdout).into_owned()
    };
    let said = doctor(stage.gateway.config()).await;
    assert!(said.contains("the homeserver reaches the gateway"), "{said}");

    let other = stage.gateway.dir().join("other.toml");
    let text = std::fs::read_to_string(stage.gateway.config()).expect("a configuration");
    let section = "mode = \"appservice\"";
    let tokens = format!("{section}\nas_token = \"{}\"\nhs_token = \"{}\"", "a".repeat(32), "b".repeat(32));
    std::fs::write(&other, text.replace(section, &tokens)).expect("a second configuration");
    let said = doctor(other).await;
    assert!(said.contains("does not know the bridge") && said.contains("app_service_config_files"), "{said}");
}

#[tokio::test]
async fn what_was_said_while_the_gateway_was_away_is_heard_once_and_in_order() {
    let mut stage = stage().await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");
    bob.say(&id, "before anybody came").await;
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    bob.say(&id, "before").await;
    stage.alice.hears("before").await;
    stage.gateway.kill().await;
    for number in 0..10 {
        bob.say(&id, &format!("meanwhile {number}")).await;
    }
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    let mut alice = stage.gateway.home("alice", token.trim()).await;
    bob.say(&id, "after").await;
    // What alice's socket had not been acknowledged for when the gateway died comes again, under the same id.
    let (mut ids, mut texts) = (Vec::new(), Vec::new());
    while texts.last().is_none_or(|last| last != "after") {
        let heard = alice.expect("the next message", |frame| frame["code"] == "2001").await;
        if MonsterClient::text(&heard) != "before" && !ids.contains(&heard["messageId"]) {
            ids.push(heard["messageId"].clone());
            texts.push(MonsterClient::text(&heard));
        }
    }
    let expected: Vec<_> = (0..10).map(|number| format!("meanwhile {number}")).chain(["after".to_owned()]).collect();
    assert_eq!(texts, expected);
}
