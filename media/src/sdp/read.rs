//! Reads a session description.

use super::{Description, Direction, MAX_APART, MAX_SECTIONS, Rtp, Section, Setup, Transport};
use crate::format::{Format, Key};
use crate::{MAX_CANDIDATES, MAX_SDP, MediaKind, Refused};

/// The header extensions that are passed on or used by the engine; others are passed over.
const EXTENSIONS: [&str; 6] = [
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    TRANSPORT_WIDE,
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:3gpp:video-orientation",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
];

/// Congestion feedback, as an extension and as `a=rtcp-fb`. It is for video only: sound is never
/// told to send less, and its feedback would be nearly as many packets as the sound itself.
const TRANSPORT_WIDE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const TRANSPORT_WIDE_FEEDBACK: &str = "transport-cc";

/// The longest `a=mid` that the engine can carry in packets, in bytes.
const MAX_MID: usize = 16;

/// Payload types that need no `a=rtpmap` (RFC 3551 §6).
const STATIC: [(u8, &str); 4] = [(0, "PCMU/8000"), (8, "PCMA/8000"), (9, "G722/8000"), (13, "CN/8000")];

impl Description {
    /// Reads a description. Any text is refused in words or gives a regular description.
    pub(crate) fn read(text: &str) -> Result<Description, Refused> {
        if text.len() > MAX_SDP {
            return Err(Refused::TooLong);
        }
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).peekable();
        if lines.peek() != Some(&"v=0") {
            return Err(Refused::Malformed("it does not begin with v=0"));
        }
        let mut session = Vec::new();
        let mut blocks: Vec<Block<'_>> = Vec::new();
        for line in lines {
            if line.len() < 2 || !line.is_char_boundary(2) || line.as_bytes()[1] != b'=' {
                return Err(Refused::Malformed("a line is not of the form letter=value"));
            }
            if line.chars().any(char::is_control) {
                return Err(Refused::Malformed("a line has control characters"));
            }
            match (line.strip_prefix("m="), line.strip_prefix("a=")) {
                (Some(_), _) if blocks.len() == MAX_SECTIONS => {
                    return Err(Refused::Unsupported("more than 16 media sections"));
                }
                (Some(media), _) => blocks.push(Block { media, attributes: Vec::new() }),
                (_, Some(attribute)) => {
                    blocks.last_mut().map_or(&mut session, |block| &mut block.attributes).push(attribute);
                }
                _ => {}
            }
        }
        describe(&session, &blocks)
    }
}

/// A media section as text.
struct Block<'a> {
    media: &'a str,
    attributes: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        values(&self.attributes, name)
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.contains(&name)
    }
}

/// The values of an attribute.
fn values<'a>(attributes: &[&'a str], name: &'static str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

fn describe(session: &[&str], blocks: &[Block<'_>]) -> Result<Description, Refused> {
    if blocks.is_empty() {
        return Err(Refused::Malformed("it has no media section"));
    }
    let bundle: Vec<&str> = values(session, "group")
        .filter_map(|group| group.strip_prefix("BUNDLE "))
        .flat_map(str::split_whitespace)
        .collect();
    let mut sections: Vec<Section> = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let section = section(block, index, &bundle)?;
        if sections.iter().any(|other| other.mid == section.mid) {
            return Err(Refused::Malformed("two media sections have the same mid"));
        }
        sections.push(section);
    }
    let live = || sections.iter().zip(blocks).filter(|(section, _)| section.on && section.rtp.is_some());
    if live().any(|(_, block)| !block.has("rtcp-mux") && !block.has("rtcp-mux-only")) {
        return Err(Refused::Unsupported("a port of its own for RTCP (a=rtcp-mux is needed)"));
    }
    let Some(first) = sections.iter().position(|section| section.live().is_some()) else {
        let transport = transport(session, &blocks[0], blocks.iter(), false)?;
        return Ok(Description { transport, sections });
    };
    let is_bundled = |section: &Section| bundle.contains(&section.mid.as_str());
    let first_is_bundled = is_bundled(&sections[first]);
    let apart: Vec<bool> = sections
        .iter()
        .enumerate()
        .map(|(index, section)| {
            index != first && section.live().is_some() && !(first_is_bundled && is_bundled(section))
        })
        .collect();
    if apart.iter().filter(|apart| **apart).count() > MAX_APART {
        return Err(Refused::Unsupported("more than 4 media sections that are not bundled (a=group:BUNDLE)"));
    }
    let joint = blocks.iter().zip(&apart).filter(|(_, apart)| !**apart).map(|(block, _)| block);
    let shared = transport(session, &blocks[first], joint, true)?;
    for ((section, block), apart) in sections.iter_mut().zip(blocks).zip(apart) {
        if apart {
            section.transport = Some(transport(session, block, std::iter::once(block), true)?);
        }
    }
    let description = Description { transport: shared, sections };
    if description.transports().map(|transport| transport.candidates.len()).sum::<usize>() > MAX_CANDIDATES {
        return Err(Refused::TooManyCandidates);
    }
    Ok(description)
}

/// A transport: that of the first of some sections, with the candidates of all of them.
fn transport<'a>(
    session: &[&str],
    first: &Block<'_>,
    blocks: impl Iterator<Item = &'a Block<'a>>,
    on: bool,
) -> Result<Transport, Refused> {
    let one = |name| first.all(name).next().or_else(|| values(session, name).next());
    let fingerprint = first.all("fingerprint").chain(values(session, "fingerprint")).find_map(fingerprint);
    let mut transport = Transport {
        ufrag: one("ice-ufrag").unwrap_or_default().to_owned(),
        pwd: one("ice-pwd").unwrap_or_default().to_owned(),
        fingerprint: fingerprint.unwrap_or_default(),
        setup: one("setup").and_then(setup),
        lite: session.contains(&"ice-lite"),
        candidates: Vec::new(),
    };
    if on {
        if !is_ice(&transport.ufrag, 4) || !is_ice(&transport.pwd, 22) {
            return Err(Refused::Malformed("a=ice-ufrag or a=ice-pwd is missing or wrong"));
        }
        if transport.fingerprint.is_empty() {
            return Err(Refused::Malformed("a=fingerprint with sha-256 is missing or wrong"));
        }
    }
    for attributes in std::iter::once(session).chain(blocks.map(|block| block.attributes.as_slice())) {
        for line in attributes.iter().filter(|line| line.starts_with("candidate:")) {
            if !transport.candidates.iter().any(|known| known == line) {
                transport.candidates.push((*line).to_owned());
            }
        }
    }
    if transport.candidates.len() > MAX_CANDIDATES {
        return Err(Refused::TooManyCandidates);
    }
    Ok(transport)
}

fn section(block: &Block<'_>, index: usize, bundle: &[&str]) -> Result<Section, Refused> {
    let mut words = block.media.split_whitespace();
    let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
        return Err(Refused::Malformed("an m= line is not right"));
    };
    let port: u16 = port
        .split('/')
        .next()
        .and_then(|port| port.parse().ok())
        .ok_or(Refused::Malformed("an m= line has no port"))?;
    let numbers: Vec<String> = words.map(str::to_owned).collect();
    let mid = block.all("mid").next().map_or_else(|| index.to_string(), str::to_owned);
    if mid.is_empty() || !mid.bytes().all(is_token) {
        return Err(Refused::Malformed("a media section's mid is not right"));
    }
    if mid.len() > MAX_MID {
        return Err(Refused::Unsupported("a media section's mid of more than 16 letters"));
    }
    let on = port != 0 || bundle.contains(&mid.as_str());
    let kind = match media {
        "audio" => Some(MediaKind::Audio),
        "video" => Some(MediaKind::Video),
        _ => None,
    };
    let secure = matches!(protocol, "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF" | "RTP/SAVP");
    let rtp = kind.filter(|_| secure).map(|kind| rtp(block, kind, &numbers));
    Ok(Section { media: media.to_owned(), protocol: protocol.to_owned(), numbers, on, transport: None, mid, rtp })
}

fn rtp(block: &Block<'_>, kind: MediaKind, numbers: &[String]) -> Rtp {
    let mut direction = Direction::BOTH;
    for attribute in &block.attributes {
        direction = match *attribute {
            "sendrecv" => Direction::BOTH,
            "sendonly" => Direction { send: true, receive: false },
            "recvonly" => Direction { send: false, receive: true },
            "inactive" => Direction { send: false, receive: false },
            _ => continue,
        };
    }
    let simulcast = block.all("simulcast").next().is_some() || block.all("rid").next().is_some();
    Rtp {
        kind,
        direction,
        formats: formats(block, kind, numbers),
        extensions: block.all("extmap").filter_map(|value| extension(value, kind)).collect(),
        // A sender of several layers is asked for one, and its sources are then not those it names.
        sources: if simulcast { Vec::new() } else { sources(block) },
        stream: block.all("msid").next().and_then(stream),
    }
}

fn formats(block: &Block<'_>, kind: MediaKind, numbers: &[String]) -> Vec<Format> {
    let of = |name, number: u8| {
        block.all(name).find_map(move |value| {
            let (head, rest) = value.split_once(' ')?;
            (head.parse() == Ok(number)).then(|| rest.trim())
        })
    };
    let mut formats: Vec<Format> = Vec::new();
    let mut retransmissions: Vec<(u8, u8)> = Vec::new();
    for number in numbers.iter().filter_map(|text| text.parse::<u8>().ok()).filter(|number| *number < 128) {
        let fixed = || STATIC.iter().find(|(fixed, _)| *fixed == number).map(|(_, rtpmap)| *rtpmap);
        let Some(rtpmap) = of("rtpmap", number).or_else(fixed) else { continue };
        let parameters = of("fmtp", number);
        if rtpmap.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("rtx/")) {
            let of = parameters.and_then(|text| text.split(';').find_map(|pair| pair.trim().strip_prefix("apt=")));
            retransmissions.extend(of.and_then(|of| Some((of.parse().ok()?, number))));
            continue;
        }
        let Some(key) = Key::read(kind, rtpmap, parameters) else { continue };
        if formats.iter().any(|other| other.key == key || other.number == number) {
            continue;
        }
        let feedback = block.all("rtcp-fb").filter_map(|value| {
            let (to, what) = value.split_once(' ')?;
            let known = kind == MediaKind::Video || what.trim() != TRANSPORT_WIDE_FEEDBACK;
            (known && (to == "*" || to.parse() == Ok(number))).then(|| what.trim().to_owned())
        });
        formats.push(Format {
            number,
            rtx: None,
            key,
            parameters: parameters.map(str::to_owned),
            feedback: feedback.collect(),
        });
    }
    for format in &mut formats {
        format.rtx = retransmissions.iter().find(|(of, _)| *of == format.number).map(|(_, number)| *number);
    }
    formats
}

/// `number[/direction] uri [attributes]` (RFC 8285 §5).
fn extension(value: &str, kind: MediaKind) -> Option<(u8, String)> {
    let mut words = value.split_whitespace();
    let number = words.next()?.split('/').next()?.parse().ok().filter(|number| (1..=14).contains(number))?;
    let uri = words.next().filter(|uri| EXTENSIONS.contains(uri))?;
    if kind == MediaKind::Audio && uri == TRANSPORT_WIDE {
        return None;
    }
    Some((number, uri.to_owned()))
}

/// The `a=ssrc` and `a=ssrc-group:FID` lines that say who sends and who repairs.
fn sources(block: &Block<'_>) -> Vec<String> {
    let named = block.all("ssrc").filter_map(|value| {
        let (number, attribute) = value.split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        attribute.starts_with("cname:").then(|| format!("ssrc:{number} cname:c"))
    });
    let groups = block.all("ssrc-group").filter_map(|value| {
        let pair: Vec<u32> = value.strip_prefix("FID ")?.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [main, repair] = pair[..] else { return None };
        Some(format!("ssrc-group:FID {main} {repair}"))
    });
    named.chain(groups).take(8).collect()
}

fn stream(value: &str) -> Option<String> {
    let stream = value.split_whitespace().next()?;
    (stream != "-" && stream.len() <= 64 && stream.bytes().all(is_token)).then(|| stream.to_owned())
}

fn setup(value: &str) -> Option<Setup> {
    match value {
        "active" => Some(Setup::Active),
        "passive" => Some(Setup::Passive),
        "actpass" => Some(Setup::Either),
        _ => None,
    }
}

/// `sha-256 AB:CD:…` of 32 bytes; other hashes are passed over.
fn fingerprint(value: &str) -> Option<String> {
    let (hash, digits) = value.split_once(' ')?;
    let digits = digits.trim().to_ascii_uppercase();
    let bytes = digits.split(':').filter(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok()).count();
    (hash.eq_ignore_ascii_case("sha-256") && bytes == 32 && digits.len() == 95).then(|| format!("sha-256 {digits}"))
}

/// `ice-char` (RFC 8839 §5.4), between `least` and 256 of them.
fn is_ice(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='))
}

/// `token-char` (RFC 8866 §9).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'[' | b'\\' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn congestion_feedback_is_for_pictures_only() {
        let section = |media: &str, format: &str| {
            format!(
                "m={media} 9 UDP/TLS/RTP/SAVPF 100\r\na=mid:{media}\r\na=rtcp-mux\r\na=sendrecv\r\n\
                 a=extmap:3 {TRANSPORT_WIDE}\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                 a=rtpmap:100 {format}\r\na=rtcp-fb:100 nack\r\na=rtcp-fb:* {TRANSPORT_WIDE_FEEDBACK}\r\n"
            )
        };
        let text = format!(
            "v=0\r\ns=-\r\na=group:BUNDLE audio video\r\na=ice-ufrag:abcd\r\na=ice-pwd:{}\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:actpass\r\n{}{}",
            "p".repeat(22),
            ["AB"; 32].join(":"),
            section("audio", "opus/48000/2"),
            section("video", "VP8/90000"),
        );
        let read = Description::read(&text).expect("a good description");
        let [sound, pictures] = [0, 1].map(|index| read.sections[index].live().expect("it is on"));
        assert_eq!(sound.extensions, [(4, "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned())]);
        assert_eq!(sound.formats[0].feedback, ["nack"]);
        assert_eq!(pictures.extensions.len(), 2);
        assert_eq!(pictures.formats[0].feedback, ["nack", TRANSPORT_WIDE_FEEDBACK]);
    }
}
