//! The instance's space: a room of the bot's whose children are the rooms that the gateway uses, so that
//! clients show them together. Whoever wants it joins it by its alias; only rooms that everybody may join
//! anyway are in it, as everybody may see which they are.

use super::instance::{Instance, Running};
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::text_at;
use serde_json::json;

/// Where the space's id is saved.
const SPACE: &str = "space";
/// What follows the prefix in the space's alias: no escaped address is like this.
const ALIAS: &str = "=-space";

/// That spaces are made one at a time.
#[derive(Debug, Default)]
pub(crate) struct Space(tokio::sync::Mutex<()>);

impl Instance {
    /// Puts a room into the space, or takes it out; nothing where there is to be none.
    pub(crate) async fn set_in_space(&self, running: &Running, room: &str, is_in: bool) {
        if !self.config.space {
            return;
        }
        if let Err(error) = self.try_set_in_space(running, room, is_in).await {
            tracing::info!(room, %error, "the space could not be changed");
        }
    }

    async fn try_set_in_space(&self, running: &Running, room: &str, is_in: bool) -> Result<(), Failure> {
        let bot = self.naming.bot().to_owned();
        if is_in {
            let rule = self.state(&bot, room, "m.room.join_rules", "").await?;
            if text_at(&rule, &["join_rule"]) != Some("public") {
                return Ok(());
            }
        }
        let space = self.own_space(running).await?;
        let child = self.state(&bot, &space, "m.space.child", room).await;
        let was_in = child.is_ok_and(|child| child.get("via").is_some());
        if was_in == is_in {
            return Ok(());
        }
        let content = if is_in { json!({ "via": [self.config.server_name] }) } else { json!({}) };
        let ask = Ask::put(&["rooms", &space, "state", "m.space.child", room], content);
        self.ask_as(&bot, ask).await.map(|_| ())
    }

    async fn own_space(&self, running: &Running) -> Result<String, Failure> {
        let _making = self.space.0.lock().await;
        if let Ok(Some(space)) = running.host.load(SPACE).await {
            return Ok(space);
        }
        let local = format!("{}{ALIAS}", self.config.user_prefix);
        let body = json!({
            "preset": "public_chat", "visibility": "private", "name": self.config.bot_name, "room_alias_name": local,
            "creation_content": { "type": "m.space" }, "power_level_content_override": { "events_default": 100 },
        });
        let made = self.ask_as(self.naming.bot(), Ask::post(&["createRoom"], body)).await;
        let space = match made {
            Ok(made) => text_at(&made, &["room_id"]).filter(|room| id::is_room(room)).map(str::to_owned),
            // It is there, and only forgotten here.
            Err(failure) if failure.is("M_ROOM_IN_USE") => {
                Some(self.ask_alias(&format!("#{local}:{}", self.config.server_name)).await?.0)
            }
            Err(failure) => return Err(failure),
        };
        let space = space.ok_or_else(|| Failure::Lost("it did not say which room it made".to_owned()))?;
        running.save(SPACE, Some(&space)).await;
        Ok(space)
    }
}
