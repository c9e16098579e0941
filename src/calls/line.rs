//! The line to one leg of a call: how steps get to whoever is there, in order and without holding up
//! the call. One task for each; what it finds out (nobody is there, a device refuses) it tells the
//! call. Made and fed by `driver`.

use super::guests::GuestOut;
use super::leftover::Loose;
use super::registry::{Handle, Told};
use super::wire::{media_on_wire, signal_of};
use crate::core::{Core, MonsterPort, Party, Pushed, Reach, Sockets};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use monster_bridge_api::{Bridge, CallDelivery, CallError, CallId, CallMedia, CallStep, DeviceId, EndReason, RemoteId};
use monster_calls::{Devices, Input, Leg};
use monster_protocol::{CallContext, Ext, Request, RequestBody, Response, Status};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Steps that may wait for one line; a leg that falls further behind cannot be reached.
const WAITING: usize = 64;
/// How long the answer to one step is waited for before the next one follows.
const NEXT_AFTER: Duration = Duration::from_secs(1);
/// How long a bridge may take over one step.
const BRIDGE: Duration = Duration::from_secs(15);

/// What is to be sent.
struct Parcel {
    to: Devices,
    step: CallStep,
}

/// Where a line leads.
pub(super) enum Way {
    /// The home sockets of a local account.
    Home,
    /// An account on another Monster server.
    Remote,
    /// A user of a bridge.
    Bridge(Arc<dyn Bridge>, RemoteId),
    /// A guest, once there is one.
    Guest(Arc<Mutex<Option<GuestOut>>>),
}

impl Way {
    /// The way to whoever is reached without a link; `None` for those who are.
    pub(super) fn to(reach: &Reach) -> Option<Self> {
        match reach {
            Reach::Home => Some(Self::Home),
            Reach::Remote => Some(Self::Remote),
            Reach::Bridge(bridge, id) => Some(Self::Bridge(Arc::clone(bridge), id.clone())),
            Reach::Link { .. } => None,
        }
    }
}

/// What a line knows.
pub(super) struct Ends {
    pub(super) leg: Leg,
    /// Who is at its end.
    pub(super) here: Party,
    /// Who is at the other leg.
    pub(super) other: Party,
    /// The guest who is there instead, once there is one: what they are called.
    pub(super) guest: Arc<Mutex<Option<String>>>,
    pub(super) media: CallMedia,
    /// What the call is called here.
    pub(super) wire: String,
}

impl Ends {
    /// Who is at the other leg, under the name of the guest who came.
    fn other(&self) -> Party {
        let guest = self.guest.lock().as_deref().map(Core::shown_name);
        let mut other = self.other.clone();
        other.name = guest.unwrap_or(other.name);
        other
    }
}

/// The sending end of a line. Dropping it lets the line end once everything is sent.
pub(super) struct Line {
    queue: mpsc::Sender<Parcel>,
}

impl Line {
    /// A line whose task is one of `tasks`.
    pub(super) fn open(way: Way, ends: Ends, core: &Arc<Core>, handle: &Arc<Handle>, tasks: &TaskTracker) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let carrier = Arc::new(Carrier { ends, core: Arc::clone(core), handle: Arc::clone(handle) });
        tasks.spawn(carry(carrier, way, waiting));
        Self { queue }
    }

    /// Puts a step on its way; false if the leg has fallen too far behind.
    pub(super) fn send(&self, to: Devices, step: CallStep) -> bool {
        self.queue.try_send(Parcel { to, step }).is_ok()
    }
}

struct Carrier {
    ends: Ends,
    core: Arc<Core>,
    handle: Arc<Handle>,
}

async fn carry(carrier: Arc<Carrier>, way: Way, mut waiting: mpsc::Receiver<Parcel>) {
    while let Some(Parcel { to, step }) = waiting.recv().await {
        match &way {
            Way::Home => carrier.to_home(&to, &step),
            Way::Remote => carrier.to_remote(&to, &step).await,
            Way::Bridge(bridge, id) => carrier.to_bridge(bridge, id, to, step).await,
            Way::Guest(out) => carrier.to_guest(out, &to, &step),
        }
    }
}

impl Carrier {
    fn tell(&self, input: Input) {
        self.handle.tell(Told::Input(input));
    }

    fn unreachable(&self, why: impl Into<String>) {
        self.tell(Input::Unreachable { leg: self.ends.leg, why: why.into() });
    }

    /// The frame of a step; `None` for one that frames have no form for.
    fn frame(&self, step: &CallStep) -> Option<Request<'static>> {
        let Ends { here, wire, media, .. } = &self.ends;
        let other = &self.ends.other();
        // The offer has the call's own name, by which a 2004 ends it.
        let message_id = match step {
            CallStep::Offer { .. } => self.handle.id.clone(),
            _ => self.core.new_call_key(),
        };
        let frame = frame(&self.core, (here, other), (wire, *media), message_id, step);
        if frame.is_none() {
            tracing::debug!(call = %self.handle.id, "a step has no form on the monster side");
        }
        frame
    }

    fn port(&self) -> Option<Arc<dyn MonsterPort>> {
        let port = self.core.monster_port();
        if port.is_none() {
            self.unreachable("the monster side is not running");
        }
        port
    }

    // -- home sockets --------------------------------------------------------------------------

    fn to_home(self: &Arc<Self>, to: &Devices, step: &CallStep) {
        let Some(request) = self.frame(step) else { return };
        let Some(port) = self.port() else { return };
        let sockets = match to {
            Devices::All => Sockets::All,
            Devices::One(device) => Sockets::One(device.clone()),
            Devices::AllBut(device) => Sockets::AllBut(device.clone()),
        };
        let pushed = port.push(&self.ends.here.address, &sockets, &request);
        if !matches!(step, CallStep::Offer { .. }) {
            return;
        }
        if pushed.is_empty() {
            if *to == Devices::All {
                self.unreachable(format!("{} is not online", self.ends.here.name));
            }
            return;
        }
        tokio::spawn(Arc::clone(self).judge(pushed, *to == Devices::All));
    }

    /// Sees what devices say to an offer: one that refuses it takes no part in the call.
    async fn judge(self: Arc<Self>, pushed: Vec<Pushed>, all: bool) {
        let asked = pushed.len();
        let mut refused = 0;
        let mut answers: FuturesUnordered<_> =
            pushed.into_iter().map(async |Pushed { device, answer }| (device, answer.await)).collect();
        while let Some((device, answer)) = answers.next().await {
            let Some(answer) = answer.filter(|answer| !answer.status.is_success()) else { continue };
            refused += 1;
            if all && refused == asked {
                self.unreachable(words(&self.ends.here.name, &answer));
            } else {
                self.tell(Input::DeviceGone { leg: self.ends.leg, device });
            }
        }
    }

    // -- other servers ---------------------------------------------------------------------------

    async fn to_remote(self: &Arc<Self>, to: &Devices, step: &CallStep) {
        if matches!(to, Devices::AllBut(_)) {
            // The account is one device to us, and there is no other.
            return;
        }
        let Some(request) = self.frame(step) else { return };
        let Some(port) = self.port() else { return };
        let (carrier, vital) = (Arc::clone(self), matches!(step, CallStep::Offer { .. } | CallStep::Answer { .. }));
        let asking = async move {
            let Ends { here, other, .. } = &carrier.ends;
            let request = Request { ext: Ext { from: None, ..request.ext }, ..request };
            let why = match port.ask(&here.address, &other.address, request).await {
                Ok(answer) if answer.status.is_success() => return,
                Ok(answer) => words(&here.name, &answer),
                Err(error) => error.to_string(),
            };
            if vital {
                carrier.unreachable(why);
            } else {
                tracing::debug!(call = %carrier.handle.id, why, "a step of a call was not taken");
            }
        };
        // One who is slow to answer is told the next thing meanwhile.
        let asking = tokio::spawn(asking);
        let _ = tokio::time::timeout(NEXT_AFTER, asking).await;
    }

    // -- bridges -----------------------------------------------------------------------------------

    async fn to_bridge(&self, bridge: &Arc<dyn Bridge>, id: &RemoteId, to: Devices, step: CallStep) {
        let begins = matches!(step, CallStep::Offer { .. });
        let ends = matches!(step, CallStep::End(_));
        let call = CallId::new(self.ends.wire.clone());
        let delivery = CallDelivery { call, author: self.ends.other().author(), target: id.clone(), to, step };
        let why = match tokio::time::timeout(BRIDGE, bridge.call(delivery)).await {
            Ok(Ok(())) => return,
            Ok(Err(CallError::Unsupported(_))) if begins => {
                self.handle.tell(Told::NoCalls);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{} did not answer in time", self.ends.here.name),
        };
        if !ends {
            self.unreachable(why);
        }
    }

    // -- guests --------------------------------------------------------------------------------------

    fn to_guest(&self, out: &Mutex<Option<GuestOut>>, to: &Devices, step: &CallStep) {
        if matches!(to, Devices::AllBut(_)) {
            // A guest has no other device.
            return;
        }
        let Some(signal) = signal_of(&self.ends.wire, step) else { return };
        let mut out = out.lock();
        let Some(guest) = out.as_ref() else { return };
        let sent = guest.try_send(signal);
        if matches!(step, CallStep::End(_)) {
            // Nothing follows: the guest's socket is closed after it.
            *out = None;
        } else if sent.is_err() {
            self.tell(Input::DeviceGone { leg: self.ends.leg, device: DeviceId::new("guest") });
        }
    }
}

/// The frame by which `here` is told of a step of `other`'s.
fn frame(
    core: &Core,
    (here, other): (&Party, &Party),
    (wire, media): (&str, CallMedia),
    message_id: String,
    step: &CallStep,
) -> Option<Request<'static>> {
    let context = CallContext::Signal(signal_of(wire, step)?);
    let ext = Ext {
        from: Some(other.address.clone()),
        to: Some(here.address.clone()),
        nickname: Some(other.name.clone().into()),
        time: u64::try_from(core.now_ms()).ok(),
        ..Ext::default()
    };
    let body = RequestBody::Call { media: media_on_wire(media), context };
    Some(Request { ext, ..Request::new(message_id, body) })
}

/// Tells a device that a call is over which it may think goes on.
pub(super) fn push_end(core: &Core, loose: &Loose, device: &DeviceId) {
    if let (Some(frame), Some(port)) = (end_frame(core, loose), core.monster_port()) {
        // Whether it answers does not matter: it is told whenever it comes.
        drop(port.push(&loose.here.address, &Sockets::One(device.clone()), &frame));
    }
}

/// Tells an account on another server the same.
pub(super) async fn ask_end(core: &Core, loose: &Loose) {
    if let (Some(frame), Some(port)) = (end_frame(core, loose), core.monster_port()) {
        let frame = Request { ext: Ext { from: None, ..frame.ext }, ..frame };
        if let Err(error) = port.ask(&loose.here.address, &loose.other.address, frame).await {
            tracing::debug!(%error, "somebody could not be told that a call is over");
        }
    }
}

fn end_frame(core: &Core, loose: &Loose) -> Option<Request<'static>> {
    let Loose { here, other, media, wire } = loose;
    let step = CallStep::End(EndReason::GatewayStopped);
    frame(core, (here, other), (wire, *media), core.new_call_key(), &step)
}

/// What somebody said about a refusal, for the other side. Somebody else's text: cut short.
fn words(name: &str, answer: &Response<'_>) -> String {
    let said: String = answer.error.as_deref().unwrap_or_default().chars().take(120).collect();
    let verb = if answer.status == Status::Unavailable { "cannot take" } else { "does not take" };
    if said.is_empty() { format!("{name} {verb} the call") } else { format!("{name} {verb} the call: {said}") }
}
