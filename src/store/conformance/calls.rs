//! Calls.

use super::Fixture;
use crate::store::CallRow;

fn call(id: &str) -> CallRow {
    CallRow {
        id: id.into(),
        caller: "@alice:gw".into(),
        caller_name: "Alice".into(),
        callee: "@bob:gw".into(),
        callee_name: "Bob".into(),
        wire: format!("wire-{id}"),
        media: "voice".into(),
        began: 100,
        ..CallRow::default()
    }
}

fn over(id: &str, ended: i64) -> CallRow {
    CallRow { ended: Some(ended), outcome: Some("missed".into()), ..call(id) }
}

pub(crate) async fn a_call_is_written_again_until_it_is_over(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.put_call(call("one")).await.unwrap();
    let store = fixture.reopen(store).await;
    assert_eq!(store.calls_going_on().await.unwrap(), [CallRow { number: 1, ..call("one") }]);
    let answered = CallRow { answered: Some(200), video: true, ..call("one") };
    store.put_call(answered.clone()).await.unwrap();
    assert_eq!(store.calls_going_on().await.unwrap(), [CallRow { number: 1, ..answered.clone() }]);
    let ended = CallRow { ended: Some(300), outcome: Some("answered".into()), ..answered };
    store.put_call(ended.clone()).await.unwrap();
    assert!(store.calls_going_on().await.unwrap().is_empty());
    store.put_call(over("one", 400)).await.unwrap();
    assert_eq!(store.calls(None, 9).await.unwrap(), [CallRow { number: 1, ..ended }], "it is over");
}

pub(crate) async fn calls_come_newest_first_in_pages(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for id in ["one", "two", "three"] {
        store.put_call(call(id)).await.unwrap();
    }
    let page = store.calls(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|call| &*call.id).collect::<Vec<_>>(), ["three", "two"]);
    let page = store.calls(Some(page[1].number), 2).await.unwrap();
    assert_eq!(page.iter().map(|call| &*call.id).collect::<Vec<_>>(), ["one"]);
}

pub(crate) async fn old_calls_go_and_those_that_go_on_stay(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for row in [over("old", 10), over("new", 20), call("going on")] {
        store.put_call(row).await.unwrap();
    }
    assert_eq!(store.prune(15, 100).await.unwrap(), 1);
    let left = store.calls(None, 9).await.unwrap();
    assert_eq!(left.iter().map(|call| &*call.id).collect::<Vec<_>>(), ["going on", "new"]);
}
