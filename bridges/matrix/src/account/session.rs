//! The account's device: signed in once, kept in the instance's directory, restored at every start.
//!
//! `session.json` names the device, its token, the directory of its stores and the fingerprint of its keys. A device
//! whose stores are gone cannot read what is encrypted for it and must not go on as if it were new: that is found
//! here and said. Called by the mode's loop, by `login` and by `doctor`.

use super::config::Config;
use super::trouble;
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::encryption::{BackupDownloadStrategy, EncryptionSettings};
use matrix_sdk::ruma::{OwnedDeviceId, OwnedUserId};
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{Client, SessionMeta, SessionTokens};
use monster_bridge_api::Secret;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that names the device.
const FILE: &str = "session.json";
/// The SDK's database of keys within a directory of stores.
const KEYS: &str = "matrix-sdk-crypto.sqlite3";

/// The account cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSession {
    /// Nobody has signed in, and the configuration has neither password nor token.
    #[error(
        "nobody is signed in: give `user` and `password` in the configuration, or use `monster-gateway login {instance}`"
    )]
    SignedOut {
        /// The instance.
        instance: String,
    },
    /// The device is there, its keys are not.
    #[error(
        "the encryption keys of the device {device} are gone from {}: what was encrypted for it cannot be read any more. \
         Put the directory back from a backup, or sign in as a new device with `monster-gateway login {instance}` \
         (with a recovery key, older messages can be read again)", place.display()
    )]
    KeysLost {
        /// The device.
        device: String,
        /// Where they should be.
        place: PathBuf,
        /// The instance.
        instance: String,
    },
    /// The files cannot be read or written.
    #[error("the files in {}: {why}", place.display())]
    Files {
        /// Where.
        place: PathBuf,
        /// What happened.
        why: String,
    },
    /// The homeserver does not let the account in.
    #[error("signing in: {0}")]
    Refused(String),
}

/// What is kept of a device.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    user: OwnedUserId,
    device: OwnedDeviceId,
    token: String,
    stores: String,
    fingerprint: Option<String>,
}

/// How somebody signs in.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// With a password, as a new device.
    Password {
        /// Whose.
        user: String,
        /// It.
        password: Secret,
    },
    /// As a device that was signed in elsewhere.
    Token(Secret),
}

/// Where an account's device lives.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) instance: String,
    pub(crate) dir: PathBuf,
}

impl Home {
    /// The device as it was kept, or as the configuration signs it in the first time.
    pub(crate) async fn open(&self, config: &Config) -> Result<Client, NoSession> {
        if let Some(saved) = self.read()? {
            return self.restore(config, saved).await;
        }
        let credentials = match (&config.user, &config.password, &config.access_token) {
            (Some(user), Some(password), _) => Credentials::Password { user: user.clone(), password: password.clone() },
            (_, _, Some(token)) => Credentials::Token(token.clone()),
            _ => return Err(self.signed_out()),
        };
        self.sign_in(config, credentials, config.recovery_key.as_ref()).await
    }

    /// Signs in, and forgets the device there was before.
    pub(crate) async fn sign_in(
        &self,
        config: &Config,
        credentials: Credentials,
        recovery_key: Option<&Secret>,
    ) -> Result<Client, NoSession> {
        let stores = format!("stores-{:016x}", rand::random::<u64>());
        let client = self.client(config, &stores).await?;
        match credentials {
            Credentials::Password { user, password } => {
                let login = client.matrix_auth().login_username(&user, password.reveal());
                let login = login.initial_device_display_name(&config.device_name);
                login.send().await.map_err(|error| NoSession::Refused(trouble::in_words(&error)))?;
            }
            Credentials::Token(token) => use_token(&client, config, &token).await?,
        }
        client.encryption().wait_for_e2ee_initialization_tasks().await;
        if let Some(key) = recovery_key
            && let Err(error) = client.encryption().recovery().recover(key.reveal()).await
        {
            tracing::warn!(%error, "the recovery key could not be used: older messages cannot be read");
        }
        let before = self.read().ok().flatten();
        self.keep(&client, stores).await?;
        if let Some(before) = before {
            self.forget(&before.stores);
        }
        Ok(client)
    }

    /// Whether a device is there with its keys, without signing in.
    pub(crate) fn look(&self, config: &Config) -> Result<String, NoSession> {
        let Some(saved) = self.read()? else {
            return if config.password.is_some() || config.access_token.is_some() {
                Ok("nobody is signed in yet; the first start does it".to_owned())
            } else {
                Err(self.signed_out())
            };
        };
        let place = self.dir.join(&saved.stores);
        if !place.join(KEYS).is_file() {
            return Err(self.lost(&saved, place));
        }
        Ok(format!("signed in as {}, device {}, whose keys are there", saved.user, saved.device))
    }

    fn signed_out(&self) -> NoSession {
        NoSession::SignedOut { instance: self.instance.clone() }
    }

    fn lost(&self, saved: &Saved, place: PathBuf) -> NoSession {
        NoSession::KeysLost { device: saved.device.to_string(), place, instance: self.instance.clone() }
    }

    async fn restore(&self, config: &Config, saved: Saved) -> Result<Client, NoSession> {
        let place = self.dir.join(&saved.stores);
        if !place.join(KEYS).is_file() {
            return Err(self.lost(&saved, place));
        }
        let client = self.client(config, &saved.stores).await?;
        let meta = SessionMeta { user_id: saved.user.clone(), device_id: saved.device.clone() };
        let tokens = SessionTokens { access_token: saved.token.clone(), refresh_token: None };
        let session = MatrixSession { meta, tokens };
        let restored = client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await;
        restored.map_err(|error| NoSession::Files { place: place.clone(), why: error.to_string() })?;
        let fingerprint = client.encryption().ed25519_key().await;
        if saved.fingerprint.is_some() && fingerprint != saved.fingerprint {
            return Err(self.lost(&saved, place));
        }
        Ok(client)
    }

    async fn client(&self, config: &Config, stores: &str) -> Result<Client, NoSession> {
        let place = self.dir.join(stores);
        let failed = |why: String| NoSession::Files { place: place.clone(), why };
        std::fs::create_dir_all(&place).map_err(|error| failed(error.to_string()))?;
        let encryption = EncryptionSettings {
            auto_enable_cross_signing: true,
            backup_download_strategy: BackupDownloadStrategy::AfterDecryptionFailure,
            auto_enable_backups: true,
        };
        let requests = RequestConfig::new().retry_limit(2).timeout(Duration::from_secs(30));
        let builder = Client::builder()
            .homeserver_url(&config.homeserver)
            .respect_login_well_known(false)
            .sqlite_store(&place, None)
            .request_config(requests)
            .with_encryption_settings(encryption);
        builder.build().await.map_err(|error| failed(error.to_string()))
    }

    async fn keep(&self, client: &Client, stores: String) -> Result<(), NoSession> {
        let Some(session) = client.matrix_auth().session() else {
            return Err(NoSession::Refused("the homeserver gave no session".to_owned()));
        };
        let saved = Saved {
            user: session.meta.user_id,
            device: session.meta.device_id,
            token: session.tokens.access_token,
            stores,
            fingerprint: client.encryption().ed25519_key().await,
        };
        self.write(&saved)
    }

    fn read(&self) -> Result<Option<Saved>, NoSession> {
        let text = match std::fs::read_to_string(self.dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.files(&error.to_string())),
        };
        serde_json::from_str(&text).map(Some).map_err(|_| self.files(&format!("`{FILE}` is damaged")))
    }

    /// Written whole under another name first, so that a crash leaves the old or the new one.
    fn write(&self, saved: &Saved) -> Result<(), NoSession> {
        let text = serde_json::to_vec(saved).map_err(|error| self.files(&error.to_string()))?;
        let (half, whole) = (self.dir.join(format!("{FILE}.new")), self.dir.join(FILE));
        let write = || -> std::io::Result<()> {
            write_private(&half, &text)?;
            std::fs::rename(&half, &whole)
        };
        write().map_err(|error| self.files(&error.to_string()))
    }

    fn forget(&self, stores: &str) {
        // The name is our own, but the file can have been edited.
        if stores.starts_with("stores-") && !stores.contains(['/', '.']) {
            let _ = std::fs::remove_dir_all(self.dir.join(stores));
        }
    }

    fn files(&self, why: &str) -> NoSession {
        NoSession::Files { place: self.dir.clone(), why: why.to_owned() }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whose a token is (Client-Server API, `GET /account/whoami`).
#[derive(Deserialize)]
struct Who {
    user_id: OwnedUserId,
    device_id: Option<OwnedDeviceId>,
}

/// Becomes the device that a token belongs to.
async fn use_token(client: &Client, config: &Config, token: &Secret) -> Result<(), NoSession> {
    let refused = |why: &str| NoSession::Refused(why.to_owned());
    let url = format!("{}/_matrix/client/v3/account/whoami", config.homeserver);
    let answer = client.http_client().get(url).bearer_auth(token.reveal()).send().await;
    let answer = answer.map_err(|_| refused("the homeserver cannot be reached"))?;
    if !answer.status().is_success() {
        return Err(refused("the homeserver does not know the token"));
    }
    let who: Who = answer.json().await.map_err(|_| refused("the homeserver's answer cannot be read"))?;
    let device_id = who.device_id.ok_or_else(|| refused("the token belongs to no device"))?;
    let session = MatrixSession {
        meta: SessionMeta { user_id: who.user_id, device_id },
        tokens: SessionTokens { access_token: token.reveal().to_owned(), refresh_token: None },
    };
    let restored = client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await;
    restored.map_err(|error| NoSession::Refused(trouble::in_words(&error)))
}
