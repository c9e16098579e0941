//! Random sequences of operations against a model in memory.

use super::{Fixture, Heard, incoming, lane, listen, said};
use crate::store::{Journalled, Lane, NewMessage, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

/// So many sequences are tried, each of up to so many operations.
const SEQUENCES: usize = 12;
const LENGTH: usize = 120;

#[derive(Debug, Clone)]
enum Step {
    /// Accept: author, id, key, conversation, lanes; all out of a few, so that they meet again.
    Accept(u8, u8, u8, u8, BTreeSet<u8>),
    /// What follows names the n-th of the deliveries that there ever were.
    Done(usize, bool),
    Defer(usize, i64),
    Fail(usize, Option<u8>),
    Retry(usize),
    Drop(usize),
    Prune(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let some = 0_u8..5;
    prop_oneof![
        6 => (some.clone(), some.clone(), 0_u8..40, 0_u8..2, prop::collection::btree_set(0_u8..4, 0..4))
            .prop_map(|(author, id, key, conversation, lanes)| Step::Accept(author, id, key, conversation, lanes)),
        4 => (0_usize..60, any::<bool>()).prop_map(|(n, ids)| Step::Done(n, ids)),
        2 => (0_usize..60, 0_i64..100).prop_map(|(n, at)| Step::Defer(n, at)),
        2 => (0_usize..60, prop::option::of(40_u8..80)).prop_map(|(n, notice)| Step::Fail(n, notice)),
        1 => (0_usize..60).prop_map(Step::Retry),
        1 => (0_usize..60).prop_map(Step::Drop),
        1 => (0_i64..200).prop_map(Step::Prune),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Waits {
    lane: Lane,
    message: i64,
    attempts: u32,
    not_before: i64,
}

#[derive(Default)]
struct Model {
    messages: BTreeMap<i64, (NewMessage, i64)>,
    waiting: BTreeMap<i64, Waits>,
    /// The numbers of all deliveries there ever were.
    deliveries: Vec<i64>,
    given: BTreeMap<(i64, String), Vec<String>>,
    dead: BTreeMap<i64, String>,
}

impl Model {
    fn known(&self, new: &NewMessage) -> Option<i64> {
        let same_origin =
            |old: &NewMessage| (&old.venue, &old.author, &old.origin_id) == (&new.venue, &new.author, &new.origin_id);
        let same_key = |old: &NewMessage| (&old.conversation, &old.key) == (&new.conversation, &new.key);
        let by = |same: &dyn Fn(&NewMessage) -> bool| {
            self.messages.iter().find(|(_, (old, _))| same(old)).map(|(id, _)| *id)
        };
        by(&same_origin).or_else(|| by(&same_key))
    }

    fn delivery(&self, n: usize) -> i64 {
        self.deliveries.get(n).copied().unwrap_or(1_000_000)
    }

    fn accepted(&mut self, new: NewMessage, lanes: &[Lane], id: i64, now: i64, numbers: Vec<i64>) {
        assert_eq!(numbers.len(), lanes.len());
        self.messages.insert(id, (new, now));
        for (lane, number) in lanes.iter().zip(numbers) {
            assert!(self.deliveries.last() < Some(&number));
            self.deliveries.push(number);
            self.waiting.insert(number, Waits { lane: lane.clone(), message: id, attempts: 0, not_before: 0 });
        }
    }

    fn prune(&mut self, before: i64) {
        let needed: BTreeSet<i64> = self.waiting.values().map(|waits| waits.message).collect();
        // The store stops at the first message that is young enough; time only grows here.
        self.messages.retain(|id, (_, at)| *at >= before || needed.contains(id));
        let messages = &self.messages;
        self.given.retain(|(id, _), _| messages.contains_key(id));
    }
}

fn message(author: u8, id: u8, key: u8, conversation: u8) -> NewMessage {
    NewMessage {
        author: format!("@p{author}:gw"),
        origin_id: id.to_string(),
        conversation: format!("link:{conversation}"),
        ..said(usize::from(key))
    }
}

fn some_lane(n: u8) -> Lane {
    if n < 2 { lane(&format!("@p{n}:gw"), "@#rust:libera:gw") } else { lane("oftc", &format!("@#r{n}:oftc:gw")) }
}

pub(crate) async fn any_sequence_of_operations_looks_like_the_model(fixture: &impl Fixture) {
    let mut runner = TestRunner::default();
    let strategy = prop::collection::vec(step(), 1..LENGTH);
    let mut store = fixture.open().await;
    let mut heard = listen(&store);
    let mut model = Model::default();
    let mut now = 0;
    // One store all along: each sequence starts from what the one before left.
    for _ in 0..SEQUENCES {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        for (n, step) in steps.iter().enumerate() {
            now += 1;
            fixture.set_time(now);
            if matches!(step, Step::Reopen) {
                drop(heard);
                store = fixture.reopen(store).await;
                heard = listen(&store);
            } else {
                take((&*store, &heard), &mut model, step, now).await;
            }
            if n % 10 == 0 || n + 1 == steps.len() {
                compare(&*store, &model, &steps[..=n]).await;
            }
        }
    }
}

async fn take((store, heard): (&dyn Store, &Heard), model: &mut Model, step: &Step, now: i64) {
    match step {
        Step::Accept(author, id, key, conversation, lanes) => {
            let new = message(*author, *id, *key, *conversation);
            let lanes: Vec<Lane> = lanes.iter().copied().map(some_lane).collect();
            match (store.accept(incoming(new.clone(), &lanes)).await.unwrap(), model.known(&new)) {
                (Journalled::Known { id }, Some(known)) => assert_eq!(id, known),
                (Journalled::New { id }, None) => model.accepted(new, &lanes, id, now, heard.take().await),
                (got, known) => panic!("{got:?}, but the model has {known:?} for {new:?}"),
            }
        }
        Step::Done(n, with_ids) => {
            let delivery = model.delivery(*n);
            let ids: Vec<String> = if *with_ids { vec![format!("x{delivery}"), "y".into()] } else { vec![] };
            store.done(delivery, ids.clone()).await.unwrap();
            if let Some(waits) = model.waiting.remove(&delivery)
                && *with_ids
            {
                model.given.entry((waits.message, waits.lane.place().to_owned())).or_default().extend(ids);
            }
        }
        Step::Defer(n, not_before) => {
            let delivery = model.delivery(*n);
            store.defer(delivery, *not_before, "later".into()).await.unwrap();
            if let Some(waits) = model.waiting.get_mut(&delivery) {
                waits.attempts += 1;
                waits.not_before = *not_before;
            }
        }
        Step::Fail(n, notice) => {
            let delivery = model.delivery(*n);
            let new = notice.map(|key| message(9, key, key, 0));
            let back = [some_lane(0)];
            store.fail(delivery, "never".into(), new.clone().map(|new| incoming(new, &back))).await.unwrap();
            if model.waiting.remove(&delivery).is_some() {
                model.dead.insert(delivery, "never".into());
                if let Some(new) = new.filter(|new| model.known(new).is_none()) {
                    let found = store.message_by_key(&new.conversation, &new.key).await.unwrap().unwrap();
                    model.accepted(new, &back, found.id, now, heard.take().await);
                }
            }
        }
        Step::Retry(n) => {
            let delivery = model.delivery(*n);
            let lane = store.retry_now(delivery).await.ok().map(|(_, lane)| lane);
            let waits = model.waiting.get_mut(&delivery);
            assert_eq!(lane.as_ref(), waits.as_ref().map(|waits| &waits.lane));
            if let Some(waits) = waits {
                waits.not_before = 0;
            }
        }
        Step::Drop(n) => {
            let delivery = model.delivery(*n);
            let lane = store.drop_delivery(delivery).await.ok().map(|(_, lane)| lane);
            assert_eq!(lane, model.waiting.remove(&delivery).map(|waits| waits.lane));
        }
        Step::Prune(age) => {
            store.prune(now - age, 100_000).await.unwrap();
            model.prune(now - age);
            // Dead letters go by the same measure; the model knows no times for them.
            let left: BTreeSet<i64> =
                store.dead_letters(None, 100_000).await.unwrap().into_iter().map(|dead| dead.id).collect();
            model.dead.retain(|id, _| left.contains(id));
        }
        Step::Reopen => {}
    }
}

/// Everything that can be seen of the store is what the model says.
async fn compare(store: &dyn Store, model: &Model, steps: &[Step]) {
    let mut waiting = BTreeMap::new();
    for (id, lane) in store.lanes(0, 1000).await.unwrap() {
        for pending in store.pending(id, 0, 100_000).await.unwrap() {
            assert_eq!(*pending.message, model.messages[&pending.message_id].0);
            let (message, attempts, not_before) = (pending.message_id, pending.attempts, pending.not_before);
            waiting.insert(pending.delivery, Waits { lane: lane.clone(), message, attempts, not_before });
        }
    }
    assert_eq!(waiting, model.waiting, "after {steps:?}");
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.waiting, model.waiting.len() as u64);
    assert_eq!(stats.messages, model.messages.len() as u64);
    assert_eq!(stats.dead, model.dead.len() as u64);
    for (id, (message, _)) in &model.messages {
        let NewMessage { venue, author, origin_id, conversation, key, .. } = message;
        let found = [
            store.message_by_origin(venue, author, origin_id).await.unwrap(),
            store.message_by_key(conversation, key).await.unwrap(),
        ];
        assert!(found.iter().all(|found| found.as_ref().is_some_and(|found| found.id == *id)), "after {steps:?}");
    }
    for ((message, place), ids) in &model.given {
        assert_eq!(&store.ids_at(*message, place).await.unwrap(), ids);
        assert!(store.message_at(place, &ids[0]).await.unwrap().is_some_and(|found| found.id == *message));
    }
    let dead: BTreeMap<i64, String> =
        store.dead_letters(None, 100_000).await.unwrap().into_iter().map(|dead| (dead.id, dead.error)).collect();
    assert_eq!(dead, model.dead);
}
