//! The handles that the driver of calls holds: [`Relay`], and [`Media`] for one call. They only
//! pass on what is asked to the worker that carries the call, and wait for its word.

use crate::address::Addresses;
use crate::negotiate::Setting;
use crate::port::{self, Port};
use crate::tcp;
use crate::wake::{self, Sleeper, Waker};
use crate::worker::{Handed, Inlet, Parts, Registry, Worker};
use crate::{BindError, Candidate, Described, Event, Figures, Full, Leg, Options, Refused};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many requests may wait for a worker before those who ask wait too.
const REQUESTS: usize = 256;

/// How much may wait for a worker that came elsewhere.
const HANDED: usize = 4096;

/// How many events of a call wait for its driver. A driver that falls further behind misses some.
const EVENTS: usize = 64;

/// What is asked of a call.
pub(crate) enum Request {
    TakeOffer(Leg, String, oneshot::Sender<Result<Described, Refused>>),
    Offer(Leg, bool, oneshot::Sender<Result<String, Refused>>),
    TakeAnswer(Leg, String, oneshot::Sender<Result<Described, Refused>>),
    Answer(Leg, oneshot::Sender<Result<String, Refused>>),
    LoopBack(Leg, oneshot::Sender<Result<String, Refused>>),
    Restart(Leg, oneshot::Sender<Result<String, Refused>>),
    Candidates(Leg, Vec<Candidate>, oneshot::Sender<Result<(), Refused>>),
    Figures(oneshot::Sender<Figures>),
}

/// What is asked of a worker.
pub(crate) enum Order {
    /// A call, with a sign of life of its handles, and where to tell what happens.
    Open(u64, Weak<()>, mpsc::Sender<Event>),
    Request(u64, Request),
    Close(u64),
}

/// The relay: its sockets, and the threads that carry packets.
#[derive(Debug)]
pub struct Relay {
    workers: Vec<Orders>,
    threads: Vec<std::thread::JoinHandle<()>>,
    udp: SocketAddr,
    tcp: Option<SocketAddr>,
    opened: AtomicU64,
    /// One clone for each call that is open.
    open: Arc<()>,
    max_calls: usize,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Where a worker is given orders.
#[derive(Debug, Clone)]
struct Orders {
    orders: mpsc::Sender<Order>,
    waker: Waker,
}

impl Orders {
    async fn give(&self, order: Order) -> Result<(), Refused> {
        self.orders.send(order).await.map_err(|_| Refused::Closed)?;
        self.waker.wake();
        Ok(())
    }

    /// Gives an order if there is room for it.
    fn try_give(&self, order: Order) -> Result<(), Full> {
        self.orders.try_send(order).map_err(|_| Full)?;
        self.waker.wake();
        Ok(())
    }
}

impl Relay {
    /// Opens the ports and starts the threads. To be called within a tokio runtime, which also
    /// carries the TCP connections.
    pub async fn bind(options: Options) -> Result<Relay, BindError> {
        let count = workers(options.workers);
        let udp_failed = |error| BindError::Udp(options.udp_listen, error);
        let first = port::open(options.udp_listen, count > 1).map_err(udp_failed)?;
        let udp = first.local_addr().map_err(udp_failed)?;
        let mut sockets = vec![first];
        for _ in 1..count {
            sockets.push(port::open(udp, true).map_err(udp_failed)?);
        }
        let listener = match options.tcp_listen {
            Some(address) => Some(TcpListener::bind(address).await.map_err(|error| BindError::Tcp(address, error))?),
            None => None,
        };
        let tcp = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let addresses = Addresses::find(&options, udp, tcp)?;
        let setting = Arc::new(Setting { codecs: options.codecs, addresses });

        let stop = CancellationToken::new();
        let mut relay = Relay {
            workers: Vec::new(),
            threads: Vec::new(),
            udp,
            tcp,
            opened: AtomicU64::new(0),
            open: Arc::new(()),
            max_calls: options.max_calls,
            stop,
            tasks: TaskTracker::new(),
        };
        relay.start(sockets, listener, &setting)?;
        Ok(relay)
    }

    fn start(
        &mut self,
        sockets: Vec<std::net::UdpSocket>,
        listener: Option<TcpListener>,
        setting: &Arc<Setting>,
    ) -> Result<(), BindError> {
        let registry = Arc::new(Registry::default());
        let mut others = Vec::new();
        let mut ends: Vec<(mpsc::Receiver<Handed>, Waker, Sleeper)> = Vec::new();
        for _ in &sockets {
            let (hand, handed) = mpsc::channel(HANDED);
            let (waker, sleeper) = wake::pair().map_err(BindError::Thread)?;
            others.push(Inlet::new(hand, waker.clone()));
            ends.push((handed, waker, sleeper));
        }
        for (index, (socket, (handed, waker, sleeper))) in sockets.into_iter().zip(ends).enumerate() {
            let (orders, obeyed) = mpsc::channel(REQUESTS);
            self.workers.push(Orders { orders, waker: waker.clone() });
            let parts = Parts {
                index,
                setting: setting.clone(),
                registry: registry.clone(),
                orders: obeyed,
                handed,
                others: others.clone(),
                sleeper,
                waker,
                stop: self.stop.clone(),
            };
            self.threads.push(spawn(parts, socket)?);
        }
        if let Some(listener) = listener {
            let workers =
                tcp::Workers { registry, inboxes: others, stop: self.stop.clone(), tasks: self.tasks.clone() };
            self.tasks.spawn(tcp::listen(listener, workers));
        }
        Ok(())
    }

    /// The UDP address that was opened.
    pub fn udp_addr(&self) -> SocketAddr {
        self.udp
    }

    /// The TCP address that was opened, if any.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Begins the media of one call. Nothing is sent before it has been negotiated.
    pub fn open(&self) -> Result<(Media, mpsc::Receiver<Event>), Full> {
        // (The relay itself holds one.)
        if Arc::strong_count(&self.open) > self.max_calls {
            return Err(Full);
        }
        let id = self.opened.fetch_add(1, Ordering::Relaxed);
        let worker = usize::try_from(id).unwrap_or(0) % self.workers.len().max(1);
        let orders = self.workers.get(worker).ok_or(Full)?.clone();
        let (events, heard) = mpsc::channel(EVENTS);
        let life = Arc::new(());
        orders.try_give(Order::Open(id, Arc::downgrade(&life), events))?;
        Ok((Media { call: Arc::new(Call { id, orders, _life: life, _place: self.open.clone() }) }, heard))
    }

    /// Ends every call and closes the ports.
    pub async fn close(mut self) {
        self.stop.cancel();
        self.workers.iter().for_each(|worker| worker.waker.wake());
        self.tasks.close();
        self.tasks.wait().await;
        let threads = std::mem::take(&mut self.threads);
        // A thread that panicked has said so already.
        let _ = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await;
    }
}

/// A relay that is dropped stops too, without waiting.
impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
        self.workers.iter().for_each(|worker| worker.waker.wake());
    }
}

/// How many workers there are to be.
fn workers(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).clamp(1, 16),
        asked => asked.min(64),
    }
}

/// Starts a worker's thread.
fn spawn(parts: Parts, socket: std::net::UdpSocket) -> Result<std::thread::JoinHandle<()>, BindError> {
    let port = Port::new(socket).map_err(BindError::Thread)?;
    std::thread::Builder::new()
        .name(format!("media-{}", parts.index))
        .spawn(move || Worker::new(parts, port).run())
        .map_err(BindError::Thread)
}

/// The media of one call. Cheap to clone; when the last one goes, the media ends.
#[derive(Debug, Clone)]
pub struct Media {
    call: Arc<Call>,
}

#[derive(Debug)]
struct Call {
    id: u64,
    orders: Orders,
    /// Its worker sees by this that there is no handle any more.
    _life: Arc<()>,
    /// Its place among the calls that may be open.
    _place: Arc<()>,
}

impl Media {
    /// Takes a leg's offer, its first or a later one. It is not answered by this, and nothing
    /// happens on the network. An offer of ours to this leg that is not answered yet is withdrawn.
    pub async fn take_offer(&self, leg: Leg, sdp: &str) -> Result<Described, Refused> {
        self.ask(|answer| Request::TakeOffer(leg, sdp.to_owned(), answer)).await?
    }

    /// An offer for a leg, of what the other leg has offered; while that has described nothing, of
    /// audio, and of video if `video`.
    pub async fn offer(&self, leg: Leg, video: bool) -> Result<String, Refused> {
        self.ask(|answer| Request::Offer(leg, video, answer)).await?
    }

    /// Takes a leg's answer to our last offer; its checks begin.
    pub async fn take_answer(&self, leg: Leg, sdp: &str) -> Result<Described, Refused> {
        self.ask(|answer| Request::TakeAnswer(leg, sdp.to_owned(), answer)).await?
    }

    /// The answer to the offer taken from a leg, narrowed to what the other leg has agreed to; its
    /// checks begin.
    pub async fn answer(&self, leg: Leg) -> Result<String, Refused> {
        self.ask(|answer| Request::Answer(leg, answer)).await?
    }

    /// Answers the offer taken from a leg, and gives the leg its own media back, now and after its
    /// later offers: the echo. There is no other leg then.
    pub async fn loop_back(&self, leg: Leg) -> Result<String, Refused> {
        self.ask(|answer| Request::LoopBack(leg, answer)).await?
    }

    /// An offer of ours with new ICE credentials and no other change.
    pub async fn restart(&self, leg: Leg) -> Result<String, Refused> {
        self.ask(|answer| Request::Restart(leg, answer)).await?
    }

    /// A leg's candidates, as it finds them. Names under `.local` are passed over.
    pub async fn candidates(&self, leg: Leg, candidates: &[Candidate]) -> Result<(), Refused> {
        self.ask(|answer| Request::Candidates(leg, candidates.to_vec(), answer)).await?
    }

    /// How the call is doing; all zero once it is over.
    pub async fn figures(&self) -> Figures {
        self.ask(Request::Figures).await.unwrap_or_default()
    }

    /// Ends the media. Whatever is asked afterwards is refused with [`Refused::Closed`].
    pub fn close(&self) {
        self.call.close();
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Refused> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Request(self.call.id, request(answer));
        self.call.orders.give(order).await?;
        answered.await.map_err(|_| Refused::Closed)
    }
}

impl Call {
    fn close(&self) {
        let _ = self.orders.try_give(Order::Close(self.id));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.close();
    }
}
