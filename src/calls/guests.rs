//! Guests: people who join a call by a link instead of an account (docs/web-api.md "The join
//! link"). Here: the links and their unguessable tokens, and what a guest says and is told once in.
//! Not here: pages and sockets, which are `http`'s; it calls [`Guests::look`], [`Guests::join`], and
//! pumps texts between the socket and the [`Guest`].
//!
//! A link is for one guest: whoever joins first uses it up. It ends with its time, or with its call.

use super::wire::steps_of;
use crate::core::Environment;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use monster_bridge_api::{CallMedia, CallStep, DeviceId, EndReason};
use monster_protocol::{CallContext, CallSignal};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What may wait for one guest.
const WAITING: usize = 64;
/// Links at a time; beyond it, none is made.
const LINKS: usize = 10_000;

/// Where a guest is told of steps.
pub(super) type GuestOut = mpsc::Sender<CallSignal>;

/// On which side of a call a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The guest makes the offer.
    Caller,
    /// The guest is offered the call.
    Callee,
}

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The `callId` of every context.
    pub call_id: String,
    /// Who is at the other end, as people call them.
    pub name: String,
    /// What the call is with.
    pub media: CallMedia,
    /// On which side the guest will be.
    pub role: Role,
}

/// A link that is good now.
#[derive(Debug, Clone)]
pub struct Invited {
    /// What it is for.
    pub invitation: Invitation,
    /// Until when somebody may join by it.
    pub until: Instant,
    /// Cancelled once it is over, whatever ended it: a guest who joined, its time, or its call.
    pub over: CancellationToken,
}

/// Nobody can join by this link: it is unknown or over, or somebody has joined by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody can join by this link any more")]
pub struct NoLink;

/// What a guest sent is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// It is no call context of this call; the socket should be closed with these words.
    #[error("{0}")]
    Malformed(String),
    /// It was understood and refused (a bad session description); nothing has changed.
    #[error("{0}")]
    Refused(String),
}

/// What stands behind a link.
#[async_trait]
pub(super) trait Welcome: Send + Sync + 'static {
    /// A guest has joined. False if it is too late.
    fn arrive(&self, device: &DeviceId, name: String, out: GuestOut) -> bool;

    /// The guest did something.
    async fn heard(&self, device: &DeviceId, steps: Vec<CallStep>) -> Result<(), String>;

    /// The guest is gone.
    fn left(&self, device: &DeviceId);
}

struct Pending {
    invited: Invited,
    welcome: Arc<dyn Welcome>,
}

/// The links that are good.
pub struct Guests {
    environment: Environment,
    /// What links begin with.
    public_url: String,
    /// By the SHA-256 of their tokens.
    links: Mutex<HashMap<[u8; 32], Pending>>,
}

impl Guests {
    pub(super) fn new(environment: Environment, public_url: &str) -> Self {
        Self { environment, public_url: public_url.to_owned(), links: Mutex::default() }
    }

    /// Makes a link, good for so long; `None` if there are too many. Also what ends it.
    pub(super) fn invite(
        &self,
        invitation: Invitation,
        good_for: Duration,
        welcome: Arc<dyn Welcome>,
    ) -> Option<(String, CancellationToken)> {
        let mut random = [0; 32];
        self.environment.random.fill(&mut random);
        let token = URL_SAFE_NO_PAD.encode(random);
        let (until, over) = (Instant::now() + good_for, CancellationToken::new());
        let mut links = self.links.lock();
        if links.len() >= LINKS {
            links.retain(|_, pending| pending.is_good());
            if links.len() >= LINKS {
                return None;
            }
        }
        let invited = Invited { invitation, until, over: over.clone() };
        links.insert(crate::token::hash(&token), Pending { invited, welcome });
        Some((format!("{}/call/{token}", self.public_url), over))
    }

    /// What a link is for. Uses nothing up.
    ///
    /// # Errors
    /// If nobody can join by it.
    pub fn look(&self, token: &str) -> Result<Invited, NoLink> {
        let mut links = self.links.lock();
        let hash = crate::token::hash(token);
        match links.get(&hash) {
            Some(pending) if pending.is_good() => Ok(pending.invited.clone()),
            Some(_) => {
                links.remove(&hash);
                Err(NoLink)
            }
            None => Err(NoLink),
        }
    }

    /// Joins, which uses the link up. `name`: what the guest is called, 1 to 64 characters, none of
    /// them control characters (the caller has checked that).
    ///
    /// # Errors
    /// If nobody can join by it.
    pub fn join(&self, token: &str, name: &str) -> Result<Guest, NoLink> {
        self.look(token)?;
        let Some(Pending { invited, welcome }) = self.links.lock().remove(&crate::token::hash(token)) else {
            return Err(NoLink);
        };
        invited.over.cancel();
        let (out, told) = mpsc::channel(WAITING);
        let device = DeviceId::new("guest");
        if !welcome.arrive(&device, name.to_owned(), out) {
            return Err(NoLink);
        }
        Ok(Guest { invitation: invited.invitation, device, welcome, told, over: false })
    }
}

impl Pending {
    fn is_good(&self) -> bool {
        !self.invited.over.is_cancelled() && Instant::now() < self.invited.until
    }
}

/// A guest in a call. Dropping it hangs up.
pub struct Guest {
    /// What the guest was invited to.
    pub invitation: Invitation,
    device: DeviceId,
    welcome: Arc<dyn Welcome>,
    told: mpsc::Receiver<CallSignal>,
    over: bool,
}

impl Guest {
    /// Takes a call context, as JSON.
    ///
    /// # Errors
    /// If it is none of this call, or what it asks for is refused.
    pub async fn hear(&mut self, context: &str) -> Result<(), GuestError> {
        let Invitation { call_id, media, .. } = &self.invitation;
        let malformed = |why: String| GuestError::Malformed(why);
        let signal = match CallContext::parse(context, call_id) {
            Ok(CallContext::Signal(signal)) if signal.call_id == *call_id => signal,
            Ok(_) => return Err(malformed("this is no step of the call you were invited to".to_owned())),
            Err(error) => return Err(malformed(error.to_string())),
        };
        let steps = steps_of(signal, *media);
        self.over |= steps.iter().any(|step| matches!(step, CallStep::End(_)));
        self.welcome.heard(&self.device, steps).await.map_err(GuestError::Refused)
    }

    /// The next call context for the guest, as JSON; `None` once the call is over. May be dropped
    /// while it waits.
    pub async fn next(&mut self) -> Option<String> {
        let signal = self.told.recv().await?;
        Some(CallContext::Signal(signal).to_text().into_owned())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !self.over {
            self.welcome.left(&self.device);
        }
    }
}

/// What a guest who leaves has done.
pub(super) fn hung_up() -> Vec<CallStep> {
    vec![CallStep::End(EndReason::HungUp)]
}
