//! Files: from outside to the homeserver, and the homeserver's for whoever has a link.

use super::instance::{Instance, Running};
use crate::client::{Ask, Failure};
use crate::map;
use futures_util::StreamExt;
use monster_bridge_api::{Attachment, DeliveryError, Media, MediaError};
use reqwest::{Body, Method};
use std::io;
use std::time::Duration;

/// A file of unknown size that is larger than this is not taken: it has to be in memory once.
const UNMEASURED: u64 = 16 << 20;

/// A file could not be taken to the homeserver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// It cannot be had.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The homeserver did not take it.
    #[error(transparent)]
    Homeserver(#[from] Failure),
}

/// Takes what is at a URL to the homeserver, as `user`; its `mxc://` URI and size.
pub(crate) async fn take_over(
    instance: &Instance,
    running: &Running,
    user: &str,
    url: &str,
    name: &str,
    limit: u64,
) -> Result<(String, u64), TakeError> {
    let client = instance.client().map_err(Failure::Unreachable)?;
    let file = running.host.fetch(url, limit).await?;
    let media_type = file.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    let (size, body) = match file.size {
        Some(size) if size > limit => return Err(MediaError::TooLarge { limit }.into()),
        Some(size) => (size, Body::wrap_stream(file.body)),
        None => {
            let bytes = whole(file, limit.min(UNMEASURED)).await?;
            (bytes.len() as u64, Body::from(bytes))
        }
    };
    let uri = client.upload(user, name, &media_type, size, body).await?;
    Ok((uri, size))
}

async fn whole(file: Media, limit: u64) -> Result<Vec<u8>, MediaError> {
    let mut body = file.body;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| MediaError::Unavailable(error.to_string()))?;
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(MediaError::TooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A file of a message on the homeserver; `None` if it stays where it is, and a link to it is put into
/// words.
pub(crate) async fn upload(
    instance: &Instance,
    running: &Running,
    user: &str,
    attachment: &Attachment,
) -> Result<Option<map::Uploaded>, DeliveryError> {
    let limit = instance.config.max_file_bytes;
    match take_over(instance, running, user, &attachment.url, &attachment.name, limit).await {
        Ok((uri, size)) => {
            Ok(Some(map::Uploaded { attachment: attachment.clone(), uri, size: Some(size), encrypted: None }))
        }
        Err(TakeError::Media(MediaError::Unavailable(why))) => Err(DeliveryError::transient(why)),
        Err(TakeError::Homeserver(Failure::Refused { status: 413 | 400 | 403, .. }) | TakeError::Media(_)) => Ok(None),
        // A file that arrived twice is one that nobody sees.
        Err(TakeError::Homeserver(failure)) => match DeliveryError::from(failure) {
            DeliveryError::Uncertain { why } => Err(DeliveryError::transient(why)),
            other => Err(other),
        },
    }
}

/// Opens a file on the homeserver, as the bot.
pub(crate) async fn open(instance: &Instance, reference: &str) -> Result<Media, MediaError> {
    let gone = || MediaError::Gone("there is no such file".to_owned());
    if !map::is_mxc(reference) {
        return Err(gone());
    }
    let (server, file) = reference.trim_start_matches("mxc://").split_once('/').ok_or_else(gone)?;
    let client = instance.client().map_err(MediaError::Unavailable)?;
    let ask = |base: &str| Ask::at(Method::GET, base, &[server, file]).within(Duration::from_secs(10));
    let response = match client.open(ask("/_matrix/client/v1/media/download")).await {
        // A homeserver from before authenticated media.
        Err(failure) if failure.is("M_UNRECOGNIZED") => client.open(ask("/_matrix/media/v3/download")).await,
        answer => answer,
    };
    let response = response.map_err(|failure| match failure {
        failure if failure.is_missing() => gone(),
        failure if failure.is_forbidden() => MediaError::Refused(failure.to_string()),
        failure => MediaError::Unavailable(failure.to_string()),
    })?;
    let media_type = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let size = response.content_length();
    let body = response.bytes_stream().map(|piece| piece.map_err(|_| io::Error::other("the homeserver broke off")));
    Ok(Media { media_type, size, body: body.boxed() })
}
