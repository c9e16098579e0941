//! What is kept of a call: Opus in Ogg (RFC 7845), PCMU as WAV, VP8 in IVF. Packets are put into their
//! order first, and a frame with a hole is left out. Called by `peer` for each packet that came.

use crate::CallError;
use crate::files::{from_mu_law, opus_duration};
use crate::play::file_error;
use rtc::media::Sample;
use rtc::media::io::sample_builder::SampleBuilder;
use rtc::rtp::Packet;
use rtc::rtp::codec::opus::OpusPacket;
use rtc::rtp::codec::vp8::Vp8Packet;
use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How many packets may come too late and still count.
const REORDERED_AT_MOST: u16 = 200;
/// Samples that a player leaves out at the beginning (RFC 7845 §4.2).
const PRE_SKIP: u64 = 3840;
const VP8_CLOCK: u32 = 90_000;

/// A file that is being written.
pub(crate) struct Recorder {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Ogg { builder: SampleBuilder<OpusPacket>, writer: Box<ogg::PacketWriter<'static, BufWriter<File>>>, granule: u64 },
    Wav { builder: SampleBuilder<OpusPacket>, writer: hound::WavWriter<BufWriter<File>> },
    Ivf { builder: SampleBuilder<Vp8Packet>, writer: BufWriter<File>, frames: u32, first: Option<u32> },
}

/// What a file can hold, by its ending: the codec, lower case.
pub(crate) fn codec_of(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "ogg" | "opus" => Some("opus"),
        "wav" => Some("pcmu"),
        "ivf" => Some("vp8"),
        _ => None,
    }
}

impl Recorder {
    /// Begins a file; what it holds is told by its ending.
    pub(crate) fn create(path: &Path) -> Result<Self, CallError> {
        let unknown = || file_error(path, "a recording is named .ogg, .opus, .wav or .ivf".to_owned());
        let codec = codec_of(path).ok_or_else(unknown)?;
        let file = File::create(path).map_err(|why| file_error(path, why.to_string()))?;
        let kind = Kind::begin(codec, BufWriter::new(file)).map_err(|why| file_error(path, why))?;
        Ok(Self { path: path.to_owned(), kind })
    }

    /// A packet came.
    pub(crate) fn packet(&mut self, packet: Packet, now: Instant) -> Result<(), CallError> {
        self.kind.packet(packet, now).map_err(|why| file_error(&self.path, why))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finishes the file; its path.
    pub(crate) fn finish(self) -> Result<PathBuf, CallError> {
        self.kind.finish().map_err(|why| file_error(&self.path, why))?;
        Ok(self.path)
    }
}

impl Kind {
    fn begin(codec: &str, file: BufWriter<File>) -> Result<Self, String> {
        match codec {
            "opus" => {
                let builder = SampleBuilder::new(REORDERED_AT_MOST, OpusPacket, 48_000);
                let mut writer = Box::new(ogg::PacketWriter::new(file));
                ogg_headers(&mut writer).map_err(|why| why.to_string())?;
                Ok(Self::Ogg { builder, writer, granule: 0 })
            }
            "pcmu" => {
                let spec = hound::WavSpec {
                    channels: 1,
                    sample_rate: 8000,
                    bits_per_sample: 16,
                    sample_format: hound::SampleFormat::Int,
                };
                let writer = hound::WavWriter::new(file, spec).map_err(|why| why.to_string())?;
                Ok(Self::Wav { builder: SampleBuilder::new(REORDERED_AT_MOST, OpusPacket, 8000), writer })
            }
            _ => {
                let builder = SampleBuilder::new(REORDERED_AT_MOST, Vp8Packet::default(), VP8_CLOCK);
                let mut writer = file;
                writer.write_all(&ivf_header(0, 0, 0)).map_err(|why| why.to_string())?;
                Ok(Self::Ivf { builder, writer, frames: 0, first: None })
            }
        }
    }

    fn packet(&mut self, packet: Packet, now: Instant) -> Result<(), String> {
        let told = |why: std::io::Error| why.to_string();
        match self {
            Self::Ogg { builder, writer, granule } => {
                builder.push(now, packet);
                while let Some(sample) = builder.pop(now) {
                    write_opus(writer, granule, &sample).map_err(told)?;
                }
            }
            Self::Wav { builder, writer } => {
                builder.push(now, packet);
                while let Some(sample) = builder.pop(now) {
                    for code in &sample.data {
                        writer.write_sample(from_mu_law(*code)).map_err(|why| why.to_string())?;
                    }
                }
            }
            Self::Ivf { builder, writer, frames, first } => {
                builder.push(now, packet);
                while let Some(sample) = builder.pop(now) {
                    write_vp8(writer, frames, first, &sample).map_err(told)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        match self {
            Self::Ogg { writer, .. } => writer.into_inner().flush().map_err(|why| why.to_string()),
            Self::Wav { writer, .. } => writer.finalize().map_err(|why| why.to_string()),
            Self::Ivf { mut writer, .. } => writer.flush().map_err(|why| why.to_string()),
        }
    }
}

/// The stream's number within its file; there is one.
const SERIAL: u32 = 1;

fn ogg_headers(writer: &mut ogg::PacketWriter<'static, BufWriter<File>>) -> std::io::Result<()> {
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend(u16::try_from(PRE_SKIP).unwrap_or_default().to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    writer.write_packet(head, SERIAL, ogg::PacketWriteEndInfo::EndPage, 0)?;
    let mut tags = b"OpusTags".to_vec();
    let vendor = b"monster-caller";
    tags.extend(u32::try_from(vendor.len()).unwrap_or_default().to_le_bytes());
    tags.extend(vendor);
    tags.extend([0; 4]);
    writer.write_packet(tags, SERIAL, ogg::PacketWriteEndInfo::EndPage, 0)
}

fn write_opus(
    writer: &mut ogg::PacketWriter<'static, BufWriter<File>>,
    granule: &mut u64,
    sample: &Sample,
) -> std::io::Result<()> {
    let Some(duration) = opus_duration(&sample.data) else { return Ok(()) };
    let samples = duration.as_micros() * 48 / 1000;
    *granule += u64::try_from(samples).unwrap_or_default();
    writer.write_packet(sample.data.to_vec(), SERIAL, ogg::PacketWriteEndInfo::EndPage, *granule)
}

/// Writes a frame; before the first key frame there is nothing to see.
fn write_vp8(
    writer: &mut BufWriter<File>,
    frames: &mut u32,
    first: &mut Option<u32>,
    sample: &Sample,
) -> std::io::Result<()> {
    if first.is_none() {
        let Some((width, height)) = key_frame_size(&sample.data) else { return Ok(()) };
        writer.seek(SeekFrom::Start(0))?;
        writer.write_all(&ivf_header(width, height, 0))?;
    }
    let began = *first.get_or_insert(sample.packet_timestamp);
    *frames += 1;
    writer.write_all(&u32::try_from(sample.data.len()).unwrap_or_default().to_le_bytes())?;
    writer.write_all(&u64::from(sample.packet_timestamp.wrapping_sub(began)).to_le_bytes())?;
    writer.write_all(&sample.data)
}

/// Width and height of a VP8 key frame (RFC 6386 §9.1); `None` for other frames.
fn key_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    if frame.first()? & 1 != 0 || frame.get(3..6)? != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let number = |at: usize| Some(u16::from_le_bytes([*frame.get(at)?, *frame.get(at + 1)?]) & 0x3fff);
    Some((number(6)?, number(8)?))
}

fn ivf_header(width: u16, height: u16, frames: u32) -> [u8; 32] {
    let mut header = [0; 32];
    header[..4].copy_from_slice(b"DKIF");
    header[6] = 32;
    header[8..12].copy_from_slice(b"VP80");
    header[12..14].copy_from_slice(&width.to_le_bytes());
    header[14..16].copy_from_slice(&height.to_le_bytes());
    header[16..20].copy_from_slice(&VP8_CLOCK.to_le_bytes());
    header[20] = 1;
    header[24..28].copy_from_slice(&frames.to_le_bytes());
    header
}
