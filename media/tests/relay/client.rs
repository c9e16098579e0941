//! A WebRTC client for the tests: a `str0m` session on a real UDP socket (or a TCP connection), on
//! a thread of its own. It sends RTP packets that a test writes and keeps all that it gets.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

/// A packet that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) mid: String,
    pub(crate) number: u8,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

/// What is to become of a datagram on its way out.
pub(crate) type Filter = Box<dyn FnMut(&[u8]) -> bool + Send>;

type Task = Box<dyn FnOnce(&mut State) + Send>;

/// The client; its thread ends with it.
pub(crate) struct Client {
    tasks: Sender<Task>,
}

pub(crate) struct State {
    pub(crate) rtc: Rtc,
    link: Link,
    pending: Option<SdpPendingOffer>,
    pub(crate) got: Vec<Got>,
    pub(crate) pictures_wanted: usize,
    pub(crate) connected: usize,
    pub(crate) ice: Vec<IceConnectionState>,
    pub(crate) limit: Option<u64>,
    pub(crate) filter: Option<Filter>,
    /// Everything is sent twice.
    pub(crate) twice: bool,
    /// Where it sends to.
    peer: Option<SocketAddr>,
    failed: Option<String>,
}

enum Link {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, local: SocketAddr, buffer: VecDeque<u8> },
}

/// Codecs of a usual browser.
pub(crate) fn usual() -> RtcConfig {
    let mut config =
        RtcConfig::new().set_rtp_mode(true).set_stats_interval(None).clear_codecs().enable_opus(true, false);
    let codecs = config.codec_config();
    codecs.enable_pcmu(true, false);
    codecs.add_config(101.into(), None, Codec::Tele, Frequency::EIGHT_KHZ, None, FormatParams::default());
    config.enable_vp8(true).enable_h264(true).enable_bwe(None)
}

/// A browser that knows these video codecs only.
pub(crate) fn with_video(codecs: &[Codec], repaired: bool) -> RtcConfig {
    let mut config = RtcConfig::new().set_rtp_mode(true).set_stats_interval(None).clear_codecs();
    for (number, codec, format) in [
        (96_u8, Codec::Vp8, FormatParams::default()),
        (98, Codec::Vp9, FormatParams { profile_id: Some(0), ..FormatParams::default() }),
        (45, Codec::Av1, FormatParams::default()),
    ] {
        if codecs.contains(&codec) {
            let rtx = repaired.then_some((number + 1).into());
            config.codec_config().add_config(number.into(), rtx, codec, Frequency::NINETY_KHZ, None, format);
        }
    }
    config.enable_bwe(None)
}

impl Client {
    pub(crate) fn new(config: RtcConfig) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a candidate"));
        Client::start(rtc, Link::Udp(socket))
    }

    /// A client that knows no UDP and connects to this TCP address.
    pub(crate) fn over_tcp(config: RtcConfig, relay: SocketAddr) -> Client {
        let stream = TcpStream::connect(relay).expect("a connection");
        let local = stream.local_addr().expect("an address");
        let mut rtc = config.build(Instant::now());
        let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
        rtc.add_local_candidate(candidate.expect("a candidate"));
        Client::start(rtc, Link::Tcp { stream, local, buffer: VecDeque::new() })
    }

    fn start(rtc: Rtc, link: Link) -> Client {
        let (tasks, given) = channel();
        let state = State {
            rtc,
            link,
            pending: None,
            got: Vec::new(),
            pictures_wanted: 0,
            connected: 0,
            ice: Vec::new(),
            limit: None,
            filter: None,
            twice: false,
            peer: None,
            failed: None,
        };
        std::thread::spawn(move || state.run(&given));
        Client { tasks }
    }

    /// Does something on the client's thread.
    pub(crate) fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        self.tasks
            .send(Box::new(move |state| {
                let _ = answer.send(act(state));
            }))
            .expect("the client runs");
        answered.recv_timeout(Duration::from_secs(20)).expect("the client answers")
    }

    /// Waits until something can be said of the client.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        what: &str,
        mut see: impl FnMut(&mut State) -> Option<T> + Send + Clone + 'static,
    ) -> T {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let mut look = see.clone();
            if let Some(seen) = self.with(move |state| look(state)) {
                return seen;
            }
            assert!(Instant::now() < deadline, "did not come: {what}");
            std::thread::sleep(Duration::from_millis(5));
            let _ = &mut see;
        }
    }

    /// An offer with these new sections.
    pub(crate) fn offer(&self, media: &[(MediaKind, Direction)]) -> String {
        let media = media.to_vec();
        self.with(move |state| {
            let mut api = state.rtc.sdp_api();
            for (kind, direction) in media {
                api.add_media(kind, direction, Some("stream".to_owned()), None, None);
            }
            let (offer, pending) = api.apply().expect("something to offer");
            state.pending = Some(pending);
            offer.to_sdp_string()
        })
    }

    /// An offer that turns a section.
    pub(crate) fn turn(&self, mid: &str, direction: Direction) -> String {
        let mid = Mid::from(mid);
        self.with(move |state| {
            let mut api = state.rtc.sdp_api();
            api.set_direction(mid, direction);
            let (offer, pending) = api.apply().expect("something to offer");
            state.pending = Some(pending);
            offer.to_sdp_string()
        })
    }

    /// An offer that restarts ICE.
    pub(crate) fn restart(&self) -> String {
        self.with(|state| {
            let mut api = state.rtc.sdp_api();
            api.ice_restart(true);
            let (offer, pending) = api.apply().expect("something to offer");
            state.pending = Some(pending);
            offer.to_sdp_string()
        })
    }

    pub(crate) fn take_answer(&self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("a readable answer");
        self.with(move |state| {
            let pending = state.pending.take().expect("an offer");
            state.rtc.sdp_api().accept_answer(pending, answer).expect("an answer that fits");
        });
    }

    pub(crate) fn answer(&self, sdp: &str) -> String {
        let offer = SdpOffer::from_sdp_string(sdp).expect("a readable offer");
        self.with(move |state| state.rtc.sdp_api().accept_offer(offer).expect("an offer that fits").to_sdp_string())
    }

    pub(crate) fn wait_connected(&self) {
        self.wait("the client's connection", |state| (state.connected > 0).then_some(()));
    }

    /// Sends a packet on a section, on its own source or another one.
    pub(crate) fn send(&self, mid: &str, number: u8, sequence: u64, time: u32, payload: &[u8]) {
        let mid = Mid::from(mid);
        let payload = payload.to_vec();
        self.with(move |state| state.write(mid, number, sequence, time, &payload));
    }

    /// Leaves the source of a section for another one.
    pub(crate) fn change_source(&self, mid: &str, ssrc: u32) {
        let mid = Mid::from(mid);
        self.with(move |state| {
            let rtx = state
                .rtc
                .direct_api()
                .stream_tx_by_mid(mid, None)
                .expect("a section")
                .rtx()
                .map(|_| Ssrc::from(ssrc + 1));
            state.rtc.direct_api().reset_stream_tx(mid, None, ssrc.into(), rtx).expect("a stream");
        });
    }

    /// What came on a section, once there is at least so much of it.
    pub(crate) fn wait_for(&self, mid: &str, count: usize) -> Vec<Got> {
        let mid = mid.to_owned();
        let what = format!("{count} packets on section {mid}");
        self.wait(&what, move |state| {
            let got: Vec<Got> = state.got.iter().filter(|got| got.mid == mid).cloned().collect();
            (got.len() >= count).then_some(got)
        })
    }
}

impl State {
    pub(crate) fn write(&mut self, mid: Mid, number: u8, sequence: u64, time: u32, payload: &[u8]) {
        let packet = RtpWrite::new(number.into(), SeqNo::from(sequence), time, Instant::now(), payload.to_vec());
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).expect("a section that sends");
        stream.write_rtp(packet.nackable(true));
    }

    /// Sends bytes from the client's own address to where it is connected.
    pub(crate) fn junk(&mut self, bytes: &[u8], seed: usize) {
        if let (Some(to), false) = (self.peer, bytes.is_empty() || seed.is_multiple_of(3)) {
            self.link.send(to, bytes);
        }
    }

    fn run(mut self, tasks: &Receiver<Task>) {
        let mut bytes = vec![0; 2000];
        loop {
            loop {
                match tasks.try_recv() {
                    Ok(task) => task(&mut self),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let worked = self.rtc.handle_input(Input::Timeout(Instant::now())).and_then(|()| self.drain());
            if let Err(error) = worked {
                self.failed.get_or_insert(error.to_string());
            }
            if let Some((protocol, source, local, length)) = self.link.receive(&mut bytes)
                && let Ok(receive) = Receive::new(protocol, source, local, &bytes[..length])
            {
                let _ = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
            }
        }
    }

    fn drain(&mut self) -> Result<(), str0m::RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(_) => return Ok(()),
                Output::Transmit(transmit) => {
                    self.peer = Some(transmit.destination);
                    if self.filter.as_mut().is_none_or(|passes| passes(&transmit.contents)) {
                        self.link.send(transmit.destination, &transmit.contents);
                        if self.twice {
                            self.link.send(transmit.destination, &transmit.contents);
                        }
                    }
                }
                Output::Event(event) => self.hear(event),
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected += 1,
            Event::IceConnectionStateChange(state) => self.ice.push(state),
            Event::KeyframeRequest(_) => self.pictures_wanted += 1,
            Event::EgressBitrateEstimate(str0m::bwe::BweKind::Remb { estimate, .. }) => {
                self.limit = Some(estimate.as_u64());
            }
            Event::RtpPacket(packet) => {
                let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|stream| stream.mid().to_string());
                self.got.push(Got {
                    mid: mid.unwrap_or_default(),
                    number: *packet.header.payload_type,
                    ssrc: *packet.header.ssrc,
                    sequence: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload.to_vec(),
                });
            }
            _ => {}
        }
    }
}

impl Link {
    fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        match self {
            Link::Udp(socket) => {
                let _ = socket.send_to(bytes, to);
            }
            Link::Tcp { stream, .. } => {
                let length = u16::try_from(bytes.len()).expect("a short frame");
                stream.write_all(&[&length.to_be_bytes(), bytes].concat()).expect("a connection");
            }
        }
    }

    /// Waits two milliseconds at most.
    fn receive(&mut self, bytes: &mut [u8]) -> Option<(Protocol, SocketAddr, SocketAddr, usize)> {
        let wait = Some(Duration::from_millis(2));
        match self {
            Link::Udp(socket) => {
                socket.set_read_timeout(wait).expect("a timeout");
                let (length, source) = socket.recv_from(bytes).ok()?;
                Some((Protocol::Udp, source, socket.local_addr().expect("an address"), length))
            }
            Link::Tcp { stream, local, buffer } => {
                stream.set_read_timeout(wait).expect("a timeout");
                match stream.read(bytes) {
                    Ok(length) => buffer.extend(&bytes[..length]),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => panic!("the connection broke: {error}"),
                }
                let length = usize::from(u16::from_be_bytes([*buffer.front()?, *buffer.get(1)?]));
                if buffer.len() < length + 2 {
                    return None;
                }
                buffer.drain(..2);
                buffer.drain(..length).zip(bytes).for_each(|(from, to)| *to = from);
                Some((Protocol::Tcp, stream.peer_addr().expect("an address"), *local, length))
            }
        }
    }
}

/// The numbers of a codec in the sections of a description, by mid.
pub(crate) fn sections(sdp: &str) -> Vec<(String, String)> {
    let mut sections = Vec::new();
    for block in sdp.split("\r\nm=").skip(1) {
        let mid = block.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap_or_default();
        sections.push((mid.to_owned(), format!("m={block}")));
    }
    sections
}

/// The payload type of a codec in a section.
pub(crate) fn number(section: &str, codec: &str) -> u8 {
    section
        .lines()
        .find_map(|line| {
            line.strip_prefix("a=rtpmap:")?.split_once(' ').filter(|(_, name)| name.eq_ignore_ascii_case(codec))
        })
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or_else(|| panic!("no {codec} in {section}"))
}
