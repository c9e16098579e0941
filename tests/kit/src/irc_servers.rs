//! Ergo, ngIRCd and InspIRCd from Debian, each on a free port with temporary data.

use crate::process::Process;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// Ergo: most of IRCv3, with accounts and history.
#[derive(Debug)]
pub struct Ergo {
    /// Where it listens.
    pub address: SocketAddr,
    dir: TempDir,
    process: Process,
}

impl Ergo {
    /// Starts one, and waits until it listens.
    pub async fn start() -> Self {
        Self::start_at(crate::free_port()).await
    }

    /// Starts one on this port.
    pub async fn start_at(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ircd.yaml"), ergo_config(port)).unwrap();
        let init = Command::new("ergochat")
            .args(["initdb", "--quiet", "--conf", "ircd.yaml"])
            .current_dir(dir.path())
            .output()
            .await
            .expect("ergochat is installed by `./test`");
        assert!(init.status.success(), "ergochat initdb: {}", String::from_utf8_lossy(&init.stderr));
        let process = Self::spawn(dir.path());
        let mut ergo = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), dir, process };
        ergo.process.listens(ergo.address).await;
        ergo
    }

    fn spawn(dir: &Path) -> Process {
        let mut command = Command::new("ergochat");
        command.args(["run", "--quiet", "--conf", "ircd.yaml"]).current_dir(dir);
        Process::start("ergochat", command, &dir.join("log"))
    }

    /// SIGKILL and a new start on the same port with the same data. (Its history is in memory: it
    /// is gone.)
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.restart().await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts again after [`Ergo::kill`].
    pub async fn restart(&mut self) {
        self.process = Self::spawn(self.dir.path());
        self.process.listens(self.address).await;
    }

    /// The process id, for reading its CPU time.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn ergo_config(port: u16) -> String {
    format!(
        r#"
network: {{ name: ErgoTest }}
server:
  name: ergo.test
  listeners: {{ "127.0.0.1:{port}": {{}} }}
  casemapping: ascii
  enforce-utf8: true
  lookup-hostnames: false
  check-ident: false
  relaymsg: {{ enabled: true, separators: "/", available-to-chanops: true }}
  max-sendq: 1M
  compatibility: {{ force-trailing: true, send-unprefixed-sasl: true, allow-truncation: false }}
  ip-limits: {{ count: false, throttle: false }}
  ip-cloaking: {{ enabled: false }}
accounts:
  authentication-enabled: true
  registration:
    enabled: true
    allow-before-connect: true
    bcrypt-cost: 4
    throttling: {{ enabled: false }}
    email-verification: {{ enabled: false }}
  login-throttling: {{ enabled: false }}
  advertise-scram: true
  require-sasl: {{ enabled: false }}
  nick-reservation: {{ enabled: true, additional-nick-limit: 0, method: strict, force-nick-equals-account: false, guest-nickname-format: "Guest-*" }}
  multiclient: {{ enabled: false }}
channels:
  default-modes: +nt
  max-channels-per-client: 2000
  registration: {{ enabled: true, max-channels-per-account: 100 }}
logging:
  - {{ method: stderr, type: "* -userinput -useroutput", level: warn }}
lock-file: ircd.lock
datastore: {{ path: ircd.db, autoupgrade: true }}
languages: {{ enabled: false }}
limits:
  nicklen: 32
  identlen: 20
  channellen: 64
  awaylen: 390
  kicklen: 390
  topiclen: 390
  monitor-entries: 1000
  whowas-entries: 100
  chan-list-modes: 100
  registration-messages: 1024
  multiline: {{ max-bytes: 4096, max-lines: 100 }}
fakelag: {{ enabled: false }}
history:
  enabled: true
  channel-length: 100000
  client-length: 100000
  autoreplay-on-join: 0
  chathistory-maxmessages: 1000
  restrictions: {{ expire-time: 1w, query-cutoff: none, grace-period: 1h }}
  retention: {{ allow-individual-delete: true }}
  tagmsg-storage: {{ default: false, whitelist: ["+draft/react", "+react"] }}
"#
    )
}

/// ngIRCd: plain RFC 2812 with few capabilities.
#[derive(Debug)]
pub struct Ngircd {
    /// Where it listens.
    pub address: SocketAddr,
    _dir: TempDir,
    _process: Process,
}

impl Ngircd {
    /// Starts one, and waits until it listens.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = crate::free_port();
        let config = format!(
            "[Global]\nName = ngircd.test\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\nAdminInfo1 = test\n\
             [Limits]\nMaxNickLength = 30\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\nMaxJoins = 0\nPingTimeout = 120\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\nChrootDir =\nSyslogFacility =\nMorePrivacy = no\n"
        );
        let file = dir.path().join("ngircd.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("ngircd");
        command.arg("-n").arg("-f").arg(&file);
        let mut process = Process::start("ngircd", command, &dir.path().join("log"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        process.listens(address).await;
        Self { address, _dir: dir, _process: process }
    }
}

/// InspIRCd 3: echo-message, labeled-response and message-tags, but no history.
#[derive(Debug)]
pub struct Inspircd {
    /// Where it listens.
    pub address: SocketAddr,
    _dir: TempDir,
    _process: Process,
}

impl Inspircd {
    /// Starts one, and waits until it listens.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = crate::free_port();
        let path = dir.path().display();
        let modules = [
            "cap",
            "ircv3",
            "ircv3_accounttag",
            "ircv3_batch",
            "ircv3_capnotify",
            "ircv3_chghost",
            "ircv3_ctctags",
            "ircv3_echomessage",
            "ircv3_invitenotify",
            "ircv3_labeledresponse",
            "ircv3_msgid",
            "ircv3_servertime",
            "namesx",
            "uhnames",
            "knock",
            "setname",
            "monitor",
        ];
        let modules = modules.map(|name| format!("<module name=\"{name}\">")).join(
            "
",
        );
        let config = format!(
            "<server name=\"inspircd.test\" description=\"test\" network=\"InspTest\">\n\
             <admin name=\"test\" nick=\"test\" email=\"test@inspircd.test\">\n\
             <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
             <path configdir=\"{path}\" datadir=\"{path}\" logdir=\"{path}\" runtimedir=\"{path}\">\n\
             <pid file=\"{path}/pid\">\n\
             <connect name=\"all\" allow=\"*\" threshold=\"1000000\" commandrate=\"1000000\" fakelag=\"no\" \
              localmax=\"5000\" globalmax=\"5000\" maxconnwarn=\"no\" resolvehostnames=\"no\" useident=\"no\" \
              modes=\"+x\" recvq=\"65536\" softsendq=\"1048576\" hardsendq=\"4194304\" pingfreq=\"120\" timeout=\"30\">\n\
             <performance clonesonconnect=\"no\" softlimit=\"5000\" somaxconn=\"128\">\n\
             <options prefixpart=\"&quot;\" suffixpart=\"&quot;\" defaultmodes=\"not\">\n\
             <class name=\"none\"><type name=\"none\" classes=\"none\">\n{modules}"
        );
        let file = dir.path().join("inspircd.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("inspircd");
        command.args(["--nofork", "--runasroot", "--config"]).arg(&file);
        let mut process = Process::start("inspircd", command, &dir.path().join("log"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        process.listens(address).await;
        Self { address, _dir: dir, _process: process }
    }
}
