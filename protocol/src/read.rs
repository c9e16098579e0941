//! Reading frames: text → [`Frame`]. `wire` gives the fields, here they are checked.

use crate::frame::{
    MAX_MESSAGE_ID_BYTES, MAX_NICKNAME_BYTES, MAX_PASS_BYTES, MAX_REACTION_BYTES, Media, Request, RequestBody, Response,
};
use crate::wire::{Fill, Value, Wire};
use crate::{AccountType, Address, CallContext, Decision, Ext, Frame, FrameError, Status};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, Error as _};
use serde_json::error::Category;
use std::borrow::Cow;

/// Standard base64; the padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong, in words; [`FrameError`] once it is known which frame it is about.
type Checked<T> = Result<T, String>;

impl<'a> Frame<'a> {
    /// Reads one frame, borrowing from the text: strict JSON first, then once more as JSON5. Time
    /// and memory are linear in the text; how long that may be is the socket's business.
    ///
    /// # Errors
    /// If it is no JSON object, has neither `code` nor `statusCode`, or a field that is needed is
    /// missing, of a wrong type, or over its limit.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        let mut wire = Wire::default();
        match read_fields(text, &mut wire) {
            Ok(()) => check(&mut wire),
            Err(reason) => Err(FrameError {
                message_id: id("messageId", take(&mut wire.message_id)).ok().flatten().map(Cow::into_owned),
                is_response: wire.is_response(),
                reason,
            }),
        }
    }
}

/// Fills the fields from strict JSON or, where it isn't that, JSON5.
fn read_fields<'a>(text: &'a str, wire: &mut Wire<'a>) -> Checked<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    let Err(error) = Fill(wire).deserialize(&mut json).and_then(|()| json.end()) else { return Ok(()) };
    // A text that ends too early for JSON does so for JSON5, and what is no object stays none. (The
    // error of the latter quotes all of it, and is not passed on.)
    match error.classify() {
        Category::Syntax => {}
        Category::Data => return Err("a frame is one JSON object".into()),
        Category::Eof | Category::Io => return Err(format!("a frame is one JSON object: {error}")),
    }
    *wire = Wire::default();
    read_json5(text, wire).map_err(|error| format!("a frame is one JSON object: {error}"))
}

fn read_json5<'a>(text: &'a str, wire: &mut Wire<'a>) -> Result<(), json5::Error> {
    let mut json5 = json5::Deserializer::from_str(text);
    Fill(wire).deserialize(&mut json5)?;
    // The deserializer has no call of its own that asks for the end of the text.
    match Option::<Nothing>::deserialize(&mut json5) {
        Err(error) if error.code() == Some(json5::ErrorCode::EofParsingValue) => Ok(()),
        _ => Err(json5::Error::new(json5::ErrorCode::TrailingCharacters)),
    }
}

/// Something that no text can be.
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("nothing was expected"))
    }
}

fn check<'a>(wire: &mut Wire<'a>) -> Result<Frame<'a>, FrameError> {
    let is_response = wire.is_response();
    let refuse = |message_id: &str, reason| FrameError {
        message_id: (!message_id.is_empty()).then(|| message_id.to_owned()),
        is_response,
        reason,
    };
    let message_id = id("messageId", take(&mut wire.message_id)).map_err(|reason| refuse("", reason))?;
    let message_id = message_id.unwrap_or_default();
    if let Some(field) = wire.repeated {
        return Err(refuse(&message_id, format!("`{field}` is there twice")));
    }
    let checked = if is_response { response(&message_id, wire) } else { request(&message_id, wire) };
    checked.map_err(|reason| refuse(&message_id, reason))
}

fn request<'a>(message_id: &Cow<'a, str>, wire: &mut Wire<'a>) -> Checked<Frame<'a>> {
    let code = number("code", take(&mut wire.code))?
        .ok_or("a frame needs `code` if it is a request, and `statusCode` if it is an answer")?;
    if message_id.is_empty() {
        return Err("a request needs a `messageId`".into());
    }
    let body = body(code, message_id, wire)?;
    Ok(Frame::Request(Request { message_id: message_id.clone(), body, ext: ext(wire)? }))
}

fn body<'a>(code: u64, message_id: &str, wire: &mut Wire<'a>) -> Checked<RequestBody<'a>> {
    Ok(match code {
        1000 => RequestBody::Info,
        1001 => RequestBody::Join { pass: text("pass", take(&mut wire.pass), MAX_PASS_BYTES)? },
        1004 => RequestBody::Leave,
        2001 => RequestBody::Text { text: decoded(wire)?.ok_or("2001 needs `text`")?.into() },
        2002 | 2003 => {
            let media = if code == 2002 { Media::Voice } else { Media::Video };
            let text = decoded(wire)?.unwrap_or_default();
            let context = CallContext::parse(&text, message_id).map_err(|error| error.to_string())?;
            RequestBody::Call { media, context }
        }
        2004 => {
            let target = id("recallMessageId", take(&mut wire.recall_message_id))?;
            RequestBody::Recall { target: target.ok_or("2004 needs `recallMessageId`")? }
        }
        _ => return Err(format!("{code} is not a known `code`: it is 1000, 1001, 1004, 2001, 2002, 2003 or 2004")),
    })
}

fn ext<'a>(wire: &mut Wire<'a>) -> Checked<Ext<'a>> {
    if !wire.has_extra() {
        return Ok(Ext::default());
    }
    let ext = Ext {
        from: address("from", take(&mut wire.from))?,
        to: address("to", take(&mut wire.to))?,
        nickname: text("nickname", take(&mut wire.nickname), MAX_NICKNAME_BYTES)?,
        time: number("time", take(&mut wire.time))?,
        reply_to: id("replyTo", take(&mut wire.reply_to))?,
        replaces: id("replaces", take(&mut wire.replaces))?,
        reaction: text("reaction", take(&mut wire.reaction), MAX_REACTION_BYTES)?.filter(|r| !r.is_empty()),
        call: None,
    };
    if ext.reaction.is_some() && ext.reply_to.is_none() {
        return Err("a `reaction` needs `replyTo`, the message that it is for".into());
    }
    Ok(ext)
}

fn response<'a>(message_id: &Cow<'a, str>, wire: &mut Wire<'a>) -> Checked<Frame<'a>> {
    let status = number("statusCode", take(&mut wire.status_code))?;
    let status = status.and_then(Status::from_number).ok_or("`statusCode` is a number from 100 to 599")?;
    let mut response = Response::new(message_id.clone(), status);
    // What an answer tells beyond that is worth no failure: what cannot be read is left out.
    response.nickname = some_text(&mut wire.nickname);
    response.picurl = some_text(&mut wire.picurl);
    response.error = some_text(&mut wire.error);
    response.info = std::mem::take(&mut wire.info);
    response.account_type = some_number(&mut wire.account_type).and_then(AccountType::from_number);
    response.decision = some_number(&mut wire.kind).and_then(Decision::from_number);
    response.location = some_text(&mut wire.location).and_then(|location| location.parse().ok());
    Ok(Frame::Response(response))
}

fn take<'a>(value: &mut Value<'a>) -> Value<'a> {
    std::mem::take(value)
}

fn some_text<'a>(value: &mut Value<'a>) -> Option<Cow<'a, str>> {
    text("", take(value), usize::MAX).ok().flatten()
}

fn some_number(value: &mut Value<'_>) -> Option<u64> {
    number("", take(value)).ok().flatten()
}

/// A number, which may be written as text.
fn number(field: &str, value: Value<'_>) -> Checked<Option<u64>> {
    let digits = |text: &str| text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    match value {
        Value::Absent => Ok(None),
        Value::Number(number) => Ok(Some(number)),
        Value::Text(text) if digits(&text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("`{field}` is not a number")),
        },
        Value::Text(_) | Value::Other(_) => Err(format!("`{field}` is not a number")),
    }
}

fn text<'a>(field: &str, value: Value<'a>, limit: usize) -> Checked<Option<Cow<'a, str>>> {
    let found = match value {
        Value::Absent => return Ok(None),
        Value::Text(text) if text.len() <= limit => return Ok(Some(text)),
        Value::Text(_) => return Err(format!("`{field}` is longer than {limit} bytes")),
        Value::Number(_) => "a number",
        Value::Other(found) => found,
    };
    Err(format!("`{field}` must be text, and is {found}"))
}

/// A message id; an empty one is none.
fn id<'a>(field: &str, value: Value<'a>) -> Checked<Option<Cow<'a, str>>> {
    if let Value::Text(id) = &value
        && id.len() > MAX_MESSAGE_ID_BYTES
    {
        // The id itself is left out of the answer, so its beginning must tell which one is meant.
        let beginning: String = id.chars().take(32).collect();
        return Err(format!("`{field}` is longer than {MAX_MESSAGE_ID_BYTES} bytes; it starts with {beginning:?}"));
    }
    Ok(text(field, value, MAX_MESSAGE_ID_BYTES)?.filter(|id| !id.is_empty()))
}

fn address(field: &str, value: Value<'_>) -> Checked<Option<Address>> {
    let Some(text) = text(field, value, usize::MAX)? else { return Ok(None) };
    text.parse().map(Some).map_err(|error| format!("`{field}` is not an address: {error}"))
}

/// `text`, which is base64 of UTF-8.
fn decoded(wire: &mut Wire<'_>) -> Checked<Option<String>> {
    let Some(encoded) = text("text", take(&mut wire.text), usize::MAX)? else { return Ok(None) };
    let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| "`text` is not base64")?;
    String::from_utf8(bytes).map(Some).map_err(|_| "`text` is base64 of something that is not UTF-8".into())
}
