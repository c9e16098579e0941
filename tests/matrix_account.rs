//! The whole program between Monster clients and Synapse, with an account that it is signed in with.

use monster_testkit::{EncryptedClient, Gateway, MatrixClient, MonsterClient, Synapse};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
const RELAY: &str = "relay";

/// The section of an instance that is signed in as the user `relay`.
fn section(synapse: &Synapse, extra: &str) -> String {
    let (url, user, password) = (synapse.url(), synapse.user_id(RELAY), Synapse::PASSWORD);
    format!(
        "[bridges.matrix]\nkind = \"matrix\"\nmode = \"account\"\n\
         homeserver = \"{url}\"\nuser = \"{user}\"\npassword = \"{password}\"\n{extra}\n"
    )
}

/// A homeserver, a gateway that is signed in on it, and `alice` at home there.
struct Stage {
    synapse: Synapse,
    gateway: Gateway,
    alice: MonsterClient,
}

impl Stage {
    async fn new(extra: &str) -> Self {
        let synapse = Synapse::start().await;
        synapse.register(RELAY).await;
        let gateway = Gateway::start(BINARY, &section(&synapse, extra)).await;
        let token = gateway.account("alice").await;
        let alice = gateway.home("alice", &token).await;
        Self { synapse, gateway, alice }
    }

    /// The address of a room by its id.
    fn room(&self, id: &str) -> String {
        self.gateway.address(&id.replace(':', "@"), "matrix")
    }

    /// The address of a user by the local part.
    fn user(&self, name: &str) -> String {
        self.gateway.address(&format!("{name}@{}", Synapse::NAME), "matrix")
    }

    /// Lets alice into a room.
    async fn joins(&mut self, id: &str) -> String {
        let room = self.room(id);
        let joined = self.alice.request(json!({"code": "1001", "to": room})).await;
        assert_eq!((&joined["statusCode"], &joined["type"]), (&json!("100"), &json!("1")), "{joined}");
        room
    }
}

fn is_edit_of(event: &Value, target: &str) -> bool {
    event["content"]["m.relates_to"]["rel_type"] == "m.replace"
        && event["content"]["m.relates_to"]["event_id"] == target
}

#[tokio::test]
async fn what_people_do_in_a_room_passes_both_ways() {
    let mut stage = Stage::new("").await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("garden").await;
    let room = stage.joins(&id).await;

    stage.alice.say(&room, "hello *bob*").await;
    let heard = bob.hears(&id, "hello").await;
    assert_eq!(heard["content"]["body"], "alice: hello bob", "{heard}");
    assert_eq!(heard["content"]["formatted_body"], "<strong>alice</strong>: hello <em>bob</em>");
    assert_eq!(heard["sender"], json!(stage.synapse.user_id(RELAY)));

    let question = bob.say_html(&id, "which one?", "<b>which</b> one?").await;
    let heard = stage.alice.hears("one?").await;
    assert_eq!(MonsterClient::text(&heard), "**which** one?");
    assert_eq!((&heard["from"], &heard["to"]), (&json!(stage.user("bob")), &json!(room)));

    let reply = stage.alice.say_with(&room, "the second", json!({"replyTo": heard["messageId"]})).await;
    let event = bob.hears(&id, "the second").await;
    assert_eq!(event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"], question);
    stage.alice.say_with(&room, "the third", json!({"replaces": reply})).await;
    let edited = event["event_id"].as_str().unwrap();
    bob.expect("the edit", |event| is_edit_of(event, edited)).await;
    stage.alice.say_with(&room, "👍", json!({"replyTo": heard["messageId"], "reaction": "👍"})).await;
    let reaction = bob.expect("the reaction", |event| event["type"] == "m.reaction").await;
    assert_eq!(reaction["content"]["m.relates_to"]["event_id"], question);
    let withdrawn = stage.alice.request(json!({"code": "2004", "to": room, "recallMessageId": reply})).await;
    assert_eq!(withdrawn["statusCode"], "200", "{withdrawn}");
    bob.expect("the redaction", |event| event["content"]["redacts"] == edited || event["redacts"] == edited).await;

    bob.edit(&id, &question, "which two?").await;
    let edit = stage.alice.hears("which two?").await;
    assert_eq!(edit["replaces"], heard["messageId"], "{edit}");
    let thumbs = bob.react(&id, &question, "🎉").await;
    let reaction = stage.alice.expect("a reaction", |frame| frame["reaction"] == "🎉").await;
    assert_eq!(reaction["replyTo"], heard["messageId"]);
    bob.redact(&id, &thumbs, "").await;
    bob.redact(&id, &question, "a slip").await;
    let recall = stage
        .alice
        .expect("a recall", |frame| frame["code"] == "2004" && frame["recallMessageId"] == heard["messageId"]);
    recall.await;
}

#[tokio::test]
async fn a_file_from_matrix_is_fetched_through_the_gateway() {
    let mut stage = Stage::new("").await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("garden").await;
    stage.joins(&id).await;
    let uri = bob.upload("notes.txt", "text/plain", b"some notes".to_vec()).await;
    let file =
        json!({"msgtype": "m.file", "body": "notes.txt", "url": uri, "info": {"mimetype": "text/plain", "size": 10}});
    bob.send(&id, "m.room.message", file).await;
    let heard = stage.alice.hears("/media/").await;
    assert_eq!(fetched(&stage.gateway, &heard).await, "some notes");
}

/// The body behind the media link in a message.
async fn fetched(gateway: &Gateway, message: &Value) -> String {
    let text = MonsterClient::text(message);
    let from = text.find("/media/").unwrap_or_else(|| panic!("no link in `{text}`"));
    let path: String = text[from..].chars().take_while(|c| !c.is_whitespace() && !")]>".contains(*c)).collect();
    let (status, body) = gateway.get(&path).await.unwrap_or_else(|| panic!("the gateway does not answer at {path}"));
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test]
async fn a_conversation_with_a_person_begins_with_an_invitation() {
    let mut stage = Stage::new("encrypt_direct = false").await;
    let mut bob = stage.synapse.register("bob").await;
    let at_bob = stage.user("bob");
    let asked = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    let (id, from) = bob.invited().await;
    assert_eq!(from, stage.synapse.user_id(RELAY));
    bob.join(&id).await;
    stage.alice.expect("bob's answer", |frame| frame["code"] == "1001" && frame["from"] == *at_bob).await;
    stage.alice.say(&at_bob, "psst").await;
    assert_eq!(bob.hears(&id, "psst").await["content"]["body"], "psst");
    bob.say(&id, "what is it?").await;
    let heard = stage.alice.hears("what is it?").await;
    assert_eq!(heard["from"], json!(at_bob));
    assert_eq!(heard["to"], json!(stage.gateway.address("alice", "")));
    bob.leave(&id).await;
    stage.alice.expect("the end", |frame| frame["code"] == "1004" && frame["from"] == *at_bob).await;
}

#[tokio::test]
async fn what_was_said_while_the_gateway_was_away_comes_once_and_in_order() {
    let mut stage = Stage::new("").await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("garden").await;
    let room = stage.joins(&id).await;
    bob.say(&id, "before").await;
    stage.alice.hears("before").await;
    // More than one sync holds, in two rows, the second after a kill. A frame whose answer died with the gateway is
    // pushed again under its id.
    let mut seen = std::collections::HashSet::new();
    for (row, restart) in [(0, false), (1, true)] {
        if restart {
            stage.gateway.kill().await;
        } else {
            assert!(stage.gateway.stop().await.success());
        }
        for number in 0..70 {
            bob.say(&id, &format!("line {row}-{number:02}")).await;
        }
        stage.gateway.run().await;
        let token = stage.gateway.cli(&["account", "token", "alice"]).await;
        stage.alice = stage.gateway.home("alice", &token).await;
        for number in 0..70 {
            let is_new = |frame: &Value| frame["code"] == "2001" && !seen.contains(&frame["messageId"].to_string());
            let frame = stage.alice.expect("a line", is_new).await;
            seen.insert(frame["messageId"].to_string());
            assert_eq!(MonsterClient::text(&frame), format!("line {row}-{number:02}"));
        }
    }
    stage.alice.say(&room, "all heard").await;
    let mut bob: MatrixClient = bob;
    bob.hears(&id, "all heard").await;
}

#[tokio::test]
async fn an_encrypted_room_is_read_and_written_and_the_device_survives_a_restart() {
    let mut stage = Stage::new("").await;
    let mut bob = EncryptedClient::register(&stage.synapse, "bob").await;
    let relay = stage.synapse.user_id(RELAY);
    let id = bob.create(json!({"invite": [relay], "name": "vault"})).await;
    let room = stage.joins(&id).await;
    bob.knows(&id, &relay).await;
    let device = bob.devices(&relay).await;

    stage.alice.say(&room, "to bob").await;
    let heard = bob.hears(&id, "to bob").await;
    assert_eq!((&heard["content"]["body"], &heard["undecrypted"]), (&json!("alice: to bob"), &json!(false)));
    let first = bob.say(&id, "to alice").await;
    let message = stage.alice.hears("to alice").await;
    let change = json!({
        "msgtype": "m.text", "body": "* changed",
        "m.new_content": {"msgtype": "m.text", "body": "changed"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": first},
    });
    bob.send(&id, "m.room.message", change).await;
    let edit = stage.alice.hears("changed").await;
    assert_eq!(edit["replaces"], message["messageId"]);

    let mut file = bob.upload("a secret text").await;
    file["v"] = json!("v2");
    let content = json!({"msgtype": "m.file", "body": "a.txt", "file": file, "info": {"mimetype": "text/plain"}});
    bob.send(&id, "m.room.message", content).await;
    let heard = stage.alice.hears("/media/").await;
    assert_eq!(fetched(&stage.gateway, &heard).await, "a secret text");

    assert!(stage.gateway.stop().await.success());
    bob.say(&id, "said meanwhile").await;
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    stage.alice = stage.gateway.home("alice", &token).await;
    stage.alice.hears("said meanwhile").await;
    stage.alice.say(&room, "after the restart").await;
    bob.hears(&id, "after the restart").await;
    assert_eq!(bob.devices(&relay).await, device, "the device is another one after a restart");
}

#[tokio::test]
async fn a_message_whose_key_has_not_come_is_told_in_words_and_read_in_its_place_later() {
    let mut stage = Stage::new("").await;
    let mut bob = EncryptedClient::register(&stage.synapse, "bob").await;
    let relay = stage.synapse.user_id(RELAY);
    let id = bob.create(json!({"invite": [relay]})).await;
    stage.joins(&id).await;
    bob.knows(&id, &relay).await;
    bob.say_without_key(&id, "the late words").await;
    let told = stage.alice.hears("cannot be read yet").await;

    // The message waits over a restart.
    stage.gateway.kill().await;
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    stage.alice = stage.gateway.home("alice", &token).await;
    bob.give_key(&id).await;
    let read = stage.alice.hears("the late words").await;
    assert_eq!(read["replaces"], told["messageId"], "{read}");
    bob.say(&id, "and then").await;
    let next = stage.alice.expect("what is said next", |frame| frame["code"] == "2001").await;
    assert_eq!(MonsterClient::text(&next), "and then", "the late message came twice");
}

#[tokio::test]
async fn keys_that_are_lost_are_explained() {
    let mut stage = Stage::new("").await;
    assert!(stage.gateway.stop().await.success());
    let data = stage.gateway.dir().join("data");
    let stores = directories(&data).into_iter().find(|path| is_stores(path));
    std::fs::remove_dir_all(stores.expect("a directory of keys")).unwrap();
    stage.gateway.run_unready().await;
    let status = monster_testkit::until("the reason on /readyz", || async {
        let (_, body) = stage.gateway.get("/readyz").await?;
        body.contains("encryption keys").then_some(body)
    });
    assert!(status.await.contains("monster-gateway login matrix"));
}

#[tokio::test]
async fn somebody_signs_in_at_the_terminal_while_the_gateway_waits_for_it() {
    let synapse = Synapse::start().await;
    let mut bob = synapse.register("bob").await;
    synapse.register(RELAY).await;
    let section =
        format!("[bridges.matrix]\nkind = \"matrix\"\nmode = \"account\"\nhomeserver = \"{}\"\n", synapse.url());
    let mut gateway = Gateway::prepare(BINARY, &section);
    gateway.run_unready().await;
    monster_testkit::until("the reason on /readyz", || async {
        gateway.get("/readyz").await?.1.contains("monster-gateway login matrix").then_some(())
    })
    .await;
    let user = synapse.user_id(RELAY);
    let (done, said) = gateway.cli_with_input(&["login", "matrix"], &format!("{user}\nwrong\n\n")).await;
    assert!(!done && said.contains("403"), "{said}");
    let answers = format!("{user}\n{}\n\n", Synapse::PASSWORD);
    let (done, said) = gateway.cli_with_input(&["login", "matrix"], &answers).await;
    assert!(done && said.contains(&format!("signed in as {user}")), "{said}");
    assert!(!said.contains(Synapse::PASSWORD), "the password was shown: {said}");
    monster_testkit::until("the gateway being ready", || async {
        (gateway.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let id = bob.create_public_room("garden").await;
    let room = gateway.address(&id, "matrix");
    assert_eq!(alice.request(json!({"code": "1001", "to": room})).await["type"], "1");
    alice.say(&room, "here I am").await;
    bob.hears(&id, "here I am").await;
}

fn is_stores(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stores-"))
}

fn directories(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        found.push(entry.path());
        found.extend(directories(&entry.path()));
    }
    found
}
