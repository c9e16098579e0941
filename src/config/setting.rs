//! The types that a key of the configuration can have: how a value is read, and what is said when
//! it cannot be. Values from the environment are always text, so every type reads text as well.

use config::{Value, ValueKind};
use ipnet::IpNet;
use monster_protocol::Authority;
use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// What is expected, for a person: "expected …".
    const WHAT: &'static str;
    /// Whether it can be given as `key_file` and must never be shown.
    const SECRET: bool = false;

    /// Reads a value; an error only says what is wrong in particular, if there is more to say than
    /// [`Setting::WHAT`].
    fn read(value: &Value) -> Result<Self, Wrong>;
}

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is something else altogether.
    Type,
    /// It has this fault.
    Because(String),
}

/// Says what was expected, and what is there unless that is a secret.
pub(super) fn complaint<T: Setting>(wrong: Wrong, value: &Value) -> String {
    let shown = if T::SECRET { String::new() } else { format!(", not {}", show(value)) };
    match wrong {
        Wrong::Type => format!("expected {}{shown}", T::WHAT),
        Wrong::Because(why) => format!("expected {}{shown}: {why}", T::WHAT),
    }
}

fn show(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::String(text) if text.chars().count() > 60 => {
            format!("`{}…`", text.chars().take(60).collect::<String>())
        }
        other => format!("`{other}`"),
    }
}

fn text(value: &Value) -> Result<&str, Wrong> {
    match &value.kind {
        ValueKind::String(text) => Ok(text.as_str()),
        _ => Err(Wrong::Type),
    }
}

impl Setting for bool {
    const WHAT: &'static str = "true or false";

    fn read(value: &Value) -> Result<Self, Wrong> {
        match &value.kind {
            ValueKind::Boolean(yes) => Ok(*yes),
            ValueKind::String(text) => text.trim().parse().map_err(|_| Wrong::Type),
            _ => Err(Wrong::Type),
        }
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const WHAT: &'static str = "a whole number";

            fn read(value: &Value) -> Result<Self, Wrong> {
                let range = || Wrong::Because(format!("it must be between 0 and {}", <$type>::MAX));
                match &value.kind {
                    ValueKind::I64(n) => <$type>::try_from(*n).map_err(|_| range()),
                    ValueKind::U64(n) => <$type>::try_from(*n).map_err(|_| range()),
                    ValueKind::String(text) => text.trim().replace('_', "").parse().map_err(|_| Wrong::Type),
                    _ => Err(Wrong::Type),
                }
            }
        }
    )*};
}
whole_numbers!(u32, u64, usize);

impl Setting for f64 {
    const WHAT: &'static str = "a number";

    fn read(value: &Value) -> Result<Self, Wrong> {
        let number = match &value.kind {
            ValueKind::Float(n) => *n,
            ValueKind::I64(n) => f64::from(i32::try_from(*n).map_err(|_| Wrong::Type)?),
            ValueKind::String(text) => text.trim().parse().map_err(|_| Wrong::Type)?,
            _ => return Err(Wrong::Type),
        };
        if number.is_finite() { Ok(number) } else { Err(Wrong::Type) }
    }
}

impl Setting for String {
    const WHAT: &'static str = "text";

    fn read(value: &Value) -> Result<Self, Wrong> {
        text(value).map(str::to_owned)
    }
}

impl Setting for PathBuf {
    const WHAT: &'static str = "a path";

    fn read(value: &Value) -> Result<Self, Wrong> {
        match text(value)? {
            "" => Err(Wrong::Because("it is empty".to_owned())),
            path => Ok(Self::from(path)),
        }
    }
}

/// Something that reads from text, with one phrase for what it is.
macro_rules! parsed {
    ($type:ty, $what:literal) => {
        impl Setting for $type {
            const WHAT: &'static str = $what;

            fn read(value: &Value) -> Result<Self, Wrong> {
                Self::from_str(text(value)?.trim()).map_err(|_| Wrong::Type)
            }
        }
    };
}
parsed!(SocketAddr, "an IP address and a port, such as \"127.0.0.1:7580\" or \"[::]:7580\"");
parsed!(IpAddr, "an IP address");

impl Setting for Option<SocketAddr> {
    const WHAT: &'static str = "an IP address and a port, such as \"0.0.0.0:7581\", or nothing";

    fn read(value: &Value) -> Result<Self, Wrong> {
        if text(value)?.trim().is_empty() {
            Ok(None)
        } else {
            SocketAddr::read(value).map(Some).map_err(|_| Wrong::Type)
        }
    }
}

impl Setting for IpNet {
    const WHAT: &'static str = "a network, such as \"10.0.0.0/8\", or an IP address";

    fn read(value: &Value) -> Result<Self, Wrong> {
        let text = text(value)?.trim();
        text.parse().or_else(|_| text.parse::<IpAddr>().map(Self::from)).map_err(|_| Wrong::Type)
    }
}

/// A list; as text, its items with commas between them.
macro_rules! list {
    ($item:ty, $what:literal) => {
        impl Setting for Vec<$item> {
            const WHAT: &'static str = $what;

            fn read(value: &Value) -> Result<Self, Wrong> {
                items(value)?
                    .iter()
                    .map(|item| {
                        <$item>::read(item)
                            .map_err(|_| Wrong::Because(format!("{} is not {}", show(item), <$item>::WHAT)))
                    })
                    .collect()
            }
        }
    };
}
list!(String, "a list of texts");
list!(IpAddr, "a list of IP addresses");
list!(IpNet, "a list of networks, such as [\"10.0.0.0/8\"]");

fn items(value: &Value) -> Result<Vec<Value>, Wrong> {
    match &value.kind {
        ValueKind::Array(items) => Ok(items.clone()),
        ValueKind::String(text) => {
            let inner = text.trim();
            let inner = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner);
            let items = inner.split(',').map(|item| item.trim().trim_matches(['"', '\'']));
            Ok(items.filter(|item| !item.is_empty()).map(|item| Value::from(item.to_owned())).collect())
        }
        _ => Err(Wrong::Type),
    }
}

/// Something that must not be shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "(none)" } else { "(secret)" })
    }
}

impl Setting for Secret {
    const WHAT: &'static str = "text";
    const SECRET: bool = true;

    fn read(value: &Value) -> Result<Self, Wrong> {
        text(value).map(|text| Self(text.to_owned()))
    }
}

/// The URL by which others reach the gateway. Its host and port are the host of every address here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: url::Url,
    authority: Authority,
}

impl PublicUrl {
    /// The URL without a slash at its end, e.g. `https://gw.example.org`.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Host and, unless it is the scheme's own, port: `gw.example.org`, `localhost:7580`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The same as a parsed URL.
    pub fn as_url(&self) -> &url::Url {
        &self.url
    }
}

impl Setting for PublicUrl {
    const WHAT: &'static str = "an http or https URL without a path, such as \"https://gw.example.org\"";

    fn read(value: &Value) -> Result<Self, Wrong> {
        let url = url::Url::parse(text(value)?.trim()).map_err(|why| Wrong::Because(why.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Wrong::Because(format!("its scheme is `{}`", url.scheme())));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(Wrong::Because("it has more than a host and a port".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Wrong::Because("it has a user name in it".to_owned()));
        }
        let host = url.host_str().ok_or(Wrong::Type)?;
        let authority = Authority::new(host, url.port()).map_err(|why| Wrong::Because(why.to_string()))?;
        Ok(Self { url, authority })
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    const WHAT: &'static str = "\"human\" or \"json\"";

    fn read(value: &Value) -> Result<Self, Wrong> {
        match text(value)?.trim() {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(Wrong::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text<T: Setting>(text: &str) -> Result<T, Wrong> {
        T::read(&Value::from(text))
    }

    #[test]
    fn every_type_reads_what_the_environment_can_give() {
        assert_eq!(from_text::<bool>("true"), Ok(true));
        assert_eq!(from_text::<u32>(" 1_000 "), Ok(1000));
        assert_eq!(from_text::<f64>("0.5"), Ok(0.5));
        assert_eq!(from_text::<Vec<String>>("a, b"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(from_text::<Vec<String>>("[\"a\", \"b\"]"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(from_text::<Vec<String>>(""), Ok(vec![]));
        assert_eq!(from_text::<LogFormat>("json"), Ok(LogFormat::Json));
    }

    #[test]
    fn the_public_host_has_a_port_only_if_it_is_not_the_usual_one() {
        let host = |text| from_text::<PublicUrl>(text).map(|url| url.authority().to_string());
        assert_eq!(host("http://localhost:7580"), Ok("localhost:7580".to_owned()));
        assert_eq!(host("https://gw.example.org:443/"), Ok("gw.example.org".to_owned()));
        assert_eq!(host("https://Gw.Example.org"), Ok("gw.example.org".to_owned()));
        assert_eq!(host("http://[::1]:80"), Ok("[::1]".to_owned()));
    }

    #[test]
    fn a_public_url_with_a_path_a_user_or_another_scheme_is_refused() {
        for text in ["https://gw.example.org/chat", "https://me@gw.example.org", "ws://gw.example.org", "gw"] {
            assert!(from_text::<PublicUrl>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = from_text::<Secret>("hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert!(!complaint::<Secret>(Wrong::Type, &Value::from("hunter2")).contains("hunter2"));
    }
}
