//! Where the npm and Python packages of the tests are: `tests/support/tools-dir` knows.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static BROWSER: LazyLock<PathBuf> = LazyLock::new(|| find("browser"));
static MATRIX: LazyLock<PathBuf> = LazyLock::new(|| find("matrix-tools"));

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
