//! Ends that do not bundle: a transport for each section (RFC 9143 §7.3.3). Such an end is two clients
//! here, one for the sound and one for the picture, whose descriptions are put together into one.

use super::client::{Client, number, sections, usual};
use monster_media::{Described, Event, Leg, Media, Options, Relay};
use str0m::media::{Direction, MediaKind as Kind};
use tokio::sync::mpsc::Receiver;

/// An end with a transport for its sound and one for its picture.
struct Apart {
    ends: [Client; 2],
}

impl Apart {
    fn new() -> Apart {
        Apart { ends: [Client::new(usual()), Client::new(usual())] }
    }

    fn offer(&self) -> String {
        let kinds = [Kind::Audio, Kind::Video];
        let offers: Vec<String> =
            self.ends.iter().zip(kinds).map(|(end, kind)| end.offer(&[(kind, Direction::SendRecv)])).collect();
        together(&offers)
    }

    fn answer(&self, offer: &str) -> String {
        let answers: Vec<String> = (0..2).map(|at| self.ends[at].answer(&alone(offer, at))).collect();
        together(&answers)
    }

    fn take_answer(&self, answer: &str) {
        self.ends.iter().enumerate().for_each(|(at, end)| end.take_answer(&alone(answer, at)));
    }

    fn wait_connected(&self) {
        self.ends.iter().for_each(Client::wait_connected);
    }
}

/// What stands before the sections, without BUNDLE.
fn head(sdp: &str) -> String {
    let (head, _) = sdp.split_once("m=").expect("a section");
    let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("a=group:")).collect();
    lines.join("\r\n") + "\r\n"
}

/// Several descriptions of one section each as one, without BUNDLE.
fn together(all: &[String]) -> String {
    let head = head(&all[0]);
    let parts = all.iter().map(|sdp| sections(sdp).remove(0).1);
    head + &parts.map(|section| section.trim_end().to_owned() + "\r\n").collect::<String>()
}

/// One section of a description as a description of its own.
fn alone(sdp: &str, at: usize) -> String {
    let (mid, section) = sections(sdp).remove(at);
    let head = head(sdp);
    format!("{head}a=group:BUNDLE {mid}\r\n{}\r\n", section.trim_end())
}

/// Sends on both sections, one way, and waits for it.
fn passes(from: &[&Client; 2], to: &[&Client; 2], near: &str, far: &str, sequence: u64) {
    for (at, codec) in [(0, "opus/48000/2"), (1, "VP8/90000")] {
        let (near, far) = (sections(near).remove(at), sections(far).remove(at));
        let payload = format!("{codec} {sequence}").into_bytes();
        from[at].send(&near.0, number(&near.1, codec), sequence, 960, &payload);
        to[at].wait(&format!("{codec} {sequence}"), {
            let (mid, payload) = (far.0.clone(), payload.clone());
            move |state| state.got.iter().any(|got| got.mid == mid && got.payload == payload).then_some(())
        });
    }
}

async fn relay() -> (Relay, Media, Receiver<Event>) {
    let options = Options { udp_listen: ([127, 0, 0, 1], 0).into(), ..Options::default() };
    let relay = Relay::bind(options).await.expect("a relay");
    let (media, events) = relay.open().expect("a call");
    (relay, media, events)
}

fn is_apart(sdp: &str) {
    let names: Vec<&str> = sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:")).collect();
    assert!(!sdp.contains("a=group:") && names.len() == 2 && names[0] != names[1], "{sdp}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_does_not_bundle_has_sound_and_pictures_both_ways() {
    let (_relay, media, _events) = relay().await;
    let (near, far) = (Apart::new(), Client::new(usual()));
    let described: Described = media.take_offer(Leg::Caller, &near.offer()).await.expect("taken");
    assert!(described.video && described.sends && described.receives);
    let offer = media.offer(Leg::Callee, false).await.expect("an offer");
    media.take_answer(Leg::Callee, &far.answer(&offer)).await.expect("taken");
    let answer = media.answer(Leg::Caller).await.expect("an answer");
    is_apart(&answer);
    near.take_answer(&answer);
    near.wait_connected();
    far.wait_connected();
    let ends = [&near.ends[0], &near.ends[1]];
    passes(&ends, &[&far, &far], &answer, &offer, 1);
    passes(&[&far, &far], &ends, &offer, &answer, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callee_who_takes_the_bundle_apart_has_sound_and_pictures_both_ways_and_may_be_held() {
    let (_relay, media, _events) = relay().await;
    let (near, far) = (Client::new(usual()), Apart::new());
    let kinds = [(Kind::Audio, Direction::SendRecv), (Kind::Video, Direction::SendRecv)];
    media.take_offer(Leg::Caller, &near.offer(&kinds)).await.expect("taken");
    let offer = media.offer(Leg::Callee, false).await.expect("an offer");
    assert!(offer.contains("a=group:BUNDLE"), "who can bundle is to");
    media.take_answer(Leg::Callee, &far.answer(&offer)).await.expect("taken");
    let answer = media.answer(Leg::Caller).await.expect("an answer");
    near.take_answer(&answer);
    near.wait_connected();
    far.wait_connected();
    let ends = [&far.ends[0], &far.ends[1]];
    passes(&[&near, &near], &ends, &answer, &offer, 1);
    passes(&ends, &[&near, &near], &offer, &answer, 1);

    // A change of the other side's is offered to both transports, and both go on after it.
    let (mid, _) = sections(&answer).remove(1);
    media.take_offer(Leg::Caller, &near.turn(&mid, Direction::SendOnly)).await.expect("taken");
    let changed = media.offer(Leg::Callee, false).await.expect("an offer");
    assert!(!changed.contains("a=group:"), "{changed}");
    media.take_answer(Leg::Callee, &far.answer(&changed)).await.expect("taken");
    near.take_answer(&media.answer(Leg::Caller).await.expect("an answer"));
    passes(&[&near, &near], &ends, &answer, &offer, 2);

    // And so is a restart of ICE.
    let restart = media.restart(Leg::Callee).await.expect("an offer");
    media.take_answer(Leg::Callee, &far.answer(&restart)).await.expect("taken");
    passes(&[&near, &near], &ends, &answer, &offer, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_joins_or_leaves_the_bundle_is_refused_and_nothing_changes() {
    let (_relay, media, _events) = relay().await;
    let near = Apart::new();
    let offer = near.offer();
    media.take_offer(Leg::Caller, &offer).await.expect("taken");
    let answer = media.loop_back(Leg::Caller).await.expect("an answer");
    is_apart(&answer);
    near.take_answer(&answer);
    near.wait_connected();
    let mids: Vec<String> = sections(&offer).into_iter().map(|(mid, _)| mid).collect();
    let joined = offer.replacen("m=", &format!("a=group:BUNDLE {}\r\nm=", mids.join(" ")), 1);
    let refused = media.take_offer(Leg::Caller, &joined).await.expect_err("it cannot be");
    assert!(refused.to_string().contains("joins or leaves the bundle"), "{refused}");
    let ends = [&near.ends[0], &near.ends[1]];
    passes(&ends, &ends, &answer, &answer, 1);
}

#[tokio::test]
async fn more_transports_than_a_leg_may_have_are_refused_in_words() {
    let (_relay, media, _events) = relay().await;
    let clients: Vec<Client> = (0..5).map(|_| Client::new(usual())).collect();
    let offers: Vec<String> =
        clients.iter().map(|client| client.offer(&[(Kind::Video, Direction::SendRecv)])).collect();
    let refused = media.take_offer(Leg::Caller, &together(&offers)).await.expect_err("too many");
    assert!(refused.to_string().contains("not bundled"), "{refused}");
    media.take_offer(Leg::Caller, &together(&offers[..4])).await.expect("four are not too many");
}
