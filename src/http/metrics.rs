//! `/metrics`: figures for Prometheus. Whoever counts something does so with the `metrics` macros;
//! this is the one place that collects, and that knows the buckets.

use crate::config::Secret;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Buckets for mean opinion scores.
const SCORES: [f64; 7] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.25];

/// Upper bounds of latencies, in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// The collected figures of this process. There is one recorder a process, however many gateways
/// a test starts in it.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// The handle of the process's recorder, installed when first asked for; `None` if something else
/// collects figures already.
pub fn recorder() -> Option<PrometheusHandle> {
    let mut installed = RECORDER.lock();
    if installed.is_none() {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_mos".to_owned()), &SCORES));
        *installed = builder.ok().and_then(|builder| builder.install_recorder().ok());
    }
    installed.clone()
}

/// What `/metrics` needs.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) handle: PrometheusHandle,
    pub(super) token: Secret,
    /// Sets the figures that are read when asked for, e.g. the store's.
    pub(super) gather: Arc<dyn Gather>,
}

/// Sets figures that nobody counts as they happen.
#[async_trait::async_trait]
pub trait Gather: Send + Sync + 'static {
    /// Sets them, by the `metrics` macros. Answers within a second or two.
    async fn gather(&self);
}

/// Answers `/metrics`.
pub(super) async fn show(State(figures): State<Figures>, request: Request) -> Response {
    if !figures.token.is_empty() {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(figures.token.expose().as_bytes())) {
            let why = "expected `Authorization: Bearer` with the token of `[metrics]`\n";
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], why).into_response();
        }
    }
    process::set();
    figures.gather.gather().await;
    figures.handle.run_upkeep();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, figures.handle.render()).into_response()
}

/// Figures of the process itself, under the names that Prometheus' own libraries use.
mod process {
    use metrics::{describe_gauge, gauge};

    pub(super) fn set() {
        describe_gauge!("process_resident_memory_bytes", "resident memory in bytes");
        describe_gauge!("process_open_fds", "open file descriptors");
        describe_gauge!("process_cpu_seconds_total", "processor time used, in seconds");
        if let Some(bytes) = resident_bytes() {
            gauge!("process_resident_memory_bytes").set(bytes);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            gauge!("process_open_fds").set(f64::from(u32::try_from(open.count()).unwrap_or(u32::MAX)));
        }
        gauge!("process_cpu_seconds_total").set(cpu_seconds());
    }

    /// `VmRSS` of `/proc/self/status`, which is in KiB whatever the machine's pages are.
    fn resident_bytes() -> Option<f64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib = line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()?;
        Some(kib * 1024.0)
    }

    /// Time on a processor, of threads that have ended too.
    fn cpu_seconds() -> f64 {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        std::time::Duration::try_from(used).unwrap_or_default().as_secs_f64()
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn memory_and_processor_time_can_be_read() {
            assert!(super::resident_bytes().unwrap() > 1024.0 * 1024.0);
            let before = super::cpu_seconds();
            assert!(before > 0.0);
            // A thread that has ended still counts.
            let busy = std::thread::spawn(|| while super::cpu_seconds() < 0.02 {});
            busy.join().unwrap();
            assert!(super::cpu_seconds() >= before.max(0.02));
        }
    }
}
