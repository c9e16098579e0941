//! CPU time per forwarded packet, of the relay and of two forwarders that do less
//! (`docs/performance.md`, "Call media").
//!
//! `cargo bench -p monster-media --bench forward -- [CALLS…] [--seconds N]`: for each number of
//! calls, two clients a call talk to each other through the relay, 50 packets a second each, as a
//! voice call does. What counts is the time that the kernel says the relay's thread has run. The
//! clients are in this process and keep the other cores busy.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "an experiment that cannot go on panics, and it prints")]

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use monster_media::{Leg, Media, Options, Relay};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Input, Output, Rtc, RtcConfig};

/// A packet of Opus at 32 kbit/s, and of SRTP's header and tag around it, in bytes.
const PAYLOAD: usize = 80;
const HEADER: usize = 20;
const TAG: usize = 16;

/// Packets a second of a voice in one direction.
const RATE: u64 = 50;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seconds = std::env::args().skip_while(|word| word != "--seconds").nth(1).and_then(|word| word.parse().ok());
    let counts = if seconds.is_some() { &numbers[..numbers.len() - 1] } else { &numbers[..] };
    let counts = if counts.is_empty() { &[1, 50, 200][..] } else { counts };
    let run = Duration::from_secs(seconds.unwrap_or(8));
    println!("| calls | relay | UDP | UDP and SRTP | relay / UDP and SRTP |\n| --- | --- | --- | --- | --- |");
    for calls in counts {
        let bare = forwarder(*calls, run, |_| {});
        let keys = [key(1), key(2)];
        let srtp = forwarder(*calls, run, move |packet| renew(packet, &keys));
        let relay = relay(*calls, run);
        println!("| {calls} | {relay:.1} µs | {bare:.1} µs | {srtp:.1} µs | {:.1} |", relay / srtp);
    }
}

fn key(byte: u8) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[byte; 16]).expect("a key"))
}

/// Opens and seals a packet as SRTP with AES-GCM does (RFC 7714).
fn renew(packet: &mut [u8], keys: &[LessSafeKey; 2]) {
    let nonce = || Nonce::assume_unique_for_key([3; 12]);
    let (header, body) = packet.split_at_mut(HEADER);
    let length = keys[0].open_in_place(nonce(), Aad::from(&*header), body).expect("a good packet").len();
    let tag = keys[1].seal_in_place_separate_tag(nonce(), Aad::from(&*header), &mut body[..length]).expect("sealed");
    body[length..].copy_from_slice(tag.as_ref());
}

/// CPU time per packet, in µs, of a thread that forwards datagrams one by one.
fn forwarder(calls: u64, run: Duration, mut treat: impl FnMut(&mut [u8]) + Send + 'static) -> f64 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let sink = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let to = sink.local_addr().expect("an address");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut packet = vec![0; 2048];
        let (mut count, before) = (0_u64, cpu_of("thread-self"));
        while !stopped.load(Ordering::Relaxed) {
            packet.resize(2048, 0);
            let Ok(length) = socket.recv(&mut packet) else { continue };
            packet.truncate(length);
            treat(&mut packet);
            let _ = socket.send_to(&packet, to);
            count += 1;
        }
        micros(cpu_of("thread-self").saturating_sub(before)) / to_f64(count)
    });
    let packet = sealed();
    let end = Instant::now() + run / 2;
    while Instant::now() < end {
        for _ in 0..(calls * 2 * RATE).div_ceil(1000) {
            let _ = sink.send_to(&packet, address);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the forwarder")
}

/// A packet that [`renew`] can open.
fn sealed() -> Vec<u8> {
    let mut packet = vec![0; HEADER + PAYLOAD];
    let (header, body) = packet.split_at_mut(HEADER);
    let nonce = Nonce::assume_unique_for_key([3; 12]);
    let tag = key(1).seal_in_place_separate_tag(nonce, Aad::from(&*header), body).expect("sealed");
    assert_eq!(tag.as_ref().len(), TAG);
    packet.extend(tag.as_ref());
    packet
}

/// CPU time per packet, in µs, of the relay.
fn relay(calls: u64, run: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = Options { udp_listen: ([127, 0, 0, 1], 0).into(), workers: 1, ..Options::default() };
    let relay = runtime.block_on(Relay::bind(options)).expect("a relay");
    let mut clients = Vec::new();
    let mut media = Vec::new();
    for _ in 0..calls {
        let (call, _events) = relay.open().expect("a call");
        clients.extend(runtime.block_on(connect(&call)));
        media.push(call);
        // Clients answer while the next ones are set up.
        turn(&mut clients, false);
    }
    let ready = Instant::now() + Duration::from_mins(1);
    while !clients.iter().all(|client| client.rtc.is_connected()) {
        turn(&mut clients, false);
        assert!(Instant::now() < ready, "the calls were not connected");
    }
    let worker = worker();
    let count = |clients: &[Client]| clients.iter().map(|client| client.got).sum::<u64>();
    let (cpu, before, end) = (cpu_of(&worker), count(&clients), Instant::now() + run);
    while Instant::now() < end {
        turn(&mut clients, true);
    }
    let spent = micros(cpu_of(&worker).saturating_sub(cpu)) / to_f64(count(&clients) - before);
    media.iter().for_each(Media::close);
    runtime.block_on(relay.close());
    spent
}

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    mid: Mid,
    sequence: u64,
    got: u64,
}

impl Client {
    fn new() -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let mut rtc = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).build(Instant::now());
        let address = socket.local_addr().expect("an address");
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a candidate"));
        Client { rtc, socket, mid: Mid::from("0"), sequence: 0, got: 0 }
    }

    fn talk(&mut self) {
        self.sequence += 1;
        let time = u32::try_from(self.sequence * 960 % (1 << 32)).expect("32 bits");
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.mid, None) {
            stream.write_rtp(RtpWrite::new(111.into(), self.sequence.into(), time, Instant::now(), vec![7; PAYLOAD]));
        }
    }

    fn turn(&mut self, talk: bool) {
        let mut bytes = [0; 2000];
        let local = self.socket.local_addr().expect("an address");
        while let Ok((length, source)) = self.socket.recv_from(&mut bytes) {
            if let Ok(receive) = Receive::new(Protocol::Udp, source, local, &bytes[..length]) {
                self.rtc.handle_input(Input::Receive(Instant::now(), receive)).expect("a working client");
                self.drain();
            }
        }
        if talk {
            self.talk();
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("a working client");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("a working client") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(str0m::Event::RtpPacket(_)) => self.got += 1,
                Output::Event(_) => {}
            }
        }
    }
}

/// Every client's turn, spread over the time between two packets.
fn turn(clients: &mut [Client], talk: bool) {
    let began = Instant::now();
    let slices = 20;
    for slice in 0..slices {
        for client in clients.iter_mut().skip(slice).step_by(slices) {
            client.turn(talk);
        }
        let due = Duration::from_millis(1000 / RATE * u64::try_from(slice + 1).expect("small") / 20);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

async fn connect(call: &Media) -> Vec<Client> {
    let (mut near, mut far) = (Client::new(), Client::new());
    let mut api = near.rtc.sdp_api();
    near.mid = api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
    let (offer, pending) = api.apply().expect("an offer");
    call.take_offer(Leg::Caller, &offer.to_sdp_string()).await.expect("taken");
    let offer = call.offer(Leg::Callee, false).await.expect("an offer");
    far.mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:")).expect("a section").into();
    let offer = SdpOffer::from_sdp_string(&offer).expect("readable");
    let answer = far.rtc.sdp_api().accept_offer(offer).expect("an answer");
    call.take_answer(Leg::Callee, &answer.to_sdp_string()).await.expect("taken");
    let answer = call.answer(Leg::Caller).await.expect("an answer");
    near.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).expect("readable")).expect("fits");
    vec![near, far]
}

/// The relay's worker among the threads of this process.
fn worker() -> String {
    let threads = std::fs::read_dir("/proc/self/task").expect("the threads");
    for thread in threads.flatten() {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if name.trim() == "media-0" {
            return format!("self/task/{}", thread.file_name().to_string_lossy());
        }
    }
    panic!("the relay has no thread");
}

/// The time that a thread has run.
fn cpu_of(thread: &str) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).expect("the kernel's figures");
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets are small")]
fn to_f64(count: u64) -> f64 {
    count.max(1) as f64
}
