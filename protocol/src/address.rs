//! Monster addresses and their URLs: `@name[:path…]:host[:port]` ↔ `ws://host[:port]/path…/name`.
//!
//! Not here: which addresses are this gateway's own, what a name means on a bridge, and which hosts
//! may be dialled. Used by everything above this crate.

use crate::Authority;
use crate::authority::{canonical_host, is_digits, parse_port};
use crate::from_text::FromText;
use crate::percent::{check_segment, decode_segment, push_address_segment, push_url_segment};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The longest address, in bytes of its canonical spelling.
pub const MAX_ADDRESS_BYTES: usize = 2048;

/// The longest URL that is read: an address of the longest kind with every byte encoded.
const MAX_URL_BYTES: usize = 3 * MAX_ADDRESS_BYTES + 16;

/// A Monster address: valid, and in canonical spelling (`%` escapes only where they must be, the
/// host lower-case and in its IDNA form). Equal addresses are equal texts; names compare exactly. A
/// clone costs a reference count.
///
/// ```
/// use monster_protocol::Address;
///
/// let address: Address = "@#rust:libera:GW.example.org:7580".parse()?;
/// assert_eq!(address.name(), "#rust");
/// assert_eq!(address.path().collect::<Vec<_>>(), ["libera"]);
/// assert_eq!(address.authority().host(), "gw.example.org");
/// assert_eq!(address.to_url(false), "ws://gw.example.org:7580/libera/%23rust");
/// assert_eq!(Address::from_url(&address.to_url(true))?, address);
/// # Ok::<(), monster_protocol::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    /// Its text is the address's.
    authority: Authority,
}

impl Address {
    /// An address from its parts, name and path segments as they are meant (not encoded).
    ///
    /// # Errors
    /// If the name or a segment is empty, `.` or `..`; if the whole is longer than
    /// [`MAX_ADDRESS_BYTES`]; if the host is all digits and would read as a port.
    pub fn new<S: AsRef<str>>(name: &str, path: &[S], authority: &Authority) -> Result<Self, AddressError> {
        let path = path.iter().map(AsRef::as_ref);
        Self::assemble(name, path, authority.host(), authority.port())
    }

    /// The address of what an HTTP request path stands for on a server: `/libera/%23rust` on
    /// `gw.example.org` is `@#rust:libera:gw.example.org`. The path is as the request had it,
    /// without the query.
    ///
    /// # Errors
    /// As [`Address::new`], and for escapes that are no UTF-8 text.
    pub fn from_path(authority: &Authority, path: &str) -> Result<Self, AddressError> {
        Self::assemble_path(path, authority.host(), authority.port())
    }

    /// The address that a `ws` or `wss` URL stands for. A query or fragment is not part of it.
    ///
    /// # Errors
    /// If it is no such URL, has user information, or its parts make no address.
    pub fn from_url(url: &str) -> Result<Self, AddressError> {
        if url.len() > MAX_URL_BYTES {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::NotAUrl)?;
        if !scheme.eq_ignore_ascii_case("ws") && !scheme.eq_ignore_ascii_case("wss") {
            return Err(AddressError::NotAUrl);
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').ok_or(AddressError::NoName)?);
        let authority: Authority = authority.parse()?;
        Self::from_path(&authority, path)
    }

    /// Reads an address as another server may spell it: the seed's spelling, or the older one with
    /// dots for the path, `@member.alice@host:port`. Where a text can be both, it is the older one
    /// only if the seed's reading would take a port for a host (`@alice@example.org:8080`).
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse_lenient(text: &str) -> Result<Self, AddressError> {
        let seed = text.parse::<Self>();
        if seed.as_ref().is_ok_and(|address| !address.authority.reads_as_port()) {
            return seed;
        }
        parse_dotted(text).and_then(Result::ok).map_or(seed, Ok)
    }

    fn assemble<'s>(
        name: &str,
        path: impl Iterator<Item = &'s str>,
        host: &str,
        port: Option<u16>,
    ) -> Result<Self, AddressError> {
        check_segment(name)?;
        let mut text = String::with_capacity(name.len() + host.len() + 32);
        text.push('@');
        push_address_segment(&mut text, name);
        text.push(':');
        let mut has_path = false;
        for segment in path {
            check_segment(segment)?;
            push_address_segment(&mut text, segment);
            text.push(':');
            has_path = true;
            if text.len() > MAX_ADDRESS_BYTES {
                return Err(AddressError::TooLong);
            }
        }
        Self::finish(text, has_path, host, port)
    }

    /// `text` up to and with the `:` before the host.
    fn finish(text: String, has_path: bool, host: &str, port: Option<u16>) -> Result<Self, AddressError> {
        if text.len() + host.len() + ":65535".len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let authority = Authority::from_canonical(text, host, port)?;
        if has_path && authority.reads_as_port() {
            return Err(AddressError::HostReadsAsPort(host.to_owned()));
        }
        Ok(Self { authority })
    }

    fn assemble_path(path: &str, host: &str, port: Option<u16>) -> Result<Self, AddressError> {
        if path.len() > MAX_URL_BYTES {
            return Err(AddressError::TooLong);
        }
        let path = path.strip_prefix('/').ok_or(AddressError::NoName)?;
        let (path, name) = match path.rsplit_once('/') {
            Some((path, name)) => (Some(path), name),
            None => (None, path),
        };
        let name = decode_segment(name)?;
        let path = path.iter().flat_map(|path| path.split('/')).map(decode_segment).collect::<Result<Vec<_>, _>>()?;
        Self::assemble(&name, path.iter().map(AsRef::as_ref), host, port)
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        self.authority.shared_text().0
    }

    /// The name, decoded.
    pub fn name(&self) -> Cow<'_, str> {
        let (text, _) = self.authority.shared_text();
        decode_valid(text[1..].split(':').next().unwrap_or_default())
    }

    /// The path segments between host and name, in the order of the URL, decoded.
    pub fn path(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let (text, host) = self.authority.shared_text();
        let encoded = text[..host].trim_end_matches(':');
        encoded.split(':').skip(1).map(decode_valid)
    }

    /// The server it is on.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The URL of the account: `wss` with `tls`, `ws` without.
    pub fn to_url(&self, tls: bool) -> String {
        let scheme = if tls { "wss://" } else { "ws://" };
        let mut url = String::with_capacity(scheme.len() + self.as_str().len() + 16);
        url.push_str(scheme);
        url.push_str(self.authority.as_str());
        self.push_path(&mut url);
        url
    }

    /// The path of its URL, encoded, with the leading `/`.
    pub fn to_path(&self) -> String {
        let mut path = String::with_capacity(self.as_str().len());
        self.push_path(&mut path);
        path
    }

    fn push_path(&self, out: &mut String) {
        for segment in self.path().chain([self.name()]) {
            out.push('/');
            push_url_segment(out, &segment);
        }
    }
}

/// Decodes a segment of a canonical text.
fn decode_valid(segment: &str) -> Cow<'_, str> {
    if segment.contains('%') { percent_decode_str(segment).decode_utf8_lossy() } else { Cow::Borrowed(segment) }
}

/// `@member.alice@host[:port]`; `None` if the text has not that form.
fn parse_dotted(text: &str) -> Option<Result<Address, AddressError>> {
    let (account, authority) = text.strip_prefix('@')?.rsplit_once('@')?;
    if account.contains([':', '/', '@']) {
        return None;
    }
    let read = || {
        let authority: Authority = authority.parse()?;
        let mut segments = account.split('.').map(decode_segment).collect::<Result<Vec<_>, _>>()?;
        let name = segments.pop().ok_or(AddressError::NoName)?;
        Address::new(&name, &segments, &authority)
    };
    Some(read())
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads the seed's spelling.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let rest = text.strip_prefix('@').ok_or(AddressError::NoAt)?;
        let (account, host, port) = split_authority(rest)?;
        let host = canonical_host(host)?;
        let mut segments = account.split(':');
        let name = decode_segment(segments.next().unwrap_or_default())?;
        let mut canonical = String::with_capacity(text.len());
        canonical.push('@');
        push_address_segment(&mut canonical, &name);
        canonical.push(':');
        let mut has_path = false;
        for segment in segments {
            push_address_segment(&mut canonical, &decode_segment(segment)?);
            canonical.push(':');
            has_path = true;
        }
        Self::finish(canonical, has_path, &host, port)
    }
}

/// `name[:path…]`, host and port of what follows the `@`.
fn split_authority(rest: &str) -> Result<(&str, &str, Option<u16>), AddressError> {
    let (before, last) = rest.rsplit_once(':').ok_or(AddressError::NoHost)?;
    if is_digits(last)
        && let Some((account, host)) = split_host(before)
    {
        return Ok((account, host, Some(parse_port(last)?)));
    }
    let (account, host) = split_host(rest).ok_or(AddressError::NoHost)?;
    Ok((account, host, None))
}

/// Cuts the host off the end; the colons of an IPv6 address in brackets belong to it.
fn split_host(text: &str) -> Option<(&str, &str)> {
    if text.ends_with(']')
        && let Some(at) = text.rfind(":[")
    {
        return Some((&text[..at], &text[at + 1..]));
    }
    text.rsplit_once(':')
}

/// What is wrong with an address or URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `@` in front.
    #[error("an address starts with `@`, e.g. `@alice:example.org`")]
    NoAt,
    /// No host.
    #[error("an address ends with its host, e.g. `@alice:example.org` or `@alice:example.org:8080`")]
    NoHost,
    /// A URL without a path.
    #[error("the URL has no path: its last segment is the account's name")]
    NoName,
    /// Not a URL of an account.
    #[error("an account's URL starts with `ws://` or `wss://`")]
    NotAUrl,
    /// The name or a path segment is empty.
    #[error("a name or path segment is empty")]
    EmptySegment,
    /// The name or a path segment is `.` or `..`.
    #[error("`.` and `..` cannot be names or path segments, as URLs give them another meaning")]
    DotSegment,
    /// A control character as such.
    #[error("control characters in an address must be percent-encoded")]
    Control,
    /// A `%` without two hexadecimal digits.
    #[error("a `%` must be followed by two hexadecimal digits (a percent sign itself is `%25`)")]
    BadEscape,
    /// Escapes that decode to something other than UTF-8.
    #[error("the percent-encoded bytes are not UTF-8 text")]
    NotUtf8,
    /// Not a port.
    #[error("`{0}` is not a port: a number from 1 to 65535 was expected")]
    Port(String),
    /// Not a host.
    #[error("{host:?} cannot be a host: {why}")]
    Host {
        /// Its first characters.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A host of digits behind a path.
    #[error("the host `{0}` would read as a port; name the port too")]
    HostReadsAsPort(String),
    /// Longer than [`MAX_ADDRESS_BYTES`].
    #[error("an address cannot be longer than {MAX_ADDRESS_BYTES} bytes")]
    TooLong,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.as_str())
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText::new("a Monster address"))
    }
}
