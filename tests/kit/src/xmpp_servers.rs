//! Prosody and ejabberd from Debian, each on free ports with temporary data, with a component for the
//! gateway.

use crate::process::Process;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// What the server's configuration gives the component.
const SECRET: &str = "component-secret";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "password";

/// Prosody: accounts and rooms with archives, and a component `monster.localhost`.
#[derive(Debug)]
pub struct Prosody {
    /// Where clients connect.
    pub clients: SocketAddr,
    /// Where the component connects.
    pub components: SocketAddr,
    /// Where pages connect, over WebSocket.
    pub websocket: String,
    pages: SocketAddr,
    dir: TempDir,
    process: Option<Process>,
}

impl Prosody {
    /// Starts one with accounts `alice`, `bob`, `carol` and `dora`, and waits until it listens.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same, with TLS for clients who ask for it: a certificate for `localhost` and its key, in PEM.
    pub async fn start_with_tls(certificate: &str, key: &str) -> Self {
        Self::start_with(Some((certificate, key))).await
    }

    async fn start_with(tls: Option<(&str, &str)>) -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (clients, components) = (local(crate::free_port()), local(crate::free_port()));
        let pages = local(crate::free_port());
        let dir = tempfile::tempdir().unwrap();
        if let Some((certificate, key)) = tls {
            std::fs::write(dir.path().join("cert.pem"), certificate).unwrap();
            std::fs::write(dir.path().join("key.pem"), key).unwrap();
        }
        let accounts = dir.path().join("data/localhost/accounts");
        std::fs::create_dir_all(&accounts).unwrap();
        for name in ["alice", "bob", "carol", "dora"] {
            let account = format!("return {{ [\"password\"] = \"{PASSWORD}\"; }};\n");
            std::fs::write(accounts.join(format!("{name}.dat")), account).unwrap();
        }
        let ports = [clients.port(), components.port(), pages.port()];
        let config = prosody_config(dir.path(), ports, tls.is_some());
        std::fs::write(dir.path().join("prosody.cfg.lua"), config).unwrap();
        let websocket = format!("ws://localhost:{}/xmpp-websocket", pages.port());
        let mut prosody = Self { clients, components, websocket, pages, dir, process: None };
        prosody.restart().await;
        prosody
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// It does nothing until [`Prosody::go_on`]; what is sent to it waits.
    pub async fn pause(&self) {
        self.process.as_ref().expect("it runs").pause().await;
    }

    /// How many bytes of the component wait to be read, while it is paused.
    pub fn unread(&self) -> u64 {
        let here = format!("0100007F:{:04X}", self.components.port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let queue = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            let ours = words.next() == Some(&here);
            let queues = words.nth(2).filter(|_| ours)?;
            u64::from_str_radix(queues.split(':').nth(1)?, 16).ok()
        };
        sockets.lines().filter_map(queue).sum()
    }

    /// After [`Prosody::pause`].
    pub async fn go_on(&self) {
        self.process.as_ref().expect("it runs").go_on().await;
    }

    /// Starts again with the same data.
    pub async fn restart(&mut self) {
        let mut command = Command::new("prosody");
        command.arg("--config").arg(self.dir.path().join("prosody.cfg.lua")).arg("-F").current_dir(self.dir.path());
        let mut process = Process::start("prosody", command, &self.dir.path().join("log"));
        process.listens(self.clients).await;
        process.listens(self.components).await;
        process.listens(self.pages).await;
        self.process = Some(process);
    }

    /// The address and the password of one of its accounts.
    pub fn account(&self, name: &str) -> (String, String) {
        (format!("{name}@localhost"), PASSWORD.to_owned())
    }

    /// A bridge section for it; `extra` are further keys.
    pub fn section(&self, instance: &str, extra: &str) -> String {
        component_section(instance, self.components, extra)
    }

    /// A bridge section with an account on it; `extra` are further keys.
    pub fn account_section(&self, instance: &str, account: &str, extra: &str) -> String {
        format!(
            "[bridges.{instance}]\nkind = \"xmpp\"\nmode = \"account\"\nserver = \"{}\"\naccount = \"{account}@localhost\"\n\
             password = \"{PASSWORD}\"\nreconnect = {{ min_ms = 50, max_ms = 500 }}\n{extra}\n\n",
            self.clients
        )
    }

    /// The certificate that it was started with.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// What it has logged.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn component_section(instance: &str, components: SocketAddr, extra: &str) -> String {
    format!(
        "[bridges.{instance}]\nkind = \"xmpp\"\nserver = \"{components}\"\ndomain = \"monster.localhost\"\nsecret = \"{SECRET}\"\n\
         reconnect = {{ min_ms = 50, max_ms = 500 }}\n{extra}\n\n"
    )
}

fn prosody_config(dir: &Path, [clients, components, pages]: [u16; 3], tls: bool) -> String {
    let dir = dir.display();
    let (more, tls) = if tls {
        (", \"tls\"", format!("ssl = {{ certificate = \"{dir}/cert.pem\", key = \"{dir}/key.pem\" }}"))
    } else {
        ("", String::new())
    };
    format!(
        r#"
run_as_root = true
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {clients} }}
component_ports = {{ {components} }}
component_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {pages} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ }}
http_default_host = "localhost"
consider_websocket_secure = true
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "carbons", "smacks", "mam", "pep", "vcard4", "vcard_legacy", "blocklist", "offline", "csi", "websocket"{more} }}
modules_disabled = {{ "s2s" }}
{tls}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
archive_expires_after = "never"
storage = "internal"
VirtualHost "localhost"
Component "conference.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_room_locking = false
  muc_room_default_persistent = true
  muc_log_by_default = true
Component "upload.localhost" "http_file_share"
  http_host = "localhost"
  http_external_url = "http://127.0.0.1:{pages}/"
Component "monster.localhost"
  component_secret = "{SECRET}"
"#
    )
}

/// ejabberd: the same, from another family.
#[derive(Debug)]
pub struct Ejabberd {
    /// Where clients connect.
    pub clients: SocketAddr,
    /// Where the component connects.
    pub components: SocketAddr,
    _dir: TempDir,
    _process: Process,
}

impl Ejabberd {
    /// Starts one on which anybody can register, and waits until it listens.
    pub async fn start() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (clients, components) = (local(crate::free_port()), local(crate::free_port()));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("spool")).unwrap();
        let config = dir.path().join("ejabberd.yml");
        std::fs::write(&config, ejabberd_config(clients.port(), components.port())).unwrap();
        let erl = format!(
            "[{{ejabberd, [{{config, \"{}\"}}, {{log_path, \"{}\"}}]}}, {{mnesia, [{{dir, \"{}\"}}]}}].",
            config.display(),
            dir.path().join("ejabberd.log").display(),
            dir.path().join("spool").display()
        );
        std::fs::write(dir.path().join("sys.config"), erl).unwrap();
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "-pa"])
            .args(ejabberd_paths())
            .args(["-config", "sys", "-s", "ejabberd"])
            .env("HOME", dir.path())
            .env("EJABBERD_CONFIG_PATH", &config)
            .env("EJABBERD_LOG_PATH", dir.path().join("ejabberd.log"))
            .env("SPOOL_DIR", dir.path().join("spool"))
            .current_dir(dir.path());
        let mut process = Process::start("ejabberd", command, &dir.path().join("log"));
        process.listens(clients).await;
        process.listens(components).await;
        Self { clients, components, _dir: dir, _process: process }
    }

    /// A bridge section for it; `extra` are further keys.
    pub fn section(&self, instance: &str, extra: &str) -> String {
        component_section(instance, self.components, extra)
    }
}

/// Where Debian keeps ejabberd's code, which is not where Erlang looks by itself.
fn ejabberd_paths() -> Vec<std::path::PathBuf> {
    let found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let multiarch =
        found.map(|entry| entry.path()).flat_map(|path| std::fs::read_dir(path).into_iter().flatten().flatten());
    let mut all = Vec::new();
    for entry in multiarch.filter(|entry| entry.file_name().to_string_lossy().starts_with("ejabberd")) {
        all.extend([entry.path().join("ebin"), entry.path()]);
    }
    all.retain(|path| path.is_dir());
    all
}

fn ejabberd_config(clients: u16, components: u16) -> String {
    format!(
        r#"
hosts: ["localhost"]
loglevel: warning
auth_method: [internal]
auth_password_format: plain
trusted_proxies: []
listen:
  - {{ port: {clients}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: false, max_stanza_size: 262144, shaper: none, access: all }}
  - port: {components}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    hosts:
      "monster.localhost":
        password: "{SECRET}"
acl: {{}}
access_rules: {{}}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_vcard: {{}}
  mod_mam: {{ assume_mam_usage: true, default: always }}
  mod_muc:
    host: "conference.localhost"
    access: all
    access_create: all
    default_room_options: {{ mam: true, persistent: true }}
  mod_register: {{ ip_access: all, password_strength: 0, registration_watchers: [] }}
"#
    )
}
