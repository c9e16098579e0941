//! What can be seen on this machine alone: the data directory, ports, files, the clock.

use super::Finding;
use crate::cli::small::is_gateway;
use crate::config::Config;
use crate::store::{InstanceLock, LockError};
use rustix::process::{Resource, getrlimit};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When this was written: no clock that is right shows an earlier time. (2026-11-01)
const NOT_BEFORE: Duration = Duration::from_hours(498_192);
/// Less free space than this is worth a word, in bytes.
const LITTLE_SPACE: u64 = 200 << 20;

/// Fewer files than this are too few for a gateway that people use.
const FEW_FILES: u64 = 1024;

/// All of it.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let data_dir = &config.server.data_dir;
    let mut findings = vec![directory(data_dir)];
    findings.extend(space(data_dir));
    findings.push(clock(data_dir));
    findings.push(listener(config));
    findings.push(open_files(config));
    findings
}

/// Whether the gateway of this configuration runs.
pub(super) fn is_running(config: &Config) -> bool {
    is_gateway(config.server.listen)
}

fn directory(data_dir: &Path) -> Finding {
    let what = "data directory";
    let shown = data_dir.display();
    match InstanceLock::take(data_dir, "the command doctor") {
        Ok(_) => Finding::good(what, format!("{shown} can be written")),
        Err(held @ LockError::Held { .. }) => Finding::good(what, held.to_string()),
        Err(why) => Finding::bad(
            what,
            why.to_string(),
            format!("make {shown} writable for the user that runs the gateway, or set `server.data_dir`"),
        ),
    }
}

fn space(data_dir: &Path) -> Option<Finding> {
    let found = rustix::fs::statvfs(data_dir).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let said = format!("{} MiB free", free >> 20);
    if free < LITTLE_SPACE {
        return Some(Finding::bad("disk", said, "make room: what cannot be written is not acknowledged"));
    }
    Some(Finding::good("disk", said))
}

fn clock(data_dir: &Path) -> Finding {
    let what = "clock";
    let advice = "set the clock of this machine, e.g. with `timedatectl set-ntp true`";
    let now = SystemTime::now();
    if now.duration_since(UNIX_EPOCH).unwrap_or_default() < NOT_BEFORE {
        return Finding::bad(what, "it is behind by years", advice);
    }
    let newest = std::fs::read_dir(data_dir).ok().into_iter().flatten().flatten();
    let newest = newest.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max();
    match newest.and_then(|newest| newest.duration_since(now).ok()) {
        Some(ahead) if ahead > Duration::from_mins(1) => {
            let said = format!("files in the data directory are {} s newer than it", ahead.as_secs());
            Finding::bad(what, said, advice)
        }
        _ => Finding::good(what, "plausible"),
    }
}

fn listener(config: &Config) -> Finding {
    let what = "listener";
    let listen = config.server.listen;
    if is_running(config) {
        return Finding::good(what, format!("a gateway answers at {listen}"));
    }
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(what, format!("{listen} is free (the gateway is not running)")),
        Err(why) => Finding::bad(
            what,
            format!("{listen} cannot be used: {why}"),
            "end what listens there, or set `server.listen` to an address of this machine and a free port",
        ),
    }
}

fn open_files(config: &Config) -> Finding {
    let what = "open files";
    let sockets = config.limits.sockets as u64;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < FEW_FILES => Finding::bad(
            what,
            format!("this user may have {most}, and every socket is one"),
            format!("raise the limit, e.g. with `LimitNOFILE={}` in the systemd unit", sockets + 200),
        ),
        Some(most) if most < sockets => Finding::good(what, format!("{most}, which is less than `limits.sockets`")),
        _ => Finding::good(what, format!("enough for {sockets} sockets")),
    }
}
