//! A caller who knows the published protocol and nothing of ours: 2003 with a bare session
//! description over a raw WebSocket, and aiortc for its media (`tests/browser/seed_caller.py`).

use crate::gateway_with;
use crate::phone::Phone;
use monster_testkit::{Browser, tools, within};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct SeedCaller {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl SeedCaller {
    /// Calls the account of this URL.
    fn call(url: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/seed_caller.py");
        let mut child = Command::new(tools::python())
            .arg(script)
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line of which `wanted` holds.
    async fn says(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        within(what, async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the seed's caller still runs");
                if wanted(&serde_json::from_str(&line).unwrap()) {
                    return;
                }
            }
        })
        .await;
    }

    /// Ends the call.
    async fn end(mut self) {
        drop(self.child.stdin.take());
        within("the end of the seed's caller", self.child.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn a_caller_who_knows_only_the_seed_talks_with_a_browser() {
    // aiortc offers no loopback candidates.
    let gateway = gateway_with(
        "[identity]\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]\n[calls]\nudp_listen = \"0.0.0.0:0\"\n",
    )
    .await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;

    let mut caller = SeedCaller::call(&format!("ws://{}/alice", gateway.host()));
    alice.is("invited").await;
    assert_eq!(alice.field("video").await, true, "2003 is a video call");
    alice.tell("ring()").await;
    alice.tell("answer()").await;
    caller.says("the answer", |line| line["answered"] == true).await;
    alice.hears_and_sees().await;
    let many = |line: &Value, what: &str| line[what].as_u64().is_some_and(|count| count > 20);
    caller.says("sound and pictures from the browser", |line| many(line, "loud") && many(line, "video")).await;
    caller.end().await;
    alice.is_over().await;
}
