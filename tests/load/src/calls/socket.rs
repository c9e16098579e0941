//! A UDP socket whose packets come with the time at which the kernel received them, so that a busy
//! driver does not count as the relay's delay.

use super::flow::now_ns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// It.
pub(super) struct Timed {
    socket: UdpSocket,
    pub(super) local: SocketAddr,
}

impl Timed {
    pub(super) fn bind(ip: IpAddr) -> Self {
        let socket = std::net::UdpSocket::bind((ip, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket: UdpSocket::from_std(socket).unwrap(), local }
    }

    /// Sends if there is room; a full buffer loses packets as a network does.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.try_send_to(packet, to);
    }

    /// Waits until there may be something.
    pub(super) async fn readable(&self) {
        self.socket.readable().await.unwrap();
    }

    /// A packet that is there: how long it is, from whom, and when the kernel received it.
    pub(super) fn take(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr, u64)> {
        self.socket.try_io(Interest::READABLE, || receive(&self.socket, buffer)).ok()
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, u64)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let mut at = now_ns();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            let (seconds, ns) = (time.tv_sec().unsigned_abs(), time.tv_nsec().unsigned_abs());
            at = seconds * 1_000_000_000 + ns;
        }
    }
    let from = message.address.as_ref().and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(std::net::SocketAddrV4::from(*v4)));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(std::net::SocketAddrV6::from(*v6))))
    });
    let from = from.ok_or_else(|| io::Error::other("a packet without a source"))?;
    Ok((message.bytes, from, at))
}
