//! The engine's payload types and header extensions: what it is told of codecs, and what its payload
//! types stand for. `engine` and, for what can be carried at all, `negotiate` look here.

use crate::Codec;
use crate::format::{H264, Key, Profile};
use str0m::RtcConfig;
use str0m::format::{FormatParams, PayloadParams};
use str0m::media::Frequency;
use str0m::rtp::{Extension, ExtensionMap};

/// Payload types of our own offers for video, each with that of its retransmissions.
const VP8: (u8, u8) = (96, 97);
const VP9: [(u32, u8, u8); 2] = [(0, 98, 99), (2, 100, 101)];
const AV1: [(u32, u8, u8); 1] = [(0, 45, 46)];
const H264S: [(u8, H264, u8, u8); 7] = [
    (1, H264::ConstrainedBaseline, 108, 109),
    (0, H264::ConstrainedBaseline, 124, 120),
    (1, H264::Baseline, 127, 121),
    (0, H264::Baseline, 125, 107),
    (1, H264::Main, 123, 119),
    (0, H264::Main, 35, 36),
    (1, H264::High, 114, 115),
];

/// The header extensions that packets are sent on with, under the numbers of our own offers.
///
/// They are those that Chromium takes for a video section that it adds to a voice call of ours: what it
/// has once offered, even in vain, it refuses to see under another number. (Sound has no congestion
/// feedback, so its third number is given to the section's name; Chromium would put the orientation
/// there otherwise.)
pub(super) fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(2, Extension::AbsoluteSendTime);
    map.set(3, Extension::RtpMid);
    map.set(4, Extension::TransportSequenceNumber);
    map.set(5, Extension::PlayoutDelay);
    map.set(13, Extension::VideoOrientation);
    map
}

/// Lets a session use a codec, under the payload types of our own offers.
pub(super) fn add(config: &mut RtcConfig, codec: Codec) {
    let codecs = config.codec_config();
    match codec {
        Codec::Opus => codecs.enable_opus(true, false),
        Codec::G722 => codecs.enable_g722(true, false),
        Codec::Pcmu => codecs.enable_pcmu(true, false),
        Codec::Pcma => codecs.enable_pcma(true, false),
        Codec::ComfortNoise => codecs.enable_comfort_noise(true),
        Codec::TelephoneEvent => {
            for (number, clock) in [(110_u8, Frequency::FORTY_EIGHT_KHZ), (126, Frequency::EIGHT_KHZ)] {
                let tele = str0m::format::Codec::Tele;
                codecs.add_config(number.into(), None, tele, clock, None, FormatParams::default());
            }
        }
        Codec::Vp8 => add_video(config, str0m::format::Codec::Vp8, VP8, FormatParams::default()),
        Codec::Vp9 => {
            for (profile, number, rtx) in VP9 {
                let format = FormatParams { profile_id: Some(profile), ..FormatParams::default() };
                add_video(config, str0m::format::Codec::Vp9, (number, rtx), format);
            }
        }
        Codec::Av1 => {
            for (profile, number, rtx) in AV1 {
                let profile = u8::try_from(profile).ok().filter(|profile| *profile != 0);
                let format = FormatParams { profile, ..FormatParams::default() };
                add_video(config, str0m::format::Codec::Av1, (number, rtx), format);
            }
        }
        Codec::H264 => {
            for (mode, profile, number, rtx) in H264S {
                config.codec_config().add_h264(number.into(), Some(rtx.into()), mode == 1, profile.level_3_1());
            }
        }
    }
}

fn add_video(config: &mut RtcConfig, codec: str0m::format::Codec, numbers: (u8, u8), format: FormatParams) {
    let (number, rtx) = numbers;
    let clock = Frequency::NINETY_KHZ;
    config.codec_config().add_config(number.into(), Some(rtx.into()), codec, clock, None, format);
}

/// What the engine's payload type stands for.
pub(super) fn key(param: &PayloadParams) -> Option<Key> {
    use str0m::format::Codec as Known;
    let spec = param.spec();
    let (codec, profile) = match spec.codec {
        Known::Opus => (Codec::Opus, Profile::None),
        Known::G722 => (Codec::G722, Profile::None),
        Known::PCMU => (Codec::Pcmu, Profile::None),
        Known::PCMA => (Codec::Pcma, Profile::None),
        Known::CN => (Codec::ComfortNoise, Profile::None),
        Known::Tele => (Codec::TelephoneEvent, Profile::None),
        Known::Vp8 => (Codec::Vp8, Profile::None),
        Known::Vp9 => (Codec::Vp9, Profile::Number(spec.format.profile_id.unwrap_or(0))),
        Known::Av1 => (Codec::Av1, Profile::Number(spec.format.profile.unwrap_or(0).into())),
        Known::H264 => {
            let profile = H264::of(spec.format.profile_level_id?)?;
            (Codec::H264, Profile::H264(spec.format.packetization_mode.unwrap_or(0), profile))
        }
        _ => return None,
    };
    // The clock of G.722 is told as 8 kHz, though it samples at 16 (RFC 3551 §4.5.2).
    let clock = if codec == Codec::G722 { 8_000 } else { spec.clock_rate.get() };
    Some(Key { codec, clock, profile })
}

/// Whether the engine can carry a format of this key: it has a payload type for it.
pub(crate) fn carries(key: Key) -> bool {
    match (key.codec, key.profile) {
        (Codec::Vp9, Profile::Number(id)) => VP9.iter().any(|(known, ..)| *known == id),
        (Codec::Av1, Profile::Number(id)) => AV1.iter().any(|(known, ..)| *known == id),
        (Codec::H264, Profile::H264(mode, profile)) => {
            H264S.iter().any(|(known, which, ..)| (*known, *which) == (mode, profile))
        }
        _ => true,
    }
}
