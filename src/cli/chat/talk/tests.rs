//! Behaviour of the chat at a terminal.

use super::*;

const ECHO: &str = "@echo:echo:localhost:7580";

fn talk(to: Option<&str>) -> Talk {
    let mut count = 0;
    let ids = move || {
        count += 1;
        format!("id{count}")
    };
    Talk::new("@me:localhost:7580".parse().unwrap(), to.map(|to| to.parse().unwrap()), Box::new(ids))
}

fn shown(effects: &[Effect]) -> String {
    let lines = effects.iter().filter_map(|effect| match effect {
        Effect::Show(line) | Effect::Complain(line) => Some(line.as_str()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn asked(effects: &[Effect]) -> &Value {
    effects.iter().find_map(|effect| if let Effect::Ask(frame) = effect { Some(frame) } else { None }).unwrap()
}

fn push(id: &str, from: &str, text: &str) -> Value {
    json!({ "code": "2001", "messageId": id, "from": from, "text": encode(text) })
}

#[test]
fn a_line_is_said_and_its_acknowledgement_shown() {
    let mut talk = talk(Some(ECHO));
    let effects = talk.line("hello");
    let frame = json!({ "code": "2001", "to": ECHO, "text": "aGVsbG8=", "messageId": "id1" });
    assert_eq!(effects, [Effect::Ask(frame)]);
    assert_eq!(shown(&talk.frame(&json!({ "messageId": "id1", "statusCode": "200" }))), "✓ #1");
}

#[test]
fn a_refusal_is_shown_with_its_reason() {
    let mut talk = talk(Some(ECHO));
    talk.line("hello");
    let answer = json!({ "messageId": "id1", "statusCode": 400, "error": "no\u{1b}[2J" });
    assert_eq!(shown(&talk.frame(&answer)), "✗ #1: no [2J");
}

#[test]
fn without_an_address_nothing_is_said() {
    let mut talk = talk(None);
    assert_eq!(shown(&talk.line("hello")), "to whom? `/to ADDRESS` chooses somebody");
    talk.line(&format!("/to {ECHO}"));
    assert_eq!(asked(&talk.line("hello"))["to"], ECHO);
}

#[test]
fn what_comes_is_shown_with_names_and_answered() {
    let mut talk = talk(Some(ECHO));
    let effects = talk.frame(&push("m1", ECHO, "hi"));
    assert_eq!(shown(&effects), "#1 echo: hi");
    assert_eq!(effects[1], Effect::Answer(json!({ "messageId": "m1", "statusCode": "200" })));
    let mut elsewhere = push("m2", "@bob:gw.example.org", "psst");
    elsewhere["nickname"] = "Alice".into();
    assert_eq!(shown(&talk.frame(&elsewhere)), "#2 Alice (@bob:gw.example.org): psst");
    let mut group = push("m3", "@bob:gw.example.org", "all");
    group["to"] = "@club:localhost:7580".into();
    assert_eq!(shown(&talk.frame(&group)), "#3 @bob:gw.example.org in @club:localhost:7580: all");
}

#[test]
fn a_message_that_is_pushed_again_keeps_its_number() {
    let mut talk = talk(Some(ECHO));
    talk.frame(&push("m1", ECHO, "hi"));
    assert_eq!(shown(&talk.frame(&push("m1", ECHO, "hi"))), "#1 echo: hi");
}

#[test]
fn replies_reactions_edits_and_recalls_name_the_message() {
    let mut talk = talk(Some(ECHO));
    talk.line("mine");
    talk.frame(&push("m2", ECHO, "theirs"));
    let reply = talk.line("/reply yes");
    assert_eq!((asked(&reply)["replyTo"].as_str(), asked(&reply)["to"].as_str()), (Some("m2"), Some(ECHO)));
    assert_eq!(asked(&talk.line("/react #2 👍"))["reaction"], "👍");
    assert_eq!(asked(&talk.line("/edit #1 better"))["replaces"], "id1");
    assert_eq!(asked(&talk.line("/recall #1"))["recallMessageId"], "id1");
    assert_eq!(shown(&talk.line("/edit #2 mine now")), "#2 is not yours");
    assert_eq!(shown(&talk.line("/reply #9 x")), "there is no message #9");
}

#[test]
fn changes_by_others_are_shown_by_number() {
    let mut talk = talk(Some(ECHO));
    talk.frame(&push("m1", ECHO, "hi"));
    let mut edit = push("m2", ECHO, "ho");
    edit["replaces"] = "m1".into();
    assert_eq!(shown(&talk.frame(&edit)), "echo changed #1: ho");
    let recall = json!({ "code": "2004", "messageId": "m3", "from": ECHO, "recallMessageId": "m1" });
    assert_eq!(shown(&talk.frame(&recall)), "echo withdrew #1");
    let mut reaction = push("m4", ECHO, "👍");
    reaction["reaction"] = "👍".into();
    reaction["replyTo"] = "gone".into();
    assert_eq!(shown(&talk.frame(&reaction)), "echo put 👍 to an earlier message");
}

#[test]
fn a_room_is_joined_when_it_is_talked_to_and_a_person_is_not() {
    let mut chat = talk(Some("@#rust:libera:localhost:7580"));
    assert_eq!(asked(&chat.begin())["code"], "1000");
    let joining = chat.frame(&json!({ "messageId": "id1", "statusCode": "100", "accountType": "2" }));
    assert_eq!(asked(&joining)["code"], "1001");
    let joined = chat.frame(&json!({ "messageId": "id2", "statusCode": "100", "type": "1" }));
    assert_eq!(shown(&joined), "@#rust:libera:localhost:7580: you are in");
    let mut chat = talk(Some(ECHO));
    chat.begin();
    assert!(chat.frame(&json!({ "messageId": "id1", "statusCode": "100", "accountType": "1" })).is_empty());
}

#[test]
fn a_request_can_be_accepted_or_declined() {
    let mut talk = talk(None);
    let request = json!({ "code": "1001", "messageId": "m1", "from": "@bob:gw.example.org" });
    assert!(shown(&talk.frame(&request)).contains("/accept or /decline"));
    let accepted = talk.line("/accept");
    assert_eq!(
        (asked(&accepted)["code"].as_str(), asked(&accepted)["to"].as_str()),
        (Some("1001"), Some("@bob:gw.example.org"))
    );
    assert_eq!(asked(&talk.line("/decline"))["code"], "1004");
}

#[test]
fn a_room_can_be_joined_with_a_pass() {
    let mut talk = talk(Some("@club:localhost:7580"));
    let frame = talk.line("/join sesame");
    assert_eq!(
        (asked(&frame)["pass"].as_str(), asked(&frame)["to"].as_str()),
        (Some("sesame"), Some("@club:localhost:7580"))
    );
    let frame = talk.line("/join @other:localhost:7580 open up");
    assert_eq!(
        (asked(&frame)["pass"].as_str(), asked(&frame)["to"].as_str()),
        (Some("open up"), Some("@other:localhost:7580"))
    );
}

#[test]
fn unknown_commands_are_complained_about_and_two_slashes_say_one() {
    let mut talk = talk(Some(ECHO));
    assert!(shown(&talk.line("/nonsense")).contains("/help"));
    assert_eq!(asked(&talk.line("//me"))["text"], encode("/me"));
    assert_eq!(talk.line("/quit"), [Effect::Quit]);
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_control() {
    let mut talk = talk(Some(ECHO));
    let mut frame = push("m1", "@e\u{1b}vil:x", "a\u{1b}]0;title\u{7}b\nc");
    frame["nickname"] = "bob\n\u{9b}31m".into();
    let shown = shown(&talk.frame(&frame));
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert_eq!(shown.lines().count(), 2);
}
