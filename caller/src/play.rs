//! What is said: the clips of a call, and their frames in time. Called by `session` (which clips) and
//! `peer` (playing them into its tracks).

use crate::files::{self, Clip, Codec};
use crate::{CallError, Options};
use bytes::Bytes;
use monster_protocol::Media;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// A tone of 440 Hz as Ogg/Opus (`media/README.md`).
pub(crate) const TONE: &[u8] = include_bytes!("../media/tone.opus");
/// A moving test picture as VP8 in IVF (`media/README.md`).
pub(crate) const PICTURE: &[u8] = include_bytes!("../media/picture.ivf");

/// What is played in a call, over and over.
#[derive(Debug, Clone)]
pub(crate) struct Programme {
    /// Sound.
    pub(crate) audio: Clip,
    /// Picture, in a video call.
    pub(crate) video: Option<Clip>,
    /// How long the files take that were given, if any were.
    pub(crate) files: Option<Duration>,
}

impl Programme {
    /// Reads the files, and takes the tone and the test picture where there is none.
    pub(crate) fn load(options: &Options) -> Result<Self, CallError> {
        let (mut audio, mut video) = (None, None);
        for path in &options.play {
            let clip = files::read(path).map_err(|why| file_error(path, why))?;
            let place = if clip.codec == Codec::Vp8 { &mut video } else { &mut audio };
            if place.replace(clip).is_some() {
                return Err(file_error(path, "there is another file of this kind".to_owned()));
            }
        }
        if video.is_some() && options.media == Media::Voice {
            let path = options.play.iter().find(|path| path.extension().is_some_and(|end| end == "ivf"));
            let path = path.map_or(Path::new("the picture"), |path| path.as_path());
            return Err(file_error(path, "a picture is played in a video call only".to_owned()));
        }
        let files = audio.iter().chain(&video).map(Clip::duration).max();
        let audio = audio.map_or_else(|| own(TONE), Ok)?;
        let video = match options.media {
            Media::Voice => None,
            Media::Video => Some(video.map_or_else(|| own(PICTURE), Ok)?),
        };
        Ok(Self { audio, video, files })
    }

    /// Takes the tone in PCMU if that is what an offer has, and no Opus.
    pub(crate) fn fit(&mut self, offer: &str) {
        let has = |codec: &str| offer.to_ascii_lowercase().contains(codec);
        if self.files.is_none() && !has(" opus/48000") && has(" pcmu/8000") {
            self.audio = pcmu_tone();
        }
    }
}

/// The tone as PCMU, in a loop of a second.
fn pcmu_tone() -> Clip {
    let sample = |n: u32| (f64::from(n) * 440.0 / 8000.0 * std::f64::consts::TAU).sin() * 4000.0;
    #[expect(clippy::cast_possible_truncation, reason = "within ±4000")]
    let encoded: Vec<u8> = (0..8000).map(|n| files::mu_law(sample(n) as i16)).collect();
    let frame = |chunk: &[u8]| (Bytes::copy_from_slice(chunk), Duration::from_millis(20));
    Clip { codec: Codec::Pcmu, frames: encoded.chunks(160).map(frame).collect() }
}

fn own(bytes: &[u8]) -> Result<Clip, CallError> {
    files::parse(bytes).map_err(|why| file_error(Path::new("the built-in clip"), why))
}

/// A file that cannot be used.
pub(crate) fn file_error(path: &Path, why: String) -> CallError {
    CallError::File { file: path.display().to_string(), why }
}

/// Gives the frames of a clip when it is their time, without end. Falls behind rather than giving
/// many at once after a pause of the machine.
#[derive(Debug)]
pub(crate) struct Pace {
    clip: Clip,
    at: usize,
    due: Instant,
}

/// How much later than its time a frame may be before those after it are put off as well.
const BEHIND_AT_MOST: Duration = Duration::from_millis(200);

impl Pace {
    /// Begins now.
    pub(crate) fn new(clip: Clip) -> Self {
        Self { clip, at: 0, due: Instant::now() }
    }

    /// The next frame, at its time.
    pub(crate) async fn next(&mut self) -> (Bytes, Duration) {
        tokio::time::sleep_until(self.due).await;
        let (frame, duration) = self.clip.frames[self.at].clone();
        self.at = (self.at + 1) % self.clip.frames.len();
        let now = Instant::now();
        if now.saturating_duration_since(self.due) > BEHIND_AT_MOST {
            self.due = now;
        }
        self.due += duration;
        (frame, duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_call_has_a_tone_and_a_video_call_a_picture_too() {
        let voice = Programme::load(&Options::default()).unwrap();
        assert_eq!((voice.audio.codec, voice.audio.duration()), (Codec::Opus, Duration::from_millis(2020)));
        assert!(voice.video.is_none() && voice.files.is_none());
        let video = Programme::load(&Options { media: Media::Video, ..Options::default() }).unwrap();
        let picture = video.video.unwrap();
        assert_eq!((picture.codec, picture.frames.len()), (Codec::Vp8, 30));
        // A key frame begins with a cleared bit (RFC 6386 §9.1).
        assert_eq!(picture.frames[0].0[0] & 1, 0);
    }

    #[test]
    fn a_file_that_cannot_be_played_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("song.mp3");
        std::fs::write(&path, "ID3").unwrap();
        let options = Options { play: vec![path], ..Options::default() };
        let why = Programme::load(&options).unwrap_err().to_string();
        assert!(why.ends_with("song.mp3: it is neither Ogg/Opus nor WAV nor IVF"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_come_in_their_time_and_begin_again() {
        let began = Instant::now();
        let mut pace = Pace::new(files::parse(PICTURE).unwrap());
        let first = pace.next().await.0;
        for _ in 1..30 {
            pace.next().await;
        }
        assert_eq!(pace.next().await.0, first);
        assert!((2000..2005).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
