//! The handles that the driver of calls holds: [`Relay`], and [`Media`] for one call. They only
//! pass on what is asked to the worker that carries the call, and wait for its word.

use crate::{BindError, Candidate, Described, Event, Figures, Full, Leg, Options, Refused};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait for a worker before those who ask wait too.
const REQUESTS: usize = 256;

/// How many events of a call wait for its driver. A driver that falls further behind misses some.
const EVENTS: usize = 64;

/// What is asked of a call.
#[expect(dead_code, reason = "the worker lands next")]
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
#[expect(dead_code, reason = "the worker lands next")]
pub(crate) enum Order {
    Open(u64, mpsc::Sender<Event>),
    Request(u64, Request),
    Close(u64),
}

/// The relay: its sockets, and the threads that carry packets.
#[derive(Debug)]
pub struct Relay {
    orders: mpsc::Sender<Order>,
    udp: SocketAddr,
}

impl Relay {
    /// Opens the ports and starts the threads.
    pub async fn bind(options: Options) -> Result<Relay, BindError> {
        let socket = tokio::net::UdpSocket::bind(options.udp_listen)
            .await
            .map_err(|error| BindError::Udp(options.udp_listen, error))?;
        let udp = socket.local_addr().map_err(|error| BindError::Udp(options.udp_listen, error))?;
        let (orders, _) = mpsc::channel(REQUESTS);
        Ok(Relay { orders, udp })
    }

    /// The UDP address that was opened.
    pub fn udp_addr(&self) -> SocketAddr {
        self.udp
    }

    /// The TCP address that was opened, if any.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Begins the media of one call. Nothing is sent before it has been negotiated.
    pub fn open(&self) -> Result<(Media, mpsc::Receiver<Event>), Full> {
        let (events, heard) = mpsc::channel(EVENTS);
        let _ = self.orders.try_send(Order::Open(0, events));
        Ok((Media { call: Arc::new(Call { id: 0, orders: self.orders.clone() }) }, heard))
    }

    /// Ends every call and closes the ports.
    #[expect(clippy::unused_async, reason = "waits for the threads")]
    pub async fn close(self) {}
}

/// The media of one call. Cheap to clone; when the last one goes, the media ends.
#[derive(Debug, Clone)]
pub struct Media {
    call: Arc<Call>,
}

#[derive(Debug)]
struct Call {
    id: u64,
    orders: mpsc::Sender<Order>,
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
        self.call.orders.send(order).await.map_err(|_| Refused::Closed)?;
        answered.await.map_err(|_| Refused::Closed)
    }
}

impl Call {
    fn close(&self) {
        let _ = self.orders.try_send(Order::Close(self.id));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.close();
    }
}
