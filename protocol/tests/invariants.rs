//! What holds for every frame and every text: round trips, no panic, bounded answers. The seeds of
//! the fuzz targets are replayed here, so that what fuzzing found once stays found.

use monster_protocol::{
    AccountType, Address, CallContext, CallSignal, CallStep, Candidate, Decision, Ext, Frame, InfoItem, Media, Muted,
    Request, RequestBody, Response, Status,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;
use std::path::Path;

#[path = "../../fuzz/fuzz_targets/checks/address.rs"]
mod address_target;
#[path = "../../fuzz/fuzz_targets/checks/call_context.rs"]
mod call_context_target;
#[path = "../../fuzz/fuzz_targets/checks/frame.rs"]
mod frame_target;

fn id() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["[a-zA-Z0-9-]{1,40}", "\\PC{1,20}", any::<String>()]
        .prop_map(|s| s.chars().take(60).collect::<String>())
        .prop_filter("an id is not empty", |s| !s.is_empty())
        .prop_map(Cow::Owned)
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn name() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(|s| s.chars().take(64).collect::<String>().into())
}

fn address() -> impl Strategy<Value = Address> {
    ("[a-z#@%3A ]{1,9}", "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", of(1..=u16::MAX)).prop_filter_map(
        "no address",
        |(n, h, p)| {
            let port = p.map_or(String::new(), |p| format!(":{p}"));
            format!("@{}:x:{h}{port}", n.replace('%', "%25").replace(':', "%3A")).parse().ok()
        },
    )
}

fn step() -> impl Strategy<Value = CallStep> {
    let sdp = || any::<String>();
    prop_oneof![
        sdp().prop_map(CallStep::Offer),
        sdp().prop_map(CallStep::Answer),
        (of(sdp()), any::<bool>(), any::<bool>()).prop_map(|(sdp, audio, video)| {
            let muted = (sdp.is_none() || audio).then_some(Muted { audio, video });
            CallStep::Update { sdp, muted }
        }),
        select(vec![CallStep::Ringing, CallStep::Candidates, CallStep::Hangup, CallStep::Reject, CallStep::Busy]),
    ]
}

fn context() -> impl Strategy<Value = CallContext> {
    let candidate = (any::<String>(), of(any::<String>()), of(any::<u16>()))
        .prop_map(|(candidate, sdp_mid, sdp_m_line_index)| Candidate { candidate, sdp_mid, sdp_m_line_index })
        .prop_filter("over the limit", |c| {
            c.candidate.len() <= 1024 && c.sdp_mid.as_ref().is_none_or(|mid| mid.len() <= 1024)
        });
    let reason = of("\\PC{0,40}");
    let signal = (id(), step(), vec(candidate, 0..4), reason).prop_map(|(call_id, step, candidates, reason)| {
        CallContext::Signal(CallSignal { call_id: call_id.into_owned(), step, candidates, reason })
    });
    prop_oneof![signal, "[a-z ]{0,20}".prop_map(CallContext::Ring)]
}

fn body() -> impl Strategy<Value = RequestBody<'static>> {
    prop_oneof![
        Just(RequestBody::Info),
        of(name()).prop_map(|pass| RequestBody::Join { pass }),
        Just(RequestBody::Leave),
        text().prop_map(|text| RequestBody::Text { text }),
        (select(vec![Media::Voice, Media::Video]), context())
            .prop_map(|(media, context)| RequestBody::Call { media, context }),
        id().prop_map(|target| RequestBody::Recall { target }),
    ]
}

fn ext() -> impl Strategy<Value = Ext<'static>> {
    (of(address()), of(address()), of(name()), of(any::<u64>()), of(id()), of(id()), of("\\PC{1,9}")).prop_map(
        |(from, to, nickname, time, reply_to, replaces, reaction)| Ext {
            reaction: reaction.filter(|_| reply_to.is_some()).map(Cow::Owned),
            from,
            to,
            nickname,
            time,
            reply_to,
            replaces,
            call: None,
        },
    )
}

fn request() -> impl Strategy<Value = Frame<'static>> {
    (id(), body(), ext()).prop_map(|(message_id, body, ext)| Frame::Request(Request { message_id, body, ext }))
}

fn response() -> impl Strategy<Value = Frame<'static>> {
    let statuses =
        vec![Status::Information, Status::Accepted, Status::Elsewhere, Status::BadRequest, Status::Unavailable];
    let types = vec![AccountType::Person, AccountType::Group, AccountType::Channel];
    let decisions = vec![Decision::Accepted, Decision::Waiting, Decision::WrongPass];
    let words = (of(text()), of(text()), of(text()), vec((text(), text()), 0..4));
    let choices = (select(statuses), of(select(types)), of(select(decisions)));
    (of(id()), choices, words, of(address())).prop_map(|(id, (status, account_type, decision), words, location)| {
        let (nickname, picurl, error, info) = words;
        let info = info.into_iter().map(|(title, value)| InfoItem { title, value }).collect();
        let message_id = id.unwrap_or_default();
        Frame::Response(Response {
            message_id,
            status,
            nickname,
            picurl,
            account_type,
            info,
            decision,
            error,
            location,
        })
    })
}

proptest! {
    #[test]
    fn a_written_frame_is_strict_json_and_reads_as_the_same_frame(frame in prop_oneof![request(), response()]) {
        let written = frame.to_json();
        prop_assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&written).is_ok(), "{}", written);
        prop_assert_eq!(Frame::parse(&written).unwrap(), frame);
    }

    #[test]
    fn a_frame_in_json5_is_the_same_frame(frame in prop_oneof![request(), response()]) {
        let commented = format!("/* not strict */ {}", frame.to_json());
        prop_assert_eq!(Frame::parse(&commented).unwrap(), frame);
    }

    #[test]
    fn a_frame_cut_short_is_refused_with_a_short_answer(frame in request(), at in 0.0..1.0) {
        let written = frame.to_json();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the text")]
        let cut = written.floor_char_boundary((written.len() as f64 * at) as usize);
        let error = Frame::parse(&written[..cut]).unwrap_err();
        prop_assert!(error.to_string().len() < 1000);
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        frame_target::check(text.as_bytes());
        address_target::check(text.as_bytes());
    }

    #[test]
    fn no_mixture_of_the_words_of_frames_is_too_strange(words in vec(select(WORDS.to_vec()), 0..40)) {
        frame_target::check(words.concat().as_bytes());
    }
}

const WORDS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "messageId",
    "code",
    "statusCode",
    "\"1000\"",
    "2001",
    "\"text\"",
    "\"YQ==\"",
    "info",
    "title",
    "value",
    "null",
    "true",
    "-1",
    "1e400",
    "NaN",
    "Infinity",
    "/*",
    "*/",
    "//",
    "\n",
    " ",
    "\\u0061",
    "\\",
    "time",
    "to",
    "\"@a:b\"",
    "reaction",
    "replyTo",
    "type",
    "0x10",
    "\u{feff}",
    "é",
];

/// Every file under `fuzz/seeds/<target>/`.
fn replay(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let paths =
        std::fs::read_dir(&seeds).map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let paths = paths.unwrap_or_else(|error| panic!("{}: {error}", seeds.display()));
    assert!(!paths.is_empty(), "no seeds in {}", seeds.display());
    for path in paths {
        check(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
}

#[test]
fn the_seeds_of_the_frame_fuzzer_hold() {
    replay("frame", frame_target::check);
}

#[test]
fn the_seeds_of_the_call_context_fuzzer_hold() {
    replay("call_context", call_context_target::check);
}

#[test]
fn the_seeds_of_the_address_fuzzer_hold() {
    replay("address", address_target::check);
}
