//! How a component makes itself known (XEP-0114 §3), and why a server lets nobody in.

use super::dial::Stream;
use crate::wire::{self, Incoming, Reader};
use crate::xml::{Make, StanzaError, el, ns};
use aws_lc_rs::digest;
use bytes::BytesMut;
use minidom::Element;
use std::fmt::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// Why there is no session. The words are for a person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The server is not reached.
    #[error("{0}")]
    Unreached(String),
    /// The server says no: the stream error's condition (RFC 6120 §4.9.3), and its words.
    #[error("the server does not let the gateway in: {words}")]
    Refused { condition: String, words: String },
    /// It did not come to an end that was meant.
    #[error("{0}")]
    Failed(String),
}

impl From<String> for OpenError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Opens the stream and proves that the secret is known; gives the reader and what came behind the
/// answer.
pub(super) async fn component(
    stream: &mut Stream,
    domain: &str,
    secret: &str,
) -> Result<(Reader, BytesMut), OpenError> {
    let mut reader = Reader::new(ns::COMPONENT);
    let mut buffer = BytesMut::new();
    say(stream, &wire::open(ns::COMPONENT, domain)).await?;
    let id = match next(stream, &mut reader, &mut buffer).await? {
        Incoming::Header { id: Some(id) } => id,
        other => return Err(unexpected(&other)),
    };
    let mut text = String::new();
    wire::write(&el("handshake", ns::COMPONENT).words(proof(&id, secret)), ns::COMPONENT, &mut text);
    say(stream, text.as_bytes()).await?;
    match next(stream, &mut reader, &mut buffer).await? {
        Incoming::Element(element) if element.name() == "handshake" => Ok((reader, buffer)),
        other => Err(unexpected(&other)),
    }
}

/// SHA-1 of the stream's id and the secret, in hexadecimal.
fn proof(id: &str, secret: &str) -> String {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{id}{secret}").as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn unexpected(incoming: &Incoming) -> OpenError {
    match incoming {
        Incoming::Element(element) if element.is("error", ns::STREAM) => OpenError::Refused {
            condition: condition(element).map(|condition| condition.name().to_owned()).unwrap_or_default(),
            words: stream_error(element),
        },
        _ => OpenError::Failed("the server does not answer as expected".to_owned()),
    }
}

fn condition(error: &Element) -> Option<&Element> {
    error.children().find(|child| child.ns() == STREAMS && child.name() != "text")
}

/// What a stream error says.
pub(super) fn stream_error(error: &Element) -> String {
    let text = error.get_child("text", STREAMS).map(Element::text).filter(|text| !text.is_empty());
    text.or_else(|| condition(error).map(|condition| condition.name().replace('-', " ")))
        .unwrap_or_else(|| StanzaError::of(error).text)
}

pub(super) async fn say(stream: &mut Stream, bytes: &[u8]) -> Result<(), String> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    written.await.map_err(|error| format!("the connection broke: {error}"))
}

pub(super) async fn next(stream: &mut Stream, reader: &mut Reader, buffer: &mut BytesMut) -> Result<Incoming, String> {
    loop {
        let mut rest = &buffer[..];
        let read = reader.read(&mut rest).map_err(|error| error.to_string());
        let consumed = buffer.len() - rest.len();
        let _ = buffer.split_to(consumed);
        if let Some(incoming) = read? {
            return Ok(incoming);
        }
        let count = stream.read_buf(buffer).await.map_err(|error| format!("the connection broke: {error}"))?;
        if count == 0 {
            return Err("the server closed the connection".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_specification() {
        // XEP-0114's own example says nothing about its secret; this one is computed by hand.
        assert_eq!(proof("sid", "123456"), "9accec263ab84a43c6037ccf7cd48cb1d3f6df8e");
    }
}
