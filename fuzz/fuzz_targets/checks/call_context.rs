//! What holds for any input of the target `call_context`; the tests of `protocol` replay its seeds
//! with it.

use monster_protocol::{CallContext, CallStep};

const MAX_SDP: usize = 64 * 1024;
const MAX_CANDIDATES: usize = 64;

/// A context is refused in few words, or is a step within its limits that can be written and read
/// again, or asks to be rung with the words as they came.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match CallContext::parse(text, "the-frames-id") {
        Ok(CallContext::Ring(words)) => assert_eq!(words, text),
        Ok(context) => {
            let CallContext::Signal(signal) = &context else { return };
            let sdp = match &signal.step {
                CallStep::Offer(sdp) | CallStep::Answer(sdp) | CallStep::Update { sdp: Some(sdp), .. } => sdp,
                _ => "",
            };
            assert!(!signal.call_id.is_empty() && sdp.len() <= MAX_SDP);
            assert!(signal.candidates.len() <= MAX_CANDIDATES);
            let written = context.to_text();
            let again = CallContext::parse(&written, "another-frames-id");
            assert_eq!(again.as_ref(), Ok(&context), "{written}");
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
}
