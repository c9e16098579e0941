//! A network namespace with a cable to the machine, for tests in which packets are blocked or lost
//! between a browser and the gateway. Needs root (or `sudo` that does not ask); it is taken away
//! with its value.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network of its own: one cable to the machine, no way to anywhere else.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// The machine's end of the cable: where servers are reached from within.
    pub outside: Ipv4Addr,
    /// The namespace's end.
    pub inside: Ipv4Addr,
}

impl Namespace {
    /// Makes one; `None`, with a loud message, where that is not permitted.
    pub fn make() -> Option<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mg{}x{number}", std::process::id());
        if let Err(error) = root(&["ip", "netns", "add", &name]) {
            let text = format!(
                "\n!! SKIPPED: a test that needs a network namespace. Run it as root, in a place where one may be made.\n!! {error}\n"
            );
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            return None;
        }
        // A /30 of its own out of 10.224.0.0/12: by process, so that test runs side by side do not meet.
        let net = (std::process::id() % 0x3_0000 + number * 7919) % 0x4_0000;
        let base = u32::from(Ipv4Addr::new(10, 224, 0, 0)) + net * 4;
        let namespace = Self { name, outside: Ipv4Addr::from(base + 1), inside: Ipv4Addr::from(base + 2) };
        namespace.cable();
        Some(namespace)
    }

    fn cable(&self) {
        let Self { name, outside, inside } = self;
        for line in [
            format!("ip link add {name}o type veth peer name {name}i netns {name}"),
            format!("ip address add {outside}/30 dev {name}o"),
            format!("ip link set {name}o up"),
            format!("ip -n {name} address add {inside}/30 dev {name}i"),
            format!("ip -n {name} link set lo up"),
            format!("ip -n {name} link set {name}i up"),
            format!("ip -n {name} route add default via {outside}"),
        ] {
            must(&line.split(' ').collect::<Vec<_>>());
        }
        self.nft("add table inet kit");
        for hook in ["input", "output"] {
            self.nft(&format!("add chain inet kit {hook} {{ type filter hook {hook} priority 0; }}"));
        }
    }

    /// A command that runs in it.
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let (first, rest) = as_root(&["ip", "netns", "exec", &self.name, program]);
        let mut command = tokio::process::Command::new(first);
        command.args(rest);
        command
    }

    /// Drops every packet that `what` describes, in both directions; nftables' words, with `{port}`
    /// as the name of the machine's port: `drop("udp {port} 7581")`.
    pub fn drop_packets(&self, what: &str) {
        for (hook, port) in [("output", "dport"), ("input", "sport")] {
            self.nft(&format!("add rule inet kit {hook} {} drop", what.replace("{port}", port)));
        }
    }

    /// Loses this many of a hundred UDP packets, at random, in each direction.
    pub fn lose_packets(&self, percent: u8) {
        self.drop_packets(&format!("meta l4proto udp numgen random mod 100 < {percent}"));
    }

    /// Lets everything through again.
    pub fn drop_nothing(&self) {
        self.nft("flush chain inet kit input");
        self.nft("flush chain inet kit output");
    }

    fn nft(&self, rule: &str) {
        must(&["ip", "netns", "exec", &self.name, "nft", rule]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with its inner end.
        let _ = root(&["ip", "netns", "delete", &self.name]);
    }
}

fn as_root<'a>(words: &[&'a str]) -> (&'a str, Vec<&'a str>) {
    if rustix::process::geteuid().is_root() {
        (words[0], words[1..].to_vec())
    } else {
        ("sudo", [&["-n"], words].concat())
    }
}

fn root(words: &[&str]) -> Result<(), String> {
    let (first, rest) = as_root(words);
    let output = std::process::Command::new(first).args(rest).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

fn must(words: &[&str]) {
    if let Err(error) = root(words) {
        panic!("{error}");
    }
}
