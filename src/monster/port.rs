//! The Monster side as the core's lanes see it: delivering one message to one account, and asking an
//! account of another server (`contract.md` "Delivery to a Monster account, in this order").

use super::MonsterSide;
use super::dialer::DialError;
use super::hub::{Device, Ends};
use super::render::{Reader, code, frame, written};
use crate::core::{MonsterPort, Outgoing, Pushed, Sockets};
use crate::store::StoreError;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use monster_bridge_api::{DeliveryError, RequestError};
use monster_protocol::{Address, Request, Response, Status};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A local account with nobody online is tried again as soon as somebody is; this long after is only
/// in case that is missed.
const NOBODY_ONLINE: Duration = Duration::from_mins(30);
/// How long an account of another server may take to answer a question.
const ASK_WITHIN: Duration = Duration::from_secs(9);

/// What a home socket is told whose token has ended.
const REVOKED: &str = "this token does not open this account any more";

/// What the core calls.
pub struct Port(Arc<MonsterSide>);

/// How one socket took a frame.
enum Taken {
    Answered(Response<'static>),
    /// The socket ended first.
    Ended,
    /// No answer came in time.
    Silent,
}

impl Port {
    /// The port of a Monster side.
    pub fn new(side: Arc<MonsterSide>) -> Self {
        Self(side)
    }

    async fn push_to(&self, device: &Device, id: &str, frame: Utf8Bytes, within: Duration) -> Taken {
        match tokio::time::timeout(within, device.outbox.ask(id, frame)).await {
            Ok(Ok(response)) => Taken::Answered(response),
            Ok(Err(_)) => Taken::Ended,
            Err(_) => Taken::Silent,
        }
    }

    /// Pushes to every device, also to those that come meanwhile; done when one has taken it.
    async fn deliver_home(&self, to: &Address, message: &Outgoing) -> Result<(), DeliveryError> {
        let ends = Ends::home(to);
        let Some(arrivals) = self.0.hub.arrivals(&ends) else {
            let why = format!("{to} is not online");
            return Err(DeliveryError::Transient { why, retry_after: Some(NOBODY_ONLINE) });
        };
        let (mut reached, mut pushes) = (Vec::new(), FuturesUnordered::new());
        // Only if every device refuses it is it refused.
        let (mut refused, mut left) = (None, 0);
        loop {
            let mut arrival = pin!(arrivals.notified());
            // From here on none is missed.
            arrival.as_mut().enable();
            for device in self.0.hub.all(&ends) {
                if !reached.iter().any(|known| Arc::ptr_eq(known, &device)) {
                    pushes.push(self.push_home(Arc::clone(&device), to, message));
                    reached.push(device);
                }
            }
            tokio::select! {
                biased;
                taken = pushes.next() => match taken {
                    Some(Taken::Answered(response)) if response.status.is_success() => return Ok(()),
                    Some(Taken::Answered(response)) if response.status == Status::BadRequest => refused = Some(response),
                    Some(Taken::Answered(_) | Taken::Ended | Taken::Silent) => left += 1,
                    None => break,
                },
                () = arrival => {}
            }
        }
        match refused {
            Some(response) if left == 0 => Err(DeliveryError::permanent(words(to, &response))),
            _ => Err(DeliveryError::transient(format!("no device of {to} has taken it yet"))),
        }
    }

    async fn push_home(&self, device: Arc<Device>, to: &Address, message: &Outgoing) -> Taken {
        let frame = frame(message, to, Reader::Home { ext: device.reads_ext() });
        self.0.figures.pushed(code(message));
        self.push_to(&device, &message.key, frame, self.0.options.patience.answer).await
    }

    /// Pushes over the socket that is open, or a new one, and gives the answer.
    async fn deliver_remote(
        &self,
        to: &Address,
        via: &Address,
        message: &Outgoing,
    ) -> Result<Response<'static>, DeliveryError> {
        let ends = Ends { account: to.clone(), here: via.clone() };
        // A socket that was open may turn out to be dead: then another is tried at once.
        for last in [false, true] {
            let device = if let Some(device) = self.0.hub.best(&ends) {
                device
            } else {
                let nickname = if message.author == *via { message.author_name.clone() } else { via.name().into() };
                self.0.dialer.reach(&self.0, to, via, &nickname).await.map_err(|error| undialled(&error))?
            };
            let frame = frame(message, to, Reader::Peer { ext: device.reads_ext() });
            self.0.figures.pushed(code(message));
            match self.push_to(&device, &message.key, frame, self.0.options.patience.answer).await {
                Taken::Answered(response) => return Ok(response),
                Taken::Silent => {
                    // Not read there: the next try dials.
                    device.set_mute();
                    return Err(DeliveryError::transient(format!("{to} did not answer in time")));
                }
                Taken::Ended if !last => {}
                Taken::Ended => break,
            }
        }
        Err(DeliveryError::transient(format!("the socket to {to} ended before the answer")))
    }
}

fn undialled(error: &DialError) -> DeliveryError {
    let why = error.to_string();
    match error {
        error if error.is_final() => DeliveryError::permanent(why),
        DialError::Pausing { left, .. } => DeliveryError::Transient { why, retry_after: Some(*left) },
        _ => DeliveryError::transient(why),
    }
}

fn unasked(error: &DialError) -> RequestError {
    let why = error.to_string();
    if error.is_final() { RequestError::Refused(why) } else { RequestError::Unavailable(why) }
}

/// What an account said about a failure, for the sender. Somebody else's text: cut short.
fn words(to: &Address, response: &Response<'_>) -> String {
    let said: String = response.error.as_deref().unwrap_or("it gives no reason").chars().take(300).collect();
    format!("{to} does not take it: {said}")
}

#[async_trait]
impl MonsterPort for Port {
    async fn deliver(&self, to: &Address, via: &Address, message: &Arc<Outgoing>) -> Result<(), DeliveryError> {
        let ours = &self.0.options.ours;
        if to.authority() == ours {
            return self.deliver_home(to, message).await;
        }
        let mut response = self.deliver_remote(to, via, message).await?;
        let mut asked = to;
        let moved = response.location.take();
        if response.status == Status::Elsewhere
            && let Some(location) = &moved
            && location != to
            && location.authority() != ours
        {
            asked = location;
            response = self.deliver_remote(location, via, message).await?;
        }
        match response.status {
            Status::Information | Status::Accepted => Ok(()),
            Status::BadRequest => Err(DeliveryError::permanent(words(asked, &response))),
            Status::Elsewhere => {
                let at = moved.map_or_else(|| "elsewhere".to_owned(), |location| format!("at {location}"));
                Err(DeliveryError::permanent(format!("{to} lives {at} now; write there")))
            }
            Status::Unavailable => Err(DeliveryError::transient(words(asked, &response))),
        }
    }

    fn has_room(&self, to: &Address) -> bool {
        let has_room = |device: &Arc<Device>| device.outbox.has_room();
        to.authority() == &self.0.options.ours && self.0.hub.all(&Ends::home(to)).iter().all(has_room)
    }

    async fn ask(
        &self,
        to: &Address,
        via: &Address,
        request: Request<'static>,
    ) -> Result<Response<'static>, RequestError> {
        if to.authority() == &self.0.options.ours {
            return Err(RequestError::Refused(format!("{to} is an account of this server")));
        }
        let asking = async {
            let ends = Ends { account: to.clone(), here: via.clone() };
            let device = if let Some(device) = self.0.hub.best(&ends) {
                device
            } else {
                let name = via.name();
                let nickname = request.ext.nickname.as_deref().unwrap_or(&name);
                let reached = self.0.dialer.reach(&self.0, to, via, nickname).await;
                reached.map_err(|error| unasked(&error))?
            };
            self.0.figures.pushed(request.body.code());
            let frame = written(&request, Reader::Peer { ext: device.reads_ext() });
            match self.push_to(&device, &request.message_id, frame, ASK_WITHIN).await {
                Taken::Answered(response) => Ok(response),
                Taken::Ended => Err(RequestError::Unavailable(format!("the socket to {to} ended before the answer"))),
                // Perhaps it asks somebody else first; the socket may be as good as any.
                Taken::Silent => Err(RequestError::Unavailable(format!("{to} did not answer in time"))),
            }
        };
        let late = |_| RequestError::Unavailable(format!("{to} did not answer in time"));
        tokio::time::timeout(ASK_WITHIN, asking).await.map_err(late)?
    }

    async fn end_revoked(&self) -> Result<(), StoreError> {
        let homes = self.0.hub.homes();
        let hashes = homes.iter().filter_map(|(_, device)| device.key).map(|key| key.hash).collect();
        let owners = self.0.core.owners_of_tokens(hashes).await?;
        for ((account, device), owner) in homes.into_iter().zip(owners) {
            if owner.as_ref() != Some(&account) && !device.outbox.is_cut() {
                tracing::info!(%account, "a home socket is closed: its token has ended");
                device.outbox.cut(REVOKED);
                self.0.core.device_barred(&account, &device.name);
            }
        }
        Ok(())
    }

    fn push(&self, to: &Address, sockets: &Sockets, request: &Request<'_>) -> Vec<Pushed> {
        let frames = [false, true].map(|ext| written(request, Reader::Home { ext }));
        let wanted = |device: &Device| match sockets {
            Sockets::All => true,
            Sockets::One(name) => device.name == *name,
            Sockets::AllBut(name) => device.name != *name,
        };
        let push = |device: &Arc<Device>| {
            self.0.figures.pushed(request.body.code());
            let answer = device.outbox.ask(&request.message_id, frames[usize::from(device.reads_ext())].clone());
            Pushed { device: device.name.clone(), answer: Box::pin(async move { answer.await.ok() }) }
        };
        let devices = self.0.hub.all(&Ends::home(to));
        devices.iter().filter(|device| wanted(device) && !device.outbox.is_ending()).map(push).collect()
    }
}
