//! The WebRTC engine of one leg: the only place that names `str0m`.
//!
//! A [`Peer`] takes and makes session descriptions (regular ones, from `sdp`), is fed with
//! datagrams and the time, and gives datagrams, RTP packets and events back. It does no I/O.
//! `negotiate` does its descriptions, `forward` its packets, `worker` its sockets and timers.
//!
//! What of it is a table of codecs is in `engine/codecs.rs`.
//!
//! To change the engine is to write this module again: see `docs/decisions/0011-media-engine.md`.

mod codecs;
mod keys;

use crate::format::Key;
use crate::{Codec, MediaKind};
pub(crate) use codecs::carries;
pub(crate) use keys::SharedKeys;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::media::{Direction, KeyframeRequestKind};
use str0m::net::{DatagramRecv, Receive, TcpType};
use str0m::rtp::{Extension, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, IceCreds, Input, Rtc, RtcConfig};

pub(crate) use str0m::media::Mid;
pub(crate) use str0m::net::{Protocol, Transmit};
pub(crate) use str0m::rtp::{ExtensionValues, RtpPacket, SeqNo, Ssrc};
pub(crate) use str0m::stats::{MediaEgressStats, MediaIngressStats};

/// How often sender and receiver reports go out: a receiver can play sound and picture in step
/// only after the first of each.
const REPORTS: Duration = Duration::from_millis(500);

/// How often figures are taken.
const FIGURES: Duration = Duration::from_secs(1);

/// Packets of video kept for a receiver who asks for them again, and for how long: it asks within a
/// round trip of the loss. (Those of sound are not kept: nobody asks for them.)
const RESEND: usize = 600;
const RESEND_FOR: Duration = Duration::from_millis(500);

/// The share of what is sent in a second that may be packets sent again, at most: as many as go out
/// for the first time. (Of a small picture one second has few packets; with less room, one that is
/// lost twice would hold it up until the second is over.)
const RESEND_SHARE: f32 = 0.5;

/// What is assumed of a path before anything is known of it, in bits per second.
const FIRST_ESTIMATE: u64 = 1_000_000;

/// What a path with video is probed for, in bits per second.
const WANTED: u64 = 4_000_000;

/// The cryptography, and the certificate of this process: all legs show the same one.
static CRYPTO: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(keys::provider()));
static CERTIFICATE: LazyLock<Option<DtlsCert>> = LazyLock::new(|| CRYPTO.dtls_provider.generate_certificate());

/// The numbers of a section's header extensions, of those that sound has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extensions {
    pub(crate) mid: Option<u8>,
    pub(crate) level: Option<u8>,
}

/// The engine did not accept a description; its own words are for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected;

/// The engine can no longer work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// Which way the gateway's side of a section goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) send: bool,
    pub(crate) receive: bool,
}

/// A change that an offer of ours asks for.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new section.
    Add(MediaKind, Way),
    /// Another direction of a section that is there.
    Turn(Mid, Way),
    /// New ICE credentials.
    Restart,
}

/// What came out of a peer.
#[expect(clippy::large_enum_variant, reason = "packets are the usual case, and are not to be allocated")]
pub(crate) enum Output {
    /// To be sent.
    Transmit(Transmit),
    /// A packet of media, decrypted.
    Packet(RtpPacket),
    /// ICE and DTLS are up.
    Connected,
    /// ICE is up again.
    Reachable,
    /// ICE has given up.
    Unreachable,
    /// The far side wants a whole picture.
    WantsPicture(Mid),
    /// What the path to the far side carries, in bits per second.
    Carries(u64),
    /// Figures of a section from the far side.
    Received(MediaIngressStats),
    /// Figures of a section to the far side, and the round trip as ICE sees it.
    Sent(MediaEgressStats),
    /// The round trip as ICE sees it.
    RoundTrip(Duration),
    /// The far side has closed the session.
    Closed,
    /// Nothing until then.
    Until(Instant),
}

/// One WebRTC session of a leg, which mostly has one (`transports`).
pub(crate) struct Peer {
    rtc: Box<Rtc>,
    pending: Option<SdpPendingOffer>,
    /// It has a section for pictures.
    video: bool,
    /// What is sent on, without what is sent again.
    senders: Vec<Ssrc>,
    /// The last time that the engine was told.
    told: Instant,
    keys: SharedKeys,
}

/// What the far side addresses a session by, and proves that it may.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl Peer {
    /// A session that knows these codecs, under a name of its own or this one.
    pub(crate) fn new(codecs: &[Codec], login: Option<Login>, now: Instant) -> Peer {
        let mut config = RtcConfig::new()
            .set_crypto_provider(CRYPTO.clone())
            .set_rtp_mode(true)
            .set_stats_interval(Some(FIGURES))
            .set_rtcp_report_interval_audio(REPORTS)
            .set_rtcp_report_interval_video(REPORTS)
            .set_extension_map(codecs::extensions())
            .enable_bwe(Some(Bitrate::from(FIRST_ESTIMATE)))
            .clear_codecs();
        if let Some(certificate) = CERTIFICATE.as_ref() {
            config = config.set_dtls_cert(certificate.clone());
        }
        if let Some(Login { ufrag, pwd }) = login {
            config = config.set_local_ice_credentials(IceCreds { ufrag, pass: pwd });
        }
        for codec in codecs {
            codecs::add(&mut config, *codec);
        }
        let rtc = Box::new(config.build(now));
        Peer { rtc, pending: None, video: false, senders: Vec::new(), told: now, keys: keys::of_last() }
    }

    /// Takes an offer and gives the answer.
    pub(crate) fn accept_offer(&mut self, sdp: &str) -> Result<String, Rejected> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|_| Rejected)?;
        self.pending = None;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|_| Rejected)?;
        self.video = has_video(sdp);
        Ok(answer.to_sdp_string())
    }

    /// Makes an offer of changes, and tells the new sections in order. An offer that has not been
    /// answered is forgotten.
    pub(crate) fn offer(&mut self, changes: &[Change]) -> Result<(String, Vec<Mid>), Rejected> {
        let mut added = Vec::new();
        let mut api = self.rtc.sdp_api();
        for change in changes {
            match change {
                Change::Add(kind, way) => {
                    let kind = match kind {
                        MediaKind::Audio => str0m::media::MediaKind::Audio,
                        MediaKind::Video => str0m::media::MediaKind::Video,
                    };
                    added.push(api.add_media(kind, way.into(), None, None, None));
                }
                Change::Turn(mid, way) => api.set_direction(*mid, way.into()),
                Change::Restart => {
                    api.ice_restart(true);
                }
            }
        }
        if !api.has_changes() {
            offer_the_same(&mut api, changes);
        }
        let (offer, pending) = api.apply().ok_or(Rejected)?;
        self.pending = Some(pending);
        Ok((offer.to_sdp_string(), added))
    }

    /// Takes the answer to the last offer.
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<(), Rejected> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|_| Rejected)?;
        let pending = self.pending.take().ok_or(Rejected)?;
        self.video = has_video(sdp);
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|_| Rejected)
    }

    /// Forgets the offer that has not been answered.
    pub(crate) fn withdraw(&mut self) {
        self.pending = None;
    }

    /// The ICE user name that far sides address this session by.
    pub(crate) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Decides which way is used (RFC 8445 §6.1.1), although it did not offer.
    pub(crate) fn control(&mut self) {
        self.rtc.direct_api().set_ice_controlling(true);
    }

    /// Sends a section from these sources.
    pub(crate) fn send_as(&mut self, mid: Mid, source: u32, repair: Option<u32>) {
        let mut api = self.rtc.direct_api();
        if let Some(own) = api.stream_tx_by_mid(mid, None).map(|stream| stream.ssrc()) {
            api.remove_stream_tx(own);
            self.senders.retain(|known| *known != own);
            api.declare_stream_tx(source.into(), repair.map(Into::into), mid, None);
        }
    }

    /// Whether pictures are among what it carries.
    pub(crate) fn has_video(&self) -> bool {
        self.video
    }

    /// An address of ours.
    pub(crate) fn add_local(&mut self, address: SocketAddr, protocol: Protocol) {
        let candidate = match protocol {
            Protocol::Udp => Candidate::host(address, Protocol::Udp),
            _ => Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build(),
        };
        if let Ok(candidate) = candidate {
            self.rtc.add_local_candidate(candidate);
        }
    }

    /// An address of the far side's.
    pub(crate) fn add_remote(&mut self, remote: Remote) {
        self.rtc.add_remote_candidate(remote.0);
    }

    /// Asks for more of the path than sound needs, once there is video.
    pub(crate) fn expect_video(&mut self) {
        self.rtc.bwe().set_bitrate(Bitrate::from(0), Bitrate::from(WANTED));
    }

    /// The payload types of a section that were agreed upon, each with what it is.
    pub(crate) fn numbers(&self, mid: Mid) -> Vec<(u8, Key)> {
        let Some(media) = self.rtc.media(mid) else { return Vec::new() };
        let agreed = media.remote_pts();
        let params = self.rtc.codec_config().params().iter();
        params
            .filter(|param| agreed.contains(&param.pt()))
            .filter_map(|param| Some((*param.pt(), codecs::key(param)?)))
            .collect()
    }

    /// A datagram of the far side's that `accepts` has said yes to, or that is known by its address.
    ///
    /// The engine looks at all of its timers after a datagram, unless that is older than what it
    /// has seen: so the second and later ones of a batch are told as a nanosecond older.
    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Broken> {
        let seen = std::mem::replace(&mut self.told, now) == now;
        let at = now.checked_sub(Duration::from_nanos(1)).filter(|_| seen).unwrap_or(now);
        self.rtc.handle_input(Input::Receive(at, datagram.receive)).map_err(|_| Broken)
    }

    /// A datagram of media that came at a time before the last [`Peer::tick`]: no timer is looked at.
    pub(crate) fn receive_late(&mut self, came: Instant, datagram: Datagram<'_>) -> Result<(), Broken> {
        self.rtc.handle_input(Input::Receive(came, datagram.receive)).map_err(|_| Broken)
    }

    /// The keys of what it sends and receives.
    pub(crate) fn keys(&self) -> &SharedKeys {
        &self.keys
    }

    /// The numbers of a section's header extensions.
    pub(crate) fn extensions(&self, mid: Mid) -> Extensions {
        let number = |extension| self.rtc.media(mid).and_then(|media| media.remote_extmap().id_of(extension));
        Extensions { mid: number(Extension::RtpMid), level: number(Extension::AudioLevel) }
    }

    /// Whether a datagram is for this session, and the datagram. A STUN message is told by its integrity.
    pub(crate) fn accepts<'a>(&self, now: Instant, datagram: Datagram<'a>) -> (bool, Option<Datagram<'a>>) {
        let input = Input::Receive(now, datagram.receive);
        let accepted = self.rtc.accepts(&input);
        match input {
            Input::Receive(_, receive) => (accepted, Some(Datagram { receive, ..datagram })),
            Input::Timeout(_) => (false, None),
        }
    }

    /// Time has passed, or something was written.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), Broken> {
        self.told = now;
        self.rtc.handle_input(Input::Timeout(now)).map_err(|_| Broken)
    }

    /// What comes out next. After [`Output::Until`] there is nothing more for now.
    pub(crate) fn poll(&mut self) -> Result<Output, Broken> {
        loop {
            let event = match self.rtc.poll_output().map_err(|_| Broken)? {
                str0m::Output::Timeout(_) if !self.rtc.is_alive() => return Err(Broken),
                str0m::Output::Timeout(at) => return Ok(Output::Until(at)),
                str0m::Output::Transmit(transmit) => return Ok(Output::Transmit(transmit)),
                str0m::Output::Event(event) => event,
            };
            if let Some(output) = output(event) {
                return Ok(output);
            }
        }
    }

    /// Where packets of a section are sent from.
    pub(crate) fn sender(&mut self, mid: Mid) -> Option<Ssrc> {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        let source = stream.ssrc();
        if !self.senders.contains(&source) {
            stream.set_unpaced(true);
            // (This empties what is kept already.)
            stream.set_rtx_cache(RESEND, RESEND_FOR, Some(RESEND_SHARE));
            self.senders.push(source);
        }
        Some(source)
    }

    /// Whether a datagram of the engine's is a packet that was given to [`Peer::write`], on its
    /// first way out.
    pub(crate) fn is_forwarded(&self, datagram: &[u8]) -> bool {
        let source = datagram.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        is_media(datagram) && source.is_some_and(|source| self.senders.iter().any(|known| **known == source))
    }

    /// The section that a source of the far side's belongs to.
    pub(crate) fn section_of(&mut self, source: Ssrc) -> Option<Mid> {
        self.rtc.direct_api().stream_rx(&source).map(|stream| stream.mid())
    }

    /// Sends a packet; it leaves at the next [`Peer::tick`].
    pub(crate) fn write(&mut self, sender: Ssrc, packet: Packet) {
        if let Some(stream) = self.rtc.direct_api().stream_tx(&sender) {
            stream.write_rtp(
                RtpWrite::new(packet.number.into(), packet.sequence, packet.time, packet.taken_at, packet.payload)
                    .marker(packet.marker)
                    .nackable(packet.repairable)
                    .ext_vals(packet.extensions),
            );
        }
    }

    /// Asks the far side for a whole picture.
    pub(crate) fn want_picture(&mut self, mid: Mid) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Asks the far side to send no more than this, in bits per second.
    pub(crate) fn limit(&mut self, mid: Mid, bits: u64) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_remb(Bitrate::from(bits));
        }
    }

    /// Takes leave; what is to be sent for it comes out of [`Peer::poll`].
    pub(crate) fn close(&mut self) {
        let _ = self.rtc.close();
    }
}

/// Whether a description, as `sdp` prints it, has pictures.
fn has_video(sdp: &str) -> bool {
    sdp.lines().any(|line| line.starts_with("m=video 9 "))
}

/// Makes an offer of what is: the engine makes one where something changes only, so a direction goes
/// there and back.
fn offer_the_same(api: &mut SdpApi<'_>, changes: &[Change]) {
    let turned = changes.iter().find_map(|change| match change {
        Change::Turn(mid, way) => Some((*mid, way)),
        _ => None,
    });
    if let Some((mid, way)) = turned {
        api.set_direction(mid, (&Way { send: !way.send, ..*way }).into());
        api.set_direction(mid, way.into());
    } else {
        api.ice_restart(true);
    }
}

/// An address of the far side's that can be sent to.
#[derive(Debug, Clone)]
pub(crate) struct Remote(Candidate);

impl Remote {
    /// Reads a candidate line. `Ok(None)` for those that are of no use here: names instead of
    /// addresses (RFC 8828), and TCP, over which the far side connects to us.
    pub(crate) fn read(line: &str) -> Result<Option<Remote>, Rejected> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [head, component, protocol, priority, address, port, "typ", ..] = words[..] else { return Err(Rejected) };
        let numbers =
            component.parse::<u16>().is_ok() && priority.parse::<u32>().is_ok() && port.parse::<u16>().is_ok();
        if !head.starts_with("candidate:") || !numbers {
            return Err(Rejected);
        }
        if !protocol.eq_ignore_ascii_case("udp") || address.parse::<IpAddr>().is_err() || component != "1" {
            return Ok(None);
        }
        // (An address that nobody can be at, such as 0.0.0.0, is of no use either.)
        Ok(Candidate::from_sdp_string(line).ok().map(Remote))
    }
}

/// A packet to send.
pub(crate) struct Packet {
    /// Payload type on the leg that it goes to.
    pub(crate) number: u8,
    pub(crate) sequence: SeqNo,
    pub(crate) time: u32,
    pub(crate) taken_at: Instant,
    pub(crate) marker: bool,
    pub(crate) repairable: bool,
    pub(crate) extensions: ExtensionValues,
    pub(crate) payload: Arc<[u8]>,
}

/// Whether a datagram is a packet of media, and not one of reports (RFC 5761 §4), ICE or DTLS.
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// A datagram whose kind is known.
pub(crate) struct Datagram<'a> {
    receive: Receive<'a>,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// `None` for what is neither STUN, DTLS nor RTP.
    pub(crate) fn read(
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<Datagram<'a>> {
        let contents = DatagramRecv::try_from(bytes).ok()?;
        Some(Datagram { receive: Receive { proto: protocol, source, destination, contents }, bytes })
    }

    /// Whether it is a packet of media.
    pub(crate) fn is_media(&self) -> bool {
        is_media(self.bytes)
    }

    /// How it came.
    pub(crate) fn way(&self) -> (Protocol, SocketAddr, SocketAddr) {
        (self.receive.proto, self.receive.source, self.receive.destination)
    }
}

impl From<&Way> for Direction {
    fn from(way: &Way) -> Direction {
        match (way.send, way.receive) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

fn output(event: Event) -> Option<Output> {
    Some(match event {
        Event::RtpPacket(packet) => Output::Packet(packet),
        Event::Connected => Output::Connected,
        Event::IceConnectionStateChange(IceConnectionState::Disconnected) => Output::Unreachable,
        Event::IceConnectionStateChange(IceConnectionState::Connected | IceConnectionState::Completed) => {
            Output::Reachable
        }
        Event::KeyframeRequest(request) => Output::WantsPicture(request.mid),
        Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. }) => {
            Output::Carries(estimate.as_u64())
        }
        Event::MediaIngressStats(stats) => Output::Received(stats),
        Event::MediaEgressStats(stats) => Output::Sent(stats),
        Event::PeerStats(stats) => {
            Output::RoundTrip(stats.selected_candidate_pair.and_then(|pair| pair.current_round_trip_time)?)
        }
        Event::Closed => Output::Closed,
        _ => return None,
    })
}
