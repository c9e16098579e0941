//! In which order the requests of one socket are carried out: those to one address one after the
//! other, as they came, and those to different addresses independently.
//!
//! Messages that refer to nothing follow each other without waiting for the disk: the core hands
//! them to the store, which keeps their order, as soon as it is asked, once the account is known to
//! be in the conversation. `exchange` calls this.

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use monster_protocol::{Address, Request, RequestBody, Status};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// How many addresses there are before those with nothing under way are forgotten.
const LOOK_THROUGH_AT: usize = 128;

/// Ends when a request has been carried out.
type Done = Shared<oneshot::Receiver<()>>;

/// The requests of one socket.
#[derive(Debug, Default)]
pub(super) struct Courses(HashMap<Address, Course>);

/// The requests to one address.
#[derive(Debug, Default)]
struct Course {
    /// The last one.
    last: Option<Done>,
    /// The last one that no other may overtake.
    barrier: Option<Done>,
    /// The last message was accepted: the next one needs no more than to be stored.
    flowing: Arc<AtomicBool>,
}

/// A request's turn.
#[derive(Debug)]
pub(super) struct Turn {
    after: Option<Done>,
    /// Dropping it lets the next one come.
    next: Option<oneshot::Sender<()>>,
    flowing: Arc<AtomicBool>,
    is_message: bool,
}

impl Courses {
    /// The turn of a request to `to`, after all that came before.
    pub(super) fn turn(&mut self, to: &Address, request: &Request<'_>) -> Turn {
        // Asking about somebody changes nothing, and may take seconds.
        if matches!(request.body, RequestBody::Info) {
            return Turn { after: None, next: None, flowing: Arc::default(), is_message: false };
        }
        if self.0.len() >= LOOK_THROUGH_AT {
            let is_under_way = |last: &Done| last.clone().now_or_never().is_none();
            self.0.retain(|_, course| course.last.as_ref().is_some_and(is_under_way));
        }
        let course = self.0.entry(to.clone()).or_default();
        let is_message = matches!(request.body, RequestBody::Text { .. });
        let refers = request.ext.reply_to.is_some() || request.ext.replaces.is_some();
        let may_overlap = is_message && !refers && course.flowing.load(Ordering::Relaxed);
        let after = if may_overlap { course.barrier.clone() } else { course.last.clone() };
        let (next, done) = oneshot::channel();
        let done = done.shared();
        if !may_overlap {
            course.barrier = Some(done.clone());
        }
        course.last = Some(done);
        Turn { after, next: Some(next), flowing: Arc::clone(&course.flowing), is_message }
    }
}

impl Turn {
    /// Returns when it is this request's turn.
    pub(super) async fn come(&self) {
        if let Some(after) = self.after.clone() {
            // It ends by being dropped.
            let _ = after.await;
        }
    }

    /// The request has been carried out.
    pub(super) fn pass(self, status: Status) {
        if self.next.is_some() {
            self.flowing.store(self.is_message && status.is_success(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_protocol::Ext;

    fn text() -> Request<'static> {
        Request::new("1", RequestBody::Text { text: "hi".into() })
    }

    fn reply() -> Request<'static> {
        Request { ext: Ext { reply_to: Some("0".into()), ..Ext::default() }, ..text() }
    }

    fn is_due(turn: &Turn) -> bool {
        turn.come().now_or_never().is_some()
    }

    #[test]
    fn the_first_message_to_an_address_is_finished_before_the_next_one_begins() {
        let (mut courses, room) = (Courses::default(), "@room:gw".parse().unwrap());
        let (first, second) = (courses.turn(&room, &text()), courses.turn(&room, &text()));
        let elsewhere = courses.turn(&"@other:gw".parse().unwrap(), &text());
        assert!(is_due(&first) && !is_due(&second) && is_due(&elsewhere));
        first.pass(Status::Accepted);
        assert!(is_due(&second));
    }

    #[test]
    fn messages_flow_once_one_was_accepted_and_what_refers_to_others_waits_for_them() {
        let (mut courses, room) = (Courses::default(), "@room:gw".parse().unwrap());
        courses.turn(&room, &text()).pass(Status::Accepted);
        let (first, second) = (courses.turn(&room, &text()), courses.turn(&room, &text()));
        assert!(is_due(&first) && is_due(&second));
        let (answer, after) = (courses.turn(&room, &reply()), courses.turn(&room, &text()));
        assert!(!is_due(&answer) && !is_due(&after));
        first.pass(Status::Accepted);
        second.pass(Status::Accepted);
        assert!(is_due(&answer) && !is_due(&after));
        answer.pass(Status::Accepted);
        assert!(is_due(&after));
    }

    #[test]
    fn after_a_refusal_messages_wait_for_each_other_again() {
        let (mut courses, room) = (Courses::default(), "@room:gw".parse().unwrap());
        courses.turn(&room, &text()).pass(Status::Accepted);
        courses.turn(&room, &text()).pass(Status::BadRequest);
        let (first, second) = (courses.turn(&room, &text()), courses.turn(&room, &text()));
        assert!(is_due(&first) && !is_due(&second));
    }

    #[test]
    fn asking_about_somebody_waits_for_nothing_and_holds_nothing_up() {
        let (mut courses, room) = (Courses::default(), "@room:gw".parse().unwrap());
        let _first = courses.turn(&room, &text());
        assert!(is_due(&courses.turn(&room, &Request::new("1", RequestBody::Info))));
    }

    #[test]
    fn addresses_with_nothing_under_way_are_forgotten() {
        let mut courses = Courses::default();
        let kept: Address = "@kept:gw".parse().unwrap();
        let first = courses.turn(&kept, &text());
        for number in 0..LOOK_THROUGH_AT * 3 {
            courses.turn(&format!("@{number}:gw").parse().unwrap(), &text()).pass(Status::Accepted);
        }
        assert!(courses.0.len() <= LOOK_THROUGH_AT);
        assert!(!is_due(&courses.turn(&kept, &text())));
        first.pass(Status::Accepted);
    }
}
