//! What holds for any input of the target `jingle_sdp`; the tests of `monster-jingle` replay its seeds
//! with it.

use minidom::Element;
use monster_bridge_api::{CallMedia, CallStep};
use monster_jingle::{Action, Dialogue, Jingle, Part, Reach, Session, Side, contents_of};

/// A session description is refused in few words, or becomes Jingle that can be written and read, and
/// says the same as it did; as an offer, an answer and an offer again it makes nothing fall over.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let session = match Session::of_sdp(text, Side::Initiator) {
        Ok(session) => session,
        Err(error) => return assert!(error.to_string().len() < 200),
    };
    let mut jingle = Jingle::new(Action::SessionInitiate, "s").with_parts(contents_of(&session));
    jingle.groups.clone_from(&session.groups);
    let written = String::from(&jingle.to_element());
    let element: Element = written.parse().expect("what was written is XML");
    let read = Jingle::of_element(&element);
    // (A name that is too long for Jingle is refused by whoever reads it.)
    if let Ok(read) = read {
        let live: Vec<&str> = session.live().map(|content| content.name.as_str()).collect();
        let contents: Vec<_> = read.parts.into_iter().filter_map(Part::into_content).collect();
        assert_eq!(contents.iter().map(|content| content.name.as_str()).collect::<Vec<_>>(), live, "{written}");
        let back = Session { groups: read.groups, contents };
        for (before, after) in session.live().zip(&back.contents) {
            assert_eq!(before.transport.credentials, after.transport.credentials);
            assert_eq!(before.transport.fingerprints, after.transport.fingerprints);
            assert_eq!(before.transport.candidates, after.transport.candidates);
            assert_eq!(before.senders, after.senders);
            assert_eq!(before.media.mux, after.media.mux);
        }
    }
    let reach = Reach { by_message: false, devices: vec!["b@x/p".to_owned()] };
    let mut dialogue = Dialogue::to("b@x", "a@gw/m", "s", reach);
    let media = CallMedia::Voice;
    if dialogue.step(CallStep::Offer { media, sdp: Some(text.to_owned()) }).is_ok() {
        let accept = Jingle { action: Action::SessionAccept, ..jingle.clone() };
        if dialogue.jingle("b@x/p", &accept).is_ok() {
            let _ = dialogue.step(CallStep::Update { sdp: Some(text.replace("sendrecv", "inactive")), muted: None });
        }
    }
    let mut called = Dialogue::by("b@x/p", "a@gw/m", "s");
    if called.jingle("b@x/p", &jingle).is_ok() {
        let _ = called.step(CallStep::Answer { sdp: Some(text.to_owned()) });
    }
}
