//! Files that can be played: Ogg/Opus (RFC 7845), WAV (played as PCMU) and IVF with VP8. A file is
//! read whole, up to a limit, into frames with their durations. Called by `play`.

use bytes::Bytes;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::time::Duration;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 20;
/// Samples of a PCMU frame of 20 ms at 8 kHz.
const PCMU_FRAME: usize = 160;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    /// 48 kHz (RFC 7587).
    Opus,
    /// G.711 µ-law, 8 kHz (RFC 3551).
    Pcmu,
    /// (RFC 7741).
    Vp8,
}

/// Frames to be played one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    pub(crate) codec: Codec,
    pub(crate) frames: Vec<(Bytes, Duration)>,
}

impl Clip {
    pub(crate) fn duration(&self) -> Duration {
        self.frames.iter().map(|(_, duration)| *duration).sum()
    }
}

/// Reads a file, by what it begins with.
pub(crate) fn read(path: &Path) -> Result<Clip, String> {
    let file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|why| why.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it is over {} MiB", LARGEST >> 20));
    }
    parse(&bytes)
}

/// The frames of a file's content.
pub(crate) fn parse(bytes: &[u8]) -> Result<Clip, String> {
    let clip = match bytes {
        [b'O', b'g', b'g', b'S', ..] => ogg(bytes)?,
        [b'R', b'I', b'F', b'F', ..] => wav(bytes)?,
        [b'D', b'K', b'I', b'F', ..] => ivf(bytes)?,
        _ => return Err("it is neither Ogg/Opus nor WAV nor IVF".to_owned()),
    };
    if clip.frames.is_empty() { Err("there is nothing in it".to_owned()) } else { Ok(clip) }
}

fn ogg(bytes: &[u8]) -> Result<Clip, String> {
    let mut reader = ogg::PacketReader::new(Cursor::new(bytes));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet().map_err(|why| why.to_string())? {
        packets.push(Bytes::from(packet.data));
    }
    if !packets.first().is_some_and(|head| head.starts_with(b"OpusHead")) {
        return Err("only Opus is played from Ogg files".to_owned());
    }
    // The second packet has the tags.
    let frames = packets.into_iter().skip(2).filter_map(|packet| Some((packet.clone(), opus_duration(&packet)?)));
    Ok(Clip { codec: Codec::Opus, frames: frames.collect() })
}

/// How long an Opus packet sounds (RFC 6716 §3.1); `None` if it is none.
pub(crate) fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let config = usize::from(toc >> 3);
    let frame_us: u64 = match config {
        0..=11 => [10_000, 20_000, 40_000, 60_000][config % 4],
        12..=15 => [10_000, 20_000][config % 2],
        _ => [2_500, 5_000, 10_000, 20_000][config % 4],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let duration = Duration::from_micros(frame_us * frames);
    (frames > 0 && duration <= Duration::from_millis(120)).then_some(duration)
}

fn wav(bytes: &[u8]) -> Result<Clip, String> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|why| why.to_string())?;
    let spec = reader.spec();
    let samples: Vec<f64> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map_while(Result::ok).map(f64::from).collect(),
        hound::SampleFormat::Int => {
            let full = f64::from(1_u32 << (spec.bits_per_sample.clamp(1, 32) - 1));
            reader.samples::<i32>().map_while(Result::ok).map(|sample| f64::from(sample) / full).collect()
        }
    };
    let mono: Vec<f64> = samples.chunks(usize::from(spec.channels.max(1))).map(mean).collect();
    let encoded: Vec<u8> = resampled(&mono, spec.sample_rate, 8000).map(|sample| mu_law(to_pcm(sample))).collect();
    let frame = |chunk: &[u8]| (Bytes::copy_from_slice(chunk), Duration::from_millis(20));
    Ok(Clip { codec: Codec::Pcmu, frames: encoded.chunks_exact(PCMU_FRAME).map(frame).collect() })
}

#[expect(clippy::cast_precision_loss, reason = "a handful of channels or samples")]
fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len().max(1) as f64
}

/// The same sound at another rate: each new sample is the mean of what it covers.
fn resampled(samples: &[f64], from: u32, to: u32) -> impl Iterator<Item = f64> {
    let (from, to) = (u64::from(from.max(1)), u64::from(to));
    let place = move |n: u64| usize::try_from(n * from / to).unwrap_or(usize::MAX);
    (0_u64..).map_while(move |n| {
        let begin = place(n);
        let end = place(n + 1).max(begin + 1).min(samples.len());
        samples.get(begin..end).filter(|covered| !covered.is_empty()).map(mean)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range")]
fn to_pcm(sample: f64) -> i16 {
    (sample.clamp(-1.0, 1.0) * f64::from(i16::MAX)) as i16
}

/// G.711 µ-law of a 16-bit sample.
pub(crate) fn mu_law(sample: i16) -> u8 {
    const BIAS: u32 = 0x84;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = u32::from(sample.unsigned_abs()).min(32_635) + BIAS;
    let exponent = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !u8::try_from(sign | (exponent << 4) | mantissa).unwrap_or_default()
}

/// The 16-bit sample of G.711 µ-law.
pub(crate) fn from_mu_law(code: u8) -> i16 {
    let code = !code;
    let magnitude = (((i32::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    i16::try_from(if code & 0x80 == 0 { magnitude } else { -magnitude }).unwrap_or_default()
}

/// IVF: a header of 32 bytes, then frames with headers of 12.
fn ivf(bytes: &[u8]) -> Result<Clip, String> {
    let short = || "it ends within its header".to_owned();
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    if bytes.get(8..12) != Some(b"VP80") {
        return Err("only VP8 is played from IVF files".to_owned());
    }
    let (denominator, numerator) = (number(16).ok_or_else(short)?, number(20).ok_or_else(short)?);
    if denominator == 0 || numerator == 0 {
        return Err("its time base is 0".to_owned());
    }
    let tick = f64::from(numerator) / f64::from(denominator);
    let mut shown: Vec<(Bytes, u64)> = Vec::new();
    let mut at = bytes.get(6..8).map_or(32, |two| usize::from(two[0]) | usize::from(two[1]) << 8);
    while let (Some(size), Some(low), Some(high)) = (number(at), number(at + 4), number(at + 8)) {
        let begin = at + 12;
        let Some(data) = usize::try_from(size).ok().and_then(|size| bytes.get(begin..begin.checked_add(size)?)) else {
            break;
        };
        shown.push((Bytes::copy_from_slice(data), u64::from(low) | u64::from(high) << 32));
        at = begin + data.len();
    }
    let mut durations: Vec<Duration> = shown.windows(2).map(|two| frame_duration(two[0].1, two[1].1, tick)).collect();
    durations.push(durations.last().copied().unwrap_or(Duration::from_secs(1)));
    Ok(Clip { codec: Codec::Vp8, frames: shown.into_iter().map(|(data, _)| data).zip(durations).collect() })
}

/// How long a frame is seen, until the next; `tick` is the time base in seconds.
fn frame_duration(at: u64, next: u64, tick: f64) -> Duration {
    Duration::from_secs_f64((crate::figures::as_f64(next.saturating_sub(at)) * tick).clamp(0.001, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mu_law_comes_back_within_its_step() {
        for sample in (-32_000_i16..32_000).step_by(37) {
            let back = from_mu_law(mu_law(sample));
            let step = 16.max(i32::from(sample).abs() / 16);
            assert!((i32::from(back) - i32::from(sample)).abs() <= step, "{sample} came back as {back}");
        }
        assert_eq!(mu_law(0), 0xff);
    }

    #[test]
    fn a_wav_of_any_rate_becomes_frames_of_20_ms() {
        for rate in [8000, 44_100, 48_000] {
            let mut bytes = Cursor::new(Vec::new());
            let spec = hound::WavSpec {
                channels: 2,
                sample_rate: rate,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            for _ in 0..2 * rate {
                writer.write_sample(1000_i16).unwrap();
            }
            writer.finalize().unwrap();
            let clip = parse(bytes.get_ref()).unwrap();
            assert_eq!((clip.codec, clip.frames.len()), (Codec::Pcmu, 50));
            let heard = from_mu_law(clip.frames[10].0[80]);
            assert!((i32::from(heard) - 1000).abs() < 40, "{heard}");
        }
    }

    #[test]
    fn durations_of_opus_packets_are_read_from_their_first_bytes() {
        let ms = |bytes: &[u8]| opus_duration(bytes).map(|duration| duration.as_micros());
        assert_eq!(ms(&[31 << 3]), Some(20_000));
        assert_eq!(ms(&[3 << 3]), Some(60_000));
        assert_eq!(ms(&[(16 << 3) | 1]), Some(5000));
        assert_eq!(ms(&[(31 << 3) | 3, 4]), Some(80_000));
        assert_eq!(ms(&[(31 << 3) | 3, 63]), None);
        assert_eq!(ms(&[]), None);
    }

    #[test]
    fn files_that_are_cut_anywhere_are_refused_or_shorter() {
        for whole in [crate::play::TONE, crate::play::PICTURE] {
            let frames = parse(whole).unwrap().frames.len();
            for cut in (0..whole.len()).step_by(97) {
                assert!(
                    parse(&whole[..cut]).is_ok_and(|clip| clip.frames.len() < frames) || parse(&whole[..cut]).is_err()
                );
            }
        }
    }
}
