//! Synapse from the Python package index: a Matrix homeserver on a free port with temporary data.

use crate::matrix_client::MatrixClient;
use crate::process::Process;
use crate::tools;
use std::fmt::Write as _;
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::process::Command;

/// A homeserver. Anybody may register, nothing is limited in its rate, it talks to no other server, and it passes
/// to application services what encryption needs.
#[derive(Debug)]
pub struct Synapse {
    /// Where it listens.
    pub address: SocketAddr,
    dir: TempDir,
    services: usize,
    process: Option<Process>,
}

impl Synapse {
    /// The name that its users' ids end with.
    pub const NAME: &str = "hs.test";

    /// Prepares one without starting it.
    pub fn prepare() -> Self {
        Self::prepare_with("")
    }

    /// Prepares one with more top-level keys in its configuration, in YAML.
    pub fn prepare_with(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let synapse =
            Self { address: SocketAddr::from(([127, 0, 0, 1], crate::free_port())), dir, services: 0, process: None };
        synapse.write("homeserver.yaml", &configuration(synapse.address.port(), extra));
        synapse.write("log.yaml", LOGGING);
        // Nobody but tests believes what this key signs.
        synapse.write("signing.key", "ed25519 a_test bW9uc3Rlci1nYXRld2F5LXRlc3QtaG9tZXNlcnZlcjE\n");
        synapse
    }

    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        let mut synapse = Self::prepare();
        synapse.run().await;
        synapse
    }

    /// Makes an application service of this registration known from the next start on.
    pub fn add_service(&mut self, registration: &str) {
        self.services += 1;
        self.write(&format!("service-{}.yaml", self.services), registration);
        let mut files = String::from("app_service_config_files:\n");
        for number in 1..=self.services {
            let _ = writeln!(files, "  - service-{number}.yaml");
        }
        self.write("services.yaml", &files);
    }

    /// Starts the process (again, with the data it had), and waits until it answers.
    pub async fn run(&mut self) {
        let mut command = Command::new(tools::matrix_python());
        command.args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"]);
        if self.services > 0 {
            command.args(["-c", "services.yaml"]);
        }
        command.current_dir(self.dir.path());
        let mut process = Process::start("synapse", command, &self.dir.path().join("log"));
        process.listens_slowly(self.address).await;
        self.process = Some(process);
    }

    /// Its URL, without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The id of a user with this local part.
    pub fn user_id(&self, name: &str) -> String {
        format!("@{name}:{}", Self::NAME)
    }

    /// The password of every user that [`Synapse::register`] makes.
    pub const PASSWORD: &str = "a password of the tests";

    /// Makes a user, with a first device.
    pub async fn register(&self, name: &str) -> MatrixClient {
        MatrixClient::register(&self.url(), name, Self::PASSWORD).await
    }

    /// Signs a user of [`Synapse::register`] in on one more device.
    pub async fn login(&self, name: &str) -> MatrixClient {
        MatrixClient::login(&self.url(), name, Self::PASSWORD).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate().await;
        }
    }

    /// The process id, for reading its CPU time.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("synapse runs").id()
    }

    /// What it has logged: warnings and errors.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.output();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(30)..];
            let text = format!("\n-- synapse's last lines --\n{}\n", tail.join("\n"));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}

const LOGGING: &str = r#"
version: 1
formatters: {plain: {format: "%(asctime)s %(levelname)s %(name)s %(message)s"}}
handlers: {console: {class: logging.StreamHandler, formatter: plain}}
root: {level: WARNING, handlers: [console]}
disable_existing_loggers: false
"#;

fn configuration(port: u16, extra: &str) -> String {
    let mut limits = String::new();
    let limit = "{per_second: 100000, burst_count: 100000}";
    for name in [
        "message",
        "registration",
        "admin_redaction",
        "joins_per_room",
        "key_requests",
        "media_create",
        "room_creation",
        "user_directory",
        "profile",
        "delayed_event_mgmt",
    ] {
        let _ = writeln!(limits, "rc_{name}: {limit}");
    }
    for (name, parts) in [
        ("login", ["address", "account", "failed_attempts"].as_slice()),
        ("joins", &["local", "remote"]),
        ("invites", &["per_room", "per_user", "per_issuer"]),
        ("presence", &["per_user"]),
    ] {
        let _ = writeln!(limits, "rc_{name}:");
        for part in parts {
            let _ = writeln!(limits, "  {part}: {limit}");
        }
    }
    format!(
        r#"
server_name: {name}
public_baseurl: "http://127.0.0.1:{port}/"
listeners:
  - {{port: {port}, bind_addresses: ["127.0.0.1"], type: http, tls: false, resources: [{{names: [client], compress: false}}]}}
database: {{name: sqlite3, args: {{database: homeserver.db}}}}
log_config: log.yaml
media_store_path: media
signing_key_path: signing.key
macaroon_secret_key: "of the tests"
form_secret: "of the tests"
registration_shared_secret: "of the tests"
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
url_preview_enabled: false
max_upload_size: 200M
experimental_features:
  msc3202_transaction_extensions: true
  msc2409_to_device_messages_enabled: true
{limits}
{extra}
"#,
        name = Synapse::NAME
    )
}
