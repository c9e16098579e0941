//! Where calls begin, and where steps find the call they belong to: the room of calls as the core
//! sees it ([`CallDesk`]).

use super::driver::{Beginning, Driver};
use super::guests::GuestOut;
use super::registry::{Handle, NoRoom, QUEUE, Told};
use super::wire::steps_of;
use super::{Calls, figures, link};
use crate::core::{CallDesk, CallFrame, CallRefusal, Party};
use crate::store::CallRow;
use async_trait::async_trait;
use monster_bridge_api::{CallError, CallHeard, CallMedia, CallStep, DeviceId, EndReason};
use monster_calls::{Glare, Input, Leg, glare};
use monster_protocol::Address;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is said about a call that is not there.
const NO_CALL: &str = "there is no such call (any more)";

/// A call to be begun.
pub(super) struct Begin {
    pub(super) from: Party,
    pub(super) to: Party,
    /// On which of the caller's devices.
    pub(super) device: Option<DeviceId>,
    pub(super) media: CallMedia,
    /// What the caller calls it.
    pub(super) wire: String,
    /// The `messageId` of the offer.
    pub(super) offer: String,
    /// Where the caller is, if they came by a link.
    pub(super) guest: Option<GuestOut>,
    /// The offer, and what came with it.
    pub(super) steps: Vec<CallStep>,
}

impl Calls {
    /// Begins a call.
    ///
    /// # Errors
    /// If it may not be, or its offer cannot be taken; in words for the caller.
    pub(super) async fn begin(self: &Arc<Self>, begin: Begin) -> Result<Arc<Handle>, CallRefusal> {
        let Begin { from, to, device, media, wire, offer, guest, steps } = begin;
        let unavailable = |why: &str| CallRefusal::Unavailable(why.to_owned());
        if self.is_stopping() {
            return Err(unavailable("this gateway is restarting; call again in a moment"));
        }
        if !matches!(steps.first(), Some(CallStep::Offer { .. })) {
            return Err(CallRefusal::Bad(NO_CALL.to_owned()));
        }
        self.settle_glare(&from, &to, &wire)?;
        let (told, waiting) = mpsc::channel(QUEUE);
        let ends = (from.address.clone(), to.address.clone());
        let handle = Arc::new(Handle::new((self.core.new_call_key(), wire, offer), ends, told));
        let (most, each) = (self.settings.max_calls, self.settings.max_calls_per_account);
        self.registry.enter(&handle, most, each).map_err(|why| no_room(&why, &to))?;
        let opened = self.relay.lock().as_ref().map(monster_media::Relay::open);
        let Some(Ok((relayed, events))) = opened else {
            self.registry.leave(&handle);
            return Err(no_room(&NoRoom::Full, &to));
        };
        let row = self.row(&handle, &from, &to, media);
        if let Err(error) = self.store.put_call(row.clone()).await {
            tracing::error!(%error, "a call could not be written down");
            self.registry.leave(&handle);
            return Err(unavailable("the call could not be written down; try again"));
        }
        let beginning = Beginning { handle: Arc::clone(&handle), caller: from, callee: to, media, guest, relayed, row };
        self.drive(Driver::new(self, beginning), waiting, events, &handle);
        match handle.steps(Leg::Caller, device, steps).await {
            Some(Ok(())) => Ok(handle),
            Some(Err(why)) => {
                // At once, so that the same call can be tried again.
                self.registry.leave(&handle);
                Err(CallRefusal::Bad(why))
            }
            None => Err(unavailable("the call could not be begun")),
        }
    }

    fn row(&self, handle: &Handle, from: &Party, to: &Party, media: CallMedia) -> CallRow {
        CallRow {
            id: handle.id.clone(),
            caller: from.address.to_string(),
            caller_name: from.name.clone(),
            callee: to.address.to_string(),
            callee_name: to.name.clone(),
            wire: handle.wire.clone(),
            media: link::media_word(media).to_owned(),
            began: self.core.now_ms(),
            ..CallRow::default()
        }
    }

    /// Runs a call in a task of its own. Should it panic, its call is taken out.
    fn drive(
        self: &Arc<Self>,
        driver: Driver,
        waiting: mpsc::Receiver<Told>,
        events: mpsc::Receiver<monster_media::Event>,
        handle: &Arc<Handle>,
    ) {
        figures::going_on(self.registry.count());
        let (calls, handle) = (Arc::clone(self), Arc::clone(handle));
        self.tasks.spawn(async move {
            if tokio::spawn(driver.run(waiting, events)).await.is_err() {
                tracing::error!(call = %handle.id, "a call failed inside; this is an error of the program");
                calls.registry.leave(&handle);
            }
            figures::going_on(calls.registry.count());
        });
    }

    /// Tells a call what must not get lost, however much waits there.
    fn bar(&self, call: Arc<Handle>, input: Input) {
        self.tasks.spawn(async move { call.tell_surely(Told::Input(input)).await });
    }

    /// Two people who call each other at the same moment: one call goes on, the one whose name on
    /// the leg that both share is less, so that whoever sees both decides alike
    /// ([`glare`]).
    fn settle_glare(&self, from: &Party, to: &Party, wire: &str) -> Result<(), CallRefusal> {
        let Some(first) = self.registry.waiting(&to.address, &from.address) else { return Ok(()) };
        if glare(&first.id, wire) == Glare::First {
            return Err(CallRefusal::Bad(format!("{} is calling you at this moment", to.name)));
        }
        first.tell(Told::Input(Input::Crossed));
        Ok(())
    }
}

fn no_room(why: &NoRoom, to: &Party) -> CallRefusal {
    match why {
        NoRoom::Known => CallRefusal::Bad("there is a call with this `callId` already".to_owned()),
        NoRoom::Full => CallRefusal::Unavailable("as many calls as are allowed are going on".to_owned()),
        NoRoom::Caller => CallRefusal::Bad("you are in as many calls as one may be".to_owned()),
        NoRoom::Callee => CallRefusal::Unavailable(format!("{} is in as many calls as one may be", to.name)),
    }
}

#[async_trait]
impl CallDesk for Arc<Calls> {
    async fn step(&self, frame: CallFrame) -> Result<(), CallRefusal> {
        let CallFrame { message_id, from, device, to, media, signal } = frame;
        let wire = signal.call_id.clone();
        let steps = steps_of(signal, media);
        let begins = matches!(steps.first(), Some(CallStep::Offer { .. }));
        let Some((call, leg)) = self.registry.find(&from.address, &to.address, &wire) else {
            if begins {
                let offer = message_id;
                let begin = Begin { from, to, device, media, wire, offer, guest: None, steps };
                return self.begin(begin).await.map(drop);
            }
            // Both may hang up at the same moment.
            let ends = matches!(steps.first(), Some(CallStep::End(_)));
            return if ends { Ok(()) } else { Err(CallRefusal::Bad(NO_CALL.to_owned())) };
        };
        if begins {
            return if leg == Leg::Caller && call.offer == message_id {
                Ok(())
            } else {
                Err(CallRefusal::Bad("this call has begun; an `update` changes it".to_owned()))
            };
        }
        if call.is_repeated(leg, device.as_ref(), &message_id) {
            return Ok(());
        }
        match call.steps(leg, device, steps).await {
            Some(taken) => taken.map_err(CallRefusal::Bad),
            None => Err(CallRefusal::Bad(NO_CALL.to_owned())),
        }
    }

    async fn ring(&self, from: Party, to: Party, media: CallMedia) -> Result<(), CallRefusal> {
        link::for_caller(self, from, to, media).await
    }

    async fn recall(&self, account: &Address, other: &Address, offer: &str) -> bool {
        match self.registry.by_offer(account, other, offer) {
            Some(Ok((call, leg))) => {
                // Over or not: it is afterwards.
                let _ = call.steps(leg, None, vec![CallStep::End(EndReason::HungUp)]).await;
                true
            }
            Some(Err(_)) => true,
            None => false,
        }
    }

    async fn heard(&self, from: Party, to: Party, heard: CallHeard) -> Result<(), CallError> {
        let CallHeard { call: id, device, step, .. } = heard;
        let wire = id.into_string();
        let Some((call, leg)) = self.registry.find(&from.address, &to.address, &wire) else {
            return match step {
                CallStep::Offer { media, .. } => {
                    let (offer, steps) = (wire.clone(), vec![step]);
                    let begin = Begin { from, to, device, media, wire, offer, guest: None, steps };
                    self.begin(begin).await.map(drop).map_err(|refusal| match refusal {
                        CallRefusal::Bad(why) => CallError::Unsupported(why),
                        CallRefusal::Unavailable(why) => CallError::Unavailable(why),
                    })
                }
                CallStep::End(_) => Ok(()),
                _ => Err(CallError::Unavailable(NO_CALL.to_owned())),
            };
        };
        match call.steps(leg, device, vec![step]).await {
            Some(taken) => taken.map_err(CallError::Unsupported),
            None => Err(CallError::Unavailable(NO_CALL.to_owned())),
        }
    }

    fn unsaid(&self, key: &str, why: &str) -> bool {
        let Some(id) = link::call_of_line(key) else { return false };
        if let Some(call) = self.registry.by_id(id) {
            call.tell(super::registry::Told::Unsaid(why.to_owned()));
        }
        true
    }

    fn is_too_late(&self, key: &str) -> bool {
        link::call_of_line(key).is_some_and(|id| self.registry.by_id(id).is_none())
    }

    fn device_came(&self, account: &Address, device: &DeviceId) {
        self.tell_of_leftovers(account, device);
        self.registry.tell_of_device(account, |leg| Input::DeviceCame { leg, device: device.clone() });
    }

    fn device_gone(&self, account: &Address, device: &DeviceId) {
        self.registry.tell_of_device(account, |leg| Input::DeviceGone { leg, device: device.clone() });
    }

    fn device_barred(&self, account: &Address, device: &DeviceId) {
        for (call, leg) in self.registry.of(account) {
            self.bar(call, Input::Barred { leg, device: Some(device.clone()) });
        }
    }

    fn end_abandoned(&self, is_no_more: &dyn Fn(&Address) -> bool) {
        for account in self.registry.accounts().iter().filter(|account| is_no_more(account)) {
            for (call, leg) in self.registry.of(account) {
                self.bar(call, Input::Barred { leg, device: None });
            }
        }
    }
}
