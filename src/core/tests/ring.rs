//! Gateways that are joined with each other: what is said goes round once.

use super::world::*;
use crate::core::{Act, Core, MonsterPort, Outgoing, Peer, Pushed, Sockets};
use crate::store::{AccountKind, Store, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{DeliveryError, RequestError};
use monster_protocol::{Address, Authority, Request, RequestBody, Response};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Carries frames between gateways, each under its host, and to people who live on none of them.
#[derive(Default)]
struct Wires {
    gateways: Mutex<HashMap<String, Arc<Core>>>,
    told: Mutex<Vec<(String, Arc<Outgoing>)>>,
    frames: AtomicUsize,
}

/// One gateway's end of the wires.
struct End(Arc<Wires>, Authority);

impl End {
    fn other(&self, to: &Address) -> Option<Arc<Core>> {
        if *to.authority() == self.1 {
            return None;
        }
        self.0.gateways.lock().get(to.authority().as_str()).cloned()
    }
}

#[async_trait]
impl MonsterPort for End {
    async fn deliver(&self, to: &Address, via: &Address, message: &Arc<Outgoing>) -> Result<(), DeliveryError> {
        let Some(other) = self.other(to) else {
            self.0.told.lock().push((to.to_string(), Arc::clone(message)));
            return Ok(());
        };
        assert!(self.0.frames.fetch_add(1, Ordering::Relaxed) < 100, "it goes round for ever");
        let Act::Say { text: words, .. } = &message.act else { return Ok(()) };
        let mut frame = text(&message.key, words);
        frame.ext.from = Some(message.author.clone());
        frame.ext.nickname = Some(message.author_name.clone().into());
        let answer = other.request(&remote(via.as_str()), to, frame).await;
        if answer.status.is_success() { Ok(()) } else { Err(DeliveryError::permanent(format!("{answer:?}"))) }
    }

    fn has_room(&self, _: &Address) -> bool {
        true
    }

    async fn ask(
        &self,
        to: &Address,
        via: &Address,
        request: Request<'static>,
    ) -> Result<Response<'static>, RequestError> {
        let other = self.other(to).ok_or_else(|| RequestError::Unavailable("dark".to_owned()))?;
        Ok(other.request(&remote(via.as_str()), to, request).await)
    }

    async fn end_revoked(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn push(&self, _: &Address, _: &Sockets, _: &Request<'_>) -> Vec<Pushed> {
        Vec::new()
    }
}

struct Gateway {
    core: Arc<Core>,
    store: Arc<dyn Store>,
    group: Address,
    _data: tempfile::TempDir,
}

async fn gateway(wires: &Arc<Wires>, host: &str) -> Gateway {
    let data = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(crate::store::sqlite::SqliteStore::open(data.path()).unwrap());
    let ours = Authority::new(host, None).unwrap();
    let core = Core::new(crate::core::Environment::system(), Arc::clone(&store), impatient(), ours.clone());
    core.set_port(Arc::new(End(Arc::clone(wires), ours.clone())));
    core.start().await.unwrap();
    wires.gateways.lock().insert(ours.to_string(), Arc::clone(&core));
    let account = crate::store::Account {
        name: "room".to_owned(),
        kind: AccountKind::Group,
        nickname: None,
        picture: None,
        pass: None,
        created: 0,
    };
    let group = core.admin().add_account(account).await.unwrap();
    Gateway { core, store, group, _data: data }
}

async fn join(gateway: &Gateway, who: &Peer, place: &Address) {
    let answer = gateway.core.request(who, place, Request::new("join", RequestBody::Join { pass: None })).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

#[tokio::test]
async fn a_ring_of_gateways_passes_a_message_on_once_and_everybody_hears_it_once() {
    let wires = Arc::new(Wires::default());
    let mut ring = Vec::new();
    for host in ["one.example", "two.example", "three.example"] {
        ring.push(gateway(&wires, host).await);
    }
    for (number, gateway) in ring.iter().enumerate() {
        let next = &ring[(number + 1) % ring.len()].group;
        join(gateway, &home(&gateway.group), next).await;
        join(gateway, &remote(&format!("@reader{number}:people.example")), &gateway.group).await;
    }
    let reader = remote("@reader0:people.example");
    let answer = ring[0].core.request(&reader, &ring[0].group, text("1", "round")).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let done = async || {
        let mut waiting = 0;
        for gateway in &ring {
            waiting += gateway.store.stats().await.unwrap().waiting;
        }
        waiting == 0 && wires.told.lock().len() >= 2
    };
    eventually("everybody has heard it", done).await;
    let mut told: Vec<(String, String)> =
        wires.told.lock().iter().map(|(to, message)| (to.clone(), message.author.to_string())).collect();
    told.sort();
    let said_by = "@reader0:people.example".to_owned();
    let expected = ["@reader1:people.example", "@reader2:people.example"].map(|to| (to.to_owned(), said_by.clone()));
    assert_eq!(told, expected);
    for gateway in &ring {
        gateway.core.stop(std::time::Duration::from_secs(5)).await;
    }
}
