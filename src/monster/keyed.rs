//! A table of values that are shared while somebody uses them: limits per account, attempts per
//! peer. Forgets those that nobody has and that need not be remembered. Called by `limits` and
//! `dialer`.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// How many values there are before it is looked for some to forget.
pub(super) const LOOK_THROUGH_AT: usize = 1024;

/// Shared values by key.
#[derive(Debug)]
pub(super) struct Keyed<K, V>(Mutex<Table<K, V>>);

#[derive(Debug)]
struct Table<K, V> {
    values: HashMap<K, Arc<V>>,
    look_through_at: usize,
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Table { values: HashMap::new(), look_through_at: LOOK_THROUGH_AT }))
    }
}

impl<K: Eq + Hash, V: Default> Keyed<K, V> {
    /// The value of a key, new if there is none. Others that nobody has are forgotten at times,
    /// unless they are to be `kept`.
    pub(super) fn get(&self, key: K, kept: impl Fn(&V) -> bool) -> Arc<V> {
        let mut table = self.0.lock();
        if table.values.len() >= table.look_through_at {
            table.values.retain(|_, value| Arc::strong_count(value) > 1 || kept(value));
            table.look_through_at = LOOK_THROUGH_AT.max(table.values.len() * 2);
        }
        Arc::clone(table.values.entry(key).or_default())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().values.len()
    }
}
