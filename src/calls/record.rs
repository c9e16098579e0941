//! What is left of a call: a line in the conversation on both sides, figures, and its row. Called by
//! `driver` once a call is over, and by `leftover` for those that a crash ended.

use super::Calls;
use super::figures;
use super::link::media_word;
use crate::core::{Core, LineStyle, Party};
use monster_bridge_api::{CallMedia, EndReason};
use monster_calls::{Leg, Outcome, Record};
use monster_media::Figures;
use std::sync::Arc;
use std::time::Duration;

/// Who was in a call.
pub(super) struct Told<'a> {
    pub(super) caller: &'a Party,
    pub(super) callee: &'a Party,
    /// What a guest on the callee's leg was called.
    pub(super) guest: Option<&'a str>,
}

/// Writes down what became of a call.
pub(super) async fn write(calls: &Arc<Calls>, record: &Record, figures: &Figures, told: &Told<'_>) {
    figures::ended(record, figures);
    for leg in Leg::BOTH {
        let Some(line) = line(record, leg, told.guest, figures) else { continue };
        let (from, to) = match leg {
            Leg::Caller => (told.callee, told.caller),
            Leg::Callee => (told.caller, told.callee),
        };
        let key = format!("{}-{}", record.id, leg.as_str());
        if let Err(error) = calls.core.post_line(from, &to.address, &key, (LineStyle::Notice, line)).await {
            tracing::warn!(call = %record.id, %error, "the line of a call was not written");
        }
    }
}

/// The line for one side; `None` if none is due.
fn line(record: &Record, reader: Leg, guest: Option<&str>, figures: &Figures) -> Option<String> {
    let call = format!("{} call", media_word(if record.had_video { CallMedia::Video } else { record.media }));
    let is_callee = reader == Leg::Callee;
    let missed = || Some(format!("missed {call}"));
    match record.outcome {
        Outcome::Crossed => None,
        Outcome::Answered => {
            let with = guest.map(|guest| format!(" with {}", Core::shown_name(guest))).unwrap_or_default();
            let talked = spoken(record.talked().unwrap_or_default());
            let quality = quality(figures, reader).unwrap_or_default();
            Some(format!("{call}{with}, {talked}{}{quality}", why_answered(record.reason.as_ref())))
        }
        Outcome::Missed if is_callee => missed(),
        Outcome::Missed if record.reason == Some(EndReason::GatewayStopped) => {
            Some(format!("{call}: not put through, the gateway stopped"))
        }
        Outcome::Missed => Some(format!("{call}: no answer")),
        Outcome::Declined if is_callee => Some(format!("declined {call}")),
        Outcome::Declined => Some(format!("{call}: declined")),
        Outcome::Busy if is_callee => Some(format!("missed {call} (busy)")),
        Outcome::Busy => Some(format!("{call}: busy")),
        Outcome::Cancelled if is_callee => missed(),
        Outcome::Cancelled => Some(format!("{call}: cancelled")),
        Outcome::Failed if is_callee && record.answered_after.is_none() => missed(),
        Outcome::Failed => Some(format!("{call} failed{}", why_failed(record.reason.as_ref()))),
    }
}

/// How a call that was answered ended, where nobody just hung up.
fn why_answered(reason: Option<&EndReason>) -> &'static str {
    match reason {
        Some(EndReason::Gone) => " (the connection was lost)",
        Some(EndReason::NoMedia) => " (nothing could be heard any more)",
        Some(EndReason::GatewayStopped) => " (the gateway stopped)",
        Some(EndReason::Failed(_)) => " (it broke off)",
        _ => "",
    }
}

fn why_failed(reason: Option<&EndReason>) -> String {
    match reason {
        Some(EndReason::Failed(why)) if !why.is_empty() => {
            let why: String = why.chars().filter(|c| !c.is_control()).take(160).collect();
            format!(": {why}")
        }
        Some(EndReason::NoMedia) => ": nothing could be heard".to_owned(),
        Some(EndReason::Gone) => ": the connection was lost".to_owned(),
        _ => String::new(),
    }
}

/// The delay and the loss that a side had, where they are known.
fn quality(figures: &Figures, leg: Leg) -> Option<String> {
    let leg = match leg {
        Leg::Caller => &figures.caller,
        Leg::Callee => &figures.callee,
    };
    let round_trip = leg.round_trip?;
    let total = leg.received.packets + leg.received.lost;
    let share = if total == 0 { 0.0 } else { figures::ratio(leg.received.lost, total) * 100.0 };
    Some(format!("; round trip {} ms, {share:.1} % lost", round_trip.as_millis()))
}

/// A time as people say it.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_bridge_api::CallId;

    fn record(outcome: Outcome, reason: EndReason) -> Record {
        let after = |seconds| Some(Duration::from_secs(seconds));
        Record {
            id: CallId::new("c"),
            media: CallMedia::Voice,
            had_video: false,
            outcome,
            reason: Some(reason),
            ended_by: None,
            ringing_after: after(1),
            answered_after: (outcome == Outcome::Answered).then(|| Duration::from_secs(2)),
            connected_after: None,
            media_after: None,
            ended_after: after(194),
        }
    }

    #[test]
    fn each_side_reads_what_became_of_the_call() {
        let all = [
            record(Outcome::Answered, EndReason::HungUp),
            Record { had_video: true, ..record(Outcome::Answered, EndReason::Gone) },
            record(Outcome::Missed, EndReason::NoAnswer),
            record(Outcome::Missed, EndReason::GatewayStopped),
            record(Outcome::Declined, EndReason::Declined),
            record(Outcome::Busy, EndReason::Busy),
            record(Outcome::Cancelled, EndReason::Cancelled),
            record(Outcome::Failed, EndReason::Failed("bob is not online".to_owned())),
            record(Outcome::Crossed, EndReason::Busy),
        ];
        let lines = all.map(|record| {
            let line = |leg| line(&record, leg, None, &Figures::default()).unwrap_or_default();
            format!("{} | {}", line(Leg::Caller), line(Leg::Callee))
        });
        insta::assert_snapshot!(lines.join("\n"), @"");
    }

    #[test]
    fn times_are_as_people_say_them() {
        let all = [0, 59, 61, 3_725].map(|seconds| spoken(Duration::from_secs(seconds)));
        assert_eq!(all, ["0 s", "59 s", "1 min 1 s", "1 h 2 min"]);
    }
}
