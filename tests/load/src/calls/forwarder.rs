//! What a relay could cost at the least: a forwarder that only receives and sends (`plain`), and one
//! that also decrypts and encrypts each packet with SRTP's AES-128-GCM (RFC 7714). Each runs as a
//! process of its own (`monster-load forward`); its clients are here too.

use super::flow::{Flow, Kind, Tally, stamp};
use super::socket::Timed;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The RTP header without extensions.
const HEADER: usize = 12;
/// What a client says first: this, its pair (4 bytes), its side (1 byte).
const HELLO: &[u8] = b"hello";

/// The keys of one side. They come from its number: this is about cost, not about secrets.
struct Srtp {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Srtp {
    fn of(pair: u32, side: u8) -> Self {
        let mut key = [side; 16];
        key[..4].copy_from_slice(&pair.to_be_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        Self { key, salt: [side ^ 0x55; 12] }
    }

    /// RFC 7714 §8.1, in the first turn of the sequence number.
    fn nonce(&self, header: &[u8]) -> Nonce {
        let mut nonce = self.salt;
        for (at, byte) in header[8..12].iter().enumerate() {
            nonce[2 + at] ^= byte;
        }
        nonce[10] ^= header[2];
        nonce[11] ^= header[3];
        Nonce::assume_unique_for_key(nonce)
    }

    fn protect(&self, packet: &mut Vec<u8>) {
        let (header, payload) = packet.split_at_mut(HEADER);
        let nonce = self.nonce(header);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).unwrap();
        packet.extend_from_slice(tag.as_ref());
    }

    fn unprotect(&self, packet: &mut Vec<u8>) -> bool {
        if packet.len() < HEADER {
            return false;
        }
        let (header, payload) = packet.split_at_mut(HEADER);
        let nonce = self.nonce(header);
        let Ok(plain) = self.key.open_in_place(nonce, Aad::from(&*header), payload) else { return false };
        let length = HEADER + plain.len();
        packet.truncate(length);
        true
    }
}

/// The process: prints its port and forwards until it is killed.
pub(crate) fn serve(ip: IpAddr, srtp: bool, announce: impl Fn(u16)) {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    announce(socket.local_addr().unwrap().port());
    let mut sides: HashMap<(u32, u8), SocketAddr> = HashMap::new();
    let mut routes: HashMap<SocketAddr, Route> = HashMap::new();
    let mut buffer = vec![0; 2048];
    let mut packet = Vec::with_capacity(2048);
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(rest) = buffer[..length].strip_prefix(HELLO) {
            register(rest, from, &mut sides, &mut routes);
            let _ = socket.send_to(HELLO, from);
            continue;
        }
        let Some(route) = routes.get(&from) else { continue };
        if srtp {
            packet.clear();
            packet.extend_from_slice(&buffer[..length]);
            if route.from.unprotect(&mut packet) {
                route.to_keys.protect(&mut packet);
                let _ = socket.send_to(&packet, route.to);
            }
        } else {
            let _ = socket.send_to(&buffer[..length], route.to);
        }
    }
}

struct Route {
    from: Srtp,
    to_keys: Srtp,
    to: SocketAddr,
}

fn register(
    rest: &[u8],
    from: SocketAddr,
    sides: &mut HashMap<(u32, u8), SocketAddr>,
    routes: &mut HashMap<SocketAddr, Route>,
) {
    let [a, b, c, d, side] = *rest else { return };
    let pair = u32::from_be_bytes([a, b, c, d]);
    sides.insert((pair, side), from);
    if let Some(other) = sides.get(&(pair, 1 - side)) {
        let route =
            |to: SocketAddr, side: u8| Route { from: Srtp::of(pair, side), to_keys: Srtp::of(pair, 1 - side), to };
        routes.insert(from, route(*other, side));
        routes.insert(*other, route(from, 1 - side));
    }
}

/// One side of a pair.
pub(super) struct RawClient {
    socket: Timed,
    server: SocketAddr,
    /// The forwarder's keys of this side, the same in both directions.
    keys: Option<Srtp>,
    kind: Kind,
}

impl RawClient {
    /// Makes itself known at the forwarder.
    pub(super) async fn new(server: SocketAddr, pair: u32, side: u8, srtp: bool, kind: Kind) -> Self {
        let socket = Timed::bind(server.ip());
        let mut hello = HELLO.to_vec();
        hello.extend(pair.to_be_bytes());
        hello.push(side);
        monster_testkit::until("the forwarder's answer", || async {
            socket.send(&hello, server);
            tokio::time::timeout(Duration::from_millis(200), socket.readable()).await.ok()?;
            socket.take(&mut [0; 64])
        })
        .await;
        let keys = srtp.then(|| Srtp::of(pair, side));
        Self { socket, server, keys, kind }
    }

    /// Talks until `over`; what was counted.
    pub(super) async fn run(self, mut over: watch::Receiver<bool>) -> Tally {
        let (mut flow, mut tally) = (Flow::new(self.kind), Tally::default());
        let mut buffer = vec![0; 2048];
        loop {
            tokio::select! {
                () = self.socket.readable() => self.receive(&mut buffer, &mut tally),
                () = tokio::time::sleep_until(flow.due().into()) => {}
                _ = over.changed() => return tally,
            }
            for mut outgoing in flow.take(Instant::now(), &mut tally) {
                stamp(&mut outgoing.payload);
                let low = u16::try_from(outgoing.sequence & 0xffff).unwrap_or_default();
                let mut packet = vec![0x80, 0x60 | (u8::from(outgoing.marker) << 7)];
                packet.extend(low.to_be_bytes());
                packet.extend(outgoing.timestamp.to_be_bytes());
                packet.extend([0, 0, 0, 1]);
                packet.extend(outgoing.payload);
                if let Some(keys) = &self.keys {
                    keys.protect(&mut packet);
                }
                self.socket.send(&packet, self.server);
            }
        }
    }

    fn receive(&self, buffer: &mut [u8], tally: &mut Tally) {
        while let Some((length, _, at)) = self.socket.take(buffer) {
            let mut packet = buffer[..length].to_vec();
            let opened = self.keys.as_ref().is_none_or(|keys| keys.unprotect(&mut packet));
            if opened && packet.len() > HEADER {
                tally.came(&packet[HEADER..], at);
            }
        }
    }
}
