//! What people of Monster and XMPP do beside talking, through the whole program against a real Prosody:
//! contacts, pictures, files, who may come into a room and speak there, and who has to leave.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minidom::Element;
use monster_testkit::{MonsterClient, XmppClient, XmppStage};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
const ROOM: &str = XmppStage::ROOM;
const ALICE: &str = "alice@monster.localhost";
const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// Somebody sets an option of a room that is theirs.
async fn configure(owner: &mut XmppClient, room: &str, option: &str, value: &str) {
    let form = format!(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
         <field var='{option}'><value>{value}</value></field></x></query>"
    );
    let done = owner.ask(room, "set", &form).await;
    assert_eq!(done.attr("type"), Some("result"), "{}", String::from(&done));
}

fn is_presence(stanza: &Element, from: &str, kind: Option<&str>) -> bool {
    stanza.name() == "presence"
        && stanza.attr("from").is_some_and(|sender| sender.starts_with(from))
        && stanza.attr("type") == kind
}

/// The first link in a text.
fn link(text: &str) -> &str {
    let from = text.find("http").unwrap_or_else(|| panic!("no link in `{text}`"));
    text[from..].split(|c: char| c.is_whitespace() || c == ')' || c == '>').next().unwrap_or_default()
}

#[tokio::test]
async fn who_asks_to_be_a_contact_waits_for_the_account_and_is_told_what_it_decided() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let at_bob = stage.on_xmpp("bob@localhost");
    // Prosody tells what becomes of a contact to clients that have asked for the contacts (RFC 6121 section 2.2).
    bob.ask("bob@localhost", "get", "<query xmlns='jabber:iq:roster'/>").await;
    bob.send(&format!("<presence type='subscribe' to='{ALICE}'><status>let me in</status></presence>")).await;
    let asked = stage.alice.expect("the request", |frame| frame["code"] == "1001").await;
    assert_eq!(asked["from"], json!(at_bob), "{asked}");
    let answer = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(answer["type"], "1", "{answer}");
    bob.expect("the agreement", |stanza| is_presence(stanza, ALICE, Some("subscribed"))).await;
    bob.expect("her being there", |stanza| is_presence(stanza, ALICE, None)).await;

    // She asked in turn, and ends it again.
    bob.expect("her request", |stanza| is_presence(stanza, ALICE, Some("subscribe"))).await;
    let ended = stage.alice.request(json!({"code": "1004", "to": at_bob})).await;
    assert_eq!(ended["statusCode"], "200", "{ended}");
    bob.expect("the end", |stanza| is_presence(stanza, ALICE, Some("unsubscribed"))).await;
}

#[tokio::test]
async fn who_does_not_want_to_be_a_contact_is_told_of_by_1004() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let at_bob = stage.on_xmpp("bob@localhost");
    let asked = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    bob.expect("the request", |stanza| is_presence(stanza, ALICE, Some("subscribe"))).await;
    bob.send(&format!("<presence type='unsubscribed' to='{ALICE}'/>")).await;
    let declined = stage.alice.expect("the decision", |frame| frame["code"] == "1004").await;
    assert_eq!(declined["from"], json!(at_bob), "{declined}");
}

#[tokio::test]
async fn who_blocks_somebody_is_not_written_to_and_the_author_is_told() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let at_bob = stage.on_xmpp("bob@localhost");
    let block = format!("<block xmlns='urn:xmpp:blocking'><item jid='{ALICE}'/></block>");
    let blocked = bob.ask("bob@localhost", "set", &block).await;
    assert_eq!(blocked.attr("type"), Some("result"), "{}", String::from(&blocked));
    stage.alice.say(&at_bob, "are you there?").await;
    let told = stage.alice.expect("being told", |frame| frame["from"] == json!(at_bob)).await;
    assert!(MonsterClient::text(&told).contains("cannot be reached"), "{}", MonsterClient::text(&told));
    let heard = bob.drain().await;
    assert!(!heard.iter().any(|stanza| XmppClient::body(stanza).contains("are you there?")), "{heard:?}");
}

#[tokio::test]
async fn a_picture_on_a_card_is_a_picture_on_monster() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let bytes = b"not much of a picture";
    let photo = format!("<PHOTO><TYPE>image/png</TYPE><BINVAL>{}</BINVAL></PHOTO>", BASE64_STANDARD.encode(bytes));
    bob.ask("bob@localhost", "set", &format!("<vCard xmlns='vcard-temp'><FN>Bob</FN>{photo}</vCard>")).await;
    let person = stage.alice.request(json!({"code": "1000", "to": stage.on_xmpp("bob@localhost")})).await;
    let url = person["picurl"].as_str().unwrap_or_default();
    let path = url.find("/media/").map(|at| &url[at..]);
    let path = path.unwrap_or_else(|| panic!("no picture: {person}"));
    let (status, body) = stage.gateway.get(path).await.expect("an answer");
    assert_eq!((status, body.as_bytes()), (200, &bytes[..]));
}

#[tokio::test]
async fn a_file_that_was_uploaded_to_the_xmpp_server_is_a_link_on_monster() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, _room) = stage.in_room().await;
    let request = format!("<request xmlns='{UPLOAD}' filename='notes.txt' size='10' content-type='text/plain'/>");
    let slot = bob.ask("upload.localhost", "get", &request).await;
    let slot = slot.get_child("slot", UPLOAD).unwrap_or_else(|| panic!("no place for a file: {}", String::from(&slot)));
    let url = |way: &str| slot.get_child(way, UPLOAD).and_then(|way| way.attr("url")).unwrap_or_default().to_owned();
    let mut put = reqwest::Client::new().put(url("put")).header("content-type", "text/plain").body("some notes");
    for header in slot.get_child("put", UPLOAD).into_iter().flat_map(Element::children) {
        put = put.header(header.attr("name").unwrap_or_default(), header.text());
    }
    let stored = put.send().await.expect("the upload's answer");
    assert!(stored.status().is_success(), "{}", stored.status());
    let get = url("get");
    bob.say_with(ROOM, &get, &format!("<x xmlns='jabber:x:oob'><url>{get}</url></x>")).await;
    let heard = MonsterClient::text(&stage.alice.hears("notes.txt").await);
    assert_eq!(link(&heard), get, "one link, as it was said: {heard}");
    assert_eq!(heard.matches("http").count(), 1, "{heard}");
}

#[tokio::test]
async fn a_room_for_members_lets_in_who_is_made_one() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let closed = "closed@conference.localhost";
    bob.join(closed, "Bob").await;
    configure(&mut bob, closed, "muc#roomconfig_membersonly", "1").await;
    let room = stage.on_xmpp(closed);
    let outside = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(outside["type"], "2", "{outside}");
    let made = "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='alice@monster.localhost'/></query>";
    let made = bob.ask(closed, "set", made).await;
    assert_eq!(made.attr("type"), Some("result"), "{}", String::from(&made));
    let inside = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(inside["type"], "1", "{inside}");
    stage.alice.say(&room, "thank you").await;
    bob.hears(&format!("{closed}/alice"), "thank you").await;
}

#[tokio::test]
async fn a_moderated_room_is_a_channel_and_who_has_no_voice_is_told() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let quiet = "quiet@conference.localhost";
    bob.join(quiet, "Bob").await;
    configure(&mut bob, quiet, "muc#roomconfig_moderatedroom", "1").await;
    let room = stage.on_xmpp(quiet);
    let about = stage.alice.request(json!({"code": "1000", "to": room})).await;
    assert_eq!(about["accountType"], "3", "{about}");
    let joined = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    stage.alice.say(&room, "may I?").await;
    let told = stage.alice.expect("being told", |frame| !frame["text"].is_null()).await;
    assert!(MonsterClient::text(&told).contains("could not"), "{}", MonsterClient::text(&told));
}

#[tokio::test]
async fn who_leaves_a_room_is_not_there_any_more_and_who_is_banned_is_told_why() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    let left = stage.alice.request(json!({"code": "1004", "to": room})).await;
    assert_eq!(left["statusCode"], "200", "{left}");
    let alice = format!("{ROOM}/alice");
    bob.expect("her leaving", |stanza| is_presence(stanza, &alice, Some("unavailable"))).await;

    let back = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(back["type"], "1", "{back}");
    let ban = "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast' \
               jid='alice@monster.localhost'><reason>too loud</reason></item></query>";
    let banned = bob.ask(ROOM, "set", ban).await;
    assert_eq!(banned.attr("type"), Some("result"), "{}", String::from(&banned));
    stage.alice.hears("too loud").await;
    let refused = stage.alice.request(json!({"code": "1001", "to": room})).await;
    assert_ne!(refused["type"], "1", "{refused}");
}

#[tokio::test]
async fn a_new_subject_is_told_and_names_who_changed_it() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    bob.send(&format!("<message to='{ROOM}' type='groupchat'><subject>all about crabs</subject></message>")).await;
    let told = stage.alice.hears("all about crabs").await;
    assert_eq!((&told["to"], &told["nickname"]), (&json!(room), &json!("Bob")), "{told}");
    let about = stage.alice.request(json!({"code": "1000", "to": room})).await;
    assert!(Value::to_string(&about).contains("all about crabs"), "{about}");
}

#[tokio::test]
async fn a_command_is_done_as_a_form_by_who_may_and_refused_to_others() {
    let stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    bob.join(ROOM, "Bob").await;
    // Who keeps a room, its occupants see only where addresses are no secret.
    configure(&mut bob, ROOM, "muc#roomconfig_whois", "anyone").await;
    let lobby = stage.gateway.address("lobby", "");
    stage.gateway.cli(&["link", "add", &lobby, &stage.on_xmpp(ROOM)]).await;
    bob.expect("the gateway in the room", |stanza| is_presence(stanza, &format!("{ROOM}/monster"), None)).await;
    let mut carol = stage.client("carol").await;
    let form = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='unlink' sessionid='unlink' action='complete'>\
         <x xmlns='jabber:x:data' type='submit'><field var='room'><value>{ROOM}</value></field></x></command>"
    );
    let refused = carol.ask("monster.localhost", "set", &form).await;
    assert!(String::from(&refused).contains("Only those who keep"), "{}", String::from(&refused));
    let status = "<command xmlns='http://jabber.org/protocol/commands' node='status' action='execute'/>";
    let status = bob.ask("monster.localhost", "set", status).await;
    assert!(String::from(&status).contains("completed"), "{}", String::from(&status));
    let done = bob.ask("monster.localhost", "set", &form).await;
    assert!(String::from(&done).contains("not linked any more"), "{}", String::from(&done));
}
