//! Conversations and their messages, without what the messages say.

use super::Api;
use super::error::Result;
use super::input::{Parameters, Segments, text};
use super::page::{Page, PageOf, PageParameters};
use crate::core::ConversationRow;
use crate::store::Message;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The longest name of a conversation, in bytes: two addresses.
const CONVERSATION_BYTES: usize = 2 * monster_protocol::MAX_ADDRESS_BYTES + 1;

/// Places in which the same things are said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(super) struct View {
    /// Its name: the room's address, `link:` and the link's number, or the two people's addresses.
    #[schema(example = "link:7")]
    conversation: String,
    /// The rooms, or the two people.
    places: Vec<String>,
    /// When its newest message was said, in ms since the epoch.
    at: i64,
    /// Who said that.
    author: String,
}

/// A message, without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageView {
    /// The gateway's key of it.
    key: String,
    /// The address at which it was said.
    venue: String,
    /// The address of who said it.
    author: String,
    /// What people call them.
    author_name: String,
    /// When it was said, in ms since the epoch.
    at: i64,
}

impl From<ConversationRow> for View {
    fn from(row: ConversationRow) -> Self {
        Self { conversation: row.conversation, places: row.places, at: row.at, author: row.author }
    }
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let message = message.message;
        Self {
            key: message.key.clone(),
            venue: message.venue.clone(),
            author: message.author.clone(),
            author_name: message.author_name.clone(),
            at: message.at,
        }
    }
}

/// Lists conversations, the one in which something was said last first.
#[utoipa::path(get, path = "/conversations", tag = "conversations", operation_id = "listConversations",
    params(PageParameters),
    responses((status = 200, description = "A page of conversations", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let read = api.core.admin().conversations(page.after, page.read()).await?;
    Ok(Json(page.of(read, |row: &ConversationRow| row.newest.to_string(), View::from)))
}

/// Lists messages of a conversation, the newest first, without what they say.
#[utoipa::path(get, path = "/conversations/{conversation}/messages", tag = "conversations",
    operation_id = "listMessages",
    params(PageParameters, ("conversation" = String, Path, description = "Its name, percent-encoded")),
    responses((status = 200, description = "A page of messages", body = Page<MessageView>)))]
pub(super) async fn messages(
    State(api): State<Api>,
    Segments(conversation): Segments<String>,
    parameters: Parameters,
) -> Result<Json<Page<MessageView>>> {
    let page = PageOf::<i64>::only(parameters)?;
    text("conversation", &conversation, CONVERSATION_BYTES)?;
    let read = api.store.history(&conversation, page.after, page.read()).await?;
    Ok(Json(page.of(read, |message: &Message| message.id.to_string(), MessageView::from)))
}
