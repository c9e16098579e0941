//! Reading and checking a section: from JSON to a [`Config`] whose every value can be used, or the
//! key that is wrong and what was expected.

use super::Config;
use monster_bridge_api::{ConfigError, Secret, host_port, parse_section};

/// What the name of a channel begins with, on the networks there are (RFC 2811 §2.1).
const CHANNEL_MARKS: [char; 4] = ['#', '&', '+', '!'];

impl Config {
    /// Reads a section.
    pub fn read(section: serde_json::Value) -> Result<Self, ConfigError> {
        let config: Self = parse_section(section)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if host_port(&self.server).is_none() {
            return Err(wrong("server", "expected host:port, e.g. irc.example.org:6697"));
        }
        self.check_identity()?;
        self.check_secrets()?;
        self.check_limits()?;
        for (at, (name, key)) in self.channels().enumerate() {
            let is_channel = name.starts_with(CHANNEL_MARKS) && name.len() >= 2;
            if !is_channel || name.chars().any(|c| c.is_control() || c == ' ' || c == ',') {
                return Err(wrong(&format!("channels[{at}]"), "expected the name of a channel, e.g. #monster"));
            }
            let one_word = |key: &Secret| !key.reveal().contains([' ', ',']) && !key.reveal().starts_with(':');
            single_line(&format!("channels[{at}].key"), key)?;
            if !key.is_none_or(one_word) {
                return Err(wrong(&format!("channels[{at}].key"), "expected the key of a channel, which is one word"));
            }
        }
        for (at, mask) in self.ignore.iter().enumerate() {
            one_line(&format!("ignore[{at}]"), mask)?;
        }
        if encoding_rs::Encoding::for_label(self.fallback_encoding.as_bytes()).is_none() {
            return Err(wrong("fallback_encoding", "expected the label of an encoding, e.g. windows-1252 or gb18030"));
        }
        Ok(())
    }

    fn check_identity(&self) -> Result<(), ConfigError> {
        for (key, word) in [("nick", &self.nick), ("username", &self.username)] {
            if word.is_empty() || word.len() > 64 || word.chars().any(|c| !c.is_ascii_graphic()) {
                return Err(wrong(key, "expected one word of ASCII characters, e.g. monster"));
            }
        }
        let lines = [
            ("realname", self.realname.as_deref()),
            ("relay_format", Some(&*self.relay_format)),
            ("relay_suffix", Some(&*self.relay_suffix)),
            ("sasl.user", self.sasl.as_ref().map(|sasl| &*sasl.user)),
        ];
        for (key, line) in lines {
            one_line(key, line.unwrap_or_default())?;
        }
        if let Some(gateway) = self.webirc.as_ref().map(|webirc| &webirc.gateway)
            && (gateway.is_empty() || gateway.starts_with(':') || gateway.chars().any(|c| !c.is_ascii_graphic()))
        {
            return Err(wrong("webirc.gateway", "expected one word of ASCII characters, e.g. monster-gateway"));
        }
        for (key, text) in
            [("relay_format", &self.relay_format), ("puppets.nick_template", &self.puppets.nick_template)]
        {
            if !text.contains("{name}") {
                return Err(wrong(key, "expected a text with {name} in it"));
            }
        }
        let nick = self.puppets.nick_template.replace("{name}", "x");
        if nick.len() > 16 || crate::proto::Target::nick(&nick).is_err() {
            return Err(wrong("puppets.nick_template", "expected {name} with a few letters around it"));
        }
        if self.tls_client_cert_file.is_some() != self.tls_client_key_file.is_some() {
            return Err(wrong(
                "tls_client_cert_file",
                "expected tls_client_cert_file and tls_client_key_file together",
            ));
        }
        if let Some(sasl) = &self.sasl {
            let external = sasl.mechanism == super::Mechanism::External;
            if external && self.tls_client_cert_file.is_none() {
                return Err(wrong("sasl.mechanism", "external needs tls_client_cert_file"));
            }
            if !external && (sasl.user.is_empty() || sasl.password.is_none()) {
                return Err(wrong("sasl", "expected `user` and `password`"));
            }
        }
        if self.nickserv.as_ref().is_some_and(|service| service.password.is_none()) {
            return Err(wrong("nickserv", "expected a `password`"));
        }
        if self.webirc.as_ref().is_some_and(|webirc| webirc.password.is_none()) {
            return Err(wrong("webirc", "expected a `password`"));
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), ConfigError> {
        single_line("password", self.password.as_ref())?;
        single_line("sasl.password", self.sasl.as_ref().and_then(|sasl| sasl.password.as_ref()))?;
        single_line("nickserv.password", self.nickserv.as_ref().and_then(|service| service.password.as_ref()))?;
        single_line("webirc.password", self.webirc.as_ref().and_then(|webirc| webirc.password.as_ref()))
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        if self.flood.burst == 0 {
            return Err(wrong("flood.burst", "expected at least 1 line"));
        }
        if !(self.flood.per_second.is_finite() && self.flood.per_second > 0.0) {
            return Err(wrong("flood.per_second", "expected a number above 0"));
        }
        self.reconnect.check()?;
        let counts = [
            ("connects_per_minute", u64::from(self.connects_per_minute)),
            ("history_limit", u64::from(self.history_limit)),
            ("keepalive_seconds", self.keepalive_seconds),
            ("ack_seconds", self.ack_seconds),
            ("puppets.max_connections", self.puppets.max_connections as u64),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(wrong(key, "expected a number above 0")),
            None => Ok(()),
        }
    }
}

fn one_line(key: &str, text: &str) -> Result<(), ConfigError> {
    if text.chars().any(char::is_control) { Err(wrong(key, "expected a text of one line")) } else { Ok(()) }
}

fn single_line(key: &str, value: Option<&Secret>) -> Result<(), ConfigError> {
    match value {
        Some(secret) if secret.reveal().is_empty() || secret.reveal().chars().any(char::is_control) => {
            Err(wrong(key, "expected a text of one line"))
        }
        _ => Ok(()),
    }
}

fn wrong(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key_of(section: serde_json::Value) -> String {
        Config::read(section).expect_err("the section is wrong").key
    }

    #[test]
    fn five_lines_are_enough() {
        let config = Config::read(json!({"kind": "irc", "server": "irc.example.org:6697"})).expect("valid");
        assert_eq!(config.host_port(), ("irc.example.org", 6697));
        assert_eq!(config.mode, monster_bridge_api::Posting::Puppets);
        assert_eq!(config.flood.burst, 5);
    }

    #[test]
    fn the_port_follows_tls_where_none_is_named() {
        let config = Config::read(json!({"server": "[::1]", "tls": false})).expect("valid");
        assert_eq!(config.host_port(), ("::1", 6667));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        assert_eq!(key_of(json!({"server": "irc.example.org:0"})), "server");
        assert_eq!(key_of(json!({"server": "a", "flood": {"burst": 0}})), "flood.burst");
        assert_eq!(key_of(json!({"server": "a", "flood": {"burst": "x"}})), "flood.burst");
        assert_eq!(key_of(json!({"server": "a", "channels": ["#a", "#b\r\nQUIT"]})), "channels[1]");
        assert_eq!(key_of(json!({"server": "a", "fallback_encoding": "klingon"})), "fallback_encoding");
        assert_eq!(key_of(json!({"server": "a", "sasl": {"mechanism": "external"}})), "sasl.mechanism");
        assert_eq!(key_of(json!({"server": "a", "password": "a\nb"})), "password");
        assert_eq!(key_of(json!({"server": "a", "channels": ["nochan"]})), "channels[0]");
        assert_eq!(key_of(json!({"server": "a", "ignore": ["*!*@*", "a\rb"]})), "ignore[1]");
    }

    #[test]
    fn nothing_that_would_begin_another_line_gets_into_what_the_server_is_told() {
        for bad in ["a\nb", "a\rb", "a\0b"] {
            let sasl = json!({"mechanism": "plain", "user": bad, "password": "p"});
            assert_eq!(key_of(json!({"server": "a", "sasl": sasl})), "sasl.user", "{bad:?}");
            let sasl = json!({"mechanism": "plain", "user": "u", "password": bad});
            assert_eq!(key_of(json!({"server": "a", "sasl": sasl})), "sasl.password", "{bad:?}");
            assert_eq!(key_of(json!({"server": "a", "nickserv": {"password": bad}})), "nickserv.password", "{bad:?}");
            let webirc = json!({"password": "p", "gateway": bad});
            assert_eq!(key_of(json!({"server": "a", "webirc": webirc})), "webirc.gateway", "{bad:?}");
            for key in ["server", "nick", "username", "realname", "password", "relay_format", "relay_suffix"] {
                assert_eq!(key_of(json!({"server": "a", key: bad})), key, "{bad:?}");
            }
            let channel = json!([{"name": "#a", "key": bad}]);
            assert_eq!(key_of(json!({"server": "a", "channels": channel})), "channels[0].key", "{bad:?}");
            let puppets = json!({"nick_template": format!("{{name}}{bad}")});
            assert_eq!(key_of(json!({"server": "a", "puppets": puppets})), "puppets.nick_template", "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest_one() {
        let error = Config::read(json!({"server": "a", "flod": {}})).expect_err("unknown key");
        assert_eq!((error.key.as_str(), error.why.as_str()), ("flod", "there is no such key; did you mean `flood`?"));
        let error = Config::read(json!({"server": "a", "flood": {"bursts": 1}})).expect_err("unknown key");
        assert_eq!(error.key, "flood.bursts");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let config = Config::read(json!({"server": "a", "password": "hunter2"})).expect("valid");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
