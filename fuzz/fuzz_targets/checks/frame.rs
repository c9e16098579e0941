//! What holds for any input of the target `frame`; the tests of `protocol` replay its seeds with it.

use monster_protocol::Frame;

/// A text is refused in few words, or is a frame that can be written and read again.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Frame::parse(text) {
        Ok(frame) => {
            let written = frame.to_json();
            let again = Frame::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            // (A bare session description is written as the offer that it is; from then on it stays.)
            assert_eq!(again.to_json(), written);
            assert_eq!(again.message_id(), frame.message_id());
        }
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            if let Some(answer) = error.to_response() {
                let written = answer.to_json();
                assert!(matches!(Frame::parse(&written), Ok(Frame::Response(_))), "{written}");
            }
        }
    }
}
