//! How a command knows that the running gateway has seen what it changed: the command leaves a
//! question in the store after its change, and the gateway answers it there once it has read the
//! store again. A command that gets no answer says nothing of it: the change is made in any case.

use crate::store::Store;
use std::time::Duration;

/// Whose values these are.
const OWNER: &str = "gateway";
const QUESTION: &str = "changes.question";
const ANSWER: &str = "changes.answer";
/// How long a command waits for the answer, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// What a command has asked and got no answer to. To be read before the store is read again: only
/// what was changed before the question is covered by the answer.
pub(crate) async fn question(store: &dyn Store) -> Option<String> {
    let asked = store.load(OWNER, QUESTION).await.ok().flatten()?;
    let answered = store.load(OWNER, ANSWER).await.ok().flatten();
    (answered.as_ref() != Some(&asked)).then_some(asked)
}

/// The gateway has read the store again since it read the question.
pub(crate) async fn answer(store: &dyn Store, question: &str) {
    if let Err(error) = store.save(OWNER, ANSWER, Some(question)).await {
        tracing::warn!(%error, "a command was not told that its change was seen");
    }
}

/// Waits until the gateway that runs on this store has seen every change up to now; at most a
/// little while. `token` has to be new.
pub async fn seen(store: &dyn Store, token: &str) {
    if store.save(OWNER, QUESTION, Some(token)).await.is_err() {
        return;
    }
    let answered = async {
        while !matches!(store.load(OWNER, ANSWER).await, Ok(Some(answer)) if answer == token) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, answered).await;
}
