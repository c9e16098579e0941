//! A plain IRC client: sends raw lines and waits for lines.

use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A line as a server sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IrcLine {
    /// The tags, unescaped no further than they came.
    pub tags: Vec<(String, String)>,
    /// The nick or server that it comes from.
    pub source: String,
    /// The command or numeric.
    pub command: String,
    /// The parameters, the trailing one last.
    pub params: Vec<String>,
}

impl IrcLine {
    fn parse(line: &str) -> Self {
        let mut rest = line.trim_end_matches(['\r', '\n']);
        let mut parsed = Self::default();
        if let Some(after) = rest.strip_prefix('@') {
            let (tags, tail) = after.split_once(' ').unwrap_or((after, ""));
            parsed.tags = tags
                .split(';')
                .map(|tag| tag.split_once('=').unwrap_or((tag, "")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            rest = tail.trim_start();
        }
        if let Some(after) = rest.strip_prefix(':') {
            let (source, tail) = after.split_once(' ').unwrap_or((after, ""));
            source.split('!').next().unwrap_or_default().clone_into(&mut parsed.source);
            rest = tail.trim_start();
        }
        let (head, trailing) = match rest.split_once(" :") {
            Some((head, trailing)) => (head, Some(trailing)),
            None => (rest, None),
        };
        let mut words = head.split_whitespace().map(str::to_owned);
        parsed.command = words.next().unwrap_or_default();
        parsed.params = words.chain(trailing.map(str::to_owned)).collect();
        parsed
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The last parameter, e.g. a message's words.
    pub fn text(&self) -> &str {
        self.params.last().map_or("", String::as_str)
    }

    /// True for a PRIVMSG or NOTICE from `nick` (if not empty) to `target` with these words in it.
    pub fn says(&self, nick: &str, target: &str, words: &str) -> bool {
        (self.command == "PRIVMSG" || self.command == "NOTICE")
            && (nick.is_empty() || self.source.eq_ignore_ascii_case(nick))
            && self.params.first().is_some_and(|to| to.eq_ignore_ascii_case(target))
            && self.text().contains(words)
    }
}

/// A connection of a person to an IRC server.
#[derive(Debug)]
pub struct IrcClient {
    /// The nick it has.
    pub nick: String,
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    seen: Vec<String>,
}

impl IrcClient {
    /// Connects with these capabilities (those that the server has) and waits until welcomed.
    pub async fn connect(server: SocketAddr, nick: &str, caps: &[&str]) -> Self {
        let (reader, writer) = TcpStream::connect(server).await.unwrap().into_split();
        let lines = BufReader::new(reader).lines();
        let mut client = Self { nick: nick.to_owned(), lines, writer, seen: Vec::new() };
        client.send("CAP LS 302").await;
        client.send(&format!("NICK {nick}")).await;
        client.send(&format!("USER {nick} 0 * :{nick}")).await;
        let offered = client.offered_caps().await;
        let wanted: Vec<&str> = caps.iter().copied().filter(|cap| offered.iter().any(|o| o == cap)).collect();
        if !wanted.is_empty() {
            client.send(&format!("CAP REQ :{}", wanted.join(" "))).await;
            client.expect("the capabilities", |line| line.command == "CAP" && line.params[1] == "ACK").await;
        }
        client.send("CAP END").await;
        client.expect("the welcome", |line| line.command == "001").await;
        client
    }

    /// Connects and joins channels if a server listens; `None` if it does not, or goes away meanwhile,
    /// or the nick is still taken.
    pub async fn try_connect(server: SocketAddr, nick: &str, caps: &[&str], channels: &[String]) -> Option<Self> {
        let (reader, writer) = TcpStream::connect(server).await.ok()?.into_split();
        let lines = BufReader::new(reader).lines();
        let mut client = Self { nick: nick.to_owned(), lines, writer, seen: Vec::new() };
        let request = caps.join(" ");
        for line in
            [&format!("CAP REQ :{request}"), &format!("NICK {nick}"), &format!("USER {nick} 0 * :{nick}"), "CAP END"]
        {
            client.try_send(line).await.ok()?;
        }
        while client.next().await.filter(|line| line.command != "433")?.command != "001" {}
        for channel in channels {
            client.try_send(&format!("JOIN {channel}")).await.ok()?;
            while client.next().await?.command != "366" {}
        }
        Some(client)
    }

    async fn offered_caps(&mut self) -> Vec<String> {
        let mut offered = Vec::new();
        loop {
            let line = self.expect("CAP LS", |line| line.command == "CAP" || line.command == "421").await;
            offered.extend(line.text().split_whitespace().map(|c| c.split('=').next().unwrap_or(c).to_owned()));
            if line.command == "421" || line.params.get(2).map(String::as_str) != Some("*") {
                return offered;
            }
        }
    }

    /// Every capability that matters to the tests.
    pub const ALL_CAPS: &'static [&'static str] = &[
        "message-tags",
        "server-time",
        "echo-message",
        "labeled-response",
        "batch",
        "account-tag",
        "extended-join",
        "draft/multiline",
        "draft/chathistory",
        "draft/message-redaction",
        "draft/event-playback",
    ];

    /// Sends a raw line.
    pub async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// Sends a raw line, or says that the server is gone.
    pub async fn try_send(&mut self, line: &str) -> std::io::Result<()> {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// Joins a channel, and waits until it is in.
    pub async fn join(&mut self, channel: &str) {
        self.send(&format!("JOIN {channel}")).await;
        self.expect("the end of the names", |line| line.command == "366").await;
    }

    /// Waits until somebody is in a channel.
    pub async fn sees_in(&mut self, channel: &str, nick: &str) {
        let what = format!("{nick} in {channel}");
        crate::within(&what, async {
            loop {
                self.send(&format!("NAMES {channel}")).await;
                let mut names = String::new();
                loop {
                    let line = self.expect(&what, |line| line.command == "353" || line.command == "366").await;
                    if line.command == "366" {
                        break;
                    }
                    names.push_str(line.text());
                    names.push(' ');
                }
                let is_it =
                    |name: &str| name.trim_start_matches(['@', '+', '%', '&', '~']).split('!').next() == Some(nick);
                if names.split_whitespace().any(is_it) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Says something.
    pub async fn say(&mut self, target: &str, words: &str) {
        self.send(&format!("PRIVMSG {target} :{words}")).await;
    }

    /// The next line that is no PING, or `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<IrcLine> {
        loop {
            let raw = self.lines.next_line().await.ok()??;
            self.seen.push(raw.clone());
            let line = IrcLine::parse(&raw);
            if line.command == "PING" {
                let token = line.text().to_owned();
                self.try_send(&format!("PONG :{token}")).await.ok()?;
            } else {
                return Some(line);
            }
        }
    }

    /// Waits for a line, passing over others.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&IrcLine) -> bool) -> IrcLine {
        let found = tokio::time::timeout(crate::PATIENCE, async {
            while let Some(line) = self.next().await {
                if wanted(&line) {
                    return Some(line);
                }
            }
            None
        })
        .await;
        match found {
            Ok(Some(line)) => line,
            other => panic!(
                "{} did not get {what} ({}); it saw:\n{}",
                self.nick,
                outcome(other.is_ok()),
                self.seen.join("\n")
            ),
        }
    }

    /// Waits for a message with these words, from `nick` (anybody if empty) to `target`.
    pub async fn hears(&mut self, nick: &str, target: &str, words: &str) -> IrcLine {
        self.expect(&format!("`{words}` from `{nick}` to `{target}`"), |line| line.says(nick, target, words)).await
    }

    /// Proves that nothing more is on its way: everything that comes before the answer to a PING of
    /// its own.
    pub async fn drain(&mut self) -> Vec<IrcLine> {
        self.send("PING :drained").await;
        let mut lines = Vec::new();
        crate::within("the PONG", async {
            while let Some(line) = self.next().await {
                if line.command == "PONG" && line.text() == "drained" {
                    return;
                }
                lines.push(line);
            }
        })
        .await;
        lines
    }
}

fn outcome(ended: bool) -> &'static str {
    if ended { "the connection ended" } else { "in time" }
}
