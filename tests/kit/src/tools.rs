//! Where the npm and Python packages of the tests are: `tests/support/tools-dir` knows.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static BROWSER: LazyLock<PathBuf> = LazyLock::new(|| find("browser"));
static MATRIX: LazyLock<PathBuf> = LazyLock::new(|| find("matrix-tools"));
static XMPP: LazyLock<PathBuf> = LazyLock::new(|| find("xmpp-tools"));
static STANZA: LazyLock<PathBuf> = LazyLock::new(bundle_stanza);

fn find(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../support/tools-dir");
    let output = std::process::Command::new(&script).arg(name).output().unwrap();
    let directory = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    assert!(directory.is_dir(), "{} is not there; `./test` installs it", directory.display());
    directory
}

/// What `tests/browser` pins; panics if nothing is installed there.
pub fn directory() -> &'static Path {
    &BROWSER
}

/// The Python that has aiortc.
pub fn python() -> PathBuf {
    directory().join("python/bin/python")
}

/// What `tests/matrix-tools` pins: matrix-js-sdk in `node_modules`, and a Python.
pub fn matrix() -> &'static Path {
    &MATRIX
}

/// The Python that has Synapse and matrix-nio.
pub fn matrix_python() -> PathBuf {
    matrix().join("python/bin/python")
}

/// What `tests/xmpp-tools` pins: stanza.js in `node_modules`, and a Python.
pub fn xmpp() -> &'static Path {
    &XMPP
}

/// stanza.js as one script for a page, in which it is `window.Stanza`. Made at the first use.
pub fn stanza() -> &'static Path {
    &STANZA
}

fn bundle_stanza() -> PathBuf {
    let script = xmpp().join("stanza.js");
    if !script.exists() {
        // (Under a name of its own until it is whole: another test may make it too.)
        let half = xmpp().join(format!("stanza.{}.js", std::process::id()));
        let made = std::process::Command::new("sh")
            .arg("-c")
            .arg("echo 'import * as stanza from \"stanza\"; window.Stanza = stanza;' | node_modules/.bin/esbuild --bundle --format=iife --define:global=window --log-level=error --outfile=\"$0\"")
            .arg(&half)
            .current_dir(xmpp())
            .output()
            .unwrap();
        assert!(made.status.success(), "esbuild: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(&half, &script).unwrap();
    }
    script
}
