//! Double puppets: personas who have an account of their own on Matrix, and have given the bridge its
//! token. In rooms they speak as that user instead of a ghost, and what the user says elsewhere is
//! theirs.

use super::instance::{Instance, Running};
use crate::client::{Ask, Client, Failure};
use crate::map::text_at;
use monster_bridge_api::{Author, PersonaId, Secret};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Where somebody's own account is saved, by its id.
const PUPPET: &str = "puppet/";

/// Somebody's own account.
#[derive(Debug, Clone)]
struct Puppet {
    persona: PersonaId,
    client: Arc<Client>,
}

/// The accounts of an instance, by user id.
#[derive(Debug, Default)]
pub(crate) struct Puppets(RwLock<HashMap<String, Puppet>>);

impl Puppets {
    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        PUPPET
    }

    /// Takes over what was saved; what cannot be read is set aside.
    pub(crate) fn load(&self, homeserver: &str, saved: Vec<(String, String)>) {
        let mut puppets = self.0.write();
        puppets.clear();
        for (key, text) in saved {
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            let (persona, token) = (text_at(&value, &["persona"]), text_at(&value, &["token"]));
            let client = token.and_then(|token| Client::new(homeserver, Secret::new(token)).ok());
            if let (Some(user), Some(persona), Some(client)) = (key.strip_prefix(PUPPET), persona, client) {
                let puppet = Puppet { persona: PersonaId::new(persona), client: Arc::new(client) };
                puppets.insert(user.to_owned(), puppet);
            } else {
                tracing::warn!("a saved account cannot be read and is set aside");
            }
        }
    }

    /// Whose account a user is.
    pub(crate) fn persona_of(&self, user: &str) -> Option<PersonaId> {
        self.0.read().get(user).map(|puppet| puppet.persona.clone())
    }

    /// A persona's own account.
    pub(crate) fn user_of(&self, persona: &PersonaId) -> Option<String> {
        let puppets = self.0.read();
        puppets.iter().find(|(_, puppet)| puppet.persona == *persona).map(|(user, _)| user.clone())
    }

    fn client_of(&self, user: &str) -> Option<Arc<Client>> {
        self.0.read().get(user).map(|puppet| Arc::clone(&puppet.client))
    }
}

impl Instance {
    /// Asks the homeserver as one of our users, or as somebody who has given us their token.
    pub(crate) async fn ask_as(&self, user: &str, ask: Ask) -> Result<Value, Failure> {
        if let Some(client) = self.puppets.client_of(user) {
            return client.ask(ask).await;
        }
        self.client().map_err(Failure::Unreachable)?.ask(ask.by_user(user)).await
    }

    /// Whether what a user does is done by one of our connections, or by their own account.
    pub(crate) fn speaks_here(&self, user: &str) -> bool {
        self.naming.is_ours(user) || self.puppets.persona_of(user).is_some()
    }

    /// `login TOKEN`, `logout`: the answer is for that person.
    pub(crate) async fn puppet_command(&self, running: &Running, who: &Author, line: &str) -> Option<String> {
        let mut words = line.split_whitespace();
        match (words.next()?, words.next(), words.next()) {
            ("login", Some(token), None) => Some(self.login(running, who, token).await),
            ("login", ..) => Some("Expected `login TOKEN`, with an access token of your account.".to_owned()),
            ("logout", None, None) => Some(self.logout(running, who).await),
            _ => None,
        }
    }

    async fn login(&self, running: &Running, who: &Author, token: &str) -> String {
        let client = match Client::new(&self.config.homeserver, Secret::new(token)) {
            Ok(client) => client,
            Err(why) => return why,
        };
        let whoami = match client.ask(Ask::get(&["account", "whoami"])).await {
            Ok(whoami) => whoami,
            Err(Failure::Refused { status: 401, .. }) => return "The homeserver does not know this token.".to_owned(),
            Err(failure) => return failure.to_string(),
        };
        let Some(user) = text_at(&whoami, &["user_id"]).filter(|user| crate::id::is_user(user)) else {
            return "The homeserver does not say whose token this is.".to_owned();
        };
        if self.naming.is_ours(user) {
            return "This is not the token of a person.".to_owned();
        }
        if self.puppets.persona_of(user).is_some_and(|persona| persona != who.id) {
            return format!("{user} is somebody else's here.");
        }
        self.logout(running, who).await;
        let saved = json!({ "persona": who.id.as_str(), "token": token }).to_string();
        running.save(&format!("{PUPPET}{user}"), Some(&saved)).await;
        let puppet = Puppet { persona: who.id.clone(), client: Arc::new(client) };
        self.puppets.0.write().insert(user.to_owned(), puppet);
        format!("In rooms you are {user} from now on.")
    }

    async fn logout(&self, running: &Running, who: &Author) -> String {
        let Some(user) = self.puppets.user_of(&who.id) else {
            return "You have no account of your own here.".to_owned();
        };
        self.puppets.0.write().remove(&user);
        running.save(&format!("{PUPPET}{user}"), None).await;
        format!("You are not {user} here any more. The token still works until you sign that session out.")
    }
}
