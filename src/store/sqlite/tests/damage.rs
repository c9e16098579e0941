//! A stored row that cannot be read is set aside and never stops anything (CVE-2025-23197).

use super::{Files, incoming, lane};
use crate::store::{Account, AccountKind, LinkEnd, Mapping, Relation, RelationState, Store};

#[tokio::test]
async fn a_damaged_message_is_set_aside_and_the_lane_goes_on() {
    let files = Files::new();
    let store = files.open_store();
    for n in 0..5 {
        store.accept(incoming(n)).await.unwrap();
    }
    store.close().await;
    let raw = files.raw();
    raw.execute("UPDATE messages SET author = CAST(x'ff00ff' AS TEXT) WHERE origin_id = '1'", []).unwrap();
    raw.execute("DELETE FROM messages WHERE origin_id = '3'", []).unwrap();
    raw.execute("UPDATE deliveries SET attempts = -1 WHERE id = (SELECT max(id) FROM deliveries)", []).unwrap();

    let store = files.open_store();
    let lanes = store.lanes(0, 10).await.unwrap();
    let pending = store.pending(lanes[0].0, 0, 10).await.unwrap();
    let ids: Vec<&str> = pending.iter().map(|pending| &*pending.message.origin_id).collect();
    assert_eq!(ids, ["0", "2"]);
    assert_eq!(store.stats().await.unwrap().waiting, 2);
    let aside: Vec<(String, String)> = raw
        .prepare("SELECT source, content FROM quarantine ORDER BY n")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(aside.iter().filter(|(table, _)| table == "deliveries").count(), 3);
    assert!(aside.iter().any(|(table, content)| table == "messages" && content.contains("author: x'ff00ff'")));
    // The same message may come again, and goes out.
    store.accept(incoming(1)).await.unwrap();
    assert_eq!(store.pending(lanes[0].0, 0, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_message_whose_text_is_damaged_is_no_repetition_of_anything() {
    let files = Files::new();
    let store = files.open_store();
    store.accept(incoming(1)).await.unwrap();
    files.raw().execute("UPDATE messages SET venue = CAST(x'ff' AS TEXT), key = CAST(x'ff' AS TEXT)", []).unwrap();
    store.accept(incoming(1)).await.unwrap();
    let first = &incoming(1).message;
    let found = store.message_by_origin(&first.venue, &first.author, &first.origin_id).await.unwrap().unwrap();
    assert_eq!(found.message, *first);
    assert_eq!(store.message_by_key(&first.conversation, &first.key).await.unwrap(), Some(found));
}

#[tokio::test]
async fn every_list_that_a_start_reads_passes_over_damaged_rows() {
    let files = Files::new();
    let store = files.open_store();
    let end = |address: &str| LinkEnd { address: address.into(), posting: None };
    for n in 0..3 {
        let address = format!("@{n}:gw");
        let name = n.to_string();
        let (kind, created) = (AccountKind::Person, 1);
        let account = Account { name: name.clone(), kind, nickname: None, picture: None, pass: None, created };
        store.add_account(account).await.unwrap();
        let (state, place) = (RelationState::Accepted, "@#rust:libera:gw".to_owned());
        let relation = Relation { account: address.clone(), place, state, pass: None, nickname: None, since: 1 };
        store.set_relation(relation).await.unwrap();
        store.add_link(vec![end(&format!("@a{n}:gw")), end(&format!("@b{n}:gw"))]).await.unwrap();
        let mapping = Mapping { bridge: "libera".into(), remote_id: name.clone(), address, alias: true };
        store.add_mapping(mapping).await.unwrap();
        store.save("libera", &name, Some(&name)).await.unwrap();
        store.accept(incoming(n)).await.unwrap();
    }
    store.close().await;
    files
        .raw()
        .execute_batch(
            "UPDATE accounts SET kind = 'robot' WHERE name = '1';
             UPDATE relations SET state = 'undecided' WHERE account = '@1:gw';
             UPDATE link_ends SET posting = CAST(x'ff' AS TEXT) WHERE address = '@a1:gw';
             UPDATE mappings SET remote_id = CAST(x'ff' AS TEXT) WHERE address = '@1:gw';
             UPDATE kept SET value = CAST(x'ff' AS TEXT) WHERE key = '1';
             UPDATE lanes SET via = CAST(x'ff' AS TEXT);",
        )
        .unwrap();

    let store = files.open_store();
    assert_eq!(store.accounts().await.unwrap().len(), 2);
    assert_eq!(store.relations().await.unwrap().len(), 2);
    assert_eq!(store.links().await.unwrap().iter().map(|link| link.ends.len()).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(store.aliases().await.unwrap().len(), 2);
    assert_eq!(store.mapped_id("libera", "@1:gw").await.unwrap(), None);
    assert_eq!(store.load_all("libera", "").await.unwrap().len(), 2);
    assert!(store.lanes(0, 10).await.unwrap().is_empty());
    assert_eq!(store.stats().await.unwrap().waiting, 0);
    // A lane of that name is made anew.
    store.accept(incoming(7)).await.unwrap();
    assert_eq!(store.lanes(0, 10).await.unwrap().into_iter().map(|(_, lane)| lane).collect::<Vec<_>>(), [lane()]);
}
