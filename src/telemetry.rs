//! What the gateway says about itself: log lines on standard error.
//!
//! Called by the commands: [`start`] once by `run`, [`Handle::set_filter`] on SIGHUP. What may be
//! logged where is a rule for everybody: message texts, tokens and passwords at trace level only,
//! query strings never. Libraries that would log requests whole are held to `info` unless the
//! filter names them.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Libraries that tell more than ours may: addresses with query strings, frames, handshakes, and the
/// passwords of ICE (`is` is str0m's agent).
const TALKATIVE: [&str; 11] = [
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tungstenite",
    "tokio_tungstenite",
    "axum",
    "tower",
    "str0m",
    "is",
    "dimpl",
];

/// Changes what is said while the gateway runs.
#[derive(Debug, Clone)]
pub struct Handle(reload::Handle<EnvFilter, Registry>);

/// The log cannot be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("the log filter is not one: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already, or it has ended.
    #[error("the log cannot be started: {0}")]
    Start(String),
}

/// Starts the log of this process.
pub fn start(log: &Log) -> Result<Handle, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Human => registry
            .with(fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr))
            .try_init(),
    };
    started.map_err(|why| TelemetryError::Start(why.to_string()))?;
    log_panics();
    Ok(Handle(handle))
}

impl Handle {
    /// Says more or less from now on.
    pub fn set_filter(&self, text: &str) -> Result<(), TelemetryError> {
        let filter = filter(text)?;
        self.0.reload(filter).map_err(|why| TelemetryError::Start(why.to_string()))
    }
}

fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    let quiet: String = TALKATIVE.map(|name| format!("{name}=info,")).concat();
    // What comes later counts, so the filter can name one of them and hear it.
    Ok(EnvFilter::try_new(format!("{quiet}{text}"))?)
}

/// Makes a panic one log line. Its message could quote anything, so only its place is told above
/// trace level.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(%place, thread, "a task panicked; what it served is started again");
        tracing::trace!(message = panic.payload_as_str().unwrap_or_default(), "the panic said");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talkative_libraries_are_quiet_unless_named() {
        let shown = filter("debug").unwrap().to_string();
        assert!(shown.contains("hyper=info") && shown.contains("debug"), "{shown}");
        let shown = filter("info,hyper=trace").unwrap().to_string();
        assert!(shown.contains("hyper=trace") && !shown.contains("hyper=info"), "{shown}");
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(filter("a=b=c").is_err());
    }
}
