//! Opening: permissions, versions, and how long it takes.

use super::{Files, incoming};
use crate::store::Store;
use crate::store::sqlite::{OpenError, SqliteStore};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

#[tokio::test]
async fn directory_and_file_are_for_their_owner_alone() {
    let files = Files::new();
    let dir = files.dir.path().join("new/data");
    let store = SqliteStore::open(&dir).unwrap();
    store.accept(incoming(1)).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for name in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    // An older directory is made so.
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    SqliteStore::open(&dir).unwrap();
    assert_eq!(mode(&dir), 0o700);
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_numbers() {
    let files = Files::new();
    drop(files.open_store());
    files.raw().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(files.dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }), "{refused}");
    assert!(refused.to_string().contains("version 99"), "{refused}");
}

#[test]
fn another_program_s_database_is_left_alone() {
    let files = Files::new();
    files.raw().execute_batch("CREATE TABLE precious (n)").unwrap();
    let refused = SqliteStore::open(files.dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    let tables: i64 = files.raw().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_hundred_thousand_mappings_and_deliveries_do_not_slow_the_start() {
    let files = Files::new();
    let store = files.open_store();
    store.accept(incoming(0)).await.unwrap();
    store.close().await;
    files
        .raw()
        .execute_batch(
            "BEGIN;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
             INSERT INTO mappings (bridge, address, remote_id, alias)
             SELECT 'libera', '@nick' || n || ':libera:gw.example.org', 'nick' || n, 0 FROM n;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
             INSERT INTO lanes (recipient, via) SELECT 'libera', '@#' || n || ':libera:gw' FROM n;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
             INSERT INTO deliveries (id, lane, message, attempts, not_before)
             SELECT n + 10, n % 1000 + 2, 1, 0, 0 FROM n;
             UPDATE state SET waiting = 100001, next_delivery = 200000;
             COMMIT;",
        )
        .unwrap();
    let started = Instant::now();
    let store = files.open_store();
    let first = store.lanes(0, 100).await.unwrap();
    let opened = started.elapsed();
    assert_eq!(first.len(), 100);
    // Far more than it takes, and far less than a scan in a debug build on a busy machine.
    assert!(opened < Duration::from_millis(150), "{opened:?}");
    assert_eq!(store.stats().await.unwrap().waiting, 100_001);
    assert_eq!(store.lanes(0, 10_000).await.unwrap().len(), 1001);
}
