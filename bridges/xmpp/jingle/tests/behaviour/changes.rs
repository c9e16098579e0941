//! Changes within a call, asked for by either side.

use crate::stage::{SID, Stage, answer, described, sdp, update};
use monster_bridge_api::{CallStep, IceCandidate, Muted};

const VOICE: &[(&str, &str)] = &[("audio", "sendrecv")];
const VIDEO: &[(&str, &str)] = &[("audio", "sendrecv"), ("video", "sendrecv")];

#[test]
fn the_gateway_s_side_turns_its_camera_on() {
    let mut stage = Stage::up(true);
    stage.does(update("gate", VIDEO));
    assert_eq!(stage.wire, [">content-add"]);
    let asked = described(&stage.client_told[0]);
    assert!(asked.contains("m=video 9") && asked.contains("a=group:BUNDLE 0 1"), "{asked}");
    assert_eq!(stage.told, [], "the gateway is answered once the client has answered");
    stage.client_does(answer("user", VIDEO));
    assert_eq!(stage.wire[1..], ["<content-accept"]);
    let answered = described(&stage.told[0]);
    assert!(answered.find("m=audio 9") < answered.find("m=video 9"), "{answered}");
}

#[test]
fn the_user_turns_the_camera_on() {
    let mut stage = Stage::up(false);
    stage.client_does(update("user", VIDEO));
    assert_eq!(stage.wire, ["<content-add"]);
    assert!(described(&stage.told[0]).contains("m=video 9"));
    stage.does(answer("gate", VIDEO));
    assert_eq!(stage.wire[1..], [">content-accept"]);
    assert!(described(&stage.client_told[0]).contains("m=video 9"));
}

/// What a client without BUNDLE says of its pictures, or of both: a way of its own for each.
fn apart(action: &str, contents: &[(&str, &str)]) -> String {
    let content = |(name, user): &(&str, &str)| {
        let (kind, codec) = if *name == "0" {
            ("audio", "id='111' name='opus' clockrate='48000'")
        } else {
            ("video", "id='96' name='VP8' clockrate='90000'")
        };
        let media = format!(
            "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{kind}'><payload-type {codec}/><rtcp-mux/></description>"
        );
        format!(
            "<content creator='initiator' name='{name}' senders='both'>{}<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' \
             ufrag='{user}' pwd='0123456789abcdef01234567'><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' \
             setup='active'>{}</fingerprint></transport></content>",
            if action == "transport-info" { "" } else { &media },
            vec!["AB"; 32].join(":"),
        )
    };
    let contents: String = contents.iter().map(content).collect();
    format!("<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{SID}'>{contents}</jingle>")
}

#[test]
fn a_client_without_bundle_takes_pictures_by_a_way_of_their_own() {
    let mut stage = Stage::up(true);
    stage.does(update("gate", VIDEO));
    stage.client_sends(&apart("content-accept", &[("1", "seen")])).unwrap();
    let answered = described(&stage.told[0]);
    assert!(answered.contains("m=video 9") && answered.contains("a=ice-ufrag:seen"), "{answered}");
    assert!(!answered.contains("BUNDLE 0 1"), "{answered}");
}

#[test]
fn a_client_without_bundle_begins_ice_anew_section_by_section() {
    let mut stage = Stage::calling(false);
    stage.does(crate::stage::offer(true));
    stage.client_sends(&apart("session-accept", &[("0", "heard"), ("1", "seen")])).unwrap();
    let answered = described(stage.told.last().unwrap());
    assert!(
        answered.contains("ufrag:heard") && answered.contains("ufrag:seen") && !answered.contains("BUNDLE"),
        "{answered}"
    );
    stage.forget();
    stage.client_sends(&apart("transport-info", &[("1", "anew")])).unwrap();
    let asked = described(&stage.told[0]);
    assert!(asked.contains("ufrag:heard") && asked.contains("ufrag:anew") && !asked.contains("ufrag:seen"), "{asked}");
    stage.does(answer("gate", VIDEO));
    stage.forget();
    // Both ways may have the same user, and are two nevertheless.
    stage.client_sends(&apart("transport-info", &[("0", "one")])).unwrap();
    stage.does(answer("gate", VIDEO));
    stage.forget();
    stage.client_sends(&apart("transport-info", &[("1", "one")])).unwrap();
    let asked = described(&stage.told[0]);
    assert!(asked.matches("ufrag:one").count() == 2 && !asked.contains("BUNDLE"), "{asked}");
    stage.does(answer("gate", VIDEO));
    stage.forget();
    // The gateway's side does: it is answered once both ways are known.
    stage.does(update("other", VIDEO));
    stage.client_sends(&apart("transport-info", &[("0", "heard2")])).unwrap();
    assert_eq!(stage.told, []);
    stage.client_sends(&apart("transport-info", &[("1", "seen2")])).unwrap();
    let answered = described(&stage.told[0]);
    assert!(answered.contains("ufrag:heard2") && answered.contains("ufrag:seen2"), "{answered}");
}

#[test]
fn a_client_that_refuses_pictures_leaves_the_call_a_voice_call() {
    // (stanza.js refuses without saying what.)
    let named = "<jingle xmlns='urn:xmpp:jingle:1' action='content-reject' sid='a1b2c3'>\
                 <content creator='initiator' name='1'/><reason><decline/></reason></jingle>";
    let unnamed = "<jingle xmlns='urn:xmpp:jingle:1' action='content-reject' sid='a1b2c3'>\
                   <reason><failed-application/><text>content-add is not supported</text></reason></jingle>";
    for refusal in [named, unnamed] {
        let mut stage = Stage::up(true);
        stage.does(update("gate", VIDEO));
        stage.client_sends(refusal).unwrap();
        let answered = described(&stage.told[0]);
        assert!(answered.contains("m=audio 9") && answered.contains("m=video 0"), "{answered}");
        assert_eq!(stage.client_sends(refusal).unwrap_err().jingle, Some("out-of-order"));
    }
}

#[test]
fn the_gateway_s_side_refuses_pictures() {
    let mut stage = Stage::up(true);
    stage.client_does(update("user", VIDEO));
    stage.does(answer("gate", &[("audio", "sendrecv"), ("video", "off")]));
    assert_eq!(stage.wire[1..], [">content-reject"]);
    assert!(described(&stage.client_told[0]).contains("m=video 0"));
    // And does not take the next change at all.
    stage.forget();
    stage.client_does(update("user", VIDEO));
    let asked = stage.told[0].clone();
    let out = stage.gateway.declined(&asked, "not now");
    stage.carry(out, true);
    assert_eq!(stage.wire, ["<content-add", ">content-reject"]);
}

#[test]
fn of_two_cameras_that_are_turned_on_at_once_the_initiator_s_goes_first() {
    let mut stage = Stage::up(true);
    let ours = stage.gateway.step(update("gate", VIDEO)).unwrap();
    let theirs = stage.client.as_mut().unwrap().step(update("user", VIDEO)).unwrap();
    stage.carry(theirs, false);
    assert_eq!(stage.told, [], "the user's is refused: {:?}", stage.wire);
    stage.carry(ours, true);
    assert_eq!(stage.client_told.len(), 2, "{:?}", stage.client_told);
    assert!(described(&stage.client_told[0]).contains("m=video 0"), "what the user asked for comes to nothing");
    assert!(described(&stage.client_told[1]).contains("m=video 9"));
    stage.client_does(answer("user", VIDEO));
    assert!(described(&stage.told[0]).contains("m=video 9"));
}

#[test]
fn hold_is_told_as_that_and_comes_as_an_offer_in_which_nobody_sends() {
    let mut stage = Stage::up(false);
    stage.does(update("gate", &[("audio", "sendonly")]));
    assert_eq!(stage.wire, [">session-info"]);
    assert!(String::from(stage.last.as_ref().unwrap()).contains("<hold"));
    assert!(described(&stage.client_told[0]).contains("a=inactive"));
    assert!(described(&stage.told[0]).contains("a=recvonly"), "the gateway's offer is answered at once");
    stage.client_does(answer("user", &[("audio", "inactive")]));
    stage.forget();
    stage.does(update("gate", VOICE));
    assert!(String::from(stage.last.as_ref().unwrap()).contains("<unhold"));
    assert!(described(&stage.client_told[0]).contains("a=sendrecv"));
    assert!(described(&stage.told[0]).contains("a=sendrecv"));
}

#[test]
fn ice_begins_anew_from_either_side() {
    for from_gateway in [true, false] {
        let mut stage = Stage::up(true);
        let (asked, answered) = if from_gateway {
            stage.does(update("anew", VOICE));
            (stage.client_told[0].clone(), ">transport-info")
        } else {
            stage.client_does(update("anew", VOICE));
            (stage.told[0].clone(), "<transport-info")
        };
        assert_eq!(stage.wire, [answered, answered], "first by itself, then the candidates");
        assert!(described(&asked).contains("a=ice-ufrag:anew"), "{asked:?}");
        stage.forget();
        if from_gateway {
            stage.client_does(answer("again", VOICE));
        } else {
            stage.does(answer("again", VOICE));
        }
        let told = if from_gateway { &stage.told } else { &stage.client_told };
        assert!(described(&told[0]).contains("a=ice-ufrag:again"), "{told:?}");
        let sent = String::from(stage.last.as_ref().unwrap());
        assert!(sent.contains("<candidate") && sent.contains("again"), "an answer has candidates: {sent}");
    }
}

#[test]
fn an_offer_to_begin_anew_has_no_candidates() {
    let mut stage = Stage::up(false);
    let out = stage.gateway.step(update("anew", VOICE)).unwrap();
    let monster_jingle::Output::Iq { payload, .. } = &out[0] else { panic!("{out:?}") };
    let text = String::from(payload);
    assert!(text.contains("anew") && !text.contains("<candidate"), "{text}");
}

#[test]
fn changes_that_come_while_another_is_open_wait_for_it() {
    let mut stage = Stage::up(false);
    let hold = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{SID}'><hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle>"
    );
    let active = hold.replace("hold", "active");
    stage.client_sends(&hold).unwrap();
    stage.client_sends(&active).unwrap();
    assert_eq!(stage.told.len(), 1);
    stage.does(answer("gate", &[("audio", "inactive")]));
    assert!(described(&stage.told[1]).contains("a=sendrecv"));
    stage.does(answer("gate", VOICE));
    for _ in 0..4 {
        stage.client_sends(&hold).unwrap();
        stage.client_sends(&active).unwrap();
    }
    stage.client_sends(&hold).unwrap();
    assert_eq!(stage.client_sends(&active).unwrap_err().condition, "resource-constraint");
}

#[test]
fn who_sends_changes_without_a_hold() {
    let mut stage = Stage::up(false);
    stage.does(update("gate", VIDEO));
    stage.client_does(answer("user", VIDEO));
    stage.forget();
    stage.does(update("gate", &[("audio", "sendrecv"), ("video", "recvonly")]));
    assert_eq!(stage.wire, [">content-modify"]);
    assert!(described(&stage.client_told[0]).contains("a=recvonly"), "{:?}", stage.client_told);
    assert!(described(&stage.told[0]).contains("a=sendonly"), "{:?}", stage.told);
}

#[test]
fn pictures_are_taken_out_again_and_the_last_content_ends_the_call() {
    let mut stage = Stage::up(false);
    stage.does(update("gate", VIDEO));
    stage.client_does(answer("user", VIDEO));
    stage.forget();
    let remove = |name: &str| {
        format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='content-remove' sid='{SID}'><content creator='initiator' name='{name}'/></jingle>"
        )
    };
    stage.client_sends(&remove("1")).unwrap();
    assert!(described(&stage.told[0]).contains("m=video 0"));
    stage.does(answer("gate", &[("audio", "sendrecv"), ("video", "off")]));
    stage.client_sends(&remove("0")).unwrap();
    assert!(stage.gateway.is_over());
}

#[test]
fn mute_and_keys_are_passed_on() {
    let mut stage = Stage::up(true);
    let muted = |audio| Some(Muted { audio, video: false });
    stage.does(CallStep::Update { sdp: None, muted: muted(true) });
    stage.does(CallStep::Update { sdp: None, muted: muted(false) });
    stage.does(CallStep::Dtmf("12#".to_owned()));
    let told = |muted| CallStep::Update { sdp: None, muted };
    assert_eq!(stage.client_told, [told(muted(true)), told(muted(false)), CallStep::Dtmf("12#".to_owned())]);
    let unknown =
        format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{SID}'><x xmlns='y'/></jingle>");
    assert_eq!(stage.client_sends(&unknown).unwrap_err().jingle, Some("unsupported-info"));
    let ping = format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{SID}'/>");
    stage.client_sends(&ping).unwrap();
}

#[test]
fn candidates_go_both_ways_and_another_transport_is_refused() {
    let mut stage = Stage::up(false);
    let line = "candidate:9 1 udp 77 192.0.2.9 9000 typ host";
    let candidate = IceCandidate { line: line.to_owned(), mid: Some("0".to_owned()), index: None };
    let end = IceCandidate { line: String::new(), mid: Some("0".to_owned()), index: None };
    stage.does(CallStep::Candidates(vec![candidate.clone(), end.clone()]));
    stage.client_does(CallStep::Candidates(vec![candidate, end]));
    for told in [&stage.told, &stage.client_told] {
        assert!(
            matches!(&told[..], [CallStep::Candidates(found)] if found.len() == 1 && found[0].line == line),
            "{told:?}"
        );
    }
    let replace = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='transport-replace' sid='{SID}'><content creator='initiator' name='0'>\
         <transport xmlns='urn:xmpp:jingle:transports:ibb:1'/></content></jingle>"
    );
    stage.client_sends(&replace).unwrap();
    assert!(stage.wire.contains(&">transport-reject".to_owned()), "{:?}", stage.wire);
}

#[test]
fn a_description_of_a_renegotiation_keeps_all_sections_in_their_order() {
    let mut stage = Stage::up(true);
    stage.client_does(update("user", VIDEO));
    stage.does(answer("gate", VIDEO));
    stage.forget();
    stage.client_does(update("anew", VIDEO));
    let asked = described(&stage.told[0]);
    assert!(asked.find("m=audio 9") < asked.find("m=video 9"), "{asked}");
    assert_eq!(asked.matches("a=ice-ufrag:anew").count(), 2, "{asked}");
    assert_eq!(sdp("x", VIDEO).matches("m=").count(), asked.matches("m=").count());
}
