//! Which of somebody's devices take calls, and how: by presence it is known which there are, by service
//! discovery (XEP-0030) what each can do, asked once for each device.

use crate::services::{ask_info, has_feature};
use crate::session::Session;
use jid::{BareJid, Jid};
use monster_jingle::{Reach, ns};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How many people's devices are remembered, and how many of one person's.
const PEOPLE: usize = 20_000;
const EACH: usize = 16;
/// How long a device may take to say what it can do.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Able {
    /// Nobody has asked, or it has not said.
    Unknown,
    /// No calls.
    Nothing,
    /// Sessions.
    Sessions,
    /// Sessions, and the messages before them.
    Messages,
}

/// Everybody's devices.
#[derive(Default)]
pub(super) struct Devices(Mutex<HashMap<BareJid, BTreeMap<String, Able>>>);

impl Devices {
    /// A device is there.
    pub(super) fn note(&self, device: &Jid) {
        let mut all = self.0.lock();
        let bare = device.to_bare();
        if device.resource().is_none() || (all.len() >= PEOPLE && !all.contains_key(&bare)) {
            return;
        }
        let own = all.entry(bare).or_default();
        if own.len() < EACH {
            own.entry(device.to_string()).or_insert(Able::Unknown);
        }
    }

    /// A device is no longer there.
    pub(super) fn forget(&self, device: &Jid) {
        let mut all = self.0.lock();
        let bare = device.to_bare();
        if let Some(own) = all.get_mut(&bare) {
            own.remove(device.as_str());
            if own.is_empty() {
                all.remove(&bare);
            }
        }
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }

    /// How somebody is called: by a message to all devices, unless it is known that none would hear it;
    /// `None` if all devices are known and none takes calls.
    pub(super) async fn reach(&self, session: &Session, us: &str, peer: &BareJid) -> Option<Reach> {
        let known = self.0.lock().get(peer).cloned().unwrap_or_default();
        let asking = known.into_iter().map(async |(device, able)| {
            let able = if able == Able::Unknown { self.learn(session, us, peer, &device).await } else { able };
            (device, able)
        });
        let all = futures_util::future::join_all(asking).await;
        let by_message =
            all.iter().all(|(_, able)| *able == Able::Unknown) || all.iter().any(|(_, able)| *able == Able::Messages);
        let sessions = |(device, able): (String, Able)| (able == Able::Sessions).then_some(device);
        let devices: Vec<String> = all.into_iter().filter_map(sessions).collect();
        (by_message || !devices.is_empty()).then_some(Reach { by_message, devices })
    }

    async fn learn(&self, session: &Session, us: &str, peer: &BareJid, device: &str) -> Able {
        let asked = tokio::time::timeout(PATIENCE, ask_info(session, us, device)).await;
        let Ok(Some(info)) = asked else { return Able::Unknown };
        let has = |feature: &str| has_feature(&info, feature);
        let able = match (has(ns::RTP) && has(ns::ICE), has(ns::MESSAGE)) {
            (true, true) => Able::Messages,
            (true, false) => Able::Sessions,
            (false, _) => Able::Nothing,
        };
        if let Some(known) = self.0.lock().get_mut(peer).and_then(|own| own.get_mut(device)) {
            *known = able;
        }
        able
    }
}
