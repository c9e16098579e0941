//! `call` and `doctor --media`, as their users run them, through a running gateway.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use monster_testkit::{Coturn, Gateway, free_udp_port_at, within};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

fn command(gateway: &Gateway, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).arg("--config").arg(gateway.config()).current_dir(gateway.dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn start(gateway: &Gateway, args: &[&str]) -> Child {
    command(gateway, args).spawn().expect("the program starts")
}

async fn run(gateway: &Gateway, args: &[&str]) -> Output {
    within(&format!("the end of {args:?}"), command(gateway, args).output()).await.expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{:?}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("`--json` prints JSON")
}

#[tokio::test]
async fn a_call_to_the_echo_brings_its_own_packets_back() {
    let gateway = Gateway::start(BINARY, "").await;
    let echo = gateway.address("echo", "echo");
    let output = run(&gateway, &["call", &echo, "--for", "2"]).await;
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let sound = said.lines().find(|line| line.starts_with("sound (opus): ")).expect("a line about the sound");
    assert!(sound.contains(" packets sent, ") && !sound.contains(" 0 received"), "{sound}");
}

#[tokio::test]
async fn a_video_call_to_the_echo_is_recorded() {
    let gateway = Gateway::start(BINARY, "").await;
    let echo = gateway.address("echo", "echo");
    let (seen, heard) = (gateway.dir().join("seen.ivf"), gateway.dir().join("heard.ogg"));
    let (seen_path, heard_path) = (seen.to_str().unwrap_or_default(), heard.to_str().unwrap_or_default());
    let output = run(
        &gateway,
        &["call", &echo, "--video", "--for", "2", "--json", "--record", seen_path, "--record", heard_path],
    )
    .await;
    let report = report(&output);
    for kind in ["audio", "video"] {
        assert!(report[kind]["received"].as_u64() > Some(20), "{report}");
    }
    assert!(report["setup_ms"].as_f64().is_some_and(|ms| ms < 10_000.0), "{report}");
    assert!(std::fs::metadata(seen).is_ok_and(|file| file.len() > 10_000));
    assert!(std::fs::metadata(heard).is_ok_and(|file| file.len() > 1000));
}

#[tokio::test]
async fn one_account_calls_another_and_both_hear() {
    let gateway = Gateway::start(BINARY, "").await;
    gateway.account("alice").await;
    gateway.account("bob").await;
    let mut waiting = start(&gateway, &["call", "--answer", "--account", "alice"]);
    let mut complaints = BufReader::new(waiting.stderr.take().expect("it is piped")).lines();
    let ready = within("the other side's waiting", complaints.next_line()).await.expect("it can be read");
    assert_eq!(ready.as_deref(), Some("waiting for a call"));
    let alice = gateway.address("alice", "");
    let calling = report(&run(&gateway, &["call", &alice, "--account", "bob", "--for", "2", "--json"]).await);
    let answering = within("the other side's end", waiting.wait_with_output()).await.expect("it runs");
    let said = text(&answering.stdout);
    assert!(answering.status.success(), "{said}");
    assert!(said.contains("sound (opus): ") && !said.contains(" 0 received"), "{said}");
    assert_eq!(calling["end"], "hung_up");
    assert!(calling["audio"]["received"].as_u64() > Some(50), "{calling}");
}

#[tokio::test]
async fn a_call_to_somebody_who_is_not_online_fails_with_a_line_that_says_so() {
    let gateway = Gateway::start(BINARY, "").await;
    gateway.account("carol").await;
    let output = run(&gateway, &["call", &gateway.address("carol", ""), "--for", "2"]).await;
    assert!(!output.status.success());
    let complaint = text(&output.stderr);
    let line = complaint.lines().last().unwrap_or_default();
    assert!(line.contains("not online"), "{complaint}");
}

#[tokio::test]
async fn doctor_calls_the_echo_and_tells_how_it_was() {
    let gateway = Gateway::start(BINARY, "").await;
    let output = run(&gateway, &["doctor", "--media", "--json"]).await;
    let findings: Value = serde_json::from_slice(&output.stdout).expect("`--json` prints JSON");
    let all = findings.as_array().cloned().unwrap_or_default();
    let call = all.iter().find(|finding| finding["what"] == "a call to the echo, directly");
    let call = call.unwrap_or_else(|| panic!("no finding about a call in {findings}"));
    assert_eq!(call["ok"], true, "{call}");
    assert!(call["said"].as_str().is_some_and(|said| said.contains("packets came back")), "{call}");
}

/// What `doctor --media` says of a call to the echo through coturn, over UDP.
async fn through_turn(gateway: &Gateway) -> Value {
    let output = run(gateway, &["doctor", "--media", "--json"]).await;
    let findings: Value = serde_json::from_slice(&output.stdout).expect("`--json` prints JSON");
    let all = findings.as_array().cloned().unwrap_or_default();
    let is_it = |finding: &Value| {
        let what = finding["what"].as_str().unwrap_or_default();
        what.starts_with("a call to the echo, through turn:") && what.contains("transport=udp")
    };
    all.iter().find(|finding| is_it(finding)).cloned().unwrap_or_else(|| panic!("no such finding in {findings}"))
}

#[tokio::test]
async fn doctor_calls_through_the_turn_server_and_says_if_that_fails() {
    let coturn = Coturn::start().await;
    let port = free_udp_port_at(Ipv4Addr::LOCALHOST);
    let calls = format!("[calls]\nudp_listen = \"127.0.0.1:{port}\"\n{}", coturn.section());
    let gateway = Gateway::start(BINARY, &calls).await;
    let through = through_turn(&gateway).await;
    assert_eq!(through["ok"], true, "{through}\n{}", coturn.output());
    drop(coturn);
    let through = through_turn(&gateway).await;
    assert_eq!(through["ok"], false, "{through}");
}
