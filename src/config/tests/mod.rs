//! Behaviour of the configuration as a whole.

mod fields;

use super::*;
use monster_bridge_api::{Bridge, ConfigError, Scope};
use std::sync::Arc;

/// A kind of bridge that wants a `server`, and a whole number as `burst` if it is there.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn fussy(scope: Scope, section: serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError> {
    let wrong = |key: &str, why: &str| Err(ConfigError { key: key.to_owned(), why: why.to_owned() });
    match section.get("server") {
        None => return wrong("", "missing field `server`"),
        Some(server) if server.as_str().is_none_or(|server| server.contains(' ')) => {
            return wrong("server", "expected `host:port`");
        }
        Some(_) => {}
    }
    if section.pointer("/flood/burst").is_some_and(|burst| !burst.is_u64()) {
        return wrong("flood.burst", "expected a whole number");
    }
    if section.get("nck").is_some() {
        return wrong("nck", "there is no such key; did you mean `nick`?");
    }
    monster_bridge_echo::factory(scope, serde_json::json!({}))
}

fn kinds() -> Registry {
    Registry::default().with("echo", monster_bridge_echo::factory).with("irc", fussy)
}

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let source = Source { path: PathBuf::from("gw.toml"), text: text.to_owned() };
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::read(Some(source), environment, &kinds())
        .map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    read(text, environment).expect_err("it should have faults")
}

#[test]
fn without_anything_the_defaults_of_the_contract_hold() {
    let config = Config::read(None, HashMap::new(), &kinds()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7580");
    assert_eq!(config.server.public_url.authority().as_str(), "localhost:7580");
    assert_eq!(config.server.data_dir, Path::new("data"));
    assert_eq!(config.calls.udp_listen.port(), 7581);
    assert_eq!(config.delivery.keep_days, 7);
    let names: Vec<_> = config.bridges.iter().map(|bridge| bridge.name.as_str()).collect();
    assert_eq!(names, ["echo", "libera"]);
}

#[test]
fn the_file_goes_over_the_defaults_and_the_environment_over_the_file() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\npublic_url = \"http://a.example\"\n";
    let config = read(text, &[("MONSTER_GATEWAY__SERVER__LISTEN", "[::1]:2"), ("OTHER__SERVER__LISTEN", "x")]).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:2");
    assert_eq!(config.server.public_url.authority().as_str(), "a.example");
    assert_eq!(config.delivery.keep_days, 7);
}

#[test]
fn every_fault_is_told_with_its_line_and_what_was_expected() {
    let text = "\
[server]
listn = \"127.0.0.1:1\"
public_url = \"gw.example.org\"

[delivery]
keep_days = \"soon\"

[identiy]
require_tls = true
";
    insta::assert_snapshot!(problems(text, &[("MONSTER_GATEWAY__LIMITS__FRAME_BYTES", "many")]).join("\n"));
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let problems = problems("[server]\nlisten = \"127.0.0.1:1\"\noops\n", &[]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("gw.toml:3: this is not TOML: "), "{}", problems[0]);
}

#[test]
fn a_section_that_is_no_table_is_told_once() {
    assert_eq!(problems("server = 1\n", &[]), ["gw.toml:1: server: expected a table"]);
    assert_eq!(problems("[calls]\nturn = 1\n", &[]), ["gw.toml:2: calls.turn: expected a table"]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let problems = problems("[limits]\nframe_bytes = 1\nframes_per_second = -1\n[log]\nfilter = \"a=b=c\"\n", &[]);
    assert!(problems[0].starts_with("gw.toml:3: limits.frames_per_second: expected a whole number"), "{}", problems[0]);
    assert!(problems.iter().any(|problem| problem.starts_with("gw.toml:5: log.filter: ")), "{problems:?}");
}

#[test]
fn an_unknown_variable_is_told_by_its_name() {
    assert_eq!(
        problems("", &[("MONSTER_GATEWAY__SERVER__LISTN", "x")]),
        ["environment variable MONSTER_GATEWAY__SERVER__LISTN: server.listn: there is no such key; did you mean \
             `server.listen`?"]
    );
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let config = read(&format!("[metrics]\ntoken_file = {path:?}\n"), &[]).unwrap();
    assert_eq!(config.metrics.token.expose(), "hunter2");
    let config = read("", &[("MONSTER_GATEWAY__METRICS__TOKEN_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(config.metrics.token.expose(), "hunter2");
    let missing = problems("[metrics]\ntoken_file = \"/nowhere/token\"\n", &[]);
    assert!(missing[0].starts_with("gw.toml:2: metrics.token_file: cannot read /nowhere/token: "), "{}", missing[0]);
}

#[test]
fn no_fault_shows_a_secret() {
    let problems = problems("[calls.turn]\nurls = [\"turn:a\"]\nsecret = 12345678\n", &[]);
    assert!(!problems.join("\n").contains("12345678"), "{problems:?}");
}

#[test]
fn bridges_take_reserved_names_from_nobody() {
    for name in RESERVED {
        let problems = problems(&format!("[bridges.{name}]\nkind = \"echo\"\n"), &[]);
        assert_eq!(
            problems,
            [format!("gw.toml:1: bridges.{name}: the name `{name}` is reserved for the gateway itself")]
        );
    }
    assert!(problems("[bridges.\"9999\"]\nkind = \"echo\"\n", &[])[0].contains("not only digits"));
    assert!(problems("[bridges.Caps]\nkind = \"echo\"\n", &[])[0].contains("does not fit"));
}

#[test]
fn every_fault_of_a_bridge_is_told() {
    let text = "\
[bridges.ergo]
kind = \"irc\"
nck = \"ada\"
flood = { burst = \"x\" }
[bridges.other]
kind = \"ircc\"
[bridges.third]
server = \"a:1\"
[bridges.fourth]
kind = \"irc\"
server = \"a b\"
";
    assert_eq!(
        problems(text, &[]),
        [
            "gw.toml:1: bridges.ergo: missing field `server`",
            "gw.toml:6: bridges.other.kind: no kind of bridge is called `ircc`; did you mean `irc`? (there are: echo, irc)",
            "gw.toml:7: bridges.third: expected a `kind`, one of: echo, irc",
            "gw.toml:11: bridges.fourth.server: expected `host:port`",
        ]
    );
    let with_server = problems(&text.replace("nck", "server = \"a:1\"\nnck"), &[]);
    assert_eq!(with_server[0], "gw.toml:4: bridges.ergo.nck: there is no such key; did you mean `nick`?");
    assert_eq!(with_server[1], "gw.toml:5: bridges.ergo.flood.burst: expected a whole number");
}

#[test]
fn a_built_in_bridge_can_be_changed_and_switched_off() {
    let config = read("[bridges.libera]\nserver = \"localhost:6667\"\n[bridges.echo]\nenabled = false\n", &[]).unwrap();
    assert_eq!(config.bridges.len(), 1);
    assert_eq!(config.bridges[0].kind, "irc");
    assert_eq!(config.bridges[0].settings, serde_json::json!({ "server": "localhost:6667" }));
}

#[test]
fn a_bridge_reads_numbers_and_texts_from_the_environment_as_it_needs_them() {
    let environment = [
        ("MONSTER_GATEWAY__BRIDGES__LIBERA__FLOOD__BURST", "12"),
        ("MONSTER_GATEWAY__BRIDGES__LIBERA__PASSWORD", "0123456"),
    ];
    let config = read("", &environment).unwrap();
    let libera = &config.bridges[1].settings;
    assert_eq!(libera["flood"]["burst"], 12);
    assert_eq!(libera["password"], "0123456");
}

#[test]
fn a_program_built_without_a_kind_goes_without_its_built_in_instance() {
    let kinds = Registry::default().with("echo", monster_bridge_echo::factory);
    let config = Config::read(None, HashMap::new(), &kinds).unwrap();
    assert_eq!(config.bridges.len(), 1);
    let source = Source { path: PathBuf::from("gw.toml"), text: "[bridges.libera]\nnick = \"ada\"\n".to_owned() };
    assert!(Config::read(Some(source), HashMap::new(), &kinds).is_err());
}

/// Holds a file of the repository against what the program says; with `UPDATE_GENERATED` set it
/// writes the file instead.
fn held(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{file} is not what the program says; run `UPDATE_GENERATED=1 cargo test config`");
}

#[test]
fn the_documentation_of_the_keys_is_up_to_date() {
    let irc = fields::table(
        concat!(
            include_str!("../../../bridges/irc/src/config.rs"),
            include_str!("../../../bridges/api/src/backoff.rs")
        ),
        "Config",
    );
    let echo = fields::table(include_str!("../../../bridges/echo/src/config.rs"), "Config");
    assert!(irc.contains("| `flood.burst` | a whole number | Lines that may go at once. Default 5. |"), "{irc}");
    let matrix = fields::table(include_str!("../../../bridges/matrix/src/appservice/config.rs"), "Config");
    let account = fields::table(include_str!("../../../bridges/matrix/src/account/config.rs"), "Config");
    let xmpp = fields::table(
        concat!(
            include_str!("../../../bridges/xmpp/src/config.rs"),
            include_str!("../../../bridges/api/src/backoff.rs")
        ),
        "Config",
    );
    let kinds = format!(
        "\n### `kind = \"irc\"`\n\n{irc}\n### `kind = \"matrix\"`, `mode = \"appservice\"`\n\n{matrix}\n\
         ### `kind = \"matrix\"`, `mode = \"account\"`\n\n{account}\n\
         ### `kind = \"xmpp\"`\n\n{xmpp}\n### `kind = \"echo\"`\n\n{echo}"
    );
    held("docs/configuration.md", &(reference() + kinds.as_str()));
}

#[test]
fn the_annotated_defaults_are_the_defaults() {
    held("config/default.toml", &default_toml());
    let written = Config { file: None, ..read(&default_toml(), &[]).unwrap() };
    assert_eq!(written, Config::read(None, HashMap::new(), &kinds()).unwrap());
}
