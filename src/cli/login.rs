//! The command `login`: signs a bridge in, asking at the terminal.

use super::failure::{Failure, Outcome};
use super::{office, print};
use crate::app::bridge_kinds;
use async_trait::async_trait;
use clap::Args;
use monster_bridge_api::{Ask, RequestError};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, Write as _};
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct Login {
    /// The bridge instance.
    bridge: String,
}

impl Login {
    pub(super) async fn run(self, file: Option<&Path>) -> Outcome {
        let config = office::load(file)?;
        office::check_owner(&config.server.data_dir)?;
        let name = self.bridge;
        let Some(instance) = config.bridges.iter().find(|instance| instance.name.as_str() == name) else {
            return Err(Failure::missing(format!("no bridge `{name}` is configured")));
        };
        let bridge = instance.build(&bridge_kinds(), &config.server);
        let bridge = bridge.map_err(|why| Failure::data(format!("bridges.{name}.{why}")))?;
        match bridge.login(&Terminal).await {
            Ok(line) => print::line(&line),
            Err(RequestError::Unavailable(why)) => Err(Failure::unavailable(why)),
            Err(RequestError::Refused(why) | RequestError::Unknown(why)) => Err(Failure::data(why)),
        }
    }
}

/// The person who called the command. Without a terminal, answers are the lines of the input.
struct Terminal;

#[async_trait]
impl Ask for Terminal {
    async fn ask(&self, question: &str, hidden: bool) -> Result<String, RequestError> {
        let question = question.to_owned();
        let answer = tokio::task::spawn_blocking(move || ask(&question, hidden)).await;
        let answer = answer.map_err(std::io::Error::other).and_then(|answer| answer);
        answer.map_err(|error| RequestError::Unavailable(format!("nobody answers at the terminal: {error}")))
    }
}

fn ask(question: &str, hidden: bool) -> std::io::Result<String> {
    let mut shown = std::io::stderr();
    write!(shown, "{question}")?;
    shown.flush()?;
    let silence = hidden.then(Silence::begin).flatten();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    if silence.is_some() {
        writeln!(shown)?;
    }
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, what is typed is not shown.
struct Silence(Termios);

impl Silence {
    /// `None` where there is no terminal.
    fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
