//! Calls between two clients through the relay, over real sockets.

use super::client::{Client, number, sections, usual, with_video};
use monster_media::{Event, Leg, Media, MediaKind, Options, Relay};
use std::time::{Duration, Instant};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind as Kind};
use tokio::sync::mpsc::Receiver;

/// A call that has been set up, with the last description that each client has.
struct Call {
    relay: Relay,
    media: Media,
    events: Receiver<Event>,
    caller: Client,
    callee: Client,
    /// The answer that the caller got, and the offer that the callee got.
    told: (String, String),
}

fn options() -> Options {
    Options { udp_listen: ([127, 0, 0, 1], 0).into(), ..Options::default() }
}

async fn call(kinds: &[Kind]) -> Call {
    call_with(options(), kinds, [Client::new(usual()), Client::new(usual())]).await
}

async fn call_with(options: Options, kinds: &[Kind], ends: [Client; 2]) -> Call {
    let [near, far] = ends;
    let relay = Relay::bind(options).await.expect("a relay");
    let (media, events) = relay.open().expect("a call");
    let kinds: Vec<_> = kinds.iter().map(|kind| (*kind, Direction::SendRecv)).collect();
    media.take_offer(Leg::Caller, &near.offer(&kinds)).await.expect("an offer that is taken");
    let offer = media.offer(Leg::Callee, false).await.expect("an offer");
    media.take_answer(Leg::Callee, &far.answer(&offer)).await.expect("an answer that is taken");
    let answer = media.answer(Leg::Caller).await.expect("an answer");
    near.take_answer(&answer);
    near.wait_connected();
    far.wait_connected();
    // (Junk from a client's own address does no harm to anything that follows.)
    near.with(|state| state.junk(&[0xff; 30], 1));
    Call { relay, media, events, caller: near, callee: far, told: (answer, offer) }
}

impl Call {
    /// Waits for an event, passing others over.
    async fn wait(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the call goes on");
                if is(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("did not come: {what}"))
    }

    /// The sections of a place in the descriptions: the caller's and the callee's.
    fn section(&self, index: usize) -> [(String, String); 2] {
        [sections(&self.told.0)[index].clone(), sections(&self.told.1)[index].clone()]
    }

    async fn both_are_connected(&mut self) {
        let mut missing = vec![Leg::Caller, Leg::Callee];
        while !missing.is_empty() {
            let event = self.wait("both legs connected", |event| matches!(event, Event::Connected { .. })).await;
            let Event::Connected { leg } = event else { continue };
            missing.retain(|other| *other != leg);
        }
    }
}

#[tokio::test]
async fn sound_and_pictures_go_both_ways_and_arrive_as_they_were_sent() {
    let mut call = call(&[Kind::Audio, Kind::Video]).await;
    call.both_are_connected().await;
    for (index, (codec, payload)) in [("opus/48000/2", &b"a sound"[..]), ("VP8/90000", b"a picture")].iter().enumerate()
    {
        let [near, far] = call.section(index);
        let there = number(&near.1, codec);
        let back = number(&far.1, codec);
        for n in 0..20_u64 {
            call.caller.send(&near.0, there, 5000 + n, 960 * 7, payload);
            call.callee.send(&far.0, back, 100 + n, 960 * 9, payload);
        }
        let heard = call.callee.wait_for(&far.0, 20);
        assert!(heard.iter().all(|got| got.payload == *payload && got.number == back), "{heard:?}");
        let heard = call.caller.wait_for(&near.0, 20);
        assert!(heard.iter().all(|got| got.payload == *payload && got.number == there), "{heard:?}");
    }
    let first =
        call.wait("the first picture", |event| matches!(event, Event::FirstMedia { kind: MediaKind::Video, .. })).await;
    assert!(matches!(first, Event::FirstMedia { .. }));
    call.relay.close().await;
}

#[tokio::test]
async fn pictures_go_both_ways_in_the_one_codec_that_the_callee_takes() {
    for (codec, name) in [(Codec::Vp9, "VP9/90000"), (Codec::Av1, "AV1/90000")] {
        for repaired in [true, false] {
            let near = Client::new(with_video(&[Codec::Vp8, Codec::Vp9, Codec::Av1], true));
            let far = Client::new(with_video(&[codec], repaired));
            let call = call_with(options(), &[Kind::Video], [near, far]).await;
            let [near, far] = call.section(0);
            let (there, back) = (number(&near.1, name), number(&far.1, name));
            for n in 0..20_u64 {
                call.caller.send(&near.0, there, 5000 + n, 960 * 7, b"a picture");
                call.callee.send(&far.0, back, 100 + n, 960 * 9, b"another");
            }
            let seen = call.callee.wait_for(&far.0, 20);
            assert!(seen.iter().all(|got| got.payload == b"a picture" && got.number == back), "{seen:?}");
            let seen = call.caller.wait_for(&near.0, 20);
            assert!(seen.iter().all(|got| got.payload == b"another" && got.number == there), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn the_receiver_sees_one_stream_whatever_the_source_does() {
    let call = call(&[Kind::Audio]).await;
    let [near, far] = call.section(0);
    let opus = number(&near.1, "opus/48000/2");
    for n in 0..5_u64 {
        call.caller.send(&near.0, opus, 60_000 + n, 960 * u32::try_from(n).expect("small"), b"first");
    }
    call.callee.wait_for(&far.0, 5);
    call.caller.change_source(&near.0, 0x1234_5678);
    for n in 0..5_u64 {
        call.caller.send(&near.0, opus, 3 + n, 77, b"second");
    }
    let got = call.callee.wait_for(&far.0, 10);
    assert!(got.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "{got:?}");
    assert!(got.windows(2).all(|pair| pair[1].time.wrapping_sub(pair[0].time) < 1 << 31), "{got:?}");
    assert_eq!(got[0].ssrc, got[9].ssrc);
    assert_eq!(got[9].payload, b"second");
}

#[tokio::test]
async fn sound_that_comes_twice_is_forwarded_once_and_counted_wherever_it_passes() {
    const PACKETS: u64 = 200;
    let call = call(&[Kind::Audio]).await;
    let [near, far] = call.section(0);
    let (there, back) = (number(&near.1, "opus/48000/2"), number(&far.1, "opus/48000/2"));
    call.caller.with(|state| state.twice = true);
    for n in 0..PACKETS {
        // (The sequence number's 16 bits are used up on the way.)
        call.caller.send(&near.0, there, 65_500 + n, 960 * u32::try_from(n).expect("small"), &n.to_be_bytes());
    }
    let got = call.callee.wait_for(&far.0, 200);
    for (pair, n) in got.windows(2).zip(1..) {
        assert_eq!(pair[1].payload, u64::to_be_bytes(n), "in order");
        assert_eq!((pair[1].sequence, pair[1].ssrc), (pair[0].sequence + 1, pair[0].ssrc));
        assert_eq!((pair[1].time.wrapping_sub(pair[0].time), pair[1].number), (960, back));
    }
    // Figures are taken each second.
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let figures = call.media.figures().await;
        let (taken, sent) = (figures.caller.received, figures.callee.sent);
        assert!(sent.packets <= PACKETS, "{figures:?}");
        if (taken.packets, sent.packets) == (PACKETS, PACKETS) && sent.bytes == PACKETS * 8 {
            assert_eq!(taken.lost, 0);
            return;
        }
        assert!(Instant::now() < deadline, "did not come: the figures of all packets, {figures:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn hold_stops_the_sound_and_resume_brings_it_back_without_a_hole() {
    let call = call(&[Kind::Audio]).await;
    let [near, far] = call.section(0);
    let opus = number(&near.1, "opus/48000/2");
    call.caller.send(&near.0, opus, 10, 0, b"before");
    let before = call.callee.wait_for(&far.0, 1);

    turn(&call, &near.0, Direction::Inactive).await;
    call.caller.send(&near.0, opus, 11, 960, b"on hold");
    turn(&call, &near.0, Direction::SendRecv).await;
    call.caller.send(&near.0, opus, 400, 960 * 400, b"after");
    let got = call.callee.wait_for(&far.0, 2);
    assert_eq!(got[1].payload, b"after");
    assert_eq!(got[1].sequence, before[0].sequence + 1);
    assert_eq!(got[1].ssrc, before[0].ssrc);
}

async fn turn(call: &Call, mid: &str, direction: Direction) {
    let offered = call.media.take_offer(Leg::Caller, &call.caller.turn(mid, direction)).await.expect("taken");
    assert!(!offered.restart_only);
    let offer = call.media.offer(Leg::Callee, false).await.expect("an offer");
    call.media.take_answer(Leg::Callee, &call.callee.answer(&offer)).await.expect("taken");
    call.caller.take_answer(&call.media.answer(Leg::Caller).await.expect("an answer"));
}

#[tokio::test]
async fn voice_becomes_video_from_either_side() {
    let call = call(&[Kind::Audio]).await;
    let more = call.callee.offer(&[(Kind::Video, Direction::SendRecv)]);
    let offered = call.media.take_offer(Leg::Callee, &more).await.expect("taken");
    assert!(offered.video && !offered.restart_only);
    let offer = call.media.offer(Leg::Caller, false).await.expect("an offer");
    call.media.take_answer(Leg::Caller, &call.caller.answer(&offer)).await.expect("taken");
    let answer = call.media.answer(Leg::Callee).await.expect("an answer");
    call.callee.take_answer(&answer);
    let near = &sections(&offer)[1];
    let far = &sections(&answer)[1];
    call.callee.send(&far.0, number(&far.1, "VP8/90000"), 1, 0, b"a picture");
    assert_eq!(call.caller.wait_for(&near.0, 1)[0].payload, b"a picture");
}

#[tokio::test]
async fn two_who_turn_their_cameras_on_at_once_see_each_other() {
    let call = call(&[Kind::Audio]).await;
    let video = [(Kind::Video, Direction::SendRecv)];
    let [near, far] = [call.caller.offer(&video), call.callee.offer(&video)];
    call.media.take_offer(Leg::Callee, &far).await.expect("taken");
    // The caller's own offer is on its way: it passes this one over.
    call.media.offer(Leg::Caller, false).await.expect("an offer");
    call.media.take_offer(Leg::Caller, &near).await.expect("taken");
    let answer = call.media.answer(Leg::Callee).await.expect("an answer");
    call.callee.take_answer(&answer);
    let offer = call.media.offer(Leg::Callee, false).await.expect("an offer");
    call.media.take_answer(Leg::Callee, &call.callee.answer(&offer)).await.expect("taken");
    let [near, far] = [call.media.answer(Leg::Caller).await.expect("an answer"), answer];
    call.caller.take_answer(&near);
    let offer = call.media.offer(Leg::Caller, false).await.expect("an offer");
    call.media.take_answer(Leg::Caller, &call.caller.answer(&offer)).await.expect("taken");
    let [near, far] = [&sections(&near)[1], &sections(&far)[1]];
    call.callee.send(&far.0, number(&far.1, "VP8/90000"), 1, 0, b"a picture");
    assert_eq!(call.caller.wait_for(&near.0, 1)[0].payload, b"a picture");
    call.caller.send(&near.0, number(&near.1, "VP8/90000"), 1, 0, b"another");
    assert_eq!(call.callee.wait_for(&far.0, 1)[0].payload, b"another");
}

#[tokio::test]
async fn either_side_and_the_relay_restart_ice_and_nothing_is_lost() {
    let call = call(&[Kind::Audio]).await;
    let [near, far] = call.section(0);
    let opus = number(&near.1, "opus/48000/2");
    let mut next = 0_u64;
    let mut talk = |call: &Call| {
        for _ in 0..10 {
            next += 1;
            call.caller.send(&near.0, opus, next, 0, &next.to_be_bytes());
        }
        let got = call.callee.wait_for(&far.0, usize::try_from(next).expect("small"));
        assert!(got.iter().zip(1_u64..).all(|(got, n)| got.payload == n.to_be_bytes()), "something was lost");
    };
    talk(&call);
    for leg in [Leg::Caller, Leg::Callee] {
        let client = if leg == Leg::Caller { &call.caller } else { &call.callee };
        let offered = call.media.take_offer(leg, &client.restart()).await.expect("taken");
        assert!(offered.restart_only);
        client.take_answer(&call.media.answer(leg).await.expect("an answer"));
        talk(&call);
        let offer = call.media.restart(leg).await.expect("an offer");
        talk(&call);
        call.media.take_answer(leg, &client.answer(&offer)).await.expect("taken");
        talk(&call);
        client.wait("ICE up again", |state| state.ice.last().filter(|state| !state.is_disconnected()).map(|_| ()));
        talk(&call);
    }
}

#[tokio::test]
async fn lost_pictures_are_repaired_on_both_legs() {
    let call = call(&[Kind::Video]).await;
    let [near, far] = call.section(0);
    let vp8 = number(&near.1, "VP8/90000");
    // Every tenth packet of media is lost on its way to the relay.
    call.caller.with(|state| {
        let mut count = 0;
        state.filter = Some(Box::new(move |bytes| {
            let media = bytes[0] & 0xc0 == 0x80 && !(64..96).contains(&(bytes[1] & 0x7f));
            count += usize::from(media);
            !media || count % 10 != 5
        }));
    });
    for n in 1..=200_u64 {
        call.caller.send(
            &near.0,
            vp8,
            n,
            u32::try_from(n).expect("small") * 3000,
            &[&n.to_be_bytes()[..], &[0; 600]].concat(),
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let got = call.callee.wait_for(&far.0, 200);
    let mut seen: Vec<u64> =
        got.iter().map(|got| u64::from_be_bytes(got.payload[..8].try_into().expect("8 bytes"))).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn whole_pictures_are_asked_for_at_most_twice_a_second() {
    let call = call(&[Kind::Video]).await;
    let [near, far] = call.section(0);
    let vp8 = number(&near.1, "VP8/90000");
    call.caller.send(&near.0, vp8, 1, 0, b"a picture");
    call.callee.wait_for(&far.0, 1);
    let before = call
        .caller
        .wait("the request at the start", |state| (state.pictures_wanted > 0).then_some(state.pictures_wanted));
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(1200) {
        let mid = far.0.clone();
        call.callee.with(move |state| {
            let mut api = state.rtc.direct_api();
            if let Some(stream) = api.stream_rx_by_mid(mid.as_str().into(), None) {
                stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = call.caller.wait("more requests", move |state| {
        (state.pictures_wanted > before + 1).then_some(state.pictures_wanted - before)
    });
    assert!(asked <= 4, "{asked} requests in 1.2 s");
}

#[tokio::test]
async fn the_echo_gives_back_what_it_gets_after_later_offers_too() {
    let relay = Relay::bind(options()).await.expect("a relay");
    let (media, _events) = relay.open().expect("a call");
    let client = Client::new(usual());
    media.take_offer(Leg::Caller, &client.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    client.take_answer(&answer);
    client.wait_connected();
    let audio = &sections(&answer)[0];
    client.send(&audio.0, number(&audio.1, "opus/48000/2"), 1, 0, b"hello");
    assert_eq!(client.wait_for(&audio.0, 1)[0].payload, b"hello");

    media.take_offer(Leg::Caller, &client.offer(&[(Kind::Video, Direction::SendRecv)])).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    client.take_answer(&answer);
    let video = &sections(&answer)[1];
    client.send(&video.0, number(&video.1, "VP8/90000"), 1, 0, b"a picture");
    assert_eq!(client.wait_for(&video.0, 1)[0].payload, b"a picture");
}

#[tokio::test]
async fn a_call_works_over_tcp_where_udp_does_not() {
    let options = Options { tcp_listen: Some(([127, 0, 0, 1], 0).into()), ..options() };
    let relay = Relay::bind(options).await.expect("a relay");
    let tcp = relay.tcp_addr().expect("a TCP port");
    let (media, _events) = relay.open().expect("a call");
    let client = tokio::task::spawn_blocking(move || Client::over_tcp(usual(), tcp)).await.expect("a client");
    media.take_offer(Leg::Caller, &client.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    assert!(answer.contains("tcptype passive"), "{answer}");
    client.take_answer(&answer);
    tokio::task::spawn_blocking(move || {
        client.wait_connected();
        let audio = &sections(&answer)[0];
        client.send(&audio.0, number(&audio.1, "opus/48000/2"), 1, 0, b"hello");
        assert_eq!(client.wait_for(&audio.0, 1)[0].payload, b"hello");
    })
    .await
    .expect("a call");
}

#[tokio::test]
async fn silence_is_told_and_its_end() {
    let mut call = call(&[Kind::Audio]).await;
    let [near, far] = call.section(0);
    let opus = number(&near.1, "opus/48000/2");
    call.caller.send(&near.0, opus, 1, 0, b"one");
    call.callee.wait_for(&far.0, 1);
    let silent = |event: &Event| matches!(event, Event::Silent { leg: Leg::Caller, .. });
    let Event::Silent { for_ms, .. } = call.wait("the silence", silent).await else { unreachable!() };
    assert!((1500..2500).contains(&for_ms), "{for_ms}");
    let Event::Silent { for_ms, .. } = call.wait("more silence", silent).await else { unreachable!() };
    assert!(for_ms >= 2500, "{for_ms}");
    call.caller.send(&near.0, opus, 2, 960, b"two");
    call.wait("sound again", |event| matches!(event, Event::Sounding { leg: Leg::Caller })).await;
    let figures = call.media.figures().await;
    assert_eq!(figures.caller.received.lost, 0);
}

#[tokio::test]
async fn calls_on_several_workers_share_the_port() {
    let options = Options { workers: 3, ..options() };
    let relay = Relay::bind(options).await.expect("a relay");
    for n in 0..6 {
        let (media, _events) = relay.open().expect("a call");
        let client = Client::new(usual());
        media.take_offer(Leg::Caller, &client.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
        let answer = media.loop_back(Leg::Caller).await.expect("an answer");
        client.take_answer(&answer);
        client.wait_connected();
        let audio = &sections(&answer)[0];
        client.send(&audio.0, number(&audio.1, "opus/48000/2"), 1, 0, &[n]);
        assert_eq!(client.wait_for(&audio.0, 1)[0].payload, [n]);
        media.close();
    }
    relay.close().await;
}

#[tokio::test]
async fn a_network_that_rings_first_is_offered_sound_and_describes_itself_later() {
    let relay = Relay::bind(options()).await.expect("a relay");
    let (media, _events) = relay.open().expect("a call");
    let (near, far) = (Client::new(usual()), Client::new(usual()));
    let offer = media.offer(Leg::Callee, false).await.expect("an offer");
    let described = media.take_answer(Leg::Callee, &far.answer(&offer)).await.expect("taken");
    assert!(described.sends && described.receives && !described.video);
    media.take_offer(Leg::Caller, &near.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let answer = media.answer(Leg::Caller).await.expect("an answer");
    near.take_answer(&answer);
    near.wait_connected();
    far.wait_connected();
    let (from, to) = (&sections(&answer)[0], &sections(&offer)[0]);
    near.send(&from.0, number(&from.1, "opus/48000/2"), 1, 0, b"hello");
    assert_eq!(far.wait_for(&to.0, 1)[0].payload, b"hello");
}

#[tokio::test]
async fn a_caller_who_moves_while_it_rings_offers_again_and_is_connected() {
    let relay = Relay::bind(options()).await.expect("a relay");
    let (media, _events) = relay.open().expect("a call");
    let (gone, near, far) = (Client::new(usual()), Client::new(usual()), Client::new(usual()));
    media.take_offer(Leg::Caller, &gone.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    let offer = media.offer(Leg::Callee, false).await.expect("an offer");
    media.take_offer(Leg::Caller, &near.offer(&[(Kind::Audio, Direction::SendRecv)])).await.expect("taken");
    media.take_answer(Leg::Callee, &far.answer(&offer)).await.expect("taken");
    let answer = media.answer(Leg::Caller).await.expect("an answer");
    near.take_answer(&answer);
    near.wait_connected();
    let (from, to) = (&sections(&answer)[0], &sections(&offer)[0]);
    near.send(&from.0, number(&from.1, "opus/48000/2"), 1, 0, b"hello");
    far.wait_connected();
    near.send(&from.0, number(&from.1, "opus/48000/2"), 2, 960, b"hello");
    assert!(far.wait_for(&to.0, 1).iter().all(|got| got.payload == b"hello"));
}
