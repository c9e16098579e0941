//! The commands: what the program does when it is called from a shell.
//!
//! Each command is a module; what they share is in `office` (the store of the configured gateway),
//! `failure` (how a command ends) and `print`. `main` calls [`main`] and does nothing else. Commands
//! that change accounts, links or the map work on the store, whether a gateway runs on it or not.

mod accounts;
#[cfg(feature = "caller")]
mod call;
mod chat;
mod copies;
mod doctor;
mod failure;
mod home;
mod links;
mod login;
mod map;
mod office;
mod plain;
mod print;
mod run;
mod small;

use clap::{Parser, Subcommand};
use failure::{Failure, Outcome};
use std::path::PathBuf;
use std::process::ExitCode;

/// Connects Monster chat accounts with IRC, and with each other.
#[derive(Debug, Parser)]
#[command(name = "monster-gateway", version, disable_help_subcommand = true)]
struct Cli {
    /// The configuration file. Without it: the one that `MONSTER_GATEWAY_CONFIG` names, or
    /// `monster-gateway.toml` if there is one, or built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway. This is also what happens without a command.
    Run,
    /// Tell everything that is wrong with the configuration; exit code 78 if anything is.
    CheckConfig(small::CheckConfig),
    /// Try what the configuration needs from this machine, and say what to do about each failure.
    Doctor(doctor::Doctor),
    /// Make, list and remove local accounts.
    #[command(subcommand)]
    Account(accounts::AccountCommand),
    /// Join rooms of any networks into one conversation.
    #[command(subcommand)]
    Link(links::LinkCommand),
    /// The store of addresses and what they stand for on other networks.
    #[command(subcommand)]
    Map(map::MapCommand),
    /// Print the bearer token of the provisioning API.
    AdminToken,
    /// Write a consistent copy of the store to a new file; the gateway may be running.
    Backup(copies::Backup),
    /// Put a copy of the store back; the gateway must not be running.
    Restore(copies::Restore),
    /// Print what the server of a bridge's network needs to let it in, as a Matrix homeserver its
    /// registration of an application service.
    Registration(small::Registration),
    /// Sign a bridge in that needs a person for it (a Matrix account), asking at the terminal.
    Login(login::Login),
    Chat(chat::Chat),
    #[cfg(feature = "caller")]
    Call(call::Call),
    /// Ask the gateway of this configuration whether it is up; for health checks.
    Health(small::Health),
}

/// Reads the arguments, does what they say, and gives the code to exit with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { failure::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // Files of the gateway are nobody else's business.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match act(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.code())
        }
    }
}

fn act(cli: Cli) -> Outcome {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => run::run(config),
        Command::CheckConfig(command) => command.run(config),
        Command::Doctor(command) => blocking(command.run(config)),
        Command::Account(command) => {
            with_office(config, async |office| settled(&office, command.changes(), command.run(&office)).await)
        }
        Command::Link(command) => {
            with_office(config, async |office| settled(&office, command.changes(), command.run(&office)).await)
        }
        Command::Map(command) => {
            with_office(config, async |office| settled(&office, command.changes(), command.run(&office)).await)
        }
        Command::AdminToken => small::admin_token(config),
        Command::Backup(command) => with_office(config, async |office| command.run(&office).await),
        Command::Restore(command) => command.run(config),
        Command::Registration(command) => command.run(config),
        Command::Login(command) => blocking(command.run(config)),
        Command::Chat(command) => blocking(command.run(config)),
        #[cfg(feature = "caller")]
        Command::Call(command) => blocking(command.run(config)),
        Command::Health(command) => blocking(command.run(config)),
    }
}

/// Does something with the store and closes it properly, whatever came of it.
fn with_office(config: Option<&std::path::Path>, work: impl AsyncFnOnce(office::Office) -> Outcome) -> Outcome {
    let config = office::load(config)?;
    blocking(async {
        let office = office::Office::open(&config).await?;
        let store = std::sync::Arc::clone(&office.store);
        let outcome = work(office).await;
        store.close().await;
        outcome
    })
}

/// Does something, and lets a running gateway see what it changed.
async fn settled(office: &office::Office, changes: bool, work: impl Future<Output = Outcome>) -> Outcome {
    work.await?;
    if changes {
        office.settle().await;
    }
    Ok(())
}

/// Runs a future to its end on this thread.
fn blocking<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Failure::system(format!("cannot start: {why}")))?;
    let outcome = runtime.block_on(work);
    // What still blocks a thread (a resolver) is not waited for.
    runtime.shutdown_background();
    outcome
}
