//! The conformance suite on SQLite, and what is this implementation's own.

use super::SqliteStore;
use crate::store::Store;
use crate::store::conformance::{Fixture, suite};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

struct Files {
    dir: tempfile::TempDir,
    now: Arc<AtomicI64>,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), now: Arc::new(AtomicI64::new(1)) }
    }
}

#[async_trait]
impl Fixture for Files {
    async fn open(&self) -> Arc<dyn Store> {
        let now = self.now.clone();
        Arc::new(SqliteStore::open_with(self.dir.path(), Arc::new(move || now.load(Ordering::SeqCst))).unwrap())
    }

    fn set_time(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }
}

mod conforms {
    use super::{Files, suite};

    suite!(Files::new());
}
