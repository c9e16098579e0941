//! What real clients send, written from how they are documented to behave: which attributes they leave
//! out, which they always write, and what they have of their own.

use crate::stage::{GATEWAY, answer, described, sdp as sdp_of};
use minidom::Element;
use monster_bridge_api::{CallMedia, CallStep};
use monster_jingle::{Dialogue, Jingle, Message, MessageKind, Output, Reason};

fn parsed(text: &str) -> Jingle {
    Jingle::of_element(&text.parse::<Element>().unwrap()).unwrap()
}

/// Begins a call with a client's session-initiate.
fn begun(from: &str, text: &str) -> (Dialogue, CallStep) {
    let jingle = parsed(text);
    let mut dialogue = Dialogue::by(from, GATEWAY, &jingle.sid);
    let out = dialogue.jingle(from, &jingle).unwrap();
    let [Output::Step { step, .. }] = &out[..] else { panic!("{out:?}") };
    (dialogue, step.clone())
}

fn sent(out: &[Output]) -> Vec<String> {
    let name = |out: &Output| match out {
        Output::Iq { payload, .. } => payload.attr("action").unwrap_or_default().to_owned(),
        Output::Message { payload, .. } => payload.name().to_owned(),
        Output::Step { step, .. } => format!("{step:?}"),
    };
    out.iter().map(name).collect()
}

#[test]
fn conversations_calls_with_pictures_in_one_bundle() {
    let (_, step) = begun("romeo@montague.example/Conversations.aBcD", include_str!("clients/conversations.xml"));
    assert!(matches!(step, CallStep::Offer { media: CallMedia::Video, .. }));
    let sdp = described(&step);
    for line in [
        "a=group:BUNDLE 0 1",
        "a=ice-options:trickle",
        "a=extmap-allow-mixed",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtcp-fb:96 trr-int 100",
        "a=rtcp-fb:96 nack pli",
        "a=ssrc-group:FID 1734522595 1234567",
        "a=ssrc:1734522595 msid:my-media-stream my-video-track",
        "a=msid:my-media-stream my-video-track",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=setup:actpass",
    ] {
        assert!(sdp.contains(&format!("{line}\r\n")), "{line} is not in {sdp}");
    }
}

#[test]
fn dino_s_call_without_bundle_has_a_way_for_each_of_sound_and_pictures() {
    let from = "juliet@capulet.example/dino.9f2c";
    let (dialogue, step) = begun(from, include_str!("clients/dino.xml"));
    let sdp = described(&step);
    assert!(sdp.contains("m=audio 9") && sdp.contains("m=video 9") && !sdp.contains("BUNDLE"), "{sdp}");
    assert!(sdp.contains("a=ice-ufrag:aB+1\r\n") && sdp.contains("a=ice-ufrag:cD/2\r\n"), "{sdp}");
    assert!(sdp.contains("a=rtpmap:8 PCMA/8000\r\n"), "a payload type without a name is the one of RFC 3551: {sdp}");
    assert!(matches!(step, CallStep::Offer { media: CallMedia::Video, .. }));
    let answered = |video: &str| {
        let sdp = sdp_of("gate", &[("audio", "sendrecv"), ("video", video)]);
        let sdp = sdp.replace("mid:0", "mid:audio").replace("mid:1", "mid:video");
        CallStep::Answer { sdp: Some(sdp.replace("a=group:BUNDLE 0 1\r\n", "").replace("a=group:BUNDLE 0\r\n", "")) }
    };
    let mut voice = dialogue.clone();
    let out = voice.step(answered("off")).unwrap();
    assert_eq!(sent(&out), ["session-accept", "content-remove"], "for what is not taken there is no way");
    let mut both = dialogue;
    let out = both.step(answered("sendrecv")).unwrap();
    assert_eq!(sent(&out), ["session-accept"]);
    let Output::Iq { payload, .. } = &out[0] else { panic!("{out:?}") };
    let accept = String::from(payload);
    assert_eq!(accept.matches("<transport").count(), 2, "{accept}");
    assert!(!accept.contains("grouping"), "who does not say BUNDLE is not answered with it: {accept}");
}

#[test]
fn stanza_calls_without_a_value_for_red_and_finds_ways_without_generation_or_id() {
    let from = "nurse@capulet.example/web";
    let (mut dialogue, step) = begun(from, include_str!("clients/stanza.xml"));
    let sdp = described(&step);
    assert!(sdp.contains("a=fmtp:63 111/111\r\n"), "{sdp}");
    assert!(sdp.contains("a=msid:stream track\r\n"), "{sdp}");
    let out = dialogue.jingle(from, &parsed(include_str!("clients/stanza-candidate.xml"))).unwrap();
    let [Output::Step { step: CallStep::Candidates(found), .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(
        found[0].line,
        "candidate:842163049 1 udp 2122260223 d5f5ef2b-5a4e-4b63-9f4e-1f0d6a5a8a8e.local 51472 typ host"
    );
    assert!(found[1].line.ends_with("tcptype active"), "{found:?}");
    let gathered = "<jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='f81d4fae-7dec-11d0'>\
                    <content creator='initiator' name='0'><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' \
                    ufrag='abcd'><gathering-complete/></transport></content></jingle>";
    assert_eq!(dialogue.jingle(from, &parsed(gathered)).unwrap(), []);
}

#[test]
fn movim_calls_with_a_stream_that_has_no_name() {
    let (_, step) = begun("nurse@capulet.example/movimX1", include_str!("clients/movim.xml"));
    let sdp = described(&step);
    assert!(sdp.contains("a=msid:- 2f7\r\n") && sdp.contains("typ srflx raddr 0.0.0.0 rport 9"), "{sdp}");
}

#[test]
fn a_content_whose_name_cannot_be_a_mid_is_found_again_in_the_answer() {
    let text = include_str!("clients/movim.xml").replace("name='0'", "name='this is a very long name for it'");
    let (mut dialogue, step) = begun("nurse@capulet.example/movimX1", &text);
    assert!(described(&step).contains("a=mid:x0\r\n"), "{step:?}");
    let mut voice = answer("gate", &[("audio", "sendrecv")]);
    if let CallStep::Answer { sdp: Some(sdp) } = &mut voice {
        *sdp = sdp.replace("mid:0", "mid:x0").replace("BUNDLE 0", "BUNDLE x0");
    }
    let out = dialogue.step(voice).unwrap();
    let Output::Iq { payload, .. } = &out[0] else { panic!("{out:?}") };
    assert!(String::from(payload).contains("this is a very long name for it"));
}

#[test]
fn invitations_are_read_as_both_versions_have_them() {
    let read = |text: &str| Message::of_element(&text.parse().unwrap()).unwrap().kind;
    let old = "<propose xmlns='urn:xmpp:jingle-message:0' id='1'>\
               <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='96'/></description></propose>";
    assert!(matches!(read(old), MessageKind::Propose(kinds) if kinds.len() == 1));
    let both = "<propose xmlns='urn:xmpp:jingle-message:0' id='1'>\
                <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>\
                <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>";
    assert!(matches!(read(both), MessageKind::Propose(kinds) if kinds.len() == 2), "no kind is lost");
    assert_eq!(read("<accept xmlns='urn:xmpp:jingle-message:0' id='1'/>"), MessageKind::Accept);
    assert_eq!(read("<ringing xmlns='urn:xmpp:jingle-message:0' id='1'/>"), MessageKind::Ringing);
    let ending = |text: &str| match read(text) {
        MessageKind::Reject(ending) | MessageKind::Retract(ending) | MessageKind::Finish(ending) => ending,
        other => panic!("{other:?}"),
    };
    assert_eq!(ending("<reject xmlns='urn:xmpp:jingle-message:0' id='1'/>").reason, None);
    let finish = ending(
        "<finish xmlns='urn:xmpp:jingle-message:0' id='1'><reason xmlns='urn:xmpp:jingle:1'><expired/>\
         <text>Session migrated</text></reason><migrated to='2'/></finish>",
    );
    assert_eq!(finish.migrated.as_deref(), Some("2"));
    assert_eq!(finish.reason.and_then(|Reason { text, .. }| text).as_deref(), Some("Session migrated"));
    let tie = ending(
        "<reject xmlns='urn:xmpp:jingle-message:0' id='1'><reason xmlns='urn:xmpp:jingle:1'><expired/></reason>\
         <tie-break/></reject>",
    );
    assert!(tie.tie_break);
}
