//! What is known without a look into the tables: the writer's numbers of lanes and conversations,
//! and mappings. All bounded; the tables are the truth.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;

/// So many numbers of a kind are kept before starting over.
const INTERNED: usize = 65_536;
/// So many mappings are kept in each half of their cache.
const MAPPINGS: usize = 32_768;

/// Numbers that the tables gave to names.
pub(super) struct Interned<K> {
    numbers: HashMap<K, i64>,
}

impl<K> Default for Interned<K> {
    fn default() -> Self {
        Self { numbers: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone> Interned<K> {
    pub(super) fn get(&self, name: &K) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    pub(super) fn put(&mut self, name: &K, number: i64) {
        if self.numbers.len() >= INTERNED {
            self.numbers.clear();
        }
        self.numbers.insert(name.clone(), number);
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
    }
}

/// What an address of a bridge stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapped {
    pub remote_id: String,
    pub alias: bool,
}

/// Mappings by bridge and address, in two halves: what is asked for moves to the young one, and
/// when that is full, the old one goes.
#[derive(Default)]
pub(super) struct MappingCache {
    halves: Mutex<Halves>,
}

type Half = HashMap<String, HashMap<String, Mapped>>;

#[derive(Default)]
struct Halves {
    young: Half,
    young_count: usize,
    old: Half,
    /// Grows with every removal, so that what was read before one is not put in after it.
    age: u64,
}

impl MappingCache {
    pub(super) fn get(&self, bridge: &str, address: &str) -> Option<Mapped> {
        let mut halves = self.halves.lock();
        if let Some(found) = halves.young.get(bridge).and_then(|half| half.get(address)) {
            return Some(found.clone());
        }
        let found = halves.old.get(bridge).and_then(|half| half.get(address)).cloned()?;
        halves.put(bridge, address, found.clone());
        Some(found)
    }

    /// To be taken before a look into the table, and given to `put` with what was found.
    pub(super) fn age(&self) -> u64 {
        self.halves.lock().age
    }

    /// Keeps what was found in the table, unless something was removed since `age`.
    pub(super) fn put(&self, age: u64, bridge: &str, address: &str, found: Mapped) {
        let mut halves = self.halves.lock();
        if halves.age == age {
            halves.put(bridge, address, found);
        }
    }

    /// Forgets everything: something was changed or removed.
    pub(super) fn clear(&self) {
        let mut halves = self.halves.lock();
        let age = halves.age + 1;
        *halves = Halves { age, ..Halves::default() };
    }
}

impl Halves {
    fn put(&mut self, bridge: &str, address: &str, found: Mapped) {
        if self.young_count >= MAPPINGS {
            self.old = std::mem::take(&mut self.young);
            self.young_count = 0;
        }
        let before = self.young.entry(bridge.to_owned()).or_default().insert(address.to_owned(), found);
        self.young_count += usize::from(before.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(remote_id: &str) -> Mapped {
        Mapped { remote_id: remote_id.into(), alias: false }
    }

    #[test]
    fn what_was_read_before_a_removal_is_not_kept_after_it() {
        let cache = MappingCache::default();
        let age = cache.age();
        cache.clear();
        cache.put(age, "irc", "@a", mapped("a"));
        assert_eq!(cache.get("irc", "@a"), None);
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_what_is_asked_for() {
        let cache = MappingCache::default();
        for n in 0..MAPPINGS * 4 {
            cache.put(0, "irc", &format!("@{n}"), mapped("x"));
            assert!(cache.get("irc", "@0").is_some());
        }
        let halves = cache.halves.lock();
        let kept: usize = [&halves.young, &halves.old].iter().flat_map(|half| half.values()).map(HashMap::len).sum();
        assert!(kept <= MAPPINGS * 2);
    }
}
