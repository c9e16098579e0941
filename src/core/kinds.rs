//! What accounts of other servers are, where that has to be known: who passes on what others wrote is
//! nearly always a room, but may be a person. Their server is asked once (1000), and what it says is
//! kept. Part of [`Core`]; `requests` has it asked, `reading` goes by it.

use super::Core;
use super::keys::new_key;
use crate::store::StoreError;
use monster_protocol::{AccountType, Address, Request, RequestBody};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// Whose values these are, and the one of a person. A room needs none.
const OWNER: &str = "kinds";
const PERSON: &str = "person";
/// So many accounts are remembered as asked. One that is forgotten is asked again.
const ASKED: usize = 4096;

/// Who has been asked since the start.
#[derive(Default)]
pub(crate) struct Kinds(Mutex<HashSet<Address>>);

impl Kinds {
    fn is_new(&self, account: &Address) -> bool {
        let mut asked = self.0.lock();
        if asked.contains(account) {
            return false;
        }
        if asked.len() >= ASKED {
            asked.clear();
        }
        asked.insert(account.clone())
    }
}

impl Core {
    /// Finds out in the background what an account is, which has told `reader` of something that
    /// somebody else wrote.
    pub(crate) fn learn_kind(self: &Arc<Self>, account: &Address, reader: &Address) {
        if !self.kinds.is_new(account) {
            return;
        }
        let (account, reader) = (account.clone(), reader.clone());
        self.spawn(|core| async move {
            let Some(port) = core.port.get() else { return };
            let request = Request::new(new_key(&core.environment), RequestBody::Info);
            // Who does not answer is taken for a room, until the next start.
            let Ok(answer) = port.ask(&account, &reader, request).await else { return };
            let kind = (answer.account_type == Some(AccountType::Person)).then_some(PERSON);
            if let Err(error) = core.store.save(OWNER, account.as_str(), kind).await {
                tracing::warn!(%error, "what an account is was not kept");
            }
        });
    }

    /// Whether an account of another server is known to be a person.
    pub(crate) async fn is_known_person(&self, account: &Address) -> Result<bool, StoreError> {
        Ok(self.store.load(OWNER, account.as_str()).await?.as_deref() == Some(PERSON))
    }
}
