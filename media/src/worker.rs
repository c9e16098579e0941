//! A worker: one thread that carries calls, with a socket of its own on the relay's port.
//!
//! It hands each datagram to the leg it is for, lets calls do what is due, and sends what comes of
//! it. `routes` knows which datagram is for whom; `crate::relay` starts workers and gives them
//! orders; `crate::tcp` hands them what comes over TCP. A call stays on its worker, so nothing here
//! is shared with other threads but the list of ICE user names, which is looked at only for
//! senders that are not known yet.

mod routes;

use crate::call::{Call, Outbox};
use crate::engine::{Datagram, Protocol, Transmit};
use crate::negotiate::Setting;
use crate::port::{Inbox, Port, Ready};
use crate::relay::Order;
use crate::wake::{Sleeper, Waker};
use crate::{Leg, stun};
pub(crate) use routes::{Registry, Source};
use routes::{Routes, Target};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Batches received before the worker looks at what else there is.
const BATCHES: usize = 4;

/// Words of others taken before packets have their turn again.
const WORDS: usize = 16;

/// The least time until a timer of the calls is looked at: what is due within it is done together.
const TICK: Duration = Duration::from_millis(5);

/// How often calls whose handles are gone are looked for, should their word have been lost.
const SWEEP: Duration = Duration::from_secs(2);

/// What others hand to a worker.
pub(crate) enum Handed {
    /// A datagram that came elsewhere.
    Datagram { protocol: Protocol, source: SocketAddr, destination: SocketAddr, bytes: Vec<u8> },
    /// A TCP connection, and where to put what is to be sent on it.
    Opened { source: SocketAddr, frames: mpsc::Sender<Vec<u8>> },
    /// A TCP connection is gone.
    Gone { source: SocketAddr },
}

/// Where others hand things to a worker.
#[derive(Clone)]
pub(crate) struct Inlet {
    handed: mpsc::Sender<Handed>,
    waker: Waker,
}

impl Inlet {
    pub(crate) fn new(handed: mpsc::Sender<Handed>, waker: Waker) -> Inlet {
        Inlet { handed, waker }
    }

    /// Hands something over once there is room; false where the worker is gone.
    pub(crate) async fn put(&self, handed: Handed) -> bool {
        let put = self.handed.send(handed).await.is_ok();
        self.waker.wake();
        put
    }

    /// Hands something over if there is room: a worker that cannot keep up loses packets, as a busy
    /// path does.
    fn try_put(&self, handed: Handed) {
        if self.handed.try_send(handed).is_ok() {
            self.waker.wake();
        }
    }
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) setting: Arc<Setting>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) handed: mpsc::Receiver<Handed>,
    /// Every worker's, by index.
    pub(crate) others: Vec<Inlet>,
    /// By this it is woken when something was put into a queue of its, and when it is to stop.
    pub(crate) sleeper: Sleeper,
    /// Its own.
    pub(crate) waker: Waker,
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Worker {
    parts: Parts,
    port: Port,
    calls: HashMap<u64, Running>,
    routes: Routes,
    streams: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Calls that are to have their turn.
    touched: Vec<u64>,
    /// What one call wants sent, and all of it.
    outbox: Outbox,
    outgoing: Vec<Transmit>,
    swept: Instant,
}

/// A call on its worker.
struct Running {
    call: Call,
    /// Its handles are gone when this is the last.
    handles: std::sync::Weak<()>,
    names: Vec<(String, Leg)>,
    /// The timer that is set.
    armed: Option<Instant>,
    touched: bool,
}

impl Worker {
    pub(crate) fn new(parts: Parts, port: Port) -> Worker {
        let routes = Routes::new(parts.index, parts.registry.clone());
        Worker {
            parts,
            port,
            calls: HashMap::new(),
            routes,
            streams: HashMap::new(),
            timers: BinaryHeap::new(),
            touched: Vec::new(),
            outbox: Vec::new(),
            outgoing: Vec::new(),
            swept: Instant::now(),
        }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut inbox = Inbox::new();
        while !self.parts.stop.is_cancelled() {
            let swept = self.swept + SWEEP;
            let wake = self.timers.peek().map_or(swept, |Reverse((at, _))| (*at).min(swept));
            let most = wake.saturating_duration_since(Instant::now());
            let worked = self.port.wait(&self.parts.sleeper, most).and_then(|ready| self.work(ready, &mut inbox));
            if let Err(error) = worked {
                tracing::warn!(%error, "the port for call media cannot be read");
            }
            self.turn(Instant::now());
        }
        let ids: Vec<u64> = self.calls.keys().copied().collect();
        for id in ids {
            self.close(id);
        }
        self.port.send(&self.outgoing);
    }

    fn work(&mut self, ready: Ready, inbox: &mut Inbox) -> std::io::Result<()> {
        if ready.word {
            self.listen();
        }
        // What a batch brought is sent on before the next one is looked at.
        for _ in 0..BATCHES {
            if !ready.datagrams || !self.receive(inbox)? {
                return Ok(());
            }
            self.turn(Instant::now());
        }
        Ok(())
    }

    /// Does what others have put into the queues, some at a time.
    fn listen(&mut self) {
        for _ in 0..WORDS {
            let order = self.parts.orders.try_recv();
            let handed = self.parts.handed.try_recv();
            if order.is_err() && handed.is_err() {
                return;
            }
            if let Ok(order) = order {
                self.obey(order);
            }
            if let Ok(handed) = handed {
                self.take(handed);
            }
        }
        self.parts.waker.wake();
    }

    /// Receives a batch; true if there may be more.
    fn receive(&mut self, inbox: &mut Inbox) -> std::io::Result<bool> {
        let more = self.port.receive(inbox)?;
        let now = Instant::now();
        for received in inbox.datagrams() {
            let likely = || self.parts.setting.addresses.likely(received.source);
            let destination = match received.destination {
                Some(ip) => likely().map(|likely| SocketAddr::new(ip, likely.port())),
                None => likely(),
            };
            if let Some(destination) = destination {
                self.datagram(Protocol::Udp, received.source, destination, received.bytes, now);
            }
        }
        Ok(more)
    }

    fn take(&mut self, handed: Handed) {
        match handed {
            Handed::Datagram { protocol, source, destination, bytes } => {
                self.datagram(protocol, source, destination, &bytes, Instant::now());
            }
            Handed::Opened { source, frames } => {
                self.streams.insert(source, frames);
            }
            Handed::Gone { source } => {
                self.streams.remove(&source);
                self.routes.forget(Source { protocol: Protocol::Tcp, address: source });
            }
        }
    }

    /// A datagram, from wherever.
    fn datagram(&mut self, protocol: Protocol, from: SocketAddr, to: SocketAddr, bytes: &[u8], now: Instant) {
        let source = Source { protocol, address: from };
        let name = stun::addressed_to(bytes);
        let (call, leg) = match self.routes.target(source, name) {
            Target::Here(call, leg) => (call, leg),
            Target::Elsewhere(worker) => {
                let handed = Handed::Datagram { protocol, source: from, destination: to, bytes: bytes.to_vec() };
                self.parts.others[worker].try_put(handed);
                return;
            }
            Target::Nobody => return,
        };
        let Some(running) = self.calls.get_mut(&call) else { return };
        let Some(datagram) = Datagram::read(protocol, from, to, bytes) else { return };
        let datagram = if name.is_some() {
            // Who knows the leg's password may have this address stand for it.
            let Some(datagram) = running.call.accepts(leg, datagram, now) else { return };
            self.routes.learn(source, call, leg);
            datagram
        } else {
            datagram
        };
        let Running { call: carried, touched, .. } = running;
        let outbox = &mut self.outbox;
        if !survives(|| carried.receive(leg, datagram, now, outbox)) {
            return self.fail(call);
        }
        if !std::mem::replace(touched, true) {
            self.touched.push(call);
        }
        self.collect(call);
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Open(id, handles, events) => {
                let call = Call::new(self.parts.setting.clone(), events);
                self.calls.insert(id, Running { call, handles, names: Vec::new(), armed: None, touched: false });
            }
            Order::Request(id, request) => {
                let Some(running) = self.calls.get_mut(&id) else { return };
                let mut done = None;
                let call = &mut running.call;
                survives(|| done = Some((call.handle(request, now), call.names())));
                let Some((reply, names)) = done else { return self.fail(id) };
                if names != running.names {
                    self.routes.rename(id, &running.names, &names);
                    running.names = names;
                }
                reply();
                if !std::mem::replace(&mut running.touched, true) {
                    self.touched.push(id);
                }
            }
            Order::Close(id) => self.close(id),
        }
    }

    /// A call went wrong in a way that nobody foresaw: the others go on.
    fn fail(&mut self, id: u64) {
        tracing::error!("the media of a call ended by a panic");
        if let Some(running) = self.calls.remove(&id) {
            running.call.fail();
            self.routes.rename(id, &running.names, &[]);
            self.routes.forget_call(id);
        }
        self.outbox.clear();
    }

    fn close(&mut self, id: u64) {
        let Some(mut running) = self.calls.remove(&id) else { return };
        let outbox = &mut self.outbox;
        if !survives(|| running.call.close(Instant::now(), outbox)) {
            self.outbox.clear();
        }
        self.collect(id);
        self.routes.rename(id, &running.names, &[]);
        self.routes.forget_call(id);
    }

    /// Lets calls do what is due, and sends what comes of it.
    fn turn(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let Some(running) = self.calls.get_mut(&id).filter(|running| running.armed == Some(at)) else { continue };
            running.armed = None;
            if !std::mem::replace(&mut running.touched, true) {
                self.touched.push(id);
            }
        }
        while let Some(id) = self.touched.pop() {
            let Some(running) = self.calls.get_mut(&id) else { continue };
            running.touched = false;
            let Running { call, .. } = running;
            let outbox = &mut self.outbox;
            if !survives(|| call.turn(now, outbox)) {
                self.fail(id);
                continue;
            }
            if let Some(wake) = running.call.wake().map(|wake| wake.max(now + TICK))
                && running.armed.is_none_or(|armed| wake < armed)
            {
                running.armed = Some(wake);
                self.timers.push(Reverse((wake, id)));
            }
            self.collect(id);
        }
        self.port.send(&self.outgoing);
        self.outgoing.clear();
        if now >= self.swept + SWEEP {
            self.sweep(now);
        }
    }

    /// Puts what a call wants sent on its way, and remembers whom it asks.
    fn collect(&mut self, call: u64) {
        for (leg, transmit) in self.outbox.drain(..) {
            if transmit.proto == Protocol::Udp {
                if stun::is_stun(&transmit.contents) {
                    self.routes.ask(Source { protocol: Protocol::Udp, address: transmit.destination }, call, leg);
                }
                self.outgoing.push(transmit);
            } else if let Some(frames) = self.streams.get(&transmit.destination) {
                let _ = frames.try_send(transmit.contents.into());
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        let gone = |running: &&Running| running.handles.strong_count() == 0;
        let ids: Vec<u64> = self.calls.iter().filter(|(_, running)| gone(running)).map(|(id, _)| *id).collect();
        for id in ids {
            self.close(id);
        }
    }
}

/// Does something of one call's; false if it panicked. What it left half done is to be dropped.
fn survives(act: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_ok()
}
