//! Getting in: capabilities, logins, nicks, and servers that do not want us.

use super::*;
use crate::proto::caps::Cap;

fn login(required: bool) -> SessionConfig {
    let credentials = Credentials::Password { account: "acc".into(), password: secret("pw"), plain_without_tls: false };
    SessionConfig { sasl: Some(SaslConfig { credentials, required }), ..config() }
}

fn service() -> NickServ {
    let service = Middle::new("NickServ").unwrap();
    NickServ { service, account: Some(Middle::new("acc").unwrap()), password: secret("pw"), regain: true }
}

#[test]
fn a_registration_waits_for_the_capabilities_and_the_end_of_the_greeting() {
    let mut rig = Rig::new(config());
    assert_eq!(rig.sent(), ["CAP LS 302", "NICK me", "USER user 0 * :A Person"]);
    rig.hear(":s CAP * LS * :batch server-time");
    assert!(rig.sent().is_empty());
    rig.hear(":s CAP * LS :labeled-response unknown");
    assert_eq!(rig.sent(), ["CAP REQ :server-time labeled-response batch"]);
    rig.hear(":s CAP * ACK :server-time labeled-response batch");
    assert_eq!(rig.sent(), ["CAP END"]);
    rig.hear(":s 001 me :Welcome me!~u@h\n:s 005 me NICKLEN=30 NETWORK=Net :are supported");
    assert!(rig.events().is_empty() && !rig.session.is_up());
    rig.hear(":s 376 me :end of motd");
    assert_eq!(rig.event(), Event::Registered { nick: "me".into() });
    assert_eq!(rig.session.isupport().network(), Some("Net"));
    assert!(rig.session.caps().has(Cap::LabeledResponse));
}

#[test]
fn a_server_without_capabilities_is_fine() {
    let mut rig = Rig::new(config());
    rig.hear(":s 421 * CAP :Unknown command\n:s 001 me :hi\n:s 422 me :no motd");
    assert!(rig.events().contains(&Event::Registered { nick: "me".into() }));
}

#[test]
fn passwords_and_webirc_come_first() {
    let webirc = Webirc {
        password: secret("wp"),
        gateway: Middle::new("gw").unwrap(),
        host: Middle::new("host.example").unwrap(),
        ip: "::1".parse().unwrap(),
    };
    let mut rig = Rig::new(SessionConfig { webirc: Some(webirc), password: Some(secret("p w")), ..config() });
    assert_eq!(rig.sent()[..3], ["WEBIRC wp gw host.example 0::1", "CAP LS 302", "PASS :p w"]);
    let shown = format!("{:?}", rig.session);
    assert!(!shown.contains("p w") && !shown.contains("\"wp"), "{shown}");
}

#[test]
fn a_login_by_sasl_precedes_the_end_of_the_negotiation() {
    let mut rig = Rig::new(login(true));
    rig.hear(":s CAP * LS :sasl=PLAIN");
    rig.sent();
    rig.hear(":s CAP * ACK :sasl");
    assert_eq!(rig.sent(), ["AUTHENTICATE PLAIN"]);
    rig.hear("AUTHENTICATE +");
    assert_eq!(rig.sent(), ["AUTHENTICATE YWNjAGFjYwBwdw=="]);
    rig.hear(":s 900 me me!u@h acc :You are now logged in as acc\n:s 903 me :ok");
    assert_eq!(rig.sent(), ["CAP END"]);
    assert_eq!(rig.event(), Event::LoggedIn { account: "acc".into() });
    assert_eq!(rig.session.account(), Some("acc"));
}

#[test]
fn a_mechanism_that_fails_is_followed_by_the_next_one() {
    let mut rig = Rig::new(login(true));
    rig.hear(":s CAP * LS :sasl=SCRAM-SHA-256,PLAIN\n:s CAP * ACK :sasl");
    assert!(rig.sent().contains(&"AUTHENTICATE SCRAM-SHA-256".to_owned()));
    rig.hear(":s 904 me :failed");
    assert_eq!(rig.sent(), ["AUTHENTICATE PLAIN"]);
    rig.hear(":s 904 me :failed");
    assert_eq!(rig.sent(), ["QUIT"]);
    let events = rig.events();
    assert!(matches!(&events[..], [Event::LoginFailed { .. }, Event::Closed(CloseReason::Refused(_))]), "{events:?}");
}

#[test]
fn a_login_that_is_not_required_may_fail() {
    let mut rig = Rig::new(login(false));
    rig.hear(":s CAP * LS :batch\n:s CAP * ACK :batch");
    assert!(rig.sent().contains(&"CAP END".to_owned()));
    rig.hear(":s 001 me :hi\n:s 422 me :no motd");
    assert!(rig.session.is_up());
}

#[test]
fn a_required_login_is_not_skipped_by_a_server_without_capabilities() {
    let mut rig = Rig::new(login(true));
    rig.hear(":s 001 me :hi\n:s 422 me :no motd");
    assert!(!rig.session.is_up());
    assert!(rig.events().iter().any(|event| matches!(event, Event::Closed(CloseReason::Refused(_)))));
}

#[test]
fn a_service_is_the_last_resort_and_registration_waits_for_it() {
    let mut rig = Rig::new(SessionConfig { nickserv: Some(service()), ..config() });
    rig.sent();
    rig.hear(":s CAP * LS :\n:s 001 me :hi\n:s 422 me :no motd");
    assert_eq!(rig.sent(), ["CAP END", "PRIVMSG NickServ :IDENTIFY acc pw"]);
    assert!(!rig.session.is_up());
    rig.hear(":NickServ!s@services NOTICE me :You are now identified\n:s 900 me me!u@h acc :logged in");
    assert!(rig.session.is_up());
    let mut rig = Rig::new(SessionConfig { nickserv: Some(service()), ..config() });
    rig.hear(":s 001 me :hi\n:s 422 me :no motd");
    rig.pass(Duration::from_secs(11));
    assert!(rig.session.is_up());
    assert!(matches!(rig.events()[0], Event::LoginFailed { .. }));
}

#[test]
fn a_nick_that_is_taken_gets_a_suffix_and_is_taken_back_when_it_is_free() {
    let mut rig = Rig::new(config());
    rig.sent();
    rig.hear(":s 433 * me :Nickname is already in use");
    assert_eq!(rig.sent(), ["NICK me_"]);
    rig.hear(":s 433 * me_ :Nickname is already in use");
    assert_eq!(rig.sent(), ["NICK me__"]);
    rig.hear(":s 001 me__ :hi\n:s 005 me__ MONITOR=100 NICKLEN=30 :x\n:s 422 me__ :no motd");
    assert_eq!(rig.session.nick(), "me__");
    assert_eq!(rig.sent(), ["MONITOR + me"]);
    rig.hear(":s 730 me__ :me!x@y");
    assert!(rig.sent().is_empty());
    rig.hear(":s 731 me__ :me\n:me!x@y QUIT :bye");
    assert_eq!(rig.sent(), ["NICK me"]);
    rig.hear(":me__!u@h NICK :me");
    assert_eq!(rig.session.nick(), "me");
    assert_eq!(rig.sent(), ["MONITOR - me"]);
}

#[test]
fn a_nick_that_is_taken_from_us_is_taken_back() {
    let mut rig = Rig::up("", "");
    rig.hear(":me!u@h NICK Guest42");
    assert!(rig.session.deadline().unwrap() <= rig.now + Duration::from_mins(1));
    rig.pass(Duration::from_mins(1));
    assert!(rig.sent().contains(&"NICK me".to_owned()));
}

#[test]
fn without_monitor_the_nick_is_tried_again_from_time_to_time_and_when_it_goes() {
    let mut rig = Rig::new(config());
    rig.hear(":s 433 * me :taken\n:s 001 me_ :hi\n:s 422 me_ :no motd\n:me_!u@h JOIN #c\n:me!a@b JOIN #c");
    rig.sent();
    rig.pass(Duration::from_mins(1));
    assert!(rig.sent().contains(&"NICK me".to_owned()));
    rig.hear(":s 433 me_ me :still taken");
    rig.pass(Duration::from_mins(1));
    assert!(!rig.sent().contains(&"NICK me".to_owned()), "pauses grow");
    rig.hear(":me!a@b QUIT :bye");
    assert_eq!(rig.sent(), ["NICK me"]);
    rig.events();
    rig.hear(":s 433 me_ me :taken by somebody else");
    assert!(matches!(rig.event(), Event::ServerSaid(_)));
}

#[test]
fn the_service_is_asked_to_free_the_nick() {
    let mut rig = Rig::new(SessionConfig { nickserv: Some(NickServ { account: None, ..service() }), ..config() });
    rig.hear(":s 433 * me :taken\n:s 001 me_ :hi\n:s 422 me_ :no motd");
    rig.sent();
    rig.hear(":s 900 me_ me_!u@h acc :logged in");
    assert_eq!(rig.sent(), ["PRIVMSG NickServ :REGAIN me pw"]);
}

#[test]
fn registration_ends_when_no_nick_can_be_had() {
    let mut rig = Rig::new(config());
    for _ in 0..40 {
        rig.hear(":s 433 * x :taken");
    }
    assert!(rig.events().iter().any(|event| matches!(event, Event::Closed(CloseReason::Refused(_)))));
}

#[test]
fn a_server_that_wants_tls_gets_it_and_nothing_else() {
    let mut rig = Rig::new(SessionConfig { secure: false, ..config() });
    rig.sent();
    rig.hear(":s CAP * LS :sts=port=6697,duration=300 sasl");
    let events = rig.events();
    assert!(matches!(&events[..], [Event::Sts(_), Event::Closed(CloseReason::WantsTls)]), "{events:?}");
    assert!(rig.sent().is_empty());
    let mut rig = Rig::new(config());
    rig.hear(":s CAP * LS :sts=port=6697,duration=300");
    assert!(matches!(rig.event(), Event::Sts(_)));
}

#[test]
fn a_server_that_refuses_is_understood() {
    let closed = |lines: &str| {
        let mut rig = Rig::new(config());
        rig.hear(lines);
        match rig.events().pop() {
            Some(Event::Closed(reason)) => reason,
            other => panic!("the session is not over: {other:?}"),
        }
    };
    assert!(matches!(closed("ERROR :Closing Link: (Throttled)"), CloseReason::Server { throttled: true, .. }));
    assert!(matches!(closed(":s 465 me :You are banned"), CloseReason::Server { banned: true, .. }));
    assert!(matches!(closed(":s 464 me :Password incorrect"), CloseReason::Refused(_)));
}

#[test]
fn a_server_that_never_lets_us_in_is_given_up() {
    let mut rig = Rig::new(config());
    assert!(rig.session.deadline().unwrap() <= rig.now + Duration::from_mins(1));
    rig.pass(Duration::from_mins(1));
    assert!(matches!(rig.event(), Event::Closed(CloseReason::Refused(_))));
    assert_eq!(rig.session.deadline(), None);
}

#[test]
fn pings_are_answered_and_a_server_that_says_nothing_is_dead() {
    let mut rig = Rig::up("", "");
    rig.hear("PING :a b\r\n");
    assert_eq!(rig.sent(), ["PONG :a b"]);
    rig.pass(Duration::from_secs(59));
    assert!(rig.sent().is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.sent(), ["PING :mg-alive"]);
    rig.hear(":s PONG s :mg-alive");
    rig.pass(Duration::from_mins(1));
    assert_eq!(rig.sent(), ["PING :mg-alive"]);
    rig.pass(Duration::from_secs(45));
    assert_eq!(rig.event(), Event::Closed(CloseReason::Dead));
}

#[test]
fn a_flood_of_pings_does_not_fill_memory() {
    let mut rig = Rig::up("", "");
    (0..10_000).for_each(|n| rig.hear(&format!("PING {n}")));
    assert!(rig.sent().len() <= 256);
}

#[test]
fn a_program_marks_itself_where_the_server_has_a_mode_for_it() {
    let mut rig = Rig::new(SessionConfig { bot: true, ..config() });
    rig.register("", "BOT=B");
    assert!(rig.sent().contains(&"MODE me +B".to_owned()));
}

#[test]
fn capabilities_that_come_and_go_later_are_followed() {
    let mut rig = Rig::up("batch message-tags", "");
    rig.hear(":s CAP me NEW :echo-message");
    assert_eq!(rig.sent(), ["CAP REQ :echo-message"]);
    rig.hear(":s CAP me ACK :echo-message");
    assert!(rig.session.caps().has(Cap::EchoMessage));
    rig.hear(":s CAP me DEL :echo-message");
    assert!(!rig.session.caps().has(Cap::EchoMessage));
    assert_eq!(rig.events(), vec![Event::FeaturesChanged; 3]);
}
