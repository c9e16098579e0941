//! Within a call that is answered.

use crate::scene::{HOLD, NARROWED, RESTART, Scene, VIDEO, VOICE, answer, candidates, end, mute, offer, update};
use monster_bridge_api::{CallStep, DeviceId, EndReason};
use monster_calls::{Described, Input, Leg, LegState, MediaEvent, Outcome, Request};
use std::time::Duration;

#[test]
fn a_change_is_offered_to_the_other_leg_and_answered_when_that_has_answered() {
    let mut scene = Scene::talking();
    let done = scene.relay_finds(VIDEO).caller(update("video"));
    assert_eq!(done, ["relay: take the caller's offer video", "callee phone: update of the relay's"]);
    let done = scene.phone(answer("video too"));
    assert_eq!(done, ["relay: take the callee's answer video too", "caller desk: answer of the relay's"]);
    assert!(scene.call.record().had_video);
    let done = scene.relay_finds(VOICE).phone(update("voice again"));
    assert_eq!(done, ["relay: take the callee's offer voice again", "caller desk: update of the relay's"]);
    assert_eq!(scene.caller(answer("yes")).last().map(String::as_str), Some("callee phone: answer of the relay's"));
}

#[test]
fn a_leg_that_holds_is_held_until_it_receives_again() {
    let mut scene = Scene::talking();
    scene.relay_finds(HOLD).caller(update("hold"));
    scene.relay_finds(Described { sends: false, ..HOLD }).phone(answer("held"));
    assert_eq!(scene.call.state(Leg::Caller), LegState::Held);
    assert_eq!(scene.call.state(Leg::Callee), LegState::Connected, "who is held does not hold");
    scene.relay_finds(VOICE).caller(update("resume"));
    scene.phone(answer("resumed"));
    assert_eq!(scene.call.state(Leg::Caller), LegState::Connected);
}

#[test]
fn nobody_has_to_be_heard_while_the_call_is_on_hold_but_afterwards() {
    let mut scene = Scene::talking();
    scene.relay_finds(HOLD).caller(update("hold"));
    scene.relay_finds(Described { sends: false, ..VOICE }).phone(answer("held"));
    for leg in Leg::BOTH {
        scene.media(MediaEvent::Silent { leg, lasting: Duration::from_secs(2) });
    }
    assert_eq!(scene.wait(3600), [""; 0]);
    scene.relay_finds(VOICE).caller(update("resume"));
    scene.phone(answer("resumed"));
    let told = scene.wait(11);
    assert_eq!(told.first().map(String::as_str), Some("3611 s: caller desk: end, NoMedia"), "ten seconds after");
}

#[test]
fn a_restart_of_one_leg_does_not_concern_the_other() {
    let mut scene = Scene::talking();
    let done = scene.relay_finds(RESTART).phone(update("restart"));
    assert_eq!(done, ["relay: take the callee's offer restart", "callee phone: answer of the relay's"]);
    let done = scene.phone(candidates(&["new"]));
    assert_eq!(done, ["relay: candidates new of the callee"]);
}

#[test]
fn a_bad_offer_within_the_call_is_refused_and_the_call_goes_on() {
    let mut scene = Scene::talking();
    scene.refuses = Some((Request::TakeOffer, "no such codec"));
    let done = scene.caller(update("bad"));
    assert_eq!(done, ["relay: take the caller's offer bad", "refused to the caller: no such codec"]);
    scene.refuses = None;
    assert_eq!(scene.caller(update("good")).len(), 2);
    assert_eq!(scene.call.state(Leg::Caller), LegState::Connected);
}

#[test]
fn a_bad_answer_within_the_call_is_refused_and_the_asker_is_answered_with_what_there_is() {
    let mut scene = Scene::talking();
    scene.caller(update("video"));
    scene.refuses = Some((Request::TakeAnswer, "not an answer"));
    let done = scene.phone(answer("bad"));
    let expected = [
        "relay: take the callee's answer bad",
        "refused to the callee: not an answer",
        "caller desk: answer of the relay's",
    ];
    assert_eq!(done, expected);
}

#[test]
fn an_offer_that_the_other_leg_does_not_answer_is_answered_with_what_there_is() {
    let mut scene = Scene::talking();
    scene.caller(update("video"));
    assert_eq!(scene.wait(15), ["16 s: caller desk: answer of the relay's"]);
    assert_eq!(scene.phone(answer("too late")), ["refused to the callee: nothing waits for this answer"]);
}

#[test]
fn a_second_offer_of_a_leg_waits_for_the_first_to_be_settled() {
    let mut scene = Scene::talking();
    scene.caller(update("one"));
    let done = scene.caller(update("two"));
    assert_eq!(done, ["refused to the caller: an earlier offer of this call is still being settled"]);
}

#[test]
fn of_two_offers_that_cross_the_callees_gives_way_to_ours() {
    let mut scene = Scene::talking();
    scene.caller(update("video"));
    let done = scene.phone(update("hold"));
    assert_eq!(done, ["refused to the callee: an offer is on its way to you: answer that one first"]);
    assert_eq!(scene.phone(answer("video")).last().map(String::as_str), Some("caller desk: answer of the relay's"));
    assert_eq!(scene.phone(update("hold")).len(), 2, "now it is the callee's turn");
}

#[test]
fn of_two_offers_that_cross_ours_gives_way_to_the_callers_and_comes_again() {
    let mut scene = Scene::talking();
    assert_eq!(scene.phone(update("video"))[1], "caller desk: update of the relay's");
    let done = scene.caller(update("hold"));
    let expected = [
        "relay: take the caller's offer hold",
        "callee phone: answer of the relay's",
        "callee phone: update of the relay's",
    ];
    assert_eq!(done, expected, "the callee is answered before it gets the caller's offer");
    let done = scene.phone(answer("held"));
    let expected = [
        "relay: take the callee's answer held",
        "caller desk: answer of the relay's",
        "caller desk: update of the relay's",
    ];
    assert_eq!(done, expected, "what the callee wanted is offered again");
    assert_eq!(scene.caller(answer("video")), ["relay: take the caller's answer video"]);
}

#[test]
fn a_restart_of_the_caller_that_crosses_ours_is_answered_and_ours_comes_again() {
    let mut scene = Scene::talking();
    scene.phone(update("video"));
    let done = scene.relay_finds(RESTART).caller(update("restart"));
    let expected = [
        "relay: take the caller's offer restart",
        "caller desk: answer of the relay's",
        "caller desk: update of the relay's",
    ];
    assert_eq!(done, expected, "the callee waits on");
    let done = scene.relay_finds(VIDEO).caller(answer("video"));
    assert_eq!(done, ["relay: take the caller's answer video", "callee phone: answer of the relay's"]);
}

#[test]
fn who_left_out_what_was_offered_first_is_offered_what_they_took() {
    let mut scene = Scene::ringing();
    let done = scene.relay_finds(NARROWED).phone(answer("p"));
    let expected = [
        "relay: take the callee's answer p",
        "callee, all but phone: end, AnsweredElsewhere",
        "caller desk: answer of the relay's",
        "callee phone: update of the relay's",
    ];
    assert_eq!(done, expected, "the caller is answered first");
    let done = scene.phone(answer("what it took"));
    assert_eq!(done, ["relay: take the callee's answer what it took"], "once: or it would go on for ever");
    scene.relay_finds(VIDEO).caller(update("video"));
    let done = scene.relay_finds(NARROWED).phone(answer("narrower"));
    assert_eq!(done.last().map(String::as_str), Some("callee phone: update of the relay's"), "with each change anew");
}

#[test]
fn what_is_muted_is_told_to_the_other_side() {
    let mut scene = Scene::talking();
    assert_eq!(scene.phone(mute(true, false)), ["caller desk: muted audio true, video false"]);
    scene.media(MediaEvent::Silent { leg: Leg::Callee, lasting: Duration::from_secs(2) });
    assert_eq!(scene.wait(600), [""; 0], "who has muted may be silent");
    scene.phone(mute(false, false));
    assert_eq!(scene.wait(10)[0], "611 s: caller desk: end, NoMedia");
}

#[test]
fn keys_are_passed_on_and_nothing_else_as_keys() {
    let mut scene = Scene::talking();
    assert_eq!(scene.caller(CallStep::Dtmf("12#A".to_owned())), ["callee phone: keys 12#A"]);
    assert_eq!(
        scene.caller(CallStep::Dtmf("ring ring".to_owned())),
        ["refused to the caller: these are no telephone keys"]
    );
    assert_eq!(
        Scene::ringing().caller(CallStep::Dtmf("1".to_owned())),
        ["refused to the caller: nobody has answered yet"]
    );
}

#[test]
fn a_hang_up_reaches_the_other_side() {
    let mut scene = Scene::talking();
    scene.later(9);
    assert_eq!(scene.phone(end(EndReason::HungUp)), ["caller desk: end, HungUp", "relay: close", "over: answered"]);
    let record = scene.call.record();
    assert_eq!((record.talked(), record.ended_by), (Some(Duration::from_secs(9)), Some(Leg::Callee)));
    assert_eq!(
        (record.answered_after, record.media_after),
        (Some(Duration::from_secs(1)), Some(Duration::from_secs(1)))
    );
}

#[test]
fn a_call_that_is_answered_and_never_connected_ends_with_a_reason() {
    let mut scene = Scene::answered();
    let told = scene.wait(10);
    assert_eq!(
        told,
        [
            "11 s: caller desk: end, NoMedia",
            "11 s: callee phone: end, NoMedia",
            "11 s: relay: close",
            "11 s: over: failed"
        ]
    );
}

#[test]
fn one_way_media_is_noticed_in_ten_seconds() {
    let mut scene = Scene::answered();
    for leg in Leg::BOTH {
        scene.media(MediaEvent::Connected { leg });
    }
    scene.media(MediaEvent::FirstMedia { leg: Leg::Caller });
    assert_eq!(scene.wait(10)[0], "11 s: caller desk: end, NoMedia");
}

#[test]
fn a_listener_without_a_microphone_is_no_dead_call() {
    let mut scene = Scene::ringing();
    scene.relay_finds(Described { sends: false, ..VOICE }).phone(answer("listens"));
    for leg in Leg::BOTH {
        scene.media(MediaEvent::Connected { leg });
    }
    scene.media(MediaEvent::FirstMedia { leg: Leg::Caller });
    assert_eq!(scene.wait(600), [""; 0]);
    assert_eq!(scene.call.record().media_after, Some(Duration::ZERO), "the other need not be waited for");
}

#[test]
fn media_that_stops_is_noticed_in_ten_seconds_and_may_come_back_before() {
    let mut scene = Scene::talking();
    let silent = MediaEvent::Silent { leg: Leg::Caller, lasting: Duration::from_secs(2) };
    scene.later(100);
    scene.media(silent.clone());
    assert_eq!(scene.wait(7), [""; 0]);
    scene.media(MediaEvent::Sounding { leg: Leg::Caller });
    assert_eq!(scene.wait(100), [""; 0]);
    scene.media(silent);
    assert_eq!(scene.wait(8)[0], "216 s: caller desk: end, NoMedia");
    assert_eq!(scene.call.record().outcome, Outcome::Answered, "they did talk");
}

#[test]
fn a_leg_that_is_lost_is_offered_a_restart_and_ends_the_call_if_it_does_not_come_back() {
    let mut scene = Scene::talking();
    assert_eq!(scene.media(MediaEvent::Lost { leg: Leg::Callee }), ["callee phone: restart of the relay's"]);
    scene.wait(5);
    scene.phone(answer("back"));
    scene.media(MediaEvent::Connected { leg: Leg::Callee });
    assert_eq!(scene.wait(60), [""; 0]);
    assert_eq!(scene.media(MediaEvent::Lost { leg: Leg::Callee }), ["callee phone: restart of the relay's"], "again");
    let told = scene.wait(10);
    assert_eq!(told[..2], ["76 s: caller desk: end, Gone", "76 s: callee phone: end, Gone"]);
    assert_eq!(scene.call.record().ended_by, Some(Leg::Callee));
}

#[test]
fn a_device_whose_connection_ends_may_come_back_on_another() {
    let mut scene = Scene::talking();
    scene.gone(Leg::Callee, "phone");
    assert_eq!(scene.wait(20), [""; 0], "their media flows on");
    let done = scene.relay_finds(RESTART).step(Leg::Callee, "phone, again", update("restart"));
    assert_eq!(done[1], "callee phone, again: answer of the relay's");
    assert_eq!(scene.wait(600), [""; 0]);
    assert_eq!(scene.step(Leg::Callee, "phone, again", end(EndReason::HungUp))[0], "caller desk: end, HungUp");
}

#[test]
fn a_device_that_does_not_come_back_ends_the_call() {
    let mut scene = Scene::talking();
    scene.gone(Leg::Callee, "phone");
    let told = scene.wait(30);
    assert_eq!(told[..2], ["31 s: caller desk: end, Gone", "31 s: callee, all: end, Gone"]);
}

#[test]
fn a_device_that_is_gone_and_not_heard_either_ends_the_call_in_ten_seconds() {
    let mut scene = Scene::talking();
    scene.phone(mute(true, true));
    scene.input(Input::Unreachable { leg: Leg::Callee, why: "closed".to_owned() });
    scene.media(MediaEvent::Silent { leg: Leg::Callee, lasting: Duration::from_secs(1) });
    assert_eq!(scene.wait(10)[0], "11 s: caller desk: end, Gone");
}

#[test]
fn a_device_that_may_not_come_back_ends_the_call_at_once() {
    for device in [Some("phone"), None] {
        let mut scene = Scene::talking();
        let told = scene.barred(Leg::Callee, device);
        assert_eq!(told[..2], ["caller desk: end, Gone", "callee, all: end, Gone"], "{device:?}");
    }
    let mut scene = Scene::talking();
    assert_eq!(scene.barred(Leg::Callee, Some("tablet")), [""; 0], "it has no part in the call");
    assert_eq!(scene.wait(600), [""; 0]);
}

#[test]
fn the_same_device_that_comes_back_is_not_gone() {
    let mut scene = Scene::talking();
    scene.gone(Leg::Caller, "desk");
    scene.input(Input::DeviceCame { leg: Leg::Caller, device: DeviceId::new("desk") });
    assert_eq!(scene.wait(600), [""; 0]);
}

#[test]
fn another_device_of_the_same_person_takes_the_call_over_with_an_offer() {
    let mut scene = Scene::talking();
    let done = scene.tablet(update("from here on"));
    let expected = [
        "callee phone: end, AnsweredElsewhere",
        "relay: take the callee's offer from here on",
        "caller desk: update of the relay's",
    ];
    assert_eq!(done, expected);
    scene.caller(answer("fine"));
    assert_eq!(scene.phone(end(EndReason::HungUp)), [""; 0], "the phone is out of it");
    assert_eq!(scene.caller(mute(true, false)), ["callee tablet: muted audio true, video false"]);
}

#[test]
fn media_that_fails_for_good_ends_the_call_with_its_reason() {
    let mut scene = Scene::talking();
    let done = scene.media(MediaEvent::Failed { leg: Leg::Callee, why: "the keys do not fit".to_owned() });
    assert_eq!(
        done[..2],
        ["caller desk: end, Failed(\"the keys do not fit\")", "callee phone: end, Failed(\"the keys do not fit\")"]
    );
}

#[test]
fn a_gateway_that_stops_tells_both() {
    let mut scene = Scene::talking();
    let done = scene.input(Input::Stop);
    let expected =
        ["caller desk: end, GatewayStopped", "callee phone: end, GatewayStopped", "relay: close", "over: answered"];
    assert_eq!(done, expected);
}

#[test]
fn an_offer_within_the_call_may_be_spelled_offer() {
    let mut scene = Scene::talking();
    assert_eq!(scene.caller(offer("again"))[1], "callee phone: update of the relay's");
}

#[test]
fn a_ring_that_crosses_the_answer_changes_nothing() {
    assert_eq!(Scene::answered().tablet(CallStep::Ringing), [""; 0]);
    assert_eq!(Scene::answered().phone(CallStep::Ringing), [""; 0]);
}
