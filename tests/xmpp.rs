//! Monster ↔ XMPP through the whole program, against a real Prosody.

use monster_testkit::{
    Ejabberd, Ergo, Gateway, IrcClient, MonsterClient, Prosody, XmppClient, XmppStage, irc_section, until,
};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
const ROOM: &str = XmppStage::ROOM;

fn attr_of<'a>(message: &'a minidom::Element, child: &str, namespace: &str, name: &'a str) -> Option<&'a str> {
    message.get_child(child, namespace).and_then(|child| child.attr(name))
}

#[tokio::test]
async fn people_talk_in_a_room() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    stage.alice.say(&room, "hello from Monster").await;
    let heard = bob.hears(&format!("{ROOM}/alice"), "hello from Monster").await;
    assert_eq!(heard.attr("type"), Some("groupchat"));
    bob.say(ROOM, "hello from XMPP").await;
    let frame = stage.alice.hears("hello from XMPP").await;
    assert_eq!(frame["to"], json!(room), "{frame}");
    assert_eq!(frame["nickname"], "Bob", "{frame}");
}

#[tokio::test]
async fn edits_replies_reactions_and_withdrawals_go_out() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    let first = stage.alice.say(&room, "frist").await;
    let heard = bob.hears(&format!("{ROOM}/alice"), "frist").await;
    let own = heard.attr("id").expect("our id").to_owned();
    let stanza_id = attr_of(&heard, "stanza-id", "urn:xmpp:sid:0", "id").expect("the room's id").to_owned();

    stage.alice.say_with(&room, "first", json!({"replaces": first})).await;
    let edited = bob.hears(&format!("{ROOM}/alice"), "first").await;
    assert_eq!(attr_of(&edited, "replace", "urn:xmpp:message-correct:0", "id"), Some(own.as_str()));

    stage.alice.say_with(&room, "second", json!({"replyTo": first})).await;
    let reply = bob.hears(&format!("{ROOM}/alice"), "second").await;
    assert_eq!(attr_of(&reply, "reply", "urn:xmpp:reply:0", "id"), Some(stanza_id.as_str()));
    assert_eq!(attr_of(&reply, "fallback", "urn:xmpp:fallback:0", "for"), Some("urn:xmpp:reply:0"));

    stage.alice.say_with(&room, "👍", json!({"replyTo": first, "reaction": "👍"})).await;
    let reaction = bob.expect("a reaction", |m| m.has_child("reactions", "urn:xmpp:reactions:0")).await;
    assert_eq!(attr_of(&reaction, "reactions", "urn:xmpp:reactions:0", "id"), Some(stanza_id.as_str()));

    let withdrawn = stage.alice.request(json!({"code": "2004", "to": room, "recallMessageId": first})).await;
    assert_eq!(withdrawn["statusCode"], "200", "{withdrawn}");
    let gone = bob.expect("a retraction", |m| m.has_child("retract", "urn:xmpp:message-retract:1")).await;
    assert_eq!(attr_of(&gone, "retract", "urn:xmpp:message-retract:1", "id"), Some(stanza_id.as_str()));
}

#[tokio::test]
async fn edits_replies_reactions_and_withdrawals_come_in() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    let mine = stage.alice.say(&room, "tea or coffee?").await;
    let heard = bob.hears(&format!("{ROOM}/alice"), "tea or coffee?").await;
    let id = attr_of(&heard, "stanza-id", "urn:xmpp:sid:0", "id").expect("the room's id").to_owned();

    let reply = format!("<reply xmlns='urn:xmpp:reply:0' id='{id}'/>");
    let own = bob.say_with(ROOM, "tae", &reply).await;
    let tea = stage.alice.hears("tae").await;
    assert_eq!(tea["replyTo"], json!(mine), "{tea}");

    bob.say_with(ROOM, "tea", &format!("<replace xmlns='urn:xmpp:message-correct:0' id='{own}'/>")).await;
    let edit = stage.alice.expect("the edit", |frame| frame["replaces"] == tea["messageId"]).await;
    assert_eq!(MonsterClient::text(&edit), "tea");

    bob.send(&format!(
        "<message to='{ROOM}' type='groupchat' id='r1-reaction'><reactions xmlns='urn:xmpp:reactions:0' id='{id}'>\
         <reaction>🍵</reaction></reactions><store xmlns='urn:xmpp:hints'/></message>"
    ))
    .await;
    let reaction = stage.alice.expect("a reaction", |frame| frame["reaction"] == "🍵").await;
    assert_eq!(reaction["replyTo"], json!(mine), "{reaction}");

    let said = bob.hears(&format!("{ROOM}/Bob"), "tae").await;
    let said = attr_of(&said, "stanza-id", "urn:xmpp:sid:0", "id").expect("the room's id").to_owned();
    bob.say_with(ROOM, "withdrawn", &format!("<retract xmlns='urn:xmpp:message-retract:1' id='{said}'/>")).await;
    let recall = stage.alice.expect("the recall", |frame| frame["code"] == "2004").await;
    assert_eq!(recall["recallMessageId"], tea["messageId"], "{recall}");
}

#[tokio::test]
async fn what_is_said_while_the_gateway_is_down_comes_from_the_archive() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    bob.say(ROOM, "before").await;
    stage.alice.hears("before").await;
    stage.gateway.kill().await;
    for n in 0..5 {
        bob.say(ROOM, &format!("while you were out {n}")).await;
    }
    bob.drain().await;
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    let mut alice = stage.gateway.home("alice", &token).await;
    for n in 0..5 {
        alice.hears(&format!("while you were out {n}")).await;
    }
    bob.say(ROOM, "after").await;
    let heard = alice.hears("after").await;
    assert_eq!(heard["to"], json!(room), "the membership outlived the end of the gateway");
}

#[tokio::test]
async fn what_was_done_before_the_gateway_died_is_found_however_much_was_said_since() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    stage.alice.say(&room, "here I am").await;
    bob.hears(&format!("{ROOM}/alice"), "here I am").await;
    // It is on its way when the gateway dies, which therefore does not learn that it arrived.
    stage.prosody.pause().await;
    let unread = stage.prosody.unread();
    stage.alice.say(&room, "once").await;
    until("the message on its way", async || (stage.prosody.unread() > unread).then_some(())).await;
    stage.gateway.kill().await;
    stage.prosody.go_on().await;
    bob.hears(&format!("{ROOM}/alice"), "once").await;
    // More than Prosody gives on ten pages.
    for n in 0..600 {
        bob.say(ROOM, &format!("line {n}")).await;
        bob.hears(&format!("{ROOM}/Bob"), &format!("line {n}")).await;
    }
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    let mut alice = stage.gateway.home("alice", &token).await;
    alice.say(&room, "afterwards").await;
    let from = format!("{ROOM}/alice");
    let hers = |m: &minidom::Element| m.attr("from") == Some(&from) && m.has_child("body", "jabber:client");
    let next = bob.expect("her next message", hers).await;
    assert_eq!(XmppClient::body(&next), "afterwards", "what was there already came again");
}

#[tokio::test]
async fn the_connection_comes_back_when_prosody_does() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (_bob, room) = stage.in_room().await;
    stage.alice.say(&room, "one").await;
    stage.prosody.kill().await;
    stage.alice.say(&room, "two").await;
    stage.prosody.restart().await;
    let mut bob = stage.client("bob").await;
    bob.join(ROOM, "Bob").await;
    stage.alice.say(&room, "three").await;
    bob.hears(&format!("{ROOM}/alice"), "three").await;
    let page = "<query xmlns='urn:xmpp:mam:2' queryid='q'><set xmlns='http://jabber.org/protocol/rsm'><max>50</max></set></query>";
    bob.send(&format!("<iq to='{ROOM}' type='set' id='all'>{page}</iq>")).await;
    let mut twos = 0;
    loop {
        let stanza = bob.next().await.expect("the archive answers");
        if stanza.attr("id") == Some("all") {
            break;
        }
        twos += usize::from(String::from(&stanza).contains(">two<"));
    }
    assert_eq!(twos, 1, "said once, although Prosody was away");
}

#[tokio::test]
async fn people_write_to_each_other_in_private() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let at_bob = stage.on_xmpp("bob@localhost");
    stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    stage.alice.say(&at_bob, "only for you").await;
    let heard = bob.hears("alice@monster.localhost", "only for you").await;
    assert_eq!(heard.attr("type"), Some("chat"));
    let id = bob.write("alice@monster.localhost", "and for you", "<request xmlns='urn:xmpp:receipts'/>").await;
    let frame = stage.alice.hears("and for you").await;
    assert_eq!(frame["from"], json!(at_bob), "{frame}");
    bob.expect("a receipt", |m| attr_of(m, "received", "urn:xmpp:receipts", "id") == Some(&id)).await;
}

#[tokio::test]
async fn a_request_to_be_a_contact_waits_until_it_is_decided() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let at_bob = stage.on_xmpp("bob@localhost");
    let asked = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    bob.expect("the request", |p| p.name() == "presence" && p.attr("type") == Some("subscribe")).await;
    bob.send("<presence type='subscribed' to='alice@monster.localhost'/>").await;
    stage.alice.expect("the decision", |frame| frame["code"] == "1001" && frame["from"] == json!(at_bob)).await;
}

#[tokio::test]
async fn nobody_of_an_unknown_name_is_an_error_with_words() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let at_nobody = stage.on_xmpp("nobody@nowhere.localhost");
    stage.alice.request(json!({"code": "1001", "to": at_nobody})).await;
    stage.alice.say(&at_nobody, "are you there?").await;
    let told = stage.alice.expect("being told", |frame| frame["from"] == json!(at_nobody)).await;
    assert!(
        MonsterClient::text(&told).contains("could not") || MonsterClient::text(&told).contains("cannot"),
        "{told}"
    );
}

#[tokio::test]
async fn information_about_a_person_and_a_room_is_given() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    bob.ask("bob@localhost", "set", "<vCard xmlns='vcard-temp'><FN>Bob Builder</FN><NICKNAME>bobby</NICKNAME></vCard>")
        .await;
    let person = stage.alice.request(json!({"code": "1000", "to": stage.on_xmpp("bob@localhost")})).await;
    assert_eq!((&person["statusCode"], &person["accountType"]), (&json!("100"), &json!("1")), "{person}");
    assert_eq!(person["nickname"], "bobby", "{person}");
    let about = stage.alice.request(json!({"code": "1000", "to": room})).await;
    assert_eq!(about["accountType"], "2", "{about}");
}

#[tokio::test]
async fn a_password_means_what_it_means() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let locked = "locked@conference.localhost";
    bob.join(locked, "Bob").await;
    let form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>\
                <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
                <field var='muc#roomconfig_roomsecret'><value>sesame</value></field></x></query>";
    let configured = bob.ask(locked, "set", form).await;
    assert_eq!(configured.attr("type"), Some("result"));
    let room = stage.on_xmpp(locked);
    let wrong = stage.alice.request(json!({"code": "1001", "to": room, "pass": "simsala"})).await;
    assert_eq!((&wrong["statusCode"], &wrong["type"]), (&json!("100"), &json!("3")), "{wrong}");
    let right = stage.alice.request(json!({"code": "1001", "to": room, "pass": "sesame"})).await;
    assert_eq!(right["type"], "1", "{right}");
    stage.alice.say(&room, "inside").await;
    bob.hears(&format!("{locked}/alice"), "inside").await;
    bob.say(locked, "welcome").await;
    stage.alice.hears("welcome").await;
}

#[tokio::test]
async fn a_component_of_ejabberd_talks_in_a_room() {
    let ejabberd = Ejabberd::start().await;
    let gateway = Gateway::start(BINARY, &ejabberd.section("xmpp", "")).await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let mut bob = XmppClient::connect(ejabberd.clients, "bob", true).await;
    bob.join(ROOM, "Bob").await;
    let room = gateway.address(ROOM, "xmpp");
    let joined = alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    alice.say(&room, "hello from Monster").await;
    bob.hears(&format!("{ROOM}/alice"), "hello from Monster").await;
    bob.say(ROOM, "hello from XMPP").await;
    alice.hears("hello from XMPP").await;
}

#[tokio::test]
async fn a_room_of_another_network_is_a_room_of_the_component() {
    let ergo = Ergo::start().await;
    let prosody = Prosody::start().await;
    let sections = format!("{}{}", prosody.section("xmpp", ""), irc_section("ergo", &ergo, ""));
    let _gateway = Gateway::start(BINARY, &sections).await;
    let mut irc = IrcClient::connect(ergo.address, "ira", IrcClient::ALL_CAPS).await;
    irc.join("#rust").await;
    let mut bob = XmppClient::connect(prosody.clients, "bob", false).await;
    let mut carol = XmppClient::connect(prosody.clients, "carol", false).await;
    let room = "#rust%ergo@monster.localhost";
    bob.join(room, "Bob").await;
    bob.say(room, "hello from XMPP").await;
    let echo = bob.hears(&format!("{room}/Bob"), "hello from XMPP").await;
    let id = attr_of(&echo, "stanza-id", "urn:xmpp:sid:0", "id").expect("the component gives ids").to_owned();
    irc.hears("", "#rust", "hello from XMPP").await;
    irc.say("#rust", "hello from IRC").await;
    bob.hears(&format!("{room}/ira"), "hello from IRC").await;

    // Who comes later sees who is there and what was said.
    carol.send(&format!("<presence to='{room}/Carol'><x xmlns='http://jabber.org/protocol/muc'/></presence>")).await;
    carol.expect("ira in the room", |p| p.attr("from") == Some(&format!("{room}/ira"))).await;
    carol.hears(&format!("{room}/Bob"), "hello from XMPP").await;
    bob.expect("carol coming", |p| p.name() == "presence" && p.attr("from") == Some(&format!("{room}/Carol"))).await;

    let reply = format!("<reply xmlns='urn:xmpp:reply:0' id='{id}'/>");
    carol.say_with(room, "hello Bob", &reply).await;
    bob.hears(&format!("{room}/Carol"), "hello Bob").await;
    let line = irc.hears("", "#rust", "hello Bob").await;
    assert!(line.tag("+draft/reply").or(line.tag("+reply")).is_some(), "{line:?}");

    carol.send(&format!("<presence to='{room}/Carol' type='unavailable'/>")).await;
    bob.expect("carol going", |p| {
        p.attr("type") == Some("unavailable") && p.attr("from") == Some(&format!("{room}/Carol"))
    })
    .await;
}

#[tokio::test]
async fn nobody_has_a_nick_that_somebody_else_has_and_only_some_bring_rooms_here() {
    let prosody = Prosody::start().await;
    let gateway = Gateway::start(BINARY, &prosody.section("xmpp", "trusted = [\"bob@localhost\"]")).await;
    gateway.cli(&["link", "add", &gateway.address("team", ""), &gateway.address(ROOM, "xmpp")]).await;
    let mut bob = XmppClient::connect(prosody.clients, "bob", false).await;
    let mut carol = XmppClient::connect(prosody.clients, "carol", false).await;
    let room = "team@monster.localhost";
    let join =
        |nick: &str| format!("<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    carol.send(&join("Carol")).await;
    let refused = carol.expect("a refusal", |p| p.attr("type") == Some("error")).await;
    assert!(String::from(&refused).contains("forbidden"), "{}", String::from(&refused));
    bob.join(room, "Bob").await;
    carol.send(&join("Bob")).await;
    let taken = carol.expect("a conflict", |p| p.attr("type") == Some("error")).await;
    assert!(String::from(&taken).contains("conflict"), "{}", String::from(&taken));
    carol.join(room, "Carol").await;
    carol.say(room, "in").await;
    bob.hears(&format!("{room}/Carol"), "in").await;
}

#[tokio::test]
async fn a_stanza_that_is_too_deep_is_refused_and_the_next_one_is_heard() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let deep = format!("{}{}", "<a xmlns='urn:example'>".repeat(500), "</a>".repeat(500));
    let answer = bob.ask("monster.localhost", "get", &deep).await;
    assert_eq!(answer.attr("type"), Some("error"));
    let long = "x".repeat(9000);
    bob.send(&format!(
        "<message to='alice@monster.localhost' type='chat' id='{long}'><body>a long id</body></message>"
    ))
    .await;
    stage.alice.hears("a long id").await;
    bob.write("alice@monster.localhost", "still here", "").await;
    stage.alice.hears("still here").await;
}

#[tokio::test]
async fn a_nick_that_somebody_else_takes_is_somebody_else() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, room) = stage.in_room().await;
    bob.say(ROOM, "it is me").await;
    let first = stage.alice.hears("it is me").await;
    bob.send(&format!("<presence to='{ROOM}/Bob' type='unavailable'/>")).await;
    bob.expect("leaving", |p| p.attr("type") == Some("unavailable")).await;
    let mut carol = stage.client("carol").await;
    carol.join(ROOM, "Bob").await;
    carol.say(ROOM, "no, me").await;
    let second = stage.alice.hears("no, me").await;
    assert_ne!(first["from"], second["from"], "a nick is nobody");
    assert_eq!(second["to"], json!(room));
}

#[tokio::test]
async fn who_is_removed_from_a_room_is_told() {
    let mut stage = XmppStage::new(BINARY, "").await;
    let (mut bob, _) = stage.in_room().await;
    let kick = "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='alice' role='none'><reason>bye</reason></item></query>";
    let kicked = bob.ask(ROOM, "set", kick).await;
    assert_eq!(kicked.attr("type"), Some("result"), "{}", String::from(&kicked));
    stage.alice.hears("bye").await;
}

#[tokio::test]
async fn the_component_says_what_it_is() {
    let stage = XmppStage::new(BINARY, "").await;
    let mut bob = stage.client("bob").await;
    let info = bob.ask("monster.localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>").await;
    assert!(String::from(&info).contains("gateway"), "{}", String::from(&info));
    let version = bob.ask("monster.localhost", "get", "<query xmlns='jabber:iq:version'/>").await;
    assert!(String::from(&version).contains("monster-gateway"), "{}", String::from(&version));
    let card = bob.ask("alice@monster.localhost", "get", "<vCard xmlns='vcard-temp'/>").await;
    assert!(String::from(&card).contains("alice"), "{}", String::from(&card));
    let unknown = bob.ask("monster.localhost", "get", "<query xmlns='urn:example:unknown'/>").await;
    assert_eq!(unknown.attr("type"), Some("error"));
    let commands = "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";
    let commands = bob.ask("monster.localhost", "get", commands).await;
    assert!(String::from(&commands).contains("unlink"), "{}", String::from(&commands));
}

/// A gateway with an account on Prosody instead of a component: `carol`'s.
async fn with_an_account(prosody: &Prosody, extra: &str) -> (Gateway, MonsterClient, String) {
    let gateway = Gateway::start(BINARY, &prosody.account_section("xmpp", "carol", extra)).await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let room = gateway.address(ROOM, "xmpp");
    let joined = alice.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    (gateway, alice, room)
}

#[tokio::test]
async fn an_account_speaks_for_everybody_and_names_them() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let prosody = Prosody::start_with_tls(&made.cert.pem(), &made.signing_key.serialize_pem()).await;
    let mut bob = XmppClient::connect(prosody.clients, "bob", false).await;
    bob.join(ROOM, "Bob").await;
    let trust = format!("tls_ca_file = \"{}\"", prosody.certificate().display());
    let (gateway, mut alice, room) = with_an_account(&prosody, &trust).await;
    let first = alice.say(&room, "hello from Monster").await;
    let heard = bob.hears(&format!("{ROOM}/monster"), "hello from Monster").await;
    assert_eq!(XmppClient::body(&heard), "alice: hello from Monster");
    alice.say_with(&room, "hello again", json!({"replaces": first})).await;
    let edited = bob.hears(&format!("{ROOM}/monster"), "hello again").await;
    assert_eq!(attr_of(&edited, "replace", "urn:xmpp:message-correct:0", "id"), heard.attr("id"));
    bob.say(ROOM, "hello from XMPP").await;
    alice.hears("hello from XMPP").await;

    let at_bob = gateway.address("bob@localhost", "xmpp");
    alice.request(json!({"code": "1001", "to": at_bob})).await;
    alice.say(&at_bob, "psst").await;
    let heard = bob.hears("carol@localhost", "psst").await;
    assert_eq!(XmppClient::body(&heard), "alice: psst");
    bob.write("carol@localhost", "what is it?", "").await;
    let answer = alice.hears("what is it?").await;
    assert_eq!(answer["from"], json!(at_bob), "{answer}");
}

#[tokio::test]
async fn a_copy_that_somebody_else_sends_says_nothing_in_anybodys_name() {
    let prosody = Prosody::start().await;
    let mut bob = XmppClient::connect(prosody.clients, "bob", false).await;
    bob.join(ROOM, "Bob").await;
    let (gateway, mut alice, _room) = with_an_account(&prosody, "encryption = \"none\"").await;
    let at_bob = gateway.address("bob@localhost", "xmpp");
    alice.request(json!({"code": "1001", "to": at_bob})).await;
    alice.say(&at_bob, "psst").await;
    bob.hears("carol@localhost", "psst").await;
    for kind in ["received", "sent"] {
        bob.send(&format!(
            "<message to='carol@localhost' type='chat'><{kind} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' from='alice@localhost/x' to='carol@localhost' type='chat'><body>forged</body></message>\
             </forwarded></{kind}></message>"
        ))
        .await;
        let result = "<result xmlns='urn:xmpp:mam:2' queryid='x' id='1'>\
                      <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='alice@localhost/x'>\
                      <body>forged</body></message></forwarded></result>";
        bob.send(&format!("<message to='carol@localhost'>{result}</message>")).await;
    }
    bob.write("carol@localhost", "mine", "").await;
    let frame = alice.pushed().await;
    assert_eq!((MonsterClient::text(&frame).as_str(), &frame["from"]), ("mine", &json!(at_bob)), "{frame}");
}
