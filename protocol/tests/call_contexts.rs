//! Call contexts: every step, the bare session description, ringing without WebRTC, and the limits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_protocol::{
    CallContext, CallError, CallSignal, CallStep, Candidate, Frame, MAX_CANDIDATES, MAX_SDP_BYTES, Media, Muted,
    Request, RequestBody,
};

fn parse(text: &str) -> CallContext {
    CallContext::parse(text, "m1").unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn signal(text: &str) -> CallSignal {
    match parse(text) {
        CallContext::Signal(signal) => signal,
        CallContext::Ring(_) => panic!("{text}"),
    }
}

#[test]
fn every_step_is_read_and_written_back() {
    for (text, step) in [
        (r#"{"type":"offer","callId":"c","sdp":"v=0"}"#, CallStep::Offer("v=0".into())),
        (r#"{"type":"ringing","callId":"c"}"#, CallStep::Ringing),
        (r#"{"type":"answer","callId":"c","sdp":"v=0"}"#, CallStep::Answer("v=0".into())),
        (r#"{"type":"candidates","callId":"c","candidates":[]}"#, CallStep::Candidates),
        (r#"{"type":"update","callId":"c","sdp":"v=0"}"#, CallStep::Update { sdp: Some("v=0".into()), muted: None }),
        (
            r#"{"type":"update","callId":"c","muted":{"audio":true,"video":false}}"#,
            CallStep::Update { sdp: None, muted: Some(Muted { audio: true, video: false }) },
        ),
        (r#"{"type":"ringing","callId":"c","link":true}"#, CallStep::LinkSent),
        (r#"{"type":"dtmf","callId":"c","keys":"12#"}"#, CallStep::Dtmf("12#".into())),
        (r#"{"type":"hangup","callId":"c"}"#, CallStep::Hangup),
        (r#"{"type":"reject","callId":"c"}"#, CallStep::Reject),
        (r#"{"type":"busy","callId":"c"}"#, CallStep::Busy),
    ] {
        let parsed = signal(text);
        assert_eq!(parsed, CallSignal::new("c", step));
        assert_eq!(CallContext::Signal(parsed).to_text(), text);
    }
}

#[test]
fn candidates_and_reasons_are_kept() {
    let text = r#"{"type":"hangup","callId":"c","candidates":[{"candidate":"candidate:1 1 udp","sdpMid":"0","sdpMLineIndex":0},{"candidate":""}],"reason":"bye"}"#;
    let parsed = signal(text);
    let first =
        Candidate { candidate: "candidate:1 1 udp".into(), sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) };
    assert_eq!(parsed.candidates[0], first);
    assert_eq!(parsed.reason.as_deref(), Some("bye"));
    assert_eq!(CallContext::Signal(parsed).to_text(), text);
}

#[test]
fn a_bare_session_description_is_an_offer_named_by_its_frame() {
    let sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n";
    assert_eq!(signal(sdp), CallSignal::new("m1", CallStep::Offer(sdp.into())));
    // What `JSON.stringify(peer.localDescription)` gives.
    assert_eq!(signal(r#"{"type":"offer","sdp":"v=0"}"#), CallSignal::new("m1", CallStep::Offer("v=0".into())));
}

#[test]
fn anything_else_rings() {
    for text in ["", "context", "call me", "{", "{}", "[1]", r#"{"a":1}"#, r#"{"type":7}"#, r#"{"type":"x"}"#, "null"] {
        assert_eq!(parse(text), CallContext::Ring(text.into()));
        assert_eq!(parse(text).to_text(), text);
    }
}

#[test]
fn a_step_with_something_missing_is_refused() {
    for (text, error) in [
        (r#"{"type":"offer","callId":"c"}"#, CallError::Missing("sdp")),
        (r#"{"type":"answer","sdp":"v=0"}"#, CallError::Missing("callId")),
        (r#"{"type":"hangup"}"#, CallError::Missing("callId")),
        (r#"{"type":"hangup","callId":""}"#, CallError::Missing("callId")),
        (r#"{"type":"candidates","callId":"c"}"#, CallError::Missing("candidates")),
        (r#"{"type":"transfer","callId":"c"}"#, CallError::UnknownType),
    ] {
        assert_eq!(CallContext::parse(text, "m1"), Err(error), "{text}");
    }
    for text in [r#"{"type":"offer","sdp":5}"#, r#"{"type":"candidates","callId":"c","candidates":[{}]}"#] {
        assert!(matches!(CallContext::parse(text, "m1"), Err(CallError::WrongType(_))), "{text}");
    }
}

#[test]
fn session_descriptions_candidates_and_words_have_limits() {
    let sdp = |bytes: usize| format!("v=0{}", "x".repeat(bytes - 3));
    assert!(CallContext::parse(&sdp(MAX_SDP_BYTES), "m1").is_ok());
    let too_long = |field, limit| Err(CallError::TooLong { field, limit });
    assert_eq!(CallContext::parse(&sdp(MAX_SDP_BYTES + 1), "m1"), too_long("sdp", MAX_SDP_BYTES));
    let text = format!(r#"{{"type":"offer","callId":"c","sdp":"{}"}}"#, sdp(MAX_SDP_BYTES + 1));
    assert_eq!(CallContext::parse(&text, "m1"), too_long("sdp", MAX_SDP_BYTES));
    let candidates = |count: usize, each: &str| {
        let list = vec![format!(r#"{{"candidate":"{each}"}}"#); count].join(",");
        format!(r#"{{"type":"candidates","callId":"c","candidates":[{list}]}}"#)
    };
    assert_eq!(signal(&candidates(MAX_CANDIDATES, "x")).candidates.len(), MAX_CANDIDATES);
    let parsed = CallContext::parse(&candidates(MAX_CANDIDATES + 1, "x"), "m1");
    assert_eq!(parsed, too_long("candidates", MAX_CANDIDATES));
    assert_eq!(CallContext::parse(&candidates(1, &"x".repeat(1025)), "m1"), too_long("candidate", 1024));
    let long = "x".repeat(257);
    let text = format!(r#"{{"type":"hangup","callId":"{long}"}}"#);
    assert_eq!(CallContext::parse(&text, "m1"), too_long("callId", 256));
    let text = format!(r#"{{"type":"hangup","callId":"c","reason":"{long}"}}"#);
    assert_eq!(CallContext::parse(&text, "m1"), too_long("reason", 256));
}

#[test]
fn a_call_frame_carries_its_context_in_base64() {
    for (media, code) in [(Media::Voice, "2002"), (Media::Video, "2003")] {
        let context = CallContext::Signal(CallSignal::new("c", CallStep::Ringing));
        let sent = Request::new("m1", RequestBody::Call { media, context }).to_json();
        let text = STANDARD.encode(r#"{"type":"ringing","callId":"c"}"#);
        assert_eq!(sent, format!(r#"{{"messageId":"m1","code":"{code}","text":"{text}"}}"#));
        let Frame::Request(read) = Frame::parse(&sent).unwrap() else { panic!("{sent}") };
        assert_eq!(read.to_json(), sent);
    }
    let error = Frame::parse(r#"{"messageId":"m1","code":"2002","text":"eyJ0eXBlIjoiaGFuZ3VwIn0="}"#).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.message_id()),
        ("a call context of this `type` needs `callId`", Some("m1"))
    );
    let Frame::Request(read) = Frame::parse(r#"{"messageId":"m1","code":"2003"}"#).unwrap() else { panic!() };
    assert_eq!(read.body, RequestBody::Call { media: Media::Video, context: CallContext::Ring(String::new()) });
}
