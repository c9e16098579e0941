//! What is on the screen: messages by number, and profiles.

use super::super::super::plain::one_line;
use monster_protocol::{Address, EXTENSIONS_TITLE};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// So many messages can be referred to.
const AT_MOST: usize = 1000;

/// A message on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// How people refer to it.
    pub(super) number: u32,
    /// Its `messageId`.
    pub(super) id: String,
    /// To which address an answer goes.
    pub(super) place: String,
}

/// The messages on the screen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    messages: VecDeque<(Said, bool)>,
    last: u32,
}

impl Seen {
    /// A new message; its number.
    pub(super) fn add(&mut self, id: &str, place: &str, mine: bool) -> u32 {
        self.last += 1;
        let said = Said { number: self.last, id: id.to_owned(), place: place.to_owned() };
        self.messages.push_back((said, mine));
        if self.messages.len() > AT_MOST {
            self.messages.pop_front();
        }
        self.last
    }

    /// The message with this id.
    pub(super) fn find(&self, id: &str) -> Option<&Said> {
        self.messages.iter().rev().map(|(said, _)| said).find(|said| said.id == id)
    }

    /// The message that `#N …` names, or the last one (of one's own, or of others), and the rest of
    /// the line.
    pub(super) fn pick<'t>(&self, line: &'t str, mine: bool) -> Result<(&Said, &'t str), String> {
        if let Some(rest) = line.strip_prefix('#') {
            let (number, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let number: u32 = number.parse().map_err(|_| format!("`#{number}` is no number of a message"))?;
            let found = self.messages.iter().find(|(said, _)| said.number == number);
            let (said, own) = found.ok_or_else(|| format!("there is no message #{number}"))?;
            if mine && !own {
                return Err(format!("#{number} is not yours"));
            }
            return Ok((said, words.trim()));
        }
        let last = self.messages.iter().rev().find(|(_, own)| *own == mine).map(|(said, _)| said);
        last.map(|said| (said, line)).ok_or_else(|| "there is no message yet".to_owned())
    }
}

/// What an answer to 1000 says, for people.
pub(super) fn profile(address: &Address, frame: &Value) -> String {
    let kind = match super::text_of(&frame["accountType"]).as_str() {
        "2" => "a group",
        "3" => "a channel",
        _ => "a person",
    };
    let name = frame["nickname"].as_str().map(one_line).unwrap_or_default();
    let mut out = format!("{address} is {kind} called {name}");
    // What only programs read is left out.
    let rows = frame["info"].as_array().into_iter().flatten().filter(|row| row["title"] != EXTENSIONS_TITLE);
    for row in rows {
        let cell = |key: &str| row[key].as_str().map(one_line).unwrap_or_default();
        let _ = write!(out, "\n      {}: {}", cell("title"), cell("value"));
    }
    out
}
