//! Files as they pass between networks. A bridge never hands a file over whole: it names it
//! ([`MediaFile`]), others are given a link to it ([`crate::Host::media_link`]), and whoever follows
//! the link gets it as a stream ([`crate::Bridge::media`]).

use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::fmt;

/// A file on the bridge's network, as the bridge finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// The bridge's own name for it (an `mxc://` URI, a URL), at most 1,024 bytes. It is readable in
    /// the link: what decrypts a file stays with the bridge ([`crate::Host::save`]).
    pub reference: String,
    /// What it is called, for the end of the link and for whoever saves it.
    pub name: String,
    /// Its media type, e.g. `image/png`.
    pub media_type: String,
}

/// A file as it comes.
pub struct Media {
    /// Its media type as its source says; a hint, never to be trusted.
    pub media_type: Option<String>,
    /// Its size in bytes, where the source tells.
    pub size: Option<u64>,
    /// Its bytes. An error ends it, and it is incomplete then.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("media_type", &self.media_type).field("size", &self.size).finish_non_exhaustive()
    }
}

/// A file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// It is not there, or not any more.
    #[error("{0}")]
    Gone(String),
    /// It has more bytes than are allowed.
    #[error("the file has more than the {limit} bytes that are allowed")]
    TooLarge {
        /// How many are.
        limit: u64,
    },
    /// It must not be fetched, e.g. as it is on a private network; not later either.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}
