//! Writes a session description.

use super::{Description, Rtp, Section, Setup, Transport};
use std::fmt::Write as _;

/// Whose and which description it is (`o=`, RFC 8866 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) session: u64,
    pub(crate) version: u64,
}

impl Description {
    /// The description as text.
    pub(crate) fn print(&self, origin: Origin) -> String {
        self.print_with(origin, false)
    }

    /// The same as an offer: whoever reads it may take the bundle apart, so every section has all that
    /// it needs by itself.
    pub(crate) fn print_offer(&self, origin: Origin) -> String {
        self.print_with(origin, true)
    }

    fn print_with(&self, origin: Origin, divisible: bool) -> String {
        let mut text = String::with_capacity(2048);
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, origin, divisible);
        text
    }

    fn write(&self, text: &mut String, origin: Origin, divisible: bool) -> std::fmt::Result {
        write!(text, "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", origin.session, origin.version)?;
        let live = || self.sections.iter().filter(|section| section.live().is_some());
        let bundled = || live().filter(|section| section.transport.is_none());
        if bundled().count() > 1 || live().all(|section| section.transport.is_none()) {
            text.push_str("a=group:BUNDLE");
            for section in bundled() {
                write!(text, " {}", section.mid)?;
            }
            text.push_str("\r\n");
        }
        text.push_str("a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
        if self.transport.lite {
            text.push_str("a=ice-lite\r\n");
        }
        let mut begun = false;
        for section in &self.sections {
            let transport = section.transport.as_ref().unwrap_or(&self.transport);
            section.write(text, transport)?;
            // Candidates are those of the bundle, and stand where it begins.
            let is_first = section.transport.is_some() || divisible || !begun;
            if section.live().is_some() && is_first {
                begun |= section.transport.is_none();
                for candidate in &transport.candidates {
                    write!(text, "a={candidate}\r\n")?;
                }
            }
        }
        Ok(())
    }
}

impl Section {
    fn write(&self, text: &mut String, transport: &Transport) -> std::fmt::Result {
        let Some(rtp) = self.live() else {
            let numbers = if self.numbers.is_empty() { "0".to_owned() } else { self.numbers.join(" ") };
            write!(text, "m={} 0 {} {numbers}\r\n", self.media, self.protocol)?;
            return write!(text, "c=IN IP4 0.0.0.0\r\na=mid:{}\r\na=inactive\r\n", self.mid);
        };
        write!(text, "m={} 9 {}", self.media, self.protocol)?;
        for format in &rtp.formats {
            write!(text, " {}", format.number)?;
            if let Some(rtx) = format.rtx {
                write!(text, " {rtx}")?;
            }
        }
        write!(text, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\n", self.mid)?;
        write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", transport.ufrag, transport.pwd)?;
        write!(text, "a=ice-options:trickle\r\na=fingerprint:{}\r\n", transport.fingerprint)?;
        if let Some(setup) = transport.setup {
            write!(text, "a=setup:{}\r\n", setup.name())?;
        }
        write!(text, "a={}\r\na=rtcp-mux\r\n", rtp.direction.name())?;
        rtp.write(text)
    }
}

impl Rtp {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        for (number, uri) in &self.extensions {
            write!(text, "a=extmap:{number} {uri}\r\n")?;
        }
        if let Some(stream) = &self.stream {
            write!(text, "a=msid:{stream} {stream}-{}\r\n", if self.is_audio() { "a" } else { "v" })?;
        }
        for format in &self.formats {
            write!(text, "a=rtpmap:{} {}\r\n", format.number, format.key.rtpmap())?;
            if let Some(parameters) = &format.parameters {
                write!(text, "a=fmtp:{} {parameters}\r\n", format.number)?;
            }
            for feedback in &format.feedback {
                write!(text, "a=rtcp-fb:{} {feedback}\r\n", format.number)?;
            }
            if let Some(rtx) = format.rtx {
                write!(text, "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={}\r\n", format.key.clock, format.number)?;
            }
        }
        for source in &self.sources {
            write!(text, "a={source}\r\n")?;
        }
        Ok(())
    }

    fn is_audio(&self) -> bool {
        self.kind == crate::MediaKind::Audio
    }
}

impl Setup {
    fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::Either => "actpass",
        }
    }
}
