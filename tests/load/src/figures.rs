//! What the kernel says of a process, and latencies.

use std::time::Duration;

/// CPU time (user and system) that a process has used.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").expect("proc(5)").1;
    let fields: Vec<u64> = after_name.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    // utime and stime are fields 14 and 15 of proc(5), in ticks of 10 ms.
    Duration::from_millis((fields[11] + fields[12]) * 10)
}

/// CPU time that a process has used since it had used `before`.
pub(crate) fn cpu_since(pid: u32, before: Duration) -> Duration {
    cpu_time(pid).saturating_sub(before)
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("proc(5)");
    line.split_whitespace().nth(1).expect("proc(5)").parse().unwrap()
}

/// A percentile of latencies; sorts them.
pub(crate) fn percentile(latencies: &mut [Duration], percent: f64) -> Duration {
    if latencies.is_empty() {
        return Duration::ZERO;
    }
    latencies.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the slice")]
    let at = ((latencies.len() - 1) as f64 * percent / 100.0).round() as usize;
    latencies[at]
}

/// CPU time per wall time as a percentage of one core.
pub(crate) fn share(cpu: Duration, wall: Duration) -> String {
    format!("{:.0} %", cpu.as_secs_f64() / wall.as_secs_f64() * 100.0)
}
