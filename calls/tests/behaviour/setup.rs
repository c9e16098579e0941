//! From the offer to the answer, or to the end without one.

use crate::scene::{Scene, answer, candidate, candidates, end, mute, offer, update};
use monster_bridge_api::{CallMedia, CallStep, DeviceId, EndReason};
use monster_calls::{Glare, Input, Leg, LegState, MediaEvent, Outcome, Request, glare};
use std::time::Duration;

#[test]
fn an_offer_is_taken_and_rings_at_every_device() {
    let mut scene = Scene::new();
    let done = scene.caller(offer("c"));
    assert_eq!(done, ["relay: take the caller's offer c", "callee, all: offer of the relay's"]);
    assert_eq!(scene.phone(CallStep::Ringing), ["caller desk: ringing"]);
    assert_eq!(scene.call.state(Leg::Caller), LegState::Ringing);
    assert_eq!(scene.tablet(CallStep::Ringing), [""; 0], "the caller knows already");
}

#[test]
fn the_answer_stops_the_other_devices_and_reaches_the_caller_once_the_relay_has_taken_it() {
    let mut scene = Scene::ringing();
    let done = scene.phone(answer("p"));
    let expected = [
        "relay: take the callee's answer p",
        "callee, all but phone: end, AnsweredElsewhere",
        "caller desk: answer of the relay's",
    ];
    assert_eq!(done, expected);
    assert_eq!(scene.call.state(Leg::Callee), LegState::Answered);
    assert!(scene.call.is_answered());
}

#[test]
fn nothing_of_the_media_begins_before_the_answer() {
    let mut scene = Scene::ringing();
    let mut done = scene.caller(candidates(&["c1"]));
    done.extend(scene.phone(candidates(&["p1"])));
    done.extend(scene.caller(update("c2")));
    assert_eq!(done, ["relay: take the caller's offer c2"], "no answer, and no candidate to the relay");
}

#[test]
fn candidates_that_come_before_the_answer_are_kept_and_those_of_other_devices_dropped() {
    let mut scene = Scene::ringing();
    scene.caller(candidates(&["c1", "c2"]));
    scene.phone(candidates(&["p1"]));
    scene.tablet(candidates(&["t1"]));
    let done = scene.phone(answer("p"));
    assert_eq!(
        done.iter().filter(|done| done.contains("candidates")).collect::<Vec<_>>(),
        ["relay: candidates p1 of the callee", "relay: candidates c1 c2 of the caller"]
    );
    assert_eq!(scene.caller(candidates(&["c3"])), ["relay: candidates c3 of the caller"]);
}

#[test]
fn a_leg_may_have_64_candidates_and_one_more_is_refused() {
    let mut scene = Scene::ringing();
    let many = candidates(&["c"; 64]);
    assert_eq!(scene.caller(many.clone()), [""; 0]);
    assert_eq!(scene.caller(candidates(&["one more"])), ["refused to the caller: a leg may have 64 candidates"]);
    let done = scene.phone(answer("p"));
    let kept = done.iter().find(|done| done.ends_with("of the caller")).map_or(0, |done| done.matches(" c ").count());
    assert!(kept > 30, "they were kept: {done:?}");
    scene.caller(update("c2"));
    assert_eq!(scene.caller(many).len(), 1, "a new description brings new candidates");
}

#[test]
fn the_relays_candidates_go_out_as_soon_as_a_leg_can_use_them() {
    let mut scene = Scene::ringing();
    let found = |leg, line| MediaEvent::Candidate { leg, candidate: candidate(line) };
    assert_eq!(scene.media(found(Leg::Callee, "r1")), ["callee, all: candidates r1"]);
    assert_eq!(scene.media(found(Leg::Caller, "r2")), [""; 0], "it has no answer of ours yet");
    assert_eq!(scene.phone(answer("p")).last().map(String::as_str), Some("caller desk: candidates r2"));
    assert_eq!(scene.media(found(Leg::Caller, "r3")), ["caller desk: candidates r3"]);
}

#[test]
fn a_device_that_comes_while_it_rings_rings_too() {
    let mut scene = Scene::ringing();
    scene.media(MediaEvent::Candidate { leg: Leg::Callee, candidate: candidate("r1") });
    let done = scene.input(Input::DeviceCame { leg: Leg::Callee, device: DeviceId::new("guest") });
    assert_eq!(done, ["callee guest: the offer again", "callee guest: candidates r1"]);
    assert_eq!(
        scene.step(Leg::Callee, "guest", answer("g")).last().map(String::as_str),
        Some("caller desk: answer of the relay's")
    );
}

#[test]
fn a_device_that_declines_ends_it_for_all() {
    for (reason, outcome) in [(EndReason::Declined, Outcome::Declined), (EndReason::Busy, Outcome::Busy)] {
        let mut scene = Scene::ringing();
        let done = scene.phone(end(reason.clone()));
        let told = format!("caller desk: end, {reason:?}");
        let over = format!("over: {}", outcome.as_str());
        assert_eq!(done, ["callee, all but phone: end, AnsweredElsewhere", &told, "relay: close", &over]);
        assert_eq!(scene.call.record().ended_by, Some(Leg::Callee));
        assert_eq!(scene.call.state(Leg::Caller), LegState::Ended(reason));
    }
}

#[test]
fn a_hang_up_while_it_rings_is_a_refusal() {
    let mut scene = Scene::ringing();
    scene.phone(end(EndReason::HungUp));
    assert_eq!(scene.call.record().reason, Some(EndReason::Declined));
}

#[test]
fn nobody_answers_for_a_minute() {
    let mut scene = Scene::ringing();
    assert_eq!(scene.wait(59), [""; 0]);
    let expected = [
        "60 s: caller desk: end, NoAnswer",
        "60 s: callee, all: end, NoAnswer",
        "60 s: relay: close",
        "60 s: over: missed",
    ];
    assert_eq!(scene.wait(1), expected);
    assert_eq!(scene.call.next_timeout(), None);
}

#[test]
fn who_was_sent_a_link_has_longer_and_the_caller_is_told() {
    let mut scene = Scene::new();
    scene.caller(offer("c"));
    scene.later(10);
    let by_gateway = |step| Input::Step { leg: Leg::Callee, device: None, step };
    assert_eq!(scene.input(by_gateway(CallStep::LinkSent)), ["caller desk: LinkSent"]);
    scene.later(100);
    assert_eq!(scene.input(by_gateway(CallStep::LinkSent)), [""; 0], "said again it buys no more time");
    let done = scene.wait(100);
    assert_eq!(done.first().map(String::as_str), Some("190 s: caller desk: end, NoAnswer"));
}

#[test]
fn the_caller_gives_up_and_every_device_stops_ringing() {
    let mut scene = Scene::ringing();
    let done = scene.caller(end(EndReason::HungUp));
    assert_eq!(done, ["callee, all: end, Cancelled", "relay: close", "over: cancelled"]);
}

#[test]
fn the_caller_vanishes_and_every_device_stops_ringing() {
    let mut scene = Scene::ringing();
    let done = scene.gone(Leg::Caller, "desk");
    let expected = ["caller, all: end, Gone", "callee, all: end, Cancelled", "relay: close", "over: cancelled"];
    assert_eq!(done, expected);
    assert_eq!(scene.call.record().reason, Some(EndReason::Gone));
}

#[test]
fn a_callee_that_cannot_be_reached_fails_with_its_reason() {
    let mut scene = Scene::new();
    scene.caller(offer("c"));
    let done = scene.input(Input::Unreachable { leg: Leg::Callee, why: "bob is not online".to_owned() });
    assert_eq!(done[0], "caller desk: end, Failed(\"bob is not online\")");
    assert_eq!(scene.call.record().outcome, Outcome::Failed);
}

#[test]
fn a_ringing_device_that_goes_is_no_end() {
    let mut scene = Scene::ringing();
    assert_eq!(scene.gone(Leg::Callee, "phone"), [""; 0]);
    assert!(!scene.tablet(answer("t")).is_empty());
}

#[test]
fn whoever_may_not_call_or_be_called_any_more_ends_the_call_before_it_is_answered() {
    let mut scene = Scene::ringing();
    assert_eq!(scene.barred(Leg::Callee, Some("phone")), [""; 0], "the tablet rings on");
    assert_eq!(scene.barred(Leg::Callee, None)[0], "caller desk: end, Gone");
    let mut scene = Scene::ringing();
    assert_eq!(scene.barred(Leg::Caller, Some("desk"))[1], "callee, all: end, Cancelled");
    assert_eq!(scene.barred(Leg::Caller, None), [""; 0], "it is over");
}

#[test]
fn an_answer_that_crosses_the_cancel_changes_nothing() {
    let mut scene = Scene::ringing();
    scene.caller(end(EndReason::HungUp));
    assert_eq!(scene.phone(answer("p")), [""; 0]);
    assert!(!scene.call.is_answered());
}

#[test]
fn a_refusal_that_crosses_the_answer_changes_nothing() {
    let mut scene = Scene::answered();
    assert_eq!(scene.tablet(end(EndReason::Declined)), [""; 0]);
    assert_eq!(scene.tablet(answer("t")), ["refused to the callee: this call is on another device"]);
}

#[test]
fn a_bad_first_offer_fails_with_its_reason_and_rings_nowhere() {
    let mut scene = Scene::new();
    scene.refuses = Some((Request::TakeOffer, "no audio"));
    let done = scene.caller(offer("c"));
    let expected =
        ["relay: take the caller's offer c", "refused to the caller: no audio", "relay: close", "over: failed"];
    assert_eq!(done, expected);
}

#[test]
fn a_bad_answer_is_refused_and_it_rings_on() {
    let mut scene = Scene::ringing();
    scene.refuses = Some((Request::TakeAnswer, "not an answer"));
    let done = scene.phone(answer("p"));
    assert_eq!(done, ["relay: take the callee's answer p", "refused to the callee: not an answer"]);
    scene.refuses = None;
    assert_eq!(scene.tablet(answer("t")).len(), 3, "another device may answer");
    assert_eq!(scene.call.state(Leg::Callee), LegState::Answered);
}

#[test]
fn an_answer_that_leaves_no_codec_in_common_ends_with_its_reason() {
    let mut scene = Scene::ringing();
    scene.refuses = Some((Request::Answer, "no codec in common"));
    let done = scene.phone(answer("p"));
    assert!(done.contains(&"callee phone: end, Failed(\"no codec in common\")".to_owned()), "{done:?}");
    assert!(done.contains(&"caller desk: end, Failed(\"no codec in common\")".to_owned()), "{done:?}");
    assert_eq!(scene.call.record().outcome, Outcome::Failed);
}

#[test]
fn what_the_caller_muted_while_it_rang_is_told_after_the_answer() {
    let mut scene = Scene::ringing();
    assert_eq!(scene.caller(mute(true, false)), [""; 0]);
    assert!(scene.phone(answer("p")).contains(&"callee phone: muted audio true, video false".to_owned()));
}

#[test]
fn a_network_that_rings_first_describes_itself_after_the_answer() {
    let mut scene = Scene::new();
    let bare = CallStep::Offer { media: CallMedia::Voice, sdp: None };
    assert_eq!(scene.caller(bare), ["callee, all: offer of the relay's"]);
    let done = scene.phone(answer("p"));
    assert_eq!(done[1..], ["callee, all but phone: end, AnsweredElsewhere", "caller desk: answer None"]);
    let done = scene.caller(update("c"));
    assert_eq!(done, ["relay: take the caller's offer c", "caller desk: answer of the relay's"]);
}

#[test]
fn a_callee_that_picks_up_first_describes_itself_later() {
    for described in [answer("p"), update("p")] {
        let mut scene = Scene::ringing();
        assert_eq!(scene.phone(CallStep::Answer { sdp: None }), ["callee, all but phone: end, AnsweredElsewhere"]);
        let done = scene.phone(described);
        assert_eq!(done.last().map(String::as_str), Some("caller desk: answer of the relay's"), "{done:?}");
    }
}

#[test]
fn the_echo_gives_the_caller_its_own_media_back() {
    let mut scene = Scene::new();
    scene.caller(offer("c"));
    let echo = |step| Input::Step { leg: Leg::Callee, device: None, step };
    assert_eq!(scene.input(echo(CallStep::LoopBack)), ["caller desk: answer of the relay's that gives back"]);
    let done = scene.caller(update("video"));
    assert_eq!(done, ["relay: take the caller's offer video", "caller desk: answer of the relay's that gives back"]);
    scene.media(MediaEvent::Connected { leg: Leg::Caller });
    scene.media(MediaEvent::FirstMedia { leg: Leg::Caller });
    assert_eq!(scene.wait(3600), [""; 0], "the echo itself is not waited for");
    assert_eq!(scene.call.record().media_after, Some(Duration::ZERO));
}

#[test]
fn a_gateway_that_stops_leaves_nothing_ringing() {
    let mut scene = Scene::ringing();
    let done = scene.input(Input::Stop);
    let expected =
        ["caller desk: end, GatewayStopped", "callee, all: end, GatewayStopped", "relay: close", "over: missed"];
    assert_eq!(done, expected);
}

#[test]
fn of_two_people_who_call_each_other_the_call_with_the_lesser_id_goes_on() {
    assert_eq!([glare("a", "b"), glare("b", "a")], [Glare::First, Glare::Second]);
    let mut scene = Scene::ringing();
    let done = scene.input(Input::Crossed);
    let expected = ["caller desk: end, Cancelled", "callee, all: end, Cancelled", "relay: close", "over: crossed"];
    assert_eq!(done, expected);
    assert_eq!(Scene::answered().input(Input::Crossed), [""; 0], "an answered call does not give way");
}

#[test]
fn a_caller_that_changes_its_network_while_it_rings_offers_anew() {
    let mut scene = Scene::ringing();
    scene.caller(candidates(&["old"]));
    assert_eq!(scene.caller(update("c2")), ["relay: take the caller's offer c2"], "the callee has its offer");
    scene.caller(candidates(&["new"]));
    let done = scene.phone(answer("p"));
    assert_eq!(done.last().map(String::as_str), Some("relay: candidates new of the caller"));
}
