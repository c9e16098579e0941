//! Calls from the first ring to the end.

use crate::stage::{GATEWAY, PHONE, SID, Stage, TABLET, answer, described, offer, sdp};
use monster_bridge_api::{CallMedia, CallStep, DeviceId, EndReason};
use monster_jingle::{Dialogue, Jingle, Message, Output, Reach, lower_wins};

#[test]
fn a_call_by_message_rings_goes_on_and_is_finished_by_both() {
    let mut stage = Stage::calling(true);
    stage.does(offer(false));
    assert_eq!(stage.wire, [">propose"]);
    assert_eq!(stage.client_told, [CallStep::Offer { media: CallMedia::Voice, sdp: None }]);
    stage.client_does(CallStep::Ringing);
    assert_eq!(stage.told, [CallStep::Ringing]);
    stage.client_does(CallStep::Answer { sdp: None });
    assert_eq!(stage.wire[1..], ["<ringing", "<proceed", ">session-initiate"]);
    assert!(described(&stage.client_told[1]).contains("a=candidate:1 1 udp"), "the description follows as an update");
    stage.client_does(answer("user", &[("audio", "sendrecv")]));
    assert!(described(&stage.told[1]).contains("a=ice-ufrag:user"));
    stage.does(CallStep::End(EndReason::HungUp));
    assert_eq!(stage.wire[4..], ["<session-accept", ">session-terminate", "<finish", ">finish"]);
    assert_eq!(stage.client_told.last(), Some(&CallStep::End(EndReason::HungUp)));
    assert!(stage.gateway.is_over());
}

#[test]
fn a_video_call_is_proposed_as_one() {
    let mut stage = Stage::calling(true);
    stage.does(offer(true));
    assert_eq!(stage.client_told, [CallStep::Offer { media: CallMedia::Video, sdp: None }]);
}

#[test]
fn a_call_without_messages_begins_with_the_session() {
    let mut stage = Stage::calling(false);
    stage.does(offer(true));
    assert!(matches!(&stage.client_told[0], CallStep::Offer { media: CallMedia::Video, sdp: Some(_) }));
    stage.client_does(CallStep::Ringing);
    stage.client_does(answer("user", &[("audio", "sendrecv"), ("video", "sendrecv")]));
    assert_eq!(stage.wire, [">session-initiate", "<session-info", "<session-accept"]);
    assert_eq!(stage.told[0], CallStep::Ringing);
    let sdp = described(&stage.told[1]);
    assert!(sdp.contains("a=group:BUNDLE 0 1") && sdp.contains("m=audio 9") && sdp.contains("m=video 9"), "{sdp}");
    stage.client_does(CallStep::End(EndReason::HungUp));
    assert_eq!(stage.ended(), Some(&EndReason::HungUp));
    assert_eq!(stage.wire.last().unwrap(), "<session-terminate", "nobody finishes what no message began");
}

#[test]
fn what_the_callee_leaves_out_is_there_for_the_caller_s_client_and_silent() {
    let mut stage = Stage::calling(false);
    stage.does(offer(true));
    stage.client_does(answer("user", &[("audio", "sendrecv"), ("video", "off")]));
    let accept = String::from(stage.last.as_ref().unwrap());
    assert!(accept.contains("senders='none'") || accept.contains("senders=\"none\""), "{accept}");
    let sdp = described(stage.told.last().unwrap());
    assert!(sdp.contains("m=video 9") && sdp.contains("a=inactive"), "{sdp}");
}

#[test]
fn candidates_may_come_before_the_answer_and_are_of_their_device() {
    let mut stage = Stage::calling(false);
    stage.does(offer(false));
    stage
        .client_sends(
            "<jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='a1b2c3'><content creator='initiator' name='0'>\
             <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='user' pwd='0123456789abcdef01234567'>\
             <candidate component='1' foundation='1' ip='192.0.2.5' port='9' priority='1' protocol='udp' type='host'/>\
             </transport></content></jingle>",
        )
        .unwrap();
    let CallStep::Candidates(candidates) = &stage.told[0] else { panic!("{:?}", stage.told) };
    assert_eq!(candidates[0].line, "candidate:1 1 udp 1 192.0.2.5 9 typ host");
    assert_eq!((candidates[0].mid.as_deref(), candidates[0].index), (Some("0"), Some(0)));
}

#[test]
fn of_several_devices_one_answers_and_the_others_stop() {
    let reach = Reach { by_message: true, devices: vec![TABLET.to_owned()] };
    let mut stage = Stage::calling(true);
    stage.gateway = Dialogue::to("bob@xmpp.example", GATEWAY, SID, reach);
    stage.does(offer(false));
    assert_eq!(stage.wire, [">propose", ">session-initiate"]);
    stage.client_does(CallStep::Answer { sdp: None });
    assert_eq!(stage.wire[2..], ["<proceed", ">session-terminate", ">session-initiate"]);
    let late = stage.sends(TABLET, "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='a1b2c3'/>");
    assert_eq!(late.unwrap_err().jingle, Some("unknown-session"));
    assert_eq!(stage.gateway.device(), Some(PHONE));
}

#[test]
fn who_declines_or_is_busy_declines_for_all_devices() {
    for (text, why) in [
        ("<reject xmlns='urn:xmpp:jingle-message:0' id='a1b2c3'/>", EndReason::Declined),
        (
            "<reject xmlns='urn:xmpp:jingle-message:0' id='a1b2c3'><reason xmlns='urn:xmpp:jingle:1'><busy/></reason></reject>",
            EndReason::Busy,
        ),
    ] {
        let reach = Reach { by_message: true, devices: vec![TABLET.to_owned()] };
        let mut stage = Stage::calling(true);
        stage.gateway = Dialogue::to("bob@xmpp.example", GATEWAY, SID, reach);
        stage.does(offer(false));
        stage.client_sends(text).unwrap();
        assert_eq!(stage.ended(), Some(&why));
        assert_eq!(stage.wire.last().unwrap(), ">session-terminate", "the tablet rings no longer");
    }
    let mut stage = Stage::calling(false);
    stage.does(offer(false));
    stage.client_does(CallStep::End(EndReason::Busy));
    assert_eq!(stage.ended(), Some(&EndReason::Busy));
}

#[test]
fn the_gateway_s_caller_gives_up() {
    let mut stage = Stage::calling(true);
    stage.does(offer(false));
    stage.does(CallStep::End(EndReason::NoAnswer));
    assert_eq!(stage.wire, [">propose", ">retract"]);
    assert_eq!(stage.client_told.last(), Some(&CallStep::End(EndReason::Cancelled)));
}

#[test]
fn nobody_answers_the_user_s_call() {
    for (why, told) in [
        (EndReason::Declined, EndReason::Declined),
        (EndReason::Busy, EndReason::Busy),
        (EndReason::NoAnswer, EndReason::NoAnswer),
    ] {
        let mut stage = Stage::calling(true);
        stage.does(offer(false));
        stage.client_does(CallStep::End(why));
        assert_eq!(stage.wire, [">propose", "<reject"]);
        assert_eq!(stage.ended(), Some(&told));
    }
}

#[test]
fn a_device_that_cannot_take_the_session_ends_the_call_if_it_was_the_last_one() {
    let mut gateway = Dialogue::to(
        "bob@xmpp.example",
        GATEWAY,
        SID,
        Reach { by_message: false, devices: vec![PHONE.to_owned(), TABLET.to_owned()] },
    );
    let out = gateway.step(offer(false)).unwrap();
    let tokens: Vec<u64> =
        out.iter().filter_map(|out| if let Output::Iq { token, .. } = out { Some(*token) } else { None }).collect();
    let refused = monster_jingle::Replied::Refused("service unavailable".to_owned());
    assert_eq!(gateway.replied(tokens[0], &refused), []);
    let out = gateway.replied(tokens[1], &refused);
    let end = CallStep::End(EndReason::Failed("service unavailable".to_owned()));
    assert_eq!(out, [Output::Step { device: Some(DeviceId::new("tablet")), step: end }]);
    assert!(gateway.is_over());
}

#[test]
fn an_invitation_that_comes_back_ends_the_call_unless_a_device_has_a_session() {
    let mut stage = Stage::calling(true);
    stage.does(offer(false));
    let out = stage.gateway.bounced("bob is not there");
    stage.carry(out, true);
    assert_eq!(stage.ended(), Some(&EndReason::Failed("bob is not there".to_owned())));
    let reach = Reach { by_message: true, devices: vec![TABLET.to_owned()] };
    let mut gateway = Dialogue::to("bob@xmpp.example", GATEWAY, SID, reach);
    gateway.step(offer(false)).unwrap();
    assert_eq!(gateway.bounced("bob is not there"), []);
    assert!(!gateway.is_over());
}

#[test]
fn a_device_that_goes_away_is_gone() {
    let mut stage = Stage::up(true);
    let out = stage.gateway.gone(TABLET);
    assert_eq!(out, []);
    let out = stage.gateway.gone(PHONE);
    stage.carry(out, true);
    assert_eq!(stage.ended(), Some(&EndReason::Gone));
}

#[test]
fn only_the_devices_of_a_session_may_change_it() {
    let mut stage = Stage::up(false);
    for from in [TABLET, "bob@xmpp.example", "eve@xmpp.example/phone"] {
        let end = format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='{SID}'/>");
        assert_eq!(stage.sends(from, &end).unwrap_err().jingle, Some("unknown-session"), "{from}");
    }
    let other = "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='other'/>";
    assert_eq!(stage.client_sends(other).unwrap_err().condition, "item-not-found");
    let finish = "<finish xmlns='urn:xmpp:jingle-message:0' id='a1b2c3'/>";
    stage.sends("eve@xmpp.example/phone", finish).unwrap();
    assert!(!stage.gateway.is_over());
}

#[test]
fn what_has_no_place_is_refused_and_changes_nothing() {
    let mut stage = Stage::calling(false);
    stage.does(offer(false));
    let action = |action: &str| format!("<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{SID}'/>");
    for out_of_order in ["content-add", "content-accept", "content-modify", "session-initiate"] {
        assert_eq!(
            stage.client_sends(&action(out_of_order)).unwrap_err().jingle,
            Some("out-of-order"),
            "{out_of_order}"
        );
    }
    assert_eq!(stage.client_sends(&action("session-accept")).unwrap_err().condition, "bad-request");
    assert_eq!(stage.client_sends(&action("dance")).unwrap_err().condition, "bad-request");
    stage.client_does(answer("user", &[("audio", "sendrecv")]));
    assert_eq!(stage.client_sends(&action("session-accept")).unwrap_err().jingle, Some("out-of-order"));
    let error = String::from(&stage.client_sends(&action("session-accept")).unwrap_err().to_element("jabber:client"));
    assert!(error.contains("unexpected-request") && error.contains("out-of-order"), "{error}");
}

#[test]
fn a_session_without_sound_and_pictures_is_ended() {
    let mut gateway = Dialogue::by(PHONE, GATEWAY, "files");
    let files = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='files'>\
                 <content creator='initiator' name='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>\
                 <transport xmlns='urn:xmpp:jingle:transports:ibb:1'/></content></jingle>";
    let jingle = Jingle::of_element(&files.parse().unwrap()).unwrap();
    let out = gateway.jingle(PHONE, &jingle).unwrap();
    let Output::Iq { payload, .. } = &out[0] else { panic!("{out:?}") };
    assert!(String::from(payload).contains("unsupported-applications"));
    assert!(gateway.is_over());
    let proposed = "<propose xmlns='urn:xmpp:jingle-message:0' id='files'/>";
    let message = Message::of_element(&proposed.parse().unwrap()).unwrap();
    let out = Dialogue::by(PHONE, GATEWAY, "files").message(PHONE, &message);
    assert!(matches!(&out[..], [Output::Message { payload, .. }] if payload.name() == "reject"), "{out:?}");
}

#[test]
fn an_offer_that_the_gateway_refuses_is_ended_with_its_words() {
    let mut stage = Stage::calling(false);
    stage.does(offer(false));
    let refused = stage.client_told[0].clone();
    let out = stage.client.as_mut().unwrap().declined(&refused, "alice is in another call");
    stage.carry(out, false);
    assert_eq!(stage.ended(), Some(&EndReason::Failed("alice is in another call".to_owned())));
}

#[test]
fn of_two_calls_that_cross_the_lower_id_goes_on_and_the_other_is_retracted_as_that() {
    assert!(lower_wins("a", "b") && !lower_wins("b", "a"));
    let mut stage = Stage::calling(true);
    stage.does(offer(false));
    assert!(stage.gateway.is_calling());
    stage.gateway.outrun();
    stage.does(CallStep::End(EndReason::Cancelled));
    let retract = String::from(stage.last.as_ref().unwrap());
    assert!(retract.contains("tie-break") && retract.contains("expired"), "{retract}");
}

#[test]
fn steps_that_come_after_the_end_or_before_the_beginning_do_no_harm() {
    let mut stage = Stage::up(true);
    stage.does(CallStep::End(EndReason::HungUp));
    stage.forget();
    stage.does(CallStep::Ringing);
    stage.does(answer("user", &[("audio", "sendrecv")]));
    assert_eq!((stage.wire.len(), stage.told.len()), (0, 0));
    let mut fresh = Dialogue::by(PHONE, GATEWAY, SID);
    assert!(fresh.step(CallStep::Ringing).is_err());
    let mut fresh = Dialogue::to("bob@xmpp.example", GATEWAY, SID, Reach { by_message: true, devices: Vec::new() });
    assert!(fresh.step(CallStep::Offer { media: CallMedia::Voice, sdp: Some("v=0\r\n".to_owned()) }).is_err());
    assert!(fresh.step(CallStep::Offer { media: CallMedia::Voice, sdp: Some(sdp("gate", &[])) }).is_err());
    assert!(fresh.step(offer(false)).is_ok(), "what was refused has changed nothing");
}
