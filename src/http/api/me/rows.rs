//! What the account API shows of conversations and messages.

use crate::core::{Act, Quoted, Row, RowKind, Talk};
use crate::store::RelationState;
use monster_protocol::CallLine;
use serde::Serialize;
use utoipa::ToSchema;

/// A conversation of the account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MyConversation)]
pub(super) struct ConversationView {
    /// Where the account writes.
    #[schema(example = "@#rust:libera:gw.example.org")]
    address: String,
    /// What people call it.
    name: String,
    /// Whether it is a person or a room.
    kind: ConversationKind,
    /// How the account stands to it; `null` if they only talk.
    relation: Option<RelationView>,
    /// Every address in which the same is said.
    places: Vec<String>,
    /// The newest message that has words.
    last: Option<LastView>,
    /// Messages of others that the account has not read, up to 100.
    unread: usize,
}

/// What is at the other end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ConversationKind {
    /// Somebody.
    Person,
    /// A room.
    Group,
}

/// How an account stands to somebody or to a room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MyRelation)]
enum RelationView {
    /// A member, or a contact.
    Accepted,
    /// The account asked, the other side has to decide.
    Asked,
    /// The other side asked, the account has to decide.
    Invited,
}

/// The newest message of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastMessage)]
struct LastView {
    /// Its number.
    number: i64,
    /// Who said it.
    from: String,
    /// What people call them.
    nickname: String,
    /// When it was said, in ms since the epoch.
    time: i64,
    /// What sort of row it is.
    kind: KindView,
    /// Its first words.
    excerpt: String,
    /// What became of a call, of the line that it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    call: Option<Box<CallLine>>,
}

/// Something that was said or done. Fields that frames have are spelled as in frames.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Row)]
pub(super) struct RowView {
    /// Its number, which grows with time.
    number: i64,
    /// The id by which the account knows it.
    message_id: String,
    /// Who said it.
    from: String,
    /// What people call them.
    nickname: String,
    /// When it was said, in ms since the epoch.
    time: i64,
    /// What sort of row it is.
    kind: KindView,
    /// What it says, as markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The message that it answers, or that a reaction is put to.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    /// The message that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    /// The emoji that is put to a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<String>,
    /// The message or reaction that is withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    recall_message_id: Option<String>,
    /// What became of a call, of the line that it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    call: Option<Box<CallLine>>,
    /// Of the message that is referred to.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<QuoteView>,
}

/// What sort of row it is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RowKind)]
enum KindView {
    /// A message.
    Text,
    /// A message reads otherwise now.
    Edit,
    /// An emoji is put to a message.
    Reaction,
    /// A message or reaction is withdrawn.
    Recall,
    /// Somebody asks to be a contact, or agrees.
    Request,
    /// Somebody ends the relation, or declines.
    Close,
    /// The gateway or a bridge says something.
    Notice,
}

/// A message that is referred to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quote)]
struct QuoteView {
    /// Who said it.
    from: String,
    /// What people call them.
    nickname: String,
    /// Its first words.
    excerpt: String,
}

impl From<Talk> for ConversationView {
    fn from(talk: Talk) -> Self {
        Self {
            address: talk.address.as_str().to_owned(),
            name: talk.name,
            kind: if talk.is_room { ConversationKind::Group } else { ConversationKind::Person },
            relation: talk.relation.map(|relation| match relation {
                RelationState::Accepted => RelationView::Accepted,
                RelationState::Asked => RelationView::Asked,
                RelationState::Invited => RelationView::Invited,
            }),
            places: talk.places.into_iter().map(|place| place.as_str().to_owned()).collect(),
            last: talk.last.map(|row| LastView {
                number: row.number,
                from: row.author,
                nickname: row.author_name,
                time: row.at,
                kind: row.kind.into(),
                excerpt: row.excerpt,
                call: row.call,
            }),
            unread: talk.unread,
        }
    }
}

impl From<Row> for RowView {
    fn from(row: Row) -> Self {
        let Row { number, id, author, author_name, at, kind, act, call, quote, excerpt: _ } = row;
        let mut view = Self {
            number,
            message_id: id,
            from: author,
            nickname: author_name,
            time: at,
            kind: kind.into(),
            text: None,
            reply_to: None,
            replaces: None,
            reaction: None,
            recall_message_id: None,
            call,
            quote: quote.map(QuoteView::from),
        };
        match act {
            Act::Say { text, reply_to } => (view.text, view.reply_to) = (Some(text), reply_to),
            Act::Edit { replaces, text } => (view.replaces, view.text) = (Some(replaces), Some(text)),
            Act::React { reply_to, emoji } => (view.reply_to, view.reaction) = (Some(reply_to), Some(emoji)),
            Act::Recall { target } => view.recall_message_id = Some(target),
            Act::Ask { .. } | Act::Close => {}
        }
        view
    }
}

impl From<Quoted> for QuoteView {
    fn from(quoted: Quoted) -> Self {
        Self { from: quoted.author, nickname: quoted.author_name, excerpt: quoted.excerpt }
    }
}

impl From<RowKind> for KindView {
    fn from(kind: RowKind) -> Self {
        match kind {
            RowKind::Text => Self::Text,
            RowKind::Edit => Self::Edit,
            RowKind::Reaction => Self::Reaction,
            RowKind::Recall => Self::Recall,
            RowKind::Request => Self::Request,
            RowKind::Close => Self::Close,
            RowKind::Notice => Self::Notice,
        }
    }
}
