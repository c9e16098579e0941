//! Two callers call each other over a wire that only carries: what one sends is pushed to the other,
//! as a gateway would, but the media goes straight from one to the other.

use super::*;
use async_trait::async_trait;
use monster_protocol::Media;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// One end of the wire.
struct End {
    account: &'static str,
    other: mpsc::Sender<Value>,
    own: mpsc::Sender<Value>,
    frames: mpsc::Receiver<Value>,
}

fn wire(names: [&'static str; 2]) -> [End; 2] {
    let (left, left_frames) = mpsc::channel(64);
    let (right, right_frames) = mpsc::channel(64);
    let end = |account, other: &mpsc::Sender<Value>, own: &mpsc::Sender<Value>, frames| End {
        account,
        other: other.clone(),
        own: own.clone(),
        frames,
    };
    [end(names[0], &right, &left, left_frames), end(names[1], &left, &right, right_frames)]
}

#[async_trait]
impl Wire for End {
    async fn send(&mut self, frame: &Value) {
        if frame.get("code").is_none() {
            return;
        }
        let _ = self.own.send(json!({ "messageId": frame["messageId"], "statusCode": "200" })).await;
        let mut frame = frame.clone();
        frame["from"] = json!(self.account);
        let _ = self.other.send(frame).await;
    }

    async fn next(&mut self) -> Option<Value> {
        self.frames.recv().await
    }
}

fn options(media: Media) -> Options {
    Options { media, loopback: true, talk: Some(Duration::from_secs(2)), ..Options::default() }
}

const ALICE: &str = "@alice:host";
const BOB: &str = "@bob:host";

async fn both(here: Options, there: Options) -> (Report, Report, Vec<Progress>) {
    let [mut left, mut right] = wire([ALICE, BOB]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut watch = |progress| seen.lock().unwrap().push(progress);
    let mut ignore = |_| ();
    let to = BOB.parse().unwrap();
    let (report, report_there) = tokio::time::timeout(Duration::from_mins(1), async {
        tokio::join!(call(&mut left, &to, &here, &mut watch), answer(&mut right, None, &there, &mut ignore))
    })
    .await
    .expect("the call is over within a minute");
    let seen = seen.lock().unwrap().clone();
    (report.unwrap(), report_there.unwrap(), seen)
}

#[tokio::test]
async fn a_voice_call_has_media_on_both_sides_and_figures_of_it() {
    let (report, report_there, seen) =
        both(options(Media::Voice), Options { talk: None, ..options(Media::Voice) }).await;
    assert_eq!((report.end, report_there.end), (super::End::HungUp, super::End::HungUpThere));
    for told in [&report, &report_there] {
        let audio = told.audio.as_ref().unwrap();
        assert!(audio.received > 50 && audio.sent > 50 && audio.lost == 0, "{audio:?}");
        assert_eq!(audio.codec, "opus");
        assert!(told.video.is_none());
        let path = told.path.as_ref().unwrap();
        assert!(["host", "prflx"].contains(&path.local.as_str()), "{path:?}");
        assert!(told.round_trip_ms.is_some_and(|ms| ms < 500.0), "{:?}", told.round_trip_ms);
    }
    assert_eq!(seen[..3], [Progress::Ringing, Progress::Answered, Progress::Connected]);
    assert!(matches!(seen[3], Progress::FirstMedia(_)), "{seen:?}");
}

#[tokio::test]
async fn what_is_played_on_one_side_is_recorded_on_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["heard.ogg", "seen.ivf"].map(|name| dir.path().join(name));
    let there = Options { record: files.to_vec(), talk: None, ..options(Media::Video) };
    let (report, report_there, _) = both(options(Media::Video), there).await;
    assert!(report.video.is_some_and(|video| video.received > 20 && video.codec == "vp8"));
    assert_eq!(report_there.recorded, files);
    let heard = crate::files::read(&files[0]).unwrap();
    let tone = crate::files::parse(crate::play::TONE).unwrap();
    assert!(heard.duration() > Duration::from_millis(1500), "{:?}", heard.duration());
    assert!(tone.frames.contains(&heard.frames[10]));
    let seen = crate::files::read(&files[1]).unwrap();
    let picture = crate::files::parse(crate::play::PICTURE).unwrap();
    assert!(seen.frames.len() > 15, "{}", seen.frames.len());
    assert!(seen.frames.iter().all(|(frame, _)| picture.frames.iter().any(|(own, _)| own == frame)));
}

#[tokio::test]
async fn a_wav_file_is_played_as_pcmu_and_ends_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let (play, record) = (dir.path().join("say.wav"), dir.path().join("heard.wav"));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&play, spec).unwrap();
    (0..24_000).for_each(|_| writer.write_sample(2000_i16).unwrap());
    writer.finalize().unwrap();
    let here = Options { play: vec![play], talk: None, ..options(Media::Voice) };
    let there = Options { record: vec![record.clone()], talk: None, ..options(Media::Voice) };
    let (report, report_there, _) = both(here, there).await;
    assert_eq!(report.end, super::End::HungUp);
    assert!((1400.0..2500.0).contains(&report.talked_ms.unwrap()), "{:?}", report.talked_ms);
    assert_eq!(report_there.audio.unwrap().codec, "pcmu");
    let samples: Vec<i16> = hound::WavReader::open(&record).unwrap().samples().map(Result::unwrap).collect();
    assert!(samples.len() > 8000 && samples.iter().all(|sample| (sample - 2000).abs() < 100), "{}", samples.len());
}

#[tokio::test]
async fn whoever_is_told_to_stop_while_it_rings_calls_it_off() {
    let [mut left, mut right] = wire([ALICE, BOB]);
    let stop = CancellationToken::new();
    let here = Options { stop: stop.clone(), ..options(Media::Voice) };
    let mut ignore = |_| ();
    let to = BOB.parse().unwrap();
    let there = async {
        let mut signals = Signals::incoming(&mut right);
        let offer = wait(&mut signals, None, &Options::default()).await.unwrap();
        assert!(offer.is_some());
        stop.cancel();
        loop {
            let frame = signals.next().await.unwrap();
            if let Heard::Step { signal, .. } = signals.understand(&frame).await
                && signal.step == CallStep::Hangup
            {
                return;
            }
        }
    };
    let (report, ()) = tokio::join!(call(&mut left, &to, &here, &mut ignore), there);
    let report = report.unwrap();
    assert_eq!(report.end, super::End::HungUp);
    assert!(!report.media_came());
}
