//! The steps of a call as frames on a socket of an account (`docs/protocol.md` "Calls"): what is
//! sent, what is answered, and what of the incoming frames concerns the call. Called by `session`.

use crate::CallError;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_protocol::{CallContext, CallSignal, CallStep, Candidate, Media};
use serde_json::{Value, json};

/// A socket of the account that calls, on which frames are JSON objects. It is opened and closed by
/// whoever made it.
#[async_trait]
pub trait Wire: Send {
    /// Sends a frame. If the socket has ended, [`Wire::next`] tells.
    async fn send(&mut self, frame: &Value);
    /// The next frame, or `None` when the socket has ended. Must be cancel safe.
    async fn next(&mut self) -> Option<Value>;
}

/// What a frame means for the call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// A step, by whom, and what with.
    Step { from: String, media: Media, signal: CallSignal },
    /// A frame of ours was refused, with these words.
    Refused {
        /// Whether it was the first of the call, without which there is none.
        first: bool,
        /// They.
        why: String,
    },
    /// A frame of ours was taken.
    Taken,
    /// Nothing that concerns calls.
    Nothing,
}

/// The signalling of one call.
pub(crate) struct Signals<'a> {
    wire: &'a mut dyn Wire,
    media: Media,
    /// Which call; empty while waiting for one.
    pub(crate) call_id: String,
    /// Who is at the other end.
    pub(crate) to: String,
    sent: u32,
}

impl<'a> Signals<'a> {
    /// A call to `to` under a new id.
    pub(crate) fn outgoing(wire: &'a mut dyn Wire, to: &str, media: Media) -> Self {
        let call_id = format!("call-{:032x}", rand::random::<u128>());
        Self { wire, media, call_id, to: to.to_owned(), sent: 0 }
    }

    /// A call that somebody else begins.
    pub(crate) fn incoming(wire: &'a mut dyn Wire) -> Self {
        Self { wire, media: Media::Voice, call_id: String::new(), to: String::new(), sent: 0 }
    }

    /// From here on it is about this call.
    pub(crate) fn take_up(&mut self, call_id: &str, from: &str, media: Media) {
        call_id.clone_into(&mut self.call_id);
        from.clone_into(&mut self.to);
        self.media = media;
    }

    /// Sends a step, with candidates if there are any.
    pub(crate) async fn send(&mut self, step: CallStep, candidates: Vec<Candidate>, reason: Option<&str>) {
        let mut signal = CallSignal::new(self.call_id.as_str(), step);
        signal.candidates = candidates;
        signal.reason = reason.map(str::to_owned);
        let text = CallContext::Signal(signal).to_text().into_owned();
        let id = format!("{}-{}-{:08x}", self.call_id, self.sent, rand::random::<u32>());
        self.sent += 1;
        let code = match self.media {
            Media::Video => "2003",
            Media::Voice => "2002",
        };
        let frame = json!({ "messageId": id, "code": code, "to": self.to, "text": STANDARD.encode(text) });
        self.wire.send(&frame).await;
    }

    /// The next frame, answered if it is a call's. Cancel safe before something was heard.
    pub(crate) async fn next(&mut self) -> Result<Value, CallError> {
        self.wire.next().await.ok_or(CallError::WireLost)
    }

    /// What a frame means; call frames are answered. Other pushed frames are not, so that they wait
    /// for a client that shows them.
    pub(crate) async fn understand(&mut self, frame: &Value) -> Heard {
        if let Some(status) = frame.get("statusCode") {
            return self.response(frame, &text_of(status));
        }
        let media = match text_of(&frame["code"]).as_str() {
            "2002" => Media::Voice,
            "2003" => Media::Video,
            _ => return Heard::Nothing,
        };
        let id = text_of(&frame["messageId"]);
        let decoded = STANDARD.decode(frame["text"].as_str().unwrap_or_default()).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (status, heard) = match CallContext::parse(&text, &id) {
            Ok(CallContext::Signal(signal)) => {
                let from = frame["from"].as_str().unwrap_or_default().to_owned();
                (json!({ "messageId": id, "statusCode": "200" }), Heard::Step { from, media, signal })
            }
            Ok(CallContext::Ring(_)) => {
                let why = "only calls with a session description are answered here";
                (json!({ "messageId": id, "statusCode": "400", "error": why }), Heard::Nothing)
            }
            Err(why) => (json!({ "messageId": id, "statusCode": "400", "error": why.to_string() }), Heard::Nothing),
        };
        self.wire.send(&status).await;
        heard
    }

    fn response(&self, frame: &Value, status: &str) -> Heard {
        let id = text_of(&frame["messageId"]);
        let Some(number) = id.strip_prefix(&self.call_id).filter(|_| !self.call_id.is_empty()) else {
            return Heard::Nothing;
        };
        if status.starts_with('1') || status.starts_with('2') {
            return Heard::Taken;
        }
        let why = frame["error"].as_str().map(one_line);
        let why = why.unwrap_or_else(|| format!("the gateway answered {}", one_line(status)));
        Heard::Refused { first: number.starts_with("-0-"), why }
    }
}

/// A field that may be a string or a number.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Words of somebody else, without what would move the cursor, and not too many.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recorded(Vec<Value>);

    #[async_trait]
    impl Wire for Recorded {
        async fn send(&mut self, frame: &Value) {
            self.0.push(frame.clone());
        }
        async fn next(&mut self) -> Option<Value> {
            None
        }
    }

    fn pushed(code: &str, text: &str) -> Value {
        json!({ "messageId": "m", "code": code, "from": "@bob:host", "text": STANDARD.encode(text) })
    }

    #[tokio::test]
    async fn call_frames_are_answered_and_messages_are_left_for_a_client_that_shows_them() {
        let mut wire = Recorded(Vec::new());
        let mut signals = Signals::incoming(&mut wire);
        assert_eq!(signals.understand(&pushed("2001", "hello")).await, Heard::Nothing);
        let heard = signals.understand(&pushed("2003", r#"{"type":"ringing","callId":"c"}"#)).await;
        assert!(matches!(heard, Heard::Step { media: Media::Video, signal, .. } if signal.step == CallStep::Ringing));
        assert_eq!(signals.understand(&pushed("2002", r#"{"type":"dance","callId":"c"}"#)).await, Heard::Nothing);
        assert_eq!(signals.understand(&pushed("2002", "ring me")).await, Heard::Nothing);
        let statuses: Vec<_> = wire.0.iter().map(|frame| frame["statusCode"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["200", "400", "400"]);
    }

    #[tokio::test]
    async fn a_refusal_of_our_frame_is_told_in_its_words() {
        let mut wire = Recorded(Vec::new());
        let mut signals = Signals::outgoing(&mut wire, "@bob:host", Media::Voice);
        signals.send(CallStep::Hangup, Vec::new(), None).await;
        let id = signals.call_id.clone();
        let refusal = json!({ "messageId": format!("{id}-0-0"), "statusCode": "400", "error": "no\nway" });
        assert_eq!(signals.understand(&refusal).await, Heard::Refused { first: true, why: "no way".to_owned() });
        let other = json!({ "messageId": "other", "statusCode": 400 });
        assert_eq!(signals.understand(&other).await, Heard::Nothing);
    }
}
