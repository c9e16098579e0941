//! What goes on over one socket: which frames come, who they are from, whom they are for, and the
//! answers.
//!
//! Up to [`IN_FLIGHT`] requests are answered at the same time, so that what waits for the disk waits
//! together and nobody's slow network holds up another's; in which order those to one address are
//! carried out is `course`'s. The session of the socket drives this and does the I/O.

use super::MonsterSide;
use super::course::Courses;
use super::figures::{self, Kind};
use super::hub::{Device, Ends, Entry};
use super::identity::{Identified, IdentityError};
use super::limits::{Bucket, Entered};
use super::outbox::{Heard, Outbox};
use crate::core::{Peer, Side, Speaker};
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::FuturesUnordered;
use monster_protocol::{Address, Frame, FrameError, Request, RequestBody, Response, Status};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Requests of one socket that are answered at the same time; no more are read meanwhile.
const IN_FLIGHT: usize = 64;
/// Frames that wait until it is known who sends them; no more are read meanwhile.
const WAITING: usize = 16;

/// Finds out who opened the socket.
pub(super) type Identifying = BoxFuture<'static, Result<Identified, IdentityError>>;

/// Who is at the other end.
pub(super) enum Speaking {
    /// Somebody known, or nobody.
    Known(Arc<Peer>),
    /// It is being found out.
    Unknown(Box<Unknown>),
    /// It could not be found out.
    Failed(Arc<str>),
}

/// Somebody who is being identified.
pub(super) struct Unknown {
    identifying: Identifying,
    waiting: Vec<Utf8Bytes>,
}

impl Speaking {
    /// Somebody who is being identified.
    pub(super) fn unknown(identifying: Identifying) -> Self {
        Self::Unknown(Box::new(Unknown { identifying, waiting: Vec::new() }))
    }
}

/// What goes on over one socket.
pub(super) struct Exchange {
    side: Arc<MonsterSide>,
    kind: Kind,
    /// Whose address it is on our side.
    here: Address,
    speaking: Speaking,
    device: Arc<Device>,
    entry: Option<Entry>,
    origin: Option<Entered>,
    bucket: Option<Arc<Bucket>>,
    courses: Courses,
    answers: FuturesUnordered<BoxFuture<'static, Response<'static>>>,
}

impl Exchange {
    /// Between `here`, an address of ours, and whoever is `speaking`.
    pub(super) fn new(
        side: Arc<MonsterSide>,
        kind: Kind,
        here: Address,
        speaking: Speaking,
        device: Arc<Device>,
        origin: Option<Entered>,
    ) -> Self {
        side.figures.opened(kind);
        let (courses, answers) = (Courses::default(), FuturesUnordered::new());
        Self { side, kind, here, speaking, device, entry: None, origin, bucket: None, courses, answers }
    }

    /// What is to be written to the socket.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.device.outbox)
    }

    /// The socket is open: whoever is known to be at its other end can be reached over it. Again is
    /// no harm.
    pub(super) fn begin(&mut self) {
        if self.entry.is_none()
            && let Speaking::Known(peer) = &self.speaking
            && let Some(account) = peer.account().cloned()
        {
            self.enter(&account);
        }
    }

    fn enter(&mut self, account: &Address) {
        // The frames on a socket that we opened are answers, or come from one who was asked to speak.
        self.bucket = Some(self.side.limiter.account(account.as_str()));
        let ends = Ends { account: account.clone(), here: self.here.clone() };
        self.entry = Some(self.side.hub.enter(ends, Arc::clone(&self.device)));
        self.side.core.wake(account);
        if let Some(key) = self.device.key {
            if key.seen != self.side.core.revocations() {
                // Its token may have ended between being looked up and now.
                self.side.core.look_for_revoked();
            }
            self.side.core.device_came(account, &self.device.name);
        }
    }

    /// Goes on finding out who is at the other end; ready once, when that is decided.
    pub(super) fn poll_identify(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Speaking::Unknown(unknown) = &mut self.speaking else { return Poll::Pending };
        let Poll::Ready(outcome) = unknown.identifying.as_mut().poll(context) else { return Poll::Pending };
        let waiting = std::mem::take(&mut unknown.waiting);
        match outcome {
            Ok(identified) => self.identified(identified),
            Err(error) => {
                figures::identified(error.outcome());
                tracing::debug!(here = %self.here, outcome = error.outcome(), "a socket was not identified");
                self.speaking = Speaking::Failed(error.to_string().into());
            }
        }
        for text in waiting {
            self.frame(&text);
        }
        Poll::Ready(())
    }

    fn identified(&mut self, who: Identified) {
        figures::identified("ok");
        tracing::debug!(account = %who.account, here = %self.here, "a socket was identified");
        let speaker = Speaker {
            account: who.account.clone(),
            side: Side::Remote,
            ext: self.device.reads_ext(),
            nickname: who.nickname,
            picture: None,
            device: self.device.name.clone(),
        };
        self.speaking = Speaking::Known(Arc::new(Peer::Account(speaker)));
        self.enter(&who.account);
    }

    /// Takes one text message, and tells how long to wait before the next one is read.
    pub(super) fn take(&mut self, text: Utf8Bytes) -> Duration {
        if let Speaking::Unknown(unknown) = &mut self.speaking {
            unknown.waiting.push(text);
        } else if self.frame(&text) {
            // The answer to something of ours is no burden that its sender chose.
            return Duration::ZERO;
        }
        self.count()
    }

    /// Answers what is no frame at all with a 400.
    pub(super) fn refuse(&mut self, why: &'static str) -> Duration {
        self.side.figures.malformed();
        self.answer(Response::new("", Status::BadRequest).with_error(why));
        self.count()
    }

    /// Counts one message or ping, and tells how long to wait before the next one is read.
    pub(super) fn count(&self) -> Duration {
        let wait = self.side.limiter.frame(self.origin.as_ref(), self.bucket.as_deref());
        if !wait.is_zero() {
            self.side.figures.slowed();
        }
        wait
    }

    /// Reacts to one frame; true if it answered something that was asked.
    fn frame(&mut self, text: &str) -> bool {
        match Frame::parse(text) {
            Ok(Frame::Request(request)) => {
                self.request(request.into_owned());
                false
            }
            Ok(Frame::Response(response)) => {
                let response = response.into_owned();
                self.side.figures.answered();
                let id = response.message_id.clone();
                let accepts = response.status.is_success();
                let heard = self.device.outbox.answered(&id, response);
                if heard == Heard::Late && accepts {
                    // It reads again: what was put off because it did not need not wait.
                    self.wake();
                }
                heard != Heard::Unasked
            }
            Err(error) => self.malformed(&error),
        }
    }

    fn wake(&self) {
        if let Speaking::Known(peer) = &self.speaking
            && let Some(account) = peer.account()
        {
            self.side.core.wake(account);
        }
    }

    fn malformed(&mut self, error: &FrameError) -> bool {
        self.side.figures.malformed();
        match error.to_response() {
            Some(response) => {
                self.answer(response);
                false
            }
            // An answer that cannot be read is none; what it was for is tried again.
            None => error.message_id().is_some_and(|id| {
                let unreadable = Response::new(id.to_owned(), Status::Unavailable);
                self.device.outbox.answered(id, unreadable.with_error(error.to_string())) != Heard::Unasked
            }),
        }
    }

    fn request(&mut self, mut request: Request<'static>) {
        self.side.figures.request(&request.body);
        let peer = match &self.speaking {
            Speaking::Known(peer) => Arc::clone(peer),
            Speaking::Failed(why) if !matches!(request.body, RequestBody::Info) => {
                let words = format!("it could not be found out who you are: {why}");
                return self.answer(request.answer(Status::BadRequest).with_error(words));
            }
            Speaking::Failed(_) | Speaking::Unknown(_) => Arc::clone(&self.side.nobody),
        };
        let to = match request.ext.to.take() {
            Some(to) if self.kind == Kind::Home => to,
            _ => self.here.clone(),
        };
        let core = Arc::clone(&self.side.core);
        let turn = self.courses.turn(&to, &request);
        self.answers.push(Box::pin(async move {
            turn.come().await;
            let answer = core.request(&peer, &to, request).await;
            turn.pass(answer.status);
            answer
        }));
    }

    fn answer(&mut self, response: Response<'static>) {
        self.answers.push(Box::pin(ready(response)));
    }

    /// The next answer, as it is written.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        self.answers.poll_next_unpin(context).map(|answer| {
            answer.map(|answer| {
                self.side.figures.answer(answer.status);
                answer.to_json()
            })
        })
    }

    /// True if another frame may be read now.
    pub(super) fn has_room(&self) -> bool {
        self.answers.len() < IN_FLIGHT
            && match &self.speaking {
                Speaking::Unknown(unknown) => unknown.waiting.len() < WAITING,
                _ => true,
            }
    }

    /// True if every request has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answers.is_empty()
    }

    /// True while it is being found out who is at the other end.
    pub(super) fn is_identifying(&self) -> bool {
        matches!(self.speaking, Speaking::Unknown(_))
    }

    /// True if nobody known is at the other end.
    pub(super) fn is_anonymous(&self) -> bool {
        match &self.speaking {
            Speaking::Known(peer) => peer.account().is_none(),
            Speaking::Failed(_) => true,
            Speaking::Unknown(_) => false,
        }
    }

    /// True if we opened the socket.
    pub(super) fn is_dialled(&self) -> bool {
        self.kind == Kind::Dialled
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.side.figures.ended(self.kind);
        if self.kind == Kind::Home && self.entry.take().is_some() && !self.side.hub.has(&self.here, &self.device.name) {
            self.side.core.device_gone(&self.here, &self.device.name);
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.speaking {
            Speaking::Known(peer) => match peer.account() {
                Some(account) => write!(f, "{account} at {}", self.here),
                None => write!(f, "nobody at {}", self.here),
            },
            _ => write!(f, "somebody at {}", self.here),
        }
    }
}
