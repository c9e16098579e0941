//! Deliveries that wait, and those that were given up.

use super::Api;
use super::error::Result;
use super::input::{Parameters, Segments, number};
use super::page::{Page, PageOf, PageParameters};
use crate::store::{DeadLetter, Waiting};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A delivery that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct View {
    /// Its number.
    id: i64,
    /// Who takes it: a bridge instance, or the address of a Monster account.
    to: String,
    /// For a bridge: the address of the room or person it goes to. For a Monster account: the
    /// address that speaks to it.
    via: String,
    /// The gateway's key of the message.
    message_key: String,
    /// The address of who said it.
    author: String,
    /// How often it was tried.
    attempts: u32,
    /// Not tried before, in ms since the epoch.
    not_before: i64,
    /// When it was journalled, in ms since the epoch.
    created: i64,
    /// Why the last try failed.
    error: Option<String>,
}

/// A delivery that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(super) struct DeadView {
    /// The number it had.
    id: i64,
    /// Who would have taken it: a bridge instance, or the address of a Monster account.
    to: String,
    /// For a bridge: the address of the room or person it was for. For a Monster account: the
    /// address that spoke to it.
    via: String,
    /// The gateway's key of the message.
    message_key: String,
    /// The address of who said it.
    author: String,
    /// Why it was given up.
    error: String,
    /// When, in ms since the epoch.
    at: i64,
}

impl From<Waiting> for View {
    fn from(waiting: Waiting) -> Self {
        let Waiting { id, lane, message_key, author, attempts, not_before, created, error } = waiting;
        Self { id, to: lane.to, via: lane.via, message_key, author, attempts, not_before, created, error }
    }
}

impl From<DeadLetter> for DeadView {
    fn from(dead: DeadLetter) -> Self {
        let DeadLetter { id, lane, message_key, author, error, at } = dead;
        Self { id, to: lane.to, via: lane.via, message_key, author, error, at }
    }
}

/// Lists what waits, the oldest first.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", operation_id = "listDeliveries", params(PageParameters),
    responses((status = 200, description = "A page of deliveries", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let read = api.store.waiting(page.after.unwrap_or_default(), page.read()).await?;
    Ok(Json(page.of(read, |waiting: &Waiting| waiting.id.to_string(), View::from)))
}

/// Tries a delivery now instead of after its pause. What stands before it in its lane comes first.
#[utoipa::path(post, path = "/deliveries/{id}/retry", tag = "deliveries", operation_id = "retryDelivery",
    params(("id" = i64, Path, minimum = 0, description = "Its number")),
    responses((status = 204, description = "It is due"), (status = 404, description = "It does not wait (any more)")))]
pub(super) async fn retry(State(api): State<Api>, Segments(id): Segments<String>) -> Result<StatusCode> {
    api.core.retry(number("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Drops a delivery: it is not tried again, and its sender is not told.
#[utoipa::path(delete, path = "/deliveries/{id}", tag = "deliveries", operation_id = "dropDelivery",
    params(("id" = i64, Path, minimum = 0, description = "Its number")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "It does not wait (any more): it may have been delivered")))]
pub(super) async fn remove(State(api): State<Api>, Segments(id): Segments<String>) -> Result<StatusCode> {
    api.core.drop_delivery(number("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists what was given up, the newest first.
#[utoipa::path(get, path = "/dead-letters", tag = "deliveries", operation_id = "listDeadLetters",
    params(PageParameters),
    responses((status = 200, description = "A page of dead letters", body = Page<DeadView>)))]
pub(super) async fn dead_letters(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<DeadView>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let read = api.store.dead_letters(page.after, page.read()).await?;
    Ok(Json(page.of(read, |dead: &DeadLetter| dead.id.to_string(), DeadView::from)))
}
