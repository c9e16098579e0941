//! Channels, members, modes, nicks.

use super::*;

fn in_channel(caps: &str) -> Rig {
    let mut rig = Rig::up(caps, "PREFIX=(qaohv)~&@%+ CHANMODES=beI,k,l,imnst STATUSMSG=@+");
    rig.hear(
        ":me!~user@host.example JOIN #Chan
         :s 332 me #Chan :The topic
         :s 333 me #Chan alice!a@h 1700000000
         :s 353 me = #Chan :me @+alice!a@ah bob
         :s 366 me #Chan :End",
    );
    rig
}

#[test]
fn a_channel_is_known_once_its_members_are() {
    let mut rig = in_channel("");
    assert_eq!(
        rig.events(),
        [Event::Joined { channel: "#Chan".into() }, Event::MembersKnown { channel: "#Chan".into() }]
    );
    let info = rig.session.channel("#chan").unwrap();
    assert_eq!((info.name.as_str(), info.topic.as_str()), ("#Chan", "The topic"));
    assert_eq!(info.topic_by, Some(("alice!a@h".into(), Some(1_700_000_000))));
    assert_eq!(info.members, [("alice".into(), Some('@')), ("bob".into(), None), ("me".into(), None)]);
    assert!(rig.session.is_in("#CHAN") && !rig.session.is_in("##chan") && rig.session.sees("BOB"));
    assert_eq!(rig.session.channels().collect::<Vec<_>>(), ["#Chan"]);
}

#[test]
fn each_mode_finds_its_own_member() {
    let mut rig = in_channel("");
    rig.events();
    rig.hear(":alice!a@h MODE #chan +vo-b+k bob me *!*@bad key");
    let info = rig.session.channel("#chan").unwrap();
    assert_eq!(info.members, [("alice".into(), Some('@')), ("bob".into(), Some('+')), ("me".into(), Some('@'))]);
    assert_eq!(info.modes, "k");
    match rig.event() {
        Event::Modes { by, changes, .. } => {
            let params: Vec<_> = changes.iter().map(|change| change.param.clone().unwrap()).collect();
            assert_eq!(
                (by.as_str(), params),
                ("alice", vec!["bob".into(), "me".into(), "*!*@bad".into(), "key".to_owned()])
            );
        }
        other => panic!("{other:?}"),
    }
    rig.hear(":alice!a@h MODE #chan +m-ov me bob");
    let info = rig.session.channel("#chan").unwrap();
    assert!(info.moderated && info.members[1].1.is_none() && info.members[2].1.is_none());
}

#[test]
fn people_come_go_and_are_removed() {
    let mut rig = in_channel("extended-join account-notify");
    rig.events();
    rig.hear(":carol!c@ch JOIN #chan carolacc :Carol");
    assert!(
        matches!(rig.event(), Event::MemberJoined { channel, account: Some(account), .. } if channel == "#Chan" && account == "carolacc")
    );
    assert_eq!(rig.session.person("CAROL").unwrap().1, Some("carolacc"));
    rig.hear(":carol!c@ch ACCOUNT *\n:carol!c@ch CHGHOST cc new.host");
    let (source, account) = rig.session.person("carol").unwrap();
    assert_eq!((source.host.as_deref(), account), (Some("new.host"), None));
    rig.events();
    rig.hear(":bob!b@bh PART #chan :so long");
    assert!(
        matches!(rig.event(), Event::MemberLeft { who, by: None, reason: Some(reason), .. } if who.nick == "bob" && reason == "so long")
    );
    rig.hear(":alice!a@ah KICK #chan carol :out");
    assert!(
        matches!(rig.event(), Event::MemberLeft { who, by: Some(by), .. } if who.host.as_deref() == Some("new.host") && by == "alice")
    );
    rig.hear(":alice!a@ah QUIT :irc.one.example irc.two.example");
    assert!(matches!(rig.event(), Event::Quit { netsplit: true, channels, .. } if channels == ["#Chan"]));
    assert!(!rig.session.sees("alice"));
    rig.hear(":me!u@h QUIT :x\n:nobody!n@h QUIT :http://a.b c.d/e");
    assert!(matches!(rig.event(), Event::Quit { netsplit: false, channels, .. } if channels.is_empty()));
}

#[test]
fn a_nick_change_keeps_the_person() {
    let mut rig = in_channel("");
    rig.events();
    rig.hear(":alice!a@ah NICK :alice2");
    assert_eq!(
        rig.event(),
        Event::NickChanged { from: "alice".into(), to: "alice2".into(), own: false, channels: vec!["#Chan".into()] }
    );
    assert_eq!(rig.session.channel("#chan").unwrap().members[0], ("alice2".into(), Some('@')));
    rig.hear(":ME!u@h NICK mine");
    assert!(matches!(rig.event(), Event::NickChanged { own: true, .. }));
    assert_eq!(rig.session.nick(), "mine");
    rig.hear(":mine!u@h PART #chan\n:alice2!a@h KICK #chan mine :late");
    assert_eq!(rig.event(), Event::Left { channel: "#Chan".into(), by: None, reason: None });
    assert!(!rig.session.is_in("#chan"));
}

#[test]
fn topics_invitations_and_watched_nicks_are_reported() {
    let mut rig = Rig::up("", "MONITOR=3 CASEMAPPING=ascii");
    rig.hear(":me!u@h JOIN #c");
    rig.events();
    rig.hear(":bob!b@h TOPIC #c :new\n:bob!b@h INVITE me #d\n:bob!b@h INVITE carol #d");
    let events = rig.events();
    assert!(
        matches!(&events[..], [Event::Topic { topic, .. }, Event::Invited { channel, .. }] if topic == "new" && channel == "#d")
    );
    assert!(rig.session.watch(&nick("bob")) && rig.session.watch(&nick("Bob")) && rig.session.watch(&nick("carol")));
    assert!(!rig.session.watch(&nick("dave")), "one place is kept for our own nick");
    assert_eq!(rig.sent(), ["MONITOR + bob", "MONITOR + carol"]);
    rig.hear(":s 730 me :bob!b@h,eve!e@h\n:s 731 me :carol");
    assert_eq!(
        rig.events(),
        [Event::Presence { nick: "bob".into(), online: true }, Event::Presence { nick: "carol".into(), online: false }]
    );
    rig.session.unwatch(&nick("bob"));
    assert_eq!(rig.sent(), ["MONITOR - bob"]);
    assert!(!Rig::up("", "").session.watch(&nick("bob")));
}

#[test]
fn two_channels_whose_names_only_look_alike_stay_two() {
    let mut rig = Rig::up("", "CASEMAPPING=ascii");
    rig.hear(":me!u@h JOIN #a[\n:me!u@h JOIN #a{\n:me!u@h JOIN #A[");
    assert_eq!(rig.events().len(), 2);
    rig.hear(":bob!b@h JOIN #a[");
    assert!(rig.session.channel("#a[").unwrap().members.iter().any(|(nick, _)| nick == "bob"));
    assert!(rig.session.channel("#a{").unwrap().members.is_empty());
}

#[test]
fn a_lean_session_keeps_no_members_where_monitor_can_tell() {
    let mut rig = Rig::new(SessionConfig { lean: true, ..config() });
    rig.register("multi-prefix", "MONITOR=9 PREFIX=(ov)@+");
    rig.hear(":me!u@h JOIN #c\n:s 353 me = #c :@me bob carol\n:s 366 me #c :End\n:dave!d@h JOIN #c\n:bob!b@h PART #c");
    rig.events();
    assert!(!rig.session.sees("bob") && !rig.session.sees("dave"));
    assert_eq!(rig.session.sign_in("#c", "me"), Some('@'));
    rig.hear(":carol!c@h QUIT :bye");
    assert!(matches!(rig.event(), Event::Quit { .. }));
    let mut rig = Rig::new(SessionConfig { lean: true, ..config() });
    rig.register("draft/no-implicit-names", "MONITOR=9");
    rig.session.join(&channel("#c"), None).unwrap();
    rig.sent();
    rig.events();
    rig.hear(":me!u@h JOIN #c");
    assert!(matches!(&rig.events()[2], Event::Answered { .. }), "no list of names follows");
    let mut rig = Rig::new(SessionConfig { lean: true, ..config() });
    rig.register("", "");
    rig.hear(":me!u@h JOIN #c\n:s 353 me = #c :me bob\n:s 366 me #c :End");
    assert!(rig.session.sees("bob"), "without MONITOR the list is what there is");
}

#[test]
fn a_server_cannot_make_us_keep_endless_members_or_channels() {
    let mut rig = in_channel("");
    for n in 0..5_000 {
        rig.hear(&format!(":me!u@h JOIN #c{n}"));
    }
    assert!(rig.session.channels().count() <= 4_096);
}
