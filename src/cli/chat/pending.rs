//! Requests that have no answer yet. A `messageId` makes a request idempotent, so they can all be
//! sent again when a socket ended before the answers came.

use serde_json::Value;
use std::collections::VecDeque;
use tokio::time::Instant;

/// So many answers are waited for at a time; then nothing more is read until some have come.
const AT_MOST: usize = 500;

/// Requests without an answer, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    frames: VecDeque<(String, Value)>,
    told_quiet: bool,
}

impl Pending {
    pub(super) fn asked(&mut self, frame: &Value) {
        let Some(id) = frame["messageId"].as_str() else { return };
        self.frames.push_back((id.to_owned(), frame.clone()));
        self.told_quiet = false;
    }

    /// Whether more may be asked.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len() < AT_MOST
    }

    pub(super) fn answered(&mut self, frame: &Value) {
        let id = frame["messageId"].as_str().unwrap_or_default();
        self.frames.retain(|(asked, _)| asked != id);
    }

    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Value> {
        self.frames.iter().map(|(_, frame)| frame)
    }

    /// The time, once when everything has been answered.
    pub(super) fn take_quiet(&mut self) -> Option<Instant> {
        if self.told_quiet || !self.frames.is_empty() {
            return None;
        }
        self.told_quiet = true;
        Some(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_answered_is_not_sent_again() {
        let mut pending = Pending::default();
        pending.asked(&json!({ "messageId": "a" }));
        pending.asked(&json!({ "messageId": "b" }));
        pending.answered(&json!({ "messageId": "a", "statusCode": "200" }));
        assert_eq!(pending.unanswered().collect::<Vec<_>>(), [&json!({ "messageId": "b" })]);
        assert!(pending.take_quiet().is_none());
        pending.answered(&json!({ "messageId": "b", "statusCode": "400" }));
        assert!(pending.take_quiet().is_some());
        assert!(pending.take_quiet().is_none());
    }
}
