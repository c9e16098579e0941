//! A headless Chromium, driven by `tests/browser/driver.mjs`: this file starts the driver and speaks
//! its lines. What a page receives from a call is in [`crate::figures`].

use crate::figures::Figures;
use crate::netns::Namespace;
use crate::tools;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// One browser at a time: a second one's encoders would take the processor time from which the
/// first one's figures come.
static ONE: Semaphore = Semaphore::const_new(1);

/// How a browser is started.
#[derive(Debug, Default)]
pub struct BrowserOptions<'a> {
    /// The network namespace it lives in, or the machine's.
    pub within: Option<&'a Namespace>,
    /// Origins that count as secure although they are neither https nor localhost: only there may a
    /// page use a camera.
    pub trusted_origins: Vec<String>,
}

/// A running browser; it ends with its value.
#[derive(Debug)]
pub struct Browser {
    wire: Arc<Wire>,
    tabs: AtomicU64,
    dir: TempDir,
    _child: Child,
    _turn: SemaphorePermit<'static>,
}

/// A tab with a profile of its own: what it stores and is signed in as is nobody else's.
#[derive(Debug, Clone)]
pub struct Tab {
    wire: Arc<Wire>,
    name: String,
    key: String,
}

#[derive(Debug)]
struct Wire {
    to: tokio::sync::Mutex<ChildStdin>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>,
    last: AtomicU64,
}

impl Browser {
    /// Starts one in the machine's network.
    pub async fn start() -> Self {
        Self::start_with(BrowserOptions::default()).await
    }

    /// Starts one.
    pub async fn start_with(options: BrowserOptions<'_>) -> Self {
        let turn = ONE.acquire().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser/driver.mjs");
        let mut command = options.within.map_or_else(|| Command::new("node"), |within| within.command("node"));
        let mut flags = Vec::new();
        if !options.trusted_origins.is_empty() {
            flags.push(format!("--unsafely-treat-insecure-origin-as-secure={}", options.trusted_origins.join(",")));
        }
        // Chromium's profile goes away with the directory, however the browser ends.
        let settings = json!({"tools": tools::directory(), "flags": flags});
        command.arg(driver).arg(settings.to_string()).env("TMPDIR", dir.path());
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start ({error}); `./test` installs it"));
        let wire = Arc::new(Wire {
            to: tokio::sync::Mutex::new(child.stdin.take().unwrap()),
            waiting: Mutex::default(),
            last: AtomicU64::new(0),
        });
        let started = wire.expect(0);
        tokio::spawn(listen(wire.clone(), child.stdout.take().unwrap()));
        let browser = Self { wire, tabs: AtomicU64::new(1), dir, _child: child, _turn: turn };
        crate::within("the browser", started)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_else(|| panic!("the browser does not start; `./test` installs it:\n{}", browser.output()));
        browser
    }

    /// A new tab as wide as a desk's screen.
    pub async fn tab(&self, name: &str) -> Tab {
        self.tab_with(name, json!({"viewport": {"width": 1280, "height": 800}})).await
    }

    /// A new tab like a phone's.
    pub async fn phone(&self, name: &str) -> Tab {
        let viewport = json!({"width": 390, "height": 844});
        self.tab_with(name, json!({"viewport": viewport, "isMobile": true, "hasTouch": true, "deviceScaleFactor": 2}))
            .await
    }

    /// A new tab with these options of playwright's `newContext`.
    pub async fn tab_with(&self, name: &str, options: Value) -> Tab {
        // Two devices of one person are two tabs.
        let number = self.tabs.fetch_add(1, Ordering::Relaxed);
        let tab = Tab { wire: self.wire.clone(), name: name.to_owned(), key: format!("{name} {number}") };
        tab.order("tab", json!({"options": options})).await;
        tab
    }

    /// Asserts that no page threw an error, crashed or broke its content security policy.
    pub async fn assert_quiet(&self) {
        let complaints = self.wire.ask(json!({"do": "complaints"})).await.unwrap();
        assert_eq!(complaints, json!([]), "pages complained");
    }

    /// What the pages printed.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = format!("\n-- the browser's lines --\n{}\n", self.output());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}

impl Tab {
    /// Opens a URL; panics unless the answer's status is 200.
    pub async fn open(&self, url: &str) {
        let status = self.page("goto", json!([url])).await;
        assert_eq!(status, 200, "{} opens a page", self.name);
    }

    /// Goes to another part (`#…`) of the page that is open.
    pub async fn open_part(&self, url: &str) {
        self.page("goto", json!([url])).await;
    }

    /// Answers every URL below `url` from the directory `files` of `tests/browser`.
    pub async fn serve(&self, url: &str, files: &str) {
        self.order("serve", json!({"url": url, "files": files})).await;
    }

    /// Clicks the element with this `data-testid`, once it can be clicked.
    pub async fn click(&self, id: &str) {
        self.element(id, "click", json!([])).await;
    }

    /// Types into the field with this `data-testid`.
    pub async fn fill(&self, id: &str, words: &str) {
        self.element(id, "fill", json!([words])).await;
    }

    /// Waits until the element with this `data-testid` is seen.
    pub async fn sees(&self, id: &str) {
        self.element(id, "waitFor", json!([{"state": "visible"}])).await;
    }

    /// Waits until no element with this `data-testid` is seen.
    pub async fn sees_no(&self, id: &str) {
        self.element(id, "waitFor", json!([{"state": "hidden"}])).await;
    }

    /// Waits until the element with this `data-testid` has these words in it.
    pub async fn reads(&self, id: &str, words: &str) {
        let selector = format!("[data-testid=\"{id}\"]:has-text({})", json!(words));
        self.locate(&selector, "waitFor", json!([{"state": "visible"}])).await;
    }

    /// The words of the element with this `data-testid`.
    pub async fn text(&self, id: &str) -> String {
        let text = self.element(id, "innerText", json!([])).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Calls a method of playwright's `Locator` on the element with this `data-testid`.
    pub async fn element(&self, id: &str, method: &str, args: Value) -> Value {
        self.locate(&format!("[data-testid=\"{id}\"]"), method, args).await
    }

    /// Calls a method of playwright's `Locator` on what `selector` finds.
    pub async fn locate(&self, selector: &str, method: &str, args: Value) -> Value {
        self.order("element", json!({"selector": selector, "method": method, "args": args})).await
    }

    /// Calls a method of playwright's `Page`.
    pub async fn page(&self, method: &str, args: Value) -> Value {
        self.order("page", json!({"method": method, "args": args})).await
    }

    /// Runs a function in the page, given as text, and waits for what it returns or promises.
    pub async fn run(&self, function: &str, arg: Value) -> Value {
        self.order("run", json!({"script": function, "arg": arg})).await
    }

    /// What the page sends and receives of calls, so far.
    pub async fn figures(&self) -> Figures {
        Figures::read(&self.run("() => window.__observed.figures()", Value::Null).await)
    }

    /// Watches for `length`; the longest time without a newly decoded video frame, and what passed
    /// meanwhile.
    pub async fn longest_gap(&self, length: Duration) -> (Duration, String) {
        let gap = self.run("(ms) => window.__observed.longestGap(ms)", json!(length.as_secs_f64() * 1000.0)).await;
        let figures =
            ["at", "packets", "frames", "keyFrames", "nacks", "plis", "repaired", "sentPackets", "sentFrames"];
        let mut course = figures.join(" ");
        for sample in gap["samples"].as_array().into_iter().flatten() {
            course.push('\n');
            course.extend(figures.map(|figure| format!("{} ", sample[figure])));
        }
        (Duration::from_secs_f64(gap["length"].as_f64().unwrap() / 1000.0), course)
    }

    /// Saves what the tab shows as a PNG.
    pub async fn screenshot(&self, file: &Path) {
        self.page("screenshot", json!([{"path": file}])).await;
    }

    /// Closes it: whoever was in it is gone.
    pub async fn close(self) {
        self.page("close", json!([])).await;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn order(&self, what: &str, mut fields: Value) -> Value {
        fields["do"] = json!(what);
        fields["tab"] = json!(self.key);
        let order = fields.to_string();
        self.wire.ask(fields).await.unwrap_or_else(|error| panic!("{}: {order}: {error}", self.name))
    }
}

impl Wire {
    fn expect(&self, id: u64) -> oneshot::Receiver<Result<Value, String>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, sender);
        receiver
    }

    async fn ask(&self, mut command: Value) -> Result<Value, String> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        command["id"] = json!(id);
        let answer = self.expect(id);
        let line = format!("{command}\n");
        self.to
            .lock()
            .await
            .write_all(line.as_bytes())
            .await
            .map_err(|error| format!("the driver is gone: {error}"))?;
        answer.await.map_err(|_| "the driver ended".to_owned())?
    }
}

/// Hands the driver's answers to those who asked.
async fn listen(wire: Arc<Wire>, from: ChildStdout) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer: Value = serde_json::from_str(&line).unwrap();
        let Some(sender) = answer["id"].as_u64().and_then(|id| wire.waiting.lock().remove(&id)) else { continue };
        let result = match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].clone()),
        };
        let _ = sender.send(result);
    }
    wire.waiting.lock().clear();
}
