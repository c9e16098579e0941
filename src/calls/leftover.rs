//! Calls that were going on when the gateway before this one died: they are written down as over,
//! their lines are said, and whoever can still be told is told, so that nothing rings on. Called
//! once at the start, and for each device that comes in the minutes after it.

use super::line::push_end;
use super::{Calls, record};
use crate::core::{Party, Reach};
use crate::store::{CallRow, StoreError};
use monster_bridge_api::{CallDelivery, CallError, CallId, CallMedia, CallStep, DeviceId, Devices, EndReason};
use monster_calls::{Leg, Outcome};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long devices are told that come back after the start.
const TOLD_FOR: Duration = Duration::from_mins(2);
/// How long a network may take to be there again before its user is told no more.
const NETWORK: Duration = Duration::from_mins(1);
/// How often it is tried.
const AGAIN: Duration = Duration::from_secs(2);

/// One leg of a call that is over without its people knowing.
#[derive(Clone)]
pub(super) struct Loose {
    pub(super) here: Party,
    pub(super) other: Party,
    pub(super) media: CallMedia,
    /// What the call is called here.
    pub(super) wire: String,
}

/// The legs whose people have local accounts, until they come back.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// Until when they are told.
    until: Option<Instant>,
    loose: HashMap<Address, Vec<Loose>>,
}

impl Leftovers {
    /// The legs of an account that it may still think of as going on.
    fn of(&self, account: &Address) -> Vec<Loose> {
        let mut table = self.0.lock();
        let Some(until) = table.until else { return Vec::new() };
        if Instant::now() >= until {
            *table = Table::default();
        }
        table.loose.get(account).cloned().unwrap_or_default()
    }
}

impl Calls {
    /// Ends the calls that a crash left. To be called once, when the router has started.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn end_leftovers(self: &Arc<Self>) -> Result<(), StoreError> {
        let left = self.store.calls_going_on().await?;
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(calls = left.len(), "calls that a crash had left are ended");
        let mut at_home: HashMap<Address, Vec<Loose>> = HashMap::new();
        for row in left {
            for loose in self.end_leftover(row).await? {
                match loose.here.reach {
                    Reach::Home => at_home.entry(loose.here.address.clone()).or_default().push(loose),
                    Reach::Remote | Reach::Bridge(..) => {
                        let calls = Arc::clone(self);
                        tokio::spawn(async move { calls.tell_elsewhere(loose).await });
                    }
                    Reach::Link { .. } => {}
                }
            }
        }
        *self.leftovers.0.lock() = Table { until: Some(Instant::now() + TOLD_FOR), loose: at_home };
        Ok(())
    }

    /// Writes one down as over; its legs.
    async fn end_leftover(&self, mut row: CallRow) -> Result<Vec<Loose>, StoreError> {
        let media = if row.media == "video" { CallMedia::Video } else { CallMedia::Voice };
        let caller = self.party(&row.caller, &row.caller_name).await;
        let callee = self.party(&row.callee, &row.callee_name).await;
        let people = caller.zip(callee);
        if let Some((caller, callee)) = &people {
            for leg in Leg::BOTH {
                let line = record::interrupted(&row, leg);
                record::say(self, &row.id, (caller, callee), leg, line).await;
            }
        }
        let outcome = if row.answered.is_some() { Outcome::Answered } else { Outcome::Missed };
        row.ended = Some(self.core.now_ms());
        row.outcome = Some(outcome.as_str().to_owned());
        row.reason = Some(super::wire::code_of(&EndReason::GatewayStopped));
        let (wire, id) = (row.wire.clone(), row.id.clone());
        self.store.put_call(row).await?;
        Ok(people.map_or_else(Vec::new, |(caller, callee)| {
            let of_caller = Loose { here: caller.clone(), other: callee.clone(), media, wire };
            vec![of_caller, Loose { here: callee, other: caller, media, wire: id }]
        }))
    }

    /// Whoever is at an address, under the name they had; `None` if nobody is any more.
    async fn party(&self, address: &str, name: &str) -> Option<Party> {
        let address: Address = address.parse().ok()?;
        let party = self.core.callable(&address).await.ok()?;
        Some(Party { name: name.to_owned(), ..party })
    }

    /// A device has come: perhaps it thinks that a call goes on.
    pub(super) fn tell_of_leftovers(&self, account: &Address, device: &DeviceId) {
        for loose in self.leftovers.of(account) {
            push_end(&self.core, &loose, device);
        }
    }

    async fn tell_elsewhere(&self, loose: Loose) {
        let step = CallStep::End(EndReason::GatewayStopped);
        let Loose { here, other, wire, .. } = &loose;
        let Reach::Bridge(bridge, id) = &here.reach else { return super::line::ask_end(&self.core, &loose).await };
        let until = Instant::now() + NETWORK;
        while Instant::now() < until {
            let delivery = CallDelivery {
                call: CallId::new(wire.clone()),
                author: other.author(),
                target: id.clone(),
                to: Devices::All,
                step: step.clone(),
            };
            match bridge.call(delivery).await {
                Err(CallError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
                Ok(()) | Err(CallError::Unsupported(_)) => return,
            }
        }
    }
}
