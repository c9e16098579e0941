//! The layers of a configuration (built in, file, environment), laid over each other by the
//! `config` crate, and the [`Reader`] that takes values out of the result and notes every fault
//! with the place it comes from.

use super::problem::{Place, Problem};
use super::section::Outline;
use super::setting::{Setting, complaint};
use config::{Environment, File, FileFormat, Map, Value, ValueKind};
use monster_bridge_api::nearest;
use std::collections::HashMap;
use std::path::PathBuf;
use toml_edit::Document;

/// What variables of the environment start with.
const PREFIX: &str = "MONSTER_GATEWAY";
/// What stands between the words of such a variable.
const SEPARATOR: &str = "__";
/// What the `config` crate calls the origin of a variable's value.
const FROM_ENVIRONMENT: &str = "the environment";

/// A configuration file, read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path as it was given.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// Takes values out of the layers by their dotted key.
#[derive(Debug)]
pub(super) struct Reader {
    root: Value,
    source: Option<Source>,
    document: Option<Document<String>>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Lays the layers over each other. `environment` may hold any variables; those that start
    /// with `MONSTER_GATEWAY__` count.
    pub(super) fn new(
        built_in: &str,
        source: Option<Source>,
        environment: HashMap<String, String>,
    ) -> Result<Self, Problem> {
        let document = source.as_ref().map(parse).transpose()?;
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .ignore_empty(true)
            .source(Some(environment.into_iter().collect::<Map<_, _>>()));
        let mut layers = config::Config::builder().add_source(File::from_str(built_in, FileFormat::Toml));
        if let Some(source) = &source {
            layers = layers.add_source(File::from_str(&source.text, FileFormat::Toml));
        }
        let root = match layers.add_source(environment).build() {
            Ok(layers) => layers.cache,
            Err(why) => {
                let place = source.map_or(Place::BuiltIn, |source| Place::File { path: source.path, line: None });
                return Err(Problem { place, key: String::new(), why: why.to_string() });
            }
        };
        Ok(Self { root, source, document, problems: Vec::new() })
    }

    /// Everything noted so far.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes a fault of a key.
    pub(super) fn complain(&mut self, key: &str, why: impl Into<String>) {
        let problem = Problem { place: self.place(key), key: key.to_owned(), why: why.into() };
        self.problems.push(problem);
    }

    /// The value of a key, or `None` with the fault noted. A secret may stand in a file of its own
    /// that `…_file` names.
    pub(super) fn take<T: Setting>(&mut self, key: &str) -> Option<T> {
        if T::SECRET
            && let Some(path) = self.value(&format!("{key}_file")).cloned()
        {
            return self.take_from_file(key, &path);
        }
        // Every key has a default, so one that is missing stands in something that should be a table
        // and is not, which `refuse_unknown` tells.
        let value = self.value(key).cloned()?;
        T::read(&value).map_err(|wrong| self.complain(key, complaint::<T>(wrong, &value))).ok()
    }

    fn take_from_file<T: Setting>(&mut self, key: &str, path: &Value) -> Option<T> {
        let file_key = format!("{key}_file");
        let secret = PathBuf::read(path)
            .map_err(|wrong| complaint::<PathBuf>(wrong, path))
            .and_then(|path| read_secret(&path).map_err(|why| format!("cannot read {}: {why}", path.display())));
        match secret {
            Ok(secret) => T::read(&Value::from(secret)).ok(),
            Err(why) => {
                self.complain(&file_key, why);
                None
            }
        }
    }

    /// The value that stands at a dotted key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.root, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            _ => None,
        })
    }

    /// Notes every key that no section has, except below `bridges`, where the kinds of bridges have
    /// keys of their own.
    pub(super) fn refuse_unknown(&mut self, sections: &[Outline]) {
        let mut known = vec!["bridges".to_owned()];
        for section in sections {
            for key in section.keys {
                known.push(format!("{}.{}", section.name, key.name));
                known.extend(key.secret.then(|| format!("{}.{}_file", section.name, key.name)));
            }
        }
        let mut unknown = Vec::new();
        unknown_below("", &self.root, &known, &mut unknown);
        unknown.sort();
        for (key, why) in unknown {
            self.complain(&key, why);
        }
    }

    /// Where the value of a key comes from; for a key that is missing, where it would be expected.
    pub(super) fn place(&self, key: &str) -> Place {
        if self.value(key).and_then(Value::origin) == Some(FROM_ENVIRONMENT) {
            let variable = format!("{PREFIX}{SEPARATOR}{}", key.to_uppercase().replace('.', SEPARATOR));
            return Place::Environment { variable };
        }
        match (&self.source, &self.document) {
            (Some(source), Some(document)) => match line_of(document, &source.text, key) {
                None if self.value(key).is_some() => Place::BuiltIn,
                line => Place::File { path: source.path.clone(), line },
            },
            _ => Place::BuiltIn,
        }
    }
}

fn parse(source: &Source) -> Result<Document<String>, Problem> {
    Document::parse(source.text.clone()).map_err(|why| Problem {
        place: Place::File {
            path: source.path.clone(),
            line: why.span().map(|span| line_at(&source.text, span.start)),
        },
        key: String::new(),
        why: format!("this is not TOML: {}", why.message().replace('\n', "; ")),
    })
}

/// The line of a key, or of the nearest table around it that the file has.
fn line_of(document: &Document<String>, text: &str, key: &str) -> Option<usize> {
    let mut table: &dyn toml_edit::TableLike = document.as_table();
    let mut line = None;
    for part in key.split('.') {
        // `channels[1]` stands in the line of `channels`.
        let part = part.split_once('[').map_or(part, |(list, _)| list);
        let Some((name, item)) = table.get_key_value(part) else { break };
        let span = name.span().or_else(|| item.span());
        line = span.map(|span| line_at(text, span.start)).or(line);
        let Some(inner) = item.as_table_like() else { break };
        table = inner;
    }
    line
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.get(..offset).unwrap_or(text).matches('\n').count()
}

/// Collects the keys below `value` that are not in `known`; a whole unknown table is one of them.
fn unknown_below(at: &str, value: &Value, known: &[String], unknown: &mut Vec<(String, String)>) {
    let ValueKind::Table(table) = &value.kind else {
        unknown.push((at.to_owned(), "expected a table".to_owned()));
        return;
    };
    for (name, value) in table {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let inside = format!("{key}.");
        if known.iter().any(|known| known.starts_with(&inside)) {
            unknown_below(&key, value, known, unknown);
        } else if !known.contains(&key) {
            unknown.push((key.clone(), no_such(&key, known)));
        }
    }
}

fn no_such(key: &str, known: &[String]) -> String {
    let depth = key.split('.').count();
    let same_depth = known.iter().map(|known| {
        let end = known.match_indices('.').nth(depth - 1).map_or(known.len(), |(at, _)| at);
        &known[..end]
    });
    let what = if depth == 1 { "section" } else { "key" };
    match nearest(key, same_depth) {
        Some(near) => format!("there is no such {what}; did you mean `{near}`?"),
        None => format!("there is no such {what}"),
    }
}

/// A secret from a file: its text without the line end that editors put after it.
pub(super) fn read_secret(path: &std::path::Path) -> std::io::Result<String> {
    std::fs::read_to_string(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
}
