//! `run`: the gateway as a process: log, signals, systemd. The gateway itself is `app`'s.

use super::failure::{Failure, Outcome};
use super::{office, small};
use crate::app::{Gateway, Running, StartError};
use crate::config::Config;
use crate::telemetry::{self, Handle};
use sd_notify::NotifyState;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How much longer than it should a stop may take before the process just ends.
const STOP_OVERTIME: Duration = Duration::from_secs(5);

/// Runs the gateway until it is told to stop.
pub(super) fn run(file: Option<&Path>) -> Outcome {
    let config = office::load(file)?;
    office::check_owner(&config.server.data_dir)?;
    let log = telemetry::start(&config.log).map_err(Failure::system)?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("gateway").build();
    let runtime = runtime.map_err(|why| Failure::system(format!("cannot start: {why}")))?;
    let outcome = runtime.block_on(serve(file, config, &log));
    // What still blocks a thread (a resolver) has nothing left to lose.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(file: Option<&Path>, config: Config, log: &Handle) -> Outcome {
    let mut signals = Signals::listen()?;
    let public_url = config.server.public_url.as_str().to_owned();
    let stop_within = Duration::from_secs(config.server.stop_seconds) + STOP_OVERTIME;
    let from = config.file.as_ref().map_or("built-in".to_owned(), |file| file.display().to_string());
    let gateway = Gateway::start(config).await?;
    tracing::info!(listen = %gateway.address, configuration = from, "monster-gateway is ready at {public_url}");
    notify(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog());
    loop {
        match signals.next().await {
            Told::Reload => reload(file, &gateway, log),
            Told::Stop(by) => {
                tracing::info!(signal = by, "stopping");
                break;
            }
        }
    }
    notify(&[NotifyState::Stopping]);
    watchdog.abort();
    tokio::select! {
        done = tokio::time::timeout(stop_within, gateway.stop()) => {
            if done.is_err() {
                return Err(Failure::system("stopping took too long; what was in flight stays in the journal"));
            }
        }
        Told::Stop(by) = signals.next_stop() => {
            tracing::warn!(signal = by, "told again to stop: ending at once");
            return Ok(());
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Reads the configuration anew and takes over what can change while running.
fn reload(file: Option<&Path>, gateway: &Running, log: &Handle) {
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match Config::load(file, &crate::app::bridge_kinds()) {
        Ok(config) => {
            if let Err(error) = log.set_filter(&config.log.filter) {
                tracing::error!(%error, "the log filter stays as it was");
            }
            gateway.set_limits(&config.limits);
            tracing::info!("took over log filter and limits; everything else needs a restart");
        }
        Err(problems) => {
            for problem in &problems.0 {
                tracing::error!(%problem, "the configuration was not read anew");
            }
        }
    }
    notify(&[NotifyState::Ready]);
}

/// What the process is told by signals.
enum Told {
    Stop(&'static str),
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|why| Failure::system(format!("cannot listen for signals: {why}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Told::Stop("SIGINT"),
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    async fn next_stop(&mut self) -> Told {
        loop {
            if let stop @ Told::Stop(_) = self.next().await {
                return stop;
            }
        }
    }
}

/// Tells systemd, where it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Shows systemd that the runtime still turns, where it asked for that.
async fn feed_watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// Every socket is a file; the soft limit of most systems is a thousand.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match &error {
            StartError::Bind { address, why } if why.kind() == std::io::ErrorKind::AddrInUse => {
                let who = if small::is_gateway(*address) {
                    "a gateway runs there already"
                } else {
                    "another program listens there"
                };
                Self::system(format!("cannot listen on {address}: {who}; `server.listen` says where to listen"))
            }
            StartError::Lock(_) => Self::later(error),
            StartError::Bridge { .. } => Self::data(error),
            _ => Self::system(error),
        }
    }
}
