//! Files that an account sends: taken as they come, and answered with the link that others follow.

use super::super::Api;
use super::super::auth::Owner;
use super::super::error::{ApiError, Result};
use super::super::input::Parameters;
use crate::core::Uploaded;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::{Extension, Json};
use futures_util::StreamExt as _;
use monster_bridge_api::MediaError;
use serde::Serialize;
use std::io;
use utoipa::ToSchema;

/// A file that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MyFile)]
pub(super) struct View {
    /// The link to it. A message of nothing else is the file.
    #[schema(example = "https://gw.example.org/media/AbC/cat.png")]
    url: String,
    /// What it is called.
    name: String,
    /// Its media type.
    media_type: String,
    /// Its size in bytes.
    size: u64,
}

/// Takes a file, as the request's body, and gives the link to it. It goes when the link ends.
#[utoipa::path(post, path = "/me/media", tag = "me", operation_id = "sendFile", security(("account" = [])),
    params(("name" = Option<String>, Query, description = "What the file is called")),
    request_body(content = String, content_type = "application/octet-stream",
        description = "The file, with its own `Content-Type`"),
    responses((status = 201, description = "It is there", body = View),
        (status = 403, description = "There is no room for it"),
        (status = 413, description = "It is too large")))]
pub(super) async fn send(
    State(api): State<Api>,
    Extension(Owner(account)): Extension<Owner>,
    mut parameters: Parameters,
    request: Request,
) -> Result<(StatusCode, Json<View>)> {
    let name = parameters.take("name").unwrap_or_default();
    parameters.finish()?;
    let (head, body) = request.into_parts();
    let media_type = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let media_type = media_type.unwrap_or("application/octet-stream");
    let body = body.into_data_stream().map(|piece| piece.map_err(io::Error::other));
    let taken = api.core.take_file(&account, (&name, media_type), body).await.map_err(|error| refused(&error))?;
    let Uploaded { url, name, media_type, size } = taken;
    Ok((StatusCode::CREATED, Json(View { url, name, media_type, size })))
}

fn refused(error: &MediaError) -> ApiError {
    let status = match error {
        MediaError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        MediaError::Refused(_) => StatusCode::FORBIDDEN,
        MediaError::Gone(_) => StatusCode::NOT_FOUND,
        MediaError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    ApiError::new(status, error.to_string())
}
