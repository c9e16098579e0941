//! Messages that are too long for a channel: their first lines are said, and a link leads to the whole
//! text. The texts are kept with the instance's own values as long as links to them may be good, and not
//! longer than the message stands. `deliver` makes them, `Bridge::media` opens them.

use crate::conn::Conn;
use crate::format;
use crate::instance::{Instance, Running};
use crate::proto::session::Saying;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use monster_bridge_api::{HostError, Media, MediaError, MediaFile, MessageKey};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the texts are kept: `text/DAY/KEY`, the day being the last one on which they are.
const PREFIX: &str = "text/";
/// For how many days a text is kept at the most.
const DAYS: u64 = 30;
const DAY: Duration = Duration::from_hours(24);
/// How much of the text is said beside the link, in lines of its author.
const SAID: usize = 3;
/// … and in bytes, as a line of its author may be of any length.
const SAID_BYTES: usize = 600;

impl Instance {
    /// Shortens what would be too many lines, and keeps the whole text behind a link.
    pub(crate) async fn shorten(
        &self,
        running: &Running,
        conn: &Conn,
        key: &MessageKey,
        words: &str,
        saying: impl Fn(&str) -> Saying,
    ) -> Result<Option<String>, HostError> {
        let lines = conn.look(|session| session.count_lines(&saying(words)));
        if self.config.max_lines == 0 || lines <= self.config.max_lines {
            return Ok(None);
        }
        let reference = format!("{PREFIX}{}/{key}", today() + DAYS);
        let text = format::codes::without(words);
        running.host.save(&reference, Some(&text)).await?;
        let file = MediaFile { reference, name: "message.txt".to_owned(), media_type: "text/plain".to_owned() };
        let link = running.host.media_link(&file);
        Ok(Some(format!("{}\n[the whole message, {lines} lines: {link}]", beginning(words))))
    }

    /// Opens a text that was kept.
    pub(crate) async fn open_text(&self, running: &Running, reference: &str) -> Result<Media, MediaError> {
        let gone = || MediaError::Gone("this message is not kept any more".to_owned());
        if !reference.starts_with(PREFIX) {
            return Err(gone());
        }
        let text = running.host.load(reference).await.map_err(|error| MediaError::Unavailable(error.to_string()))?;
        let text = Bytes::from(text.ok_or_else(gone)?);
        let size = u64::try_from(text.len()).ok();
        Ok(Media {
            media_type: Some("text/plain".to_owned()),
            size,
            body: stream::once(async move { Ok(text) }).boxed(),
        })
    }

    /// Forgets the whole text of a message that is withdrawn.
    pub(crate) async fn forget_text(&self, running: &Running, key: &MessageKey) {
        self.forget_texts(running, |_, of| of == key.as_str()).await;
    }

    /// Forgets what is kept long enough, now and every day.
    pub(crate) async fn forget_old_texts(&self, running: &Running) {
        loop {
            let today = today();
            self.forget_texts(running, |until, _| until < today).await;
            tokio::time::sleep(DAY).await;
        }
    }

    async fn forget_texts(&self, running: &Running, which: impl Fn(u64, &str) -> bool) {
        let kept = running.host.load_all(PREFIX).await.unwrap_or_else(|error| {
            tracing::warn!(instance = %self.scope.instance, %error, "the texts of long messages cannot be looked through");
            Vec::new()
        });
        for (reference, _) in kept {
            let Some((until, key)) = parts_of(&reference) else { continue };
            if which(until, key) {
                self.save(&reference, None).await;
            }
        }
    }
}

/// Until which day a text is kept, and of which message it is.
fn parts_of(reference: &str) -> Option<(u64, &str)> {
    let (until, key) = reference.strip_prefix(PREFIX)?.split_once('/')?;
    Some((until.parse().ok()?, key))
}

/// What is said of a message that is too long.
fn beginning(words: &str) -> String {
    let lines: Vec<_> = words.split('\n').filter(|line| !line.trim().is_empty()).take(SAID).collect();
    let said = lines.join("\n");
    if said.len() <= SAID_BYTES {
        return format!("{said} …");
    }
    let end = said.floor_char_boundary(SAID_BYTES);
    let end = said[..end].rfind(' ').unwrap_or(end);
    // Formatting that the cut leaves open must not colour the rest.
    format!("{}{} …", said[..end].trim_end(), format::codes::RESET)
}

/// Days since the epoch.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY.as_secs())
}
