//! `backup` and `restore`: copies of the store.

use super::failure::{Failure, Outcome};
use super::office::{self, Office};
use super::print;
use crate::store::sqlite;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not be there.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file that `backup` wrote.
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, office: &Office) -> Outcome {
        Ok(office.store.backup(&self.file).await?)
    }
}

impl Restore {
    pub(super) fn run(self, config: Option<&Path>) -> Outcome {
        let config = office::load(config)?;
        office::check_owner(&config.server.data_dir)?;
        if !self.file.exists() {
            return Err(Failure::missing(format!("there is no file {}", self.file.display())));
        }
        sqlite::restore(&self.file, &config.server.data_dir).map_err(Failure::data)?;
        print::complain("the store is as it was when the copy was made; what was there before is gone");
        Ok(())
    }
}
