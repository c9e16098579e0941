//! `call`: a terminal caller, to try calls from a shell and to script against. Who calls, and how it
//! connects, is as in `chat`; the call itself is `monster-caller`'s.

use super::failure::{Failure, Outcome};
use super::home::{self, Home, Link};
use super::office::{address, seconds};
use super::plain::one_line;
use super::print;
use clap::Args;
use monster_caller::{CallError, End, Flow, IceServer, Options, Progress, Report, Wire};
use monster_protocol::{Address, Media};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the gateway may take to name its STUN and TURN servers.
const ASK: Duration = Duration::from_secs(10);

/// Call an address from the terminal, and tell how the media was. The exit code is 0 if media came.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Call {
    /// Whom to call, e.g. `@echo:echo:localhost:7580`; with `--answer`, whose call to take.
    #[arg(value_parser = address, required_unless_present = "answer")]
    address: Option<Address>,
    /// The local account to call as; as in `chat`.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Wait for a call and answer it.
    #[arg(long)]
    answer: bool,
    /// With a picture: a test picture, or the IVF file given to `--play`.
    #[arg(long)]
    video: bool,
    /// Play this instead of the tone or the test picture: Ogg/Opus, WAV (sent as PCMU) or IVF (VP8).
    /// Without `--for`, the call ends when it has been played.
    #[arg(long, value_name = "FILE")]
    play: Vec<PathBuf>,
    /// Keep what comes: Opus as .ogg or .opus, PCMU as .wav, VP8 as .ivf.
    #[arg(long, value_name = "FILE")]
    record: Vec<PathBuf>,
    /// Hang up so long after the first media came, in seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    talk: Option<f64>,
    /// Go through the TURN server only, to try it.
    #[arg(long)]
    relay_only: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// A home socket carries the frames of a call.
#[async_trait::async_trait]
impl Wire for Link {
    async fn send(&mut self, frame: &Value) {
        Link::send(self, frame).await;
    }

    async fn next(&mut self) -> Option<Value> {
        Link::next(self).await
    }
}

impl Call {
    pub(super) async fn run(self, config: Option<&Path>) -> Outcome {
        crate::app::install_crypto();
        let home = home::find(config, self.account.as_deref()).await?;
        let mut link = Link::open(&home).await?;
        let mut options = self.options();
        options.ice_servers = ice_servers(&home).await;
        options.loopback = home.is_here();
        let stop = options.stop.clone();
        let interrupted = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        });
        let json = self.json;
        let mut progress = |progress: Progress| {
            if !json {
                print::complain(&said(&progress));
            }
        };
        let called = match &self.address {
            Some(to) if !self.answer => monster_caller::call(&mut link, to, &options, &mut progress).await,
            from => monster_caller::answer(&mut link, from.as_ref(), &options, &mut progress).await,
        };
        interrupted.abort();
        link.close().await;
        let report = called.map_err(failure)?;
        if json {
            print::json(&report)?;
        } else {
            lines(&report).iter().try_for_each(|line| print::line(line))?;
        }
        if report.media_came() { Ok(()) } else { Err(Failure::unavailable(without_media(&report))) }
    }

    fn options(&self) -> Options {
        Options {
            media: if self.video { Media::Video } else { Media::Voice },
            play: self.play.clone(),
            record: self.record.clone(),
            relay_only: self.relay_only,
            talk: self.talk.map(Duration::from_secs_f64),
            stop: CancellationToken::new(),
            ..Options::default()
        }
    }
}

/// The servers that the gateway names to its accounts; none if it does not tell.
async fn ice_servers(home: &Home) -> Vec<IceServer> {
    let url = format!("{}/api/v1/me/ice-servers", home.http());
    let client = reqwest::Client::builder().timeout(ASK).redirect(reqwest::redirect::Policy::none()).build();
    let Ok(client) = client else { return Vec::new() };
    let Ok(answer) = client.get(url).bearer_auth(&home.token).send().await else { return Vec::new() };
    let answer: Value = answer.json().await.unwrap_or_default();
    let servers = answer["iceServers"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |server: &Value| -> Vec<IceServer> {
        let (user, password) = (text(&server["username"]), text(&server["credential"]));
        let urls = server["urls"].as_array().cloned().unwrap_or_default();
        let one = |url: &Value| IceServer { url: text(url), user: user.clone(), password: password.clone() };
        urls.iter().map(one).collect()
    };
    servers.iter().flat_map(entry).collect()
}

fn said(progress: &Progress) -> String {
    match progress {
        Progress::Waiting => "waiting for a call".to_owned(),
        Progress::Called(from) => format!("{} calls", one_line(from)),
        Progress::Ringing => "it rings".to_owned(),
        Progress::LinkSent => "a link was sent; waiting for somebody to open it".to_owned(),
        Progress::Keys(keys) => format!("the other side pressed {keys}"),
        Progress::Answered => "answered".to_owned(),
        Progress::Connected => "connected".to_owned(),
        Progress::FirstMedia(after) => format!("media after {:.0} ms", after.as_secs_f64() * 1000.0),
        Progress::Muted(audio, video) => {
            let state = |muted: bool| if muted { "off" } else { "on" };
            format!("the other side: microphone {}, camera {}", state(*audio), state(*video))
        }
        _ => String::new(),
    }
}

/// The figures for a person.
fn lines(report: &Report) -> Vec<String> {
    let Some(setup) = report.setup_ms else { return Vec::new() };
    let talked = report.talked_ms.unwrap_or_default() / 1000.0;
    let way = report.path.as_ref().map(|path| format!("; way {} to {}", path.local, path.remote));
    let trip = report.round_trip_ms.map(|ms| format!(", round trip {ms:.1} ms"));
    let (way, trip) = (way.unwrap_or_default(), trip.unwrap_or_default());
    let mut lines = vec![format!("media for {talked:.1} s, {setup:.0} ms after the offer{way}{trip}")];
    let kinds = [("sound", &report.audio), ("picture", &report.video)];
    lines.extend(kinds.iter().filter_map(|(kind, flow)| Some(flow_line(kind, flow.as_ref()?))));
    lines.extend(report.recorded.iter().map(|path| format!("recorded {}", path.display())));
    lines
}

fn flow_line(kind: &str, flow: &Flow) -> String {
    let codec = if flow.codec.is_empty() { "nothing came" } else { &flow.codec };
    format!(
        "{kind} ({codec}): {} packets sent, {} received, {} lost ({:.1} %), jitter {:.1} ms",
        flow.sent, flow.received, flow.lost, flow.lost_percent, flow.jitter_ms
    )
}

/// Why a call had no media, in a line.
pub(super) fn without_media(report: &Report) -> String {
    let why = report.why.as_deref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
    match report.end {
        End::HungUp => "the call was ended before media came".to_owned(),
        End::HungUpThere => format!("the call was ended by the other side before media came{why}"),
        End::Declined => format!("the call was declined{why}"),
        End::Busy => format!("busy{why}"),
        End::NoAnswer => "nobody answered".to_owned(),
        End::NoMedia => format!("the call was answered, but there was no media{why}"),
        _ => format!("there is no way for media{why}"),
    }
}

pub(super) fn failure(error: CallError) -> Failure {
    match error {
        CallError::Refused(_) | CallError::WireLost => Failure::unavailable(error),
        CallError::File { .. } => Failure::data(error),
        _ => Failure::system(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable_lines() {
        let flow =
            Flow { codec: "opus".to_owned(), sent: 250, received: 248, lost: 2, lost_percent: 0.8, ..Flow::default() };
        assert_eq!(
            flow_line("sound", &flow),
            "sound (opus): 250 packets sent, 248 received, 2 lost (0.8 %), jitter 0.0 ms"
        );
        assert!(flow_line("picture", &Flow::default()).starts_with("picture (nothing came): 0 packets sent"));
    }
}
