//! Accounts, tokens, relations, links, mappings, values, answers.

use super::{Fixture, all_pending, lane, put, said};
use crate::store::{Account, AccountKind, LinkEnd, Mapping, Relation, RelationState, StoreError};

fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        kind: AccountKind::Person,
        nickname: Some("Alice".into()),
        picture: None,
        pass: None,
        created: 7,
    }
}

fn end(address: &str) -> LinkEnd {
    LinkEnd { address: address.into(), posting: None }
}

fn relation(account: &str, place: &str) -> Relation {
    Relation {
        account: account.into(),
        place: place.into(),
        state: RelationState::Accepted,
        pass: Some("key".into()),
        nickname: Some("Al".into()),
        since: 5,
    }
}

fn mapping(remote_id: &str, address: &str, alias: bool) -> Mapping {
    Mapping { bridge: "libera".into(), remote_id: remote_id.into(), address: address.into(), alias }
}

pub(crate) async fn an_account_s_name_is_taken_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.add_account(account("alice")).await.unwrap();
    assert!(matches!(store.add_account(account("alice")).await, Err(StoreError::Conflict(_))));
    // Names compare exactly.
    store.add_account(account("Alice")).await.unwrap();
    let changed = Account {
        nickname: None,
        picture: Some("http://gw/p".into()),
        pass: Some("x".into()),
        kind: AccountKind::Group,
        created: 9,
        ..account("alice")
    };
    store.update_account(changed.clone()).await.unwrap();
    assert!(matches!(store.update_account(account("nobody")).await, Err(StoreError::Missing(_))));
    let store = fixture.reopen(store).await;
    let kept = Account { kind: AccountKind::Person, created: 7, ..changed };
    assert_eq!(store.account("alice").await.unwrap(), Some(kept.clone()));
    assert_eq!(store.accounts().await.unwrap(), [account("Alice"), kept]);
    assert_eq!(store.account("bob").await.unwrap(), None);
}

pub(crate) async fn tokens_speak_for_their_account_until_revoked(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.add_account(account("alice")).await.unwrap();
    for hash in [[1; 32], [2; 32]] {
        store.add_token("alice", hash).await.unwrap();
    }
    assert!(matches!(store.add_token("nobody", [3; 32]).await, Err(StoreError::Missing(_))));
    assert_eq!(store.account_of_token([1; 32]).await.unwrap().as_deref(), Some("alice"));
    store.revoke_tokens("alice", Some([2; 32])).await.unwrap();
    assert_eq!(store.account_of_token([1; 32]).await.unwrap(), None);
    assert_eq!(store.account_of_token([2; 32]).await.unwrap().as_deref(), Some("alice"));
    let all = store.accounts_of_tokens(vec![[1; 32], [2; 32], [1; 32]]).await.unwrap();
    assert_eq!(all, [None, Some("alice".to_owned()), None]);
    store.revoke_tokens("alice", None).await.unwrap();
    assert_eq!(store.account_of_token([2; 32]).await.unwrap(), None);
}

pub(crate) async fn a_removed_account_leaves_nothing_behind(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.add_account(account("alice")).await.unwrap();
    store.add_account(account("bob")).await.unwrap();
    store.add_token("alice", [1; 32]).await.unwrap();
    store.set_relation(relation("@alice:gw", "@#rust:libera:gw")).await.unwrap();
    store.set_relation(relation("@bob:gw", "@alice:gw")).await.unwrap();
    store.set_relation(relation("@bob:gw", "@#rust:libera:gw")).await.unwrap();
    store.add_link(vec![end("@alice:gw"), end("@#a:libera:gw")]).await.unwrap();
    store.add_link(vec![end("@b:gw"), end("@#b:libera:gw"), end("@#b:oftc:gw")]).await.unwrap();
    store.remember_answer("@alice:gw", "@#rust:libera:gw", "1", "{}").await.unwrap();
    let bobs = lane("@bob:gw", "@#rust:libera:gw");
    put(&*store, said(1), &[lane("@alice:gw", "@#rust:libera:gw"), bobs.clone()]).await;

    store.remove_account("alice", "@alice:gw").await.unwrap();
    assert!(matches!(store.remove_account("alice", "@alice:gw").await, Err(StoreError::Missing(_))));

    assert_eq!(store.account("alice").await.unwrap(), None);
    assert_eq!(store.account_of_token([1; 32]).await.unwrap(), None);
    assert_eq!(store.relations().await.unwrap(), [relation("@bob:gw", "@#rust:libera:gw")]);
    assert_eq!(store.links().await.unwrap().iter().map(|link| link.ends.len()).collect::<Vec<_>>(), [3]);
    assert_eq!(store.answer("@alice:gw", "@#rust:libera:gw", "1").await.unwrap(), None);
    assert_eq!(all_pending(&*store).await.into_iter().map(|(lane, ..)| lane).collect::<Vec<_>>(), [bobs]);
    assert_eq!(store.stats().await.unwrap().waiting, 1);
}

pub(crate) async fn a_relation_is_one_per_account_and_place(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let asked = Relation { state: RelationState::Asked, pass: None, ..relation("@a:gw", "@b:gw") };
    store.set_relation(asked.clone()).await.unwrap();
    store.set_relation(relation("@a:gw", "@b:gw")).await.unwrap();
    let invited = Relation { state: RelationState::Invited, ..relation("@b:gw", "@a:gw") };
    store.set_relation(invited.clone()).await.unwrap();
    let store = fixture.reopen(store).await;
    assert_eq!(store.relations().await.unwrap(), [relation("@a:gw", "@b:gw"), invited.clone()]);
    store.remove_relation("@a:gw", "@b:gw").await.unwrap();
    store.remove_relation("@a:gw", "@b:gw").await.unwrap();
    assert_eq!(store.relations().await.unwrap(), [invited]);
}

pub(crate) async fn a_link_grows_and_refuses_to_swallow_another(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let first = store.add_link(vec![end("@a:gw"), end("@b:gw"), end("@a:gw")]).await.unwrap();
    assert_eq!(first.ends, [end("@a:gw"), end("@b:gw")]);
    let relayed = LinkEnd { posting: Some("relay".into()), ..end("@b:gw") };
    let grown = store.add_link(vec![end("@c:gw"), relayed.clone()]).await.unwrap();
    assert_eq!((grown.id, grown.ends.clone()), (first.id, vec![end("@a:gw"), relayed.clone(), end("@c:gw")]));
    // Saying nothing about how others appear changes nothing about it.
    assert_eq!(store.add_link(vec![end("@b:gw")]).await.unwrap(), grown);
    let other = store.add_link(vec![end("@x:gw"), end("@y:gw")]).await.unwrap();
    let refused = store.add_link(vec![end("@new:gw"), end("@c:gw"), end("@x:gw")]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    for alone in [vec![], vec![end("@z:gw")], vec![end("@z:gw"), end("@z:gw")]] {
        assert!(matches!(store.add_link(alone).await, Err(StoreError::Conflict(_))));
    }
    let store = fixture.reopen(store).await;
    assert_eq!(store.links().await.unwrap(), [grown, other]);
}

pub(crate) async fn a_link_loses_an_end_and_ends_with_the_last_but_one(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let link = store.add_link(vec![end("@a:gw"), end("@b:gw"), end("@c:gw")]).await.unwrap();
    store.remove_link_end("@b:gw").await.unwrap();
    assert!(matches!(store.remove_link_end("@b:gw").await, Err(StoreError::Missing(_))));
    let store = fixture.reopen(store).await;
    let left = store.links().await.unwrap();
    assert_eq!((left[0].id, &left[0].ends[..]), (link.id, &[end("@a:gw"), end("@c:gw")][..]));
    store.remove_link_end("@a:gw").await.unwrap();
    assert_eq!(store.links().await.unwrap(), []);
    assert!(matches!(store.remove_link_end("@c:gw").await, Err(StoreError::Missing(_))));
}

pub(crate) async fn the_number_of_a_link_is_never_used_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let first = store.add_link(vec![end("@a:gw"), end("@b:gw")]).await.unwrap();
    store.remove_link(first.id).await.unwrap();
    assert!(matches!(store.remove_link(first.id).await, Err(StoreError::Missing(_))));
    let store = fixture.reopen(store).await;
    let second = store.add_link(vec![end("@a:gw"), end("@c:gw")]).await.unwrap();
    assert!(second.id > first.id);
    assert_eq!(store.links().await.unwrap(), [second]);
}

pub(crate) async fn an_address_stands_for_one_remote_id(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.add_mapping(mapping("#rust", "@#rust:libera:gw", false)).await.unwrap();
    store.add_mapping(mapping("#rust", "@#rust:libera:gw", false)).await.unwrap();
    for alias in [false, true] {
        let second = store.add_mapping(mapping("#RUST", "@#rust:libera:gw", alias)).await;
        assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    }
    store.add_mapping(mapping("#rust", "@crab:libera:gw", true)).await.unwrap();
    // That a bridge meets it does not make an alias less of one.
    store.add_mapping(mapping("#rust", "@crab:libera:gw", false)).await.unwrap();
    let elsewhere = Mapping { bridge: "oftc".into(), ..mapping("#other", "@#rust:libera:gw", false) };
    store.add_mapping(elsewhere).await.unwrap();

    let store = fixture.reopen(store).await;
    let id = async |address: &str| store.mapped_id("libera", address).await.unwrap();
    assert_eq!(id("@#rust:libera:gw").await.as_deref(), Some("#rust"));
    assert_eq!(id("@crab:libera:gw").await.as_deref(), Some("#rust"));
    assert_eq!(id("@unknown:libera:gw").await, None);
    assert_eq!(store.aliases().await.unwrap(), [mapping("#rust", "@crab:libera:gw", true)]);
    let refused = store.remove_mapping("libera", "@#rust:libera:gw").await;
    assert!(matches!(refused, Err(StoreError::Missing(_))), "{refused:?}");
    store.remove_mapping("libera", "@crab:libera:gw").await.unwrap();
    assert_eq!(id("@crab:libera:gw").await, None);
    store.add_mapping(mapping("#python", "@crab:libera:gw", false)).await.unwrap();
    assert_eq!(id("@crab:libera:gw").await.as_deref(), Some("#python"));
}

pub(crate) async fn mappings_come_in_pages(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for n in 0..5 {
        store.add_mapping(mapping(&format!("#{n}"), &format!("@#{n}:libera:gw"), n == 3)).await.unwrap();
    }
    let other = Mapping { bridge: "oftc".into(), ..mapping("#2", "@#2:oftc:gw", false) };
    store.add_mapping(other.clone()).await.unwrap();
    let first = store.mappings(Some("libera"), "", 3).await.unwrap();
    let rest = store.mappings(Some("libera"), &first[2].address, 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert!(rest[0].alias);
    let all = store.mappings(None, "", 10).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.contains(&other));
}

pub(crate) async fn values_are_found_by_prefix(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for key in ["a", "cursor:b", "cursor:", "cursor:%", "cursor:ä", "cursos", "d"] {
        store.save("libera", key, Some(key)).await.unwrap();
    }
    store.save("oftc", "cursor:b", Some("not mine")).await.unwrap();
    store.save("libera", "a", None).await.unwrap();
    store.save("libera", "d", Some("new")).await.unwrap();
    let store = fixture.reopen(store).await;
    assert_eq!(store.load("libera", "a").await.unwrap(), None);
    assert_eq!(store.load("libera", "d").await.unwrap().as_deref(), Some("new"));
    let found = store.load_all("libera", "cursor:").await.unwrap();
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["cursor:", "cursor:%", "cursor:b", "cursor:ä"]);
    assert_eq!(store.load_all("libera", "").await.unwrap().len(), 6);
}

pub(crate) async fn the_first_answer_stays(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for answer in ["first", "second"] {
        store.remember_answer("@a:gw", "@b:gw", "1", answer).await.unwrap();
    }
    let store = fixture.reopen(store).await;
    assert_eq!(store.answer("@a:gw", "@b:gw", "1").await.unwrap().as_deref(), Some("first"));
    assert_eq!(store.answer("@a:gw", "@b:gw", "2").await.unwrap(), None);
    assert_eq!(store.answer("@b:gw", "@a:gw", "1").await.unwrap(), None);
}

pub(crate) async fn another_process_s_change_shows_in_the_revision_and_one_s_own_does_not(fixture: &impl Fixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    ours.add_mapping(mapping("#rust", "@crab:libera:gw", true)).await.unwrap();
    let before = ours.revision().await.unwrap();
    put(&*ours, said(1), &[]).await;
    ours.stats().await.unwrap();
    assert_eq!(ours.revision().await.unwrap(), before);

    theirs.remove_mapping("libera", "@crab:libera:gw").await.unwrap();
    theirs.add_account(account("alice")).await.unwrap();
    put(&*theirs, said(2), &[lane("@alice:gw", "@#rust:libera:gw")]).await;
    assert_ne!(ours.revision().await.unwrap(), before);
    assert_eq!(ours.mapped_id("libera", "@crab:libera:gw").await.unwrap(), None);
    // Numbers go on from where the other process left them.
    put(&*ours, said(3), &[lane("@alice:gw", "@#rust:libera:gw")]).await;
    assert_eq!(all_pending(&*ours).await.len(), 2);
    assert_eq!(ours.stats().await.unwrap().messages, 3);
}
