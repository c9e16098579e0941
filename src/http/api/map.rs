//! The map: which address stands for which user or room of a network.

use super::Api;
use super::error::{ApiError, Result};
use super::input::{Body, Parameters, Segments, TEXT_BYTES, address, text};
use super::page::{Page, PageOf, PageParameters};
use crate::store::Mapping;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An address that stands for a user or room of a network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mapping)]
pub(super) struct View {
    /// The bridge instance.
    #[schema(example = "libera")]
    bridge: String,
    /// The id on its network.
    #[schema(example = "#rust")]
    remote_id: String,
    /// The address.
    #[schema(example = "@#rust:libera:gw.example.org")]
    address: String,
    /// Added by an administrator; others come of themselves.
    alias: bool,
}

/// What an address shall stand for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMapping)]
pub(super) struct NewMapping {
    /// The user or room, by its name on the network.
    #[schema(example = "#rust", min_length = 1, max_length = 512)]
    remote_id: String,
}

impl From<Mapping> for View {
    fn from(mapping: Mapping) -> Self {
        let Mapping { bridge, remote_id, address, alias } = mapping;
        Self { bridge, remote_id, address, alias }
    }
}

/// Lists what addresses stand for, by address.
#[utoipa::path(get, path = "/map", tag = "map", operation_id = "listMap",
    params(PageParameters, ("bridge" = Option<String>, Query, description = "Only those of this bridge instance")),
    responses((status = 200, description = "A page of the map", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, mut parameters: Parameters) -> Result<Json<Page<View>>> {
    let bridge = parameters.take("bridge");
    if let Some(bridge) = &bridge {
        let known = api.core.admin().known_instance(bridge).await.map_err(ApiError::from);
        known.map_err(|error| {
            if error.is_missing() { error.with_status(StatusCode::BAD_REQUEST).with_field("bridge") } else { error }
        })?;
    }
    let page = PageOf::<String>::only(parameters)?;
    let after = page.after.as_deref().unwrap_or_default();
    let read = api.core.admin().mappings(bridge.as_deref(), after, page.read()).await?;
    Ok(Json(page.of(read, |mapping: &Mapping| mapping.address.clone(), View::from)))
}

/// Lets an address stand for a user or room too.
#[utoipa::path(put, path = "/map/{bridge}/{address}", tag = "map", operation_id = "putMapping",
    params(("bridge" = String, Path, description = "The bridge instance"),
        ("address" = String, Path, pattern = "^@", description = "The address, percent-encoded")),
    request_body = NewMapping,
    responses(
        (status = 200, description = "What the address stands for", body = View),
        (status = 409, description = "It stands for something else"),
    ))]
pub(super) async fn put(
    State(api): State<Api>,
    Segments((bridge, alias)): Segments<(String, String)>,
    Body(new): Body<NewMapping>,
) -> Result<Json<View>> {
    text("bridge", &bridge, TEXT_BYTES)?;
    text("remote_id", &new.remote_id, TEXT_BYTES)?;
    let alias = address("address", &alias)?;
    Ok(Json(api.core.admin().add_alias(&bridge, &new.remote_id, &alias).await?.into()))
}

/// Removes an address that an administrator added.
#[utoipa::path(delete, path = "/map/{bridge}/{address}", tag = "map", operation_id = "removeMapping",
    params(("bridge" = String, Path, description = "The bridge instance"),
        ("address" = String, Path, pattern = "^@", description = "The address, percent-encoded")),
    responses((status = 204, description = "No administrator's address is spelled so any more")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Segments((bridge, alias)): Segments<(String, String)>,
) -> Result<StatusCode> {
    let alias = address("address", &alias)?;
    match api.core.admin().remove_alias(&bridge, &alias).await.map_err(ApiError::from) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
