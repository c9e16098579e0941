//! Payload formats: what makes two payload types the same codec, whoever numbered them.
//!
//! `sdp` reads formats from session descriptions and `negotiate` matches those of two legs by their
//! [`Key`]. How a codec is written for the engine is here too, since the engine matches more
//! narrowly than it must: it sees only what the key holds.

use crate::{Codec, MediaKind};

/// What two payload types must have in common for packets to pass from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) codec: Codec,
    /// Clock rate in Hz, as in `a=rtpmap`.
    pub(crate) clock: u32,
    pub(crate) profile: Profile,
}

/// The part of a video codec's parameters that cannot differ between sender and receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Profile {
    /// The codec has none.
    None,
    /// VP9 (RFC 9628 §6) or AV1.
    Number(u32),
    /// H.264 (RFC 6184 §8.1): packetization mode, and profile without level.
    H264(u8, H264),
}

/// H.264 profiles that browsers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum H264 {
    ConstrainedBaseline,
    Baseline,
    Main,
    High,
}

/// A payload type of a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    /// The payload type.
    pub(crate) number: u8,
    /// The payload type of its retransmissions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    pub(crate) key: Key,
    /// The parameters as they were written (`a=fmtp`).
    pub(crate) parameters: Option<String>,
    /// Feedback (`a=rtcp-fb`), each without the payload type.
    pub(crate) feedback: Vec<String>,
}

impl Codec {
    pub(crate) fn kind(self) -> MediaKind {
        match self {
            Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => MediaKind::Video,
            _ => MediaKind::Audio,
        }
    }

    /// Whether a call can consist of it alone.
    pub(crate) fn carries_media(self) -> bool {
        !matches!(self, Codec::TelephoneEvent | Codec::ComfortNoise)
    }
}

impl Key {
    /// The key of an `a=rtpmap` (RFC 8866 §6.6) and its parameters; `None` for what the relay does
    /// not know.
    pub(crate) fn read(kind: MediaKind, rtpmap: &str, parameters: Option<&str>) -> Option<Key> {
        let mut parts = rtpmap.trim().split('/');
        let codec = Codec::named(parts.next()?)?;
        let clock: u32 = parts.next()?.parse().ok()?;
        let channels = parts.next().map_or(Some(1), |text| text.parse::<u8>().ok())?;
        let fits = codec.kind() == kind
            && match codec {
                Codec::Opus => clock == 48_000 && channels == 2,
                Codec::G722 | Codec::Pcmu | Codec::Pcma | Codec::ComfortNoise => clock == 8_000 && channels == 1,
                Codec::TelephoneEvent => matches!(clock, 8_000 | 48_000) && channels == 1,
                Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => clock == 90_000,
            };
        let parameter = |name| parameters.and_then(|text| parameter(text, name));
        let profile = match codec {
            Codec::Vp9 => Profile::Number(number_or(parameter("profile-id"), 0)?),
            Codec::Av1 => Profile::Number(number_or(parameter("profile"), 0)?),
            Codec::H264 => {
                let mode = parameter("packetization-mode").map_or(Some(0), |text| text.parse().ok())?;
                Profile::H264(mode, H264::read(parameter("profile-level-id").unwrap_or("42000a"))?)
            }
            _ => Profile::None,
        };
        fits.then_some(Key { codec, clock, profile })
    }

    /// What stands in `a=rtpmap` behind the payload type.
    pub(crate) fn rtpmap(self) -> String {
        let channels = if self.codec == Codec::Opus { "/2" } else { "" };
        format!("{}/{}{channels}", self.codec.name(), self.clock)
    }

    /// Parameters that say what the key holds and nothing else: all that the engine is told.
    pub(crate) fn parameters(self) -> Option<String> {
        match (self.codec, self.profile) {
            (Codec::Vp9, Profile::Number(id)) => Some(format!("profile-id={id}")),
            (Codec::Av1, Profile::Number(id)) if id != 0 => Some(format!("profile={id}")),
            (_, Profile::H264(mode, profile)) => Some(format!(
                "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={:06x}",
                profile.level_3_1()
            )),
            (Codec::TelephoneEvent, _) => Some("0-16".to_owned()),
            _ => None,
        }
    }
}

impl H264 {
    /// The profile of a `profile-level-id` (RFC 6184 §8.1, table 5).
    fn read(text: &str) -> Option<H264> {
        H264::of(u32::from_str_radix(text, 16).ok()?)
    }

    /// The profile of a `profile-level-id` as a number.
    pub(crate) fn of(id: u32) -> Option<H264> {
        let [_, profile, constraints, _] = id.to_be_bytes();
        match (profile, constraints) {
            (0x42, set) if set & 0x40 != 0 => Some(H264::ConstrainedBaseline),
            (0x4d, set) if set & 0x80 != 0 => Some(H264::ConstrainedBaseline),
            (0x42, _) => Some(H264::Baseline),
            (0x4d, _) => Some(H264::Main),
            (0x64, 0x00) => Some(H264::High),
            _ => None,
        }
    }

    /// The profile at level 3.1.
    pub(crate) fn level_3_1(self) -> u32 {
        match self {
            H264::ConstrainedBaseline => 0x42_e0_1f,
            H264::Baseline => 0x42_00_1f,
            H264::Main => 0x4d_00_1f,
            H264::High => 0x64_00_1f,
        }
    }
}

/// The value of a parameter in `name=value;name=value`.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn number_or(text: Option<&str>, otherwise: u32) -> Option<u32> {
    text.map_or(Some(otherwise), |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: MediaKind, rtpmap: &str, parameters: &str) -> Option<Key> {
        Key::read(kind, rtpmap, (!parameters.is_empty()).then_some(parameters))
    }

    #[test]
    fn a_codec_is_known_by_its_name_in_any_case_and_only_in_its_own_kind() {
        assert!(key(MediaKind::Audio, "OPUS/48000/2", "").is_some());
        assert!(key(MediaKind::Video, "opus/48000/2", "").is_none());
        assert!(key(MediaKind::Audio, "opus/48000", "").is_none());
        assert!(key(MediaKind::Audio, "G722/8000/1", "").is_some());
        assert!(key(MediaKind::Audio, "CN/32000", "").is_none());
        assert!(key(MediaKind::Video, "H265/90000", "").is_none());
    }

    #[test]
    fn h264_profiles_are_the_same_at_any_level_and_differ_by_packetization() {
        let one = key(MediaKind::Video, "H264/90000", "packetization-mode=1;profile-level-id=42e01f");
        let other = key(MediaKind::Video, "H264/90000", "profile-level-id=42C02A; packetization-mode=1");
        assert!(one.is_some());
        assert_eq!(one, other);
        assert_ne!(one, key(MediaKind::Video, "H264/90000", "profile-level-id=42e01f"));
        assert_ne!(one, key(MediaKind::Video, "H264/90000", "packetization-mode=1;profile-level-id=4d001f"));
        assert!(key(MediaKind::Video, "H264/90000", "profile-level-id=zz").is_none());
    }

    #[test]
    fn what_the_engine_is_told_has_the_same_key() {
        for (rtpmap, parameters) in [
            ("VP8/90000", ""),
            ("VP9/90000", "profile-id=2"),
            ("AV1/90000", "level-idx=8;profile=0;tier=0"),
            ("H264/90000", "profile-level-id=640028;packetization-mode=1"),
            ("H264/90000", ""),
        ] {
            let read = key(MediaKind::Video, rtpmap, parameters).expect("known");
            let again = Key::read(MediaKind::Video, &read.rtpmap(), read.parameters().as_deref());
            assert_eq!(Some(read), again, "{rtpmap} {parameters}");
        }
    }
}
