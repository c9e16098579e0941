//! Matrix rooms in links: of two homeserver instances, where everything that people do in a room exists
//! on both sides; by command, and on demand. With IRC as well: `four_networks.rs`, and with XMPP too.

use monster_testkit::{
    Ergo, Gateway, IrcClient, MatrixClient, MatrixStage, MonsterClient, Synapse, irc_section, matrix_section,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

async fn sees(who: &mut MatrixClient, room: &str, user: &str, membership: &str) -> Value {
    who.expect(&format!("{user}: {membership}"), |event| {
        event["room_id"] == room && event["state_key"] == user && event["content"]["membership"] == membership
    })
    .await
}

/// Two instances on one homeserver, a room on each, linked; bob in the first one, carol in the second.
struct Pair {
    _synapse: Synapse,
    gateway: Gateway,
    bob: MatrixClient,
    carol: MatrixClient,
    here: String,
    there: String,
}

/// Bob's ghost in the second room.
const GHOST_OF_BOB: &str = "@_second_bob=40hs.test_matrix:hs.test";

async fn pair() -> Pair {
    pair_with("").await
}

/// The same, with more keys in both instances' sections.
async fn pair_with(extra: &str) -> Pair {
    let mut synapse = Synapse::prepare();
    let second = format!("user_prefix = \"_second_\"\nsender_localpart = \"second\"\n{extra}");
    let sections = matrix_section("matrix", &synapse, extra) + &matrix_section("second", &synapse, &second);
    let mut gateway = Gateway::prepare(BINARY, &sections);
    for instance in ["matrix", "second"] {
        let registration = gateway.cli(&["registration", instance]).await;
        synapse.add_service(&registration);
    }
    synapse.run().await;
    gateway.run().await;
    let (mut bob, mut carol) = (synapse.register("bob").await, synapse.register("carol").await);
    bob.set_name("Bob B").await;
    let here = bob.create_public_room("here").await;
    let there = carol.create_public_room("there").await;
    let (one, two) = (gateway.address("#here@hs.test", "matrix"), gateway.address("#there@hs.test", "second"));
    gateway.cli(&["link", "add", &one, &two]).await;
    sees(&mut bob, &here, "@monster:hs.test", "join").await;
    sees(&mut carol, &there, "@second:hs.test", "join").await;
    Pair { _synapse: synapse, gateway, bob, carol, here, there }
}

#[tokio::test]
async fn everything_that_is_said_in_a_room_is_said_in_the_other() {
    let mut it = pair().await;
    let said = it.bob.say_html(&it.here, "hello carol", "hello <strong>carol</strong>").await;
    let heard = it.carol.hears(&it.there, "hello").await;
    assert_eq!(heard["sender"], GHOST_OF_BOB, "{heard}");
    assert_eq!(heard["content"]["formatted_body"], "hello <strong>carol</strong>", "{heard}");
    let members = it.carol.members(&it.there).await;
    assert!(members.contains(&(GHOST_OF_BOB.to_owned(), "Bob B".to_owned())), "{members:?}");

    it.bob.send(&it.here, "m.room.message", json!({"msgtype": "m.emote", "body": "waves"})).await;
    let emote = it.carol.hears(&it.there, "waves").await;
    assert_eq!(emote["content"]["msgtype"], "m.emote", "{emote}");
    let copy = heard["event_id"].as_str().expect("an id").to_owned();
    it.carol.reply(&it.there, &copy, "hello bob").await;
    let reply = it.bob.hears(&it.here, "hello bob").await;
    assert_eq!(reply["content"]["m.relates_to"]["m.in_reply_to"]["event_id"], json!(said), "{reply}");

    let put = it.carol.react(&it.there, &copy, "👋").await;
    let reaction = it.bob.expect("a reaction", |event| event["type"] == "m.reaction").await;
    assert_eq!(reaction["content"]["m.relates_to"]["event_id"], json!(said), "{reaction}");
    it.carol.redact(&it.there, &put, "").await;
    let gone = it.bob.expect("the reaction's end", |event| event["type"] == "m.room.redaction").await;
    assert_eq!(redacted(&gone), reaction["event_id"], "{gone}");

    it.bob.edit(&it.here, &said, "hello Carol").await;
    let edit = it.carol.hears(&it.there, "hello Carol").await;
    assert_eq!(edit["content"]["m.relates_to"]["event_id"], json!(copy), "{edit}");
    it.bob.redact(&it.here, &said, "a slip").await;
    let gone = it.carol.expect("the redaction", |event| event["type"] == "m.room.redaction").await;
    assert_eq!(redacted(&gone), json!(copy), "{gone}");
    assert_eq!(gone["content"]["reason"], "a slip", "{gone}");
}

fn redacted(event: &Value) -> Value {
    event["content"].get("redacts").or(event.get("redacts")).cloned().unwrap_or_default()
}

#[tokio::test]
async fn files_voices_stickers_and_places_cross() {
    let mut it = pair().await;
    let uri = it.bob.upload("cat.png", "image/png", b"a picture of a cat".to_vec()).await;
    let picture = json!({"msgtype": "m.image", "body": "my cat", "filename": "cat.png", "url": uri,
        "info": {"mimetype": "image/png", "size": 18}});
    it.bob.send(&it.here, "m.room.message", picture).await;
    let copy = it.carol.hears(&it.there, "my cat").await;
    assert_eq!((&copy["content"]["msgtype"], &copy["content"]["filename"]), (&json!("m.image"), &json!("cat.png")));
    let copied = copy["content"]["url"].as_str().expect("a URI");
    assert_ne!(copied, uri, "it is a file of its own");
    assert_eq!(it.carol.download(copied).await, b"a picture of a cat");

    let voice = json!({"msgtype": "m.audio", "body": "voice.ogg", "url": uri, "org.matrix.msc3245.voice": {}});
    it.bob.send(&it.here, "m.room.message", voice).await;
    let copy = it.carol.hears(&it.there, "voice.ogg").await;
    assert!(copy["content"]["org.matrix.msc3245.voice"].is_object(), "{copy}");
    it.bob.send(&it.here, "m.sticker", json!({"body": "wave", "url": uri, "info": {}})).await;
    it.carol.expect("a sticker", |event| event["type"] == "m.sticker" && event["sender"] == GHOST_OF_BOB).await;
    let place = json!({"msgtype": "m.location", "body": "Home", "geo_uri": "geo:51.5,-0.1"});
    it.bob.send(&it.here, "m.room.message", place).await;
    let copy = it.carol.hears(&it.there, "📍 Home").await;
    assert!(copy["content"]["formatted_body"].as_str().is_some_and(|html| html.contains("openstreetmap")), "{copy}");
}

#[tokio::test]
async fn comings_and_goings_names_typing_and_read_marks_cross() {
    let mut it = pair().await;
    it.bob.say(&it.here, "first").await;
    let copy = it.carol.hears(&it.there, "first").await;
    it.bob.typing(&it.here, true).await;
    it.carol
        .expect("bob typing", |event| {
            event["type"] == "m.typing" && event["content"]["user_ids"].as_array().is_some_and(|ids| !ids.is_empty())
        })
        .await;
    // Who has said nothing has no ghost in the other room, and nobody sees what they have read.
    it.carol.say(&it.there, "second").await;
    it.bob.hears(&it.here, "second").await;
    it.carol.read(&it.there, copy["event_id"].as_str().expect("an id")).await;
    it.bob
        .expect("the read mark of carol's ghost", |event| {
            event["type"] == "m.receipt" && event.to_string().contains("_monster_carol=40hs.test_second")
        })
        .await;
    let mut levels = it.carol.state(&it.there, "m.room.power_levels", "").await.expect("power levels");
    levels["users"]["@second:hs.test"] = json!(50);
    it.carol.set_state(&it.there, "m.room.power_levels", "", levels).await;
    it.bob.set_state(&it.here, "m.room.topic", "", json!({"topic": "crabs"})).await;
    it.carol.expect("the topic", |event| event["type"] == "m.room.topic" && event["content"]["topic"] == "crabs").await;
    it.bob.set_state(&it.here, "m.room.name", "", json!({"name": "Crabs"})).await;
    it.carol.expect("the name", |event| event["type"] == "m.room.name" && event["content"]["name"] == "Crabs").await;
    it.bob.set_name("Robert").await;
    let renamed = |event: &Value| event["state_key"] == GHOST_OF_BOB && event["content"]["displayname"] == "Robert";
    it.carol.expect("bob's other name", renamed).await;
    it.bob.leave(&it.here).await;
    sees(&mut it.carol, &it.there, GHOST_OF_BOB, "leave").await;
}

#[tokio::test]
async fn a_file_on_matrix_is_a_link_for_monster() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let bob = stage.synapse.register("bob").await;
    let id = bob.create_public_room("rust").await;
    stage.alice.request(json!({"code": "1001", "to": stage.room("#rust:hs.test")})).await;
    let uri = bob.upload("notes.txt", "text/plain", b"some notes".to_vec()).await;
    let file = json!({"msgtype": "m.file", "body": "notes.txt", "url": uri, "info": {"mimetype": "text/plain"}});
    bob.send(&id, "m.room.message", file).await;
    let heard = stage.alice.hears("notes.txt").await;
    let text = MonsterClient::text(&heard);
    let path = text.find("/media/").map(|at| &text[at..]).expect("a link");
    let path = path.split(|c: char| c.is_whitespace() || c == ')' || c == '>').next().unwrap_or_default();
    let (status, body) = stage.gateway.get(path).await.expect("an answer");
    assert_eq!((status, body.as_str()), (200, "some notes"));
}

#[tokio::test]
async fn whether_somebody_is_here_crosses_where_that_is_wanted() {
    let mut it = pair_with("presence = true").await;
    it.bob.say(&it.here, "hello").await;
    it.carol.hears(&it.there, "hello").await;
    for presence in ["unavailable", "online"] {
        it.bob.set_presence(presence).await;
        let is_it = |event: &Value| {
            event["type"] == "m.presence" && event["sender"] == GHOST_OF_BOB && event["content"]["presence"] == presence
        };
        it.carol.expect(&format!("bob: {presence}"), is_it).await;
    }
}

#[tokio::test]
async fn a_room_is_linked_from_elsewhere_only_if_it_is_open_to_that() {
    let mut it = pair().await;
    let alias = |name: &str| it.gateway.address(&format!("#{name}@hs.test"), "second");
    it.carol.create_public_room("open").await;
    it.carol.create_room(json!({"preset": "private_chat", "room_alias_name": "closed"})).await;
    let kept = json!({"preset": "public_chat", "room_alias_name": "kept",
        "power_level_content_override": {"events": {"org.monster.link": 50}}});
    it.carol.create_room(kept).await;
    let quiet = json!({"preset": "public_chat", "room_alias_name": "quiet",
        "power_level_content_override": {"events_default": 50}});
    it.carol.create_room(quiet).await;
    for (name, answer) in [
        ("closed", "does not let everybody in"),
        ("kept", "only certain people"),
        ("quiet", "only read"),
        ("open", "is linked with"),
    ] {
        it.bob.say(&it.here, &format!("!monster link {}", alias(name))).await;
        it.bob.hears(&it.here, answer).await;
    }
    let links = it.gateway.cli(&["link", "list"]).await;
    assert!(links.contains("#open") && !links.contains("#closed") && !links.contains("#kept"), "{links}");
}

#[tokio::test]
async fn a_room_is_made_on_demand() {
    let ergo = Ergo::start().await;
    let stage = MatrixStage::new(BINARY, "", &irc_section("ergo", &ergo, "")).await;
    let mut carol = IrcClient::connect(ergo.address, "carol", IrcClient::ALL_CAPS).await;
    carol.join("#crab").await;
    let mut bob = stage.synapse.register("bob").await;
    let id = bob.join("#_monster_=23crab_ergo:hs.test").await;
    carol.sees_in("#crab", "ergo-bot").await;
    carol.say("#crab", "from irc").await;
    bob.hears(&id, "from irc").await;
    bob.say(&id, "from matrix").await;
    carol.hears("", "#crab", "from matrix").await;
}

#[tokio::test]
async fn who_has_an_account_of_their_own_speaks_as_it() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let mut bob = stage.synapse.register("bob").await;
    let alice = stage.synapse.register("alice.m").await;
    let id = bob.create_public_room("rust").await;
    let (room, console) = (stage.room("#rust:hs.test"), stage.gateway.address("*", "matrix"));
    stage.alice.say(&console, &format!("login {}", alice.token)).await;
    stage.alice.hears("you are @alice.m:hs.test").await;
    stage.alice.request(json!({"code": "1001", "to": room})).await;
    stage.alice.say(&room, "it is me").await;
    let heard = bob.hears(&id, "it is me").await;
    assert_eq!(heard["sender"], "@alice.m:hs.test", "{heard}");
    bob.say(&id, "so I see").await;
    stage.alice.hears("so I see").await;
}
