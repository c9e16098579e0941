//! One call at work: what comes in, from XMPP and from the core, goes through its dialogue, and what
//! comes out is done. One task each, so everything of a call happens in order.

use crate::instance::Running;
use crate::session::{AskError, Session};
use crate::xml::{self, Make, StanzaError, el, ns, stanza};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use minidom::Element;
use monster_bridge_api::{CallError, CallHeard, CallId, CallStep, PersonaId, RemoteUser};
use monster_jingle::{Dialogue, Jingle, Message, Output, Replied};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// For how long the answers to the last words of a call are waited for.
const FAREWELL: Duration = Duration::from_secs(5);
/// How many answers of a client may be waited for; one that owes more is not there.
const UNANSWERED: usize = 64;

/// What a call is told.
pub(super) enum Told {
    /// A `jingle` element, and the IQ that it came in, without it.
    Jingle { from: String, jingle: Box<Jingle>, iq: Box<Element> },
    /// A message about the call.
    Message { from: String, message: Message },
    /// A message of ours came back.
    Bounced(String),
    /// A step of the core's, and who waits for what becomes of it.
    Step { step: CallStep, answer: oneshot::Sender<Result<(), CallError>> },
    /// A device is no longer there.
    Gone(String),
    /// The other one's call goes first.
    Outrun,
}

/// A call.
pub(super) struct Talk {
    dialogue: Dialogue,
    user: RemoteUser,
    persona: PersonaId,
    us: String,
    calling: Arc<AtomicBool>,
    answers: FuturesUnordered<BoxFuture<'static, (u64, Replied)>>,
}

impl Talk {
    pub(super) fn new(
        dialogue: Dialogue,
        user: RemoteUser,
        persona: PersonaId,
        us: String,
        calling: Arc<AtomicBool>,
    ) -> Self {
        Self { dialogue, user, persona, us, calling, answers: FuturesUnordered::new() }
    }

    /// Runs the call to its end.
    pub(super) async fn run(mut self, running: &Arc<Running>, mut told: mpsc::Receiver<Told>) {
        while !self.dialogue.is_over() {
            let Some(session) = running.session() else { return self.lost(running).await };
            let out = tokio::select! {
                next = told.recv() => match next {
                    Some(next) => self.take(&session, next).await,
                    None => return,
                },
                Some((token, replied)) = self.answers.next() => self.dialogue.replied(token, &replied),
                () = session.ended() => return self.lost(running).await,
            };
            self.carry_out(running, &session, out).await;
            self.calling.store(self.dialogue.is_calling(), Ordering::Relaxed);
        }
        let all = async { while self.answers.next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, all).await;
    }

    async fn take(&mut self, session: &Session, told: Told) -> Vec<Output> {
        match told {
            Told::Jingle { from, jingle, iq } => {
                let taken = self.dialogue.jingle(&from, &jingle);
                let answer = match &taken {
                    Ok(_) => xml::result(&iq),
                    Err(refused) => super::refusal(&iq, refused),
                };
                let _ = session.send(&answer).await;
                taken.unwrap_or_default()
            }
            Told::Message { from, message } => self.dialogue.message(&from, &message),
            Told::Bounced(why) => self.dialogue.bounced(&why),
            Told::Gone(device) => self.dialogue.gone(&device),
            Told::Outrun => {
                self.dialogue.outrun();
                Vec::new()
            }
            Told::Step { step, answer } => {
                let taken = self.dialogue.step(step);
                let outcome = taken.as_ref().map(|_| ()).map_err(|why| CallError::Unsupported(why.clone()));
                // Whoever asked may be gone.
                let _ = answer.send(outcome);
                taken.unwrap_or_default()
            }
        }
    }

    /// Does what comes out, and what comes of that.
    async fn carry_out(&mut self, running: &Running, session: &Arc<Session>, out: Vec<Output>) {
        let mut todo = VecDeque::from(out);
        while let Some(output) = todo.pop_front() {
            match output {
                Output::Iq { to, payload, token } => self.ask(session, &to, payload, token).await,
                Output::Message { to, payload } => {
                    let message = stanza("message", &self.us, &to)
                        .with("id", session.id())
                        .with("type", "chat")
                        .child(payload)
                        .child(el("store", ns::HINTS));
                    let _ = session.send(&message).await;
                }
                Output::Step { device, step } => {
                    let heard = CallHeard {
                        call: CallId::new(self.dialogue.sid()),
                        author: self.user.clone(),
                        device,
                        to: self.persona.clone(),
                        step: step.clone(),
                    };
                    if let Err(error) = running.host.call(heard).await {
                        todo.extend(self.dialogue.declined(&step, &error.to_string()));
                    }
                }
            }
        }
    }

    /// Sends an action, behind everything sent before; its answer comes later.
    async fn ask(&mut self, session: &Arc<Session>, to: &str, payload: Element, token: u64) {
        let iq = stanza("iq", &self.us, to).with("type", "set").child(payload);
        let session = Arc::clone(session);
        let mut asking: BoxFuture<'static, (u64, Replied)> =
            Box::pin(async move { (token, replied(session.ask(iq).await)) });
        // (The first poll sends it.)
        let at_once = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context))).await;
        match at_once {
            Poll::Ready(answer) => self.answers.push(Box::pin(std::future::ready(answer))),
            Poll::Pending if self.answers.len() < UNANSWERED => self.answers.push(asking),
            Poll::Pending => tracing::debug!("a client answers nothing"),
        }
    }

    /// The connection is gone: nothing more can be said to the user.
    async fn lost(mut self, running: &Running) {
        let why = monster_bridge_api::EndReason::Failed("the connection to the XMPP server is gone".to_owned());
        if self.dialogue.is_over() {
            return;
        }
        let _ = self.dialogue.step(CallStep::End(why.clone()));
        let heard = CallHeard {
            call: CallId::new(self.dialogue.sid()),
            author: self.user,
            device: None,
            to: self.persona,
            step: CallStep::End(why),
        };
        let _ = running.host.call(heard).await;
    }
}

fn replied(answer: Result<Element, AskError>) -> Replied {
    match answer {
        Ok(_) => Replied::Done,
        Err(AskError::Error(error)) => of_error(&error),
        Err(error) => Replied::Refused(error.to_string()),
    }
}

fn of_error(error: &StanzaError) -> Replied {
    match error.condition.as_str() {
        "conflict" => Replied::TieBreak,
        "item-not-found" => Replied::UnknownSession,
        _ => Replied::Refused(format!("the other client says: {}", error.text)),
    }
}
