//! ICE over TCP (RFC 6544, passive): connections on the relay's TCP port, datagrams framed by their
//! length (RFC 4571).
//!
//! A connection belongs to nobody until its first frame, a STUN request, says whom it is for; then
//! its frames go to that call's worker. `relay` starts [`listen`].

use crate::engine::Protocol;
use crate::stun;
use crate::worker::{Handed, Inlet, Registry};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at once; a call has two or four.
const CONNECTIONS: usize = 4096;

/// How long a connection may take until it says whom it is for, and how long it may be quiet
/// afterwards: ICE asks for consent every few seconds.
const FIRST: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_mins(1);

/// Frames that wait to be written; more are lost, as on a busy path.
const FRAMES: usize = 256;

/// The longest frame that is taken, in bytes: nothing longer fits a datagram.
const LONGEST: usize = 2048;

/// What connections are handed to.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(crate) registry: Arc<Registry>,
    pub(crate) inboxes: Vec<Inlet>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Takes connections until the relay stops.
pub(crate) async fn listen(listener: TcpListener, workers: Workers) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let stop = workers.stop.clone();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, say: they may come back.
                tracing::debug!(%error, "a connection for call media was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let workers_of = workers.clone();
        workers.tasks.spawn(async move {
            let stop = workers_of.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                ended = serve(stream, workers_of) => {
                    if let Err(error) = ended {
                        tracing::trace!(kind = ?error.kind(), "a connection for call media ended");
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, workers: Workers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let source = canonical(stream.peer_addr()?);
    let destination = canonical(stream.local_addr()?);
    let (mut reader, writer) = stream.into_split();
    let mut frame = vec![0; LONGEST];
    let length = tokio::time::timeout(FIRST, read(&mut reader, &mut frame)).await??;
    let worker = stun::addressed_to(&frame[..length])
        .and_then(|name| workers.registry.worker_of(name))
        .and_then(|index| workers.inboxes.get(index))
        .ok_or(io::ErrorKind::InvalidData)?;

    let (frames, to_write) = mpsc::channel(FRAMES);
    let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
    if !worker.put(Handed::Opened { source, frames }).await {
        return Err(closed());
    }
    let read_all = async {
        let mut length = length;
        loop {
            let bytes = frame[..length].to_vec();
            let handed = Handed::Datagram { protocol: Protocol::Tcp, source, destination, bytes };
            if !worker.put(handed).await {
                return Err(closed());
            }
            length = tokio::time::timeout(QUIET, read(&mut reader, &mut frame)).await??;
        }
    };
    let ended = tokio::select! {
        ended = read_all => ended,
        ended = write(writer, to_write) => ended,
    };
    worker.put(Handed::Gone { source }).await;
    ended
}

/// Reads one frame.
async fn read(reader: &mut OwnedReadHalf, frame: &mut [u8]) -> io::Result<usize> {
    let length = usize::from(reader.read_u16().await?);
    let space = frame.get_mut(..length).ok_or(io::ErrorKind::InvalidData)?;
    reader.read_exact(space).await?;
    Ok(length)
}

async fn write(mut writer: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut together = Vec::with_capacity(LONGEST);
    while let Some(frame) = frames.recv().await {
        let Ok(length) = u16::try_from(frame.len()) else { continue };
        together.clear();
        together.extend(length.to_be_bytes());
        together.extend(frame);
        writer.write_all(&together).await?;
    }
    Ok(())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
