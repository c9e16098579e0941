//! A child process that ends with its value and whose output can be shown when a test fails.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A running child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with everything it prints appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({error}); `./test` installs it"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Waits until the process accepts connections.
    pub async fn listens(&mut self, address: SocketAddr) {
        self.listens_within(address, crate::PATIENCE).await;
    }

    /// The same for one that needs seconds of the processor before it does.
    pub async fn listens_slowly(&mut self, address: SocketAddr) {
        self.listens_within(address, 6 * crate::PATIENCE).await;
    }

    async fn listens_within(&mut self, address: SocketAddr, patience: Duration) {
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            listens = tokio::time::timeout(patience, listening) => {
                assert!(listens.is_ok(), "{} does not listen on {address} within {patience:?}:\n{}", self.name, self.output());
            }
            status = self.child.wait() => panic!("{} ended at once ({status:?}):\n{}", self.name, self.output()),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process still runs")
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and waits for the end; the exit status.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal("-TERM").await;
        crate::within(&format!("{} ending after SIGTERM", self.name), self.child.wait()).await.unwrap()
    }

    /// SIGSTOP: it does nothing until [`Process::go_on`].
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// SIGCONT.
    pub async fn go_on(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().await.unwrap();
        assert!(sent.success(), "{signal} to {} failed", self.name);
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
