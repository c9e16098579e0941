//! A message of the core → the frame that tells an account of it (`contract.md` "Frames"). Called by
//! `port`.
//!
//! A reader that said so gets the optional fields; to any other, the core has put everything into
//! words. A home socket is also told whom a frame is from, and in which group it was said, whatever
//! its client reads: it could not tell otherwise.

use crate::core::{Act, Outgoing};
use monster_protocol::{Address, Ext, Request, RequestBody};
use std::borrow::Cow;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Who reads a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A device of a local account.
    Home {
        /// It reads the optional fields.
        ext: bool,
    },
    /// The server of an account elsewhere, told by one address of ours.
    Peer {
        /// It reads the optional fields.
        ext: bool,
    },
}

/// The code of the frame by which everybody who reads the optional fields is told of the message.
pub(super) fn code(message: &Outgoing) -> &'static str {
    plain(&message.act).code()
}

/// A request that we make, for this reader: the optional fields are for those who read them.
pub(super) fn written(request: &Request<'_>, reader: Reader) -> Utf8Bytes {
    let ext = match reader {
        Reader::Home { ext: true } | Reader::Peer { ext: true } => return request.to_json().into(),
        Reader::Home { ext: false } => Ext { from: request.ext.from.clone(), ..Ext::default() },
        Reader::Peer { ext: false } => Ext::default(),
    };
    Request { ext, ..request.clone() }.to_json().into()
}

/// The frame by which `to` is told of the message.
pub(super) fn frame(message: &Outgoing, to: &Address, reader: Reader) -> Utf8Bytes {
    let (Reader::Home { ext } | Reader::Peer { ext }) = reader;
    let make = || Bytes::from(request(message, to, reader).to_json());
    // What is said in a group reads the same for many; the rest is for one.
    let shared = message.group.is_some() && reader != Reader::Home { ext: false };
    let bytes = if shared { message.frame(ext, make) } else { make() };
    Utf8Bytes::try_from(bytes).unwrap_or_default()
}

fn request<'a>(message: &'a Outgoing, to: &Address, reader: Reader) -> Request<'a> {
    match reader {
        Reader::Home { ext: true } | Reader::Peer { ext: true } => with_fields(message, to, reader),
        Reader::Home { ext: false } => {
            let ext = Ext { from: Some(message.author.clone()), to: message.group.clone(), ..Ext::default() };
            Request { ext, ..Request::new(message.key.as_str(), in_words(message)) }
        }
        Reader::Peer { ext: false } => Request::new(message.key.as_str(), in_words(message)),
    }
}

/// Who says it, to whom, and when.
fn who<'a>(message: &'a Outgoing, to: &Address) -> Ext<'a> {
    Ext {
        from: Some(message.author.clone()),
        to: Some(message.group.clone().unwrap_or_else(|| to.clone())),
        nickname: Some(Cow::Borrowed(&message.author_name)),
        time: u64::try_from(message.at).ok(),
        ..Ext::default()
    }
}

fn with_fields<'a>(message: &'a Outgoing, to: &Address, reader: Reader) -> Request<'a> {
    let mut ext = who(message, to);
    if message.group.is_none() && matches!(reader, Reader::Peer { .. }) {
        // It is said by the connection's own account.
        ext.from = None;
    }
    let body = match &message.act {
        Act::Say { text, reply_to } => {
            ext.reply_to = reply_to.as_deref().map(Cow::Borrowed);
            said(text)
        }
        Act::Edit { replaces, text } => {
            ext.replaces = Some(Cow::Borrowed(replaces));
            said(text)
        }
        Act::React { reply_to, emoji } => {
            ext.reply_to = Some(Cow::Borrowed(reply_to));
            ext.reaction = Some(Cow::Borrowed(emoji));
            said(emoji)
        }
        act => plain(act),
    };
    ext.call.clone_from(&message.call);
    Request { ext, ..Request::new(message.key.as_str(), body) }
}

fn in_words(message: &Outgoing) -> RequestBody<'_> {
    message.words.as_deref().map_or_else(|| plain(&message.act), said)
}

/// What every peer knows.
fn plain(act: &Act) -> RequestBody<'_> {
    match act {
        Act::Say { text, .. } | Act::Edit { text, .. } => said(text),
        Act::React { emoji, .. } => said(emoji),
        Act::Recall { target } => RequestBody::Recall { target: Cow::Borrowed(target) },
        Act::Ask { pass } => RequestBody::Join { pass: pass.as_deref().map(Cow::Borrowed) },
        Act::Close => RequestBody::Leave,
    }
}

fn said(text: &str) -> RequestBody<'_> {
    RequestBody::Text { text: Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_protocol::CallLine;

    fn outgoing(group: bool, act: Act, words: Option<&str>) -> Outgoing {
        let author = ("@dora:example.org".parse().unwrap(), "Dora".to_owned());
        let group = group.then(|| "@#rust:libera:gw".parse().unwrap());
        Outgoing::new("mg-1".to_owned(), 1_700_000_000_000, author, group, act, words.map(str::to_owned))
    }

    fn say() -> Act {
        Act::Say { text: "hi".to_owned(), reply_to: Some("7".to_owned()) }
    }

    fn all(message: &Outgoing) -> String {
        let readers = [
            Reader::Home { ext: true },
            Reader::Home { ext: false },
            Reader::Peer { ext: true },
            Reader::Peer { ext: false },
        ];
        let to = "@alice:gw".parse().unwrap();
        readers.map(|reader| format!("{reader:?}\n{}\n", frame(message, &to, reader))).concat()
    }

    #[test]
    fn what_is_said_in_a_room() {
        insta::assert_snapshot!(all(&outgoing(true, say(), Some("Dora: hi"))));
    }

    #[test]
    fn what_is_said_in_private() {
        insta::assert_snapshot!(all(&outgoing(false, say(), None)));
    }

    #[test]
    fn edits_and_reactions_are_fields_or_words() {
        let edit = Act::Edit { replaces: "7".to_owned(), text: "hello".to_owned() };
        let reaction = Act::React { reply_to: "7".to_owned(), emoji: "👍".to_owned() };
        let both = [outgoing(false, edit, Some("edited: hello")), outgoing(true, reaction, Some("Dora: 👍 to “hi”"))];
        insta::assert_snapshot!(both.map(|message| all(&message)).concat());
    }

    #[test]
    fn what_became_of_a_call_is_a_field_for_those_who_read_it_and_words_for_all() {
        let line = Act::Say { text: "missed voice call".to_owned(), reply_to: None };
        let call = CallLine { incoming: true, missed: true, outcome: "cancelled".to_owned(), ..CallLine::default() };
        let message = outgoing(false, line, Some("missed voice call")).about(Some(Box::new(call)));
        insta::assert_snapshot!(all(&message));
    }

    #[test]
    fn what_every_peer_knows_stays_a_frame() {
        let acts = [Act::Recall { target: "7".to_owned() }, Act::Ask { pass: Some("p".to_owned()) }, Act::Close];
        insta::assert_snapshot!(acts.map(|act| all(&outgoing(false, act, None))).concat());
    }
}
