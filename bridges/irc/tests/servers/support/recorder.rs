//! A host that keeps everything in memory: the events it takes, what the bridge saves, and how the
//! bridge says it is doing. Like the core, it takes an event once.

use async_trait::async_trait;
use monster_bridge_api::{AcceptError, Accepted, CallError, CallHeard, Event, Health, Hint, Host, HostError, RoomUse};
use monster_testkit::PATIENCE;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// The host of a test.
pub(crate) struct Recorder {
    rooms: Mutex<Vec<RoomUse>>,
    saved: Mutex<BTreeMap<String, String>>,
    events: Mutex<Vec<Event>>,
    hints: Mutex<Vec<Hint>>,
    /// Whom nobody knows: events to them are refused.
    nobody: Mutex<Vec<String>>,
    changed: watch::Sender<u64>,
    health: watch::Sender<Health>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            rooms: Mutex::default(),
            saved: Mutex::default(),
            events: Mutex::default(),
            hints: Mutex::default(),
            nobody: Mutex::default(),
            changed: watch::Sender::new(0),
            health: watch::Sender::new(Health::Connecting),
        }
    }
}

impl Recorder {
    /// A room that the gateway uses, for the next start.
    pub(crate) fn use_room(&self, usage: RoomUse) {
        self.rooms.lock().push(usage);
    }

    /// From now on this address is nobody's.
    pub(crate) fn nobody_is(&self, address: &str) {
        self.nobody.lock().push(address.to_owned());
    }

    /// Waits for a state of the instance.
    pub(crate) async fn health(&self, wanted: impl FnMut(&Health) -> bool) -> Health {
        self.health.subscribe().wait_for(wanted).await.unwrap().clone()
    }

    /// What was taken so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    /// What was passed on so far.
    pub(crate) fn hints(&self) -> Vec<Hint> {
        self.hints.lock().clone()
    }

    /// Waits for an event, also one that came before.
    pub(crate) async fn event(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(event) = self.events.lock().iter().find(|event| wanted(event)) {
                    return event.clone();
                }
                changed.changed().await.unwrap();
            }
        };
        let Ok(event) = tokio::time::timeout(PATIENCE, found).await else {
            panic!("{what} did not come; there were: {:#?}", self.events.lock())
        };
        event
    }

    /// Waits for a hint.
    pub(crate) async fn hint(&self, what: &str, wanted: impl Fn(&Hint) -> bool) {
        let mut changed = self.changed.subscribe();
        let found = async {
            while !self.hints.lock().iter().any(&wanted) {
                changed.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, found).await.is_ok(), "{what} did not come");
    }

    fn note_change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Host for Recorder {
    async fn accept(&self, event: Event) -> Result<Accepted, AcceptError> {
        if let monster_bridge_api::Venue::Private(persona) = &event.venue
            && self.nobody.lock().iter().any(|nobody| nobody == persona.as_str())
        {
            return Err(AcceptError::Refused("nobody has this address".to_owned()));
        }
        if let Some((key, value)) = &event.cursor {
            self.saved.lock().insert(key.clone(), value.clone());
        }
        let mut events = self.events.lock();
        if events.iter().any(|known| known.id == event.id && known.venue == event.venue) {
            return Ok(Accepted::Known);
        }
        events.push(event);
        drop(events);
        self.note_change();
        Ok(Accepted::New)
    }

    async fn call(&self, _heard: CallHeard) -> Result<(), CallError> {
        Err(CallError::Unsupported("IRC has no calls".to_owned()))
    }

    fn hint(&self, hint: Hint) {
        self.hints.lock().push(hint);
        self.note_change();
    }

    async fn rooms(&self) -> Result<Vec<RoomUse>, HostError> {
        Ok(self.rooms.lock().clone())
    }

    async fn load(&self, key: &str) -> Result<Option<String>, HostError> {
        Ok(self.saved.lock().get(key).cloned())
    }

    async fn save(&self, key: &str, value: Option<&str>) -> Result<(), HostError> {
        match value {
            Some(value) => drop(self.saved.lock().insert(key.to_owned(), value.to_owned())),
            None => drop(self.saved.lock().remove(key)),
        }
        Ok(())
    }

    async fn load_all(&self, prefix: &str) -> Result<Vec<(String, String)>, HostError> {
        let saved = self.saved.lock();
        Ok(saved.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn report(&self, health: Health) {
        self.health.send_replace(health);
    }
}
