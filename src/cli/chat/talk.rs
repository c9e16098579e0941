//! The chat for people: lines are messages or commands, frames become lines. Pure: it says what is
//! to be sent and shown, and knows neither terminal nor socket.

mod shown;

use super::script::Ids;
use super::{Effect, Front};
use crate::cli::plain::{lines, one_line};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_protocol::Address;
use serde_json::{Value, json};
use shown::{Said, Seen};
use std::collections::HashMap;

/// What `/help` says.
const HELP: &str = "\
What you type is said to whom you talk to. Commands:
  /to ADDRESS             talk to somebody else from now on
  /join [ADDRESS] [PASS]  join a room, or ask somebody to be a contact
  /leave [ADDRESS]        leave a room, or end a contact
  /info [ADDRESS]         ask who or what that is
  /reply [#N] TEXT        answer a message (N is its number, or the last one)
  /react [#N] EMOJI       put an emoji to a message
  /edit [#N] TEXT         make a message of yours say something else
  /recall [#N]            withdraw a message of yours
  /accept, /decline [ADDRESS]  decide a request that came to you
  /quit                   end
A line that should begin with / begins with //. `✓ #N` says that your message is safely stored.";

/// What an answer is waited for.
#[derive(Debug)]
enum Asked {
    /// A message, or an edit of it.
    Said(u32),
    /// A recall of this message.
    Recalled(u32),
    /// A reaction to this message.
    Reacted(u32),
    /// Who or what this address is; joined if it turns out to be a room and the flag is set.
    Info(Address, bool),
    /// Let in there.
    Join(Address),
    /// Out of there.
    Leave(Address),
}

/// A conversation at a terminal.
pub(super) struct Talk {
    me: Address,
    to: Option<Address>,
    ids: Ids,
    seen: Seen,
    asked: HashMap<String, Asked>,
    /// Who asked to be a contact last.
    asker: Option<Address>,
}

impl Talk {
    pub(super) fn new(me: Address, to: Option<Address>, ids: Ids) -> Self {
        Self { me, to, ids, seen: Seen::default(), asked: HashMap::new(), asker: None }
    }

    /// A request; `asked` says what its answer means.
    fn ask(&mut self, mut frame: Value, asked: Asked) -> Effect {
        let id = (self.ids)();
        frame["messageId"] = id.as_str().into();
        self.asked.insert(id, asked);
        Effect::Ask(frame)
    }

    fn command(&mut self, line: &str) -> Result<Vec<Effect>, String> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match name {
            "/help" => Ok(vec![Effect::Show(HELP.to_owned())]),
            "/quit" | "/exit" => Ok(vec![Effect::Quit]),
            "/to" => {
                let to = parse(rest)?;
                self.to = Some(to.clone());
                Ok(vec![Effect::Show(format!("you talk to {to} now")), self.ask_info(to, true)])
            }
            "/info" => {
                let address = self.address_or_current(rest)?;
                Ok(vec![self.ask_info(address, false)])
            }
            "/join" => self.join(rest),
            "/leave" => {
                let address = self.address_or_current(rest)?;
                Ok(vec![self.ask(json!({ "code": "1004", "to": address }), Asked::Leave(address))])
            }
            "/accept" => {
                let address = self.address_or_asker(rest)?;
                Ok(vec![self.ask(json!({ "code": "1001", "to": address }), Asked::Join(address))])
            }
            "/decline" => {
                let address = self.address_or_asker(rest)?;
                Ok(vec![self.ask(json!({ "code": "1004", "to": address }), Asked::Leave(address))])
            }
            "/reply" | "/react" | "/edit" | "/recall" => self.about_message(name, rest),
            _ => Err(format!("there is no command {name}; /help lists them")),
        }
    }

    fn ask_info(&mut self, address: Address, join_rooms: bool) -> Effect {
        self.ask(json!({ "code": "1000", "to": address }), Asked::Info(address, join_rooms))
    }

    fn join(&mut self, rest: &str) -> Result<Vec<Effect>, String> {
        let (address, pass) = match rest.split_once(char::is_whitespace) {
            Some((address, pass)) => (parse(address)?, Some(pass.trim())),
            None if rest.is_empty() || rest.starts_with('@') => (self.address_or_current(rest)?, None),
            None => (self.address_or_current("")?, Some(rest)),
        };
        let mut frame = json!({ "code": "1001", "to": address });
        if let Some(pass) = pass {
            frame["pass"] = pass.into();
        }
        Ok(vec![self.ask(frame, Asked::Join(address))])
    }

    /// Commands that concern an earlier message: `#N`, or the last that fits.
    fn about_message(&mut self, name: &str, rest: &str) -> Result<Vec<Effect>, String> {
        let mine = matches!(name, "/edit" | "/recall");
        let (said, words) = self.seen.pick(rest, mine)?;
        let Said { number, id, place } = said.clone();
        let words = words.to_owned();
        if words.is_empty() && name != "/recall" {
            return Err(format!("{name} what? For example: {name} #{number} …"));
        }
        let to = json!(place);
        Ok(match name {
            "/reply" => {
                let frame = json!({ "code": "2001", "to": to, "text": encode(&words), "replyTo": id });
                self.say(frame, &place)
            }
            "/react" => {
                let frame =
                    json!({ "code": "2001", "to": to, "text": encode(&words), "reaction": words, "replyTo": id });
                vec![self.ask(frame, Asked::Reacted(number))]
            }
            "/edit" => {
                let frame = json!({ "code": "2001", "to": to, "text": encode(&words), "replaces": id });
                vec![self.ask(frame, Asked::Said(number))]
            }
            _ => {
                let frame = json!({ "code": "2004", "to": to, "recallMessageId": id });
                vec![self.ask(frame, Asked::Recalled(number))]
            }
        })
    }

    fn say(&mut self, mut frame: Value, place: &str) -> Vec<Effect> {
        let id = (self.ids)();
        frame["messageId"] = id.as_str().into();
        let number = self.seen.add(&id, place, true);
        self.asked.insert(id, Asked::Said(number));
        vec![Effect::Ask(frame)]
    }

    fn address_or_current(&self, text: &str) -> Result<Address, String> {
        match (&self.to, text) {
            (_, text) if !text.is_empty() => parse(text),
            (Some(to), _) => Ok(to.clone()),
            (None, _) => Err("to whom? `/to ADDRESS` chooses somebody".to_owned()),
        }
    }

    fn address_or_asker(&self, text: &str) -> Result<Address, String> {
        match (&self.asker, text) {
            (_, text) if !text.is_empty() => parse(text),
            (Some(asker), _) => Ok(asker.clone()),
            (None, _) => Err("nobody has asked for anything".to_owned()),
        }
    }

    fn answered(&mut self, frame: &Value) -> Vec<Effect> {
        let id = frame["messageId"].as_str().unwrap_or_default();
        let Some(asked) = self.asked.remove(id) else { return Vec::new() };
        let status = text_of(&frame["statusCode"]);
        if !matches!(status.as_str(), "100" | "200") {
            return Self::failed(&asked, frame, &status);
        }
        match asked {
            Asked::Said(number) => vec![Effect::Show(format!("✓ #{number}"))],
            Asked::Recalled(number) => vec![Effect::Show(format!("✓ #{number} is withdrawn"))],
            Asked::Reacted(number) => vec![Effect::Show(format!("✓ reaction to #{number}"))],
            Asked::Leave(address) => vec![Effect::Show(format!("you are out of {address}"))],
            Asked::Join(address) => {
                let outcome = match text_of(&frame["type"]).as_str() {
                    "1" => "you are in",
                    "2" => "somebody there has to decide; you will be told",
                    _ => "the pass is missing or wrong: /join ADDRESS PASS",
                };
                vec![Effect::Show(format!("{address}: {outcome}"))]
            }
            Asked::Info(address, join_rooms) => {
                let is_room = matches!(text_of(&frame["accountType"]).as_str(), "2" | "3");
                let mut effects = Vec::new();
                if !join_rooms {
                    effects.push(Effect::Show(shown::profile(&address, frame)));
                } else if is_room {
                    effects.push(self.ask(json!({ "code": "1001", "to": address }), Asked::Join(address)));
                }
                effects
            }
        }
    }

    fn failed(asked: &Asked, frame: &Value, status: &str) -> Vec<Effect> {
        let error = frame["error"].as_str().map_or_else(|| format!("answered {status}"), one_line);
        let what = match asked {
            Asked::Said(number) => format!("✗ #{number}"),
            Asked::Recalled(number) => format!("✗ #{number} is not withdrawn"),
            Asked::Reacted(number) => format!("✗ no reaction to #{number}"),
            Asked::Info(address, _) | Asked::Join(address) | Asked::Leave(address) => format!("✗ {address}"),
        };
        let moved = frame["location"].as_str().map(|place| format!(" (it is {} now)", one_line(place)));
        vec![Effect::Show(format!("{what}: {error}{}", moved.unwrap_or_default()))]
    }

    fn pushed(&mut self, frame: &Value) -> Vec<Effect> {
        let id = frame["messageId"].as_str().unwrap_or_default();
        let ok = Effect::Answer(json!({ "messageId": id, "statusCode": "200" }));
        let from = frame["from"].as_str().unwrap_or_default();
        let place = match frame["to"].as_str() {
            Some(to) if to != self.me.as_str() => to,
            _ => from,
        };
        let who = self.who(frame, from, place);
        let shown = match text_of(&frame["code"]).as_str() {
            "2001" => self.message(frame, id, place, &who),
            "2004" => match self.seen.find(frame["recallMessageId"].as_str().unwrap_or_default()) {
                Some(said) => format!("{who} withdrew #{}", said.number),
                None => format!("{who} withdrew a message"),
            },
            "1001" => {
                self.asker = from.parse().ok();
                format!("{who} asks to be a contact: /accept or /decline")
            }
            "1004" => format!("{who} ended the contact"),
            code => format!("{who} sent something that this chat does not know (code {})", one_line(code)),
        };
        vec![Effect::Show(shown), ok]
    }

    fn message(&mut self, frame: &Value, id: &str, place: &str, who: &str) -> String {
        let text = frame["text"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let text = lines(&String::from_utf8_lossy(&text));
        let about = |field: &str| frame[field].as_str().map(|id| self.seen.find(id).map(|said| said.number));
        let number = |about: Option<u32>| about.map_or("an earlier message".to_owned(), |number| format!("#{number}"));
        if let Some(emoji) = frame["reaction"].as_str() {
            return format!("{who} put {} to {}", one_line(emoji), number(about("replyTo").flatten()));
        }
        if let Some(replaced) = about("replaces") {
            return format!("{who} changed {}: {text}", number(replaced));
        }
        let answers = about("replyTo").map(|said| format!(" (to {})", number(said)));
        // A frame that is pushed again is the same message.
        let number = self.seen.find(id).map(|said| said.number);
        let number = number.unwrap_or_else(|| self.seen.add(id, place, false));
        format!("#{number} {who}{}: {text}", answers.unwrap_or_default())
    }

    /// Whom a frame is from, and where it was said if that is not the conversation on the screen.
    fn who(&self, frame: &Value, from: &str, place: &str) -> String {
        let nickname = frame["nickname"].as_str().map(one_line).filter(|name| !name.is_empty());
        let name = from.parse::<Address>().map(|address| one_line(&address.name())).unwrap_or_default();
        let from = one_line(from);
        let who = match nickname {
            // Anybody can call themselves anything, so only the name of the address stands alone.
            Some(nickname) if nickname != name => format!("{nickname} ({from})"),
            _ if place == from && self.to.as_ref().is_some_and(|to| to.as_str() == place) => name,
            _ => from.clone(),
        };
        if place == from || self.to.as_ref().is_some_and(|to| to.as_str() == place) {
            return who;
        }
        format!("{who} in {}", one_line(place))
    }
}

impl Front for Talk {
    fn begin(&mut self) -> Vec<Effect> {
        self.to.clone().map(|to| self.ask_info(to, true)).into_iter().collect()
    }

    fn line(&mut self, line: &str) -> Vec<Effect> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        let text = match line.strip_prefix("//") {
            Some(rest) => format!("/{rest}"),
            None if line.starts_with('/') => {
                return self.command(line.trim()).unwrap_or_else(|why| vec![Effect::Complain(why)]);
            }
            None => line.to_owned(),
        };
        match self.address_or_current("") {
            Ok(to) => self.say(json!({ "code": "2001", "to": to, "text": encode(&text) }), to.as_str()),
            Err(why) => vec![Effect::Complain(why)],
        }
    }

    fn frame(&mut self, frame: &Value) -> Vec<Effect> {
        if frame.get("statusCode").is_some() { self.answered(frame) } else { self.pushed(frame) }
    }
}

fn parse(text: &str) -> Result<Address, String> {
    text.parse::<Address>().map_err(|why| format!("{}: {why}", one_line(text)))
}

fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// A field that may be a string or a number.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
