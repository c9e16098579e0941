//! The configuration: built-in defaults, a TOML file, and variables of the environment, laid over
//! each other, read whole, and every fault of it told with its key and line.
//!
//! `sections` declares what there is, `layers` brings the values together, `bridges` reads the
//! sections of networks, and `render` writes `config/default.toml` and `docs/configuration.md` from
//! the declarations. The commands load it before they do anything; nothing here opens a socket or
//! makes a directory.

mod bridges;
mod layers;
mod problem;
mod render;
mod section;
mod sections;
mod setting;

pub use bridges::{Instance, RESERVED};
pub use layers::Source;
pub use problem::{Place, Problem, Problems};
pub use render::{default_toml, reference};
pub use sections::{Calls, Delivery, Identity, Limits, Log, Media, Metrics, Server};
pub use setting::{LogFormat, PublicUrl, Secret};

use crate::core::Registry;
use layers::Reader;
use section::{Outline, Section};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The variable that names the configuration file.
pub const FILE_VARIABLE: &str = "MONSTER_GATEWAY_CONFIG";
/// The file that is read if nobody names one and it is there.
pub const USUAL_FILE: &str = "monster-gateway.toml";

/// The sections that every gateway has, in the order of the documentation.
const SECTIONS: [Outline; 8] = [
    Outline::of::<Server>(),
    Outline::of::<Identity>(),
    Outline::of::<Calls>(),
    Outline::of::<Limits>(),
    Outline::of::<Delivery>(),
    Outline::of::<Media>(),
    Outline::of::<Log>(),
    Outline::of::<Metrics>(),
];

/// A configuration without faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[identity]`
    pub identity: Identity,
    /// `[calls]`
    pub calls: Calls,
    /// `[bridges.*]`, by name; only those that are enabled.
    pub bridges: Vec<Instance>,
    /// `[limits]`
    pub limits: Limits,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[media]`
    pub media: Media,
    /// `[log]`
    pub log: Log,
    /// `[metrics]`
    pub metrics: Metrics,
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Loads the configuration of this process: the file given, or the one that
    /// `MONSTER_GATEWAY_CONFIG` names, or `monster-gateway.toml` if there is one; and the
    /// environment.
    pub fn load(file: Option<&Path>, kinds: &Registry) -> Result<Self, Problems> {
        let environment: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file
            .map(Path::to_owned)
            .or_else(|| environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let usual = || Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists());
        let source = match named.or_else(usual) {
            None => None,
            Some(path) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(Source { path, text }),
                Err(why) => {
                    let why = format!("cannot read the configuration file: {why}");
                    let place = Place::File { path, line: None };
                    return Err(Problems(vec![Problem { place, key: String::new(), why }]));
                }
            },
        };
        Self::read(source, environment, kinds)
    }

    /// Reads a configuration from its layers.
    pub fn read(
        source: Option<Source>,
        environment: HashMap<String, String>,
        kinds: &Registry,
    ) -> Result<Self, Problems> {
        let file = source.as_ref().map(|source| source.path.clone());
        let mut reader =
            Reader::new(&render::built_in(), source, environment).map_err(|problem| Problems(vec![problem]))?;
        reader.refuse_unknown(&SECTIONS);
        let server = Server::read(&mut reader);
        let identity = Identity::read(&mut reader);
        let calls = Calls::read(&mut reader);
        let limits = Limits::read(&mut reader);
        let delivery = Delivery::read(&mut reader);
        let media = Media::read(&mut reader);
        let log = Log::read(&mut reader);
        let metrics = Metrics::read(&mut reader);
        // Faults of bridges show even if the server section has faults, too.
        let fallback = bridges::Surroundings {
            public_host: "localhost",
            public_url: "http://localhost",
            data_dir: Path::new("data"),
        };
        let surroundings = server.as_ref().map_or(fallback, bridges::Surroundings::of);
        let bridges = bridges::read(&mut reader, kinds, &surroundings);
        let config = (|| {
            Some(Self {
                server: server?,
                identity: identity?,
                calls: calls?,
                bridges,
                limits: limits?,
                delivery: delivery?,
                media: media?,
                log: log?,
                metrics: metrics?,
                file,
            })
        })();
        let mut problems = reader.into_problems();
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems(problems)),
        }
    }
}

#[cfg(test)]
mod tests;
