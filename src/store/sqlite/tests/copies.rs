//! Copies made while everything goes on, and put back.

use super::{Files, incoming};
use crate::store::sqlite::{CopyError, restore};
use crate::store::{InstanceLock, LinkEnd, Store, StoreError};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_load_is_whole_and_holds_what_was_there_before() {
    let files = Files::new();
    let store = Arc::new(files.open_store());
    for n in 0..2000 {
        let store = store.clone();
        tokio::spawn(async move { store.accept(incoming(n)).await.unwrap() });
    }
    store.accept(incoming(5000)).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            for n in 10_000.. {
                if stop.load(Ordering::Relaxed) {
                    return n;
                }
                store.accept(incoming(n)).await.unwrap();
            }
            unreachable!()
        }
    });
    let copy = files.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    assert!(load.await.unwrap() > 10_000, "nothing could be written while the copy was made");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!copy.with_file_name("copy.db-wal").exists());
    assert!(matches!(store.backup(&copy).await, Err(StoreError::Conflict(_))));
    store.close().await;

    let elsewhere = Files::new();
    restore(&copy, elsewhere.dir.path()).unwrap();
    let restored = elsewhere.open_store();
    let message = incoming(5000).message;
    assert!(restored.message_by_key(&message.conversation, &message.key).await.unwrap().is_some());
    let stats = restored.stats().await.unwrap();
    assert_eq!(stats.messages, stats.waiting);
}

#[tokio::test]
async fn a_copy_replaces_what_came_after_it() {
    let files = Files::new();
    let store = files.open_store();
    store.accept(incoming(1)).await.unwrap();
    let copy = files.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    store.accept(incoming(2)).await.unwrap();
    let ends = ["@a:gw", "@b:gw"].map(|address| LinkEnd { address: address.into(), posting: None });
    store.add_link(ends.to_vec()).await.unwrap();
    store.close().await;
    restore(&copy, files.dir.path()).unwrap();
    let store = files.open_store();
    assert_eq!(store.stats().await.unwrap().messages, 1);
    assert!(store.links().await.unwrap().is_empty());
    store.accept(incoming(2)).await.unwrap();
}

#[tokio::test]
async fn nothing_is_put_back_while_a_gateway_runs() {
    let files = Files::new();
    let store = files.open_store();
    let copy = files.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    let _running = InstanceLock::take(files.dir.path(), "the gateway").unwrap();
    let refused = restore(&copy, files.dir.path()).unwrap_err();
    assert!(matches!(refused, CopyError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains("the gateway with process id"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_whole_store_is_not_put_back() {
    let files = Files::new();
    let store = files.open_store();
    for n in 0..500 {
        store.accept(incoming(n)).await.unwrap();
    }
    let copy = files.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    store.close().await;

    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 8192].fill(0x55);
    std::fs::write(&copy, bytes).unwrap();
    let refused = restore(&copy, files.dir.path()).unwrap_err();
    assert!(matches!(refused, CopyError::Damaged { .. } | CopyError::Open(_)), "{refused}");

    std::fs::write(&copy, "not a database at all, just some words that are long enough").unwrap();
    restore(&copy, files.dir.path()).unwrap_err();
    restore(&files.dir.path().join("absent.db"), files.dir.path()).unwrap_err();
    assert!(!files.dir.path().join("absent.db").exists());
    assert_eq!(files.open_store().stats().await.unwrap().messages, 500);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_a_damaged_store_which_is_kept() {
    let files = Files::new();
    let store = files.open_store();
    store.accept(incoming(1)).await.unwrap();
    let copy = files.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    store.close().await;
    drop(store);
    std::fs::write(files.database(), "garbage, and more of it than fits into one small header of a file").unwrap();
    restore(&copy, files.dir.path()).unwrap();
    assert!(files.dir.path().join("gateway.db.damaged-1").exists());
    assert_eq!(files.open_store().stats().await.unwrap().messages, 1);
}
