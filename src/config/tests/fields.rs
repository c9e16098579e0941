//! The keys of a kind of bridge, read from the declaration of its section: the fields of a struct
//! with their doc comments. Only for the documentation; the bridge itself reads its section.

use std::fmt::Write as _;

/// The fields of a struct: name, type, doc.
fn fields_of(source: &str, name: &str) -> Option<Vec<(String, String, String)>> {
    let body = source.split_once(&format!("struct {name} {{"))?.1.split_once("\n}")?.0;
    let mut fields = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.trim());
        } else if let Some((field, kind)) =
            line.split_once("pub").and_then(|(_, rest)| rest.trim_start_matches("(crate)").split_once(": "))
        {
            fields.push((field.trim().to_owned(), kind.trim_end_matches(',').to_owned(), doc.join(" ")));
            doc.clear();
        }
    }
    Some(fields)
}

/// What a type takes, for a person.
fn what(kind: &str) -> &'static str {
    let inner = kind.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(kind);
    match inner {
        "bool" => "true or false",
        "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f64" => "a number",
        "Secret" => "text (secret)",
        "PathBuf" => "a path",
        "SocketAddr" => "address and port",
        other if other.starts_with("Vec<") => "a list",
        "Posting" | "Connect" | "Mechanism" => "a word",
        _ => "text",
    }
}

/// A table of all keys below the struct `root`, those of its tables with a dot.
pub(super) fn table(source: &str, root: &str) -> String {
    let mut out = String::from("| key | takes | |\n| --- | --- | --- |\n");
    push(&mut out, source, root, "");
    out
}

fn push(out: &mut String, source: &str, name: &str, prefix: &str) {
    for (field, kind, doc) in fields_of(source, name).unwrap_or_default() {
        if field == "kind" {
            continue;
        }
        let inner = kind.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&kind);
        if fields_of(source, inner).is_some() {
            push(out, source, inner, &format!("{prefix}{field}."));
        } else {
            let file =
                if inner == "Secret" { format!(" Can be given as `{prefix}{field}_file`.") } else { String::new() };
            let _ = writeln!(out, "| `{prefix}{field}` | {} | {}{file} |", what(&kind), doc.replace('|', "\\|"));
        }
    }
}
