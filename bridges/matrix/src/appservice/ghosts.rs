//! Ghosts: the users of the homeserver that stand for personas. Each is registered once, and has its
//! persona's name and picture, which are set when they change.

use super::instance::{Instance, Running};
use super::media;
use crate::client::{Ask, Client, Failure};
use crate::id;
use monster_bridge_api::{Author, PersonaId, is_shown};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a ghost's record is saved, by its id.
const GHOST: &str = "ghost/";
/// The longest display name, in characters.
const LONGEST_NAME: usize = 100;
/// The largest picture of somebody, in bytes.
const LARGEST_PICTURE: u64 = 4 << 20;

/// What is known of a ghost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    persona: String,
    registered: bool,
    name: String,
    /// The URL of the picture that was taken over.
    picture: Option<String>,
}

type Shared = Arc<tokio::sync::Mutex<Record>>;

/// The ghosts of an instance.
#[derive(Debug, Default)]
pub(crate) struct Ghosts(Mutex<HashMap<String, Shared>>);

impl Ghosts {
    /// Takes over what was saved; what cannot be read is set aside.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let mut ghosts = self.0.lock();
        ghosts.clear();
        for (key, text) in saved {
            if let (Some(user), Ok(record)) = (key.strip_prefix(GHOST), serde_json::from_str::<Record>(&text)) {
                ghosts.insert(user.to_owned(), Arc::new(tokio::sync::Mutex::new(record)));
            } else {
                tracing::warn!("a saved ghost cannot be read and is set aside");
            }
        }
    }

    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        GHOST
    }

    fn get(&self, user: &str) -> Shared {
        Arc::clone(self.0.lock().entry(user.to_owned()).or_default())
    }

    fn known(&self, user: &str) -> Option<Shared> {
        self.0.lock().get(user).cloned()
    }
}

impl Instance {
    /// Whose ghost a user is.
    pub(crate) async fn persona_of(&self, user: &str) -> Option<PersonaId> {
        if let Some(persona) = self.naming.persona_of(user) {
            return Some(persona);
        }
        if !self.naming.is_ours(user) {
            return None;
        }
        let known = self.ghosts.known(user)?;
        let persona = known.lock().await.persona.clone();
        (!persona.is_empty()).then(|| PersonaId::new(persona))
    }

    /// Sees to it that the author's ghost is there and looks as it should; its id.
    pub(crate) async fn ghost(&self, running: &Running, author: &Author) -> Result<String, Failure> {
        let user = self.naming.ghost_of(&author.id);
        let client = self.client().map_err(Failure::Unreachable)?;
        let shared = self.ghosts.get(&user);
        let mut record = shared.lock().await;
        let before = record.clone();
        if !record.registered {
            self.pacer.turn().await;
            register(client, id::local_of(&user)).await?;
            record.registered = true;
            author.id.as_str().clone_into(&mut record.persona);
        }
        self.dress(client, running, &user, author, &mut record).await;
        if *record != before
            && let Ok(text) = serde_json::to_string(&*record)
        {
            running.save(&format!("{GHOST}{user}"), Some(&text)).await;
        }
        Ok(user)
    }

    /// Gives a ghost its name and picture. What fails is tried again with its next message.
    async fn dress(&self, client: &Client, running: &Running, user: &str, author: &Author, record: &mut Record) {
        let name = display_name(author);
        if record.name != name {
            let ask = Ask::put(&["profile", user, "displayname"], json!({ "displayname": name })).by_user(user);
            match client.ask(ask).await {
                Ok(_) => record.name = name,
                Err(error) => tracing::info!(user, %error, "a ghost keeps its old name"),
            }
        }
        if author.picture.is_none() || record.picture == author.picture {
            return;
        }
        let Some(url) = &author.picture else { return };
        match media::take_over(self, running, user, url, "avatar", LARGEST_PICTURE).await {
            Ok((uri, _)) => {
                let ask = Ask::put(&["profile", user, "avatar_url"], json!({ "avatar_url": uri })).by_user(user);
                match client.ask(ask).await {
                    Ok(_) => record.picture = Some(url.clone()),
                    Err(error) => tracing::info!(user, %error, "a ghost keeps its old picture"),
                }
            }
            Err(error) => {
                tracing::info!(user, %error, "the picture of a ghost cannot be had");
                // Asked for again once it is another one.
                record.picture = Some(url.clone());
            }
        }
    }
}

/// Makes a user of the namespace; no harm if it is there.
pub(crate) async fn register(client: &Client, local: &str) -> Result<(), Failure> {
    let body = json!({ "type": "m.login.application_service", "username": local, "inhibit_login": true });
    match client.ask(Ask::post(&["register"], body)).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.is("M_USER_IN_USE") => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn display_name(author: &Author) -> String {
    let shown: String = author.name.chars().filter(|c| is_shown(*c)).take(LONGEST_NAME).collect();
    if shown.trim().is_empty() { author.id.as_str().to_owned() } else { shown.trim().to_owned() }
}
