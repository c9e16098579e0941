//! The calls that are going on: whose they are, and where their steps go. One call has one driver;
//! this is how others find it. Called by `desk`, `guests` and the drivers, which take themselves out.

use monster_bridge_api::DeviceId;
use monster_calls::{Input, Leg};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

use super::guests::GuestOut;
use monster_bridge_api::CallStep;

/// What waits for one driver.
pub(super) const QUEUE: usize = 128;
/// Offers of calls that are over and are still known, so that ending one again is no error.
const OVER: usize = 4096;

/// How many frames of a call are known again when they are repeated.
const SEEN: usize = 256;

/// What a driver is told.
pub(super) enum Told {
    /// A side did something; `answer` is told whether it was taken, and if not, why.
    Steps { leg: Leg, device: Option<DeviceId>, steps: Vec<CallStep>, answer: oneshot::Sender<Result<(), String>> },
    /// Something else happened.
    Input(Input),
    /// A guest, called so, has come by the link to the callee's leg.
    Guest { device: DeviceId, name: String, out: GuestOut },
    /// The link to the call cannot be said to the callee; why.
    Unsaid(String),
    /// The callee's network turns out to have no calls for them: a link can help.
    NoCalls,
}

/// One call, as others see it.
pub(super) struct Handle {
    /// The gateway's id of it; also its id on the callee's leg.
    pub(super) id: String,
    /// Who is at the legs.
    pub(super) caller: Address,
    pub(super) callee: Address,
    /// What the caller calls it, and the `messageId` of its offer.
    pub(super) wire: String,
    pub(super) offer: String,
    told: mpsc::Sender<Told>,
    answered: AtomicBool,
    /// The newest `messageId`s of its steps.
    seen: Mutex<VecDeque<(Leg, Option<DeviceId>, String)>>,
}

impl Handle {
    pub(super) fn new(
        (id, wire, offer): (String, String, String),
        (caller, callee): (Address, Address),
        told: mpsc::Sender<Told>,
    ) -> Self {
        Self { id, caller, callee, wire, offer, told, answered: AtomicBool::new(false), seen: Mutex::default() }
    }

    /// Tells the driver of steps, and gives its word on them; `None` if the call is over.
    pub(super) async fn steps(
        &self,
        leg: Leg,
        device: Option<DeviceId>,
        steps: Vec<CallStep>,
    ) -> Option<Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        self.told.send(Told::Steps { leg, device, steps, answer }).await.ok()?;
        answered.await.ok()
    }

    /// Tells the driver something without waiting; false if it could not be told.
    pub(super) fn tell(&self, told: Told) -> bool {
        let sent = self.told.try_send(told);
        if sent.is_err() {
            tracing::debug!(call = %self.id, "a call could not be told of something");
        }
        sent.is_ok()
    }

    /// The same, however long it takes until the driver has room for it.
    pub(super) async fn tell_surely(&self, told: Told) {
        // A call that is over needs to be told nothing.
        let _ = self.told.send(told).await;
    }

    /// Whether this device's frame of this `messageId` was here before, which is noted.
    pub(super) fn is_repeated(&self, leg: Leg, device: Option<&DeviceId>, message_id: &str) -> bool {
        let mut seen = self.seen.lock();
        if seen.iter().any(|(of, by, id)| *of == leg && by.as_ref() == device && id == message_id) {
            return true;
        }
        if seen.len() >= SEEN {
            seen.pop_front();
        }
        seen.push_back((leg, device.cloned(), message_id.to_owned()));
        false
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn set_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// The legs whose line is this account.
    fn legs_of(&self, account: &Address) -> impl Iterator<Item = Leg> {
        let caller = (self.caller == *account).then_some(Leg::Caller);
        let callee = (self.callee == *account).then_some(Leg::Callee);
        caller.into_iter().chain(callee)
    }

    /// By which (account, other, name) its steps and the ends of its offer come.
    fn keys(&self) -> [(Key, Key, Leg); 2] {
        let key = |account: &Address, other: &Address, name: &str| (account.clone(), other.clone(), name.to_owned());
        let (caller, callee) = (&self.caller, &self.callee);
        [
            (key(caller, callee, &self.wire), key(caller, callee, &self.offer), Leg::Caller),
            (key(callee, caller, &self.id), key(callee, caller, &self.id), Leg::Callee),
        ]
    }
}

/// An account, who is at the other end, and what the account calls the call (or its offer).
type Key = (Address, Address, String);

/// The calls that are going on.
#[derive(Default)]
pub(super) struct Registry(Mutex<Table>);

#[derive(Default)]
struct Table {
    steps: HashMap<Key, (Arc<Handle>, Leg)>,
    offers: HashMap<Key, (Arc<Handle>, Leg)>,
    by_account: HashMap<Address, Vec<Arc<Handle>>>,
    by_id: HashMap<String, Arc<Handle>>,
    over: VecDeque<Key>,
}

/// Why a call does not begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The caller has a call of this name with the callee.
    Known,
    /// As many calls go on as may.
    Full,
    /// The caller is in as many calls as one may.
    Caller,
    /// The callee is.
    Callee,
}

impl Registry {
    /// Enters a call, if there is room for it.
    pub(super) fn enter(&self, handle: &Arc<Handle>, calls: usize, per_account: usize) -> Result<(), NoRoom> {
        let mut table = self.0.lock();
        let keys = handle.keys();
        if table.steps.contains_key(&keys[0].0) || table.offers.contains_key(&keys[0].1) {
            return Err(NoRoom::Known);
        }
        if table.by_id.len() >= calls {
            return Err(NoRoom::Full);
        }
        let of = |account: &Address| table.by_account.get(account).map_or(0, Vec::len);
        if of(&handle.caller) >= per_account {
            return Err(NoRoom::Caller);
        }
        if of(&handle.callee) >= per_account {
            return Err(NoRoom::Callee);
        }
        for (step, offer, leg) in keys {
            table.steps.insert(step, (Arc::clone(handle), leg));
            table.offers.insert(offer, (Arc::clone(handle), leg));
        }
        for account in [&handle.caller, &handle.callee] {
            table.by_account.entry(account.clone()).or_default().push(Arc::clone(handle));
        }
        table.by_id.insert(handle.id.clone(), Arc::clone(handle));
        Ok(())
    }

    /// Takes a call out, if it is in.
    pub(super) fn leave(&self, handle: &Handle) {
        let mut table = self.0.lock();
        let [(step, ..), _] = handle.keys();
        if table.steps.get(&step).is_none_or(|(known, _)| known.id != handle.id) {
            return;
        }
        for (step, offer, _) in handle.keys() {
            table.steps.remove(&step);
            table.offers.remove(&offer);
            if table.over.len() >= OVER {
                table.over.pop_front();
            }
            table.over.push_back(offer);
        }
        for account in [&handle.caller, &handle.callee] {
            if let Some(calls) = table.by_account.get_mut(account) {
                calls.retain(|known| known.id != handle.id);
                if calls.is_empty() {
                    table.by_account.remove(account);
                }
            }
        }
        table.by_id.remove(&handle.id);
    }

    /// The call that an account means, and its leg there.
    pub(super) fn find(&self, account: &Address, other: &Address, wire: &str) -> Option<(Arc<Handle>, Leg)> {
        self.0.lock().steps.get(&(account.clone(), other.clone(), wire.to_owned())).cloned()
    }

    /// The call whose offer had this `messageId`; an error if it is over.
    pub(super) fn by_offer(
        &self,
        account: &Address,
        other: &Address,
        offer: &str,
    ) -> Option<Result<(Arc<Handle>, Leg), Over>> {
        let table = self.0.lock();
        let key = (account.clone(), other.clone(), offer.to_owned());
        match table.offers.get(&key) {
            Some(found) => Some(Ok(found.clone())),
            None => table.over.contains(&key).then_some(Err(Over)),
        }
    }

    /// The call with this id.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Handle>> {
        self.0.lock().by_id.get(id).cloned()
    }

    /// A call from one to the other that nobody has answered yet.
    pub(super) fn waiting(&self, caller: &Address, callee: &Address) -> Option<Arc<Handle>> {
        let table = self.0.lock();
        let calls = table.by_account.get(caller)?;
        calls.iter().find(|call| call.caller == *caller && call.callee == *callee && !call.is_answered()).cloned()
    }

    /// Tells every call of an account about one of its devices.
    pub(super) fn tell_of_device(&self, account: &Address, input: impl Fn(Leg) -> Input) {
        for (call, leg) in self.of(account) {
            call.tell(Told::Input(input(leg)));
        }
    }

    /// The calls of an account, each with the leg that is its own (or both).
    pub(super) fn of(&self, account: &Address) -> Vec<(Arc<Handle>, Leg)> {
        let calls = self.0.lock().by_account.get(account).cloned().unwrap_or_default();
        let legs = calls.iter().flat_map(|call| call.legs_of(account).map(|leg| (Arc::clone(call), leg)));
        legs.collect()
    }

    /// Who is in calls.
    pub(super) fn accounts(&self) -> Vec<Address> {
        self.0.lock().by_account.keys().cloned().collect()
    }

    /// Every call.
    pub(super) fn all(&self) -> Vec<Arc<Handle>> {
        self.0.lock().by_id.values().cloned().collect()
    }

    /// How many calls go on.
    pub(super) fn count(&self) -> usize {
        self.0.lock().by_id.len()
    }
}

/// The call is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over;
