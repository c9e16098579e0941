//! `[bridges.NAME]`: one section an instance of a network. What all have in common is read here;
//! the rest is for the kind of bridge, whose own factory says what is wrong with it.

use super::layers::Reader;
use super::problem::Place;
use crate::core::Registry;
use config::{Value, ValueKind};
use monster_bridge_api::{Bridge, ConfigError, InstanceName, Scope, nearest};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// First segments of paths that the gateway itself answers at: no account or bridge is called so.
pub const RESERVED: [&str; 9] = ["check", "healthz", "readyz", "metrics", "app", "call", "api", "_matrix", "media"];

/// The keys that every instance has.
pub(super) const COMMON: [(&str, &str); 2] = [
    ("kind", "What network it is: the name of a kind of bridge, e.g. `irc`."),
    ("enabled", "`false` leaves the instance out, also a built-in one. Default `true`."),
];

/// The instances that are there without a configuration, as TOML.
pub(super) const BUILT_IN: &str = r#"[bridges.echo]
kind = "echo"

[bridges.libera]
kind = "irc"
server = "irc.libera.chat:6697"
"#;

/// One instance of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its name: the path segment in the addresses of its people.
    pub name: InstanceName,
    /// Its kind.
    pub kind: String,
    /// What its kind of bridge reads.
    pub settings: Json,
}

/// What a factory needs to know besides the section, without the instance's name.
pub(super) struct Surroundings<'a> {
    pub(super) public_host: &'a str,
    pub(super) public_url: &'a str,
    pub(super) data_dir: &'a Path,
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(server: &'a super::Server) -> Self {
        Self {
            public_host: server.public_url.authority().as_str(),
            public_url: server.public_url.as_str(),
            data_dir: &server.data_dir,
        }
    }

    fn scope(&self, instance: &InstanceName) -> Scope {
        Scope {
            instance: instance.clone(),
            public_host: self.public_host.to_owned(),
            public_url: self.public_url.to_owned(),
            data_dir: self.data_dir.join("bridges").join(instance.as_str()),
        }
    }
}

impl Instance {
    /// Makes the bridge.
    pub fn build(&self, kinds: &Registry, server: &super::Server) -> Result<Arc<dyn Bridge>, ConfigError> {
        kinds.make(&self.kind, Surroundings::of(server).scope(&self.name), self.settings.clone())
    }
}

/// Reads all instances; what is wrong with any of them is noted.
pub(super) fn read(reader: &mut Reader, kinds: &Registry, surroundings: &Surroundings<'_>) -> Vec<Instance> {
    let names = match reader.value("bridges").map(|bridges| &bridges.kind) {
        Some(ValueKind::Table(table)) => table.keys().cloned().collect::<Vec<_>>(),
        None => Vec::new(),
        Some(_) => {
            reader.complain("bridges", "expected a section for each instance, such as [bridges.libera]");
            Vec::new()
        }
    };
    let mut instances: Vec<_> = names.iter().filter_map(|name| read_one(reader, name, kinds, surroundings)).collect();
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    instances
}

fn read_one(reader: &mut Reader, name: &str, kinds: &Registry, surroundings: &Surroundings<'_>) -> Option<Instance> {
    let section = format!("bridges.{name}");
    let Some(ValueKind::Table(table)) = reader.value(&section).map(|value| value.kind.clone()) else {
        reader.complain(&section, "expected a section with at least a `kind`");
        return None;
    };
    if let Err(why) = check_name(name) {
        reader.complain(&section, why);
        return None;
    }
    if table.contains_key("enabled") && !reader.take::<bool>(&format!("{section}.enabled"))? {
        return None;
    }
    if !table.contains_key("kind") {
        reader.complain(&section, format!("expected a `kind`, one of: {}", list(kinds)));
        return None;
    }
    let kind = reader.take::<String>(&format!("{section}.kind"))?;
    if !kinds.kinds().any(|known| known == kind) {
        // A program built without a kind goes without the instance of it that is built in.
        if reader.place(&format!("{section}.kind")) != Place::BuiltIn || reader.place(&section) != Place::BuiltIn {
            reader.complain(&format!("{section}.kind"), unknown_kind(&kind, kinds));
        }
        return None;
    }
    let name = InstanceName::new(name);
    let settings = Settings::new(table)
        .settle(reader, &section, &|settings| kinds.make(&kind, surroundings.scope(&name), settings).map(drop))?;
    Some(Instance { name, kind, settings })
}

/// Whether a name can be that of an instance.
fn check_name(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err(format!("the name `{name}` is reserved for the gateway itself"));
    }
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = name.bytes().all(|byte| letter(byte) || matches!(byte, b'-' | b'_'))
        && name.bytes().next().is_some_and(letter)
        && name.len() <= 32;
    // An address that ends in digits would be read as one with a port.
    if !fits || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "the name `{name}` does not fit: expected at most 32 of a-z, 0-9, `-` and `_`, starting with a letter or \
             digit and not only digits"
        ));
    }
    Ok(())
}

fn unknown_kind(kind: &str, kinds: &Registry) -> String {
    let meant = nearest(kind, kinds.kinds()).map(|near| format!("; did you mean `{near}`?"));
    format!("no kind of bridge is called `{kind}`{} (there are: {})", meant.unwrap_or_default(), list(kinds))
}

fn list(kinds: &Registry) -> String {
    kinds.kinds().collect::<Vec<_>>().join(", ")
}

/// A section on its way to a factory.
struct Settings {
    json: Json,
    /// The keys that came from the environment, where everything is text, with what they say.
    texts: BTreeMap<String, String>,
}

impl Settings {
    fn new(mut table: config::Map<String, Value>) -> Self {
        for (key, _) in COMMON {
            table.remove(key);
        }
        let mut texts = BTreeMap::new();
        collect_texts("", &table, &mut texts);
        let json = Json::Object(table.into_iter().map(|(key, value)| (key, to_json(value))).collect());
        Self { json, texts }
    }

    /// Shows the section to the factory until it finds nothing wrong any more. A text of the
    /// environment that it doesn't like as text is tried as the TOML value that it reads as; any
    /// other key that it doesn't like is noted and taken out, so that the next one shows.
    fn settle(
        mut self,
        reader: &mut Reader,
        section: &str,
        try_out: &dyn Fn(Json) -> Result<(), ConfigError>,
    ) -> Option<Json> {
        let mut fine = true;
        let mut noted: Vec<String> = Vec::new();
        while let Err(ConfigError { key, why }) = try_out(self.json.clone()) {
            if let Some(value) = self.texts.remove(&key).and_then(|text| typed(&text)) {
                replace(&mut self.json, &key, Some(value));
                continue;
            }
            fine = false;
            if noted.iter().any(|taken_out| is_about(taken_out, &key, &why)) {
                break;
            }
            let full = if key.is_empty() { section.to_owned() } else { format!("{section}.{key}") };
            reader.complain(&full, why);
            // Of a list (`channels[1]`) the whole is taken out.
            let whole = key.split_once('[').map_or(key.as_str(), |(list, _)| list);
            if !replace(&mut self.json, whole, None) {
                break;
            }
            noted.push(whole.to_owned());
        }
        fine.then_some(self.json)
    }
}

/// Whether a complaint is only about a key having been taken out.
fn is_about(taken_out: &str, key: &str, why: &str) -> bool {
    let (table, name) = taken_out.rsplit_once('.').unwrap_or(("", taken_out));
    key == taken_out || (key == table && why.contains(&format!("`{name}`")))
}

fn collect_texts(at: &str, table: &config::Map<String, Value>, texts: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match &value.kind {
            ValueKind::Table(inner) => collect_texts(&key, inner, texts),
            ValueKind::String(text) if value.origin().is_some() => {
                texts.insert(key, text.clone());
            }
            _ => {}
        }
    }
}

/// What a text reads as, if it is a TOML value other than text.
fn typed(text: &str) -> Option<Json> {
    let value = text.trim().parse::<toml::Value>().ok()?;
    if value.is_str() { None } else { serde_json::to_value(value).ok() }
}

/// Sets the value at a dotted key, or takes it out; whether there was one.
fn replace(json: &mut Json, key: &str, value: Option<Json>) -> bool {
    let mut parts = key.split('.');
    let Some(last) = parts.next_back() else { return false };
    let Some(Json::Object(table)) = parts.try_fold(json, |json, part| json.get_mut(part)) else { return false };
    match value {
        Some(value) => table.insert(last.to_owned(), value).is_some(),
        None => table.remove(last).is_some(),
    }
}

fn to_json(value: Value) -> Json {
    match value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(yes) => yes.into(),
        ValueKind::I64(n) => n.into(),
        ValueKind::U64(n) => n.into(),
        ValueKind::I128(n) => i64::try_from(n).map_or(Json::Null, Json::from),
        ValueKind::U128(n) => u64::try_from(n).map_or(Json::Null, Json::from),
        ValueKind::Float(n) => n.into(),
        ValueKind::String(text) => text.into(),
        ValueKind::Array(items) => Json::Array(items.into_iter().map(to_json).collect()),
        ValueKind::Table(table) => Json::Object(table.into_iter().map(|(key, value)| (key, to_json(value))).collect()),
    }
}
