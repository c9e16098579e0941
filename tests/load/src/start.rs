//! Start to ready with a full store.

use crate::bare;
use monster_gateway::store::sqlite::SqliteStore;
use monster_gateway::store::{Lane, Mapping, Store};
use monster_testkit::Gateway;
use std::sync::Arc;
use std::time::Instant;

/// Fills a store, then starts the gateway on it a few times.
pub(crate) async fn run(gateway: &str, mappings: usize, deliveries: usize) {
    let sections = "[log]\nfilter = \"warn\"\n\n[bridges.echo]\nkind = \"echo\"\n";
    let mut gateway = Gateway::prepare(gateway, sections);
    let data = gateway.dir().join("data");
    std::fs::create_dir_all(&data).unwrap();
    fill(&data, mappings, deliveries, &gateway.host()).await;
    for run in 1..=5 {
        let begin = Instant::now();
        gateway.run_quiet().await;
        println!(
            "start {run} with {mappings} mappings and {deliveries} waiting deliveries: ready after {} ms",
            begin.elapsed().as_millis()
        );
        gateway.stop().await;
    }
}

async fn fill(data: &std::path::Path, mappings: usize, deliveries: usize, host: &str) {
    let store = Arc::new(SqliteStore::open(data).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..deliveries {
        let store = Arc::clone(&store);
        let lane = Lane { to: format!("@r{}:{host}", n % 5000), via: format!("@s{}:{host}", n % 5000) };
        tasks.spawn(async move {
            let mut incoming = bare::message(n % 5000, n as u64);
            incoming.lanes = vec![lane];
            store.accept(incoming).await.unwrap();
        });
    }
    for n in 0..mappings {
        let store = Arc::clone(&store);
        let mapping = Mapping {
            bridge: "libera".to_owned(),
            remote_id: format!("nick{n}"),
            address: format!("@nick{n}:libera:{host}"),
            alias: false,
        };
        tasks.spawn(async move { store.add_mapping(mapping).await.unwrap() });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    store.close().await;
}
