//! The conformance suite on SQLite, and what is this implementation's own.

mod copies;
mod crashes;
mod damage;
mod opening;
mod sharing;

use super::SqliteStore;
use crate::store::conformance::{Fixture, suite};
use crate::store::{Incoming, Lane, NewMessage, Store};
use async_trait::async_trait;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A data directory that goes with the test.
struct Files {
    dir: tempfile::TempDir,
    now: Arc<AtomicI64>,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), now: Arc::new(AtomicI64::new(1)) }
    }

    fn open_store(&self) -> SqliteStore {
        let now = self.now.clone();
        SqliteStore::open_with(self.dir.path(), Arc::new(move || now.load(Ordering::SeqCst))).unwrap()
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join(super::schema::FILE_NAME)
    }

    /// A look past the store.
    fn raw(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

#[async_trait]
impl Fixture for Files {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.open_store())
    }

    fn set_time(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }
}

mod conforms {
    use super::{Files, suite};

    suite!(Files::new());
}

fn lane() -> Lane {
    Lane { to: "libera".into(), via: "@#rust:libera:gw".into() }
}

fn incoming(n: usize) -> Incoming {
    let message = NewMessage {
        key: format!("mg-{n:026}"),
        conversation: "@#rust:libera:gw".into(),
        venue: "@#rust:libera:gw".into(),
        author: "@alice:gw".into(),
        author_name: "Alice".into(),
        origin_id: n.to_string(),
        excerpt: "hello".into(),
        body: b"hello".to_vec(),
        at: 1,
    };
    Incoming { message: Arc::new(message), lanes: vec![lane()], cursor: None }
}
