//! The WebRTC side of a call: one peer connection, its tracks, and what it says of itself. Called by
//! `session`, which gets its events through a channel.

use crate::figures::{Flow, Incoming, Path, as_f64};
use crate::files::{Clip, Codec};
use crate::play::{Pace, Programme};
use crate::record::{Recorder, codec_of};
use crate::{CallError, Options};
use monster_protocol::Candidate;
use rtc::media::Sample;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_PCMU, MIME_TYPE_VP8};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceCandidateInit, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
    RTCSessionDescription, RTCStatsReportEntry, Registry, SettingEngineBuilder, StatsSelector,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::RtpSender;

/// Events that may wait; a call has a few dozen.
const EVENTS: usize = 256;

/// What a peer connection tells.
pub(crate) enum PeerEvent {
    /// A way to reach this side.
    Candidate(Candidate),
    /// ICE and DTLS are done.
    Connected,
    /// ICE or DTLS failed for good.
    Failed,
    /// Media of the other side begins.
    Track(Arc<dyn TrackRemote>),
    /// The first packet of the call came.
    FirstMedia(Instant),
    /// A recording could not go on.
    RecordFailed(CallError),
}

/// One side of a call.
pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    events: mpsc::Sender<PeerEvent>,
    voices: Vec<Voice>,
    hearing: Vec<Hearing>,
    recorders: Arc<Mutex<Vec<Recorder>>>,
    playing: Vec<AbortOnDropHandle<()>>,
    /// Candidates that came before the other side's description.
    early: Vec<Candidate>,
    described: bool,
}

/// A clip and the track that it is played into.
struct Voice {
    clip: Clip,
    ssrc: u32,
    track: Arc<TrackLocalStaticSample>,
    sender: Arc<dyn RtpSender>,
}

/// Media that comes.
struct Hearing {
    kind: RtpCodecKind,
    incoming: Arc<Mutex<Incoming>>,
    _task: AbortOnDropHandle<()>,
}

struct Handler {
    events: mpsc::Sender<PeerEvent>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(init) = event.candidate.to_json() {
            let mid = init.sdp_mid.filter(|mid| !mid.is_empty());
            let candidate = Candidate { candidate: init.candidate, sdp_mid: mid, sdp_m_line_index: Some(0) };
            let _ = self.events.try_send(PeerEvent::Candidate(candidate));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = match state {
            RTCPeerConnectionState::Connected => self.events.try_send(PeerEvent::Connected),
            RTCPeerConnectionState::Failed => self.events.try_send(PeerEvent::Failed),
            _ => Ok(()),
        };
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.events.try_send(PeerEvent::Track(track));
    }
}

fn engine(doing: &'static str) -> impl FnOnce(webrtc::error::Error) -> CallError {
    move |why| CallError::Engine { doing, why: why.to_string() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    /// A connection that will play `programme`. No packet leaves before a description is made.
    pub(crate) async fn new(
        options: &Options,
        programme: Programme,
    ) -> Result<(Self, mpsc::Receiver<PeerEvent>), CallError> {
        let recorders: Result<Vec<_>, _> = options.record.iter().map(|path| Recorder::create(path)).collect();
        let (events, receiver) = mpsc::channel(EVENTS);
        let connection = Box::pin(connection(options, &programme, Handler { events: events.clone() })).await?;
        let mut peer = Self {
            connection,
            events,
            voices: Vec::new(),
            hearing: Vec::new(),
            recorders: Arc::new(Mutex::new(recorders?)),
            playing: Vec::new(),
            early: Vec::new(),
            described: false,
        };
        for clip in [Some(programme.audio), programme.video].into_iter().flatten() {
            peer.add(clip).await?;
        }
        Ok((peer, receiver))
    }

    async fn add(&mut self, clip: Clip) -> Result<(), CallError> {
        let (kind, codec) = (kind_of(clip.codec), codec(clip.codec));
        let ssrc = rand::random();
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: codec.rtp_codec,
            ..Default::default()
        };
        let name = format!("caller-{kind}");
        let stream = MediaStreamTrack::new("caller".to_owned(), name.clone(), name, kind, vec![coding]);
        let track = TrackLocalStaticSample::new(Instant::now(), stream).map_err(engine("making a track"))?;
        let track = Arc::new(track);
        let local = Arc::clone(&track) as Arc<dyn TrackLocal>;
        let sender = self.connection.add_track(local).await.map_err(engine("adding a track"))?;
        self.voices.push(Voice { clip, ssrc, track, sender });
        Ok(())
    }

    /// Makes the offer; candidates follow as events.
    pub(crate) async fn offer(&self) -> Result<String, CallError> {
        let offer = self.connection.create_offer(None).await.map_err(engine("making the offer"))?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await.map_err(engine("taking our own offer"))?;
        Ok(sdp)
    }

    /// Takes an offer and answers it.
    pub(crate) async fn answer(&mut self, sdp: &str) -> Result<String, CallError> {
        let offer = RTCSessionDescription::offer(sdp.to_owned()).map_err(engine("reading the offer"))?;
        self.connection.set_remote_description(offer).await.map_err(engine("taking the offer"))?;
        let answer = self.connection.create_answer(None).await.map_err(engine("making the answer"))?;
        let sdp = answer.sdp.clone();
        self.connection.set_local_description(answer).await.map_err(engine("taking our own answer"))?;
        self.describe().await;
        Ok(sdp)
    }

    /// Takes the answer to our offer.
    pub(crate) async fn take_answer(&mut self, sdp: &str) -> Result<(), CallError> {
        let answer = RTCSessionDescription::answer(sdp.to_owned()).map_err(engine("reading the answer"))?;
        self.connection.set_remote_description(answer).await.map_err(engine("taking the answer"))?;
        self.describe().await;
        Ok(())
    }

    async fn describe(&mut self) {
        self.described = true;
        for candidate in std::mem::take(&mut self.early) {
            self.add_candidate(candidate).await;
        }
    }

    /// Takes ways to reach the other side; one that cannot be read is passed over.
    pub(crate) async fn candidates(&mut self, candidates: Vec<Candidate>) {
        for candidate in candidates {
            if self.described {
                self.add_candidate(candidate).await;
            } else if self.early.len() < monster_protocol::MAX_CANDIDATES {
                self.early.push(candidate);
            }
        }
    }

    async fn add_candidate(&self, candidate: Candidate) {
        if candidate.candidate.is_empty() {
            return;
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_m_line_index,
            username_fragment: None,
            url: None,
        };
        if let Err(why) = self.connection.add_ice_candidate(init).await {
            tracing::debug!(%why, "a candidate of the other side cannot be used");
        }
    }

    /// Begins to play, or goes on.
    pub(crate) async fn play(&mut self) -> Result<(), CallError> {
        if !self.playing.is_empty() {
            return Ok(());
        }
        for voice in &self.voices {
            let parameters = voice.sender.get_parameters().await.map_err(engine("asking for the codec"))?;
            let Some(codec) = parameters.rtp_parameters.codecs.first() else { continue };
            let (track, clip) = (Arc::clone(&voice.track), voice.clip.clone());
            let play = play(track, voice.ssrc, codec.payload_type, clip);
            self.playing.push(AbortOnDropHandle::new(tokio::spawn(play)));
        }
        Ok(())
    }

    /// Listens to a track.
    pub(crate) async fn listen(&mut self, track: Arc<dyn TrackRemote>) {
        let kind = track.kind().await;
        let incoming = Arc::new(Mutex::new(Incoming::new("", 1, Instant::now())));
        let events = self.events.clone();
        let task = tokio::spawn(listen(track, Arc::clone(&incoming), Arc::clone(&self.recorders), events));
        self.hearing.push(Hearing { kind, incoming, _task: AbortOnDropHandle::new(task) });
    }

    /// When the last packet came.
    pub(crate) fn last_heard(&self) -> Option<Instant> {
        self.hearing.iter().map(|hearing| lock(&hearing.incoming).last).max()
    }

    /// The figures until now: sound, picture, round trip in ms, way.
    pub(crate) async fn figures(&self) -> (Option<Flow>, Option<Flow>, Option<f64>, Option<Path>) {
        let stats = self.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let flow = |kind: RtpCodecKind| {
            let mut flow = Flow::default();
            for hearing in self.hearing.iter().filter(|hearing| hearing.kind == kind) {
                lock(&hearing.incoming).tell(&mut flow);
            }
            for entry in stats.iter() {
                tell_sent(entry, kind, &mut flow);
            }
            (flow != Flow::default()).then_some(flow)
        };
        let (trip, path) = way(&stats);
        (flow(RtpCodecKind::Audio), flow(RtpCodecKind::Video), trip, path)
    }

    /// Ends it, and finishes the recordings.
    pub(crate) async fn close(&mut self) -> Result<Vec<PathBuf>, CallError> {
        self.playing.clear();
        self.hearing.clear();
        let closed = self.connection.close().await;
        let recorders = std::mem::take(&mut *lock(&self.recorders));
        let recorded = recorders.into_iter().map(Recorder::finish).collect();
        closed.map_err(engine("closing"))?;
        recorded
    }
}

async fn connection(
    options: &Options,
    programme: &Programme,
    handler: Handler,
) -> Result<Arc<dyn PeerConnection>, CallError> {
    let mut media = MediaEngine::default();
    let clips = [Some(&programme.audio), programme.video.as_ref()];
    for clip in clips.into_iter().flatten() {
        media.register_codec(codec(clip.codec), kind_of(clip.codec)).map_err(engine("naming the codecs"))?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut media).map_err(engine("setting it up"))?;
    let servers = options.ice_servers.iter().map(|server| RTCIceServer {
        urls: vec![server.url.clone()],
        username: server.user.clone(),
        credential: server.password.clone(),
    });
    let policy = if options.relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    let configuration = RTCConfigurationBuilder::new().with_ice_servers(servers.collect());
    let settings = SettingEngineBuilder::new().with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled);
    let building = PeerConnectionBuilder::new()
        .with_configuration(configuration.with_ice_transport_policy(policy).build())
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings.build())
        .with_handler(Arc::new(handler))
        .with_udp_addrs(local_addresses(options.loopback))
        .build();
    let connection = Box::pin(building).await.map_err(engine("opening UDP sockets"))?;
    Ok(Arc::new(connection))
}

/// Where to listen: every interface of the families that have a way out.
fn local_addresses(loopback: bool) -> Vec<String> {
    let has_way = |from: &str, to: &str| UdpSocket::bind(from).and_then(|socket| socket.connect(to)).is_ok();
    // Documentation addresses: nothing is sent, only the routing table is asked.
    let mut addresses = Vec::new();
    if has_way("0.0.0.0:0", "192.0.2.1:9") {
        addresses.push("0.0.0.0:0".to_owned());
    }
    if has_way("[::]:0", "[2001:db8::1]:9") {
        addresses.push("[::]:0".to_owned());
    }
    if loopback || addresses.is_empty() {
        addresses.push("127.0.0.1:0".to_owned());
    }
    addresses
}

fn kind_of(codec: Codec) -> RtpCodecKind {
    if codec == Codec::Vp8 { RtpCodecKind::Video } else { RtpCodecKind::Audio }
}

fn codec(codec: Codec) -> RTCRtpCodecParameters {
    let (name, clock_rate, channels, fmtp, payload_type) = match codec {
        Codec::Opus => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", 111),
        Codec::Pcmu => (MIME_TYPE_PCMU, 8000, 1, "", 0),
        Codec::Vp8 => (MIME_TYPE_VP8, 90_000, 0, "", 96),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: name.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type,
    }
}

async fn play(track: Arc<TrackLocalStaticSample>, ssrc: u32, payload_type: u8, clip: Clip) {
    let mut pace = Pace::new(clip);
    loop {
        let (data, duration) = pace.next().await;
        let sample = Sample { data, duration, ..Sample::new(Instant::now()) };
        if let Err(why) = track.write_sample(ssrc, payload_type, &sample, &[]).await {
            tracing::debug!(%why, "a frame was not sent");
        }
    }
}

async fn listen(
    track: Arc<dyn TrackRemote>,
    incoming: Arc<Mutex<Incoming>>,
    recorders: Arc<Mutex<Vec<Recorder>>>,
    events: mpsc::Sender<PeerEvent>,
) {
    let mut begun = false;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let now = Instant::now();
        if !begun {
            begun = true;
            let codec = track.codec(packet.header.ssrc).await;
            let (name, clock) = codec.map_or_else(Default::default, |codec| (codec.mime_type, codec.clock_rate));
            *lock(&incoming) = Incoming::new(&name, clock, now);
            let _ = events.try_send(PeerEvent::FirstMedia(now));
        }
        let header = &packet.header;
        let codec = {
            let mut incoming = lock(&incoming);
            incoming.packet(header.ssrc, header.sequence_number, header.timestamp, packet.payload.len(), now);
            incoming.codec.clone()
        };
        if let Err(why) = record(&recorders, &codec, packet, now) {
            let _ = events.try_send(PeerEvent::RecordFailed(why));
            return;
        }
    }
}

/// Gives a packet to the recordings of its codec.
fn record(
    recorders: &Mutex<Vec<Recorder>>,
    codec: &str,
    packet: rtc::rtp::Packet,
    now: Instant,
) -> Result<(), CallError> {
    let mut recorders = lock(recorders);
    let fitting = recorders.iter_mut().find(|recorder| codec_of(recorder.path()) == Some(codec));
    fitting.map_or(Ok(()), |recorder| recorder.packet(packet, now))
}

fn tell_sent(entry: &RTCStatsReportEntry, kind: RtpCodecKind, flow: &mut Flow) {
    match entry {
        RTCStatsReportEntry::OutboundRtp(sent) if sent.sent_rtp_stream_stats.rtp_stream_stats.kind == kind => {
            flow.sent += sent.sent_rtp_stream_stats.packets_sent;
            flow.sent_bytes += sent.sent_rtp_stream_stats.bytes_sent;
        }
        RTCStatsReportEntry::RemoteInboundRtp(there)
            if there.received_rtp_stream_stats.rtp_stream_stats.kind == kind =>
        {
            flow.lost_there = Some(there.received_rtp_stream_stats.packets_lost);
        }
        _ => {}
    }
}

/// Round trip in ms and way, of the pair of candidates that is used.
fn way(stats: &webrtc::peer_connection::RTCStatsReport) -> (Option<f64>, Option<Path>) {
    let pairs = || stats.candidate_pairs().filter(|pair| pair.nominated);
    let pair = pairs().max_by_key(|pair| pair.packets_received + pair.packets_sent);
    let path = pair.map(|pair| {
        let kind = |side: &str, id: &str| match stats.get(&format!("RTC{side}IceCandidate_{id}")) {
            Some(RTCStatsReportEntry::LocalCandidate(candidate) | RTCStatsReportEntry::RemoteCandidate(candidate)) => {
                candidate.candidate_type.to_string()
            }
            // Only candidates that were told have an entry.
            _ => "prflx".to_owned(),
        };
        Path { local: kind("Local", &pair.local_candidate_id), remote: kind("Remote", &pair.remote_candidate_id) }
    });
    let reported = stats.iter().find_map(|entry| match entry {
        RTCStatsReportEntry::RemoteInboundRtp(there) if there.round_trip_time_measurements > 0 => {
            Some(there.total_round_trip_time / as_f64(there.round_trip_time_measurements))
        }
        _ => None,
    });
    let checked = pair.filter(|pair| pair.responses_received > 0);
    let checked = checked.map(|pair| pair.total_round_trip_time / as_f64(pair.responses_received));
    (reported.or(checked).map(|seconds| seconds * 1000.0), path)
}
