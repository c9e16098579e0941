//! The gateway's own binary, run as its users run it.

use crate::monster_client::MonsterClient;
use crate::process::Process;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// A gateway with a configuration and data of its own.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens; also the host of its addresses.
    pub listen: SocketAddr,
    binary: PathBuf,
    dir: TempDir,
    process: Option<Process>,
}

impl Gateway {
    /// Prepares one without starting it. `sections` is TOML beside `[server]`, which is made here; and
    /// beside `[calls]`, if they have none.
    pub fn prepare(binary: &str, sections: &str) -> Self {
        Self::prepare_at(Ipv4Addr::LOCALHOST, binary, sections)
    }

    /// Prepares one at this address of the machine: HTTP and the media of calls.
    pub fn prepare_at(ip: Ipv4Addr, binary: &str, sections: &str) -> Self {
        let listen = SocketAddr::from((ip, crate::free_port_at(ip)));
        let dir = tempfile::tempdir().unwrap();
        let calls = if sections.contains("[calls]") {
            String::new()
        } else {
            format!("[calls]\nudp_listen = \"{ip}:{}\"\n", crate::free_udp_port_at(ip))
        };
        let config = format!(
            "[server]\nlisten = \"{listen}\"\npublic_url = \"http://{}\"\ndata_dir = \"{}\"\n\n{calls}\n{sections}\n",
            Self::authority(listen),
            dir.path().join("data").display()
        );
        std::fs::write(dir.path().join("gateway.toml"), config).unwrap();
        Self { listen, binary: binary.into(), dir, process: None }
    }

    /// Starts one, and waits until it is ready.
    pub async fn start(binary: &str, sections: &str) -> Self {
        let mut gateway = Self::prepare(binary, sections);
        gateway.run().await;
        gateway
    }

    /// Starts one that logs no more than its configuration says, for measuring.
    pub async fn start_quiet(binary: &str, sections: &str) -> Self {
        let mut gateway = Self::prepare(binary, sections);
        gateway.run_quiet().await;
        gateway
    }

    /// Starts the process with a detailed log, and waits until it is ready.
    pub async fn run(&mut self) {
        let mut command = self.command(&["run"]);
        command.env(
            "MONSTER_GATEWAY__LOG__FILTER",
            "info,monster_gateway=debug,monster_bridge_irc=debug,monster_bridge_xmpp=debug,monster_bridge_matrix=debug",
        );
        self.launch(command).await;
    }

    /// Starts the process, and waits until it is ready.
    pub async fn run_quiet(&mut self) {
        self.launch(self.command(&["run"])).await;
    }

    /// Starts the process, and waits until it listens: for one that will not be ready.
    pub async fn run_unready(&mut self) {
        self.spawn(self.command(&["run"])).await;
    }

    async fn spawn(&mut self, command: Command) {
        let mut process = Process::start("monster-gateway", command, &self.log());
        process.listens(self.listen).await;
        self.process = Some(process);
    }

    async fn launch(&mut self, command: Command) {
        self.spawn(command).await;
        crate::until("the gateway being ready", || async {
            self.get("/readyz").await.is_some_and(|(status, _)| status == 200).then_some(())
        })
        .await;
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--config").arg(self.config()).current_dir(self.dir.path());
        command
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    /// The directory of its own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn authority(listen: SocketAddr) -> String {
        if listen.ip().is_loopback() { format!("localhost:{}", listen.port()) } else { listen.to_string() }
    }

    /// The host of its addresses: `localhost:port`, if it is on loopback.
    pub fn host(&self) -> String {
        Self::authority(self.listen)
    }

    /// An address on it: `address("bob", "libera")` is `@bob:libera:localhost:…`; no path if empty.
    pub fn address(&self, name: &str, path: &str) -> String {
        let path = if path.is_empty() { String::new() } else { format!("{path}:") };
        format!("@{name}:{path}{}", self.host())
    }

    /// Runs a command to its end and gives what it printed; panics if it failed.
    pub async fn cli(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        assert!(
            output.status.success(),
            "`{}` failed: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs a command that reads these lines, and gives whether it succeeded and what it printed.
    pub async fn cli_with_input(&self, args: &[&str], lines: &str) -> (bool, String) {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
        let what = format!("the end of `{}`", args.join(" "));
        let output = crate::within(&what, child.wait_with_output()).await.unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.success(), printed.concat())
    }

    /// Makes a local account; its token.
    pub async fn account(&self, name: &str) -> String {
        self.cli(&["account", "add", name]).await
    }

    /// The home socket of a local account that reads the extensions.
    pub async fn home(&self, name: &str, token: &str) -> MonsterClient {
        MonsterClient::connect(&format!("ws://{}/{name}?token={token}&ext=1", self.listen)).await
    }

    /// A GET of a path: status and body, or `None` if nothing answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = tokio::net::TcpStream::connect(self.listen).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host());
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
        Some((status, body))
    }

    /// A request to the provisioning API, with the administrator's token: status and body.
    pub async fn api(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let token = self.cli(&["admin-token"]).await;
        let mut stream = tokio::net::TcpStream::connect(self.listen).await.unwrap();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.host(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        crate::within("the answer of the API", stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// SIGTERM; the exit status.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        self.process.take().expect("the gateway runs").terminate().await
    }

    /// The process id, for reading its CPU time.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the gateway runs").id()
    }

    /// What it has logged.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.output();
            let kept = std::env::temp_dir().join(format!("monster-gateway-{}.log", self.listen.port()));
            let _ = std::fs::write(&kept, &log);
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let text = format!("\n-- the gateway's last lines, of {} --\n{}\n", kept.display(), tail.join("\n"));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}
