//! Which datagram is for whom: STUN requests by the ICE user name in them, everything else by where
//! it comes from, once a request from there has proved whose it is.

use crate::Leg;
use crate::engine::Protocol;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Senders of other workers' calls that are remembered.
const MAX_ELSEWHERE: usize = 16 * 1024;

/// Addresses that a leg may stand at or be asked at; more are not remembered.
const MAX_OF_CALL: usize = 512;

/// Where a datagram comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
}

/// Whom a datagram is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A call of this worker's.
    Here(u64, Leg),
    /// A call of another worker's, by its index.
    Elsewhere(usize),
    Nobody,
}

/// Every worker's ICE user names, by worker.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: RwLock<HashMap<String, usize>>,
}

impl Registry {
    /// The worker that carries the leg of this name.
    pub(crate) fn worker_of(&self, name: &str) -> Option<usize> {
        self.names.read().get(name).copied()
    }
}

/// A worker's routes.
pub(crate) struct Routes {
    index: usize,
    registry: Arc<Registry>,
    names: HashMap<String, (u64, Leg)>,
    sources: HashMap<Source, (u64, Leg)>,
    /// The sources of each call.
    of_call: HashMap<u64, Vec<Source>>,
    elsewhere: HashMap<Source, usize>,
}

impl Routes {
    pub(crate) fn new(index: usize, registry: Arc<Registry>) -> Routes {
        Routes {
            index,
            registry,
            names: HashMap::new(),
            sources: HashMap::new(),
            of_call: HashMap::new(),
            elsewhere: HashMap::new(),
        }
    }

    /// Whom a datagram is for, with the name in it if it is a STUN request.
    pub(crate) fn target(&mut self, source: Source, name: Option<&str>) -> Target {
        let Some(name) = name else {
            if let Some((call, leg)) = self.sources.get(&source) {
                return Target::Here(*call, *leg);
            }
            return self.elsewhere.get(&source).map_or(Target::Nobody, |worker| Target::Elsewhere(*worker));
        };
        if let Some((call, leg)) = self.names.get(name) {
            return Target::Here(*call, *leg);
        }
        match self.registry.worker_of(name).filter(|worker| *worker != self.index) {
            Some(worker) => {
                if self.elsewhere.len() >= MAX_ELSEWHERE {
                    self.elsewhere.clear();
                }
                self.elsewhere.insert(source, worker);
                Target::Elsewhere(worker)
            }
            None => Target::Nobody,
        }
    }

    /// A leg has proved that it is at an address.
    pub(crate) fn learn(&mut self, source: Source, call: u64, leg: Leg) {
        match self.sources.insert(source, (call, leg)) {
            Some((before, _)) if before == call => {}
            _ => self.keep(source, call),
        }
    }

    /// A leg is asked at an address: what comes from there may be its answer, unless another leg
    /// is known to be there.
    pub(crate) fn ask(&mut self, source: Source, call: u64, leg: Leg) {
        if !self.sources.contains_key(&source) && self.of_call.get(&call).is_none_or(|known| known.len() < MAX_OF_CALL)
        {
            self.sources.insert(source, (call, leg));
            self.keep(source, call);
        }
    }

    /// A source is gone.
    pub(crate) fn forget(&mut self, source: Source) {
        self.sources.remove(&source);
    }

    /// A call is over.
    pub(crate) fn forget_call(&mut self, call: u64) {
        for source in self.of_call.remove(&call).unwrap_or_default() {
            if self.sources.get(&source).is_some_and(|(of, _)| *of == call) {
                self.sources.remove(&source);
            }
        }
    }

    /// A call's names are others now.
    pub(crate) fn rename(&mut self, call: u64, before: &[(String, Leg)], now: &[(String, Leg)]) {
        let mut shared = self.registry.names.write();
        for (name, _) in before {
            self.names.remove(name);
            shared.remove(name);
        }
        for (name, leg) in now {
            self.names.insert(name.clone(), (call, *leg));
            shared.insert(name.clone(), self.index);
        }
    }

    fn keep(&mut self, source: Source, call: u64) {
        let known = self.of_call.entry(call).or_default();
        if known.len() == MAX_OF_CALL {
            let oldest = known.remove(0);
            if self.sources.get(&oldest).is_some_and(|(of, _)| *of == call) {
                self.sources.remove(&oldest);
            }
        }
        known.push(source);
    }
}
