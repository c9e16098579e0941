//! The life of one socket, whichever kind it is and whoever opened it: one task, which reads
//! frames, has the core answer requests, writes answers and what others put into the socket's
//! outbox, and notices when nobody is there any more.
//!
//! What a frame leads to is in `exchange`. Not here: how a socket comes about (`upgrade`, `dialer`).

use super::exchange::Exchange;
use super::outbox::Outbox;
use super::socket::{Heard, Socket, farewell, poll_hear};
use futures_util::SinkExt as _;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// About how many bytes are written at a time, before it is looked for what else there is to do.
const BATCH: usize = 64 << 10;

/// How long what was asked may take to be finished, on a socket whose owner lost the right to it.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// How long a socket may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Silence after which the other side is asked for a sign of life.
    pub ping_after: Duration,
    /// How long that sign may take.
    pub pong_within: Duration,
    /// How long the other side may read nothing of what waits for it.
    pub stall: Duration,
    /// How long a socket of somebody unknown may be without a request.
    pub anonymous_idle: Duration,
    /// How long a socket that we opened may be without a frame.
    pub dialled_idle: Duration,
    /// How long answers may take that are being made when the socket ends.
    pub wind_up: Duration,
    /// How long the answer to what we ask may take.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(45),
            pong_within: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            anonymous_idle: Duration::from_mins(1),
            dialled_idle: Duration::from_mins(5),
            wind_up: Duration::from_secs(15),
            answer: Duration::from_secs(30),
        }
    }
}

/// One socket's state. Twenty thousand of them may be idle, so it is kept small.
pub(super) struct Session {
    exchange: Exchange,
    outbox: Arc<Outbox>,
    patience: Patience,
    /// When the other side was last heard.
    heard: Instant,
    /// It was asked for a sign of life since.
    pinged: bool,
    /// When a frame was last heard or written.
    active: Instant,
    /// Something is to be flushed.
    dirty: bool,
    /// Since when the other side has not taken what is written.
    stalled: Option<Instant>,
    /// Until when nothing is read, because too much came.
    paused: Option<Instant>,
    ending: Option<Ending>,
}

/// A socket that is about to end: what is being answered is finished.
struct Ending {
    by: Instant,
    how: How,
}

enum How {
    /// Nothing can be written any more, or only this.
    Gone(Option<CloseFrame>),
    /// We close it.
    Close(CloseFrame),
    /// We close it, and cannot understand what still comes.
    Broken(CloseFrame),
}

/// Something to react to.
enum Event {
    Heard(Heard),
    /// It is known who opened the socket, or why not.
    Identified,
    /// We are to close it.
    Close(CloseFrame),
    /// We are to close it now, whatever waits.
    Cut(CloseFrame),
    /// Nothing can be written any more.
    Lost,
    /// It ends, and everything that was to be answered has been.
    WoundUp,
    /// Some patience may have ended.
    Time,
}

impl Session {
    /// A socket over which `exchange` goes on.
    pub(super) fn new(exchange: Exchange, patience: Patience) -> Self {
        let now = Instant::now();
        Self {
            outbox: exchange.outbox(),
            exchange,
            patience,
            heard: now,
            pinged: false,
            active: now,
            dirty: false,
            stalled: None,
            paused: None,
            ending: None,
        }
    }

    /// What is to be written to the socket, and how it is closed.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Runs until the socket has ended.
    pub(super) async fn run(mut self, mut socket: Socket) {
        self.exchange.begin();
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            let event = poll_fn(|context| self.poll(&mut socket, timer.as_mut(), context)).await;
            match event {
                Event::Heard(heard) => self.hear(heard),
                Event::Identified => {}
                Event::Close(close) => self.end(How::Close(close)),
                Event::Cut(close) => self.cut(close),
                Event::Lost => self.lose(None),
                Event::Time => self.time_passed(&mut socket),
                Event::WoundUp => break,
            }
        }
        let (close, broken) = match self.ending.take().map(|ending| ending.how) {
            Some(How::Close(close)) => (Some(close), false),
            Some(How::Broken(close)) => (Some(close), true),
            Some(How::Gone(close)) => (close, false),
            None => (None, false),
        };
        // Whoever waits for an answer on it need not wait for the good-bye as well.
        self.outbox.end();
        drop(self);
        Box::pin(farewell(socket, close, broken)).await;
    }

    fn poll(&mut self, socket: &mut Socket, mut timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<Event> {
        if !self.is_gone()
            && let Some(close) = self.outbox.cut_off()
        {
            return Poll::Ready(Event::Cut(close));
        }
        if let Poll::Ready(event) = self.poll_write(socket, context) {
            return Poll::Ready(event);
        }
        if self.exchange.poll_identify(context).is_ready() {
            return Poll::Ready(Event::Identified);
        }
        match &self.ending {
            Some(ending) if self.is_wound_up(ending) => return Poll::Ready(Event::WoundUp),
            None if self.paused.is_none() && self.exchange.has_room() => {
                if let Poll::Ready(heard) = poll_hear(socket, context) {
                    return Poll::Ready(Event::Heard(heard));
                }
            }
            _ => {}
        }
        let deadline = self.deadline();
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(context).is_ready() {
            // Far enough not to fire at once again; the next poll moves it to where it belongs.
            timer.reset(Instant::now() + Duration::from_hours(1));
            return Poll::Ready(Event::Time);
        }
        Poll::Pending
    }

    /// Gathers what is to be written and flushes once, as long as the other side takes it.
    fn poll_write(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if (self.stalled.is_none() || self.is_gone())
                && let Err(event) = self.gather(socket, context)
            {
                return Poll::Ready(event);
            }
            if !self.dirty || self.is_gone() {
                return Poll::Pending;
            }
            match socket.poll_flush_unpin(context) {
                Poll::Ready(Ok(())) => {
                    self.dirty = false;
                    self.stalled = None;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Lost),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
    }

    fn gather(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Result<(), Event> {
        let gone = self.is_gone();
        let mut room = BATCH;
        while room > 0
            && let Poll::Ready(Some(answer)) = self.exchange.poll_answer(context)
        {
            if !gone {
                room = room.saturating_sub(answer.len());
                self.put(socket, Message::text(answer))?;
            }
        }
        if self.ending.is_some() || room == 0 {
            return Ok(());
        }
        if let Poll::Ready(batch) = self.outbox.poll_take(context, room) {
            for frame in batch.frames {
                self.put(socket, Message::Text(frame))?;
            }
            if let Some(close) = batch.close {
                return Err(Event::Close(close));
            }
        }
        Ok(())
    }

    fn put(&mut self, socket: &mut Socket, message: Message) -> Result<(), Event> {
        self.dirty = true;
        self.active = Instant::now();
        socket.start_send_unpin(message).map_err(|_| Event::Lost)
    }

    fn hear(&mut self, heard: Heard) {
        self.heard = Instant::now();
        self.pinged = false;
        match heard {
            Heard::Text(text) => self.take(Some(text)),
            Heard::Binary => self.take(None),
            Heard::Alive => {
                // A pong of ours may wait to be flushed.
                self.dirty = true;
                let wait = self.exchange.count();
                self.pause(wait);
            }
            Heard::Ended => self.lose(None),
            Heard::Broken(code, reason) => {
                if code == CloseCode::Invalid {
                    self.exchange.refuse("a frame is UTF-8 text");
                }
                self.end(How::Broken(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
            }
        }
    }

    /// Takes one message; `None` for one that is not text.
    fn take(&mut self, text: Option<Utf8Bytes>) {
        self.active = self.heard;
        let wait = match text {
            Some(text) => self.exchange.take(text),
            None => self.exchange.refuse("a frame is a text message, not a binary one"),
        };
        self.pause(wait);
    }

    /// Reads nothing for so long.
    fn pause(&mut self, wait: Duration) {
        if !wait.is_zero() {
            self.paused = Some(self.heard + wait);
        }
    }

    fn end(&mut self, how: How) {
        if self.ending.is_none() {
            self.ending = Some(Ending { by: Instant::now() + self.patience.wind_up, how });
        }
    }

    /// Nothing can be written any more, but perhaps, at last, why.
    fn lose(&mut self, close: Option<CloseFrame>) {
        self.end(How::Gone(None));
        if let Some(ending) = &mut self.ending {
            ending.how = How::Gone(close);
        }
    }

    /// The other side may not be heard any more; what it asked before is finished, if that is soon.
    fn cut(&mut self, close: CloseFrame) {
        self.lose(Some(close));
        if let Some(ending) = &mut self.ending {
            ending.by = ending.by.min(Instant::now() + CUT_WITHIN);
        }
    }

    fn is_gone(&self) -> bool {
        matches!(&self.ending, Some(Ending { how: How::Gone(_), .. }))
    }

    fn is_wound_up(&self, ending: &Ending) -> bool {
        let answered = self.exchange.is_answered();
        Instant::now() >= ending.by
            || match ending.how {
                How::Gone(_) => answered && !self.exchange.is_identifying(),
                How::Close(_) | How::Broken(_) => answered && !self.dirty,
            }
    }

    /// When it is next to be looked at the clock.
    fn deadline(&self) -> Instant {
        let life =
            if self.pinged { self.patience.ping_after + self.patience.pong_within } else { self.patience.ping_after };
        let deadlines = [
            Some(self.heard + life),
            self.idle_at(),
            self.stalled.map(|since| since + self.patience.stall),
            self.paused,
        ];
        let first = deadlines.into_iter().flatten().min().unwrap_or(self.heard + life);
        self.ending.as_ref().map_or(first, |ending| ending.by)
    }

    fn idle_at(&self) -> Option<Instant> {
        if self.exchange.is_anonymous() {
            return Some(self.active + self.patience.anonymous_idle);
        }
        self.exchange.is_dialled().then(|| self.active + self.patience.dialled_idle)
    }

    fn time_passed(&mut self, socket: &mut Socket) {
        let now = Instant::now();
        if self.ending.is_some() {
            return;
        }
        if self.stalled.is_some_and(|since| now >= since + self.patience.stall) {
            tracing::debug!(socket = %self.exchange, "the other side reads nothing, the socket is closed");
            let reason = Utf8Bytes::from_static("you read too slowly");
            return self.lose(Some(CloseFrame { code: CloseCode::Policy, reason }));
        }
        if self.paused.is_some() || !self.exchange.has_room() {
            // Not being read, it could not be heard.
            self.heard = now;
            self.pinged = false;
        }
        if self.paused.is_some_and(|until| now >= until) {
            self.paused = None;
        }
        if self.idle_at().is_some_and(|at| now >= at) {
            if !self.outbox.is_waiting() && self.exchange.is_answered() {
                self.outbox.close(CloseCode::Normal, "idle");
            }
            self.active = now;
        }
        self.check_life(now, socket);
    }

    fn check_life(&mut self, now: Instant, socket: &mut Socket) {
        if now < self.heard + self.patience.ping_after {
            return;
        }
        if !self.pinged {
            self.pinged = true;
            self.dirty = true;
            if socket.start_send_unpin(Message::Ping(Bytes::new())).is_err() {
                self.lose(None);
            }
        } else if now >= self.heard + self.patience.ping_after + self.patience.pong_within {
            tracing::debug!(socket = %self.exchange, "no sign of life, the socket is dropped");
            self.lose(None);
        }
    }
}
