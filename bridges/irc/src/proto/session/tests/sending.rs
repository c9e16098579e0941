//! Acknowledgement: each of the three signs, failures, and connections that break.

use super::*;

fn sent(token: SendToken, ids: &[Option<&str>]) -> Event {
    Event::Sent { token, ids: ids.iter().map(|id| id.map(str::to_owned)).collect() }
}

fn failure(event: Event) -> SendFailure {
    match event {
        Event::SendFailed { failure, .. } => failure,
        other => panic!("nothing failed: {other:?}"),
    }
}

#[test]
fn with_labels_the_labelled_echo_is_the_acknowledgement() {
    let mut rig = Rig::up(MODERN, "");
    let one = rig.session.say(&Saying { key: Some("mg-1".into()), ..saying(channel("#c"), "hi") }).unwrap();
    let two = rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    let lines = rig.sent();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(" PRIVMSG #c :hi") && lines[1].starts_with("@label=mg"), "{lines:?}");
    assert_eq!(tag(&lines[0], "+monster-gateway/id").as_deref(), Some("mg-1"));
    let labels: Vec<_> = lines.iter().map(|line| tag(line, "label").unwrap()).collect();
    // Two equal lines, and the echoes in the other order: each finds its own.
    rig.hear(&format!("@label={};msgid=m2 :me!u@h PRIVMSG #c :hi", labels[1]));
    assert_eq!(rig.event(), sent(two, &[Some("m2")]));
    rig.hear(&format!("@label={};msgid=m1 :me!u@h PRIVMSG #c :hi", labels[0]));
    assert_eq!(rig.event(), sent(one, &[Some("m1")]));
}

#[test]
fn an_answer_in_a_labelled_batch_counts_as_well() {
    let mut rig = Rig::up(MODERN, "");
    let token = rig.session.say(&saying(nick("bob"), "hi")).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!(
        "@label={label} :s BATCH +x labeled-response
         @batch=x :s 301 me bob :gone fishing
         @batch=x;msgid=m1 :me!u@h PRIVMSG bob :hi
         :s BATCH -x"
    ));
    assert_eq!(rig.events().pop(), Some(sent(token, &[Some("m1")])), "301 is no error");
}

#[test]
fn labels_without_echo_are_acknowledged_by_ack() {
    let mut rig = Rig::up("message-tags batch labeled-response", "");
    let token = rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!("@label={label} :s ACK"));
    assert_eq!(rig.event(), sent(token, &[None]));
}

#[test]
fn a_labelled_error_fails_its_own_message() {
    let mut rig = Rig::up(MODERN, "");
    let one = rig.session.say(&saying(channel("#c"), "one")).unwrap();
    let two = rig.session.say(&saying(channel("#c"), "two")).unwrap();
    let lines = rig.sent();
    rig.hear(&format!("@label={} :s 404 me #c :Cannot send (+m)", tag(&lines[1], "label").unwrap()));
    match rig.event() {
        Event::SendFailed { token, failure: SendFailure::Refused { why, temporary: false, .. } } => {
            assert_eq!(token, two);
            assert_eq!(why, "the channel does not take the message: Cannot send (+m)");
        }
        other => panic!("{other:?}"),
    }
    rig.hear(&format!("@label={};msgid=m :me!u@h PRIVMSG #c :one", tag(&lines[0], "label").unwrap()));
    assert_eq!(rig.event(), sent(one, &[Some("m")]));
}

#[test]
fn a_message_that_is_taken_and_not_echoed_was_not_passed_on() {
    let mut rig = Rig::up(MODERN, "");
    rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!("@label={label} :s ACK"));
    assert!(matches!(failure(rig.event()), SendFailure::Refused { .. }));
}

#[test]
fn standard_replies_fail_what_they_name() {
    let mut rig = Rig::up(MODERN, "");
    rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!("@label={label} :s FAIL PRIVMSG INVALID_UTF8 :Your line is not UTF-8"));
    assert!(matches!(failure(rig.event()), SendFailure::Refused { why, .. } if why == "Your line is not UTF-8"));
    let mut rig = Rig::up("", "");
    rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    rig.sent();
    rig.hear(":s FAIL PRIVMSG INVALID_UTF8 :no");
    assert!(matches!(failure(rig.event()), SendFailure::Refused { .. }));
}

#[test]
fn with_echoes_alone_they_come_in_order_or_by_mark() {
    let mut rig = Rig::up("echo-message server-time", "");
    let one = rig.session.say(&saying(channel("#C"), "hi")).unwrap();
    let two = rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    assert_eq!(rig.sent().iter().filter(|line| line.starts_with("PING mg-")).count(), 2);
    // A server may strip codes or change letters: the text is not compared.
    rig.hear(":me!u@h PRIVMSG #c :h1");
    assert_eq!(rig.event(), sent(one, &[None]));
    rig.hear(":me!u@h PRIVMSG #c :hi");
    assert_eq!(rig.event(), sent(two, &[None]));
    let mut rig = Rig::up("echo-message message-tags", "");
    let one = rig.session.say(&Saying { key: Some("k1".into()), ..saying(channel("#c"), "a") }).unwrap();
    let two = rig.session.say(&Saying { key: Some("k2".into()), ..saying(channel("#c"), "a") }).unwrap();
    rig.sent();
    rig.hear("@msgid=m2;+monster-gateway/id=k2 :me!u@h PRIVMSG #c :a");
    assert_eq!(rig.event(), sent(two, &[Some("m2")]));
    rig.hear("@msgid=m1;+monster-gateway/id=k1 :me!u@h PRIVMSG #c :a");
    assert_eq!(rig.event(), sent(one, &[Some("m1")]));
}

#[test]
fn with_echoes_a_pong_without_one_is_a_refusal() {
    let mut rig = Rig::up("echo-message", "");
    rig.session.say(&saying(channel("#c"), "hi")).unwrap();
    let ping = rig.sent()[1].replace("PING ", "");
    rig.hear(&format!(":s PONG s :{ping}"));
    assert!(matches!(failure(rig.event()), SendFailure::Refused { .. }));
}

#[test]
fn without_either_a_pong_behind_the_message_is_the_acknowledgement() {
    let mut rig = Rig::up("", "");
    let token = rig.session.say(&saying(channel("#c"), "a\nb")).unwrap();
    let lines = rig.sent();
    assert_eq!(lines[..2], ["PRIVMSG #c :a", "PRIVMSG #c :b"]);
    let fence = lines[2].strip_prefix("PING ").unwrap().to_owned();
    rig.hear(":s PONG s :mg-alive");
    assert!(rig.events().is_empty());
    rig.hear(&format!(":s PONG s :{fence}"));
    assert_eq!(rig.event(), sent(token, &[None, None]));
}

#[test]
fn without_either_an_error_before_the_pong_is_the_refusal() {
    let mut rig = Rig::up("", "");
    let one = rig.session.say(&saying(channel("#c"), "a")).unwrap();
    let two = rig.session.say(&saying(nick("bob"), "b")).unwrap();
    let lines = rig.sent();
    rig.hear(":s 401 me bob :No such nick");
    match rig.event() {
        Event::SendFailed { token, failure: SendFailure::Refused { why, .. } } => {
            assert_eq!((token, why.as_str()), (two, "there is nobody called bob on the network"));
        }
        other => panic!("{other:?}"),
    }
    rig.hear(&format!(":s PONG s :{}", lines[1].replace("PING ", "")));
    assert_eq!(rig.event(), sent(one, &[None]));
    rig.hear(&format!(":s PONG s :{}", lines[3].replace("PING ", "")));
    assert!(rig.events().is_empty());
}

#[test]
fn an_error_that_fits_a_question_and_a_message_goes_to_the_older_one() {
    let mut rig = Rig::up("", "");
    let asked = rig.session.whois(&nick("bob")).unwrap();
    rig.sent();
    let said = rig.session.say(&saying(nick("bob"), "hi")).unwrap();
    rig.sent();
    rig.hear(":s 401 me bob :No such nick");
    assert!(matches!(rig.event(), Event::RequestFailed { request, .. } if request == asked));
    rig.hear(":s 318 me bob :End of WHOIS\n:s 401 me bob :No such nick");
    assert!(matches!(rig.event(), Event::SendFailed { token, .. } if token == said));
}

#[test]
fn a_connection_that_breaks_leaves_what_was_written_uncertain_and_the_rest_unsent() {
    let mut rig = Rig::up(MODERN, "");
    let written = rig.session.say(&saying(channel("#c"), "a")).unwrap();
    rig.session.take(rig.now).unwrap();
    let waiting = rig.session.say(&saying(channel("#c"), "b")).unwrap();
    rig.session.lost("reset by peer");
    let events = rig.events();
    assert!(
        matches!(&events[0], Event::SendFailed { token, failure: SendFailure::Uncertain { .. } } if *token == written)
    );
    assert!(matches!(&events[1], Event::SendFailed { token, failure: SendFailure::NotSent(_) } if *token == waiting));
    assert_eq!(events[2], Event::Closed(CloseReason::Lost("reset by peer".into())));
    assert_eq!(rig.session.say(&saying(channel("#c"), "c")), Err(Refusal::NotConnected));
    rig.session.lost("again");
    assert!(rig.events().is_empty() && rig.sent().is_empty());
}

#[test]
fn what_the_server_does_not_acknowledge_in_time_is_uncertain() {
    let mut rig = Rig::up(MODERN, "");
    rig.session.say(&saying(channel("#c"), "a")).unwrap();
    // Not written yet: its time has not begun.
    rig.pass(Duration::from_secs(50));
    assert!(rig.events().is_empty());
    rig.sent();
    rig.pass(Duration::from_secs(44));
    rig.hear("PING x");
    assert!(rig.events().is_empty());
    rig.pass(Duration::from_secs(1));
    assert!(matches!(failure(rig.event()), SendFailure::Uncertain { .. }));
}

#[test]
fn a_text_of_several_lines_is_one_message_where_the_server_has_them() {
    let mut rig = Rig::up(MODERN, "");
    let saying = Saying { key: Some("k".into()), reply_to: Some("m0".into()), ..saying(channel("#c"), "a\n\nb") };
    let token = rig.session.say(&saying).unwrap();
    let piece = rig.session.take(rig.now).unwrap();
    assert_eq!(piece.lines, 5);
    let text = String::from_utf8(piece.bytes).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert!(lines[0].contains("+monster-gateway/id=k;+draft/reply=m0") && lines[0].contains(" draft/multiline #c"));
    assert!(lines[1].starts_with("@batch=mg") && lines[1].ends_with("PRIVMSG #c :a"));
    assert!(lines[2].ends_with("PRIVMSG #c :") && lines[4].starts_with("BATCH -mg"));
    let label = tag(lines[0], "label").unwrap();
    rig.hear(&format!(
        "@label={label};msgid=m9 :me!u@h BATCH +z draft/multiline #c
         @batch=z :me!u@h PRIVMSG #c :a
         @batch=z :me!u@h PRIVMSG #c :
         @batch=z :me!u@h PRIVMSG #c :b
         :s BATCH -z"
    ));
    assert_eq!(rig.event(), sent(token, &[Some("m9")]));
}

#[test]
fn lines_of_one_message_carry_their_number_and_earlier_ones_can_be_skipped() {
    let mut rig = Rig::up("message-tags batch labeled-response echo-message", "");
    let mut saying = Saying { key: Some("k".into()), ..saying(channel("#c"), "a\nb\nc") };
    assert_eq!((rig.session.count_lines(&saying), rig.session.count_parts(&saying)), (3, 3));
    saying.skip = 1;
    let token = rig.session.say(&saying).unwrap();
    let lines = rig.sent();
    let marks: Vec<_> = lines.iter().map(|line| tag(line, "+monster-gateway/id").unwrap()).collect();
    assert_eq!(marks, ["k/1/3", "k/2/3"]);
    for (line, id) in lines.iter().zip(["m1", "m2"]) {
        rig.hear(&format!("@label={};msgid={id} :me!u@h PRIVMSG #c :x", tag(line, "label").unwrap()));
    }
    assert_eq!(rig.event(), sent(token, &[Some("m1"), Some("m2")]));
}

#[test]
fn every_line_fits_with_our_own_prefix_in_front() {
    let mut rig = Rig::up("", "LINELEN=512");
    let text = format!("{} {}", "汉字".repeat(125), "x".repeat(600));
    rig.session.say(&saying(channel("#channel"), &text)).unwrap();
    for line in rig.sent().iter().filter(|line| line.starts_with("PRIVMSG")) {
        assert!(":me!~user@host.example ".len() + line.len() + 2 <= 512, "{}", line.len());
    }
    rig.hear(":me!~user@host.example CHGHOST ~user a.much.longer.host.example");
    assert_eq!(rig.session.count_lines(&saying(channel("#c"), &"x".repeat(461))), 1);
    assert_eq!(rig.session.count_lines(&saying(channel("#c"), &"x".repeat(462))), 2);
}

#[test]
fn nothing_that_begins_a_second_line_or_a_command_can_be_said() {
    let mut rig = Rig::up("", "");
    rig.session.say(&saying(channel("#c"), "a\r\nQUIT\rb\0\x01VERSION\x01")).unwrap();
    assert_eq!(rig.sent()[..2], ["PRIVMSG #c :a", "PRIVMSG #c :QUITbVERSION"]);
    for text in ["", "\n\n", " \x02 "] {
        assert_eq!(rig.session.say(&saying(channel("#c"), text)), Err(Refusal::Blank));
    }
    let tagged = Saying {
        key: Some("k\r\nQUIT".into()),
        reply_to: Some("m1\r\nQUIT\0;x=1 y".into()),
        ..saying(channel("#c"), "x")
    };
    let mut rig = Rig::up(MODERN, "");
    rig.session.say(&tagged).unwrap();
    let lines = rig.sent();
    assert_eq!((lines.len(), tag(&lines[0], "+draft/reply").as_deref()), (1, Some("m1\r\nQUIT;x=1 y")));
    let reason = Some("bye\r\nQUIT");
    rig.session.redact(&channel("#c"), "m1", reason).unwrap();
    assert_eq!(rig.sent().len(), 1);
    assert!(matches!(rig.session.redact(&channel("#c"), "m1\r\nQUIT", None), Err(Refusal::BadParam { .. })));
    assert!(rig.session.react(&channel("#c"), "m\r\nQUIT", "👍\r\nQUIT", false, None).is_ok());
    assert_eq!(rig.sent().len(), 1);
}

#[test]
fn reactions_redactions_and_relayed_lines_are_acknowledged_too() {
    let mut rig = Rig::up(MODERN, "");
    let reaction = rig.session.react(&channel("#c"), "m1", "👍", false, Some("k")).unwrap();
    let withdrawal = rig.session.redact(&channel("#c"), "m1", Some("typo")).unwrap();
    let relay = rig.session.say(&Saying { speak_as: Some("alice/gw".into()), ..saying(channel("#c"), "hi") }).unwrap();
    let lines = rig.sent();
    assert_eq!(tag(&lines[0], "+draft/react").as_deref(), Some("👍"));
    assert!(lines[1].ends_with("REDACT #c m1 :typo") && lines[2].ends_with("RELAYMSG #c alice/gw :hi"), "{lines:?}");
    let label = |index: usize| tag(&lines[index], "label").unwrap();
    rig.hear(&format!("@label={};msgid=r1;+draft/react=👍;+draft/reply=m1 :me!u@h TAGMSG #c", label(0)));
    assert_eq!(rig.event(), sent(reaction, &[Some("r1")]));
    rig.hear(&format!("@label={} :me!u@h REDACT #c m1 :typo", label(1)));
    assert_eq!(rig.event(), sent(withdrawal, &[None]));
    rig.hear(&format!("@label={};draft/relaymsg=me;msgid=m3 :alice/gw!u@h PRIVMSG #c :hi", label(2)));
    assert_eq!(rig.event(), sent(relay, &[Some("m3")]));
}

#[test]
fn what_the_server_does_not_have_is_refused_at_once() {
    let mut rig = Rig::up("message-tags", "CLIENTTAGDENY=draft/react");
    assert!(matches!(rig.session.react(&channel("#c"), "m", "x", false, None), Err(Refusal::Unsupported(_))));
    assert!(matches!(rig.session.redact(&channel("#c"), "m", None), Err(Refusal::Unsupported(_))));
    let relayed = Saying { speak_as: Some("a/b".into()), ..saying(channel("#c"), "x") };
    assert!(matches!(rig.session.say(&relayed), Err(Refusal::Unsupported(_))));
    assert!(rig.session.typing(&channel("#c"), TypingState::Active).is_ok());
    assert_eq!(rig.sent(), ["@+typing=active TAGMSG #c"]);
}

#[test]
fn an_action_is_said_as_one() {
    let mut rig = Rig::up("", "");
    rig.session.say(&Saying { manner: Manner::Action, ..saying(channel("#c"), "waves\x01") }).unwrap();
    assert_eq!(rig.sent()[0], "PRIVMSG #c :\x01ACTION waves\x01");
    rig.session.ctcp_reply(&nick("bob"), "VERSION", "monster\r\nQUIT\x01");
    assert_eq!(rig.sent(), ["NOTICE bob :\x01VERSION monster  QUIT\x01"]);
}

#[test]
fn the_queue_of_messages_is_bounded() {
    let mut rig = Rig::up("", "");
    let fits = (0..10_000).take_while(|_| rig.session.say(&saying(channel("#c"), "x")).is_ok()).count();
    assert_eq!(fits, 512);
    assert_eq!(rig.session.say(&saying(channel("#c"), "x")), Err(Refusal::Full));
    rig.hear("PING x");
    assert_eq!(rig.session.take(rig.now).unwrap().bytes, b"PONG :x\r\n", "a PONG goes first");
    assert!(rig.session.take_urgent(rig.now).is_none());
}

#[test]
fn a_quit_settles_everything_and_goes_out_at_once() {
    let mut rig = Rig::up("", "");
    rig.session.say(&saying(channel("#c"), "x")).unwrap();
    rig.session.quit(&Trailing::one_line("bye"));
    assert_eq!(rig.session.take_urgent(rig.now).unwrap().bytes, b"QUIT :bye\r\n");
    let events = rig.events();
    assert!(matches!(&events[0], Event::SendFailed { failure: SendFailure::NotSent(_), .. }));
    assert_eq!(events[1], Event::Closed(CloseReason::Quit));
}
