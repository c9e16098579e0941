//! How many connections each address of origin has that are being answered, so that one that opens
//! thousands and says nothing keeps nobody else out. (Open WebSockets are counted by `monster`.)

use crate::monster::network_of;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Connections by origin.
#[derive(Debug)]
pub(super) struct Origins {
    most: usize,
    /// Proxies: many people come from their addresses.
    trusted: Arc<[IpNet]>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its origin; dropping it makes room.
#[derive(Debug)]
pub(super) struct Entered {
    origins: Arc<Origins>,
    origin: Option<IpAddr>,
}

impl Origins {
    /// At most `most` of each, but any number of the trusted.
    pub(super) fn new(most: usize, trusted: Arc<[IpNet]>) -> Arc<Self> {
        Arc::new(Self { most, trusted, open: Mutex::default() })
    }

    /// One connection more from there; `None` if there are too many.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Entered> {
        let from = from.to_canonical();
        if self.trusted.iter().any(|net| net.contains(&from)) {
            return Some(Entered { origins: Arc::clone(self), origin: None });
        }
        let origin = network_of(from);
        let mut open = self.open.lock();
        let count = open.entry(origin).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Entered { origins: Arc::clone(self), origin: Some(origin) })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(origin) = self.origin else { return };
        let mut open = self.origins.open.lock();
        if let Some(count) = open.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_so_many_and_gets_them_back() {
        let origins = Origins::new(2, Arc::from(["10.0.0.0/8".parse().unwrap()]));
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (first, _second) = (origins.enter(one).unwrap(), origins.enter(one).unwrap());
        assert!(origins.enter(one).is_none());
        assert!(origins.enter("::ffff:192.0.2.1".parse().unwrap()).is_none());
        assert!(origins.enter(other).is_some());
        drop(first);
        assert!(origins.enter(one).is_some());
        let proxied: Vec<_> = (0..5).map(|_| origins.enter("10.1.1.1".parse().unwrap())).collect();
        assert!(proxied.iter().all(Option::is_some));
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_gone() {
        let origins = Origins::new(2, Arc::from([]));
        drop(origins.enter("192.0.2.1".parse().unwrap()));
        assert!(origins.open.lock().is_empty());
    }
}
