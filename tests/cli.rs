//! The program as it is called from a shell: what commands print, and the codes they end with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, with a configuration for a free port.
struct Place {
    dir: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, port };
        place.configure("");
        place
    }

    fn configure(&self, more: &str) {
        let server =
            format!("[server]\nlisten = \"127.0.0.1:{0}\"\npublic_url = \"http://localhost:{0}\"\n{more}\n", self.port);
        std::fs::write(self.dir.path().join("monster-gateway.toml"), server).unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.path()).env_clear().env("USER", "tester");
        // Each has a media port of its own.
        command.env("MONSTER_GATEWAY__CALLS__UDP_LISTEN", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints, which must succeed.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    /// The code and the complaint of a command, which must fail.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {}", text(&output.stdout));
        (output.status.code().unwrap(), text(&output.stderr).trim_end().to_owned())
    }

    /// What a path answers, or `None` if nobody does.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

/// A gateway that runs; killed with this value.
struct Gateway {
    process: Child,
    log: PathBuf,
}

impl Gateway {
    fn start(place: &Place) -> Self {
        let log = place.path().join("log");
        let process = place.command(&["run"]).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let gateway = Self { process, log };
        gateway.until("it is ready", || place.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
        gateway
    }

    /// Asks again and again until it is so.
    fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let started = Instant::now();
        while !so() {
            assert!(started.elapsed() < PATIENCE, "waited in vain until {what}:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop; its code and what it logged.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let code = self.process.wait().unwrap().code();
        (code, self.log())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_configuration_without_faults_is_fine_and_one_with_faults_ends_with_78() {
    let place = Place::new();
    assert_eq!(place.prints(&["check-config"]), "monster-gateway.toml is fine");
    place.configure("lsten = 1\n[delivery]\nkeep_days = 0\n");
    let output = place.run(&["check-config"]);
    assert_eq!(output.status.code(), Some(78));
    let told = text(&output.stdout);
    assert!(
        told.contains("monster-gateway.toml:4: server.lsten: there is no such key; did you mean `server.listen`?"),
        "{told}"
    );
    assert!(told.contains("monster-gateway.toml:6: delivery.keep_days: expected at least 1, not 0"), "{told}");
    assert_eq!(json(&text(&place.run(&["check-config", "--json"]).stdout))["problems"].as_array().unwrap().len(), 2);
    let (code, told) = place.fails(&["run"]);
    assert_eq!(code, 78);
    assert!(told.contains("server.lsten"), "{told}");
}

#[test]
fn the_file_can_be_named_by_an_argument_or_a_variable() {
    let place = Place::new();
    std::fs::write(place.path().join("other.toml"), "[log]\nfilter = 7\n").unwrap();
    let named = place.run(&["check-config", "--config", "other.toml"]);
    assert!(text(&named.stdout).starts_with("other.toml:2: log.filter: "), "{}", text(&named.stdout));
    let mut command = place.command(&["check-config"]);
    let named = command.env("MONSTER_GATEWAY_CONFIG", "other.toml").output().unwrap();
    assert_eq!(named.status.code(), Some(78));
    let (code, told) = {
        let output = place.run(&["check-config", "--config", "gone.toml"]);
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(code, Some(78));
    assert!(told.starts_with("gone.toml: cannot read the configuration file"), "{told}");
}

#[test]
fn the_examples_of_configurations_are_fine() {
    let place = Place::new();
    // The home lab makes such at its first start.
    let secret = place.path().join("secret");
    std::fs::write(&secret, "made at the first start\n").unwrap();
    for example in ["default.toml", "ergo.toml", "home-lab.toml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(example);
        let mut command = place.command(&["check-config", "--config", file.to_str().unwrap()]);
        if example == "home-lab.toml" {
            command.env("MONSTER_GATEWAY__CALLS__TURN__SECRET_FILE", &secret);
            command.env("MONSTER_GATEWAY__BRIDGES__XMPP__SECRET_FILE", &secret);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{example}: {}", text(&output.stderr));
    }
}

#[test]
fn a_token_is_all_that_add_and_token_print() {
    let place = Place::new();
    for args in [
        &["account", "add", "alice"][..],
        &["account", "token", "alice"],
        &["account", "add", "--group", "club", "--pass", "p"],
    ] {
        let token = place.prints(args);
        assert_eq!(token.len(), 43, "{token}");
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{token}");
    }
    let listed = json(&place.prints(&["account", "list", "--json"]));
    assert_eq!(listed[0]["address"], format!("@alice:localhost:{}", place.port));
    assert_eq!(listed[1]["kind"], "group");
    assert_eq!(listed[1]["has_pass"], true);
    place.prints(&["account", "remove", "alice"]);
    assert_eq!(json(&place.prints(&["account", "list", "--json"])).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_not_there_or_not_possible_is_said_in_one_line_with_its_code() {
    let place = Place::new();
    place.prints(&["account", "add", "alice"]);
    let cases: [(&[&str], i32); 12] = [
        (&["account", "token", "bob"], 66),
        (&["account", "remove", "bob"], 66),
        (&["account", "add", "alice"], 65),
        (&["account", "add", "two\nlines"], 65),
        (&["account", "add", "@bob:localhost:7580"], 65),
        (&["account", "add", "@bob"], 65),
        (&["account", "add", ":bob"], 65),
        (&["map", "list", "--bridge", "liberra"], 66),
        (&["link", "remove", "7"], 66),
        (&["registration", "echo"], 65),
        (&["restore", "gone.db"], 66),
        (&["health"], 69),
    ];
    for (args, code) in cases {
        let (found, told) = place.fails(args);
        assert_eq!(found, code, "{args:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{args:?}: {told}");
    }
    assert!(place.fails(&["account", "add", "@bob:localhost:7580"]).1.contains("looks like an address"));
    assert!(place.fails(&["map", "list", "--bridge", "liberra"]).1.contains("did you mean `libera`?"));
    assert_eq!(json(&place.prints(&["map", "list", "--bridge", "libera", "--json"])).as_array().unwrap().len(), 0);
    assert_eq!(place.fails(&["nonsense"]).0, 64);
    assert_eq!(place.fails(&["link", "add", "@one:localhost"]).0, 64);
    assert_eq!(place.fails(&["link", "add", "no address", "@a:b"]).0, 64);
}

#[test]
fn a_channel_is_never_linked_with_itself_by_way_of_two_instances() {
    let place = Place::new();
    let instance = |name| format!("[bridges.{name}]\nkind = \"irc\"\nserver = \"irc.example.org\"\n");
    place.configure(&(instance("one") + &instance("two")));
    let at = |room: &str, bridge: &str| format!("@{room}:{bridge}:localhost:{}", place.port);
    let group = format!("@lobby:localhost:{}", place.port);
    place.prints(&["link", "add", &group, &at("#a", "one"), &at("#b", "two")]);
    for (known, again) in [(at("#c", "one"), at("#c", "two")), (group, at("#B", "one"))] {
        let (code, why) = place.fails(&["link", "add", &known, &again]);
        assert!(code == 65 && why.contains("one and the same room"), "{code}: {why}");
    }
}

#[test]
fn every_secret_of_a_bridge_can_stand_in_a_file_and_a_misspelt_key_is_told() {
    let place = Place::new();
    std::fs::write(place.path().join("secret"), "a-long-enough-secret\n").unwrap();
    let sections = [
        "[bridges.a]\nkind = \"irc\"\nserver = \"x\"\npassword_file = \"secret\"",
        "[bridges.a]\nkind = \"irc\"\nserver = \"x\"\nsasl = { mechanism = \"plain\", user = \"u\", password_file = \"secret\" }",
        "[bridges.a]\nkind = \"matrix\"\nhomeserver = \"http://h\"\nserver_name = \"h\"\nas_token_file = \"secret\"",
        "[bridges.a]\nkind = \"xmpp\"\ndomain = \"a.b\"\nsecret_file = \"secret\"",
    ];
    let problem = |section: &str, expected: &str| {
        place.configure(section);
        let output = place.run(&["check-config"]);
        let why = text(&output.stdout);
        assert!(output.status.code() == Some(78) && why.contains(expected), "{section}: {:?}, {why}", output.status);
    };
    for section in sections {
        place.configure(section);
        place.prints(&["check-config"]);
        problem(&section.replace("_file = ", "_fiel = "), "_fiel: there is no such key; did you mean `");
        problem(&section.replace("\"secret\"", "\"gone\""), "_file: gone cannot be read");
    }
}

#[test]
fn the_administrators_token_is_made_once_and_is_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let token = place.prints(&["admin-token"]);
    assert_eq!(place.prints(&["admin-token"]), token);
    for entry in std::fs::read_dir(place.path().join("data")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.path());
    }
}

#[test]
fn a_copy_brings_back_what_was_there() {
    let place = Place::new();
    place.prints(&["account", "add", "alice"]);
    place.prints(&["backup", "copy.db"]);
    assert_eq!(place.fails(&["backup", "copy.db"]).1.lines().count(), 1);
    place.prints(&["account", "remove", "alice"]);
    place.prints(&["restore", "copy.db"]);
    assert_eq!(json(&place.prints(&["account", "list", "--json"]))[0]["name"], "alice");
}

#[test]
fn the_gateway_runs_until_it_is_told_to_stop() {
    let place = Place::new();
    let gateway = Gateway::start(&place);
    assert!(place.get("/healthz").unwrap().ends_with("ok\n"));
    assert!(place.get("/").unwrap().contains(&format!("@echo:echo:localhost:{}", place.port)));
    assert!(place.get("/metrics").unwrap().contains("process_resident_memory_bytes"));
    assert!(place.get("/api/v1/openapi.json").unwrap().starts_with("HTTP/1.1 200"));
    assert!(place.get("/check/secret-token?secret-query").unwrap().starts_with("HTTP/1.1 404"));
    assert!(place.prints(&["health", "--ready"]).contains("\"ready\":true"));
    let (code, told) = place.fails(&["run"]);
    assert_eq!(code, 71);
    assert!(told.contains("a gateway runs there already"), "{told}");
    let (code, log) = gateway.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("monster-gateway is ready at http://localhost:{}", place.port)), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn one_gateway_at_a_time_runs_on_a_data_directory() {
    let place = Place::new();
    let _gateway = Gateway::start(&place);
    let mut command = place.command(&["run"]);
    let second = command.env("MONSTER_GATEWAY__SERVER__LISTEN", "127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    assert!(text(&second.stderr).contains("is in use by the gateway"), "{}", text(&second.stderr));
    place.prints(&["backup", "copy.db"]);
    assert_ne!(place.fails(&["restore", "copy.db"]).0, 0);
}

#[test]
fn a_hangup_reads_log_filter_and_limits_anew_and_a_bad_file_changes_nothing() {
    let place = Place::new();
    let gateway = Gateway::start(&place);
    place.configure("[log]\nfilter = \"debug\"\n");
    gateway.signal("-HUP");
    gateway.until("the file is read anew", || gateway.log().contains("took over log filter and limits"));
    place.get("/healthz");
    gateway.until("requests are logged", || gateway.log().contains("answered a request"));
    place.configure("[log]\nfilter = 1\n");
    gateway.signal("-HUP");
    gateway.until("the fault is told", || gateway.log().contains("log.filter: expected text"));
    assert!(place.get("/healthz").unwrap().ends_with("ok\n"));
    assert_eq!(gateway.stop().0, Some(0));
}

#[test]
fn slow_and_oversized_heads_of_requests_end_the_connection() {
    let place = Place::new();
    place.configure("header_seconds = 1\n");
    let _gateway = Gateway::start(&place);
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: lo").unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).unwrap();
    assert!(!text(&answer).starts_with("HTTP/1.1 200"));
    let mut big = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)).unwrap();
    big.set_read_timeout(Some(PATIENCE)).unwrap();
    let header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let _ = big.write_all(header.as_bytes());
    let mut answer = Vec::new();
    let _ = big.read_to_end(&mut answer);
    assert!(!text(&answer).starts_with("HTTP/1.1 200"));
}

#[test]
fn the_doctor_is_content_with_a_gateway_on_one_machine() {
    let place = Place::new();
    place.configure("[bridges.libera]\nenabled = false\n[calls]\nudp_listen = \"127.0.0.1:0\"\n");
    let findings = json(&place.prints(&["doctor", "--json"]));
    let what: Vec<_> = findings.as_array().unwrap().iter().map(|finding| finding["what"].as_str().unwrap()).collect();
    for expected in ["data directory", "listener", "public URL", "bridge echo", "clock"] {
        assert!(what.contains(&expected), "{findings}");
    }
    let gateway = Gateway::start(&place);
    assert!(place.prints(&["doctor"]).contains("a gateway answers"));
    drop(gateway);
    let (code, told) = {
        let mut command = place.command(&["doctor"]);
        let output = command.env("MONSTER_GATEWAY__SERVER__LISTEN", "192.0.2.1:7580").output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(code, Some(69));
    assert!(told.contains("FAIL   listener: 192.0.2.1:7580 cannot be used"), "{told}");
}

/// Runs a chat with these lines as standard input; what it printed.
fn chat(place: &Place, args: &[&str], lines: &str) -> String {
    let mut command = place.command(&[&["chat"], args].concat());
    let mut chat = command.stdin(Stdio::piped()).spawn().unwrap();
    chat.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = chat.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_chat_with_the_echo_needs_no_account_made_by_hand() {
    let place = Place::new();
    let _gateway = Gateway::start(&place);
    let echo = format!("@echo:echo:localhost:{}", place.port);
    let said = chat(&place, &[&echo, "--for", "3"], "hello\n");
    assert!(said.contains("✓ #1\n"), "{said}");
    assert!(said.contains("echo: hello\n"), "{said}");
    assert_eq!(json(&place.prints(&["account", "list", "--json"]))[0]["name"], "tester");
    let again = chat(&place, &[&echo, "--for", "3"], "hello again\n/info\n");
    assert!(again.contains("echo: hello again\n") && again.contains("is a person called echo"), "{again}");
    assert!(!again.contains("monster.ext"), "{again}");
}

#[test]
fn a_script_chats_in_frames() {
    let place = Place::new();
    let _gateway = Gateway::start(&place);
    place.prints(&["account", "add", "robot"]);
    let echo = format!("@echo:echo:localhost:{}", place.port);
    let frames = "{\"messageId\":\"one\",\"text\":\"aGk=\"}\n{\"messageId\":\"two\",\"code\":\"1000\"}\n";
    let said = chat(&place, &["--json", "--account", "robot", &echo, "--for", "3"], frames);
    let frames: Vec<_> = said.lines().map(json).collect();
    let answer = |id: &str| frames.iter().find(|frame| frame["messageId"] == id).cloned().unwrap_or_default();
    assert_eq!(answer("one")["statusCode"], "200", "{said}");
    assert_eq!(answer("two")["nickname"], "echo", "{said}");
    assert!(
        frames.iter().any(|frame| frame["code"] == "2001" && frame["from"] == *echo && frame["text"] == "aGk="),
        "{said}"
    );
}

#[test]
fn a_chat_without_a_gateway_or_an_account_says_so() {
    let place = Place::new();
    let (code, told) = place.fails(&["chat", "@echo:echo:localhost"]);
    assert_eq!(code, 69);
    assert!(told.starts_with(&format!("no gateway can be reached at 127.0.0.1:{}", place.port)), "{told}");
    let (code, told) = place.fails(&["chat", "--account", "nobody"]);
    assert_eq!((code, told.lines().count()), (66, 1), "{told}");
    let mut command = place.command(&["chat", "--account", &format!("@tester:localhost:{}", place.port)]);
    let (without, with) = (command.output().unwrap(), command.env("MONSTER_GATEWAY_TOKEN", "wrong").output().unwrap());
    assert_eq!(without.status.code(), Some(65));
    assert_eq!(with.status.code(), Some(69));
    let _gateway = Gateway::start(&place);
    assert_eq!(command.output().unwrap().status.code(), Some(77));
}
