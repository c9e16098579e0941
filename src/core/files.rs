//! Links to files of bridged networks, and getting files for those networks. A link holds all that is
//! needed to find the file again, signed: nothing is stored for it, and nobody makes one but the
//! gateway. What goes over the wire is `http::files`' business. Part of [`Core`].

use super::Core;
use super::environment::Environment;
use crate::outbound::Outbound;
use crate::store::{Store, StoreError};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use monster_bridge_api::{InstanceName, Media, MediaError, MediaFile};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Where files are, below the public URL.
const PATH: &str = "/media/";
/// Who keeps the key in the store, and under which name.
const KEY: (&str, &str) = ("gateway", "media_key");
/// Bytes of a signature: of HMAC-SHA-256, half is kept (RFC 2104 §5), as links stand in messages.
const SIGNATURE: usize = 16;
/// The longest name of a file, in bytes.
const NAME: usize = 100;
/// What a name in a URL shows as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How long a bridge may take to open a file.
const OPEN: Duration = Duration::from_secs(10);
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What can be set about files: `[media]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The URL by which people reach the gateway, without a `/` at its end.
    pub public_url: String,
    /// The most bytes of a file that is handed out (`media.max_bytes`).
    pub max_bytes: u64,
    /// For how many days a link is good at least (`media.link_days`).
    pub link_days: u32,
    /// Where files of accounts are kept; `None` where none are taken.
    pub upload_dir: Option<PathBuf>,
    /// The most bytes of a file of an account (`media.upload_bytes`).
    pub upload_bytes: u64,
    /// The most bytes of all files of an account that are kept (`media.upload_quota`).
    pub upload_quota: u64,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:7580".to_owned(),
            max_bytes: 50 << 20,
            link_days: 7,
            upload_dir: None,
            upload_bytes: 25 << 20,
            upload_quota: 250 << 20,
        }
    }
}

/// A file that somebody with a link to it gets.
#[derive(Debug)]
pub struct OpenFile {
    /// What it is called, without anything that could be a path.
    pub name: String,
    /// Its bytes, at most as many as are allowed.
    pub media: Media,
}

/// Makes links and reads them.
#[derive(Default)]
pub(crate) struct Files {
    key: OnceLock<hmac::Key>,
    pub(crate) outbound: OnceLock<Arc<Outbound>>,
}

/// What a link stands for.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    /// The last day on which it is good, since the epoch.
    until: i64,
    /// Whose file it is; empty for one of an account here (`uploads`).
    instance: String,
    media_type: String,
    reference: String,
}

impl Files {
    /// Reads the key, or makes it.
    pub(crate) async fn load_key(&self, store: &dyn Store, environment: &Environment) -> Result<(), StoreError> {
        let (owner, name) = KEY;
        let known = store.load(owner, name).await?.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let key = if let Some(key) = known.filter(|key| key.len() >= 32) {
            key
        } else {
            let mut key = vec![0; 32];
            environment.random.fill(&mut key);
            store.save(owner, name, Some(&URL_SAFE_NO_PAD.encode(&key))).await?;
            key
        };
        let _ = self.key.set(hmac::Key::new(hmac::HMAC_SHA256, &key));
        Ok(())
    }

    fn sign(&self, payload: &[u8], name: &str) -> Option<[u8; SIGNATURE]> {
        let mut context = hmac::Context::with_key(self.key.get()?);
        // With its length before it, so that nothing moves from one part to the other.
        context.update(&payload.len().to_be_bytes());
        context.update(payload);
        context.update(name.as_bytes());
        context.sign().as_ref().first_chunk().copied()
    }

    fn token(&self, link: &Link, name: &str) -> Option<String> {
        let Link { until, instance, media_type, reference } = link;
        let payload = format!("{until}\n{instance}\n{media_type}\n{reference}");
        let mut token = self.sign(payload.as_bytes(), name)?.to_vec();
        token.extend_from_slice(payload.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// What a token stands for; `None` if this gateway never made it for a file of that name.
    fn read(&self, token: &str, name: &str) -> Option<Link> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signature, payload) = token.split_first_chunk::<SIGNATURE>()?;
        let is_ours: bool = self.sign(payload, name)?.ct_eq(signature).into();
        if !is_ours {
            return None;
        }
        let mut parts = std::str::from_utf8(payload).ok()?.splitn(4, '\n');
        let mut next = || parts.next().map(str::to_owned);
        let until = next()?.parse().ok()?;
        Some(Link { until, instance: next()?, media_type: next()?, reference: next()? })
    }
}

impl Core {
    /// Connects what fetches files from elsewhere; before [`Core::start`]. Without it, none is.
    pub fn set_outbound(&self, outbound: Arc<Outbound>) {
        let _ = self.files.outbound.set(outbound);
    }

    /// A link to a file of a bridge. The same all day, so that whoever has seen it need not look again.
    pub(crate) fn media_link(&self, instance: &InstanceName, file: &MediaFile) -> String {
        let FileSettings { public_url, link_days, .. } = &self.settings.files;
        let link = Link {
            until: self.environment.now_ms() / DAY_MS + i64::from(*link_days) + 1,
            instance: instance.to_string(),
            media_type: file.media_type.chars().filter(|c| !c.is_control()).take(100).collect(),
            reference: file.reference.clone(),
        };
        let name = file_name(&file.name);
        // The key is there before any bridge runs.
        let token = self.files.token(&link, &name).unwrap_or_default();
        format!("{public_url}{PATH}{token}/{}", utf8_percent_encode(&name, PLAIN))
    }

    /// Opens the file that a link names: `token` and `name` of `/media/TOKEN/NAME`, decoded.
    ///
    /// # Errors
    /// In words, if the link is not good (any more), or the bridge cannot open the file.
    pub async fn open_file(&self, token: &str, name: &str) -> Result<OpenFile, MediaError> {
        let gone = |why: &str| MediaError::Gone(why.to_owned());
        let link = self.files.read(token, name).ok_or_else(|| gone("there is no such file"))?;
        if self.environment.now_ms() / DAY_MS > link.until {
            return Err(gone("this link has ended"));
        }
        let opened = if link.instance.is_empty() {
            self.open_upload(&link.reference).await?
        } else {
            self.open_on_bridge(&link).await?
        };
        let mut media = bounded(opened, self.settings.files.max_bytes)?;
        if media.media_type.is_none() && !link.media_type.is_empty() {
            media.media_type = Some(link.media_type);
        }
        Ok(OpenFile { name: name.to_owned(), media })
    }

    async fn open_on_bridge(&self, link: &Link) -> Result<Media, MediaError> {
        let gone = "the network that this file is on is not connected any more";
        let (_, bridge) = self.book.places.bridge(&link.instance).ok_or_else(|| MediaError::Gone(gone.to_owned()))?;
        let late = |_| Err(MediaError::Unavailable("the network that this file is on does not answer now".to_owned()));
        tokio::time::timeout(OPEN, bridge.media(&link.reference)).await.unwrap_or_else(late)
    }

    /// Name and media type of the file of an account that a link of ours leads to.
    pub(super) fn upload_behind(&self, url: &str) -> Option<(String, String)> {
        let (token, name) = self.own_file(url)?;
        let link = self.files.read(token, &name).filter(|link| link.instance.is_empty())?;
        Some((name, link.media_type))
    }

    /// [`monster_bridge_api::Host::fetch`].
    pub(crate) async fn fetch_file(&self, url: &str, max_bytes: u64) -> Result<Media, MediaError> {
        if let Some((token, name)) = self.own_file(url) {
            let open = self.open_file(token, &name).await?;
            return bounded(open.media, max_bytes);
        }
        let outbound = self.files.outbound.get();
        let outbound = outbound.ok_or_else(|| MediaError::Refused("files are not fetched here".to_owned()))?;
        bounded(outbound.fetch(url).await?, max_bytes)
    }

    /// Token and name in a link of ours.
    fn own_file<'a>(&self, url: &'a str) -> Option<(&'a str, String)> {
        let rest = url.strip_prefix(&self.settings.files.public_url)?.strip_prefix(PATH)?;
        let (token, name) = rest.split_once('/')?;
        Some((token, percent_decode_str(name).decode_utf8().ok()?.into_owned()))
    }
}

/// The file with so many bytes at most; one that says it has more is refused at once.
fn bounded(media: Media, limit: u64) -> Result<Media, MediaError> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(MediaError::TooLarge { limit });
    }
    let body = stream::unfold(Some((media.body, limit)), move |state| async move {
        let (mut body, left) = state?;
        let piece = match body.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some((Err(error), None)),
        };
        let left = left.checked_sub(piece.len() as u64);
        let too_large = || io::Error::other(MediaError::TooLarge { limit });
        Some(match left {
            Some(left) => (Ok::<Bytes, _>(piece), Some((body, left))),
            None => (Err(too_large()), None),
        })
    });
    Ok(Media { body: body.boxed(), ..media })
}

/// A name of a file with nothing in it that could be a path, a line or an end without end.
pub(super) fn file_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if matches!(c, '/' | '\\' | ':') || c.is_control() { '_' } else { c })
        .filter(|c| monster_bridge_api::is_shown(*c))
        .collect();
    let clean = clean.trim();
    // What it ends with says what it is.
    let mut start = clean.len().saturating_sub(NAME);
    while !clean.is_char_boundary(start) {
        start += 1;
    }
    let end = clean[start..].trim_start_matches(|c: char| c == '.' || c.is_whitespace());
    if end.is_empty() { "file".to_owned() } else { end.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files() -> Files {
        let files = Files::default();
        let _ = files.key.set(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        files
    }

    fn link(reference: &str) -> Link {
        Link {
            until: 20_000,
            instance: "matrix".to_owned(),
            media_type: "image/png".to_owned(),
            reference: reference.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn a_link_says_what_it_was_made_for_and_nothing_else(reference in "\\PC{0,40}(\n\\PC{0,9})?", name in "\\PC{1,20}") {
            let files = files();
            let token = files.token(&link(&reference), &name).unwrap();
            prop_assert_eq!(files.read(&token, &name), Some(link(&reference)));
            prop_assert_eq!(files.read(&token, &format!("{name}x")), None);
        }

        #[test]
        fn whoever_changes_a_link_has_none(at in 0_usize..60, bit in 0_u8..8) {
            let files = files();
            let token = files.token(&link("mxc://example.org/abcdef"), "a.png").unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(files.read(&URL_SAFE_NO_PAD.encode(bytes), "a.png"), None);
        }

        #[test]
        fn a_name_is_never_a_path_and_never_empty(name in "[\\PC\\\\/.\\x00-\\x1f]{0,200}") {
            let name = file_name(&name);
            prop_assert!(!name.is_empty() && name.len() <= NAME, "{name:?}");
            prop_assert!(!name.contains(['/', '\\', '\n', '\0']) && !name.starts_with('.'), "{name:?}");
        }
    }

    #[test]
    fn another_gateways_links_are_not_ours() {
        let other = Files::default();
        let _ = other.key.set(hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]));
        let token = other.token(&link("x"), "a").unwrap();
        assert_eq!(files().read(&token, "a"), None);
        assert_eq!(files().read("", "a"), None);
    }

    #[tokio::test]
    async fn a_file_that_is_larger_than_it_may_be_ends_with_an_error() {
        let media = |size: Option<u64>| {
            let pieces = [b"12345", b"67890"].map(|piece| Ok(Bytes::from_static(piece)));
            Media { media_type: None, size, body: stream::iter(pieces).boxed() }
        };
        assert_eq!(bounded(media(Some(10)), 9).unwrap_err(), MediaError::TooLarge { limit: 9 });
        let pieces: Vec<_> = bounded(media(None), 9).unwrap().body.collect().await;
        assert!(matches!(&pieces[..], [Ok(first), Err(_)] if &first[..] == b"12345"), "{pieces:?}");
        assert!(bounded(media(None), 10).unwrap().body.all(async |piece| piece.is_ok()).await);
    }
}
