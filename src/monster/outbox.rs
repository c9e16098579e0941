//! What waits to be written to one socket, and what was asked on it and not answered yet.
//!
//! The session of the socket drains it; whoever has something for the socket (`port`, `dialer`)
//! puts it in. Bounded in frames and bytes: a socket whose other end reads too slowly is closed,
//! and what was asked on it ends as unanswered, so that its lane pushes it again. No I/O here.

use monster_protocol::Response;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Frames that may wait.
const FRAMES_AT_MOST: usize = 2048;
/// Bytes that may wait, not counting the last frame.
const BYTES_AT_MOST: usize = 2 << 20;
/// Requests that may wait for their answer.
const ASKED_AT_MOST: usize = 4096;
/// The share of each of these that may be taken by what need not be asked yet.
const ROOM: usize = 8;

/// The answer to what was asked, or an error once the socket has ended.
pub(super) type Answer = oneshot::Receiver<Response<'static>>;

/// The queue of one socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    cut: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Utf8Bytes>,
    bytes: usize,
    /// By `messageId`. The first of a list is on its way; the others have the same id and follow
    /// one at a time: otherwise nobody could tell whose answer it is.
    asked: HashMap<Box<str>, VecDeque<Asked>>,
    closing: Option<CloseFrame>,
    ended: bool,
    /// The session, where it waits for more.
    session: Option<Waker>,
}

#[derive(Debug)]
struct Asked {
    answer: oneshot::Sender<Response<'static>>,
    /// The frame, while an earlier one with the same id is on its way.
    held: Option<Utf8Bytes>,
}

/// What the session is to write next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Frames, in order.
    pub frames: Vec<Utf8Bytes>,
    /// After them, the end of the socket.
    pub close: Option<CloseFrame>,
}

/// What an answer was to whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing was asked under its id.
    Unasked,
    /// Waited for.
    InTime,
    /// Not waited for any more: it took too long, or another device answered before.
    Late,
}

impl Outbox {
    /// Asks the other side something under `id`. The answer fails once the socket has ended.
    pub(super) fn ask(&self, id: &str, frame: Utf8Bytes) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if state.is_ending() {
            return receiver;
        }
        state.forget_unasked();
        if state.is_full() {
            let reason = Utf8Bytes::from_static("too much waits to be read here");
            state.closing = Some(CloseFrame { code: CloseCode::Policy, reason });
        } else {
            state.ask(id, answer, frame);
        }
        wake(state.session.take(), state);
        receiver
    }

    /// The other side answered what was asked under `id`.
    pub(super) fn answered(&self, id: &str, response: Response<'static>) -> Heard {
        let mut state = self.state.lock();
        let Some(mut same) = state.asked.remove(id) else { return Heard::Unasked };
        let mut heard = Heard::InTime;
        if let Some(first) = same.pop_front()
            && first.answer.send(response).is_err()
        {
            heard = Heard::Late;
        }
        while same.front().is_some_and(|next| next.answer.is_closed()) {
            same.pop_front();
        }
        if let Some(frame) = same.front_mut().and_then(|next| next.held.take()) {
            state.put(frame);
            state.asked.insert(id.into(), same);
            wake(state.session.take(), state);
        }
        heard
    }

    /// Ends the socket once what waits has been written. The first reason given stays.
    pub(super) fn close(&self, code: CloseCode, reason: &'static str) {
        let mut state = self.state.lock();
        if !state.is_ending() {
            state.closing = Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) });
            wake(state.session.take(), state);
        }
    }

    /// Ends the socket without anything more being written to it or read from it. Whoever waits for an
    /// answer is told.
    pub(super) fn cut(&self, reason: &'static str) {
        let mut state = self.state.lock();
        let session = state.session.take();
        let closing = Some(CloseFrame { code: CloseCode::Policy, reason: Utf8Bytes::from_static(reason) });
        *state = State { closing, ended: state.ended, ..State::default() };
        self.cut.store(true, Ordering::Release);
        wake(session, state);
    }

    /// True if more may be asked than has to be.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state.lock();
        let frames = state.queue.len() < FRAMES_AT_MOST / ROOM && state.bytes < BYTES_AT_MOST / ROOM;
        frames && state.asked.len() < ASKED_AT_MOST / ROOM
    }

    /// True once it was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// How the socket is closed, if it was cut.
    pub(super) fn cut_off(&self) -> Option<CloseFrame> {
        if self.is_cut() { self.state.lock().closing.clone() } else { None }
    }

    /// Takes what is to be written next, about `bytes` of it. Called by the session alone, which is
    /// woken when there is something.
    pub(super) fn poll_take(&self, context: &Context<'_>, bytes: usize) -> Poll<Batch> {
        let mut state = self.state.lock();
        if state.queue.is_empty() && state.closing.is_none() {
            if !state.session.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.session = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        let mut batch = Batch::default();
        let mut taken = 0;
        while taken < bytes
            && let Some(frame) = state.queue.pop_front()
        {
            taken += frame.len();
            batch.frames.push(frame);
        }
        state.bytes -= taken;
        if state.queue.is_empty() {
            // An idle socket keeps no memory for the rush it once had.
            state.queue.shrink_to(8);
            batch.close.clone_from(&state.closing);
        }
        Poll::Ready(batch)
    }

    /// True if something was asked and not answered.
    pub(super) fn is_waiting(&self) -> bool {
        !self.state.lock().asked.is_empty()
    }

    /// True once the socket has ended or is about to.
    pub(super) fn is_ending(&self) -> bool {
        self.state.lock().is_ending()
    }

    /// The socket is gone: whoever waits for an answer is told.
    pub(super) fn end(&self) {
        *self.state.lock() = State { ended: true, ..State::default() };
    }
}

/// Wakes the session after the lock is given back.
fn wake(session: Option<Waker>, state: impl Sized) {
    drop(state);
    if let Some(session) = session {
        session.wake();
    }
}

impl State {
    fn ask(&mut self, id: &str, answer: oneshot::Sender<Response<'static>>, frame: Utf8Bytes) {
        match self.asked.get_mut(id) {
            // Somebody waits for the answer to another one with this id.
            Some(same) if same.front().is_some_and(|first| !first.answer.is_closed()) => {
                same.push_back(Asked { answer, held: Some(frame) });
            }
            // New, or asked again because no answer came in time.
            _ => {
                self.asked.insert(id.into(), VecDeque::from([Asked { answer, held: None }]));
                self.put(frame);
            }
        }
    }

    fn put(&mut self, frame: Utf8Bytes) {
        self.bytes += frame.len();
        self.queue.push_back(frame);
    }

    fn is_ending(&self) -> bool {
        self.ended || self.closing.is_some()
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= FRAMES_AT_MOST || self.bytes >= BYTES_AT_MOST || self.asked.len() >= ASKED_AT_MOST
    }

    /// Makes room for questions by forgetting those that nobody waits for any more: another device
    /// answered, or it took too long.
    fn forget_unasked(&mut self) {
        if self.asked.len() >= ASKED_AT_MOST {
            self.asked.retain(|_, same| same.iter().any(|asked| !asked.answer.is_closed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_protocol::Status;

    fn take(outbox: &Outbox) -> Vec<String> {
        match outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX) {
            Poll::Ready(batch) => batch.frames.iter().map(ToString::to_string).collect(),
            Poll::Pending => Vec::new(),
        }
    }

    fn ok(id: &str) -> Response<'static> {
        Response::new(id.to_owned(), Status::Accepted)
    }

    #[test]
    fn an_answer_finds_who_asked() {
        let outbox = Outbox::default();
        let mut first = outbox.ask("a", "one".into());
        let mut second = outbox.ask("b", "two".into());
        assert_eq!(take(&outbox), ["one", "two"]);
        assert_eq!(outbox.answered("b", ok("b")), Heard::InTime);
        assert_eq!(outbox.answered("b", ok("b")), Heard::Unasked);
        assert_eq!(outbox.answered("c", ok("c")), Heard::Unasked);
        assert_eq!(second.try_recv(), Ok(ok("b")));
        assert!(first.try_recv().is_err());
        assert!(outbox.is_waiting());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_any_more_is_late() {
        let outbox = Outbox::default();
        drop(outbox.ask("a", "one".into()));
        assert_eq!(outbox.answered("a", ok("a")), Heard::Late);
    }

    #[test]
    fn the_same_id_of_two_lanes_is_asked_one_after_the_other() {
        let outbox = Outbox::default();
        let mut first = outbox.ask("a", "one".into());
        let mut second = outbox.ask("a", "two".into());
        assert_eq!(take(&outbox), ["one"]);
        outbox.answered("a", ok("a"));
        assert!(first.try_recv().is_ok());
        assert!(second.try_recv().is_err());
        assert_eq!(take(&outbox), ["two"]);
        outbox.answered("a", ok("a"));
        assert!(second.try_recv().is_ok());
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_asked_again_at_once() {
        let outbox = Outbox::default();
        drop(outbox.ask("a", "one".into()));
        let _second = outbox.ask("a", "again".into());
        assert_eq!(take(&outbox), ["one", "again"]);
    }

    #[test]
    fn a_reader_who_is_too_slow_loses_the_socket_and_nobody_waits_for_ever() {
        let outbox = Outbox::default();
        let mut answers: Vec<_> = (0..=FRAMES_AT_MOST).map(|n| outbox.ask(&n.to_string(), "frame".into())).collect();
        assert!(outbox.is_ending());
        assert_eq!(take(&outbox).len(), FRAMES_AT_MOST);
        outbox.end();
        assert!(
            answers.iter_mut().all(|answer| matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)))
        );
    }

    #[test]
    fn what_is_cut_writes_nothing_more_and_nobody_waits_for_its_answers() {
        let outbox = Outbox::default();
        let mut answer = outbox.ask("a", "one".into());
        assert_eq!(outbox.cut_off(), None);
        outbox.cut("enough");
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(outbox.is_ending());
        assert_eq!(take(&outbox), [""; 0]);
        assert_eq!(outbox.cut_off().unwrap().reason, "enough");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let outbox = Outbox::default();
        let frame: Utf8Bytes = "x".repeat(300 * 1024).into();
        let _answers: Vec<_> = (0..8).map(|n| outbox.ask(&n.to_string(), frame.clone())).collect();
        assert!(outbox.is_ending());
        assert!(take(&outbox).len() <= 7);
    }

    #[test]
    fn there_is_room_for_more_only_while_little_waits() {
        let outbox = Outbox::default();
        let mut answers = Vec::new();
        while outbox.has_room() {
            answers.push(outbox.ask(&answers.len().to_string(), "frame".into()));
            assert!(answers.len() <= FRAMES_AT_MOST / ROOM);
        }
        // What is written and not answered counts as well.
        take(&outbox);
        while outbox.has_room() {
            answers.push(outbox.ask(&answers.len().to_string(), "frame".into()));
            take(&outbox);
        }
        assert_eq!(answers.len(), ASKED_AT_MOST / ROOM);
        assert!(!outbox.is_ending());
    }

    #[test]
    fn questions_that_are_never_answered_do_not_pile_up() {
        let outbox = Outbox::default();
        for number in 0..ASKED_AT_MOST * 3 {
            drop(outbox.ask(&number.to_string(), "frame".into()));
            take(&outbox);
        }
        assert!(!outbox.is_ending());
        assert!(outbox.state.lock().asked.len() <= ASKED_AT_MOST);
    }
}
