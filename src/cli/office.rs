//! What commands work on: the configuration, the store of the gateway it describes, and the
//! administration over that store. A gateway that runs on the same store notices what is changed.

use super::failure::{Failure, Outcome};
use crate::app::{bridge_kinds, open_store};
use crate::config::Config;
use crate::core::{Admin, Environment, seen};
use crate::store::{InstanceLock, Store};
use monster_protocol::Address;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A number of seconds on the command line, up to a year.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=31_536_000.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

/// Reads the configuration.
pub(super) fn load(file: Option<&Path>) -> Outcome<Config> {
    Ok(Config::load(file, &bridge_kinds())?)
}

/// The store of a gateway, and what is done with it.
pub(super) struct Office {
    pub(super) store: Arc<dyn Store>,
    pub(super) admin: Admin,
    pub(super) environment: Environment,
    data_dir: PathBuf,
}

impl Office {
    /// Opens the store that the configuration describes.
    pub(super) async fn open(config: &Config) -> Outcome<Self> {
        check_owner(&config.server.data_dir)?;
        let store = open_store(&config.server.data_dir).await.map_err(Failure::system)?;
        let environment = Environment::system();
        let ours = config.server.public_url.authority().clone();
        let admin = Admin::new(environment.clone(), Arc::clone(&store), ours);
        let kinds = bridge_kinds();
        for instance in &config.bridges {
            let bridge = instance.build(&kinds, &config.server);
            admin.register_bridge(
                &instance.name,
                bridge.map_err(|why| Failure::data(format!("bridges.{}.{why}", instance.name)))?,
            );
        }
        admin.reload().await?;
        Ok(Self { store, admin, environment, data_dir: config.server.data_dir.clone() })
    }

    /// Waits until a gateway that runs on this store has seen what was changed, so that whoever
    /// called the command can go on at once.
    pub(super) async fn settle(&self) {
        if InstanceLock::is_held(&self.data_dir) {
            let mut token = [0; 16];
            self.environment.random.fill(&mut token);
            seen(self.store.as_ref(), &format!("{:032x}", u128::from_be_bytes(token))).await;
        }
    }
}

/// Root would leave files in the directory that the gateway's own user cannot write.
pub(super) fn check_owner(data_dir: &Path) -> Outcome {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = std::fs::metadata(data_dir) else { return Ok(()) };
    let me = rustix::process::geteuid();
    if me.is_root() && metadata.uid() != 0 {
        return Err(Failure::permission(format!(
            "{} belongs to the user with id {}; run this as that user, e.g. with `sudo -u '#{}'`",
            data_dir.display(),
            metadata.uid(),
            metadata.uid()
        )));
    }
    Ok(())
}

/// Reads an address of the command line.
pub(super) fn address(text: &str) -> Result<Address, String> {
    text.parse::<Address>().map_err(|why| why.to_string())
}
