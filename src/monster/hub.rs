//! Who can be reached over a socket that is open right now: home sockets, and the sockets between
//! an account of another server and an address of ours, whoever opened them.
//!
//! Sessions enter themselves and are taken out when they end; `port` and `dialer` look here first.

use super::outbox::Outbox;
use monster_bridge_api::DeviceId;
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// Between whom a socket is: `account` at its other end, `here` at ours. A home socket is its
/// owner's at both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    /// Who is at the other end.
    pub account: Address,
    /// Whose address it was opened on, or who opened it.
    pub here: Address,
}

impl Ends {
    /// The ends of a home socket.
    pub(super) fn home(owner: &Address) -> Self {
        Self { account: owner.clone(), here: owner.clone() }
    }
}

/// One socket that reaches somebody.
#[derive(Debug)]
pub(super) struct Device {
    /// What it calls itself, so that it is known again on its next socket; else a name that no other
    /// socket of this process has.
    pub name: DeviceId,
    /// What is to be written to it.
    pub outbox: Arc<Outbox>,
    /// Whether its reader knows the optional fields.
    ext: AtomicBool,
    /// Whether it left something unanswered, so that another way is tried first.
    mute: AtomicBool,
    /// What opened it, if it is a home socket.
    pub key: Option<Key>,
}

/// By what a home socket was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The token, as the store keeps it.
    pub hash: [u8; 32],
    /// [`crate::core::Core::revocations`] before the token was looked up.
    pub seen: u64,
}

impl Device {
    /// A socket that reaches somebody.
    pub(super) fn new(outbox: Arc<Outbox>, ext: bool) -> Self {
        Self::named(outbox, ext, None, None)
    }

    /// The same, with the name that it gave itself, and with the key of a home socket.
    pub(super) fn named(outbox: Arc<Outbox>, ext: bool, name: Option<DeviceId>, key: Option<Key>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = name.unwrap_or_else(|| DeviceId::new(format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed))));
        Self { name, outbox, ext: AtomicBool::new(ext), mute: AtomicBool::new(false), key }
    }

    /// Whether its reader knows the optional fields.
    pub(super) fn reads_ext(&self) -> bool {
        self.ext.load(Ordering::Relaxed)
    }

    /// Its reader said that it knows the optional fields.
    pub(super) fn set_ext(&self) {
        self.ext.store(true, Ordering::Relaxed);
    }

    /// It left something unanswered.
    pub(super) fn set_mute(&self) {
        self.mute.store(true, Ordering::Relaxed);
    }

    fn is_usable(&self) -> bool {
        !self.mute.load(Ordering::Relaxed) && !self.outbox.is_ending()
    }
}

/// All sockets that reach somebody.
#[derive(Debug, Default)]
pub(super) struct Hub {
    sockets: Mutex<HashMap<Ends, Sockets>>,
}

/// The sockets between two ends.
#[derive(Debug, Default)]
struct Sockets {
    /// Oldest first.
    devices: Vec<Arc<Device>>,
    /// Tells who asked for it of the next one.
    arrivals: Option<Arc<Notify>>,
}

impl Hub {
    /// Enters a socket, for as long as the entry is kept.
    pub(super) fn enter(self: &Arc<Self>, ends: Ends, device: Arc<Device>) -> Entry {
        let mut all = self.sockets.lock();
        let sockets = all.entry(ends.clone()).or_default();
        sockets.devices.push(Arc::clone(&device));
        if let Some(arrivals) = &sockets.arrivals {
            arrivals.notify_waiters();
        }
        drop(all);
        Entry { hub: Arc::clone(self), ends, device }
    }

    /// All sockets between these ends.
    pub(super) fn all(&self, ends: &Ends) -> Vec<Arc<Device>> {
        self.sockets.lock().get(ends).map(|sockets| sockets.devices.clone()).unwrap_or_default()
    }

    /// Whether a device of a local account has a socket.
    pub(super) fn has(&self, owner: &Address, device: &DeviceId) -> bool {
        let sockets = self.sockets.lock();
        sockets.get(&Ends::home(owner)).is_some_and(|sockets| sockets.devices.iter().any(|d| d.name == *device))
    }

    /// Every home socket, with its owner.
    pub(super) fn homes(&self) -> Vec<(Address, Arc<Device>)> {
        let all = self.sockets.lock();
        let devices =
            all.iter().flat_map(|(ends, sockets)| sockets.devices.iter().map(|device| (&ends.account, device)));
        let homes = devices.filter(|(_, device)| device.key.is_some());
        homes.map(|(owner, device)| (owner.clone(), Arc::clone(device))).collect()
    }

    /// Is notified of each further socket between these ends; `None` if there is none now.
    pub(super) fn arrivals(&self, ends: &Ends) -> Option<Arc<Notify>> {
        self.sockets.lock().get_mut(ends).map(|sockets| Arc::clone(sockets.arrivals.get_or_insert_default()))
    }

    /// The newest socket between these ends that is likely to work.
    pub(super) fn best(&self, ends: &Ends) -> Option<Arc<Device>> {
        self.sockets.lock().get(ends)?.devices.iter().rev().find(|device| device.is_usable()).cloned()
    }
}

/// A socket's entry; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Entry {
    hub: Arc<Hub>,
    ends: Ends,
    device: Arc<Device>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut all = self.hub.sockets.lock();
        if let Some(sockets) = all.get_mut(&self.ends) {
            sockets.devices.retain(|device| !Arc::ptr_eq(device, &self.device));
            if sockets.devices.is_empty() {
                all.remove(&self.ends);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    fn device() -> Arc<Device> {
        Arc::new(Device::new(Arc::default(), false))
    }

    #[test]
    fn a_socket_is_found_while_it_is_entered_and_works() {
        let hub = Arc::new(Hub::default());
        let ends = Ends::home(&"@alice:gw".parse().unwrap());
        let (old, new) = (device(), device());
        let _old = hub.enter(ends.clone(), Arc::clone(&old));
        let entry = hub.enter(ends.clone(), Arc::clone(&new));
        assert!(Arc::ptr_eq(&hub.best(&ends).unwrap(), &new));
        new.outbox.close(CloseCode::Normal, "idle");
        assert!(Arc::ptr_eq(&hub.best(&ends).unwrap(), &old));
        old.set_mute();
        assert!(hub.best(&ends).is_none());
        drop(entry);
        assert_eq!(hub.all(&ends).len(), 1);
    }

    #[test]
    fn nothing_is_kept_of_sockets_that_ended() {
        let hub = Arc::new(Hub::default());
        drop(hub.enter(Ends::home(&"@alice:gw".parse().unwrap()), device()));
        assert!(hub.sockets.lock().is_empty());
    }
}
