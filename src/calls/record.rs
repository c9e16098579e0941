//! What is left of a call: a line in the conversation on both sides, figures, and its row. Called by
//! `driver` once a call is over, and by `leftover` for those that a crash ended.

use super::link::media_word;
use super::quality::Quality;
use super::wire::code_of;
use super::{Calls, figures};
use crate::core::{Core, Line, Party};
use crate::store::CallRow;
use monster_bridge_api::{CallMedia, EndReason};
use monster_calls::{Leg, Outcome, Record};
use monster_media::Figures;
use monster_protocol::CallLine;
use std::time::Duration;

/// What a call leaves, beside what its machine says.
pub(super) struct Remains<'a> {
    pub(super) caller: &'a Party,
    pub(super) callee: &'a Party,
    /// What a guest on the callee's leg was called.
    pub(super) guest: Option<&'a str>,
    pub(super) figures: &'a Figures,
    /// Its row, as it was written last.
    pub(super) row: CallRow,
    /// Whether lines are said: not of an offer that was no offer.
    pub(super) lines: bool,
    /// Whether the callee never heard of it: the link to it was not said.
    pub(super) unheard: bool,
}

/// Writes down what became of a call.
pub(super) async fn write(calls: &Calls, record: &Record, remains: Remains<'_>) {
    let Remains { caller, callee, guest, figures, mut row, lines, unheard } = remains;
    figures::ended(record, figures);
    if lines {
        for leg in Leg::BOTH {
            if leg == Leg::Callee && unheard {
                continue;
            }
            if let Some(line) = line(record, leg, guest, figures) {
                say(calls, &row.id, (caller, callee), leg, line).await;
            }
        }
    }
    fill(&mut row, record);
    row.outcome = Some(record.outcome.as_str().to_owned());
    row.figures = Quality::of(figures).and_then(|quality| quality.written());
    if let Err(error) = calls.store.put_call(row).await {
        tracing::warn!(call = %record.id, %error, "the end of a call was not written");
    }
}

/// Says the line of a call to one side, as the other.
pub(super) async fn say(calls: &Calls, id: &str, (caller, callee): (&Party, &Party), reader: Leg, line: Line) {
    let (from, to) = match reader {
        Leg::Caller => (callee, caller),
        Leg::Callee => (caller, callee),
    };
    let key = format!("{id}-{}", reader.as_str());
    if let Err(error) = calls.core.post_line(from, &to.address, &key, line).await {
        tracing::warn!(call = id, %error, "the line of a call was not written");
    }
}

/// Puts into a row what the machine knows.
pub(super) fn fill(row: &mut CallRow, record: &Record) {
    let began = row.began;
    let at =
        |after: Option<Duration>| after.map(|after| began + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2));
    row.video = record.had_video;
    row.ringing = at(record.ringing_after);
    row.answered = at(record.answered_after);
    row.first_media = at(record.media_after);
    row.ended = at(record.ended_after);
    row.reason = record.reason.as_ref().map(code_of);
    row.ended_by = record.ended_by.map(|leg| leg.as_str().to_owned());
}

/// The line about a call that a crash ended.
pub(super) fn interrupted(row: &CallRow, reader: Leg) -> Line {
    let call = format!("{} call", if row.video { "video" } else { &row.media });
    let words = match (row.answered, reader) {
        (Some(_), _) => format!("{call}: the gateway stopped during it"),
        (None, Leg::Callee) => format!("missed {call}"),
        (None, Leg::Caller) => format!("{call}: not put through, the gateway stopped"),
    };
    let incoming = reader == Leg::Callee;
    let outcome = if row.answered.is_some() { Outcome::Answered } else { Outcome::Missed };
    let told = CallLine {
        incoming,
        video: row.video || row.media == "video",
        outcome: outcome.as_str().to_owned(),
        missed: incoming && row.answered.is_none(),
        reason: Some(code_of(&EndReason::GatewayStopped)),
        ..CallLine::default()
    };
    Line::Record(Box::new(told), words)
}

/// The line for one side; `None` if none is due.
fn line(record: &Record, reader: Leg, guest: Option<&str>, figures: &Figures) -> Option<Line> {
    let guest = guest.map(Core::shown_name);
    let quality = quality(figures, reader).filter(|_| record.outcome == Outcome::Answered);
    let words = words(record, reader, guest.as_deref(), quality)?;
    let incoming = reader == Leg::Callee;
    let is_unheard = match record.outcome {
        Outcome::Missed | Outcome::Cancelled | Outcome::Busy => true,
        Outcome::Failed => record.answered_after.is_none(),
        Outcome::Answered | Outcome::Declined | Outcome::Crossed => false,
    };
    let told = CallLine {
        incoming,
        video: record.had_video || record.media == CallMedia::Video,
        outcome: record.outcome.as_str().to_owned(),
        missed: incoming && is_unheard,
        seconds: record.talked().filter(|_| record.outcome == Outcome::Answered).map(|talked| talked.as_secs()),
        reason: record.reason.as_ref().filter(|reason| **reason != EndReason::HungUp).map(code_of),
        guest,
        round_trip: quality.map(|(round_trip, _)| round_trip),
        lost: quality.map(|(_, lost)| lost),
    };
    Some(Line::Record(Box::new(told), words))
}

/// The line in words.
fn words(record: &Record, reader: Leg, guest: Option<&str>, quality: Option<(u64, u64)>) -> Option<String> {
    let call = format!("{} call", media_word(if record.had_video { CallMedia::Video } else { record.media }));
    let is_callee = reader == Leg::Callee;
    let missed = || Some(format!("missed {call}"));
    match record.outcome {
        Outcome::Crossed => None,
        Outcome::Answered => {
            let with = guest.map(|guest| format!(" with {guest}")).unwrap_or_default();
            let talked = spoken(record.talked().unwrap_or_default());
            let shown =
                |(round_trip, lost)| format!("; round trip {round_trip} ms, {}.{} % lost", lost / 10, lost % 10);
            let quality = quality.map(shown).unwrap_or_default();
            Some(format!("{call}{with}, {talked}{}{quality}", why_answered(record.reason.as_ref())))
        }
        Outcome::Missed | Outcome::Cancelled if is_callee => missed(),
        Outcome::Missed if record.reason == Some(EndReason::GatewayStopped) => {
            Some(format!("{call}: not put through, the gateway stopped"))
        }
        Outcome::Missed => Some(format!("{call}: no answer")),
        Outcome::Declined if is_callee => Some(format!("declined {call}")),
        Outcome::Declined => Some(format!("{call}: declined")),
        Outcome::Busy if is_callee => Some(format!("missed {call} (busy)")),
        Outcome::Busy => Some(format!("{call}: busy")),
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

/// The round trip (ms) and the loss (thousandths) that a side had, where they are known.
fn quality(figures: &Figures, leg: Leg) -> Option<(u64, u64)> {
    let leg = match leg {
        Leg::Caller => &figures.caller,
        Leg::Callee => &figures.callee,
    };
    let round_trip = u64::try_from(leg.round_trip?.as_millis()).unwrap_or(u64::MAX);
    let total = leg.received.packets + leg.received.lost;
    let lost = leg.received.lost.saturating_mul(1000).checked_div(total).unwrap_or_default();
    Some((round_trip, lost))
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
            let line = |leg| words(&record, leg, None, None).unwrap_or_default();
            format!("{} | {}", line(Leg::Caller), line(Leg::Callee))
        });
        insta::assert_snapshot!(lines.join("\n").trim_end(), @r"
        voice call, 3 min 12 s | voice call, 3 min 12 s
        video call, 3 min 12 s (the connection was lost) | video call, 3 min 12 s (the connection was lost)
        voice call: no answer | missed voice call
        voice call: not put through, the gateway stopped | missed voice call
        voice call: declined | declined voice call
        voice call: busy | missed voice call (busy)
        voice call: cancelled | missed voice call
        voice call failed: bob is not online | missed voice call
         |
        ");
    }

    #[test]
    fn who_words_it_themselves_is_told_the_same_and_whether_it_was_missed() {
        let told = |record: &Record, leg| match line(record, leg, Some("Bob"), &Figures::default()) {
            Some(Line::Record(told, _)) => serde_json::to_string(&told).unwrap(),
            other => panic!("{other:?}"),
        };
        let answered = record(Outcome::Answered, EndReason::HungUp);
        let expected = r#"{"incoming":false,"video":false,"outcome":"answered","seconds":192,"guest":"Bob"}"#;
        assert_eq!(told(&answered, Leg::Caller), expected);
        for (outcome, missed) in [
            (Outcome::Answered, false),
            (Outcome::Missed, true),
            (Outcome::Cancelled, true),
            (Outcome::Busy, true),
            (Outcome::Failed, true),
            (Outcome::Declined, false),
        ] {
            let record = Record {
                answered_after: (outcome == Outcome::Answered).then(|| Duration::from_secs(2)),
                ..record(outcome, EndReason::Gone)
            };
            assert_eq!(told(&record, Leg::Callee).contains(r#""missed":true"#), missed, "{outcome:?}");
            assert!(!told(&record, Leg::Caller).contains("missed\":true"), "who calls misses nothing");
        }
    }

    #[test]
    fn times_are_as_people_say_them() {
        let all = [0, 59, 61, 3_725].map(|seconds| spoken(Duration::from_secs(seconds)));
        assert_eq!(all, ["0 s", "59 s", "1 min 1 s", "1 h 2 min"]);
    }
}
