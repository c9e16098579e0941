//! How an account logs in (RFC 6120 §5–7): TLS, SASL, a resource.

use super::dial::{Stream, secure};
use super::handshake::{next, say, unexpected};
use super::scram::{Hash, Scram};
use crate::config::{Config, Encryption};
use crate::instance::RESOURCE;
use crate::wire::{self, Incoming, Reader};
use crate::xml::{Make, StanzaError, el, ns, text_of};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use minidom::Element;
use rand::RngExt;

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// A stream on its way.
struct Opening {
    stream: Stream,
    reader: Reader,
    buffer: BytesMut,
    domain: String,
}

/// Logs in; gives the stream, its reader, what came behind, and the full address.
pub(super) async fn log_in(stream: Stream, config: &Config) -> Result<(Stream, Reader, BytesMut, String), String> {
    let domain = config.account_domain().to_owned();
    let mut opening = Opening { stream, reader: Reader::new(ns::CLIENT), buffer: BytesMut::new(), domain };
    let mut features = opening.open().await?;
    if config.encryption() == Encryption::Starttls {
        if !features.has_child("starttls", TLS) {
            return Err(format!("{} does not offer TLS", opening.domain));
        }
        opening.say(&el("starttls", TLS)).await?;
        match opening.next().await? {
            element if element.is("proceed", TLS) => {}
            _ => return Err(format!("{} does not begin TLS", opening.domain)),
        }
        opening.stream = secure(&opening.domain, opening.stream, config.tls_ca_file.as_deref()).await?;
        features = opening.open().await?;
    }
    opening.authenticate(config, &features).await?;
    opening.open().await?;
    let resource = el("resource", BIND).words(RESOURCE);
    let bind = el("iq", ns::CLIENT).with("type", "set").with("id", "bind").child(el("bind", BIND).child(resource));
    opening.say(&bind).await?;
    let answer = opening.next().await?;
    let bound = answer.get_child("bind", BIND).and_then(|bind| text_of(bind, "jid", BIND));
    let full =
        bound.ok_or_else(|| format!("{} gives no address: {}", opening.domain, StanzaError::of(&answer).text))?;
    Ok((opening.stream, opening.reader, opening.buffer, full))
}

impl Opening {
    /// A new stream on the same connection; what the server can do.
    async fn open(&mut self) -> Result<Element, String> {
        self.reader = Reader::new(ns::CLIENT);
        self.buffer.clear();
        say(&mut self.stream, &wire::open(ns::CLIENT, &self.domain)).await?;
        match next(&mut self.stream, &mut self.reader, &mut self.buffer).await? {
            Incoming::Header { .. } => {}
            other => return Err(unexpected(&other).to_string()),
        }
        let features = self.next().await?;
        if features.is("features", ns::STREAM) { Ok(features) } else { Err("the server offers nothing".to_owned()) }
    }

    async fn say(&mut self, element: &Element) -> Result<(), String> {
        let mut text = String::new();
        wire::write(element, ns::CLIENT, &mut text);
        say(&mut self.stream, text.as_bytes()).await
    }

    async fn next(&mut self) -> Result<Element, String> {
        match next(&mut self.stream, &mut self.reader, &mut self.buffer).await? {
            Incoming::Element(element) if !element.is("error", ns::STREAM) => Ok(element),
            other => Err(unexpected(&other).to_string()),
        }
    }

    async fn authenticate(&mut self, config: &Config, features: &Element) -> Result<(), String> {
        let offered = features.get_child("mechanisms", SASL);
        let offers = |name: &str| offered.is_some_and(|all| all.children().any(|one| one.text().trim() == name));
        let hash =
            [("SCRAM-SHA-256", Hash::Sha256), ("SCRAM-SHA-1", Hash::Sha1)].into_iter().find(|(name, _)| offers(name));
        match hash {
            Some((name, hash)) => self.scram(config, name, hash).await,
            None if offers("PLAIN") && config.encryption() != Encryption::None => {
                let proof = format!("\0{}\0{}", config.user(), config.password.reveal());
                self.auth("PLAIN", &proof).await?;
                let answer = self.next().await?;
                if answer.is("success", SASL) { Ok(()) } else { Err(refused(&answer)) }
            }
            None => Err("the server offers no login that keeps the password secret".to_owned()),
        }
    }

    async fn scram(&mut self, config: &Config, name: &str, hash: Hash) -> Result<(), String> {
        let nonce = BASE64_STANDARD.encode(rand::rng().random::<[u8; 18]>());
        let scram = Scram::new(hash, config.user(), &nonce);
        self.auth(name, &scram.begin()).await?;
        let challenge = self.next().await?;
        if !challenge.is("challenge", SASL) {
            return Err(refused(&challenge));
        }
        let (answer, signature) = scram.answer(&decoded(&challenge), config.password.reveal())?;
        self.say(&el("response", SASL).words(BASE64_STANDARD.encode(answer))).await?;
        let last = self.next().await?;
        if !last.is("success", SASL) {
            return Err(refused(&last));
        }
        if signature.is(&decoded(&last)) {
            Ok(())
        } else {
            Err("the server does not know the password itself".to_owned())
        }
    }

    async fn auth(&mut self, name: &str, first: &str) -> Result<(), String> {
        self.say(&el("auth", SASL).with("mechanism", name).words(BASE64_STANDARD.encode(first))).await
    }
}

fn decoded(element: &Element) -> String {
    let bytes = BASE64_STANDARD.decode(element.text().trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(failure: &Element) -> String {
    let why = text_of(failure, "text", SASL).filter(|text| !text.is_empty());
    let why = why.or_else(|| failure.children().next().map(|condition| condition.name().replace('-', " ")));
    format!("the server refused the login: {}", why.unwrap_or_else(|| "it says nothing".to_owned()))
}
