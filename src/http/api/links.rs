//! Links: rooms joined into one conversation.

use super::Api;
use super::error::{ApiError, Result};
use super::input::{Body, Parameters, Segments, TEXT_BYTES, address, number, text};
use super::page::{Page, PageOf, PageParameters};
use crate::core::NewEnd;
use crate::store;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most rooms that one request may name.
const MOST_ENDS: usize = 100;

/// Rooms joined into one conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(super) struct View {
    /// Its number.
    id: i64,
    /// The rooms.
    ends: Vec<EndView>,
    /// When it was made, in ms since the epoch.
    created: i64,
}

/// One room of a link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkEnd)]
pub(super) struct EndView {
    /// Its address.
    #[schema(example = "@#rust:libera:gw.example.org")]
    address: String,
    /// How others appear in it (`puppets`, `relay`), where not as its bridge is set.
    posting: Option<String>,
}

/// Rooms to be joined.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLink)]
pub(super) struct NewLink {
    /// The rooms: two at least. A local group that is not there is made.
    #[schema(min_items = 2, max_items = 100)]
    ends: Vec<NewEndBody>,
    /// What somebody must give to join the local group among them.
    #[schema(min_length = 1, max_length = 512)]
    pass: Option<String>,
}

/// One room to be joined.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLinkEnd)]
pub(super) struct NewEndBody {
    /// Its address.
    #[schema(example = "@#rust:libera:gw.example.org", max_length = 2048, pattern = "^@")]
    address: String,
    /// How others appear in it, where not as its bridge is set.
    posting: Option<Posting>,
}

/// How people from outside appear in a room.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Posting {
    /// Each has a connection of their own.
    Puppets,
    /// One connection speaks for all.
    Relay,
}

impl From<store::Link> for View {
    fn from(link: store::Link) -> Self {
        let view = |end: store::LinkEnd| EndView { address: end.address, posting: end.posting };
        Self { id: link.id, ends: link.ends.into_iter().map(view).collect(), created: link.created }
    }
}

impl From<Posting> for monster_bridge_api::Posting {
    fn from(posting: Posting) -> Self {
        match posting {
            Posting::Puppets => Self::Puppets,
            Posting::Relay => Self::Relay,
        }
    }
}

/// Lists links, by number.
#[utoipa::path(get, path = "/links", tag = "links", operation_id = "listLinks", params(PageParameters),
    responses((status = 200, description = "A page of links", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let after = page.after.unwrap_or(i64::MIN);
    let links = api.core.admin().links().await?;
    let read = links.into_iter().filter(|link| link.id > after).take(page.read()).collect();
    Ok(Json(page.of(read, |link: &store::Link| link.id.to_string(), View::from)))
}

/// Shows a link.
#[utoipa::path(get, path = "/links/{id}", tag = "links", operation_id = "getLink",
    params(("id" = i64, Path, minimum = 0, description = "Its number")),
    responses((status = 200, description = "The link", body = View), (status = 404, description = "There is none")))]
pub(super) async fn one(State(api): State<Api>, Segments(id): Segments<String>) -> Result<Json<View>> {
    let id = number("id", &id)?;
    let known = api.core.admin().links().await?.into_iter().find(|link| link.id == id);
    known.map(|link| Json(link.into())).ok_or_else(|| ApiError::missing(format!("there is no link {id}")))
}

/// Joins rooms into one conversation; rooms that stand in a link already extend it.
#[utoipa::path(post, path = "/links", tag = "links", operation_id = "addLink", request_body = NewLink,
    responses(
        (status = 200, description = "The link that some of the rooms stood in, as it is now", body = View),
        (status = 201, description = "The link, newly made", body = View),
        (status = 409, description = "The rooms stand in two different links"),
    ))]
pub(super) async fn add(State(api): State<Api>, Body(new): Body<NewLink>) -> Result<(StatusCode, Json<View>)> {
    if new.ends.len() > MOST_ENDS {
        return Err(ApiError::field("ends", format!("expected at most {MOST_ENDS} rooms")));
    }
    if let Some(pass) = &new.pass {
        text("pass", pass, TEXT_BYTES)?;
    }
    let ends = new.ends.iter().enumerate().map(|(index, end)| {
        let address = address(&format!("ends[{index}].address"), &end.address)?;
        Ok(NewEnd { address, posting: end.posting.map(Into::into) })
    });
    let ends = ends.collect::<Result<Vec<_>>>()?;

    let known: Vec<_> = api.core.admin().links().await?.into_iter().map(|link| link.id).collect();
    let link = api.core.admin().add_link(ends, new.pass).await?;
    let status = if known.contains(&link.id) { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(link.into())))
}

/// Ends a link; its rooms stay, and are conversations of their own again.
#[utoipa::path(delete, path = "/links/{id}", tag = "links", operation_id = "removeLink",
    params(("id" = i64, Path, minimum = 0, description = "Its number")),
    responses((status = 204, description = "There is no such link any more")))]
pub(super) async fn remove(State(api): State<Api>, Segments(id): Segments<String>) -> Result<StatusCode> {
    match api.core.admin().remove_link(number("id", &id)?).await.map_err(ApiError::from) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
