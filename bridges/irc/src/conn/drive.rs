//! The task of one connection: bytes from and to the socket, time to the session, answers to those
//! who wait for them, everything else to the listener.

use super::Inner;
use crate::config::Flood;
use crate::net::{Bucket, IdentEntry, Stream};
use crate::proto::session::CloseReason;
use crate::proto::{Event, Lines};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

/// Events that wait for the listener before reading stops.
const MOST_UNHEARD: usize = 256;
/// Bytes that wait for the socket before paced lines stop.
const MOST_UNWRITTEN: usize = 64 * 1024;

pub(super) struct Driver {
    inner: Arc<Inner>,
    bucket: Bucket,
    events: mpsc::Sender<Event>,
    /// Told and not yet taken by the listener.
    unheard: VecDeque<Event>,
    out: BytesMut,
    unflushed: bool,
    up: watch::Sender<bool>,
    closing: watch::Sender<Option<CloseReason>>,
    /// Answers ident queries about this connection while it lives.
    _ident: Option<IdentEntry>,
}

impl Driver {
    pub(super) fn new(
        inner: Arc<Inner>,
        flood: Flood,
        events: mpsc::Sender<Event>,
        up: watch::Sender<bool>,
        closing: watch::Sender<Option<CloseReason>>,
        ident: Option<IdentEntry>,
    ) -> Self {
        let bucket = Bucket::new(flood, tokio::time::Instant::now());
        Self {
            inner,
            bucket,
            events,
            unheard: VecDeque::new(),
            out: BytesMut::new(),
            unflushed: false,
            up,
            closing,
            _ident: ident,
        }
    }

    pub(super) async fn run(mut self, stream: Stream) {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut lines = Lines::default();
        let events = self.events.clone();
        let mut buffer = BytesMut::with_capacity(8 * 1024);
        // Kept, and moved only where it would fire too late: a timer for each line is dear.
        let mut due = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            if let Some(reason) = self.drain_events() {
                return self.finish(&mut write, reason).await;
            }
            let pause = self.collect_lines();
            if let Some(deadline) = self.inner.state.lock().session.deadline().map(tokio::time::Instant::from)
                && (deadline < due.deadline() || due.is_elapsed())
            {
                due.as_mut().reset(deadline);
            }
            tokio::select! {
                got = read_some(&mut read, &mut buffer), if self.unheard.len() < MOST_UNHEARD => match got {
                    Ok(0) => self.lost("the server closed the connection"),
                    Ok(_) => {
                        lines.push(&buffer);
                        buffer.clear();
                        self.receive(&mut lines);
                    }
                    Err(error) => self.lost(&error.to_string()),
                },
                done = pump(&mut write, &mut self.out), if self.unflushed => match done {
                    Ok(()) => self.unflushed = false,
                    Err(error) => self.lost(&error.to_string()),
                },
                permit = events.reserve(), if !self.unheard.is_empty() => match (permit, self.unheard.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    // Nobody listens any more; answers still have their takers.
                    _ => self.unheard.clear(),
                },
                () = &mut due, if !due.is_elapsed() => self.inner.state.lock().session.tick(Instant::now()),
                () = sleep(pause), if pause.is_some() => {}
                () = self.inner.wake.notified() => {}
            }
        }
    }

    fn receive(&self, lines: &mut Lines) {
        let mut state = self.inner.state.lock();
        while let Some(line) = lines.next_line() {
            state.session.receive(&line, Instant::now());
        }
    }

    fn lost(&self, why: &str) {
        self.inner.state.lock().session.lost(why);
    }

    /// Settles who waits, keeps the rest for the listener. The reason, when the session is over.
    fn drain_events(&mut self) -> Option<CloseReason> {
        let mut state = self.inner.state.lock();
        let mut over = None;
        while let Some(event) = state.session.next_event() {
            // Whoever asked may have stopped waiting: then the outcome is told to nobody.
            match event {
                Event::Sent { token, ids } => {
                    state.sends.remove(&token).map(|waiter| waiter.send(Ok(ids)));
                }
                Event::SendFailed { token, failure } => {
                    state.sends.remove(&token).map(|waiter| waiter.send(Err(failure)));
                }
                Event::Answered { request, answer } => {
                    if let Some(waiter) = state.requests.remove(&request) {
                        drop(waiter.send(Ok(*answer)));
                    }
                }
                Event::RequestFailed { request, failure } => {
                    if let Some(waiter) = state.requests.remove(&request) {
                        drop(waiter.send(Err(failure)));
                    }
                }
                Event::Closed(reason) => over = Some(reason),
                other => {
                    if matches!(other, Event::Registered { .. }) {
                        self.up.send_replace(true);
                    }
                    self.unheard.push_back(other);
                }
            }
        }
        over
    }

    /// Takes what may be written now; how long nothing more may be, where something waits.
    fn collect_lines(&mut self) -> Option<Duration> {
        let mut state = self.inner.state.lock();
        let now = Instant::now();
        while let Some(piece) = state.session.take_urgent(now) {
            self.out.extend_from_slice(&piece.bytes);
            self.unflushed = true;
        }
        while state.session.waiting() > 0 && self.out.len() < MOST_UNWRITTEN {
            if let Err(pause) = self.bucket.ready(tokio::time::Instant::now()) {
                return Some(pause);
            }
            let piece = state.session.take(now)?;
            self.bucket.spend(piece.lines);
            self.out.extend_from_slice(&piece.bytes);
            self.unflushed = true;
        }
        None
    }

    /// Writes the last words, hands over the last events, and says that it is over.
    async fn finish(mut self, write: &mut WriteHalf<Stream>, reason: CloseReason) {
        while let Some(piece) = self.inner.state.lock().session.take_urgent(Instant::now()) {
            self.out.extend_from_slice(&piece.bytes);
        }
        let farewell = async {
            pump(write, &mut self.out).await?;
            write.shutdown().await
        };
        // The other side may be gone already; then nobody misses the farewell.
        drop(tokio::time::timeout(Duration::from_secs(2), farewell).await);
        for event in self.unheard.drain(..) {
            if self.events.send(event).await.is_err() {
                break;
            }
        }
        tracing::debug!(connection = self.inner.id, %reason, "irc connection ended");
        self.closing.send_replace(Some(reason));
    }
}

async fn read_some(read: &mut ReadHalf<Stream>, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(4 * 1024);
    read.read_buf(buffer).await
}

/// Writes and flushes; dropped halfway, it goes on where it was.
async fn pump(write: &mut WriteHalf<Stream>, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        if write.write_buf(out).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    write.flush().await
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
