//! What is said, live and from history.

use super::*;
use crate::proto::{tags::DeliveryMark, time};

fn heard(event: Event) -> Heard {
    match event {
        Event::Said(heard) => *heard,
        other => panic!("nothing was said: {other:?}"),
    }
}

#[test]
fn a_message_is_heard_with_everything_its_tags_tell() {
    let mut rig = Rig::up(MODERN, "STATUSMSG=@+");
    rig.hear("@time=2026-11-01T10:00:00.000Z;msgid=m1;account=bobacc;bot;+draft/reply=m0;+monster-gateway/id=mg-x/1/2 :bob!b@h PRIVMSG #c :hi");
    let heard = heard(rig.event());
    assert_eq!(heard.by.place, Place::Channel { name: "#c".into(), status: None });
    assert_eq!(heard.by.account.as_deref(), Some("bobacc"));
    assert_eq!(heard.by.time, time::parse("2026-11-01T10:00:00.000Z"));
    assert_eq!(heard.by.mark, Some(DeliveryMark { key: "mg-x".into(), part: 1, parts: 2 }));
    assert_eq!(
        (heard.reply_to.as_deref(), heard.text.as_str(), heard.bot, heard.by.own),
        (Some("m0"), "hi", true, false)
    );
}

#[test]
fn where_and_how_something_was_said_is_told_apart() {
    let mut rig = Rig::up("", "STATUSMSG=@+");
    rig.hear(":bob!b@h PRIVMSG me :psst\n:bob!b@h NOTICE @#c :ops only\n:bob!b@h PRIVMSG #c :\x01ACTION waves\x01");
    rig.hear(":bob!b@h PRIVMSG me :\x01VERSION\x01\n:bob!b@h NOTICE me :\x01PING 123\n:bob!b@h PRIVMSG me :\x01\x01");
    let all: Vec<Heard> = rig.events().into_iter().map(heard).collect();
    assert_eq!(all[0].by.place, Place::Private { peer: "bob".into() });
    assert_eq!(all[1].by.place, Place::Channel { name: "#c".into(), status: Some('@') });
    assert_eq!((&all[1].speech, &all[2].speech, all[2].text.as_str()), (&Speech::Notice, &Speech::Action, "waves"));
    assert_eq!(all[3].speech, Speech::Ctcp { verb: "VERSION".into(), reply: false });
    assert_eq!((&all[4].speech, all[4].text.as_str()), (&Speech::Ctcp { verb: "PING".into(), reply: true }, "123"));
    assert_eq!(all[5].speech, Speech::Message);
}

#[test]
fn what_servers_say_to_everybody_is_no_conversation() {
    let mut rig = Rig::up("", "");
    rig.hear(
        ":irc.example NOTICE me :*** Looking up\n:oper!o@h PRIVMSG $* :maintenance\nNOTICE AUTH :hi\n:a!b@c PRIVMSG",
    );
    let events = rig.events();
    assert!(events.len() == 4 && events.iter().all(|event| matches!(event, Event::ServerSaid(_))), "{events:?}");
}

#[test]
fn our_own_lines_from_another_place_are_marked_as_ours() {
    let mut rig = Rig::up(MODERN, "");
    rig.hear(":me!u@h PRIVMSG bob :from my phone\n@draft/relaymsg=me :x/y!u@h PRIVMSG #c :relayed\n@draft/relaymsg=other :x/y!u@h PRIVMSG #c :r");
    let all: Vec<Heard> = rig.events().into_iter().map(heard).collect();
    assert_eq!((all[0].by.own, &all[0].by.place), (true, &Place::Private { peer: "bob".into() }));
    assert!(all[1].by.own && !all[2].by.own);
    assert_eq!(all[2].relayed_by.as_deref(), Some("other"));
}

#[test]
fn reactions_typing_and_redactions_are_heard() {
    let mut rig = Rig::up(MODERN, "");
    rig.hear(
        "@msgid=r1;+draft/reply=m1;+draft/react=👍 :bob!b@h TAGMSG #c
         @+reply=m1;+unreact=👍 :bob!b@h TAGMSG #c
         @+typing=active :bob!b@h TAGMSG #c
         @+typing=active :me!b@h TAGMSG #c
         @+unknown=1 :bob!b@h TAGMSG #c
         :bob!b@h REDACT #c m1 :typo",
    );
    let events = rig.events();
    assert!(
        matches!(&events[0], Event::Reacted { target, emoji, removed: false, .. } if target == "m1" && emoji == "👍")
    );
    assert!(matches!(&events[1], Event::Reacted { removed: true, .. }));
    assert!(matches!(&events[2], Event::Typing { active: true, .. }));
    assert!(matches!(&events[3], Event::Redacted { target, reason: Some(_), .. } if target == "m1"));
    assert_eq!(events.len(), 4);
}

#[test]
fn a_message_of_several_lines_is_heard_as_one_and_an_empty_one_not_at_all() {
    let mut rig = Rig::up(MODERN, "");
    rig.hear(
        "@msgid=m1;time=2026-11-01T10:00:00.000Z :bob!b@h BATCH +1 draft/multiline #c
         @batch=1 :bob!b@h PRIVMSG #c :one
         :carol!c@h PRIVMSG #c :between
         @batch=1;draft/multiline-concat :bob!b@h PRIVMSG #c : and a half
         @batch=1 :bob!b@h PRIVMSG #c :two
         :s BATCH -1
         :s BATCH +2 draft/multiline #c
         :s BATCH -2",
    );
    let all: Vec<Heard> = rig.events().into_iter().map(heard).collect();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].text, "between");
    assert_eq!((all[1].text.as_str(), all[1].by.msgid.as_deref()), ("one and a half\ntwo", Some("m1")));
}

#[test]
fn history_comes_as_one_answer_with_whole_messages() {
    let mut rig = Rig::up(MODERN, "CHATHISTORY=50");
    let point = Point::Time(time::parse("2026-11-01T10:00:00.000Z").unwrap());
    let request = rig.session.history(&channel("#c"), &HistoryRange::After(point), 500).unwrap();
    let line = rig.sent().remove(0);
    assert!(line.ends_with("CHATHISTORY AFTER #c timestamp=2026-11-01T10:00:00.000Z 50"), "{line}");
    let label = tag(&line, "label").unwrap();
    rig.hear(&format!(
        "@label={label} :s BATCH +h chathistory #c
         @batch=h;msgid=a;time=2026-11-01T10:00:01.000Z :bob!b@h PRIVMSG #c :one
         @batch=h;time=2026-11-01T10:00:02.000Z :carol!c@h JOIN #c
         @batch=h;msgid=b;time=2026-11-01T10:00:03.000Z :bob!b@h BATCH +m draft/multiline #c
         @batch=m :bob!b@h PRIVMSG #c :x
         @batch=m :bob!b@h PRIVMSG #c :y
         :s BATCH -m
         @batch=h;msgid=c;time=2026-11-01T10:00:04.000Z;+draft/reply=a;+draft/react=k :bob!b@h TAGMSG #c
         @batch=h;msgid=d;time=2026-11-01T10:00:05.000Z;+monster-gateway/id=key :me!b@h PRIVMSG #c :mine
         :s BATCH -h"
    ));
    let Event::Answered { request: answered, answer } = rig.event() else { panic!("no answer") };
    let Answer::History(history) = *answer else { panic!("no history") };
    assert_eq!(answered, request);
    let texts: Vec<_> = history
        .items
        .iter()
        .filter_map(|item| match item {
            HistoryItem::Said(heard) => Some((heard.text.as_str(), heard.by.history, heard.by.mark.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(texts, [("one", Some(request), false), ("x\ny", Some(request), false), ("mine", Some(request), true)]);
    assert_eq!((history.items.len(), history.lines), (4, 5));
    assert_eq!(history.last.unwrap().0.as_deref(), Some("d"));
    assert!(!rig.session.sees("carol"), "history changes nothing that is");
}

#[test]
fn an_empty_history_is_an_answer_and_an_unasked_one_is_a_replay() {
    let mut rig = Rig::up("message-tags server-time batch draft/chathistory", "");
    let request = rig.session.history(&channel("#C"), &HistoryRange::Latest(None), 10).unwrap();
    assert_eq!(rig.sent(), ["CHATHISTORY LATEST #C * 10"]);
    rig.hear(":s BATCH +h chathistory #c\n:s BATCH -h");
    assert!(matches!(rig.event(), Event::Answered { request: answered, .. } if answered == request));
    rig.hear(":s BATCH +h chathistory #c\n@batch=h :bob!b@h PRIVMSG #c :old\n:s BATCH -h");
    assert!(matches!(rig.event(), Event::Replayed(history) if history.items.len() == 1));
}

#[test]
fn the_targets_of_a_history_are_listed() {
    let mut rig = Rig::up(MODERN, "");
    let (from, to) = (time::parse("2026-11-01T10:00:00Z").unwrap(), time::parse("2026-11-02T10:00:00Z").unwrap());
    rig.session.history_targets(from, to, 10).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!(
        "@label={label} :s BATCH +t draft/chathistory-targets
         @batch=t :s CHATHISTORY TARGETS bob 2026-11-01T11:00:00.000Z
         @batch=t :s CHATHISTORY TARGETS #c nonsense
         :s BATCH -t"
    ));
    let Event::Answered { answer, .. } = rig.event() else { panic!("no answer") };
    assert_eq!(*answer, Answer::Targets(vec![("bob".into(), time::parse("2026-11-01T11:00:00Z").unwrap())]));
}

#[test]
fn a_refused_history_fails() {
    let mut rig = Rig::up(MODERN, "");
    rig.session.history(&nick("bob"), &HistoryRange::Before(Point::Msgid("m".into())), 10).unwrap();
    let label = tag(&rig.sent()[0], "label").unwrap();
    rig.hear(&format!("@label={label} :s FAIL CHATHISTORY INVALID_TARGET BEFORE bob :Messages could not be retrieved"));
    assert!(
        matches!(rig.event(), Event::RequestFailed { failure, .. } if failure.why == "Messages could not be retrieved")
    );
    let range = HistoryRange::Before(Point::Msgid("m\r\nQUIT".into()));
    assert!(matches!(rig.session.history(&nick("bob"), &range, 10), Err(Refusal::BadParam { .. })));
}

#[test]
fn a_password_that_a_service_echoes_is_not_reported() {
    let service =
        NickServ { service: Middle::new("NickServ").unwrap(), account: None, password: secret("pw"), regain: false };
    let mut rig = Rig::new(SessionConfig { nickserv: Some(service), ..config() });
    rig.register("echo-message", "");
    rig.events();
    rig.hear(":me!u@h PRIVMSG NickServ :IDENTIFY pw");
    assert!(rig.events().is_empty());
}
