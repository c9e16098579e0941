//! Calls under load: the same streams of packets through the gateway, through Janus, and through two
//! forwarders that show what the least would be.
//!
//! The relay and the driver each get a core of their own (`taskset`) where there are two. Delay is
//! measured from right before a packet is sent to the kernel's having received it, so it contains one
//! pass through the client's SRTP and two through the loopback interface; the plain forwarder's row
//! shows how much that is.

mod client;
mod flow;
pub(crate) mod forwarder;
mod gateway;
mod janus;
mod socket;

use crate::figures;
use client::Client;
pub(crate) use flow::Kind;
use flow::{MEASURING, TALKING, Tally};
use forwarder::RawClient;
use futures_util::stream::{self, StreamExt as _};
use janus::Janus;
use monster_testkit::{Gateway, Process};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the packets go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Through {
    /// The gateway.
    Gateway,
    /// Janus's `videocall`.
    Janus,
    /// A UDP forwarder.
    Plain,
    /// A UDP forwarder that decrypts and encrypts.
    Srtp,
}

/// How many calls are set up at the same time.
const AT_ONCE: usize = 4;
/// How long the first media may take.
const FIRST_MEDIA: Duration = Duration::from_secs(30);

/// A call that was set up.
struct Running {
    tallies: [JoinHandle<Tally>; 2],
    /// From the offer to the first media at the caller.
    setup: Duration,
}

/// Sets up `calls` calls, measures for `seconds`, and prints a line.
pub(crate) async fn run(binary: &str, through: Through, kind: Kind, calls: usize, seconds: u64) {
    let (over, watching) = watch::channel(false);
    let ip = local_ip();
    match through {
        Through::Gateway => {
            let gateway = start_gateway(binary, ip).await;
            pin(gateway.id());
            let lines = gateway::lines(&gateway, calls).await;
            let before = figures::resident_kib(gateway.id());
            let running = stream::iter(lines.into_iter().enumerate())
                .map(|(n, line)| through_gateway(n, line, ip, kind, watching.clone()))
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            measure(through, kind, gateway.id(), before, running, seconds, &over).await;
        }
        Through::Janus => {
            let janus = Janus::start(ip).await;
            pin(janus.id());
            let mut lines = Vec::new();
            for n in 0..calls {
                lines.push(janus.line(n).await);
            }
            let before = figures::resident_kib(janus.id());
            let running = stream::iter(lines)
                .map(|line| through_janus(line, ip, kind, watching.clone()))
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            measure(through, kind, janus.id(), before, running, seconds, &over).await;
        }
        Through::Plain | Through::Srtp => {
            let srtp = through == Through::Srtp;
            let (process, server) = start_forwarder(ip, srtp).await;
            pin(process.id());
            let before = figures::resident_kib(process.id());
            let mut running = Vec::new();
            for n in 0..calls {
                running.push(through_forwarder(n, server, srtp, kind, watching.clone()).await);
            }
            measure(through, kind, process.id(), before, running, seconds, &over).await;
        }
    }
}

async fn start_gateway(binary: &str, ip: IpAddr) -> Gateway {
    let sections = format!(
        "[limits]\nenabled = false\n\n[calls]\nudp_listen = \"{ip}:{}\"\n\n[log]\nfilter = \"warn\"\n",
        monster_testkit::free_port()
    );
    Gateway::start_quiet(binary, &sections).await
}

async fn start_forwarder(ip: IpAddr, srtp: bool) -> (Process, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("port");
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.arg("forward").arg(ip.to_string());
    if srtp {
        command.arg("--srtp");
    }
    let process = Process::start("the forwarder", command, &log);
    let port = monster_testkit::until("the forwarder's port", || async { process.output().trim().parse().ok() }).await;
    (process, SocketAddr::new(ip, port))
}

async fn through_gateway(
    number: usize,
    line: gateway::Line,
    ip: IpAddr,
    kind: Kind,
    over: watch::Receiver<bool>,
) -> Running {
    let [(mut left, first), (mut right, _)] = [Client::new(ip, kind), Client::new(ip, kind)];
    let [(to_left, for_left), (to_right, for_right)] = [mpsc::channel(64), mpsc::channel(64)];
    let began = Instant::now();
    line.call(number, [&mut left, &mut right], [to_left, to_right], kind == Kind::Video).await;
    start([(left, for_left), (right, for_right)], began, first, over).await
}

async fn through_janus(line: janus::Line, ip: IpAddr, kind: Kind, over: watch::Receiver<bool>) -> Running {
    let [(mut left, first), (mut right, _)] = [Client::new(ip, kind), Client::new(ip, kind)];
    let began = Instant::now();
    line.call([&mut left, &mut right]).await;
    let none = || mpsc::channel(1).1;
    start([(left, none()), (right, none())], began, first, over).await
}

async fn start(
    clients: [(Box<Client>, mpsc::Receiver<String>); 2],
    began: Instant,
    mut first: watch::Receiver<Option<Instant>>,
    over: watch::Receiver<bool>,
) -> Running {
    let tallies = clients.map(|(client, candidates)| tokio::spawn(client.run(candidates, over.clone())));
    let came = tokio::time::timeout(FIRST_MEDIA, first.wait_for(Option::is_some)).await;
    let came = came.expect("the first media comes in time").unwrap().expect("it was waited for");
    Running { tallies, setup: came - began }
}

async fn through_forwarder(
    number: usize,
    server: SocketAddr,
    srtp: bool,
    kind: Kind,
    over: watch::Receiver<bool>,
) -> Running {
    let pair = u32::try_from(number).unwrap();
    let left = RawClient::new(server, pair, 0, srtp, kind).await;
    let right = RawClient::new(server, pair, 1, srtp, kind).await;
    let tallies = [left, right].map(|client| tokio::spawn(client.run(over.clone())));
    Running { tallies, setup: Duration::ZERO }
}

async fn measure(
    through: Through,
    kind: Kind,
    pid: u32,
    before_kib: u64,
    running: Vec<Running>,
    seconds: u64,
    over: &watch::Sender<bool>,
) {
    // The last call's first packets are over, and every engine has found its pace.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resident = figures::resident_kib(pid);
    let (cpu, own) = (figures::cpu_time(pid), figures::cpu_time(std::process::id()));
    let began = Instant::now();
    MEASURING.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    MEASURING.store(false, Ordering::Relaxed);
    let wall = began.elapsed();
    let spent = (figures::cpu_since(pid, cpu), figures::cpu_since(std::process::id(), own));
    // What is under way arrives.
    tokio::time::sleep(Duration::from_millis(500)).await;
    TALKING.store(false, Ordering::Relaxed);
    let _ = over.send(true);
    let calls = running.len();
    let mut setups: Vec<Duration> = running.iter().map(|call| call.setup).collect();
    let mut all = Tally::default();
    for tally in running.into_iter().flat_map(|call| call.tallies) {
        let tally = tally.await.unwrap();
        all.sent += tally.sent;
        all.received += tally.received;
        all.delays.extend(tally.delays);
    }
    let lost = all.sent.saturating_sub(all.received);
    println!(
        "{through:?}, {calls} {kind:?} calls, {seconds} s: set-up p50 {:.0} ms, p99 {:.0} ms; CPU {:.1} µs a forwarded \
         packet ({}; driver {}); delay p50 {:.0} µs, p99 {:.0} µs; {} packets, {lost} lost ({:.3} %); {:.0} KiB a call",
        figures::percentile(&mut setups, 50.0).as_secs_f64() * 1e3,
        figures::percentile(&mut setups, 99.0).as_secs_f64() * 1e3,
        spent.0.as_secs_f64() * 1e6 / all.received.max(1) as f64,
        figures::share(spent.0, wall),
        figures::share(spent.1, wall),
        figures::percentile(&mut all.delays, 50.0).as_secs_f64() * 1e6,
        figures::percentile(&mut all.delays, 99.0).as_secs_f64() * 1e6,
        all.received,
        lost as f64 * 100.0 / all.sent.max(1) as f64,
        resident.saturating_sub(before_kib) as f64 / calls as f64,
    );
}

/// Gives the relay a core of its own and the driver another, if there are two.
fn pin(relay: u32) {
    for (pid, core) in [(std::process::id(), "0"), (relay, "1")] {
        let done = std::process::Command::new("taskset").args(["-a", "-c", "-p", core, &pid.to_string()]).output();
        if !done.is_ok_and(|done| done.status.success()) {
            println!("process {pid} is not bound to core {core}; the figures are less steady");
        }
    }
}

/// An address of this machine that is not loopback, as Janus does not use that.
fn local_ip() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    socket.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
