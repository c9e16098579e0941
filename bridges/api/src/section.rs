//! Reading a bridge's section of the configuration into a type of its own, and the kinds of values
//! that sections of several bridges have. Called by factories.

use crate::ConfigError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// What the key of a file ends with that holds the value of the key without it.
const IN_FILE: &str = "_file";

/// Reads a configuration section into a bridge's own type; the error names the key at fault. The
/// type should be `deny_unknown_fields`, so that a misspelt key is not taken for a default: then the
/// error says which key was probably meant, and any text `key` may stand in a file that `key_file`
/// names (without the line break at its end).
pub fn parse_section<T: DeserializeOwned>(mut section: Value) -> Result<T, ConfigError> {
    loop {
        let error = match serde_path_to_error::deserialize(section.clone()) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let path = error.path().to_string();
        // The library's word for "the whole".
        let at = if path == "." { "" } else { &path };
        let why = error.inner().to_string();
        let Some(unknown) = Unknown::read(at, &why) else { return Err(wrong(at, why)) };
        let Some(key) = unknown.key.strip_suffix(IN_FILE).filter(|key| unknown.known.contains(key)) else {
            return Err(unknown.complaint());
        };
        unknown.take_from_file(&mut section, key)?;
    }
}

/// A key that a type does not know.
struct Unknown<'a> {
    /// Where it stands: the dotted key of a table, empty for the section.
    table: &'a str,
    key: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Unknown<'a> {
    /// From what serde says about a key that is not there.
    fn read(at: &'a str, why: &'a str) -> Option<Self> {
        let mut names = why.strip_prefix("unknown field `")?.split('`').step_by(2);
        let key = names.next()?;
        // The path ends with the key itself, or (in an older serde) with the table it stands in.
        let table = at.strip_suffix(key).map_or(at, |table| table.trim_end_matches('.'));
        Some(Self { table, key, known: names.filter(|name| !name.is_empty()).collect() })
    }

    fn dotted(&self, key: &str) -> String {
        if self.table.is_empty() { key.to_owned() } else { format!("{}.{key}", self.table) }
    }

    fn complaint(&self) -> ConfigError {
        let in_files: Vec<_> = self.known.iter().map(|key| format!("{key}{IN_FILE}")).collect();
        let known = self.known.iter().copied().chain(in_files.iter().map(String::as_str));
        let hint = nearest(self.key, known).map(|near| format!("; did you mean `{near}`?"));
        wrong(&self.dotted(self.key), format!("there is no such key{}", hint.unwrap_or_default()))
    }

    /// Puts what a file says where its own key would stand.
    fn take_from_file(&self, section: &mut Value, key: &str) -> Result<(), ConfigError> {
        let mut parts = self.table.split('.').filter(|part| !part.is_empty());
        let Some(Value::Object(table)) = parts.try_fold(section, |value, part| value.get_mut(part)) else {
            return Err(self.complaint());
        };
        if table.contains_key(key) {
            return Err(wrong(&self.dotted(key), format!("expected either {key} or {}, not both", self.key)));
        }
        let Some(Value::String(path)) = table.remove(self.key) else {
            return Err(wrong(&self.dotted(self.key), "expected the path of a file"));
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong(&self.dotted(self.key), format!("{path} cannot be read: {error}")))?;
        table.insert(key.to_owned(), Value::String(text.trim_end_matches(['\r', '\n']).to_owned()));
        Ok(())
    }
}

/// The known word that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`; the host comes without brackets. `None` if it is
/// none of these.
pub fn host_port(server: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match server.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => server.find(':').map_or((server, ""), |at| server.split_at(at)),
    };
    let valid = !host.is_empty() && host.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '/');
    let port = match rest.strip_prefix(':') {
        Some(digits) => Some(digits.parse::<u16>().ok().filter(|port| *port > 0)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    valid.then_some((host, port))
}

/// A password or token: words that are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it is, to be sent and never to be logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

fn wrong(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        password: Secret,
        #[serde(default)]
        login: Login,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Login {
        secret: Secret,
        tries: u8,
    }

    fn wrong_with(section: Value) -> (String, String) {
        let ConfigError { key, why } = parse_section::<Config>(section).expect_err("the section is wrong");
        (key, why)
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key_and_a_misspelt_key_by_the_nearest_one() {
        assert_eq!(wrong_with(json!({"login": {"tries": "x"}})).0, "login.tries");
        let (key, why) = wrong_with(json!({"pasword": "x"}));
        assert_eq!((&*key, &*why), ("pasword", "there is no such key; did you mean `password`?"));
        assert_eq!(wrong_with(json!({"login": {"tires": 1}})).0, "login.tires");
        assert_eq!(wrong_with(json!({"password_fiel": "x"})).1, "there is no such key; did you mean `password_file`?");
        assert_eq!(wrong_with(json!({"zzz": 1})).1, "there is no such key");
    }

    #[test]
    fn a_typing_mistake_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("listn", ["listen", "public_url"]), Some("listen"));
        assert_eq!(nearest("publicurl", ["listen", "public_url"]), Some("public_url"));
        assert_eq!(nearest("colour", ["listen", "public_url"]), None);
    }

    #[test]
    fn a_text_may_stand_in_a_file() {
        let dir = std::env::temp_dir().join(format!("section-{}", std::process::id()));
        std::fs::write(&dir, "hunter2\n").unwrap();
        let section = json!({"password_file": dir, "login": {"secret_file": dir, "tries": 3}});
        let config: Config = parse_section(section).unwrap();
        assert_eq!((config.password.reveal(), config.login.secret.reveal()), ("hunter2", "hunter2"));
        assert_eq!(config.login.tries, 3);
        let (key, why) = wrong_with(json!({"password": "a", "password_file": dir}));
        assert_eq!((&*key, &*why), ("password", "expected either password or password_file, not both"));
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(wrong_with(json!({"login": {"secret_file": dir}})).0, "login.secret_file");
        assert_eq!(wrong_with(json!({"password_file": 5})).0, "password_file");
        assert_eq!(wrong_with(json!({"login_fiel": 5})).0, "login_fiel");
    }

    #[test]
    fn a_server_is_a_host_with_or_without_a_port() {
        assert_eq!(host_port("irc.example.org"), Some(("irc.example.org", None)));
        assert_eq!(host_port("[::1]:6667"), Some(("::1", Some(6667))));
        for wrong in ["", ":1", "a:0", "a:x", "a b", "::1", "a:1:2", "[::1", "a/b"] {
            assert_eq!(host_port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
