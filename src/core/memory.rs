//! How much memory the deliveries take that lanes hold, all lanes together. `lanes` asks it how long
//! a line may become.

use crate::store::NewMessage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes above which each lane holds few.
const TIGHT: usize = 64 << 20;
/// About what a delivery takes beside its message's body, in bytes.
const BESIDE: usize = 1_024;

/// The bytes that deliveries in memory take.
#[derive(Default)]
pub(super) struct Memory(Arc<AtomicUsize>);

/// The share of one delivery, given back when it is dropped.
pub(super) struct Held {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Memory {
    /// Counts a delivery of this message. (A message with several readers counts for each: rather
    /// too much than too little.)
    pub(super) fn hold(&self, message: &NewMessage) -> Held {
        let bytes = message.body.len() + BESIDE;
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Held { all: Arc::clone(&self.0), bytes }
    }

    /// True if there is much already.
    pub(super) fn is_tight(&self) -> bool {
        self.0.load(Ordering::Relaxed) > TIGHT
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_tight_as_long_as_much_is_held() {
        let memory = Memory::default();
        let message = NewMessage {
            key: String::new(),
            conversation: String::new(),
            venue: String::new(),
            author: String::new(),
            author_name: String::new(),
            origin_id: String::new(),
            excerpt: String::new(),
            body: vec![0; TIGHT],
            at: 0,
        };
        let held = memory.hold(&message);
        assert!(memory.is_tight());
        drop(held);
        assert!(!memory.is_tight());
    }
}
