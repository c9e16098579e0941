//! Files: out of the homeserver as streams, decrypted on the way; into it as streams, or whole where they are
//! encrypted or their size is not known (the homeserver wants to know it first).

use super::{Account, Live};
use crate::map::{Uploaded, text_at};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use matrix_sdk_crypto::{AttachmentDecryptor, AttachmentEncryptor, MediaEncryptionInfo};
use monster_bridge_api::{Attachment, Media, MediaError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::Duration;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// How long the homeserver has for the beginning of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a file is decrypted at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// Under which key what decrypts a file is saved.
pub(crate) fn key_of(uri: &str) -> String {
    format!("file/{uri}")
}

/// Opens a file of the homeserver.
pub(crate) async fn open(live: &Live, uri: &str) -> Result<Media, MediaError> {
    let gone = || MediaError::Gone(format!("there is no file `{uri}`"));
    let path = uri.strip_prefix("mxc://").filter(|_| crate::map::is_mxc(uri)).ok_or_else(gone)?;
    let key = live.host.load(&key_of(uri)).await.map_err(|error| MediaError::Unavailable(error.to_string()))?;
    let url = format!("{}/_matrix/client/v1/media/download/{path}", live.homeserver);
    let answer = tokio::time::timeout(PATIENCE, request(live, reqwest::Method::GET, &url).send()).await;
    let answer = answer.ok().and_then(Result::ok);
    let answer = answer.ok_or_else(|| MediaError::Unavailable("the homeserver did not answer".to_owned()))?;
    if !answer.status().is_success() {
        return Err(if answer.status().as_u16() == 404 {
            gone()
        } else {
            MediaError::Unavailable(format!("the homeserver answered {}", answer.status().as_u16()))
        });
    }
    let size = answer.content_length();
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let body = answer.bytes_stream().map_err(std::io::Error::other).boxed();
    match key {
        // Encrypted bytes are as many as plain ones (AES-CTR); what they are is in the event.
        Some(key) => Ok(Media { media_type: None, size, body: decrypted(body, &key)? }),
        None => Ok(Media { media_type: kind, size, body }),
    }
}

type Body = futures_util::stream::BoxStream<'static, std::io::Result<Bytes>>;

/// The plain bytes of an encrypted file. Their end is an error if they are not those that the sender meant.
fn decrypted(body: Body, key: &str) -> Result<Body, MediaError> {
    let broken = |_| MediaError::Gone("what decrypts the file cannot be read".to_owned());
    let info: MediaEncryptionInfo = serde_json::from_str(key).map_err(broken)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut encrypted = SyncIoBridge::new(StreamReader::new(body));
    tokio::task::spawn_blocking(move || {
        let mut plain = match AttachmentDecryptor::new(&mut encrypted, info) {
            Ok(plain) => plain,
            Err(error) => return drop(sender.blocking_send(Err(std::io::Error::other(error.to_string())))),
        };
        let mut piece = vec![0; PIECE];
        loop {
            let read = plain.read(&mut piece).map(|size| Bytes::copy_from_slice(&piece[..size]));
            let ends = read.as_ref().map_or(true, Bytes::is_empty);
            if ends && read.is_ok() {
                return;
            }
            if sender.blocking_send(read).is_err() || ends {
                return;
            }
        }
    });
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Ok(pieces.boxed())
}

/// Takes an attachment to the homeserver.
pub(crate) async fn upload(
    account: &Account,
    live: &Live,
    attachment: &Attachment,
    encrypt: bool,
) -> Result<Uploaded, MediaError> {
    let limit = account.config.max_file_bytes;
    let media = live.host.fetch(&attachment.url, limit).await?;
    if media.size.is_some_and(|size| size > limit) {
        return Err(MediaError::TooLarge { limit });
    }
    let name = utf8_percent_encode(&attachment.name, NON_ALPHANUMERIC);
    let plain_url = format!("{}/_matrix/media/v3/upload?filename={name}", live.homeserver);
    if let (Some(size), false) = (media.size, encrypt) {
        let body = reqwest::Body::wrap_stream(media.body);
        let uri = put(live, &plain_url, &attachment.media_type, size, body).await?;
        return Ok(Uploaded { attachment: attachment.clone(), uri, size: Some(size), encrypted: None });
    }
    // One at a time, so that files held whole are no more than one.
    let _turn = account.uploads.lock().await;
    let bytes = whole(media, limit).await?;
    let size = bytes.len() as u64;
    if !encrypt {
        let uri = put(live, &plain_url, &attachment.media_type, size, bytes.into()).await?;
        return Ok(Uploaded { attachment: attachment.clone(), uri, size: Some(size), encrypted: None });
    }
    let (bytes, mut key) = encrypted(&bytes)?;
    let url = format!("{}/_matrix/media/v3/upload", live.homeserver);
    let uri = put(live, &url, "application/octet-stream", size, bytes.into()).await?;
    key["url"] = json!(uri);
    Ok(Uploaded { attachment: attachment.clone(), uri, size: Some(size), encrypted: Some(key) })
}

fn encrypted(plain: &[u8]) -> Result<(Vec<u8>, Value), MediaError> {
    let failed = |why: String| MediaError::Unavailable(why);
    let mut plain = plain;
    let mut encryptor = AttachmentEncryptor::new(&mut plain);
    let mut bytes = Vec::new();
    encryptor.read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    let key = serde_json::to_value(encryptor.finish()).map_err(|error| failed(error.to_string()))?;
    Ok((bytes, key))
}

async fn whole(mut media: Media, limit: u64) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    while let Some(piece) = media.body.next().await {
        let piece = piece.map_err(|error| MediaError::Unavailable(error.to_string()))?;
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(MediaError::TooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn put(live: &Live, url: &str, kind: &str, size: u64, body: reqwest::Body) -> Result<String, MediaError> {
    let failed = |why: &str| MediaError::Unavailable(why.to_owned());
    let request = request(live, reqwest::Method::POST, url);
    let request = request.header("content-type", kind).header("content-length", size).body(body);
    let answer = request.send().await.map_err(|_| failed("the homeserver did not take the file"))?;
    if answer.status().as_u16() == 413 {
        return Err(MediaError::TooLarge { limit: size.saturating_sub(1) });
    }
    if !answer.status().is_success() {
        return Err(failed(&format!("the homeserver answered {}", answer.status().as_u16())));
    }
    let answer: Value = answer.json().await.map_err(|_| failed("the homeserver's answer cannot be read"))?;
    let uri = text_at(&answer, &["content_uri"]).filter(|uri| crate::map::is_mxc(uri));
    uri.map(str::to_owned).ok_or_else(|| failed("the homeserver's answer has no address of the file"))
}

fn request(live: &Live, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
    let token = live.client.access_token().unwrap_or_default();
    live.client.http_client().request(method, url).bearer_auth(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_decrypted_as_a_stream_and_a_changed_one_ends_in_an_error() {
        let plain: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (bytes, key) = encrypted(&plain).unwrap();
        let stream = |bytes: Vec<u8>| {
            let pieces: Vec<std::io::Result<Bytes>> =
                bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            futures_util::stream::iter(pieces).boxed()
        };
        let read: Vec<Bytes> = decrypted(stream(bytes.clone()), &key.to_string()).unwrap().try_collect().await.unwrap();
        assert_eq!(read.concat(), plain);

        let mut changed = bytes;
        changed[150_000] ^= 1;
        let read: Result<Vec<Bytes>, _> = decrypted(stream(changed), &key.to_string()).unwrap().try_collect().await;
        assert!(read.is_err());
    }
}
