//! A plain XMPP client: sends raw stanzas and waits for stanzas.

use crate::xmpp_servers::PASSWORD;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minidom::Element;
use rxml::error::EndOrError;
use rxml::{Event, Parse, Parser};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const CLIENT: &str = "jabber:client";
const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

/// What the stanzas go over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Wire for T {}

/// A connection of a person to an XMPP server.
#[derive(Debug)]
pub struct XmppClient {
    /// The bare address.
    pub jid: String,
    name: String,
    stream: Box<dyn Wire>,
    parser: Parser,
    open: Vec<Element>,
    bytes: Vec<u8>,
    heard: VecDeque<Element>,
    seen: Vec<String>,
    ids: u32,
}

impl XmppClient {
    /// Connects, logs in, and says that it is here. `register` makes the account first.
    pub async fn connect(server: SocketAddr, name: &str, register: bool) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let mut client = Self::over(Box::new(stream), name);
        client.begin().await;
        if register {
            let query = format!("<username>{name}</username><password>{PASSWORD}</password>");
            client
                .send(&format!("<iq type='set' id='reg'><query xmlns='jabber:iq:register'>{query}</query></iq>"))
                .await;
            client.expect("the registration", |stanza| stanza.attr("id") == Some("reg")).await;
        }
        client.log_in(PASSWORD).await;
        client
    }

    /// Connects with TLS to a server that shows this certificate (PEM), as somebody who has an account there.
    pub async fn connect_tls(server: SocketAddr, name: &str, password: &str, certificate: &[u8]) -> Self {
        let mut client = Self::over(Box::new(start_tls(server, certificate).await), name);
        client.begin().await;
        client.log_in(password).await;
        client
    }

    fn over(stream: Box<dyn Wire>, name: &str) -> Self {
        Self {
            jid: format!("{name}@localhost"),
            name: name.to_owned(),
            stream,
            parser: Parser::default(),
            open: Vec::new(),
            bytes: Vec::new(),
            heard: VecDeque::new(),
            seen: Vec::new(),
            ids: 0,
        }
    }

    async fn log_in(&mut self, password: &str) {
        let proof = BASE64_STANDARD.encode(format!("\0{}\0{password}", self.name));
        self.send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>")).await;
        self.expect("the login", |element| element.name() == "success").await;
        self.begin().await;
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>test</resource></bind></iq>")
            .await;
        self.expect("an address", |stanza| stanza.attr("id") == Some("bind")).await;
        self.send("<presence/>").await;
    }

    async fn begin(&mut self) {
        self.parser = Parser::default();
        self.open.clear();
        self.bytes.clear();
        self.send(OPEN).await;
        self.expect("what the server can do", |element| element.name() == "features").await;
    }

    /// Sends XML as it is.
    pub async fn send(&mut self, xml: &str) {
        self.stream.write_all(xml.as_bytes()).await.unwrap();
    }

    /// An id that was not used yet.
    pub fn id(&mut self) -> String {
        self.ids += 1;
        format!("{}-message-{}", self.name, self.ids)
    }

    /// The full address.
    pub fn full(&self) -> String {
        format!("{}/test", self.jid)
    }

    /// Comes into a room, and waits until it is in; gives what came on the way.
    pub async fn join(&mut self, room: &str, nick: &str) -> Element {
        self.send(&format!("<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"))
            .await;
        self.expect("being in the room", |stanza| {
            let from = stanza.attr("from").is_some_and(|from| from.eq_ignore_ascii_case(&format!("{room}/{nick}")));
            stanza.name() == "presence" && from
        })
        .await
    }

    /// Says something in a room; the id that this client gave it.
    pub async fn say(&mut self, room: &str, words: &str) -> String {
        self.say_with(room, words, "").await
    }

    /// Says something in a room, with further elements; the id that this client gave it.
    pub async fn say_with(&mut self, room: &str, words: &str, extra: &str) -> String {
        let id = self.id();
        self.send(&format!("<message to='{room}' type='groupchat' id='{id}'><body>{words}</body>{extra}</message>"))
            .await;
        id
    }

    /// Writes to somebody; the id that this client gave it.
    pub async fn write(&mut self, to: &str, words: &str, extra: &str) -> String {
        let id = self.id();
        self.send(&format!("<message to='{to}' type='chat' id='{id}'><body>{words}</body>{extra}</message>")).await;
        id
    }

    /// Asks something, and waits for the answer; `xml` is what stands in the IQ.
    pub async fn ask(&mut self, to: &str, kind: &str, xml: &str) -> Element {
        let id = self.id();
        self.send(&format!("<iq to='{to}' type='{kind}' id='{id}'>{xml}</iq>")).await;
        self.expect("an answer", |stanza| stanza.name() == "iq" && stanza.attr("id") == Some(&id)).await
    }

    /// The next stanza, or `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Element> {
        loop {
            if let Some(stanza) = self.heard.pop_front() {
                self.seen.push(String::from(&stanza));
                if stanza.name() == "iq" && stanza.attr("type") == Some("get") && stanza.attr("from").is_some() {
                    let (id, to) = (stanza.attr("id").unwrap_or_default(), stanza.attr("from").unwrap_or_default());
                    self.send(&format!("<iq type='result' id='{id}' to='{to}'/>")).await;
                    continue;
                }
                return Some(stanza);
            }
            self.stream.read_buf(&mut self.bytes).await.ok().filter(|count| *count > 0)?;
            self.parse();
        }
    }

    fn parse(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = &bytes[..];
        loop {
            match self.parser.parse(&mut rest, false) {
                Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                    let mut element = Element::bare(name.as_str(), namespace.as_str());
                    for ((namespace, name), value) in attributes {
                        element.set_attr(namespace, name, value);
                    }
                    if element.name() != "stream" {
                        self.open.push(element);
                    }
                }
                Ok(Some(Event::Text(_, text))) => {
                    if let Some(element) = self.open.last_mut() {
                        element.append_text(text);
                    }
                }
                Ok(Some(Event::EndElement(_))) => {
                    let Some(element) = self.open.pop() else { return };
                    match self.open.last_mut() {
                        Some(parent) => {
                            parent.append_child(element);
                        }
                        None => self.heard.push_back(element),
                    }
                }
                Ok(Some(Event::XmlDeclaration(..))) => {}
                Ok(None) | Err(EndOrError::NeedMoreData) => break,
                Err(EndOrError::Error(error)) => panic!("the server sent no XML: {error}"),
            }
        }
        self.bytes = rest.to_vec();
    }

    /// Waits for a stanza, passing over others.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&Element) -> bool) -> Element {
        let found = tokio::time::timeout(crate::PATIENCE, async {
            while let Some(stanza) = self.next().await {
                if wanted(&stanza) {
                    return Some(stanza);
                }
            }
            None
        })
        .await;
        match found {
            Ok(Some(stanza)) => stanza,
            other => {
                let how = if other.is_ok() { "the connection ended" } else { "in time" };
                panic!("{} did not get {what} ({how}); it saw:\n{}", self.name, self.seen.join("\n"))
            }
        }
    }

    /// Waits for a message with these words from an address that begins so.
    pub async fn hears(&mut self, from: &str, words: &str) -> Element {
        self.expect(&format!("`{words}` from `{from}`"), |stanza| {
            stanza.name() == "message"
                && stanza.attr("from").is_some_and(|sender| sender.starts_with(from))
                && Self::body(stanza).contains(words)
        })
        .await
    }

    /// The words of a message.
    pub fn body(message: &Element) -> String {
        message.get_child("body", CLIENT).map(Element::text).unwrap_or_default()
    }

    /// Proves that nothing more is on its way: everything that comes before the answer of the server.
    pub async fn drain(&mut self) -> Vec<Element> {
        let id = self.id();
        self.send(&format!("<iq to='localhost' type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
        let mut stanzas = Vec::new();
        crate::within("the server's answer", async {
            while let Some(stanza) = self.next().await {
                if stanza.attr("id") == Some(&id) {
                    return;
                }
                stanzas.push(stanza);
            }
        })
        .await;
        stanzas
    }
}

/// A connection that has become TLS (RFC 6120 §5.4), by who shows exactly this certificate.
async fn start_tls(server: SocketAddr, certificate: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(OPEN.as_bytes()).await.unwrap();
    read_to(&mut stream, "</stream:features>").await;
    stream.write_all(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await.unwrap();
    read_to(&mut stream, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    crate::within("TLS", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

/// Reads until the server has said `last`.
async fn read_to(stream: &mut TcpStream, last: &str) {
    let mut heard = Vec::new();
    crate::within(&format!("`{last}` of the server"), async {
        while !heard.ends_with(last.as_bytes()) {
            let count = stream.read_buf(&mut heard).await.unwrap();
            assert_ne!(count, 0, "the server ended the connection: {}", String::from_utf8_lossy(&heard));
        }
    })
    .await;
}
