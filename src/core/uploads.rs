//! Files that accounts of this gateway send. They are kept below the data directory, each account's
//! in a directory of its own, as long as a link to them is good, and handed out as any other file
//! (`files`). Part of [`Core`]; the account API calls it.

use super::Core;
use super::files::{DAY_MS, FileSettings, file_name};
use super::keys::new_key;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use monster_bridge_api::{Attachment, AttachmentShape, InstanceName, Media, MediaError, MediaFile};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use tokio_util::codec::{BytesCodec, FramedRead};

/// What a file that is still on its way ends with.
const UNFINISHED: &str = ".part";

/// Accounts whose file is on its way.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashSet<String>>);

/// An account's turn; dropping it lets its next file come.
struct Turn<'a>(&'a Uploads, String);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

/// A file that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The link to it.
    pub url: String,
    /// What it is called.
    pub name: String,
    /// Its media type, as it was given.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Core {
    /// Takes a file of an account, and gives the link to it.
    ///
    /// # Errors
    /// In words: if it is too large, or there is no room for it.
    pub async fn take_file(
        &self,
        account: &Address,
        (name, media_type): (&str, &str),
        body: impl Stream<Item = Result<Bytes, io::Error>> + Unpin,
    ) -> Result<Uploaded, MediaError> {
        let FileSettings { upload_dir, upload_bytes, upload_quota, link_days, .. } = &self.settings.files;
        let root = upload_dir.as_ref().ok_or_else(|| MediaError::Refused("no files are taken here".to_owned()))?;
        let owner = owner_of(account);
        if !self.uploads.0.lock().insert(owner.clone()) {
            return Err(MediaError::Unavailable(
                "another file of yours is on its way; send one after the other".to_owned(),
            ));
        }
        let turn = Turn(&self.uploads, owner);
        let dir = root.join(&turn.1);
        fs::create_dir_all(&dir).await.map_err(|error| failed(&error))?;
        let used = used(&dir).await.map_err(|error| failed(&error))?;
        let left = upload_quota.saturating_sub(used);
        if left == 0 {
            return Err(MediaError::Refused(
                "your files take all the room that there is for you; they go by themselves".to_owned(),
            ));
        }
        let until = self.environment.now_ms() / DAY_MS + i64::from(*link_days) + 1;
        let file = format!("{until}-{}", new_key(&self.environment));
        let size = write(&dir, &file, body, left.min(*upload_bytes)).await?;
        let reference = format!("{}/{file}", turn.1);
        let (name, media_type) = (file_name(name), media_type.to_owned());
        let named = MediaFile { reference, name: name.clone(), media_type: media_type.clone() };
        Ok(Uploaded { url: self.media_link(&InstanceName::new(""), &named), name, media_type, size })
    }

    /// Opens a file that an account sent. The reference comes from a link of ours.
    pub(crate) async fn open_upload(&self, reference: &str) -> Result<Media, MediaError> {
        let gone = || MediaError::Gone("this file is not kept any more".to_owned());
        let root = self.settings.files.upload_dir.as_ref().ok_or_else(gone)?;
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let (owner, file) =
            reference.split_once('/').filter(|(owner, file)| plain(owner) && plain(file)).ok_or_else(gone)?;
        let file = File::open(root.join(owner).join(file)).await.map_err(|_| gone())?;
        let size = file.metadata().await.map_err(|error| failed(&error))?.len();
        let body = FramedRead::new(file, BytesCodec::new()).map(|piece| piece.map(BytesMut::freeze));
        Ok(Media { media_type: None, size: Some(size), body: body.boxed() })
    }

    /// The file that a message of an account consists of: nothing but the link to it.
    pub(crate) fn upload_in(&self, text: &str) -> Option<Attachment> {
        let url = text.trim();
        let (name, media_type) = self.upload_behind(url)?;
        Some(Attachment { name, media_type, size: None, url: url.to_owned(), shape: AttachmentShape::File })
    }

    /// Removes the files to which no link is good any more.
    pub(crate) async fn prune_uploads(&self) {
        let Some(root) = self.settings.files.upload_dir.clone() else { return };
        let today = self.environment.now_ms() / DAY_MS;
        let pruned = tokio::task::spawn_blocking(move || prune(&root, today)).await;
        match pruned {
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "old files of accounts were not removed");
            }
            _ => {}
        }
    }
}

/// The directory of an account: a name of an account may hold anything.
fn owner_of(account: &Address) -> String {
    let mut owner = String::with_capacity(32);
    for byte in &digest(&SHA256, account.as_str().as_bytes()).as_ref()[..16] {
        let _ = write!(owner, "{byte:02x}");
    }
    owner
}

/// How many bytes the files in a directory have.
async fn used(dir: &Path) -> io::Result<u64> {
    let (mut entries, mut used) = (fs::read_dir(dir).await?, 0);
    while let Some(entry) = entries.next_entry().await? {
        used += entry.metadata().await.map_or(0, |metadata| metadata.len());
    }
    Ok(used)
}

/// Writes a file that is there whole or not at all; gives its size.
async fn write(
    dir: &Path,
    name: &str,
    body: impl Stream<Item = Result<Bytes, io::Error>> + Unpin,
    limit: u64,
) -> Result<u64, MediaError> {
    let unfinished = Unfinished(Some(dir.join(format!("{name}{UNFINISHED}"))));
    let Some(path) = unfinished.0.as_deref() else { return Ok(0) };
    let mut file = File::create_new(path).await.map_err(|error| failed(&error))?;
    let size = pour(&mut file, body, limit).await?;
    file.sync_all().await.map_err(|error| failed(&error))?;
    fs::rename(path, dir.join(name)).await.map_err(|error| failed(&error))?;
    unfinished.keep();
    Ok(size)
}

async fn pour(
    file: &mut File,
    mut body: impl Stream<Item = Result<Bytes, io::Error>> + Unpin,
    limit: u64,
) -> Result<u64, MediaError> {
    let mut size = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| MediaError::Unavailable("the file ended early".to_owned()))?;
        size += piece.len() as u64;
        if size > limit {
            return Err(MediaError::TooLarge { limit });
        }
        file.write_all(&piece).await.map_err(|error| failed(&error))?;
    }
    file.flush().await.map_err(|error| failed(&error))?;
    Ok(size)
}

/// A file that goes again unless it becomes whole, also if nobody waits for it any more.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // One quick call; what is left is removed with what is old.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn prune(root: &Path, today: i64) -> io::Result<()> {
    for owner in std::fs::read_dir(root)? {
        let dir = owner?.path();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let until = name.to_str().and_then(|name| name.split_once('-')?.0.parse::<i64>().ok());
            if until.is_none_or(|until| until < today) {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

fn failed(error: &io::Error) -> MediaError {
    tracing::error!(%error, "a file could not be kept");
    MediaError::Unavailable("the file could not be kept; try again".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_when_their_links_end_and_with_them_what_never_became_whole() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("0123");
        std::fs::create_dir(&dir).unwrap();
        for name in ["20000-mg-a", "20001-mg-b", "19999-mg-c.part", "nonsense"] {
            std::fs::write(dir.join(name), "x").unwrap();
        }
        prune(root.path(), 20_001).unwrap();
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["20001-mg-b"]);
    }
}
