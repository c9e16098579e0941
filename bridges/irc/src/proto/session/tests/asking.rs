//! Requests and their answers.

use super::*;

fn failure(rig: &mut Rig) -> RequestFailure {
    match rig.event() {
        Event::RequestFailed { failure, .. } => failure,
        other => panic!("nothing failed: {other:?}"),
    }
}

fn answer(event: Event) -> Answer {
    match event {
        Event::Answered { answer, .. } => *answer,
        other => panic!("nothing was answered: {other:?}"),
    }
}

#[test]
fn a_join_is_answered_when_the_members_are_known() {
    for caps in ["", MODERN] {
        let mut rig = Rig::up(caps, "");
        rig.session.join(&channel("#c"), Some("key")).unwrap();
        let line = rig.sent().remove(0);
        assert!(line.ends_with("JOIN #c key"));
        let label = tag(&line, "label").map_or(String::new(), |label| format!("@label={label} "));
        rig.hear(&format!("{label}:me!u@h JOIN #c\n:s 353 me = #c :me\n:s 366 me #c :End"));
        let events = rig.events();
        assert_eq!(answer(events.into_iter().next_back().unwrap()), Answer::Joined { channel: "#c".into() });
        rig.session.join(&channel("#C"), None).unwrap();
        assert!(rig.sent().is_empty());
        assert_eq!(answer(rig.event()), Answer::Joined { channel: "#c".into() });
    }
}

#[test]
fn everybody_who_asks_to_join_a_channel_is_answered() {
    let mut rig = Rig::up("", "");
    rig.session.join(&channel("#c"), None).unwrap();
    rig.session.join(&channel("#C"), None).unwrap();
    rig.sent();
    rig.hear(":me!u@h JOIN #c\n:s 366 me #c :End");
    assert_eq!(rig.events().into_iter().filter(|event| matches!(event, Event::Answered { .. })).count(), 2);
}

#[test]
fn why_a_channel_cannot_be_joined_is_told() {
    for (numeric, kind) in [
        (403, FailureKind::Unknown),
        (405, FailureKind::TooMany),
        (471, FailureKind::Full),
        (473, FailureKind::InviteOnly),
        (474, FailureKind::Banned),
        (475, FailureKind::BadKey),
        (476, FailureKind::Refused),
        (477, FailureKind::NeedsAccount),
        (480, FailureKind::Later),
        (489, FailureKind::NeedsTls),
        (520, FailureKind::Refused),
    ] {
        for caps in ["", MODERN] {
            let mut rig = Rig::up(caps, "");
            rig.session.join(&channel("#c"), None).unwrap();
            let label = tag(&rig.sent()[0], "label").map_or(String::new(), |label| format!("@label={label} "));
            rig.hear(&format!("{label}:s {numeric} me #c :Cannot join channel"));
            assert_eq!(failure(&mut rig).kind, kind, "{numeric}");
        }
    }
}

#[test]
fn a_channel_that_sends_us_on_is_not_taken_for_the_one_we_asked_for() {
    let mut rig = Rig::up("", "");
    rig.session.join(&channel("#a"), None).unwrap();
    rig.sent();
    rig.hear(":s 470 me #a ##a :Forwarding to another channel");
    assert_eq!(failure(&mut rig).kind, FailureKind::Forwarded("##a".into()));
    rig.hear(":me!u@h JOIN ##a\n:s 366 me ##a :End");
    assert_eq!((rig.sent(), rig.events()), (vec!["PART ##a".to_owned()], vec![]));
    rig.session.join(&channel("##a"), None).unwrap();
    rig.sent();
    rig.hear(":me!u@h JOIN ##a\n:s 366 me ##a :End");
    assert!(rig.session.is_in("##a"));
}

#[test]
fn a_request_cannot_smuggle_a_second_target_or_command() {
    let mut rig = Rig::up("", "KNOCK");
    for key in ["a\r\nQUIT", "a b", "a,b", "", ":a"] {
        assert!(matches!(rig.session.join(&channel("#c"), Some(key)), Err(Refusal::BadParam { .. })), "{key:?}");
    }
    for name in ["0", "#a,#b", "#a\r\nQUIT", "$*", "a,b"] {
        assert!(rig.session.isupport().target(name).is_err() || name == "0", "{name:?}");
    }
    let zero = Target::nick("0").unwrap();
    assert!(rig.session.join(&zero, None).is_err(), "JOIN 0 leaves every channel");
    assert!(rig.session.part(&zero, &Trailing::default()).is_err());
    rig.session.knock(&channel("#c"), &Trailing::one_line("let me in\r\nQUIT")).unwrap();
    rig.session.part(&channel("#c"), &Trailing::one_line("bye\nQUIT")).unwrap();
    rig.session.away(Some(&Trailing::one_line("lunch\nQUIT")));
    rig.session.away(None);
    assert_eq!(rig.sent(), ["KNOCK #c :let me in  QUIT", "PART #c :bye QUIT", "AWAY :lunch QUIT", "AWAY"]);
}

#[test]
fn whois_collects_what_the_server_tells() {
    let mut rig = Rig::up("", "");
    rig.session.whois(&nick("bob")).unwrap();
    assert_eq!(rig.sent(), ["WHOIS bob"]);
    rig.hear(
        ":s 311 me Bob ~b host.example * :Bob B
         :s 319 me Bob :@#a +#b
         :s 319 me Bob :#c
         :s 312 me Bob irc.example :A server
         :s 301 me Bob :lunch
         :s 330 me Bob bobacc :is logged in as
         :s 671 me Bob :is using a secure connection
         :s 317 me Bob 42 1700000000 :seconds idle, signon time
         :s 335 me Bob :is a bot
         :s 999 me Bob :whatever
         :s 318 me bob :End of /WHOIS list.",
    );
    let Some(Answer::Whois(whois)) = rig.events().pop().map(answer) else { panic!("no whois") };
    insta::assert_debug_snapshot!(whois);
}

#[test]
fn nobody_is_told_apart_from_somebody() {
    let mut rig = Rig::up("", "");
    rig.session.whois(&nick("bob")).unwrap();
    rig.sent();
    rig.hear(":s 401 me bob :No such nick\n:s 318 me bob :End");
    assert_eq!(failure(&mut rig).kind, FailureKind::Unknown);
    rig.session.whois(&nick("bob")).unwrap();
    rig.sent();
    rig.hear(":s 318 me bob :End");
    assert_eq!(failure(&mut rig).kind, FailureKind::Unknown);
}

#[test]
fn a_channel_can_be_asked_about_from_outside() {
    let mut rig = Rig::up(MODERN, "PREFIX=(ov)@+");
    rig.session.channel_info(&channel("#c")).unwrap();
    assert_eq!(rig.sent(), ["TOPIC #c", "MODE #c", "LIST #c", "NAMES #c"]);
    rig.hear(
        ":s 442 me #c :You're not on that channel
         :s 324 me #c +mnk
         :s 329 me #c 1700000000
         :s 353 me = #c :@+alice bob!b@h
         :s 366 me #c :End",
    );
    let events = rig.events();
    let Some(Answer::Channel(info)) = events.into_iter().next_back().map(answer) else { panic!("no info") };
    assert!(info.moderated);
    assert_eq!((info.modes.as_str(), info.members), ("mnk", vec![("alice".into(), Some('@')), ("bob".into(), None)]));
    rig.session.channel_info(&channel("#d")).unwrap();
    rig.sent();
    rig.hear(":s 403 me #d :No such channel");
    assert_eq!(failure(&mut rig).kind, FailureKind::Unknown);
}

#[test]
fn leaving_knocking_and_renaming_are_confirmed() {
    let mut rig = Rig::up("", "KNOCK");
    rig.hear(":me!u@h JOIN #c\n:s 366 me #c :End");
    rig.session.part(&channel("#c"), &Trailing::one_line("bye")).unwrap();
    rig.session.knock(&channel("#d"), &Trailing::default()).unwrap();
    rig.session.change_nick(&nick("other")).unwrap();
    assert_eq!(rig.sent(), ["PART #c :bye", "KNOCK #d :", "NICK other"]);
    rig.events();
    rig.hear(":me!u@h PART #c :bye");
    assert_eq!(rig.events().len(), 2);
    rig.hear(":s 711 me #d :Your KNOCK has been delivered");
    assert_eq!(answer(rig.event()), Answer::Done);
    rig.hear(":me!u@h NICK other");
    assert_eq!(rig.events().pop().map(answer), Some(Answer::Done));
    rig.session.change_nick(&nick("taken")).unwrap();
    rig.sent();
    rig.hear(":s 433 other taken :Nickname is already in use");
    assert_eq!(failure(&mut rig).kind, FailureKind::NickInUse);
}

#[test]
fn a_request_that_waits_for_its_turn_is_not_late() {
    let mut rig = Rig::up("", "");
    rig.session.whois(&nick("bob")).unwrap();
    rig.pass(Duration::from_secs(50));
    assert!(rig.events().is_empty());
    for n in 0..3 {
        rig.session.say(&saying(channel("#c"), &format!("line {n}"))).unwrap();
        rig.session.join(&channel(&format!("#c{n}")), None).unwrap();
    }
    let first: Vec<String> = rig.sent().iter().take(5).map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(first, ["WHOIS", "PRIVMSG", "PING", "JOIN", "PRIVMSG"], "neither kind holds the other up");
}

#[test]
fn a_labelled_answer_from_the_new_nick_is_about_us() {
    let mut rig = Rig::up(MODERN, "");
    rig.session.change_nick(&nick("other")).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!("@label={label} :other!u@h NICK :other"));
    assert_eq!(rig.session.nick(), "other");
    assert_eq!(rig.events().pop().map(answer), Some(Answer::Done));
}

#[test]
fn a_request_without_an_answer_ends_and_so_does_one_without_a_connection() {
    let mut rig = Rig::up("", "");
    rig.session.whois(&nick("bob")).unwrap();
    rig.sent();
    rig.pass(Duration::from_secs(30));
    assert_eq!(failure(&mut rig).kind, FailureKind::Timeout);
    rig.session.join(&channel("#c"), None).unwrap();
    rig.sent();
    rig.hear(":me!u@h JOIN #c");
    rig.events();
    rig.pass(Duration::from_secs(30));
    assert_eq!(answer(rig.event()), Answer::Joined { channel: "#c".into() });
    rig.session.whois(&nick("bob")).unwrap();
    rig.session.lost("reset");
    assert!(
        matches!(&rig.events()[0], Event::RequestFailed { failure, .. } if failure.kind == FailureKind::Disconnected)
    );
}
