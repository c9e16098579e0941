//! Monster, Matrix, IRC and XMPP as one conversation: whatever is done on one of them is right on the
//! other three.

use minidom::Element;
use monster_testkit::{Ergo, IrcClient, IrcLine, MatrixClient, MatrixStage, Prosody, XmppClient, irc_section};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
const CHANNEL: &str = "#rust";
const MUC: &str = "rust@conference.localhost";
const REACTIONS: &str = "urn:xmpp:reactions:0";
const RETRACT: &str = "urn:xmpp:message-retract:1";

/// Alice on Monster (`stage.alice`), bob on Matrix, carol on IRC, dora on XMPP, in rooms that are linked.
struct Four {
    stage: MatrixStage,
    _servers: (Ergo, Prosody),
    bob: MatrixClient,
    carol: IrcClient,
    dora: XmppClient,
    /// The room on Matrix: its id, and its address for alice.
    id: String,
    room: String,
}

/// A message as each of them knows it.
struct Known {
    monster: Value,
    matrix: String,
    /// Who said it on Matrix.
    ghost: String,
    irc: String,
    xmpp: Stanza,
}

/// The ids of a stanza in a room.
struct Stanza {
    /// Who said it, as an occupant.
    from: String,
    /// The sender's, which corrections name.
    own: String,
    /// The room's, which everything else names.
    of_room: String,
}

impl Four {
    async fn new() -> Self {
        let (ergo, prosody) = (Ergo::start().await, Prosody::start().await);
        let sections = irc_section("ergo", &ergo, "") + &prosody.section("xmpp", "");
        let mut stage = MatrixStage::new(BINARY, "", &sections).await;
        let mut bob = stage.synapse.register("bob").await;
        let id = bob.create_public_room("rust").await;
        let mut carol = IrcClient::connect(ergo.address, "carol", IrcClient::ALL_CAPS).await;
        carol.join(CHANNEL).await;
        let mut dora = XmppClient::connect(prosody.clients, "dora", false).await;
        dora.join(MUC, "dora").await;
        let (room, channel) = (stage.room("#rust:hs.test"), stage.gateway.address(CHANNEL, "ergo"));
        stage.gateway.cli(&["link", "add", &room, &channel, &stage.gateway.address(MUC, "xmpp")]).await;
        carol.sees_in(CHANNEL, "ergo-bot").await;
        dora.expect("the gateway in the room", |stanza| stanza.attr("from") == Some(&format!("{MUC}/monster"))).await;
        member(&mut bob, &id, "@monster:hs.test", "join").await;
        let joined = stage.alice.request(json!({"code": "1001", "to": room})).await;
        assert_eq!(joined["type"], "1", "{joined}");
        Self { stage, _servers: (ergo, prosody), bob, carol, dora, id, room }
    }

    async fn bob_says(&mut self, words: &str) -> Known {
        let matrix = self.bob.say(&self.id, words).await;
        let (monster, irc) = (self.alice_hears(words).await, self.carol_hears(words).await);
        let xmpp = self.dora_hears(words).await;
        let (monster, ghost) = (monster["messageId"].clone(), self.bob.id.clone());
        Known { monster, matrix, ghost, irc: msgid(&irc), xmpp: Stanza::of(&xmpp) }
    }

    async fn carol_says(&mut self, words: &str) -> Known {
        self.carol.say(CHANNEL, words).await;
        let irc = self.carol.hears("carol", CHANNEL, words).await;
        let (monster, matrix) = (self.alice_hears(words).await, self.bob_hears(words).await);
        let xmpp = Stanza::of(&self.dora_hears(words).await);
        let monster = monster["messageId"].clone();
        Known { monster, matrix: event_id(&matrix), ghost: sender(&matrix), irc: msgid(&irc), xmpp }
    }

    async fn dora_says(&mut self, words: &str) -> Known {
        self.dora.say(MUC, words).await;
        let xmpp = Stanza::of(&self.dora.hears(&format!("{MUC}/dora"), words).await);
        let (monster, matrix) = (self.alice_hears(words).await, self.bob_hears(words).await);
        let irc = self.carol_hears(words).await;
        let monster = monster["messageId"].clone();
        Known { monster, matrix: event_id(&matrix), ghost: sender(&matrix), irc: msgid(&irc), xmpp }
    }

    async fn alice_says(&mut self, words: &str, fields: Value) -> Known {
        let monster = self.stage.alice.say_with(&self.room, words, fields).await;
        let (matrix, irc) = (self.bob_hears(words).await, self.carol_hears(words).await);
        let xmpp = Stanza::of(&self.dora_hears(words).await);
        Known { monster: json!(monster), matrix: event_id(&matrix), ghost: sender(&matrix), irc: msgid(&irc), xmpp }
    }

    async fn alice_hears(&mut self, words: &str) -> Value {
        self.stage.alice.hears(words).await
    }

    async fn bob_hears(&mut self, words: &str) -> Value {
        self.bob.hears(&self.id, words).await
    }

    async fn carol_hears(&mut self, words: &str) -> IrcLine {
        self.carol.hears("", CHANNEL, words).await
    }

    /// What somebody else says in dora's room.
    async fn dora_hears(&mut self, words: &str) -> Element {
        let own = format!("{MUC}/dora");
        let is_it = |stanza: &Element| stanza.attr("from") != Some(&own) && XmppClient::body(stanza).contains(words);
        self.dora.expect(words, is_it).await
    }

    async fn recall(&mut self, message: &str) {
        let frame = json!({"code": "2004", "to": self.room, "recallMessageId": message});
        let answer = self.stage.alice.request(frame).await;
        assert_eq!(answer["statusCode"], "200", "{answer}");
    }

    async fn alice_sees_recall(&mut self, of: &Value) {
        let is_it = |frame: &Value| frame["code"] == "2004" && frame["recallMessageId"] == *of;
        self.stage.alice.expect("the recall", is_it).await;
    }

    async fn bob_sees_redaction(&mut self, of: &str) {
        let is_it = |event: &Value| {
            let target = event["content"].get("redacts").or(event.get("redacts"));
            event["type"] == "m.room.redaction" && target == Some(&json!(of))
        };
        self.bob.expect("the redaction", is_it).await;
    }

    /// A puppet without an account on the server may not redact: it says so.
    async fn carol_sees_withdrawal(&mut self, excerpt: &str) {
        let line = self.carol.hears("", CHANNEL, "withdrawn").await;
        assert!(line.text().contains(excerpt), "it is not said what was withdrawn: {line:?}");
    }

    async fn carol_sees_reaction(&mut self, to: &str, tag: &str, emoji: &str) {
        let is_it =
            |line: &IrcLine| line.command == "TAGMSG" && line.tag(tag) == Some(emoji) && answered(line) == Some(to);
        self.carol.expect(&format!("{tag} {emoji}"), is_it).await;
    }

    /// What the one who reacts says of that message now; nothing when the reaction was taken back.
    async fn dora_sees_reactions(&mut self, to: &Stanza, emoji: &[&str]) {
        let is_it = |stanza: &Element| {
            let reactions = stanza.get_child("reactions", REACTIONS);
            reactions.is_some_and(|reactions| {
                let said: Vec<String> = reactions.children().map(Element::text).collect();
                reactions.attr("id") == Some(&to.of_room) && said == emoji
            })
        };
        self.dora.expect(&format!("the reactions {emoji:?}"), is_it).await;
    }

    async fn dora_sees_retraction(&mut self, of: &Stanza) {
        let is_it = |stanza: &Element| {
            let retract = stanza.get_child("retract", RETRACT);
            stanza.attr("from") == Some(&of.from) && retract.is_some_and(|it| it.attr("id") == Some(&of.of_room))
        };
        self.dora.expect("the retraction", is_it).await;
    }

    async fn dora_sees_going(&mut self, occupant: &str) {
        let is_it = |p: &Element| p.attr("from") == Some(occupant) && p.attr("type") == Some("unavailable");
        self.dora.expect(&format!("{occupant} going"), is_it).await;
    }

    async fn dora_reacts(&mut self, to: &Stanza, emoji: &str) {
        let emoji = if emoji.is_empty() { String::new() } else { format!("<reaction>{emoji}</reaction>") };
        let (id, to) = (self.dora.id(), &to.of_room);
        let reactions = format!("<reactions xmlns='{REACTIONS}' id='{to}'>{emoji}</reactions>");
        let hint = "<store xmlns='urn:xmpp:hints'/>";
        self.dora.send(&format!("<message to='{MUC}' type='groupchat' id='{id}'>{reactions}{hint}</message>")).await;
    }

    async fn alice_sees_reaction(&mut self, to: &Value, emoji: &str) -> Value {
        let is_it = |frame: &Value| frame["reaction"] == emoji && frame["replyTo"] == *to;
        self.stage.alice.expect("the reaction", is_it).await["messageId"].clone()
    }

    async fn bob_sees_reaction(&mut self, to: &str, emoji: &str) -> String {
        let is_it = |event: &Value| {
            let relates = &event["content"]["m.relates_to"];
            event["type"] == "m.reaction" && relates["event_id"] == to && relates["key"] == emoji
        };
        event_id(&self.bob.expect("the reaction", is_it).await)
    }
}

impl Stanza {
    fn of(message: &Element) -> Self {
        let attribute = |name: &str| message.attr(name).unwrap_or_default().to_owned();
        let by_room = message.get_child("stanza-id", "urn:xmpp:sid:0").and_then(|id| id.attr("id"));
        let of_room = by_room.unwrap_or_default().to_owned();
        assert!(!of_room.is_empty(), "the room gives ids");
        Self { from: attribute("from"), own: attribute("id"), of_room }
    }
}

async fn member(who: &mut MatrixClient, room: &str, user: &str, membership: &str) {
    who.expect(&format!("{user}: {membership}"), |event| {
        event["room_id"] == room && event["state_key"] == user && event["content"]["membership"] == membership
    })
    .await;
}

fn event_id(event: &Value) -> String {
    event["event_id"].as_str().unwrap_or_default().to_owned()
}

fn sender(event: &Value) -> String {
    event["sender"].as_str().unwrap_or_default().to_owned()
}

fn msgid(line: &IrcLine) -> String {
    line.tag("msgid").unwrap_or_default().to_owned()
}

/// The message that a line on IRC answers.
fn answered(line: &IrcLine) -> Option<&str> {
    line.tag("+draft/reply").or(line.tag("+reply"))
}

fn answered_on_xmpp(message: &Element) -> Option<&str> {
    message.get_child("reply", "urn:xmpp:reply:0").and_then(|reply| reply.attr("id"))
}

/// The message that this one corrects.
fn corrected(message: &Element) -> Option<&str> {
    message.get_child("replace", "urn:xmpp:message-correct:0").and_then(|replace| replace.attr("id"))
}

fn answered_on_matrix(event: &Value) -> &Value {
    &event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"]
}

#[tokio::test]
async fn what_is_done_on_matrix_is_right_on_the_others() {
    let mut it = Four::new().await;
    let theirs = it.carol_says("from irc").await;
    let asked = it.bob_says("which one?").await;

    it.bob.reply(&it.id, &theirs.matrix, "an answer").await;
    let (frame, line) = (it.alice_hears("an answer").await, it.carol_hears("an answer").await);
    assert_eq!(frame["replyTo"], theirs.monster, "{frame}");
    assert_eq!(answered(&line), Some(theirs.irc.as_str()), "{line:?}");
    let stanza = it.dora_hears("an answer").await;
    assert_eq!(answered_on_xmpp(&stanza), Some(theirs.xmpp.of_room.as_str()), "{}", String::from(&stanza));

    let put = it.bob.react(&it.id, &theirs.matrix, "🦀").await;
    let seen = it.alice_sees_reaction(&theirs.monster, "🦀").await;
    it.carol_sees_reaction(&theirs.irc, "+draft/react", "🦀").await;
    it.dora_sees_reactions(&theirs.xmpp, &["🦀"]).await;
    it.bob.redact(&it.id, &put, "").await;
    it.alice_sees_recall(&seen).await;
    it.carol_sees_reaction(&theirs.irc, "+draft/unreact", "🦀").await;
    it.dora_sees_reactions(&theirs.xmpp, &[]).await;

    it.bob.edit(&it.id, &asked.matrix, "which two?").await;
    let (frame, line) = (it.alice_hears("which two?").await, it.carol_hears("which two?").await);
    assert_eq!(frame["replaces"], asked.monster, "{frame}");
    assert!(line.text().contains("which one?"), "an edit names what it replaces: {line:?}");
    let stanza = it.dora_hears("which two?").await;
    assert_eq!(corrected(&stanza), Some(asked.xmpp.own.as_str()), "{}", String::from(&stanza));

    it.bob.redact(&it.id, &asked.matrix, "").await;
    it.alice_sees_recall(&asked.monster).await;
    it.carol_sees_withdrawal("which").await;
    it.dora_sees_retraction(&asked.xmpp).await;
}

#[tokio::test]
async fn what_is_done_on_irc_is_right_on_the_others() {
    let mut it = Four::new().await;
    let theirs = it.bob_says("from matrix").await;

    it.carol.send(&format!("@+draft/reply={} PRIVMSG {CHANNEL} :an answer", theirs.irc)).await;
    let (frame, event) = (it.alice_hears("an answer").await, it.bob_hears("an answer").await);
    assert_eq!(frame["replyTo"], theirs.monster, "{frame}");
    assert_eq!(answered_on_matrix(&event), &json!(theirs.matrix), "{event}");
    let stanza = it.dora_hears("an answer").await;
    assert_eq!(answered_on_xmpp(&stanza), Some(theirs.xmpp.of_room.as_str()), "{}", String::from(&stanza));

    it.carol.send(&format!("@+draft/reply={};+draft/react=🦀 TAGMSG {CHANNEL}", theirs.irc)).await;
    let on_monster = it.alice_sees_reaction(&theirs.monster, "🦀").await;
    let on_matrix = it.bob_sees_reaction(&theirs.matrix, "🦀").await;
    it.dora_sees_reactions(&theirs.xmpp, &["🦀"]).await;
    it.carol.send(&format!("@+draft/reply={};+draft/unreact=🦀 TAGMSG {CHANNEL}", theirs.irc)).await;
    it.alice_sees_recall(&on_monster).await;
    it.bob_sees_redaction(&on_matrix).await;
    it.dora_sees_reactions(&theirs.xmpp, &[]).await;

    let said = it.carol_says("a slip").await;
    it.carol.send(&format!("REDACT {CHANNEL} {} :never mind", said.irc)).await;
    it.alice_sees_recall(&said.monster).await;
    it.bob_sees_redaction(&said.matrix).await;
    it.dora_sees_retraction(&said.xmpp).await;

    it.carol.send(&format!("PART {CHANNEL} :bye")).await;
    member(&mut it.bob, &it.id, &said.ghost, "leave").await;
    it.dora_sees_going(&said.xmpp.from).await;
}

#[tokio::test]
async fn what_is_done_on_monster_is_right_on_the_others() {
    let mut it = Four::new().await;
    let theirs = it.carol_says("from irc").await;
    let asked = it.alice_says("which one?", json!({})).await;

    let reply = it.stage.alice.say_with(&it.room, "an answer", json!({"replyTo": theirs.monster})).await;
    let (answer, line) = (it.bob_hears("an answer").await, it.carol_hears("an answer").await);
    assert_eq!(answered_on_matrix(&answer), &json!(theirs.matrix), "{answer}");
    assert_eq!(answered(&line), Some(theirs.irc.as_str()), "{line:?}");
    let said = it.dora_hears("an answer").await;
    assert_eq!(answered_on_xmpp(&said), Some(theirs.xmpp.of_room.as_str()), "{}", String::from(&said));

    let put = json!({"replyTo": theirs.monster, "reaction": "🦀"});
    let put = it.stage.alice.say_with(&it.room, "🦀", put).await;
    let on_matrix = it.bob_sees_reaction(&theirs.matrix, "🦀").await;
    it.carol_sees_reaction(&theirs.irc, "+draft/react", "🦀").await;
    it.dora_sees_reactions(&theirs.xmpp, &["🦀"]).await;
    it.recall(&put).await;
    it.bob_sees_redaction(&on_matrix).await;
    it.carol_sees_reaction(&theirs.irc, "+draft/unreact", "🦀").await;
    it.dora_sees_reactions(&theirs.xmpp, &[]).await;

    it.stage.alice.say_with(&it.room, "which two?", json!({"replaces": asked.monster})).await;
    let (event, line) = (it.bob_hears("which two?").await, it.carol_hears("which two?").await);
    assert_eq!(event["content"]["m.relates_to"]["event_id"], json!(asked.matrix), "{event}");
    assert!(line.text().contains("which one?"), "an edit names what it replaces: {line:?}");
    let edit = it.dora_hears("which two?").await;
    assert_eq!(corrected(&edit), Some(asked.xmpp.own.as_str()), "{}", String::from(&edit));

    it.recall(&reply).await;
    it.bob_sees_redaction(&event_id(&answer)).await;
    it.carol_sees_withdrawal("an answer").await;
    it.dora_sees_retraction(&Stanza::of(&said)).await;
}

#[tokio::test]
async fn what_is_done_on_xmpp_is_right_on_the_others() {
    let mut it = Four::new().await;
    let theirs = it.bob_says("from matrix").await;
    let asked = it.dora_says("which one?").await;

    let reply = format!("<reply xmlns='urn:xmpp:reply:0' id='{}'/>", theirs.xmpp.of_room);
    it.dora.say_with(MUC, "an answer", &reply).await;
    let (frame, event) = (it.alice_hears("an answer").await, it.bob_hears("an answer").await);
    let line = it.carol_hears("an answer").await;
    assert_eq!(frame["replyTo"], theirs.monster, "{frame}");
    assert_eq!(answered_on_matrix(&event), &json!(theirs.matrix), "{event}");
    assert_eq!(answered(&line), Some(theirs.irc.as_str()), "{line:?}");

    it.dora_reacts(&theirs.xmpp, "🦀").await;
    let on_monster = it.alice_sees_reaction(&theirs.monster, "🦀").await;
    let on_matrix = it.bob_sees_reaction(&theirs.matrix, "🦀").await;
    it.carol_sees_reaction(&theirs.irc, "+draft/react", "🦀").await;
    it.dora_reacts(&theirs.xmpp, "").await;
    it.alice_sees_recall(&on_monster).await;
    it.bob_sees_redaction(&on_matrix).await;
    it.carol_sees_reaction(&theirs.irc, "+draft/unreact", "🦀").await;

    let correction = format!("<replace xmlns='urn:xmpp:message-correct:0' id='{}'/>", asked.xmpp.own);
    it.dora.say_with(MUC, "which two?", &correction).await;
    let (frame, event) = (it.alice_hears("which two?").await, it.bob_hears("which two?").await);
    let line = it.carol_hears("which two?").await;
    assert_eq!(frame["replaces"], asked.monster, "{frame}");
    assert_eq!(event["content"]["m.relates_to"]["event_id"], json!(asked.matrix), "{event}");
    assert!(line.text().contains("which one?"), "an edit names what it replaces: {line:?}");

    let retraction = format!("<retract xmlns='{RETRACT}' id='{}'/>", asked.xmpp.of_room);
    it.dora.say_with(MUC, "withdrawn", &retraction).await;
    it.alice_sees_recall(&asked.monster).await;
    it.bob_sees_redaction(&asked.matrix).await;
    it.carol_sees_withdrawal("which").await;

    it.dora.send(&format!("<presence to='{MUC}/dora' type='unavailable'/>")).await;
    member(&mut it.bob, &it.id, &asked.ghost, "leave").await;
}

#[tokio::test]
async fn nothing_that_is_said_on_matrix_is_a_second_line_on_irc() {
    let mut it = Four::new().await;
    it.carol.join("#evil").await;
    it.bob.set_name("bob\r\nJOIN #evil").await;
    it.bob.say(&it.id, "first\r\nPRIVMSG #evil :second\rQUIT\nthird").await;
    it.carol_hears("third").await;
    // An answer to words that were chosen for it.
    let crafted = it.bob.say(&it.id, "x\nPRIVMSG #evil :crafted").await;
    it.carol_hears("crafted").await;
    it.bob.reply(&it.id, &crafted, "an answer").await;
    it.carol_hears("an answer").await;
    let command = format!("!monster link @#rust\nPRIVMSG #evil :x:ergo:{}", it.stage.gateway.host());
    it.bob.say(&it.id, &command).await;
    it.bob.hears(&it.id, "Not linked").await;
    it.bob_says("still here").await;
    it.carol.send("NAMES #evil").await;
    let names = it.carol.expect("the names", |line| line.command == "353" && line.params.contains(&"#evil".to_owned()));
    assert_eq!(names.await.text().trim_start_matches('@'), "carol", "somebody came to another channel");
}
