//! The account API, `/api/v1/me`: who the owner of a token is, their conversations and what was said
//! in them, and the servers for their calls. `docs/web-api.md` describes it for those who write
//! clients. What is said now comes over home sockets; what an account may read, `core` decides.

mod files;
mod rows;

use super::Api;
use super::auth::Owner;
use super::error::{ApiError, Result};
use super::input::{Body, Parameters, Segments, address};
use super::page::{Page, PageOf, PageParameters};
use crate::core::{Row, Talk};
use crate::store::StoreError;
use crate::turn::IceServer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use rows::{ConversationView, RowView};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(conversations))
        .routes(routes!(messages))
        .routes(routes!(mark_read))
        .routes(routes!(files::send))
        .routes(routes!(ice_servers))
}

/// The account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Me)]
struct View {
    /// Its address.
    #[schema(example = "@alice:gw.example.org")]
    address: String,
    /// The name in it.
    name: String,
    /// What people call it, where not by its name.
    nickname: Option<String>,
    /// URL of a picture.
    picture: Option<String>,
    /// The URL of its home sockets, without a query.
    #[schema(example = "wss://gw.example.org/alice")]
    socket: String,
}

/// How far the account has read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadMark {
    /// The `number` of the last message that it has read.
    #[schema(minimum = 0)]
    number: i64,
}

/// The servers for a call.
#[derive(Debug, Serialize, ToSchema)]
struct IceConfiguration {
    /// As an `RTCPeerConnection` takes them.
    #[serde(rename = "iceServers")]
    ice_servers: Vec<IceServer>,
    /// For how long the credentials are good, in seconds.
    ttl_seconds: u64,
}

/// Where a page of conversations starts: the newest message and the address of the one before.
struct Position(i64, String);

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (newest, address) = text.split_once(' ').ok_or(())?;
        Ok(Self(newest.parse().map_err(|_| ())?, address.to_owned()))
    }
}

/// Tells whose token it is.
#[utoipa::path(get, path = "/me", tag = "me", operation_id = "getMe", security(("account" = [])),
    responses((status = 200, description = "The account", body = View)))]
async fn whoami(State(api): State<Api>, Extension(Owner(account)): Extension<Owner>) -> Result<Json<View>> {
    let name = account.name().into_owned();
    let known = api.store.account(&name).await?;
    let known = known.ok_or_else(|| StoreError::Missing(format!("there is no account {account} any more")))?;
    Ok(Json(View {
        address: account.as_str().to_owned(),
        name,
        nickname: known.nickname,
        picture: known.picture,
        socket: account.to_url(api.secure),
    }))
}

/// Lists the account's conversations, the one with the newest message first.
#[utoipa::path(get, path = "/me/conversations", tag = "me", operation_id = "listMyConversations",
    security(("account" = [])), params(PageParameters),
    responses((status = 200, description = "A page of conversations", body = Page<ConversationView>)))]
async fn conversations(
    State(api): State<Api>,
    Extension(Owner(account)): Extension<Owner>,
    parameters: Parameters,
) -> Result<Json<Page<ConversationView>>> {
    let page = PageOf::<Position>::only(parameters)?;
    let after = page.after.as_ref().map(|Position(newest, address)| (*newest, address.clone()));
    let read = api.core.read_talks(&account, after.as_ref(), page.read()).await?;
    let cursor = |talk: &Talk| format!("{} {}", talk.position.0, talk.position.1);
    Ok(Json(page.of(read, cursor, ConversationView::from)))
}

/// Lists what was said in a conversation, the newest first: messages, edits, reactions and recalls,
/// each as a row of its own.
#[utoipa::path(get, path = "/me/conversations/{address}/messages", tag = "me", operation_id = "listMyMessages",
    security(("account" = [])),
    params(PageParameters, ("address" = String, Path, description = "Where the account writes, percent-encoded")),
    responses((status = 200, description = "A page of rows", body = Page<RowView>),
        (status = 404, description = "The account has no such conversation")))]
async fn messages(
    State(api): State<Api>,
    Extension(Owner(account)): Extension<Owner>,
    Segments(at): Segments<String>,
    parameters: Parameters,
) -> Result<Json<Page<RowView>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let at = address("address", &at)?;
    let read = api.core.read_messages(&account, &at, page.after, page.limit).await?;
    let (rows, next) = read.ok_or_else(missing)?;
    let items = rows.into_iter().map(|row: Row| RowView::from(row)).collect();
    Ok(Json(Page { items, next: next.map(|number| number.to_string()) }))
}

/// Notes how far the account has read; the mark never goes back.
#[utoipa::path(put, path = "/me/conversations/{address}/read", tag = "me", operation_id = "markRead",
    security(("account" = [])), request_body = ReadMark,
    params(("address" = String, Path, description = "Where the account writes, percent-encoded")),
    responses((status = 204, description = "It is noted"),
        (status = 404, description = "The account has no such conversation")))]
async fn mark_read(
    State(api): State<Api>,
    Extension(Owner(account)): Extension<Owner>,
    Segments(at): Segments<String>,
    Body(mark): Body<ReadMark>,
) -> Result<StatusCode> {
    let at = address("address", &at)?;
    if mark.number < 0 {
        return Err(ApiError::field("number", "expected the `number` of a message"));
    }
    if !api.core.mark_read(&account, &at, mark.number).await? {
        return Err(missing());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the STUN and TURN servers for a call, with credentials that are good for a while.
#[utoipa::path(get, path = "/me/ice-servers", tag = "me", operation_id = "getIceServers",
    security(("account" = [])),
    responses((status = 200, description = "The servers", body = IceConfiguration)))]
async fn ice_servers(State(api): State<Api>, Extension(Owner(account)): Extension<Owner>) -> Json<IceConfiguration> {
    let ice_servers = api.ice.for_user(&account.name(), api.environment.now_ms());
    Json(IceConfiguration { ice_servers, ttl_seconds: api.ice.ttl().as_secs() })
}

fn missing() -> ApiError {
    ApiError::missing("this account has no such conversation")
}

#[cfg(test)]
mod tests;
