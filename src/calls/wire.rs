//! Call contexts of Monster frames ⇄ steps of a call (docs/protocol.md "Calls"). Pure; `desk`,
//! `guests` and `line` call it.

use monster_bridge_api::{CallMedia, CallStep, EndReason, IceCandidate, Muted};
use monster_protocol::{CallSignal, CallStep as Wire, Candidate, Media, Muted as WireMuted};

/// The most bytes of a `reason` that is written.
const REASON_BYTES: usize = 256;

/// What a context asks for, in order: its step, then the candidates that came with it.
pub(super) fn steps_of(signal: CallSignal, media: CallMedia) -> Vec<CallStep> {
    let reason = signal.reason.as_deref();
    let step = match signal.step {
        Wire::Offer(sdp) => Some(CallStep::Offer { media, sdp: Some(sdp) }),
        Wire::Ringing => Some(CallStep::Ringing),
        Wire::LinkSent => Some(CallStep::LinkSent),
        Wire::Answer(sdp) => Some(CallStep::Answer { sdp: Some(sdp) }),
        Wire::Candidates => None,
        Wire::Update { sdp, muted } => {
            let muted = muted.map(|WireMuted { audio, video }| Muted { audio, video });
            Some(CallStep::Update { sdp, muted })
        }
        Wire::Dtmf(keys) => Some(CallStep::Dtmf(keys)),
        Wire::Hangup => Some(CallStep::End(reason.map_or(EndReason::HungUp, reason_of))),
        Wire::Reject => Some(CallStep::End(EndReason::Declined)),
        Wire::Busy => Some(CallStep::End(EndReason::Busy)),
    };
    let candidates: Vec<IceCandidate> = signal.candidates.into_iter().map(candidate_of).collect();
    let trickled = (!candidates.is_empty()).then_some(CallStep::Candidates(candidates));
    step.into_iter().chain(trickled).collect()
}

/// A step as a context; `None` for one that Monster frames have no form for.
pub(super) fn signal_of(call_id: &str, step: &CallStep) -> Option<CallSignal> {
    let mut reason = None;
    let mut candidates = Vec::new();
    let wire = match step {
        CallStep::Offer { sdp: Some(sdp), .. } => Wire::Offer(sdp.clone()),
        CallStep::Ringing => Wire::Ringing,
        CallStep::LinkSent => Wire::LinkSent,
        CallStep::Answer { sdp: Some(sdp) } => Wire::Answer(sdp.clone()),
        CallStep::Candidates(found) => {
            candidates = found.iter().map(written).collect();
            Wire::Candidates
        }
        CallStep::Update { sdp, muted } => {
            Wire::Update { sdp: sdp.clone(), muted: muted.map(|Muted { audio, video }| WireMuted { audio, video }) }
        }
        CallStep::Dtmf(keys) => Wire::Dtmf(keys.clone()),
        CallStep::End(why) => {
            reason = Some(code_of(why));
            match why {
                EndReason::Declined => Wire::Reject,
                EndReason::Busy => Wire::Busy,
                _ => Wire::Hangup,
            }
        }
        _ => return None,
    };
    Some(CallSignal { reason, candidates, ..CallSignal::new(call_id, wire) })
}

/// The code of a media.
pub(super) fn media_on_wire(media: CallMedia) -> Media {
    match media {
        CallMedia::Voice => Media::Voice,
        CallMedia::Video => Media::Video,
    }
}

fn candidate_of(candidate: Candidate) -> IceCandidate {
    IceCandidate { line: candidate.candidate, mid: candidate.sdp_mid, index: candidate.sdp_m_line_index }
}

fn written(candidate: &IceCandidate) -> Candidate {
    Candidate { candidate: candidate.line.clone(), sdp_mid: candidate.mid.clone(), sdp_m_line_index: candidate.index }
}

/// The `reason` of an end: a word of the list in docs/protocol.md "Why a call ended", for a failure
/// with words behind it.
pub(super) fn code_of(reason: &EndReason) -> String {
    let word = match reason {
        EndReason::HungUp => "hung_up",
        EndReason::Declined => "declined",
        EndReason::Busy => "busy",
        EndReason::Cancelled => "cancelled",
        EndReason::NoAnswer => "no_answer",
        EndReason::AnsweredElsewhere => "answered_elsewhere",
        EndReason::Gone => "gone",
        EndReason::NoMedia => "no_media",
        EndReason::GatewayStopped => "gateway_stopped",
        EndReason::Failed(why) => return cut(format!("failed: {why}")),
        _ => "failed",
    };
    word.to_owned()
}

/// What a `reason` says. Words that are none of the list are somebody's own.
fn reason_of(text: &str) -> EndReason {
    match text {
        "" | "hung_up" => EndReason::HungUp,
        "declined" => EndReason::Declined,
        "busy" => EndReason::Busy,
        "cancelled" => EndReason::Cancelled,
        "no_answer" => EndReason::NoAnswer,
        "answered_elsewhere" => EndReason::AnsweredElsewhere,
        "gone" => EndReason::Gone,
        "no_media" => EndReason::NoMedia,
        "gateway_stopped" => EndReason::GatewayStopped,
        _ => match text.strip_prefix("failed") {
            Some(why) => EndReason::Failed(why.trim_start_matches([':', ' ']).to_owned()),
            None => EndReason::HungUp,
        },
    }
}

fn cut(mut text: String) -> String {
    let mut end = REASON_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_and_its_steps_say_the_same() {
        let candidate = IceCandidate { line: "candidate:1".to_owned(), mid: Some("0".to_owned()), index: Some(0) };
        let muted = Some(Muted { audio: true, video: false });
        let steps = [
            CallStep::Offer { media: CallMedia::Video, sdp: Some("v=0".to_owned()) },
            CallStep::Ringing,
            CallStep::LinkSent,
            CallStep::Dtmf("12#".to_owned()),
            CallStep::Answer { sdp: Some("v=0".to_owned()) },
            CallStep::Candidates(vec![candidate]),
            CallStep::Update { sdp: None, muted },
            CallStep::Update { sdp: Some("v=0".to_owned()), muted: None },
            CallStep::End(EndReason::Declined),
            CallStep::End(EndReason::Busy),
            CallStep::End(EndReason::NoAnswer),
            CallStep::End(EndReason::Failed("the two sides have no codec in common".to_owned())),
        ];
        for step in steps {
            let signal = signal_of("c", &step).unwrap();
            assert_eq!(steps_of(signal, CallMedia::Video), [step]);
        }
    }

    #[test]
    fn candidates_that_come_with_a_step_follow_it() {
        let candidates = vec![Candidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None }];
        let signal = CallSignal { candidates, ..CallSignal::new("c", Wire::Answer("v=0".to_owned())) };
        let steps = steps_of(signal, CallMedia::Voice);
        assert!(matches!(steps[..], [CallStep::Answer { .. }, CallStep::Candidates(_)]), "{steps:?}");
    }

    #[test]
    fn somebody_s_own_words_for_hanging_up_are_hanging_up_and_long_ones_are_cut() {
        assert_eq!(reason_of("see you!"), EndReason::HungUp);
        assert_eq!(code_of(&EndReason::Failed("é".repeat(300))).len(), 256);
    }
}
