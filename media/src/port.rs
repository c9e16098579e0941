//! The UDP port: waits, receives in batches, sends in batches, and tells at which of the machine's
//! addresses a datagram came. A worker owns one of these; all of a relay's share one port number.
//!
//! A worker waits here and not in a runtime: between two packets there is one system call to wait,
//! one to receive, and one for each receiver.

use crate::engine::Transmit;
use crate::wake::Sleeper;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

/// Datagrams (or runs of them, where the kernel joins them) taken at once.
const BATCH: usize = 16;

/// The longest run of datagrams, in bytes.
const RUN: usize = 65_535;

/// What the kernel may keep for us either way, in bytes.
const BUFFER: usize = 4 << 20;

/// A socket on the relay's port.
pub(crate) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// Runs of datagrams of one length to one address are put together here.
    run: Vec<u8>,
}

/// What was received and not looked at yet.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH],
    count: usize,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Datagrams may be there.
    pub(crate) datagrams: bool,
    /// Something was put into the worker's queues.
    pub(crate) word: bool,
}

/// One datagram.
pub(crate) struct Received<'a> {
    pub(crate) source: SocketAddr,
    /// The address of ours that it came to, if the kernel said.
    pub(crate) destination: Option<IpAddr>,
    pub(crate) bytes: &'a [u8],
}

/// Opens a socket; with `shared`, several may have the port, and the kernel spreads senders over them.
pub(crate) fn open(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // What the system does not allow is not worth failing for.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Port {
    /// Takes an open socket over.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Port> {
        let local = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Port { socket, state, local, run: Vec::with_capacity(RUN) })
    }

    /// Waits until something can be received, somebody wakes the worker, or so much time has passed.
    pub(crate) fn wait(&self, sleeper: &Sleeper, most: Duration) -> io::Result<Ready> {
        // (Whole milliseconds, and not too early.)
        let most = PollTimeout::try_from(most + Duration::from_nanos(999_999)).unwrap_or(PollTimeout::MAX);
        let mut ends =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(sleeper.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ends, most) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [datagrams, word] = ends.map(|end| end.any() != Some(false));
        Ok(Ready { datagrams, word: sleeper.was_woken(word) })
    }

    /// Receives what is there, as far as it fits; false if there is nothing more for now.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<bool> {
        let Inbox { bytes, meta, count } = inbox;
        let mut chunks = bytes.chunks_exact_mut(RUN).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| chunks.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        *count = 0;
        match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, meta) {
            Ok(received) => {
                *count = received;
                Ok(received == BATCH)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends datagrams, each run of equal ones to one address at once. What the kernel has no room
    /// for is lost, as it would be on the way.
    pub(crate) fn send(&mut self, datagrams: &[Transmit]) {
        let most = self.state.max_gso_segments();
        let mut rest = datagrams;
        while let Some(first) = rest.first() {
            let run = run_length(rest, most);
            let (now, later) = rest.split_at(run);
            rest = later;
            let (bytes, segment): (&[u8], _) = if run == 1 {
                (&first.contents, None)
            } else {
                self.run.clear();
                for datagram in now {
                    self.run.extend_from_slice(&datagram.contents);
                }
                (&self.run, Some(first.contents.len()))
            };
            let transmit = quinn_udp::Transmit {
                destination: self.as_socket_has_it(first.destination),
                ecn: None,
                contents: bytes,
                segment_size: segment,
                src_ip: self.source(first.source.ip()),
            };
            if let Err(error) = self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                tracing::trace!(kind = ?error.kind(), "datagrams could not be sent");
            }
        }
    }

    /// On a socket of both families, IPv4 addresses are written as IPv6 ones.
    fn as_socket_has_it(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.local.is_ipv6() => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            other => other,
        }
    }

    /// Where to send from; the kernel knows where the socket has one address only.
    fn source(&self, address: IpAddr) -> Option<IpAddr> {
        self.local.ip().is_unspecified().then_some(address)
    }
}

/// How many of the first datagrams can go as one: same ends, same length, the last may be shorter.
fn run_length(datagrams: &[Transmit], most: usize) -> usize {
    let Some(first) = datagrams.first() else { return 0 };
    let length = first.contents.len();
    let most = most.min(RUN / length.max(1)).max(1);
    let mut run = 1;
    while let Some(next) = datagrams.get(run).filter(|_| run < most) {
        let together = next.destination == first.destination && next.source == first.source;
        if !together || next.contents.len() > length || datagrams[run - 1].contents.len() < length {
            break;
        }
        run += 1;
    }
    run
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { bytes: vec![0; BATCH * RUN], meta: [RecvMeta::default(); BATCH], count: 0 }
    }

    /// The datagrams.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        self.meta.iter().take(self.count).zip(self.bytes.chunks_exact(RUN)).flat_map(|(meta, bytes)| {
            let bytes = &bytes[..meta.len.min(RUN)];
            bytes.chunks(meta.stride.max(1)).map(|bytes| Received {
                source: SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port()),
                destination: meta.dst_ip.map(|ip| ip.to_canonical()),
                bytes,
            })
        })
    }
}
