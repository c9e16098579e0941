//! Questions that wait for their answers (IQ get and set, RFC 6120 §8.2.3).

use crate::xml::StanzaError;
use minidom::Element;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How many questions may be open at once; beyond it new ones fail at once.
const AT_ONCE: usize = 10_000;

/// A question was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// The answer was an error.
    #[error("{}", .0.text)]
    Error(StanzaError),
    /// None came in time.
    #[error("no answer came in time")]
    Late,
    /// The connection ended before.
    #[error("the connection to the XMPP server is gone")]
    Gone,
}

/// Whom was asked, and the question's id: an answer counts only from there.
type Which = (String, String);

type Waiting = Arc<Mutex<HashMap<Which, oneshot::Sender<Result<Element, AskError>>>>>;

/// Open questions.
#[derive(Default)]
pub(super) struct Asked {
    waiting: Waiting,
    /// Whether an answer counts from every device of whom was asked, and from every occupant of a room.
    by_bare: bool,
}

/// One open question; forgotten when dropped.
pub(crate) struct Question {
    which: Which,
    answer: oneshot::Receiver<Result<Element, AskError>>,
    waiting: Waiting,
}

impl Asked {
    /// For messages, which may be refused by whoever had them last.
    pub(super) fn by_bare() -> Self {
        Self { waiting: Waiting::default(), by_bare: true }
    }

    fn which(&self, address: &str, id: &str) -> Which {
        let normal = match jid::Jid::new(address) {
            Ok(jid) if self.by_bare => jid.to_bare().to_string(),
            Ok(jid) => jid.to_string(),
            Err(_) => address.to_owned(),
        };
        (normal, id.to_owned())
    }

    /// A question to somebody is about to be sent.
    pub(super) fn expect(&self, to: &str, id: &str) -> Question {
        let which = self.which(to, id);
        let (tell, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.len() < AT_ONCE {
            waiting.insert(which.clone(), tell);
        }
        Question { which, answer, waiting: Arc::clone(&self.waiting) }
    }

    /// Hands an answer to whoever asked; false if nobody did.
    pub(super) fn answered(&self, from: &str, id: &str, outcome: Result<Element, AskError>) -> bool {
        let waiting = self.waiting.lock().remove(&self.which(from, id));
        waiting.is_some_and(|tell| tell.send(outcome).is_ok())
    }

    /// True if this question is open.
    pub(super) fn is_open(&self, to: &str, id: &str) -> bool {
        self.waiting.lock().contains_key(&self.which(to, id))
    }
}

impl Question {
    /// The answer.
    pub(crate) async fn outcome(mut self) -> Result<Element, AskError> {
        (&mut self.answer).await.unwrap_or(Err(AskError::Gone))
    }
}

impl Question {
    /// The answer, if it is there already.
    pub(crate) fn so_far(&mut self) -> Option<Result<Element, AskError>> {
        self.answer.try_recv().ok()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.which);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{el, ns};

    #[tokio::test]
    async fn only_who_was_asked_answers() {
        let asked = Asked::default();
        let question = asked.expect("Bob@Example.org/x", "1");
        assert!(!asked.answered("mallory@example.org/x", "1", Ok(el("iq", ns::CLIENT))));
        assert!(asked.answered("bob@example.org/x", "1", Ok(el("iq", ns::CLIENT))));
        assert!(question.outcome().await.is_ok());
    }

    #[test]
    fn a_question_that_nobody_waits_for_is_forgotten() {
        let asked = Asked::default();
        drop(asked.expect("a@b", "1"));
        assert!(!asked.is_open("a@b", "1"));
    }
}
