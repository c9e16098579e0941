//! What is written from the declarations of the sections: the built-in layer, the annotated
//! `config/default.toml`, and `docs/configuration.md`. Tests hold the files against it.

use super::SECTIONS;
use super::bridges::{BUILT_IN, COMMON, RESERVED};
use super::section::{Key, Outline};
use std::fmt::Write as _;

/// The bottom layer: every key with its default.
pub(super) fn built_in() -> String {
    let mut out = String::new();
    for section in &SECTIONS {
        push_section(&mut out, section, false);
    }
    out.push_str(BUILT_IN);
    out
}

/// The text of `config/default.toml`: the defaults, with words for each.
pub fn default_toml() -> String {
    let mut out = String::from(
        "# The built-in defaults, with what each key is for. A file of your own needs only what is to be\n\
         # different: this one is documentation, and a test keeps it equal to the program.\n\n",
    );
    for section in &SECTIONS {
        push_section(&mut out, section, true);
    }
    out.push_str(
        "# One section for each network. These two are built in: `echo` repeats what is said to it, and\n\
         # `libera` connects once somebody uses it. `enabled = false` switches one off.\n",
    );
    out.push_str(BUILT_IN);
    out
}

fn push_section(out: &mut String, section: &Outline, with_words: bool) {
    let words = |out: &mut String, about: &[&str]| {
        for line in about.iter().filter(|_| with_words) {
            let _ = writeln!(out, "#{line}");
        }
    };
    words(out, section.about);
    let _ = writeln!(out, "[{}]", section.name);
    for key in section.keys {
        words(out, key.about);
        let _ = writeln!(out, "{} = {}", key.name, key.default);
    }
    out.push('\n');
}

/// The text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    for section in &SECTIONS {
        let _ = writeln!(out, "\n## `[{}]`\n\n{}\n", section.name, joined(section.about));
        out.push_str("| key | takes | default | |\n| --- | --- | --- | --- |\n");
        for key in section.keys {
            push_row(&mut out, key);
        }
    }
    out.push_str(BRIDGES);
    out.push_str("| key | |\n| --- | --- |\n");
    for (key, about) in COMMON {
        let _ = writeln!(out, "| `{key}` | {about} |");
    }
    let reserved: Vec<_> = RESERVED.iter().map(|name| format!("`{name}`")).collect();
    let _ = write!(out, "\nThese names are the gateway's own: {}.\n\n", reserved.join(", "));
    let _ = write!(out, "Built in:\n\n```toml\n{BUILT_IN}```\n");
    out
}

fn push_row(out: &mut String, key: &Key) {
    let secret = if key.secret { format!(" Can be given as `{}_file`.", key.name) } else { String::new() };
    let what = key.what.replace('|', "\\|");
    let _ = writeln!(out, "| `{}` | {what} | `{}` | {}{secret} |", key.name, key.default, joined(key.about));
}

fn joined(about: &[&str]) -> String {
    about.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

const HEAD: &str = "\
# Configuration

<!-- Written from the declarations in `src/config`; a test keeps it so. `UPDATE_GENERATED=1 cargo test config` \
writes it again. -->

The gateway runs without any configuration. What it uses comes from three layers, each over the one before:

1. built-in defaults, as `config/default.toml` shows them;
2. a TOML file: the one that `--config FILE` names, or the variable `MONSTER_GATEWAY_CONFIG`, or \
`monster-gateway.toml` in the current directory if there is one;
3. variables of the environment: `MONSTER_GATEWAY__SECTION__KEY` for `key` in `[section]`, e.g. \
`MONSTER_GATEWAY__SERVER__LISTEN=0.0.0.0:7580` or `MONSTER_GATEWAY__BRIDGES__LIBERA__NICK=ada`. Lists are written with \
commas. An empty variable counts as unset.

A secret can stand in a file of its own: `token_file = \"/run/secrets/metrics\"` instead of `token = \"…\"`.

`monster-gateway check-config` tells everything that is wrong, with file, line and key, and ends with code 78 if \
anything is. `monster-gateway doctor` tries whether what is configured works from this machine. On SIGHUP a running \
gateway reads `[log] filter` and the rates and numbers of `[limits]` anew; everything else needs a restart.
";

const BRIDGES: &str = "
## `[bridges.NAME]`

A section for each network that the gateway is on. NAME is up to you and becomes part of addresses: somebody called \
`bob` on `[bridges.libera]` is `@bob:libera:gw.example.org`. Names are made of `a`–`z`, `0`–`9`, `-` and `_`. Besides \
the keys of its kind, which are below, every instance has:

";
