//! The suite that every implementation of [`Store`] passes. `suite!(fixture)` makes a test of each
//! of its functions; a fixture keeps one empty store and opens it as often as asked.

pub(crate) mod calls;
pub(crate) mod directory;
pub(crate) mod journal;
pub(crate) mod model;

use super::{CommitHook, Committed, Incoming, Journalled, Lane, NewMessage, Store};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;

/// One store, empty at first.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// Opens the store; as another process would, if it is open already.
    async fn open(&self) -> Arc<dyn Store>;

    /// Sets the clock of everything that [`Fixture::open`] gave (ms since the epoch).
    fn set_time(&self, now: i64);

    /// Closes a store and opens it again.
    async fn reopen(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await;
        drop(store);
        self.open().await
    }
}

/// Makes tests of the suite, in the module where it is used.
macro_rules! suite {
    ($fixture:expr) => {
        $crate::store::conformance::suite! { @ $fixture;
            journal::{
                a_message_waits_in_each_of_its_lanes_in_order,
                the_same_origin_is_a_repetition_even_after_it_was_delivered,
                the_same_key_is_a_repetition_within_its_conversation_only,
                an_id_is_its_author_s_own,
                a_repetition_moves_the_cursor,
                the_hook_hears_of_every_delivery_once_and_in_order,
                ids_given_at_a_place_find_the_message,
                several_messages_and_records_go_together_in_their_order,
                a_deferred_delivery_keeps_its_place,
                a_failed_delivery_is_a_dead_letter_and_its_sender_is_told_once,
                a_waiting_delivery_can_be_made_due_or_dropped,
                numbers_are_never_used_again,
                history_goes_back_from_any_message,
                conversations_come_newest_first,
                somebodys_conversations_are_those_with_one_other,
                old_messages_go_unless_something_waits_for_them,
                a_lane_that_was_forgotten_works_again,
                two_processes_see_each_other_s_messages,
                pages_of_lanes_and_deliveries_follow_on_each_other,
                figures_tell_what_is_there,
                many_callers_at_once_each_get_their_own_answer,
            }
            directory::{
                an_account_s_name_is_taken_once,
                tokens_speak_for_their_account_until_revoked,
                a_removed_account_leaves_nothing_behind,
                a_relation_is_one_per_account_and_place,
                a_link_grows_and_refuses_to_swallow_another,
                a_link_loses_an_end_and_ends_with_the_last_but_one,
                the_number_of_a_link_is_never_used_again,
                an_address_stands_for_one_remote_id,
                mappings_come_in_pages,
                values_are_found_by_prefix,
                the_first_answer_stays,
                another_process_s_change_shows_in_the_revision_and_one_s_own_does_not,
            }
            calls::{
                a_call_is_written_again_until_it_is_over,
                calls_come_newest_first_in_pages,
                old_calls_go_and_those_that_go_on_stay,
            }
            model::{
                any_sequence_of_operations_looks_like_the_model,
            }
        }
    };
    (@ $fixture:expr; $($module:ident :: { $($test:ident,)+ })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::store::conformance::$module::$test(&$fixture).await;
            }
        )+)+
    };
}
pub(crate) use suite;

/// A room on IRC, said by `bob` there.
fn said(n: usize) -> NewMessage {
    NewMessage {
        key: format!("mg-{n:026}"),
        conversation: "@#rust:libera:gw".into(),
        venue: "@#rust:libera:gw".into(),
        author: "@bob:libera:gw".into(),
        author_name: "bob".into(),
        origin_id: format!("irc-{n}"),
        excerpt: format!("message {n}"),
        body: format!("{{\"n\":{n}}}").into_bytes(),
        at: 1000,
    }
}

fn lane(to: &str, via: &str) -> Lane {
    Lane { to: to.into(), via: via.into() }
}

fn incoming(message: NewMessage, lanes: &[Lane]) -> Incoming {
    Incoming { message: Arc::new(message), lanes: lanes.to_vec(), cursor: None }
}

/// Accepts what has to be new.
async fn put(store: &dyn Store, message: NewMessage, lanes: &[Lane]) -> i64 {
    match store.accept(incoming(message, lanes)).await.unwrap() {
        Journalled::New { id } => id,
        Journalled::Known { id } => panic!("message {id} was there before"),
    }
}

/// What the commit hook was told.
struct Heard {
    store: Arc<dyn Store>,
    fresh: Arc<Mutex<Vec<Committed>>>,
}

impl Heard {
    /// Everything up to now.
    async fn all(&self) -> Vec<Committed> {
        // The hook is called before the next thing is written.
        self.store.save("test", "nothing", None).await.unwrap();
        self.fresh.lock().clone()
    }

    async fn first(&self) -> Committed {
        self.all().await.swap_remove(0)
    }

    /// The numbers of those since the last call.
    async fn take(&self) -> Vec<i64> {
        let fresh = self.all().await;
        self.fresh.lock().clear();
        fresh.into_iter().map(|fresh| fresh.delivery).collect()
    }

    async fn deliveries(&self) -> Vec<i64> {
        self.all().await.iter().map(|fresh| fresh.delivery).collect()
    }
}

fn listen(store: &Arc<dyn Store>) -> Heard {
    let fresh = Arc::new(Mutex::new(Vec::new()));
    let ears = fresh.clone();
    let hook: CommitHook = Arc::new(move |more: &[Committed]| ears.lock().extend_from_slice(more));
    store.on_commit(hook);
    Heard { store: store.clone(), fresh }
}

/// All that waits, as (lane, delivery, message key), by lane.
async fn all_pending(store: &dyn Store) -> Vec<(Lane, i64, String)> {
    let mut all = Vec::new();
    for (id, lane) in store.lanes(0, 10_000).await.unwrap() {
        for pending in store.pending(id, 0, 10_000).await.unwrap() {
            all.push((lane.clone(), pending.delivery, pending.message.key.clone()));
        }
    }
    all.sort();
    all
}
