//! Messages, deliveries, ids, history, pruning.

use super::{Fixture, all_pending, incoming, lane, listen, put, said};
use crate::store::{Committed, Journalled, NewMessage, StoreError};
use std::collections::HashSet;
use std::sync::Arc;

pub(crate) async fn a_message_waits_in_each_of_its_lanes_in_order(fixture: &impl Fixture) {
    let store = fixture.open().await;
    fixture.set_time(5000);
    let (alice, room) = (lane("@alice:gw", "@#rust:libera:gw"), lane("oftc", "@#rust:oftc:gw"));
    let first = put(&*store, said(1), &[alice.clone(), room.clone()]).await;
    let second = put(&*store, said(2), std::slice::from_ref(&room)).await;

    let store = fixture.reopen(store).await;
    let lanes = store.lanes(0, 10).await.unwrap();
    assert_eq!(lanes.iter().map(|(_, lane)| lane.clone()).collect::<Vec<_>>(), [alice, room]);
    let in_room = store.pending(lanes[1].0, 0, 10).await.unwrap();
    assert_eq!(in_room.iter().map(|pending| pending.message_id).collect::<Vec<_>>(), [first, second]);
    assert!(in_room[0].delivery < in_room[1].delivery);
    assert_eq!(*in_room[0].message, said(1));
    assert_eq!((in_room[0].attempts, in_room[0].not_before, in_room[0].created), (0, 0, 5000));
}

pub(crate) async fn the_same_origin_is_a_repetition_even_after_it_was_delivered(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let lanes = [lane("@alice:gw", "@#rust:libera:gw")];
    let heard = listen(&store);
    let id = put(&*store, said(1), &lanes).await;
    let again = NewMessage { key: "mg-another".into(), ..said(1) };
    assert_eq!(store.accept(incoming(again.clone(), &lanes)).await.unwrap(), Journalled::Known { id });
    let delivery = heard.first().await.delivery;
    store.done(delivery, vec![]).await.unwrap();
    let store = fixture.reopen(store).await;
    assert_eq!(store.accept(incoming(again, &lanes)).await.unwrap(), Journalled::Known { id });
    assert!(all_pending(&*store).await.is_empty());
}

pub(crate) async fn the_same_key_is_a_repetition_within_its_conversation_only(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let id = put(&*store, said(1), &[]).await;
    let elsewhere = NewMessage { venue: "@#rust:oftc:gw".into(), origin_id: "other".into(), ..said(1) };
    assert_eq!(store.accept(incoming(elsewhere.clone(), &[])).await.unwrap(), Journalled::Known { id });
    let apart = NewMessage { conversation: "@#rust:oftc:gw".into(), ..elsewhere };
    let other = put(&*store, apart.clone(), &[]).await;
    let find = async |conversation: &str| store.message_by_key(conversation, &apart.key).await.unwrap();
    assert_eq!(find("@#rust:libera:gw").await.unwrap().id, id);
    assert_eq!(find("@#rust:oftc:gw").await.unwrap().id, other);
    assert_eq!(find("@#other:oftc:gw").await, None);
}

pub(crate) async fn an_id_is_its_author_s_own(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 0..300 {
        let message = NewMessage { author: format!("@p{n}:gw"), origin_id: "1".into(), ..said(n) };
        ids.push(put(&*store, message, &[]).await);
    }
    for (n, id) in ids.into_iter().enumerate() {
        let message = store.message_by_origin("@#rust:libera:gw", &format!("@p{n}:gw"), "1").await.unwrap();
        assert_eq!(message.unwrap().id, id);
    }
    assert_eq!(store.message_by_origin("@#rust:libera:gw", "@nobody:gw", "1").await.unwrap(), None);
    assert_eq!(store.message_by_origin("@#rust:oftc:gw", "@p1:gw", "1").await.unwrap(), None);
}

pub(crate) async fn a_repetition_moves_the_cursor(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for cursor in ["1", "2"] {
        let mut incoming = incoming(said(1), &[]);
        incoming.cursor = Some(("libera".into(), "at".into(), cursor.into()));
        store.accept(incoming).await.unwrap();
        assert_eq!(store.load("libera", "at").await.unwrap().as_deref(), Some(cursor));
    }
}

pub(crate) async fn the_hook_hears_of_every_delivery_once_and_in_order(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let lanes = [lane("@alice:gw", "@#rust:libera:gw"), lane("oftc", "@#rust:oftc:gw")];
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let (store, lanes) = (store.clone(), lanes.clone());
            tokio::spawn(async move { put(&*store, said(n), &lanes).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let heard = heard.all().await;
    assert_eq!(heard.len(), 400);
    assert!(heard.windows(2).all(|pair| pair[0].delivery < pair[1].delivery));
    let waiting = all_pending(&*store).await;
    let mut told: Vec<_> =
        heard.iter().map(|fresh| (fresh.lane.clone(), fresh.delivery, fresh.message.key.clone())).collect();
    told.sort();
    assert_eq!(told, waiting);
}

pub(crate) async fn ids_given_at_a_place_find_the_message(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let id = put(&*store, said(1), &[lane("oftc", "@#rust:oftc:gw"), lane("@alice:gw", "@#rust:libera:gw")]).await;
    let deliveries = heard.deliveries().await;
    store.done(deliveries[0], vec!["b".into(), "a".into()]).await.unwrap();
    store.done(deliveries[1], vec![]).await.unwrap();
    store.done(deliveries[1], vec!["late".into()]).await.unwrap();

    let store = fixture.reopen(store).await;
    assert_eq!(store.ids_at(id, "@#rust:oftc:gw").await.unwrap(), ["b", "a"]);
    assert!(store.ids_at(id, "@alice:gw").await.unwrap().is_empty());
    let at = async |place: &str, name: &str| store.message_at(place, name).await.unwrap().map(|found| found.id);
    assert_eq!(at("@#rust:oftc:gw", "a").await, Some(id));
    assert_eq!(at("@#rust:libera:gw", "irc-1").await, Some(id));
    // What another place calls by the same id is another message.
    assert_eq!(at("@#rust:libera:gw", "a").await, None);
    assert_eq!(at("@#rust:oftc:gw", "irc-1").await, None);
}

pub(crate) async fn several_messages_and_records_go_together_in_their_order(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let lanes = [lane("@alice:gw", "@#rust:libera:gw")];
    let known = put(&*store, said(0), &lanes).await;
    let mut several: Vec<_> = [0, 1, 2, 1].into_iter().map(|n| incoming(said(n), &lanes)).collect();
    several[2].cursor = Some(("libera".into(), "at".into(), "2".into()));
    let journalled = store.accept_all(several).await.unwrap();
    assert_eq!(journalled[0], Journalled::Known { id: known });
    let (Journalled::New { id: first }, Journalled::New { id: second }) = (&journalled[1], &journalled[2]) else {
        panic!("new messages were known: {journalled:?}");
    };
    assert!(known < *first && first < second);
    assert_eq!(journalled[3], Journalled::Known { id: *first });
    assert_eq!(store.load("libera", "at").await.unwrap().as_deref(), Some("2"));

    let fresh = heard.all().await;
    assert_eq!(fresh.iter().map(|fresh| fresh.message_id).collect::<Vec<_>>(), [known, *first, *second]);
    let deliveries: Vec<i64> = fresh.iter().map(|fresh| fresh.delivery).collect();
    store.done_all(&deliveries[..2]).await.unwrap();
    store.done_all(&deliveries[..1]).await.unwrap();
    assert_eq!(
        all_pending(&*store).await.iter().map(|(_, delivery, _)| *delivery).collect::<Vec<_>>(),
        deliveries[2..]
    );
}

pub(crate) async fn a_deferred_delivery_keeps_its_place(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let lanes = [lane("oftc", "@#rust:oftc:gw")];
    put(&*store, said(1), &lanes).await;
    put(&*store, said(2), &lanes).await;
    let Committed { delivery, lane_id, .. } = heard.first().await;
    store.defer(delivery, 77, "no route".into()).await.unwrap();
    store.defer(delivery, 99, "still none".into()).await.unwrap();
    store.defer(123_456, 99, "unknown".into()).await.unwrap();
    let pending = store.pending(lane_id, 0, 10).await.unwrap();
    assert_eq!((pending[0].delivery, pending[0].attempts, pending[0].not_before), (delivery, 2, 99));
    assert_eq!(pending[1].attempts, 0);
    let waiting = store.waiting(0, 10).await.unwrap();
    assert_eq!(waiting[0].error.as_deref(), Some("still none"));
    assert_eq!((&waiting[0].lane, waiting[0].message_key.as_str()), (&lanes[0], said(1).key.as_str()));
    assert_eq!(store.waiting(delivery, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_failed_delivery_is_a_dead_letter_and_its_sender_is_told_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    put(&*store, said(1), &[lane("oftc", "@#rust:oftc:gw")]).await;
    let delivery = heard.first().await.delivery;
    let back = lane("libera", "@bob:libera:gw");
    fixture.set_time(9000);
    for _ in 0..2 {
        let notice = incoming(said(2), std::slice::from_ref(&back));
        store.fail(delivery, "banned".into(), Some(notice)).await.unwrap();
    }
    store.fail(987, "unknown".into(), Some(incoming(said(3), &[]))).await.unwrap();

    assert_eq!(heard.all().await.len(), 2);

    let store = fixture.reopen(store).await;
    let dead = store.dead_letters(None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].id, dead[0].error.as_str(), dead[0].at), (delivery, "banned", 9000));
    assert_eq!((dead[0].message_key.clone(), dead[0].author.clone()), (said(1).key, said(1).author));
    assert!(store.dead_letters(Some(delivery), 10).await.unwrap().is_empty());
    let waiting = all_pending(&*store).await;
    assert_eq!(waiting.iter().map(|(lane, _, key)| (lane, key)).collect::<Vec<_>>(), [(&back, &said(2).key)]);
    assert_eq!(store.message_by_key(&said(3).conversation, &said(3).key).await.unwrap(), None);
}

pub(crate) async fn a_waiting_delivery_can_be_made_due_or_dropped(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let there = lane("oftc", "@#rust:oftc:gw");
    put(&*store, said(1), std::slice::from_ref(&there)).await;
    let Committed { delivery, lane_id, .. } = heard.first().await;
    store.defer(delivery, i64::MAX, "later".into()).await.unwrap();
    assert_eq!(store.retry_now(delivery).await.unwrap(), (lane_id, there.clone()));
    assert_eq!(store.pending(lane_id, 0, 1).await.unwrap()[0].not_before, 0);
    assert_eq!(store.drop_delivery(delivery).await.unwrap(), (lane_id, there));
    assert!(matches!(store.drop_delivery(delivery).await, Err(StoreError::Missing(_))));
    assert!(matches!(store.retry_now(delivery).await, Err(StoreError::Missing(_))));
    assert!(store.lanes(0, 10).await.unwrap().is_empty());
}

pub(crate) async fn numbers_are_never_used_again(fixture: &impl Fixture) {
    let mut store = fixture.open().await;
    fixture.set_time(1);
    let mut seen = HashSet::new();
    for n in 0..4 {
        let heard = listen(&store);
        let id = put(&*store, said(n), &[lane("oftc", "@#rust:oftc:gw")]).await;
        let delivery = heard.first().await.delivery;
        assert!(seen.insert((id, delivery)), "{id} and {delivery} came twice");
        assert!(seen.iter().all(|(old, before)| *old <= id && *before <= delivery));
        store.drop_delivery(delivery).await.unwrap();
        assert_eq!(store.prune(2, 10).await.unwrap(), 1);
        store = fixture.reopen(store).await;
    }
}

pub(crate) async fn history_goes_back_from_any_message(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(put(&*store, said(n), &[]).await);
        put(&*store, NewMessage { conversation: "link:1".into(), origin_id: format!("x{n}"), ..said(n) }, &[]).await;
    }
    let numbers = async |before: Option<i64>, limit: usize| {
        let found = store.history("@#rust:libera:gw", before, limit).await.unwrap();
        found.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 2).await, [ids[5], ids[4]]);
    assert_eq!(numbers(Some(ids[4]), 2).await, [ids[3], ids[2]]);
    assert_eq!(numbers(Some(ids[1]), 9).await, [ids[0]]);
    assert!(store.history("@nowhere:gw", None, 9).await.unwrap().is_empty());
}

pub(crate) async fn conversations_come_newest_first(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let in_room = |name: &str, n| NewMessage { conversation: name.into(), ..said(n) };
    for (n, name) in ["a", "b", "a", "c", "a"].into_iter().enumerate() {
        put(&*store, in_room(name, n), &[]).await;
    }
    let all = store.conversations(None, 10).await.unwrap();
    assert_eq!(all.iter().map(|newest| &*newest.message.conversation).collect::<Vec<_>>(), ["a", "c", "b"]);
    assert_eq!(*all[0].message, in_room("a", 4));
    let rest = store.conversations(Some(all[0].id), 1).await.unwrap();
    assert_eq!(rest, all[1..2]);
}

pub(crate) async fn somebodys_conversations_are_those_with_one_other(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let names = [
        "@al:gw @alice:gw",
        "@alice:gw @bob:gw",
        "@alice:gw @bob:gw",
        "@alice:gw.org @bob:gw",
        "@alice:gw",
        "@malice:gw @zoe:gw",
        "@alice%25:gw @bob:gw",
        "link:1",
    ];
    for (n, name) in names.into_iter().enumerate() {
        put(&*store, NewMessage { conversation: name.into(), ..said(n) }, &[]).await;
    }
    let with = async |address: &str| {
        let mut found = store.conversations_with(address).await.unwrap();
        found.sort_by_key(|message| message.id);
        found.into_iter().map(|message| message.message.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(with("@alice:gw").await, [said(0).key, said(2).key]);
    assert_eq!(with("@bob:gw").await, [said(2).key, said(3).key, said(6).key]);
    assert_eq!(with("@nobody:gw").await, Vec::<String>::new());
    assert_eq!(with("%").await, Vec::<String>::new());
}

pub(crate) async fn old_messages_go_unless_something_waits_for_them(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let heard = listen(&store);
    let mut ids = Vec::new();
    for n in 0..200 {
        fixture.set_time(if n < 150 { 1000 } else { 3000 });
        let lanes = if n % 3 == 0 { vec![lane("oftc", "@#rust:oftc:gw")] } else { vec![] };
        ids.push(put(&*store, said(n), &lanes).await);
    }
    fixture.set_time(1000);
    store.remember_answer("@a:gw", "@b:gw", "1", "{}").await.unwrap();
    let first = heard.first().await.delivery;
    store.fail(first, "no".into(), None).await.unwrap();
    fixture.set_time(3000);

    let mut removed = 0;
    loop {
        let step = store.prune(2000, 70).await.unwrap();
        removed += step;
        if step < 70 {
            break;
        }
    }
    // 150 old messages of which 50 waited, the first one no longer; an answer; a dead letter.
    assert_eq!(removed, 101 + 2);
    assert_eq!(store.answer("@a:gw", "@b:gw", "1").await.unwrap(), None);
    assert!(store.dead_letters(None, 9).await.unwrap().is_empty());
    let store = fixture.reopen(store).await;
    for (n, id) in ids.into_iter().enumerate() {
        let kept = n >= 150 || (n % 3 == 0 && n > 0);
        let message = store.message_by_key(&said(n).conversation, &said(n).key).await.unwrap();
        assert_eq!(message.map(|found| found.id), kept.then_some(id), "message {n}");
    }
    // What is forgotten may come again.
    put(&*store, said(1), &[]).await;
}

pub(crate) async fn a_lane_that_was_forgotten_works_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    fixture.set_time(1);
    let heard = listen(&store);
    let (used, idle) = (lane("oftc", "@#rust:oftc:gw"), lane("@alice:gw", "@#rust:libera:gw"));
    put(&*store, said(1), &[used.clone(), idle.clone()]).await;
    let [first, second] = heard.take().await[..] else { panic!("two deliveries were made") };
    store.done(second, vec![]).await.unwrap();
    for _ in 0..3 {
        store.prune(0, 10).await.unwrap();
    }
    put(&*store, said(2), &[used.clone(), idle.clone()]).await;
    let waiting: Vec<_> = all_pending(&*store).await.into_iter().map(|(lane, _, key)| (lane, key)).collect();
    let [one, two] = [1, 2].map(|n| said(n).key);
    assert_eq!(waiting, [(idle, two.clone()), (used.clone(), one), (used, two)]);
    assert_eq!(store.retry_now(first).await.unwrap().1.to, "oftc");
}

pub(crate) async fn two_processes_see_each_other_s_messages(fixture: &impl Fixture) {
    let stores = [fixture.open().await, fixture.open().await];
    for n in 0..120 {
        let (one, other) = (&stores[n % 2], &stores[(n + 1) % 2]);
        let id = put(&**one, said(n), &[lane("oftc", "@#rust:oftc:gw")]).await;
        for store in [one, other] {
            let again = store.accept(incoming(said(n), &[])).await.unwrap();
            assert_eq!(again, Journalled::Known { id }, "message {n}");
            let found = store.message_by_key(&said(n).conversation, &said(n).key).await.unwrap();
            assert_eq!(found.map(|found| found.id), Some(id));
        }
        let newest = other.history("@#rust:libera:gw", None, 3).await.unwrap();
        assert_eq!((newest.len(), newest[0].id), (3.min(n + 1), id));
        assert_eq!(other.conversations(None, 9).await.unwrap()[0].id, id);
    }
    assert_eq!(all_pending(&*stores[1]).await.len(), 120);
}

pub(crate) async fn pages_of_lanes_and_deliveries_follow_on_each_other(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for n in 0..30 {
        put(&*store, said(n), &[lane(&format!("@p{}:gw", n % 10), "@#rust:libera:gw")]).await;
    }
    let (mut lanes, mut after) = (Vec::new(), 0);
    loop {
        let page = store.lanes(after, 4).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        lanes.extend(page);
    }
    assert_eq!(lanes.len(), 10);
    for (id, _) in lanes {
        let first = store.pending(id, 0, 2).await.unwrap();
        assert_eq!(first.len(), 2);
        let second = store.pending(id, first[1].delivery, 2).await.unwrap();
        assert_eq!(second.len(), 1);
    }
}

pub(crate) async fn figures_tell_what_is_there(fixture: &impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.stats().await.unwrap(), crate::store::Stats::default());
    let heard = listen(&store);
    for n in 0..4 {
        fixture.set_time(1000 + i64::try_from(n).unwrap());
        put(&*store, said(n), &[lane("oftc", "@#rust:oftc:gw")]).await;
    }
    let deliveries = heard.deliveries().await;
    store.done(deliveries[0], vec![]).await.unwrap();
    store.fail(deliveries[1], "no".into(), None).await.unwrap();
    for store in [store.clone(), fixture.reopen(store).await] {
        if let Ok(stats) = store.stats().await {
            assert_eq!((stats.messages, stats.waiting, stats.dead, stats.oldest_waiting), (4, 2, 1, 1002));
        }
    }
}

pub(crate) async fn many_callers_at_once_each_get_their_own_answer(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                if n % 4 == 3 {
                    // Refused in the middle of a transaction of many.
                    assert!(matches!(store.retry_now(1_000_000).await, Err(StoreError::Missing(_))));
                    return;
                }
                let id = put(&*store, said(n), &[]).await;
                let found = store.message_by_key(&said(n).conversation, &said(n).key).await.unwrap().unwrap();
                assert_eq!((found.id, found.message), (id, Arc::new(said(n))));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
