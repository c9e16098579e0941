//! What one can ask a connection for, as futures. Dropping one gives up the wait and not the work.

use super::Conn;
use crate::proto::session::{
    Answer, ChannelInfo, FailureKind, History, HistoryRange, Refusal, RequestFailure, RequestId, Saying, SendFailure,
    SendToken, Whois,
};
use crate::proto::{Session, Target, Trailing};
use tokio::sync::oneshot;

/// Why something was not sent, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// The session did not take it.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// It did, and then it failed.
    #[error(transparent)]
    Failure(#[from] SendFailure),
}

impl Conn {
    /// Says something, and waits for the acknowledgement: the ids of its lines.
    pub(crate) async fn say(&self, saying: &Saying) -> Result<Vec<Option<String>>, SendError> {
        self.send(|session| session.say(saying)).await
    }

    /// Puts an emoji to a message, or takes it back.
    pub(crate) async fn react(
        &self,
        target: &Target,
        msgid: &str,
        emoji: &str,
        remove: bool,
        key: &str,
    ) -> Result<Vec<Option<String>>, SendError> {
        self.send(|session| session.react(target, msgid, emoji, remove, Some(key))).await
    }

    /// Withdraws a message.
    pub(crate) async fn redact(
        &self,
        target: &Target,
        msgid: &str,
        reason: Option<&str>,
    ) -> Result<Vec<Option<String>>, SendError> {
        self.send(|session| session.redact(target, msgid, reason)).await
    }

    /// Joins a channel, unless we are in it. One after the other: a server does not answer whoever
    /// joins a channel that they are in.
    pub(crate) async fn join(&self, channel: &Target, key: Option<&str>) -> Result<(), RequestFailure> {
        let _one = self.inner.joining.lock().await;
        if self.look(|session| session.is_in(channel.as_str())) {
            return Ok(());
        }
        self.request(|session| session.join(channel, key)).await.map(drop)
    }

    /// Leaves a channel.
    pub(crate) async fn part(&self, channel: &Target, reason: &str) -> Result<(), RequestFailure> {
        self.request(|session| session.part(channel, &Trailing::one_line(reason))).await.map(drop)
    }

    /// Knocks at a channel.
    pub(crate) async fn knock(&self, channel: &Target, words: &str) -> Result<(), RequestFailure> {
        self.request(|session| session.knock(channel, &Trailing::one_line(words))).await.map(drop)
    }

    /// Takes another nick.
    pub(crate) async fn change_nick(&self, nick: &Target) -> Result<(), RequestFailure> {
        self.request(|session| session.change_nick(nick)).await.map(drop)
    }

    /// Asks who a nick is.
    pub(crate) async fn whois(&self, nick: &Target) -> Result<Whois, RequestFailure> {
        match self.request(|session| session.whois(nick)).await? {
            Answer::Whois(whois) => Ok(whois),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks what can be known about a channel.
    pub(crate) async fn channel_info(&self, channel: &Target) -> Result<ChannelInfo, RequestFailure> {
        match self.request(|session| session.channel_info(channel)).await? {
            Answer::Channel(info) => Ok(info),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for a piece of history.
    pub(crate) async fn history(
        &self,
        target: &Target,
        range: &HistoryRange,
        limit: usize,
    ) -> Result<History, RequestFailure> {
        match self.request(|session| session.history(target, range, limit)).await? {
            Answer::History(history) => Ok(history),
            other => Err(unexpected(&other)),
        }
    }

    async fn send(
        &self,
        ask: impl FnOnce(&mut Session) -> Result<SendToken, Refusal>,
    ) -> Result<Vec<Option<String>>, SendError> {
        let waiter = {
            let mut state = self.inner.state.lock();
            let token = ask(&mut state.session)?;
            let (tell, waiter) = oneshot::channel();
            state.sends.insert(token, tell);
            waiter
        };
        self.inner.wake.notify_one();
        match waiter.await {
            Ok(outcome) => Ok(outcome?),
            // The task ended without settling it (it panicked): nobody knows.
            Err(_) => Err(SendFailure::Uncertain { why: "the connection ended".to_owned(), ids: Vec::new() }.into()),
        }
    }

    async fn request(
        &self,
        ask: impl FnOnce(&mut Session) -> Result<RequestId, Refusal>,
    ) -> Result<Answer, RequestFailure> {
        let waiter = {
            let mut state = self.inner.state.lock();
            let request = ask(&mut state.session).map_err(|refusal| refused(&refusal))?;
            let (tell, waiter) = oneshot::channel();
            state.requests.insert(request, tell);
            waiter
        };
        self.inner.wake.notify_one();
        waiter.await.unwrap_or_else(|_| {
            Err(RequestFailure { kind: FailureKind::Disconnected, why: "the connection ended".to_owned() })
        })
    }
}

fn refused(refusal: &Refusal) -> RequestFailure {
    let kind = match refusal {
        Refusal::NotConnected => FailureKind::Disconnected,
        Refusal::Full => FailureKind::Later,
        Refusal::Unsupported(_) => FailureKind::Unsupported,
        Refusal::Blank | Refusal::TooLong | Refusal::BadParam { .. } => FailureKind::Refused,
    };
    RequestFailure { kind, why: refusal.to_string() }
}

fn unexpected(answer: &Answer) -> RequestFailure {
    // What it says may be what people said.
    tracing::warn!("a request was answered with something else");
    tracing::trace!(?answer, "the unexpected answer");
    RequestFailure { kind: FailureKind::Refused, why: "the IRC server's answer was not understood".to_owned() }
}
