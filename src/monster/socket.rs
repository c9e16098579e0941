//! One WebSocket as the sessions see it: how it is set up, what can be heard on it, and how it is
//! taken leave of. Frames and who they are for are `session`'s.

use crate::outbound::Connection;
use futures_util::{SinkExt as _, StreamExt as _};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

/// A WebSocket, whichever side opened it.
pub(crate) type Socket = WebSocketStream<Connection>;

/// What one socket reads at a time: most frames are smaller, and most sockets are idle.
const READ_BUFFER: usize = 4 << 10;
/// Frames are gathered up to this size before they are written.
const WRITE_BUFFER: usize = 16 << 10;
/// The most that may wait inside the socket: what is gathered, one batch, and its last frame.
const MAX_WRITE_BUFFER: usize = 4 << 20;
/// How long the other side may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(3);
/// What is read over, after a frame that was too long, so that the other side hears why.
const READ_OVER: usize = 32 << 20;

/// How a WebSocket is set up.
pub(super) fn settings(max_frame_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER + 2 * max_frame_bytes)
        .max_message_size(Some(max_frame_bytes))
        .max_frame_size(Some(max_frame_bytes))
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// A text message.
    Text(Utf8Bytes),
    /// A message that is not text.
    Binary,
    /// A sign of life.
    Alive,
    /// The other side has ended it.
    Ended,
    /// The other side broke the rules of WebSockets; this is how it is told.
    Broken(CloseCode, &'static str),
}

/// Hears the next thing.
pub(super) fn poll_hear(socket: &mut Socket, context: &mut Context<'_>) -> Poll<Heard> {
    let heard = match ready!(socket.poll_next_unpin(context)) {
        Some(Ok(Message::Text(text))) => Heard::Text(text),
        Some(Ok(Message::Binary(_))) => Heard::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Alive,
        Some(Err(Error::Capacity(_))) => Heard::Broken(CloseCode::Size, "the frame is too long"),
        Some(Err(Error::Utf8(_))) => Heard::Broken(CloseCode::Invalid, "the frame is not UTF-8 text"),
        Some(Err(Error::Protocol(fault))) if !is_end(&fault) => {
            Heard::Broken(CloseCode::Protocol, "this is not the WebSocket protocol")
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Ended,
    };
    Poll::Ready(heard)
}

fn is_end(fault: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(fault, ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing)
}

/// Takes leave: writes what is left and the close frame, and waits a moment for the other side's.
/// `broken`: what the other side still sends cannot be understood, and is read over; without that,
/// its TCP would be reset and it would not hear why.
pub(crate) async fn farewell(mut socket: Socket, close: Option<CloseFrame>, broken: bool) {
    let leave = async {
        if let Some(close) = close {
            socket.send(Message::Close(Some(close))).await?;
        } else {
            socket.flush().await?;
        }
        if broken {
            read_over(socket.get_mut()).await;
        } else {
            while let Some(heard) = socket.next().await {
                heard?;
            }
        }
        Ok::<_, Error>(())
    };
    // It is the end in any case.
    let _ = tokio::time::timeout(FAREWELL, leave).await;
}

async fn read_over(connection: &mut Connection) {
    if connection.shutdown().await.is_err() {
        return;
    }
    let mut scratch = vec![0; 4096];
    let mut over = 0;
    while over < READ_OVER {
        match connection.read(&mut scratch).await {
            Ok(0) | Err(_) => return,
            Ok(read) => over += read,
        }
    }
}
