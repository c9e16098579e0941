//! The whole program between a Monster client and Ergo: each row of the table in docs/irc.md.

use monster_testkit::{IrcClient, MonsterClient, Stage};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

#[tokio::test]
async fn a_monster_person_and_an_irc_user_talk_in_a_channel() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");

    let joined = stage.alice.request(json!({"code": "1001", "to": rust})).await;
    assert_eq!((&joined["statusCode"], &joined["type"]), (&json!("100"), &json!("1")), "{joined}");

    stage.alice.say(&rust, "hello from *far*").await;
    let heard = bob.hears("alice", "#rust", "hello from").await;
    assert_eq!(heard.text().trim_end_matches('\u{1d}'), "hello from \u{1d}far");

    bob.say("#rust", "hi \u{2}alice\u{2}").await;
    let heard = stage.alice.hears("hi").await;
    assert_eq!(MonsterClient::text(&heard), "hi **alice**");
    assert_eq!(heard["from"], json!(stage.on_irc("bob")));
    assert_eq!(heard["to"], json!(rust));
    assert_eq!(heard["nickname"], json!("bob"));
}

#[tokio::test]
async fn a_monster_person_and_an_irc_user_talk_in_private() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &[]).await;
    let at_bob = stage.on_irc("bob");

    let opened = stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    assert_eq!(opened["type"], "1", "{opened}");
    stage.alice.say(&at_bob, "psst").await;
    bob.hears("alice", "bob", "psst").await;
    bob.say("alice", "what is it?").await;
    let heard = stage.alice.hears("what is it?").await;
    assert_eq!(heard["from"], json!(at_bob));
    assert_eq!(heard["to"], json!(stage.gateway.address("alice", "")));
}

#[tokio::test]
async fn edits_replies_reactions_and_recalls_reach_irc() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;

    bob.say("#rust", "which one?").await;
    let question = stage.alice.hears("which one?").await;
    let sent = bob.hears("bob", "#rust", "which one?").await;

    let reply = stage.alice.say_with(&rust, "the second", json!({"replyTo": question["messageId"]})).await;
    let heard = bob.hears("alice", "#rust", "the second").await;
    assert_eq!(heard.tag("+draft/reply").or(heard.tag("+reply")), sent.tag("msgid"), "{heard:?}");

    let thumbs = json!({"replyTo": question["messageId"], "reaction": "👍"});
    stage.alice.say_with(&rust, "👍", thumbs).await;
    let reaction = bob.expect("a reaction", |line| line.command == "TAGMSG" && line.source == "alice").await;
    assert_eq!(reaction.tag("+draft/react"), Some("👍"), "{reaction:?}");

    stage.alice.say_with(&rust, "the third", json!({"replaces": reply})).await;
    let edited = bob.hears("alice", "#rust", "the third").await;
    assert!(edited.text().contains("the second"), "an edit names what it replaces: {edited:?}");

    let withdrawn = stage.alice.request(json!({"code": "2004", "to": rust, "recallMessageId": reply})).await;
    assert_eq!(withdrawn["statusCode"], "200", "{withdrawn}");
    // Ergo lets only people with an account redact what they said; this puppet has none.
    let line = bob.hears("alice", "#rust", "withdrawn").await;
    assert!(line.text().contains("the second"), "a withdrawal names what it withdraws: {line:?}");
}

#[tokio::test]
async fn replies_reactions_and_redactions_come_from_irc() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;

    let mine = stage.alice.say(&rust, "tea or coffee?").await;
    let heard = bob.hears("alice", "#rust", "tea or coffee?").await;
    let id = heard.tag("msgid").expect("Ergo gives ids").to_owned();

    bob.send(&format!("@+draft/reply={id} PRIVMSG #rust :tea")).await;
    let reply = stage.alice.hears("tea").await;
    assert_eq!(reply["replyTo"], json!(mine), "{reply}");

    bob.send(&format!("@+draft/reply={id};+draft/react=🍵 TAGMSG #rust")).await;
    let reaction = stage.alice.expect("a reaction", |frame| frame["reaction"] == "🍵").await;
    assert_eq!(reaction["replyTo"], json!(mine), "{reaction}");

    let said = bob.hears("bob", "#rust", "tea").await;
    bob.send(&format!("REDACT #rust {} :never mind", said.tag("msgid").unwrap())).await;
    let recall = stage.alice.expect("the recall", |frame| frame["code"] == "2004").await;
    assert_eq!(recall["recallMessageId"], reply["messageId"], "{recall}");
}

#[tokio::test]
async fn a_relay_names_the_author() {
    let mut stage = Stage::new(BINARY, "mode = \"relay\"").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    stage.alice.say(&rust, "through the relay").await;
    let line = bob.hears("", "#rust", "through the relay").await;
    let shown = format!("{} {}", line.source, line.text()).replace('\u{200b}', "");
    assert!(shown.contains("alice"), "the author is named: {line:?}");
    bob.say("#rust", "loud and clear").await;
    stage.alice.hears("loud and clear").await;
}

#[tokio::test]
async fn information_about_a_nick_and_a_channel_is_given() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust", "#quiet"]).await;
    bob.send("TOPIC #rust :all about crabs").await;
    bob.send("MODE #quiet +m").await;
    bob.drain().await;

    let person = stage.alice.request(json!({"code": "1000", "to": stage.on_irc("bob")})).await;
    assert_eq!((&person["statusCode"], &person["accountType"]), (&json!("100"), &json!("1")), "{person}");
    assert_eq!(person["nickname"], "bob", "{person}");

    let channel = stage.alice.request(json!({"code": "1000", "to": stage.on_irc("#rust")})).await;
    assert_eq!(channel["accountType"], "2", "{channel}");
    let info = channel["info"].as_array().unwrap();
    assert!(info.iter().any(|row| row["value"] == "all about crabs"), "{channel}");

    let quiet = stage.alice.request(json!({"code": "1000", "to": stage.on_irc("#quiet")})).await;
    assert_eq!(quiet["accountType"], "3", "ordinary members of a moderated channel cannot speak: {quiet}");

    let nobody = stage.alice.request(json!({"code": "1000", "to": stage.on_irc("nobody-there")})).await;
    assert_eq!(nobody["statusCode"], "400", "{nobody}");
    assert!(!nobody["error"].as_str().unwrap_or_default().is_empty(), "{nobody}");
}

#[tokio::test]
async fn a_key_an_invitation_and_a_departure_mean_what_irc_means() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#locked", "#closed"]).await;
    bob.send("MODE #locked +k sesame").await;
    bob.send("MODE #closed +i").await;
    bob.drain().await;
    let locked = stage.on_irc("#locked");

    let wrong = stage.alice.request(json!({"code": "1001", "to": locked, "pass": "simsala"})).await;
    assert_eq!((&wrong["statusCode"], &wrong["type"]), (&json!("100"), &json!("3")), "{wrong}");
    let right = stage.alice.request(json!({"code": "1001", "to": locked, "pass": "sesame"})).await;
    assert_eq!(right["type"], "1", "{right}");
    let closed = stage.alice.request(json!({"code": "1001", "to": stage.on_irc("#closed")})).await;
    assert_eq!(closed["type"], "2", "{closed}");

    stage.alice.say(&locked, "inside").await;
    bob.hears("alice", "#locked", "inside").await;
    let left = stage.alice.request(json!({"code": "1004", "to": locked})).await;
    assert_eq!(left["statusCode"], "200", "{left}");
    bob.expect("alice leaving", |line| line.source == "alice" && (line.command == "PART" || line.command == "QUIT"))
        .await;
}

#[tokio::test]
async fn the_same_message_id_is_the_same_message() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    let id = stage.alice.say(&rust, "once").await;
    let again = stage.alice.say_with(&rust, "once", json!({"messageId": id})).await;
    assert_eq!(again, id);
    stage.alice.say(&rust, "after it").await;
    bob.hears("alice", "#rust", "once").await;
    let next = bob.expect("the next message", |line| line.command == "PRIVMSG").await;
    assert_eq!(next.text(), "after it");
}

#[tokio::test]
async fn no_line_break_reaches_irc() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust", "#evil"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    stage.alice.say(&rust, "first\r\nPRIVMSG #evil :second\rQUIT\n\u{0}third").await;
    bob.hears("alice", "#rust", "third").await;
    for address in ["#rust%0D%0APRIVMSG #evil :x", "#rust%0aQUIT", "#a%00b"] {
        let answer = stage.alice.request(json!({"code": "1001", "to": stage.on_irc(address)})).await;
        assert_eq!(answer["statusCode"], "400", "{address}: {answer}");
    }
    let wrong = stage.alice.request(json!({"code": "1001", "to": stage.on_irc("#k"), "pass": "a\r\nQUIT"})).await;
    assert_ne!(wrong["type"], "1", "{wrong}");
    stage.alice.say(&rust, "still here").await;
    bob.hears("alice", "#rust", "still here").await;
    let seen = bob.drain().await;
    assert!(!seen.iter().any(|line| line.params.first().is_some_and(|to| to == "#evil") && line.source == "alice"));
}

#[tokio::test]
async fn long_words_and_long_scripts_arrive_whole() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = IrcClient::connect(stage.ergo.address, "bob", &["server-time"]).await;
    bob.join("#rust").await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    for long in ["w".repeat(600), "漢".repeat(250), "👩‍👩‍👧‍👦".repeat(40)] {
        stage.alice.say(&rust, &long).await;
        let mut whole = String::new();
        while whole.len() < long.len() {
            let line = bob.expect("the rest of it", |line| line.command == "PRIVMSG").await;
            whole.push_str(line.text());
        }
        assert_eq!(whole, long);
    }
    let joined = "many words ".repeat(100);
    stage.alice.say(&rust, joined.trim()).await;
    let mut words = Vec::new();
    while words.len() < 200 {
        let line = bob.expect("the rest of the words", |line| line.command == "PRIVMSG").await;
        words.extend(line.text().split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(words.join(" "), joined.trim());
}

#[tokio::test]
async fn two_equal_lines_within_a_second_are_two_messages() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    bob.say("#rust", "ha").await;
    bob.say("#rust", "ha").await;
    bob.say("#rust", "enough").await;
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("enough") {
        heard.push(MonsterClient::text(&stage.alice.pushed().await));
    }
    assert_eq!(heard, ["ha", "ha", "enough"]);
}

#[tokio::test]
async fn what_is_said_while_the_gateway_is_down_is_delivered_after() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &["#rust"]).await;
    let rust = stage.on_irc("#rust");
    stage.alice.request(json!({"code": "1001", "to": rust})).await;
    bob.say("#rust", "before").await;
    stage.alice.hears("before").await;

    assert!(stage.gateway.stop().await.success(), "SIGTERM ends the gateway with 0");
    bob.say("#rust", "while you were out").await;
    bob.drain().await;
    stage.gateway.run().await;
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    let mut alice = stage.gateway.home("alice", &token).await;
    alice.hears("while you were out").await;
    bob.say("#rust", "after").await;
    let heard = alice.hears("after").await;
    assert_eq!(heard["to"], json!(rust), "the membership outlived the restart");
}

#[tokio::test]
async fn somebody_who_takes_over_a_nick_does_not_inherit_the_conversation() {
    let mut stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &[]).await;
    let at_bob = stage.on_irc("bob");
    stage.alice.request(json!({"code": "1001", "to": at_bob})).await;
    stage.alice.say(&at_bob, "only for you").await;
    bob.hears("alice", "bob", "only for you").await;
    bob.send("QUIT :gone").await;
    while bob.next().await.is_some() {}

    let mut mallory = stage.irc("bob", &[]).await;
    stage.alice.say(&at_bob, "a secret").await;
    let told = stage.alice.expect("being told", |frame| frame["from"] == json!(at_bob)).await;
    assert!(MonsterClient::text(&told).to_lowercase().contains("bob"), "{told}");
    assert!(!mallory.drain().await.iter().any(|line| line.text().contains("secret")));
}
