//! What holds for any input of the target `jingle`; the tests of `monster-jingle` replay its seeds with it.

use minidom::Element;
use monster_bridge_api::{CallMedia, CallStep, EndReason};
use monster_jingle::{Dialogue, Jingle, Message, Output, Part, Reach, Session, Side};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:gate\r\n\
    a=ice-pwd:gatewaygatewaygateway22\r\na=setup:actpass\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";

/// A stanza's payload, or several in one element, sent by a client: each is refused in few words or
/// understood; what is understood can be written and read again; no description has lines that nobody
/// meant; and whatever order they come in, nothing comes out of a call that is over.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(element) = text.parse::<Element>() else { return };
    let several: Vec<&Element> =
        if element.name() == "stream" { element.children().take(32).collect() } else { vec![&element] };
    for from_gateway in [false, true] {
        converse(&several, from_gateway);
    }
    for element in several {
        let Ok(jingle) = Jingle::of_element(element) else { continue };
        let written = jingle.to_element();
        let again = Jingle::of_element(&written).expect("what was written can be read");
        assert_eq!(Jingle::of_element(&again.to_element()).as_ref(), Ok(&again), "{written:?}");
        let contents: Vec<_> = jingle.parts.into_iter().filter_map(Part::into_content).collect();
        let sections = contents.len();
        let session = Session { groups: jingle.groups, contents };
        let sdp = session.to_sdp(Side::Initiator, 1);
        assert!(!sdp.replace("\r\n", "").contains(char::is_control), "{sdp:?}");
        let read = Session::of_sdp(&sdp, Side::Initiator).expect("what was written can be read");
        assert_eq!(read.contents.len(), sections, "{sdp}");
        // What a description says once, it says the same when it is read and written again.
        assert_eq!(Session::of_sdp(&read.to_sdp(Side::Initiator, 1), Side::Initiator), Ok(read), "{sdp}");
    }
}

fn converse(several: &[&Element], from_gateway: bool) {
    let (us, peer) = ("a@gw/m", "b@x/p");
    let mut dialogue = if from_gateway {
        let reach = Reach { by_message: true, devices: vec![peer.to_owned()] };
        let mut dialogue = Dialogue::to("b@x", us, "s", reach);
        let offer = CallStep::Offer { media: CallMedia::Voice, sdp: Some(OFFER.to_owned()) };
        dialogue.step(offer).expect("a right offer");
        dialogue
    } else {
        Dialogue::by(peer, us, "s")
    };
    for element in several {
        let was_over = dialogue.is_over();
        let out = if Message::is(element) {
            Message::of_element(element).map(|message| dialogue.message(peer, &message))
        } else {
            Jingle::of_element(element).and_then(|jingle| dialogue.jingle(peer, &jingle))
        };
        match out {
            Ok(out) => {
                assert!(!was_over || out.is_empty(), "{out:?}");
                told(&mut dialogue, &out);
            }
            Err(refused) => assert!(refused.text.len() < 200),
        }
    }
    // (A step may be refused; an end is always taken.)
    dialogue.step(CallStep::End(EndReason::HungUp)).expect("an end is taken");
}

/// The gateway answers whatever it is asked.
fn told(dialogue: &mut Dialogue, out: &[Output]) {
    for output in out {
        if let Output::Step { step: CallStep::Offer { sdp, .. } | CallStep::Update { sdp, .. }, .. } = output {
            let answer = if sdp.is_some() { Some(OFFER.to_owned()) } else { None };
            let _ = dialogue.step(CallStep::Answer { sdp: answer });
        }
    }
}
