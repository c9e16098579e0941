//! The two tasks of a connection: one writes what waits, as much as there is at once; one reads,
//! answers questions' askers, and hands everything else on.

use super::Session;
use super::dial::Stream;
use crate::session::AskError;
use crate::wire::{Incoming, Reader};
use crate::xml::{self, StanzaError, ns};
use bytes::BytesMut;
use minidom::Element;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// How many bytes are gathered for one write.
const WRITE_BYTES: usize = 64 << 10;
/// How many bytes are read at once.
const READ_BYTES: usize = 32 << 10;
/// How long one write may take.
const FOR_WRITING: Duration = Duration::from_mins(1);

/// Starts both.
pub(super) fn spawn(
    session: &Arc<Session>,
    stream: Stream,
    reader: Reader,
    rest: BytesMut,
    outbox: mpsc::Receiver<String>,
    inbox: mpsc::Sender<Element>,
    keepalive: Duration,
) {
    let (read, write) = tokio::io::split(stream);
    let writing = Arc::clone(session);
    tokio::spawn(async move {
        let stop = writing.ended.clone();
        let outcome = stop.run_until_cancelled(write_all(write, outbox)).await;
        if let Some(Err(error)) = outcome {
            writing.end(format!("the connection broke: {error}"));
        }
    });
    let ears = Ears { session: Arc::clone(session), reader, inbox };
    tokio::spawn(async move {
        let (session, stop) = (Arc::clone(&ears.session), ears.session.ended.clone());
        let why = stop.run_until_cancelled(ears.listen(read, rest, keepalive)).await;
        session.end(why.unwrap_or_else(|| "the connection ended".to_owned()));
    });
}

async fn write_all(mut stream: WriteHalf<Stream>, mut outbox: mpsc::Receiver<String>) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(WRITE_BYTES);
    while let Some(text) = outbox.recv().await {
        bytes.extend_from_slice(text.as_bytes());
        while bytes.len() < WRITE_BYTES
            && let Ok(text) = outbox.try_recv()
        {
            bytes.extend_from_slice(text.as_bytes());
        }
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        tokio::time::timeout(FOR_WRITING, written).await??;
        bytes.clear();
        bytes.shrink_to(WRITE_BYTES);
    }
    Ok(())
}

struct Ears {
    session: Arc<Session>,
    reader: Reader,
    inbox: mpsc::Sender<Element>,
}

impl Ears {
    /// Reads until the end; why it came.
    async fn listen(mut self, mut stream: ReadHalf<Stream>, mut buffer: BytesMut, keepalive: Duration) -> String {
        loop {
            if let Err(why) = self.take(&mut buffer).await {
                return why;
            }
            buffer.reserve(READ_BYTES);
            let mut asked = false;
            let read = loop {
                match tokio::time::timeout(keepalive, stream.read_buf(&mut buffer)).await {
                    Ok(read) => break read,
                    Err(_) if asked => return "the server does not answer any more".to_owned(),
                    Err(_) => {
                        asked = true;
                        let session = Arc::clone(&self.session);
                        tokio::spawn(async move { session.passed().await });
                    }
                }
            };
            match read {
                Ok(0) => return "the server closed the connection".to_owned(),
                Ok(_) => {}
                Err(error) => return format!("the connection broke: {error}"),
            }
        }
    }

    async fn take(&mut self, buffer: &mut BytesMut) -> Result<(), String> {
        loop {
            let mut rest = &buffer[..];
            let read = self.reader.read(&mut rest).map_err(|error| error.to_string());
            let consumed = buffer.len() - rest.len();
            let _ = buffer.split_to(consumed);
            match read? {
                None => return Ok(()),
                Some(Incoming::Element(element)) => self.hear(element).await?,
                Some(Incoming::TooMuch(head)) => self.refuse(&head),
                Some(Incoming::Header { .. }) => {}
                Some(Incoming::End) => return Err("the server closed the stream".to_owned()),
            }
        }
    }

    async fn hear(&mut self, element: Element) -> Result<(), String> {
        if element.is("error", ns::STREAM) {
            return Err(format!("the server ended the stream: {}", super::handshake::stream_error(&element)));
        }
        if element.is("iq", ns::CLIENT) {
            let (from, id) = (element.attr("from").unwrap_or_default(), element.attr("id").unwrap_or_default());
            let (from, id) = (from.to_owned(), id.to_owned());
            match element.attr("type") {
                Some("result") => {
                    self.session.asked.answered(&from, &id, Ok(element));
                    return Ok(());
                }
                Some("error") => {
                    let error = AskError::Error(StanzaError::of(&element));
                    self.session.asked.answered(&from, &id, Err(error));
                    return Ok(());
                }
                // Our own sign of life, come back.
                _ if self.session.asked.is_open(&from, &id) && element.attr("to") == Some(from.as_str()) => {
                    self.session.asked.answered(&from, &id, Ok(element));
                    return Ok(());
                }
                _ => {}
            }
        }
        // What was refused must be known before the sign of life that follows it.
        if element.is("message", ns::CLIENT) && element.attr("type") == Some("error") {
            let (from, id) = (element.attr("from").unwrap_or_default(), element.attr("id").unwrap_or_default());
            let error = Err(AskError::Error(StanzaError::of(&element)));
            if self.session.bounces.answered(from, id, error) {
                return Ok(());
            }
        }
        // What an archive gives is gathered, so that it is whole when the answer behind it comes.
        match self.session.pages.take(element) {
            Some(element) => self.inbox.send(element).await.map_err(|_| "nobody listens any more".to_owned()),
            None => Ok(()),
        }
    }

    /// Answers a stanza that was too much to be read.
    fn refuse(&self, head: &Element) {
        let kind = head.attr("type").unwrap_or_default();
        tracing::debug!(stanza = head.name(), kind, "a stanza was too large or too deep and is left out");
        let (from, id) = (head.attr("from").unwrap_or_default(), head.attr("id").unwrap_or_default());
        if matches!(kind, "result" | "error") {
            let error = xml::error(head, "modify", "policy-violation", "the answer was too large");
            self.session.asked.answered(from, id, Err(AskError::Error(StanzaError::of(&error))));
        } else if head.name() != "presence" {
            let error = xml::error(head, "modify", "policy-violation", "this is too large, or nested too deep");
            self.session.send_if_room(&error);
        }
    }
}
