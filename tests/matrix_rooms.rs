//! Getting into Matrix rooms and being put out of them, what stands in them beside messages, and the
//! instance's space: the whole program with a Monster client and Synapse, in *appservice* mode.

use monster_testkit::{MatrixClient, MatrixStage, MonsterClient, until};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

async fn membership_of_alice(who: &mut MatrixClient, room: &str, membership: &str) {
    let ghost = MatrixStage::ghost("alice");
    who.expect(&format!("alice's ghost: {membership}"), |event| {
        event["room_id"] == room && event["state_key"] == *ghost && event["content"]["membership"] == membership
    })
    .await;
}

/// A room at whose door one knocks, with this alias.
async fn room_with_a_door(bob: &MatrixClient, alias: &str) -> String {
    let rule = json!({"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}});
    bob.create_room(json!({"preset": "private_chat", "room_alias_name": alias, "initial_state": [rule]})).await
}

#[tokio::test]
async fn who_knocks_is_let_in_or_turned_away() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let mut bob = stage.synapse.register("bob").await;
    for (alias, welcome) in [("open-door", true), ("closed-door", false)] {
        let id = room_with_a_door(&bob, alias).await;
        let room = stage.room(&format!("#{alias}:hs.test"));
        let asked = stage.alice.request(json!({"code": "1001", "to": room})).await;
        assert_eq!(asked["type"], "2", "{asked}");
        membership_of_alice(&mut bob, &id, "knock").await;
        let ghost = MatrixStage::ghost("alice");
        let code = if welcome {
            bob.invite(&id, &ghost).await;
            "1001"
        } else {
            bob.kick(&id, &ghost, "not you").await;
            "1004"
        };
        let decided = stage.alice.expect("the decision", |frame| frame["code"] == code && frame["from"] == *room);
        decided.await;
        if welcome {
            bob.say(&id, "welcome").await;
            stage.alice.hears("welcome").await;
        }
    }
}

#[tokio::test]
async fn who_is_invited_to_a_room_decides_themselves() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_room(json!({"preset": "private_chat", "name": "Vault"})).await;
    let room = stage.room(&id);
    bob.invite(&id, &MatrixStage::ghost("alice")).await;
    let asked = stage.alice.expect("the invitation", |frame| frame["code"] == "1001").await;
    assert_eq!(asked["from"], json!(room), "{asked}");
    let joined = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    membership_of_alice(&mut bob, &id, "join").await;
    bob.say(&id, "welcome").await;
    stage.alice.hears("welcome").await;
    stage.alice.say(&room, "thank you").await;
    bob.hears(&id, "thank you").await;
    let left = stage.alice.request(json!({"code": "1004", "to": room})).await;
    assert_eq!(left["statusCode"], "200", "{left}");
    membership_of_alice(&mut bob, &id, "leave").await;
}

#[tokio::test]
async fn who_is_banned_is_told_why_and_does_not_come_back() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    let room = stage.room("#rust:hs.test");
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    membership_of_alice(&mut bob, &id, "join").await;
    bob.ban(&id, &MatrixStage::ghost("alice"), "too many crabs").await;
    let told = stage.alice.hears("banned you").await;
    assert!(MonsterClient::text(&told).contains("too many crabs"), "{told}");
    stage.alice.expect("the end", |frame| frame["code"] == "1004" && frame["from"] == *room).await;
    let again = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_ne!(again["type"], "1", "{again}");
    // And the bot does not speak in her place.
    let answer = stage.alice.request(json!({"code": "2001", "to": room, "text": "aGV5"})).await;
    bob.say(&id, "the end of it").await;
    bob.expect("the end of it", |event| event["content"]["body"] == "the end of it").await;
    let said = bob.history(&id, 50).await;
    let hers = said.iter().filter(|event| event["content"]["body"].as_str().is_some_and(|body| body.contains("hey")));
    assert_eq!(hers.count(), 0, "{answer}");
}

#[tokio::test]
async fn a_thread_is_a_row_of_answers_to_its_first_message() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    stage.alice.request(json!({"code": "1001", "to": stage.room("#rust:hs.test")})).await;
    let root = bob.say(&id, "a subject").await;
    let first = stage.alice.hears("a subject").await;
    let mut last = root.clone();
    for words in ["one thing", "another thing"] {
        let relation = json!({"rel_type": "m.thread", "event_id": root, "is_falling_back": true,
            "m.in_reply_to": {"event_id": last}});
        let content = json!({"msgtype": "m.text", "body": words, "m.relates_to": relation});
        last = bob.send(&id, "m.room.message", content).await;
        let heard = stage.alice.hears(words).await;
        assert_eq!(heard["replyTo"], first["messageId"], "{heard}");
    }
}

#[tokio::test]
async fn an_answer_to_a_message_of_another_room_quotes_nothing() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let (bob, mallory) = (stage.synapse.register("bob").await, stage.synapse.register("mallory").await);
    let vault = bob.create_public_room("vault").await;
    let square = mallory.create_public_room("square").await;
    for room in ["#vault:hs.test", "#square:hs.test"] {
        let joined = stage.alice.request(json!({"code": "1001", "to": stage.room(room)})).await;
        assert_eq!(joined["type"], "1", "{joined}");
    }
    let secret = bob.say(&vault, "the secret words").await;
    let known = stage.alice.hears("the secret words").await;
    mallory.reply(&square, &secret, "so what?").await;
    let heard = stage.alice.hears("so what?").await;
    assert_ne!(heard["replyTo"], known["messageId"], "{heard}");
    assert!(!MonsterClient::text(&heard).contains("secret"), "{heard}");
}

#[tokio::test]
async fn only_who_has_the_power_at_the_time_changes_a_rooms_links() {
    let stage = MatrixStage::new(BINARY, "", "").await;
    let (mut bob, mut eve) = (stage.synapse.register("bob").await, stage.synapse.register("eve").await);
    let id = bob.create_public_room("rust").await;
    eve.join(&id).await;
    bob.invite(&id, "@monster:hs.test").await;
    bob.expect("the bot", |event| event["state_key"] == "@monster:hs.test" && event["content"]["membership"] == "join")
        .await;
    let command = format!("!monster link {}", stage.gateway.address("lounge", ""));
    stage.gateway.cli(&["account", "add", "lounge", "--group"]).await;

    // The room's version gives its creator all power; whoever else has some stands in the levels.
    let refused = "Only those who keep";
    let commands = [(0, command.as_str(), refused), (50, &command, "is linked with"), (10, "!monster unlink", refused)];
    for (level, line, answer) in commands {
        let mut levels = bob.state(&id, "m.room.power_levels", "").await.expect("power levels");
        levels["users"][eve.id.as_str()] = json!(level);
        bob.set_state(&id, "m.room.power_levels", "", levels).await;
        eve.say(&id, line).await;
        eve.hears(&id, answer).await;
    }
    assert!(stage.gateway.cli(&["link", "list"]).await.contains("lounge"));
    bob.say(&id, "!monster unlink").await;
    bob.hears(&id, "not linked any more").await;
    assert!(!stage.gateway.cli(&["link", "list"]).await.contains("lounge"));
}

#[tokio::test]
async fn public_rooms_that_are_used_are_in_the_space_and_others_are_not() {
    let mut stage = MatrixStage::new(BINARY, "space = true", "").await;
    let bob = stage.synapse.register("bob").await;
    let public = bob.create_public_room("rust").await;
    let closed = bob.create_room(json!({"preset": "private_chat", "room_alias_name": "closed"})).await;
    for user in [MatrixStage::ghost("alice"), "@monster:hs.test".to_owned()] {
        bob.invite(&closed, &user).await;
    }
    for alias in ["#closed:hs.test", "#rust:hs.test"] {
        stage.alice.request(json!({"code": "1001", "to": stage.room(alias)})).await;
    }
    let is_child = |content: Option<Value>| content.is_some_and(|content| content["via"] == json!(["hs.test"]));
    until("the space", || bob.room_of("#_monster_=-space:hs.test")).await;
    let space = bob.join("#_monster_=-space:hs.test").await;
    let create = bob.state(&space, "m.room.create", "").await.expect("how it was made");
    assert_eq!(create["type"], "m.space", "{create}");
    until("the public room in the space", || async {
        is_child(bob.state(&space, "m.space.child", &public).await).then_some(())
    })
    .await;
    assert!(!is_child(bob.state(&space, "m.space.child", &closed).await), "a closed room is told to everybody");
    stage.alice.request(json!({"code": "1004", "to": stage.room("#rust:hs.test")})).await;
    until("the room's end in the space", || async {
        (!is_child(bob.state(&space, "m.space.child", &public).await)).then_some(())
    })
    .await;
}
