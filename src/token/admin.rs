//! The administrator's token: made at the first start, kept in a file that only the gateway's own
//! user can read, compared in constant time. Called by `http::api` (every request), by `main` at
//! the start, and by the command `admin-token`.

use super::{Random, make_up};
use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;

/// The file's name within `server.data_dir`.
pub const FILE_NAME: &str = "admin-token";

/// The shortest token that is read from a file: somebody may put one of their own there.
const SHORTEST: usize = 32;

/// The bearer token of the provisioning API. It does not print itself.
#[derive(Clone)]
pub struct AdminToken(String);

/// The file with the token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file or its directory cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} does not hold a token (one line of at least {SHORTEST} letters, digits, `-` or `_`); remove it, and a \
         new one is made",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
}

impl AdminToken {
    /// The token of this data directory; made, together with the directory, if there is none yet.
    /// Processes that do so at the same time get the same one.
    pub fn load_or_make(data_dir: &Path, random: Random<'_>) -> Result<Self, TokenError> {
        let path = data_dir.join(FILE_NAME);
        if let Some(token) = Self::load(&path)? {
            return Ok(token);
        }
        make(data_dir, &path, random)?;
        // Read back: another process may have been first.
        Self::load(&path)?.ok_or(TokenError::Damaged { path })
    }

    /// The token, for the one who administrates the gateway.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether somebody presented this token; takes the same time wherever they differ.
    pub fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    fn load(path: &Path) -> Result<Option<Self>, TokenError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(TokenError::Damaged { path: path.to_owned() });
            }
            Err(source) => return Err(TokenError::Io { doing: "read", path: path.to_owned(), source }),
        };
        let token = text.trim();
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.len() < SHORTEST || !token.bytes().all(valid) {
            return Err(TokenError::Damaged { path: path.to_owned() });
        }
        Ok(Some(Self(token.to_owned())))
    }
}

/// Writes a new token under another name and links it to its own, which never replaces one and
/// never shows half of one.
fn make(data_dir: &Path, path: &Path, random: Random<'_>) -> Result<(), TokenError> {
    let draft = data_dir.join(format!("{FILE_NAME}.{}", make_up(random)));

    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| TokenError::Io { doing, path, source }
    };
    std::fs::create_dir_all(data_dir).map_err(failed("make", data_dir))?;
    let linked =
        write_private(&draft, &make_up(random)).map_err(failed("write", &draft)).and_then(
            |()| match std::fs::hard_link(&draft, path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("make", path)(error)),
                _ => Ok(()),
            },
        );
    // Whether it worked or not, the draft has no further use.
    let _ = std::fs::remove_file(&draft);
    linked
}

fn write_private(path: &Path, token: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn chance(bytes: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), bytes);
    }

    #[test]
    fn the_token_is_made_once_and_only_its_owner_can_read_it() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("not/there/yet");
        let first = AdminToken::load_or_make(&data, &chance).unwrap();
        let second = AdminToken::load_or_make(&data, &chance).unwrap();
        assert_eq!(first.reveal(), second.reveal());
        assert_eq!(first.reveal().len(), 43);

        let mode = std::fs::metadata(data.join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, [FILE_NAME]);
    }

    #[test]
    fn processes_that_start_at_once_get_the_same_token() {
        let data = tempfile::tempdir().unwrap();
        let tokens: Vec<_> = std::thread::scope(|scope| {
            let load = || AdminToken::load_or_make(data.path(), &chance).unwrap().0;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }

    #[test]
    fn only_the_token_itself_is_taken() {
        let data = tempfile::tempdir().unwrap();
        let token = AdminToken::load_or_make(data.path(), &chance).unwrap();
        assert!(token.is(token.reveal()));
        for wrong in ["", " ", &token.reveal()[1..], &format!("{}x", token.reveal())] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(!format!("{token:?}").contains(token.reveal()));
    }

    #[test]
    fn a_damaged_file_is_named_and_not_overwritten() {
        let data = tempfile::tempdir().unwrap();
        for content in ["", "short", "a token with spaces in it is not a token at all"] {
            std::fs::write(data.path().join(FILE_NAME), content).unwrap();
            let error = AdminToken::load_or_make(data.path(), &chance).unwrap_err();
            assert!(error.to_string().contains(FILE_NAME), "{error}");
            assert_eq!(std::fs::read_to_string(data.path().join(FILE_NAME)).unwrap(), content);
        }
    }
}
