//! What a session description says is said by the Jingle elements made of it, and the other way round.

use minidom::Element;
use monster_jingle::{
    Action, Candidate, Content, Credentials, Extension, Feedback, Fingerprint, Group, Jingle, Kind, Msid, Parameter,
    Payload, Rtp, Senders, Session, Setup, Side, Source, SourceGroup, Transport, contents_of,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A session by way of the text of a stanza.
fn through_jingle(session: &Session) -> Session {
    let mut jingle = Jingle::new(Action::SessionInitiate, "sid").with_parts(contents_of(session));
    jingle.groups.clone_from(&session.groups);
    let text = String::from(&jingle.to_element());
    let read = Jingle::of_element(&text.parse::<Element>().unwrap()).unwrap();
    assert_eq!(read, jingle, "{text}");
    let contents = read.parts.into_iter().map(|part| part.into_content().unwrap()).collect();
    Session { groups: read.groups, contents }
}

/// The lines that WebRTC needs, in the spelling of this crate.
fn needed(sdp: &str) -> Vec<String> {
    const NEEDED: [&str; 21] = [
        "group:",
        "mid:",
        "ice-ufrag:",
        "ice-pwd:",
        "fingerprint:",
        "setup:",
        "sendrecv",
        "sendonly",
        "recvonly",
        "inactive",
        "rtcp-mux",
        "rtpmap:",
        "fmtp:",
        "rtcp-fb:",
        "extmap:",
        "msid:",
        "ssrc:",
        "ssrc-group:",
        "candidate:",
        "ice-options:",
        "ptime:",
    ];
    let lines = sdp.lines().filter_map(|line| line.strip_prefix("a="));
    let spelt = |line: &str| match line.split_once(" generation ") {
        // (Chromium's own additions to a candidate say nothing to others.)
        Some((candidate, rest)) if line.starts_with("candidate:") => {
            let tcp = rest.split_once(" tcptype ").map(|(_, kind)| kind.split(' ').next().unwrap_or_default());
            tcp.map_or_else(|| candidate.to_owned(), |tcp| format!("{candidate} tcptype {tcp}"))
        }
        _ if line.starts_with("fingerprint:") => line.to_ascii_lowercase(),
        _ => line.replace("; ", ";"),
    };
    lines.filter(|line| NEEDED.iter().any(|needed| line.starts_with(needed))).map(spelt).collect()
}

#[test]
fn what_real_clients_describe_is_all_there_after_the_way_through_jingle() {
    let captured = [
        ("chromium-offer", include_str!("sdp/chromium-offer.sdp")),
        ("chromium-answer", include_str!("sdp/chromium-answer.sdp")),
        ("chromium-voice", include_str!("sdp/chromium-voice.sdp")),
        ("aiortc-offer", include_str!("sdp/aiortc-offer.sdp")),
        ("aiortc-answer", include_str!("sdp/aiortc-answer.sdp")),
        ("gateway", include_str!("sdp/gateway.sdp")),
    ];
    for (name, text) in captured {
        for by in [Side::Initiator, Side::Responder] {
            let session = Session::of_sdp(text, by).unwrap();
            assert!(session.live().count() > 0, "{name}");
            let mut back = through_jingle(&session);
            back.contents.iter_mut().for_each(|content| content.creator = by);
            assert_eq!(back, session, "{name}");
            let printed = needed(&back.to_sdp(by, 1));
            for line in needed(text) {
                assert!(printed.contains(&line), "{name}: a={line} is lost; there is {printed:#?}");
            }
            let order = |sdp: &str| -> Vec<String> {
                sdp.lines().filter(|line| line.starts_with("m=")).map(|line| line[..7].to_owned()).collect()
            };
            assert_eq!(order(&back.to_sdp(by, 1)), order(text), "{name}");
        }
    }
}

#[test]
fn candidates_are_the_same_in_both_forms() {
    for line in [
        "candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host",
        "candidate:2 1 udp 2122260223 d5f5ef2b-5a4e-4b63-9f4e-1f0d6a5a8a8e.local 5000 typ host",
        "candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "candidate:4 1 udp 1 2001:db8::1 6 typ relay raddr 0.0.0.0 rport 0",
        "candidate:5 2 udp 7 192.0.2.1 5001 typ srflx raddr 198.51.100.1 rport 4000 generation 3",
    ] {
        let candidate = Candidate::of_line(line).unwrap();
        assert_eq!(candidate.to_line(), line);
        assert_eq!(Candidate::of_element(&candidate.to_element()), Some(candidate), "{line}");
    }
}

#[test]
fn hostile_words_never_become_lines_of_a_session_description() {
    let hostile = "0\r\na=candidate:6 6 udp 6 192.0.2.6 6 typ host";
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'>\
         <content creator='initiator' name='{0}'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
         <payload-type id='96' name='{0}' clockrate='8000'><parameter name='{0}' value='{0}'/>\
         <parameter name='a' value='{0}'/></payload-type>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='cname' value='{0}'/></source>\
         <rtcp-mux/></description>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='{0}' pwd='{0}'>\
         <candidate component='1' foundation='{0}' ip='{0}' port='1' priority='1' protocol='udp' type='host'/>\
         </transport></content></jingle>",
        hostile.replace('\r', "&#13;").replace('\n', "&#10;"),
    );
    let element: Element = text.parse().unwrap();
    // A name with a line break is refused; everything else that has one is passed over.
    assert!(Jingle::of_element(&element).is_err());
    let named: Element = text.replacen("name='0&#13;&#10;", "name='n", 1).parse().unwrap();
    let jingle = Jingle::of_element(&named).unwrap();
    let contents = jingle.parts.into_iter().filter_map(monster_jingle::Part::into_content).collect();
    let sdp = Session { groups: Vec::new(), contents }.to_sdp(Side::Initiator, 1);
    assert!(!sdp.contains("a=candidate"), "{sdp}");
}

#[test]
fn who_sends_is_told_as_seen_by_the_initiator() {
    for by in [Side::Initiator, Side::Responder] {
        for senders in [Senders::Both, Senders::Initiator, Senders::Responder, Senders::None] {
            assert_eq!(Senders::of_direction(senders.direction(by), by), Some(senders));
        }
    }
    assert_eq!(Senders::of_direction("sendonly", Side::Responder), Some(Senders::Responder));
    assert_eq!(Senders::of_direction("recvonly", Side::Responder), Some(Senders::Initiator));
}

// -- any session ----------------------------------------------------------------------------------

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9-]{0,11}"
}

fn ice() -> impl Strategy<Value = Credentials> {
    ("[A-Za-z0-9+/]{4,8}", "[A-Za-z0-9+/]{22,32}").prop_map(|(ufrag, pwd)| Credentials { ufrag, pwd })
}

fn feedback() -> impl Strategy<Value = Feedback> {
    let sub = option::of("[a-z]{1,6}( [a-z=0-9]{1,6})?");
    let other = ("[a-z][a-z-]{0,8}", sub).prop_filter("an interval is a number", |(kind, _)| kind != "trr-int");
    prop_oneof![
        other.prop_map(|(kind, sub)| Feedback { kind, sub }),
        any::<u32>().prop_map(|ms| Feedback { kind: "trr-int".to_owned(), sub: Some(ms.to_string()) }),
    ]
}

fn parameter() -> impl Strategy<Value = Parameter> {
    prop_oneof![
        ("[a-z-]{1,12}", "[A-Za-z0-9,/+=]{1,12}").prop_map(|(name, value)| Parameter { name: Some(name), value }),
        "[0-9]{1,3}[/-][0-9]{1,3}".prop_map(|value| Parameter { name: None, value }),
    ]
}

prop_compose! {
    fn payload()(
        name in word(), clock in 1u32..200_000, channels in 1u8..4,
        parameters in vec(parameter(), 0..4), feedback in vec(feedback(), 0..4),
    ) -> Payload {
        Payload { id: 0, name, clock, channels, parameters, feedback }
    }
}

fn senders() -> impl Strategy<Value = Senders> {
    select(vec![Senders::Both, Senders::Initiator, Senders::Responder, Senders::None])
}

prop_compose! {
    fn extension()(id in 1u16..250, uri in "urn:[a-z:-]{1,20}", senders in senders()) -> Extension {
        Extension { id, uri, senders }
    }
}

prop_compose! {
    fn candidate()(
        foundation in "[a-z0-9]{1,32}", component in 1u8..3, protocol in select(vec!["udp", "tcp"]),
        priority in any::<u32>(), address in select(vec!["192.0.2.7", "2001:db8::7", "f00-ba4.local"]), port in any::<u16>(),
        kind in select(vec!["host", "srflx", "prflx", "relay"]), related in option::of(("192\\.0\\.2\\.[1-9]", any::<u16>())),
        tcp in option::of(select(vec!["active", "passive", "so"])), generation in 0u8..5,
    ) -> Candidate {
        Candidate {
            foundation, component, protocol: protocol.to_owned(), priority, address: address.to_owned(), port,
            kind: kind.to_owned(), related, tcp: tcp.map(str::to_owned), generation,
        }
    }
}

prop_compose! {
    fn transport()(
        credentials in option::of(ice()), hashes in vec("([0-9A-F]{2}:){31}[0-9A-F]{2}", 0..2),
        setup in option::of(select(vec![Setup::Active, Setup::Passive, Setup::ActPass])),
        candidates in vec(candidate(), 0..4), trickle in any::<bool>(),
    ) -> Transport {
        let setup = setup.filter(|_| !hashes.is_empty());
        let fingerprints = hashes.into_iter().map(|value| Fingerprint { hash: "sha-256".to_owned(), value }).collect();
        Transport { credentials, fingerprints, setup, candidates, trickle }
    }
}

prop_compose! {
    fn media()(
        kind in select(vec![Kind::Audio, Kind::Video]), payloads in vec(payload(), 1..5),
        feedback in vec(feedback(), 0..3), extensions in vec(extension(), 0..4), mixed in any::<bool>(),
        ssrcs in proptest::collection::btree_set(any::<u32>(), 0..3), cname in word(), semantics in select(vec!["FID", "SIM"]),
        msid in option::of((word(), option::of(word()))), mux in any::<bool>(),
        ptime in option::of(10u32..60), max_ptime in option::of(60u32..120),
    ) -> Rtp {
        let mut payloads = payloads;
        (96u8..).zip(&mut payloads).for_each(|(id, payload)| payload.id = id);
        let sources = ssrcs.iter().map(|ssrc| {
            Source { ssrc: *ssrc, parameters: vec![("cname".to_owned(), Some(cname.clone()))] }
        }).collect();
        let group = SourceGroup { semantics: semantics.to_owned(), sources: ssrcs.iter().copied().collect() };
        let source_groups = if ssrcs.len() > 1 { vec![group] } else { Vec::new() };
        let msid = msid.map(|(stream, track)| Msid { stream, track });
        Rtp { kind, payloads, feedback, extensions, mixed, sources, source_groups, msid, mux, ptime, max_ptime }
    }
}

fn session() -> impl Strategy<Value = Session> {
    let content = (media(), transport(), senders());
    (vec(content, 1..5), any::<bool>()).prop_map(|(parts, bundle)| {
        let contents: Vec<Content> = parts
            .into_iter()
            .enumerate()
            .map(|(index, (media, transport, senders))| Content {
                name: format!("m{index}"),
                creator: Side::Initiator,
                senders,
                live: true,
                media,
                transport,
            })
            .collect();
        let names = contents.iter().map(|content| content.name.clone()).collect();
        Session { groups: if bundle { vec![Group::bundle(names)] } else { Vec::new() }, contents }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_session_is_the_same_after_the_way_through_jingle(session in session()) {
        prop_assert_eq!(through_jingle(&session), session);
    }

    #[test]
    fn any_session_is_the_same_after_the_way_through_a_session_description(session in session(), version: u64) {
        let text = session.to_sdp(Side::Initiator, version);
        let read = Session::of_sdp(&text, Side::Initiator);
        prop_assert_eq!(read, Ok(session), "{}", text);
    }

    #[test]
    fn no_text_is_too_strange_for_a_description_or_an_answer_in_words(text in "\\PC{0,200}") {
        if let Err(error) = Session::of_sdp(&format!("v=0\r\n{text}"), Side::Initiator) {
            prop_assert!(error.to_string().len() < 200);
        }
    }
}
