//! Ways in for the fuzz targets and the tests that replay their seeds (`fuzz/fuzz_targets/checks`);
//! nothing else calls in here. Each does what the relay does with what comes from outside, without
//! sockets.

use crate::address::Addresses;
use crate::engine::{Datagram, Protocol};
use crate::negotiate::{Session, Setting};
use crate::sdp::Description;
use crate::sdp::print::Origin;
use crate::{Codec, Leg, Options, Refused, stun};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What the relay understands of a session description.
pub fn regular(text: &str) -> Result<String, Refused> {
    Ok(Description::read(text)?.print(Origin { session: 1, version: 1 }))
}

/// What the engine and all before it answer to an offer; with a second offer, what it answers to that.
pub fn answered(offers: &[&str]) -> Result<String, Refused> {
    let mut session = session()?;
    let mut answer = Err(Refused::OutOfOrder("no offer"));
    for offer in offers {
        session.take_offer(Leg::Caller, offer)?;
        answer = session.loop_back(Leg::Caller, Instant::now());
    }
    answer
}

/// What happens when an offer of ours is answered.
pub fn offered(answer: &str) -> Result<(), Refused> {
    let mut session = session()?;
    session.offer(Leg::Callee, true, Instant::now())?;
    session.take_answer(Leg::Callee, answer, Instant::now()).map(drop)
}

/// Feeds datagrams to an engine that was given an offer, and tells whom the last one names.
pub fn datagrams<'a>(offer: &str, datagrams: &[&'a [u8]]) -> Result<Option<&'a str>, Refused> {
    let mut session = session()?;
    session.take_offer(Leg::Caller, offer)?;
    session.loop_back(Leg::Caller, Instant::now())?;
    let Some(peer) = session.peer(Leg::Caller) else { return Ok(None) };
    let (from, to) = (SocketAddr::from(([127, 0, 0, 1], 9)), SocketAddr::from(([127, 0, 0, 1], 1)));
    for bytes in datagrams {
        let now = Instant::now();
        let Some(datagram) = Datagram::read(Protocol::Udp, from, to, bytes) else { continue };
        if peer.receive(now, datagram).is_err() {
            break;
        }
        while let Ok(output) = peer.poll() {
            if matches!(output, crate::engine::Output::Until(_)) {
                break;
            }
        }
    }
    Ok(datagrams.last().and_then(|bytes| stun::addressed_to(bytes)))
}

fn session() -> Result<Session, Refused> {
    let addresses = Addresses::find(&Options::default(), SocketAddr::from(([127, 0, 0, 1], 1)), None);
    let addresses = addresses.map_err(|_| Refused::Closed)?;
    Ok(Session::new(Arc::new(Setting { codecs: Codec::ALL.to_vec(), addresses })))
}
