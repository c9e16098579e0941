//! The kit's own test: each server starts and carries words between two people, the browser counts
//! what it receives, and a network namespace loses what it is told to.

use crate::{Browser, Ergo, Inspircd, IrcClient, Namespace, Ngircd, Synapse};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

async fn carries_a_line(server: SocketAddr) {
    let mut ann = IrcClient::connect(server, "ann", IrcClient::ALL_CAPS).await;
    let mut bob = IrcClient::connect(server, "bob", IrcClient::ALL_CAPS).await;
    ann.join("#kit").await;
    bob.join("#kit").await;
    ann.say("#kit", "hello bob").await;
    bob.hears("ann", "#kit", "hello bob").await;
}

#[tokio::test]
async fn ergo_carries_a_line() {
    let mut ergo = Ergo::start().await;
    carries_a_line(ergo.address).await;
    ergo.kill_and_restart().await;
    carries_a_line(ergo.address).await;
}

#[tokio::test]
async fn ngircd_carries_a_line() {
    let server = Ngircd::start().await;
    carries_a_line(server.address).await;
}

#[tokio::test]
async fn inspircd_carries_a_line() {
    let server = Inspircd::start().await;
    carries_a_line(server.address).await;
}

#[tokio::test]
async fn synapse_carries_what_people_do_and_keeps_it_over_a_restart() {
    let mut synapse = Synapse::start().await;
    let ann = synapse.register("ann").await;
    let mut bob = synapse.register("bob").await;
    let room = ann.create_direct(&bob.id).await;
    assert_eq!(bob.invited().await, (room.clone(), ann.id.clone()));
    bob.join(&room).await;
    let hello = ann.say(&room, "hello bob").await;
    assert_eq!(bob.hears(&room, "hello bob").await["event_id"], hello);

    ann.edit(&room, &hello, "hello bobby").await;
    let edit = bob.hears(&room, "hello bobby").await;
    assert_eq!(edit["content"]["m.relates_to"]["event_id"], hello);
    ann.react(&room, &hello, "👍").await;
    bob.expect("the reaction", |event| event["content"]["m.relates_to"]["key"] == "👍").await;
    ann.redact(&room, &hello, "a slip").await;
    bob.expect("the redaction", |event| event["type"] == "m.room.redaction").await;
    let file = ann.upload("a.txt", "text/plain", b"words".to_vec()).await;
    assert_eq!(bob.download(&file).await, b"words");

    synapse.kill().await;
    synapse.run().await;
    let reply = bob.reply(&room, &hello, "hello ann").await;
    assert_eq!(ann.history(&room, 1).await[0]["event_id"], reply);
    let mut elsewhere = synapse.login("ann").await;
    elsewhere.hears(&room, "hello ann").await;
    assert_eq!(
        ann.state(&room, "m.room.create", "").await.map(|create| create["room_version"].clone()),
        Some(json!("12"))
    );
}

const CALL_ITSELF: &str = "async () => {
    const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
    here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
    there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
    there.ontrack = ({ streams: [stream] }) => { document.querySelector('video').srcObject = stream; };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of stream.getTracks()) here.addTrack(track, stream);
    await here.setLocalDescription();
    await there.setRemoteDescription(here.localDescription);
    await there.setLocalDescription();
    await here.setRemoteDescription(there.localDescription);
}";

#[tokio::test]
#[ignore = "needs the browser; `./test calls` runs it"]
async fn the_browser_counts_what_a_page_receives() {
    let browser = Browser::start().await;
    let tab = browser.tab("narcissus").await;
    tab.serve("http://localhost:9/phone", "phone").await;
    tab.open("http://localhost:9/phone/index.html").await;
    tab.run(CALL_ITSELF, Value::Null).await;
    tab.hears_sound().await;
    tab.sees_frames().await;
    tab.run("() => window.__observed.connections[0].getSenders().forEach(({ track }) => track.stop())", Value::Null)
        .await;
    tab.frames_stop().await;
    tab.sound_stops().await;
    tab.run("() => window.__observed.connections.forEach((one) => one.close())", Value::Null).await;
    tab.is_idle().await;
    browser.assert_quiet().await;
}

#[tokio::test]
#[ignore = "needs root; `./test calls` runs it"]
async fn a_namespace_loses_what_it_is_told_to() {
    let Some(namespace) = Namespace::make() else { return };
    let socket = UdpSocket::bind((namespace.outside, 0)).await.unwrap();
    let send =
        format!("exec 3<>/dev/udp/{}/{}; echo hello 2>&- >&3", namespace.outside, socket.local_addr().unwrap().port());
    let hears = async || {
        let status = namespace.command("bash").args(["-c", &send]).status().await.unwrap();
        let mut buffer = [0; 16];
        status.success() && socket.try_recv(&mut buffer).is_ok()
    };
    socket.writable().await.unwrap();
    crate::until("a datagram", async || hears().await.then_some(())).await;
    namespace.drop_packets("udp {port} 1-65535");
    assert!(!hears().await, "everything is lost");
    namespace.drop_nothing();
    crate::until("a datagram again", async || hears().await.then_some(())).await;
}
