//! Lists the files of the web client (`web/`), so that the program holds them: `src/http/web`
//! includes the list. `cargo build` needs no other step, and a file that is added is seen.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What browsers get. Anything else that lies there (tests, a `package.json`) is not for them.
const SERVED: [&str; 9] = ["html", "css", "js", "svg", "png", "ico", "webmanifest", "woff2", "ogg"];
/// Directories that are not for browsers.
const KEPT_BACK: [&str; 2] = ["test", "node_modules"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("web");
    let mut files = Vec::new();
    walk(&root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = text(file.strip_prefix(&root).map_err(io::Error::other)?)?;
        let file = text(file)?;
        // Both are quoted as Rust strings.
        writeln!(table, "({name:?}, include_bytes!({file:?})),").map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web.rs"), table)?;
    tell_cargo(&format!("rerun-if-changed={}", root.display()));
    tell_cargo("rerun-if-changed=build.rs");
    Ok(())
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))
}

/// The files below a directory; none if it is not there.
fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && !KEPT_BACK.contains(&name) {
            walk(&path, files)?;
        } else if path.is_file() && !name.starts_with('.') && SERVED.contains(&extension) {
            files.push(path);
        }
    }
    Ok(())
}

/// How a build script speaks to cargo.
fn tell_cargo(what: &str) {
    println!("cargo::{what}");
}
