//! A WebRTC client on `str0m`, for many of them in one process: no codecs, packets as in `flow`.

use super::flow::{Flow, Kind, Tally, stamp};
use super::socket::Timed;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::sync::{mpsc, watch};

/// One side of a call.
pub(super) struct Client {
    rtc: Rtc,
    socket: Timed,
    kind: Kind,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    connected: bool,
    tally: Tally,
    /// Tells when the first media came.
    first: watch::Sender<Option<Instant>>,
}

impl Client {
    pub(super) fn new(ip: IpAddr, kind: Kind) -> (Box<Self>, watch::Receiver<Option<Instant>>) {
        let config = Rtc::builder().clear_codecs().set_rtp_mode(true);
        let config = match kind {
            Kind::Voice => config.enable_opus(true, false),
            Kind::Video => config.enable_vp8(true),
        };
        let mut rtc = config.build(Instant::now());
        let socket = Timed::bind(ip);
        rtc.add_local_candidate(Candidate::host(socket.local, "udp").unwrap()).unwrap();
        let (first, receiver) = watch::channel(None);
        let tally = Tally::default();
        (Box::new(Self { rtc, socket, kind, pending: None, mid: None, connected: false, tally, first }), receiver)
    }

    pub(super) fn offer(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        let kind = if self.kind == Kind::Voice { MediaKind::Audio } else { MediaKind::Video };
        self.mid = Some(api.add_media(kind, Direction::SendRecv, None, None, None));
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(super) fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).unwrap();
        self.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
    }

    pub(super) fn take_answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    }

    /// Talks until `over`; what was counted.
    pub(super) async fn run(
        mut self: Box<Self>,
        mut candidates: mpsc::Receiver<String>,
        mut over: watch::Receiver<bool>,
    ) -> Tally {
        let mut flow = Flow::new(self.kind);
        let mut buffer = vec![0; 2048];
        let mut more = true;
        loop {
            let wake = self.drain(0).min(if self.connected { flow.due() } else { Instant::now() + IDLE });
            tokio::select! {
                () = self.socket.readable() => self.receive(&mut buffer),
                () = tokio::time::sleep_until(wake.into()) => {}
                candidate = candidates.recv(), if more => match candidate {
                    Some(candidate) => self.candidate(&candidate),
                    None => more = false,
                },
                _ = over.changed() => return self.tally,
            }
            let now = Instant::now();
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain(0);
            if self.connected {
                self.send(&mut flow, now);
            }
        }
    }

    fn candidate(&mut self, line: &str) {
        if let Ok(candidate) = Candidate::from_sdp_string(line) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        while let Some((length, from, at)) = self.socket.take(buffer) {
            if let Ok(packet) = Receive::new(Protocol::Udp, from, self.socket.local, &buffer[..length]) {
                let _ = self.rtc.handle_input(Input::Receive(Instant::now(), packet));
                self.drain(at);
            }
        }
    }

    fn send(&mut self, flow: &mut Flow, now: Instant) {
        let Some(mid) = self.mid else { return };
        for mut packet in flow.take(now, &mut self.tally) {
            let codec = if self.kind == Kind::Voice { Codec::Opus } else { Codec::Vp8 };
            let Some(media) = self.rtc.media(mid) else { return };
            let chosen = media.remote_pts().iter().copied().find(|pt| {
                self.rtc.codec_config().params().iter().any(|params| params.pt() == *pt && params.spec().codec == codec)
            });
            let Some(pt) = chosen else { return };
            stamp(&mut packet.payload);
            let payload: Arc<[u8]> = packet.payload.into();
            let write = RtpWrite::new(pt, packet.sequence.into(), packet.timestamp, now, payload).marker(packet.marker);
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
            stream.write_rtp(write);
            // Without this it would leave with the next timer, up to a millisecond later.
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            self.drain(0);
        }
    }

    /// Does what the engine wants done; when it wants to be called again. `at_ns` is when the packet
    /// was received whose consequences these are.
    fn drain(&mut self, at_ns: u64) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return at,
                Ok(Output::Transmit(packet)) => self.socket.send(&packet.contents, packet.destination),
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(Event::MediaAdded(added))) => self.mid = Some(added.mid),
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    self.tally.came(&packet.payload, at_ns);
                    if self.first.borrow().is_none() {
                        let _ = self.first.send(self.tally.first);
                    }
                }
                Ok(Output::Event(_)) => {}
                Err(_) => return Instant::now() + IDLE,
            }
        }
    }
}

/// How long a client without anything to do sleeps.
const IDLE: std::time::Duration = std::time::Duration::from_millis(100);
