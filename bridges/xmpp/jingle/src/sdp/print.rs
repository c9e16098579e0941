//! Writes a session description.

use crate::model::{
    Content, Credentials, Extension, Feedback, Fingerprint, Parameter, Payload, Senders, Session, Side,
};
use std::fmt::{Result, Write as _};

impl Session {
    /// The session description of this session as `by` describes it, the `version`-th of it.
    pub fn to_sdp(&self, by: Side, version: u64) -> String {
        let mut text = String::with_capacity(4096);
        // (Writing to a string cannot fail.)
        let _ = self.write(&mut text, by, version);
        text
    }

    fn write(&self, text: &mut String, by: Side, version: u64) -> Result {
        write!(text, "v=0\r\no=- 1 {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")?;
        let index = |name: &String| {
            self.contents.iter().position(|content| content.name == *name && content.live).map(|index| self.mid(index))
        };
        for group in &self.groups {
            let mids: Vec<String> = group.names.iter().filter_map(index).collect();
            if !mids.is_empty() {
                write!(text, "a=group:{} {}\r\n", group.semantics, mids.join(" "))?;
            }
        }
        text.push_str("a=msid-semantic: WMS *\r\n");
        for (index, content) in self.contents.iter().enumerate() {
            content.write(text, &self.mid(index), by)?;
        }
        Ok(())
    }
}

impl Content {
    fn write(&self, text: &mut String, mid: &str, by: Side) -> Result {
        let media = &self.media;
        let (kind, port) = (media.kind.as_str(), if self.live { 9 } else { 0 });
        write!(text, "m={kind} {port} UDP/TLS/RTP/SAVPF")?;
        for payload in &media.payloads {
            write!(text, " {}", payload.id)?;
        }
        if media.payloads.is_empty() {
            text.push_str(" 0");
        }
        write!(text, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n")?;
        if !self.live {
            return write!(text, "a=inactive\r\n");
        }
        self.write_transport(text)?;
        write!(text, "a={}\r\n", self.senders.direction(by))?;
        if media.mux {
            text.push_str("a=rtcp-mux\r\n");
        }
        for (name, ms) in [("ptime", media.ptime), ("maxptime", media.max_ptime)] {
            if let Some(ms) = ms {
                write!(text, "a={name}:{ms}\r\n")?;
            }
        }
        self.write_media(text, by)
    }

    fn write_transport(&self, text: &mut String) -> Result {
        let transport = &self.transport;
        if let Some(Credentials { ufrag, pwd }) = &transport.credentials {
            write!(text, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")?;
        }
        if transport.trickle {
            text.push_str("a=ice-options:trickle\r\n");
        }
        for Fingerprint { hash, value } in &transport.fingerprints {
            write!(text, "a=fingerprint:{hash} {value}\r\n")?;
        }
        if let Some(setup) = transport.setup {
            write!(text, "a=setup:{}\r\n", setup.as_str())?;
        }
        for candidate in &transport.candidates {
            write!(text, "a={}\r\n", candidate.to_line())?;
        }
        Ok(())
    }

    fn write_media(&self, text: &mut String, by: Side) -> Result {
        let media = &self.media;
        for Extension { id, uri, senders } in &media.extensions {
            match senders {
                Senders::Both => write!(text, "a=extmap:{id} {uri}\r\n")?,
                _ => write!(text, "a=extmap:{id}/{} {uri}\r\n", senders.direction(by))?,
            }
        }
        if media.mixed {
            text.push_str("a=extmap-allow-mixed\r\n");
        }
        if let Some(msid) = &media.msid {
            write!(text, "a=msid:{}\r\n", msid.words())?;
        }
        for payload in &media.payloads {
            payload.write(text)?;
        }
        for feedback in &media.feedback {
            feedback.write(text, "*")?;
        }
        for group in &media.source_groups {
            write!(text, "a=ssrc-group:{}", group.semantics)?;
            group.sources.iter().try_for_each(|ssrc| write!(text, " {ssrc}"))?;
            text.push_str("\r\n");
        }
        for source in &media.sources {
            for (name, value) in &source.parameters {
                match value {
                    Some(value) => write!(text, "a=ssrc:{} {name}:{value}\r\n", source.ssrc)?,
                    None => write!(text, "a=ssrc:{} {name}\r\n", source.ssrc)?,
                }
            }
            if let Some(msid) = media.msid.as_ref().filter(|_| !source.has_msid()) {
                write!(text, "a=ssrc:{} msid:{}\r\n", source.ssrc, msid.words())?;
            }
        }
        Ok(())
    }
}

impl Payload {
    fn write(&self, text: &mut String) -> Result {
        let Self { id, name, clock, channels, .. } = self;
        write!(text, "a=rtpmap:{id} {name}/{clock}")?;
        if *channels != 1 {
            write!(text, "/{channels}")?;
        }
        text.push_str("\r\n");
        if !self.parameters.is_empty() {
            let parameter = |parameter: &Parameter| match &parameter.name {
                Some(name) => format!("{name}={}", parameter.value),
                None => parameter.value.clone(),
            };
            let parameters: Vec<String> = self.parameters.iter().map(parameter).collect();
            write!(text, "a=fmtp:{id} {}\r\n", parameters.join(";"))?;
        }
        self.feedback.iter().try_for_each(|feedback| feedback.write(text, &id.to_string()))
    }
}

impl Feedback {
    fn write(&self, text: &mut String, of: &str) -> Result {
        match &self.sub {
            Some(sub) => write!(text, "a=rtcp-fb:{of} {} {sub}\r\n", self.kind),
            None => write!(text, "a=rtcp-fb:{of} {}\r\n", self.kind),
        }
    }
}
