//! Several processes on one file, and operations that share a transaction.

use super::{Files, incoming, lane};
use crate::store::{LinkEnd, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a person at a command line would find long.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gets_its_turn_while_the_gateway_writes_without_pause() {
    let files = Files::new();
    let gateway = Arc::new(files.open_store());
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..64)
        .map(|caller| {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            tokio::spawn(async move {
                for n in (caller..).step_by(64) {
                    if stop.load(Ordering::Relaxed) {
                        return n;
                    }
                    gateway.accept(incoming(n)).await.unwrap();
                }
                unreachable!()
            })
        })
        .collect();
    let command = files.open_store();
    for n in 0..5 {
        let ends = [format!("@a{n}:gw"), format!("@b{n}:gw")].map(|address| LinkEnd { address, posting: None });
        let added = tokio::time::timeout(PATIENCE, command.add_link(ends.to_vec()));
        added.await.expect("the command waited in vain for its turn").unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let mut busy = 0;
    for task in load {
        busy += task.await.unwrap();
    }
    assert!(busy > 64 * 64, "there was no load");
    assert_eq!(gateway.links().await.unwrap().len(), 5);
    assert_ne!(gateway.revision().await.unwrap(), 0);
}

#[tokio::test]
async fn an_operation_that_the_database_refuses_takes_no_other_along() {
    let files = Files::new();
    let store = Arc::new(files.open_store());
    // Stands for whatever can be wrong with one row: this message alone cannot be written.
    files
        .raw()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN new.message IN \
             (SELECT id FROM messages WHERE origin_id = '13') BEGIN SELECT raise(FAIL, 'no room'); END;",
        )
        .unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.accept(incoming(n)).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => assert_ne!(n, 13),
            Err(error) => {
                assert_eq!(n, 13);
                assert!(matches!(&error, StoreError::Failed { why, .. } if why.contains("no room")), "{error}");
            }
        }
    }
    let message = incoming(13).message;
    assert_eq!(store.message_by_key(&message.conversation, &message.key).await.unwrap(), None);
    let lanes = store.lanes(0, 10).await.unwrap();
    assert_eq!(lanes.iter().map(|(_, lane)| lane.clone()).collect::<Vec<_>>(), [lane()]);
    assert_eq!(store.pending(lanes[0].0, 0, 100).await.unwrap().len(), 39);
    assert_eq!(store.stats().await.unwrap().messages, 39);
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let files = Files::new();
    let store = Arc::new(files.open_store());
    store.accept(incoming(0)).await.unwrap();
    // A full disk makes SQLite roll the transaction back by itself, as this does.
    files
        .raw()
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT raise(ROLLBACK, 'full'); END;")
        .unwrap();
    let tasks: Vec<_> = (1..20)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.accept(incoming(n)).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Err(StoreError::Failed { .. })));
    }
    files.raw().execute_batch("DROP TRIGGER full").unwrap();
    store.accept(incoming(1)).await.unwrap();
    assert_eq!(store.stats().await.unwrap().waiting, 2);
}

#[tokio::test]
async fn a_hook_that_panics_does_not_end_the_store() {
    let files = Files::new();
    let store = files.open_store();
    store.on_commit(Arc::new(|_| panic!("the hook fails on purpose")));
    store.accept(incoming(1)).await.unwrap();
    store.accept(incoming(2)).await.unwrap();
    assert_eq!(store.stats().await.unwrap().waiting, 2);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let files = Files::new();
    let store = files.open_store();
    store.accept(incoming(1)).await.unwrap();
    store.close().await;
    store.close().await;
    let refused = store.accept(incoming(2)).await.unwrap_err();
    assert!(refused.to_string().contains("the store is closed"), "{refused}");
}
