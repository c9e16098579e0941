//! One connection to the server, as a component (XEP-0114) or an account, from the handshake to its end: stanzas
//! out in order, questions (IQ) with their answers, proof that the server has taken what was sent,
//! and signs of life. What a stanza means is `hear`'s business; reconnecting is `link`'s.

mod account;
mod ask;
mod dial;
mod drive;
mod handshake;
mod pages;
mod scram;

pub(crate) use ask::{AskError, Question};
pub(crate) use dial::dial;
pub(crate) use handshake::OpenError;

use crate::config::{Config, Mode};
use crate::wire;
use crate::xml::{Make, el, ns, set, stanza};
use ask::Asked;
use minidom::Element;
use parking_lot::Mutex;
use rand::RngExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How many stanzas may wait to be written.
const OUTBOX: usize = 1024;
/// How many stanzas may wait to be heard.
const INBOX: usize = 1024;
/// The resource of the component's own address that asks the server for signs of life.
const SYNC: &str = "sync";

/// The connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the XMPP server is gone")]
pub(crate) struct Gone;

/// One connection.
pub(crate) struct Session {
    /// Who asks for signs of life, and whom.
    asks: (String, String),
    /// The namespace of the stream's stanzas.
    stanzas: &'static str,
    out: mpsc::Sender<String>,
    asked: Asked,
    bounces: Asked,
    pages: pages::Pages,
    taken: Mutex<Taken>,
    ended: CancellationToken,
    why: Mutex<Option<String>>,
    ids: AtomicU64,
    prefix: String,
    patience: Duration,
}

/// Who waits for the server to have taken what was sent: one question is under way at a time, and
/// whoever comes meanwhile waits for the next.
#[derive(Default)]
struct Taken {
    under_way: bool,
    next: Option<(watch::Sender<bool>, watch::Receiver<bool>)>,
}

impl Session {
    /// Connects and makes itself known. What is heard comes from the receiver, in order.
    pub(crate) async fn open(config: &Config) -> Result<(Arc<Self>, mpsc::Receiver<Element>), OpenError> {
        let mut stream = dial(config).await.map_err(OpenError::Unreached)?;
        let patience = config.ack_timeout();
        let late = |_| "the server did not answer the handshake".to_owned();
        let (asks, stanzas, reader, rest) = match config.mode {
            Mode::Component => {
                let shaking = handshake::component(&mut stream, &config.domain, config.secret.reveal());
                let (reader, rest) = tokio::time::timeout(patience, shaking).await.map_err(late)??;
                let own = format!("{}/{SYNC}", config.domain);
                ((own.clone(), own), ns::COMPONENT, reader, rest)
            }
            Mode::Account => {
                let (secured, reader, rest, full) =
                    tokio::time::timeout(patience, account::log_in(stream, config)).await.map_err(late)??;
                stream = secured;
                ((full, config.account_domain().to_owned()), ns::CLIENT, reader, rest)
            }
        };
        let (out, outbox) = mpsc::channel(OUTBOX);
        let (inbox, heard) = mpsc::channel(INBOX);
        let session = Arc::new(Self {
            asks,
            stanzas,
            out,
            asked: Asked::default(),
            bounces: Asked::by_bare(),
            pages: pages::Pages::default(),
            taken: Mutex::default(),
            ended: CancellationToken::new(),
            why: Mutex::new(None),
            ids: AtomicU64::new(0),
            prefix: format!("{:08x}", rand::rng().random::<u32>()),
            patience: config.ack_timeout(),
        });
        drive::spawn(&session, stream, reader, rest, outbox, inbox, config.keepalive());
        Ok((session, heard))
    }

    /// An id for a stanza of ours: nobody can guess it, and it is never used again.
    pub(crate) fn id(&self) -> String {
        format!("{}-{:x}", self.prefix, self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a stanza; `Ok` says that it waits to be written, behind everything sent before.
    pub(crate) async fn send(&self, stanza: &Element) -> Result<(), Gone> {
        let text = self.encoded(stanza);
        tokio::select! {
            sent = self.out.send(text) => sent.map_err(|_| Gone),
            () = self.ended.cancelled() => Err(Gone),
        }
    }

    /// Sends a stanza if there is room: for what may be lost.
    pub(crate) fn send_if_room(&self, stanza: &Element) {
        let _ = self.out.try_send(self.encoded(stanza));
    }

    /// Sends a question (an IQ without id) and waits for its answer.
    pub(crate) async fn ask(&self, mut iq: Element) -> Result<Element, AskError> {
        let id = self.id();
        set(&mut iq, "id", id.as_str());
        let answer = self.asked.expect(iq.attr("to").unwrap_or_default(), &id);
        self.send(&iq).await.map_err(|_| AskError::Gone)?;
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(self.patience, answer.outcome()) => outcome,
            () = self.ended.cancelled() => return Err(AskError::Gone),
        };
        outcome.unwrap_or(Err(AskError::Late))
    }

    /// Asks an archive for a page of it (XEP-0313): `query` is what stands in the IQ, without its id.
    /// Gives the `<result>`s in their order, and the `<fin>`.
    pub(crate) async fn page(&self, iq: Element, query: Element) -> Result<(Vec<Element>, Element), AskError> {
        let id = self.id();
        let page = self.pages.expect(iq.attr("to").unwrap_or_default(), &id);
        let answer = self.ask(iq.child(query.with("queryid", id.as_str()))).await?;
        let fin = answer.get_child("fin", ns::MAM).cloned().unwrap_or_else(|| el("fin", ns::MAM));
        Ok((page.results(), fin))
    }

    /// Notices if a message that is about to be sent is refused. A refusal that comes before
    /// [`Session::passed`] returns is noticed before it does.
    pub(crate) fn refusal_of(&self, to: &str, id: &str) -> Question {
        self.bounces.expect(to, id)
    }

    /// Waits until the server has taken everything that was sent before: a stanza of our own to
    /// ourselves has come back, and the server handles a stream in order.
    pub(crate) async fn passed(self: &Arc<Self>) -> Result<(), Gone> {
        let mut done = {
            let mut taken = self.taken.lock();
            let (_, receiver) = taken.next.get_or_insert_with(|| watch::channel(false));
            let receiver = receiver.clone();
            if !taken.under_way {
                taken.under_way = true;
                tokio::spawn(Arc::clone(self).ask_until_nobody_waits());
            }
            receiver
        };
        tokio::select! {
            passed = tokio::time::timeout(self.patience, done.wait_for(|done| *done)) => {
                if matches!(passed, Ok(Ok(_))) { Ok(()) } else { Err(Gone) }
            }
            () = self.ended.cancelled() => Err(Gone),
        }
    }

    async fn ask_until_nobody_waits(self: Arc<Self>) {
        loop {
            let Some((tell, _)) = ({
                let mut taken = self.taken.lock();
                let next = taken.next.take();
                taken.under_way = next.is_some();
                next
            }) else {
                return;
            };
            if self.round_trip().await.is_ok() {
                tell.send_replace(true);
            }
        }
    }

    /// One stanza to ourselves and back.
    async fn round_trip(&self) -> Result<(), AskError> {
        let ping = stanza("iq", &self.asks.0, &self.asks.1).with("type", "get").child(el("ping", ns::PING));
        match self.ask(ping).await {
            // Whatever the answer is, it came after what was sent before.
            Ok(_) | Err(AskError::Error(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn encoded(&self, stanza: &Element) -> String {
        let mut text = String::with_capacity(512);
        if self.stanzas == ns::CLIENT && stanza.attr("from").is_some() {
            // An account's stanzas are from it: the server says so.
            let mut own = stanza.clone();
            own.attrs_mut().remove(&rxml::Namespace::NONE, "from");
            wire::write(&own, self.stanzas, &mut text);
        } else {
            wire::write(stanza, self.stanzas, &mut text);
        }
        text
    }

    /// Done once the connection is gone.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Why it is gone, for a person.
    pub(crate) fn why(&self) -> String {
        self.why.lock().clone().unwrap_or_else(|| "the connection ended".to_owned())
    }

    /// Ends the connection.
    pub(crate) fn end(&self, why: impl Into<String>) {
        self.why.lock().get_or_insert_with(|| why.into());
        self.ended.cancel();
    }

    /// Says goodbye: everything that waits is written, and the stream is closed.
    pub(crate) async fn close(&self) {
        let close = String::from_utf8_lossy(wire::close()).into_owned();
        let _ = tokio::time::timeout(Duration::from_secs(2), self.out.send(close)).await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.ended.cancelled()).await;
        self.end("the gateway stops");
    }
}
