//! Where the browser tests' npm and Python packages are: `tests/support/tools-dir` knows.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../support/tools-dir");
    let output = std::process::Command::new(&script).output().unwrap();
    let directory = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    assert!(directory.is_dir(), "{} is not there; `./test` installs it", directory.display());
    directory
});

/// The directory; panics if nothing is installed there.
pub fn directory() -> &'static Path {
    &DIRECTORY
}

/// The Python that has aiortc.
pub fn python() -> PathBuf {
    directory().join("python/bin/python")
}
