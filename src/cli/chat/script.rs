//! The chat for programs: frames in, frames out, one a line.

use super::{Effect, Front};
use monster_protocol::Address;
use serde_json::{Map, Value, json};

/// Makes up `messageId`s.
pub(super) type Ids = Box<dyn FnMut() -> String + Send>;

/// Passes frames on, and completes those that lack something.
pub(super) struct Script {
    to: Option<Address>,
    ids: Ids,
}

impl Script {
    pub(super) fn new(to: Option<Address>, ids: Ids) -> Self {
        Self { to, ids }
    }

    /// A request with everything that it needs.
    fn complete(&mut self, mut frame: Map<String, Value>) -> Value {
        let id = match frame.get("messageId") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => (self.ids)(),
        };
        frame.insert("messageId".to_owned(), id.into());
        frame.entry("code").or_insert_with(|| "2001".into());
        if let Some(to) = &self.to {
            frame.entry("to").or_insert_with(|| to.as_str().into());
        }
        Value::Object(frame)
    }
}

impl Front for Script {
    fn begin(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    fn line(&mut self, line: &str) -> Vec<Effect> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        match serde_json::from_str(line) {
            Ok(Value::Object(frame)) if frame.contains_key("statusCode") => vec![Effect::Answer(Value::Object(frame))],
            Ok(Value::Object(frame)) => vec![Effect::Ask(self.complete(frame))],
            Ok(_) => vec![Effect::Complain("expected a JSON object on each line".to_owned())],
            Err(why) => vec![Effect::Complain(format!("this line is not JSON: {why}"))],
        }
    }

    fn frame(&mut self, frame: &Value) -> Vec<Effect> {
        let show = Effect::Show(frame.to_string());
        match frame.get("messageId") {
            Some(id) if frame.get("code").is_some() => {
                vec![show, Effect::Answer(json!({ "messageId": id, "statusCode": "200" }))]
            }
            _ => vec![show],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        Script::new(Some("@echo:echo:localhost:7580".parse().unwrap()), Box::new(|| "id".to_owned()))
    }

    #[test]
    fn what_a_frame_lacks_is_filled_in_and_what_it_has_stays() {
        let asked = script().line(r#"{"text":"aGk="}"#);
        let full = json!({ "text": "aGk=", "code": "2001", "messageId": "id", "to": "@echo:echo:localhost:7580" });
        assert_eq!(asked, [Effect::Ask(full)]);
        let asked = script().line(r#"{"code":1000,"to":"@a:b","messageId":7}"#);
        assert_eq!(asked, [Effect::Ask(json!({ "code": 1000, "to": "@a:b", "messageId": "7" }))]);
    }

    #[test]
    fn pushed_frames_are_shown_and_answered_and_answers_only_shown() {
        let pushed = json!({ "messageId": "m", "code": "2001", "text": "aGk=" });
        let answer = Effect::Answer(json!({ "messageId": "m", "statusCode": "200" }));
        assert_eq!(script().frame(&pushed), [Effect::Show(pushed.to_string()), answer]);
        let answered = json!({ "messageId": "m", "statusCode": "200" });
        assert_eq!(script().frame(&answered), [Effect::Show(answered.to_string())]);
    }

    #[test]
    fn lines_that_are_no_frames_are_complained_about() {
        assert!(matches!(script().line("hello")[..], [Effect::Complain(_)]));
        assert!(matches!(script().line("[1]")[..], [Effect::Complain(_)]));
        assert!(script().line("  ").is_empty());
    }
}
