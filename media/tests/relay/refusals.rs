//! What the relay refuses, in which words, and that a refusal changes nothing.

use super::client::{Client, number, sections, usual};
use monster_media::{Candidate, Leg, MAX_SDP, Media, Options, Refused, Relay};
use str0m::media::{Direction, MediaKind as Kind};

const GOOD: &str = include_str!("../../../fuzz/seeds/description/chromium");

async fn relay() -> Relay {
    let options = Options { udp_listen: ([127, 0, 0, 1], 0).into(), max_calls: 2, ..Options::default() };
    Relay::bind(options).await.expect("a relay")
}

async fn refusal(media: &Media, sdp: &str) -> String {
    media.take_offer(Leg::Caller, sdp).await.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn a_description_that_is_not_right_is_refused_with_its_reason() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    for (what, sdp, words) in [
        ("nothing", String::new(), "does not begin with v=0"),
        ("no section", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n".to_owned(), "no media section"),
        ("a line without =", GOOD.replace("s=-", "nonsense"), "letter=value"),
        ("control characters", GOOD.replace("s=-", "s=\u{7}"), "control characters"),
        ("no fingerprint", GOOD.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), "a=fingerprint"),
        ("no password", GOOD.replace("a=ice-pwd:", "a=ice-pwd:short "), "a=ice-pwd"),
        ("the same mid twice", GOOD.replace("a=mid:1", "a=mid:0"), "the same mid"),
        ("a long mid", GOOD.replace("a=mid:0", "a=mid:a-mid-that-is-much-too-long"), "more than 16 letters"),
        ("no rtcp-mux", GOOD.replace("a=rtcp-mux", "a=rtcp-no-mux"), "rtcp-mux"),
        ("too long", GOOD.to_owned() + &"a=x\r\n".repeat(MAX_SDP), "64 KiB"),
        ("too many sections", GOOD.to_owned() + &"m=audio 0 RTP/AVP 0\r\n".repeat(20), "more than 16"),
        (
            "too many candidates",
            (0..65).fold(GOOD.to_owned(), |sdp, port| {
                sdp + &format!("a=candidate:1 1 udp 1 192.0.2.1 {} typ host\r\n", 1000 + port)
            }),
            "64 candidates",
        ),
        (
            "foreign codecs",
            GOOD.replace("opus/48000/2", "speex/16000").replace("/8000", "/11025").replace("/90000", "/1"),
            "no codec in common",
        ),
    ] {
        let said = refusal(&media, &sdp).await;
        assert!(said.contains(words), "{what}: {said}");
    }
    assert_eq!(media.offer(Leg::Callee, false).await.map(|_| ()), Ok(()), "nothing has changed");
}

#[tokio::test]
async fn what_comes_out_of_order_is_refused() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    let out_of_order = |refused: Refused| matches!(refused, Refused::OutOfOrder(_));
    assert!(out_of_order(media.answer(Leg::Caller).await.expect_err("no offer")));
    assert!(out_of_order(media.take_answer(Leg::Callee, GOOD).await.expect_err("no offer of ours")));
    assert!(out_of_order(media.restart(Leg::Caller).await.expect_err("nothing agreed")));
    let _second = relay.open().expect("a second call");
    assert!(relay.open().is_err(), "only two calls are allowed");
    media.close();
    assert_eq!(media.answer(Leg::Caller).await, Err(Refused::Closed));
}

#[tokio::test]
async fn candidates_are_counted_and_names_passed_over() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    media.take_offer(Leg::Caller, GOOD).await.expect("taken");
    let candidate = |line: &str| Candidate { line: line.to_owned(), mid: Some("0".to_owned()), index: Some(0) };
    let good = candidate("candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host generation 0 ufrag abcd");
    let named = candidate("candidate:1 1 udp 2122260223 8f2c9a6e.local 5000 typ host");
    let tcp = candidate("candidate:1 1 tcp 2122260223 192.0.2.1 9 typ host tcptype active");
    assert_eq!(media.candidates(Leg::Caller, &[good.clone(), named, tcp, candidate("")]).await, Ok(()));
    for bad in
        ["candidate", "candidate:1 1 udp x 192.0.2.1 5000 typ host", "candidate:1 1 udp 1 192.0.2.1 99999 typ host"]
    {
        assert_eq!(media.candidates(Leg::Caller, &[candidate(bad)]).await, Err(Refused::BadCandidate), "{bad}");
    }
    assert_eq!(media.candidates(Leg::Caller, &vec![good; 62]).await, Err(Refused::TooManyCandidates));
}

#[tokio::test]
async fn a_refused_update_leaves_the_call_as_it_is() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    let client = Client::new(usual());
    media.take_offer(Leg::Caller, &client.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    client.take_answer(&answer);
    client.wait_connected();
    assert!(media.take_offer(Leg::Caller, GOOD).await.is_err(), "its sections are others");
    assert!(media.take_offer(Leg::Caller, "v=0\r\nnonsense").await.is_err());
    let audio = &sections(&answer)[0];
    client.send(&audio.0, number(&audio.1, "opus/48000/2"), 1, 0, b"still here");
    assert_eq!(client.wait_for(&audio.0, 1)[0].payload, b"still here");
}

#[tokio::test]
async fn junk_does_not_disturb_a_call() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    let client = Client::new(usual());
    media.take_offer(Leg::Caller, &client.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    client.take_answer(&answer);
    client.wait_connected();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).expect("a name");
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([9; 12]);
    let name = format!("{ufrag}:abcd");
    request.extend(6_u16.to_be_bytes());
    request.extend(u16::try_from(name.len()).expect("short").to_be_bytes());
    request.extend(name.as_bytes());
    for n in 0..2000_usize {
        // Some of it claims to be for the call; none has its password.
        let junk: Vec<u8> = (0..n % 200).map(|i| u8::try_from((i * 31 + n * 7) % 256).expect("a byte")).collect();
        stranger.send_to(&junk, relay.udp_addr()).expect("sent");
        stranger.send_to(&request, relay.udp_addr()).expect("sent");
        client.with(move |state| state.junk(&junk, n));
    }
    let audio = &sections(&answer)[0];
    client.send(&audio.0, number(&audio.1, "opus/48000/2"), 1, 0, b"still here");
    assert_eq!(client.wait_for(&audio.0, 1)[0].payload, b"still here");
}

#[tokio::test]
async fn a_call_is_connected_by_candidates_that_come_late() {
    let relay = relay().await;
    let (media, _events) = relay.open().expect("a call");
    let client = Client::new(usual());
    let offer = client.offer(&[(Kind::Audio, Direction::SendRecv)]);
    let lines: Vec<&str> = offer.lines().collect();
    let (candidates, rest): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with("a=candidate:"));
    media.take_offer(Leg::Caller, &rest.join("\r\n")).await.expect("taken");
    let early: Vec<Candidate> = candidates
        .iter()
        .map(|line| Candidate { line: line.trim_start_matches("a=").to_owned(), mid: None, index: Some(0) })
        .collect();
    // Before the answer, and again after it.
    media.candidates(Leg::Caller, &early).await.expect("kept");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    media.candidates(Leg::Caller, &early).await.expect("used");
    // The client knows nobody: it is the relay that begins.
    let silent: Vec<&str> = answer.lines().filter(|line| !line.starts_with("a=candidate:")).collect();
    client.take_answer(&(silent.join("\r\n") + "\r\n"));
    client.wait_connected();
}
