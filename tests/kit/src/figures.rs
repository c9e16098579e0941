//! What a page sends and receives of calls, as its peer connections count it, and waiting for it to
//! change: a test says "sound arrives" or "no frame arrives any more".

use crate::browser::Tab;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long nothing must arrive for it to have stopped.
const QUIET: Duration = Duration::from_millis(1500);

/// Sums over the open connections of a page; counts grow from the start of each connection.
#[derive(Debug, Clone, Deserialize)]
pub struct Figures {
    /// Sound.
    pub audio: Medium,
    /// Pictures.
    pub video: Medium,
    /// How the packets travel, once a way was found.
    pub path: Option<MediaPath>,
    /// How many connections are open.
    pub connections: usize,
    /// The kinds of the captured tracks that are live: what makes the camera's light burn.
    pub capturing: Vec<String>,
}

/// One kind of media.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Medium {
    /// RTP packets received.
    pub packets: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Packets that did not come, or only when they were sent again.
    pub lost: i64,
    /// `totalAudioEnergy` of what was received: grows with what can be heard.
    pub energy: f64,
    /// Video frames decoded.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Freezes as the browser counts them.
    pub freezes: u64,
    /// The freezes' whole length, in seconds.
    pub frozen: f64,
    /// The width of the last frame.
    pub width: u64,
    /// RTP packets sent.
    pub sent_packets: u64,
    /// Video frames encoded.
    pub sent_frames: u64,
    /// Retransmissions asked for, of what was received.
    pub nacks: u64,
    /// Key frames asked for, of what was received.
    pub plis: u64,
    /// Packets that came when they were sent again.
    pub repaired: u64,
    /// The codec of what is received, like `video/VP8`.
    pub codec: Option<String>,
}

/// The way of the packets.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MediaPath {
    /// The page's candidate: `host`, `srflx`, `prflx` or `relay`.
    pub local: Option<String>,
    /// `udp` or `tcp`.
    pub protocol: Option<String>,
    /// Between the page and its TURN server: `udp`, `tcp` or `tls`.
    pub relay_protocol: Option<String>,
    /// The gateway's candidate.
    pub remote: Option<String>,
    /// Seconds.
    pub round_trip: Option<f64>,
    /// The state of DTLS.
    pub dtls: Option<String>,
    /// The page's ICE user name: another one after a restart.
    pub ufrag: Option<String>,
    /// How packets are encrypted.
    pub srtp: Option<String>,
}

impl Figures {
    pub(crate) fn read(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_else(|error| panic!("the page's figures: {error}: {value}"))
    }
}

impl Tab {
    /// Waits until `enough` holds of the figures.
    pub async fn counts(&self, what: &str, enough: impl Fn(&Figures) -> bool) -> Figures {
        let mut last = None;
        let counting = async {
            loop {
                let figures = self.figures().await;
                if enough(&figures) {
                    return figures;
                }
                last = Some(figures);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(crate::PATIENCE, counting).await;
        found.unwrap_or_else(|late| panic!("{} did not see {what} ({late}); at last {last:#?}", self.name()))
    }

    /// Waits until a second's worth of sound has newly arrived, and can be heard.
    pub async fn hears_sound(&self) {
        let before = self.figures().await;
        self.counts("sound arriving", |now| {
            now.audio.packets >= since(before.audio.packets, now.audio.packets) + 50
                && now.audio.energy > if now.audio.packets < before.audio.packets { 0.0 } else { before.audio.energy }
        })
        .await;
    }

    /// Waits until ten new video frames were decoded.
    pub async fn sees_frames(&self) {
        let before = self.figures().await.video.frames;
        self.counts("video frames arriving", |now| now.video.frames >= since(before, now.video.frames) + 10).await;
    }

    /// Waits until no new video frame is decoded for a while.
    pub async fn frames_stop(&self) {
        self.stops("video frames to stop", |figures| figures.video.frames.to_string()).await;
    }

    /// Waits until nothing that arrives can be heard for a while: silence, or no packets at all.
    pub async fn sound_stops(&self) {
        self.stops("sound to stop", |figures| format!("{:.4}", figures.audio.energy)).await;
    }

    /// Waits until every connection is closed and no microphone, camera or screen is captured.
    pub async fn is_idle(&self) {
        self.counts("everything closed", |now| now.connections == 0 && now.capturing.is_empty()).await;
    }

    async fn stops(&self, what: &str, read: impl Fn(&Figures) -> String) {
        crate::within(what, async {
            loop {
                let before = read(&self.figures().await);
                tokio::time::sleep(QUIET).await;
                if read(&self.figures().await) == before {
                    return;
                }
            }
        })
        .await;
    }
}

/// Where counting starts: at `before`, or at nothing if the connection is a new one.
fn since(before: u64, now: u64) -> u64 {
    if now < before { 0 } else { before }
}
