//! The same calls through Janus's `videocall` plugin (Debian's `janus`), over its WebSocket API.

use super::client::Client;
use futures_util::{SinkExt as _, StreamExt as _};
use monster_testkit::{Process, free_port, within};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A running Janus.
pub(super) struct Janus {
    process: Process,
    api: SocketAddr,
    _dir: tempfile::TempDir,
}

/// Where Debian puts its parts.
const PARTS: &str = "/usr/lib/x86_64-linux-gnu/janus";

impl Janus {
    pub(super) async fn start(ip: IpAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let api = SocketAddr::from(([127, 0, 0, 1], free_port()));
        configure(dir.path(), ip, api.port());
        let mut command = Command::new("janus");
        command.arg("-F").arg(dir.path()).arg("-C").arg(dir.path().join("janus.jcfg"));
        let mut process = Process::start("janus", command, &dir.path().join("log"));
        process.listens(api).await;
        Self { process, api, _dir: dir }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// A pair of users.
    pub(super) async fn line(&self, number: usize) -> Line {
        let names = [format!("caller{number}"), format!("callee{number}")];
        let mut handles = [Handle::attach(self.api).await, Handle::attach(self.api).await];
        for (handle, name) in handles.iter_mut().zip(&names) {
            handle.ask(json!({ "request": "register", "username": name }), None).await;
            handle.event("registered").await;
        }
        let [left, right] = handles;
        Line { left, right, name: names[1].clone() }
    }
}

fn configure(dir: &Path, ip: IpAddr, port: u16) {
    let main = format!(
        "general: {{ configs_folder = \"{}\" plugins_folder = \"{PARTS}/plugins\" transports_folder = \"{PARTS}/transports\" \
         debug_level = 3 server_name = \"load\" }}\n\
         nat: {{ ice_enforce_list = \"{ip}\" full_trickle = false }}\n\
         media: {{ ipv6 = false }}\n\
         plugins: {{ disable = \"{}\" }}\n\
         transports: {{ disable = \"{}\" }}\n",
        dir.display(),
        "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,\
         libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videoroom.so,\
         libjanus_voicemail.so",
        "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so",
    );
    std::fs::write(dir.join("janus.jcfg"), main).unwrap();
    let sockets =
        format!("general: {{ json = \"compact\" ws = true ws_ip = \"127.0.0.1\" ws_port = {port} wss = false }}\n");
    std::fs::write(dir.join("janus.transport.websockets.jcfg"), sockets).unwrap();
    std::fs::write(dir.join("janus.plugin.videocall.jcfg"), "general: { }\n").unwrap();
}

/// Two registered users.
pub(super) struct Line {
    left: Handle,
    right: Handle,
    name: String,
}

impl Line {
    /// Sets up a call.
    pub(super) async fn call(mut self, clients: [&mut Client; 2]) {
        let [calling, called] = clients;
        let jsep = |kind: &str, sdp: String| Some(json!({ "type": kind, "sdp": sdp }));
        let call = json!({ "request": "call", "username": self.name });
        self.left.ask(call, jsep("offer", calling.offer())).await;
        let offer = self.right.event("incomingcall").await;
        let answer = called.answer(&once(offer["jsep"]["sdp"].as_str().unwrap()));
        self.right.ask(json!({ "request": "accept" }), jsep("answer", answer)).await;
        let accepted = self.left.event("accepted").await;
        calling.take_answer(&once(accepted["jsep"]["sdp"].as_str().unwrap()));
        for handle in [self.left, self.right] {
            tokio::spawn(handle.keep());
        }
    }
}

/// A description in which no section names itself twice, as Janus's do and the client does not take.
fn once(sdp: &str) -> String {
    let mut named = false;
    let mut lines = String::new();
    for line in sdp.lines() {
        named &= !line.starts_with("m=");
        if line.starts_with("a=mid:") && std::mem::replace(&mut named, true) {
            continue;
        }
        lines.push_str(line);
        lines.push_str("\r\n");
    }
    lines
}

/// A session of Janus with the plugin attached.
struct Handle {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: u64,
    plugin: u64,
    count: u64,
}

impl Handle {
    async fn attach(api: SocketAddr) -> Self {
        let mut request = format!("ws://{api}/").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "janus-protocol".parse().unwrap());
        let (socket, _) = within("Janus's WebSocket", tokio_tungstenite::connect_async(request)).await.unwrap();
        let mut handle = Self { socket, session: 0, plugin: 0, count: 0 };
        handle.send(json!({ "janus": "create" })).await;
        handle.session = handle.next("success").await["data"]["id"].as_u64().unwrap();
        handle.send(json!({ "janus": "attach", "plugin": "janus.plugin.videocall" })).await;
        handle.plugin = handle.next("success").await["data"]["id"].as_u64().unwrap();
        handle
    }

    async fn send(&mut self, mut message: Value) {
        self.count += 1;
        message["transaction"] = json!(self.count.to_string());
        if self.session != 0 {
            message["session_id"] = json!(self.session);
        }
        if self.plugin != 0 {
            message["handle_id"] = json!(self.plugin);
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn ask(&mut self, body: Value, jsep: Option<Value>) {
        let mut message = json!({ "janus": "message", "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.send(message).await;
    }

    async fn next(&mut self, kind: &str) -> Value {
        within(&format!("`{kind}` from Janus"), async {
            loop {
                let Message::Text(text) = self.socket.next().await.unwrap().unwrap() else { continue };
                let message: Value = serde_json::from_str(&text).unwrap();
                assert!(message["janus"] != "error", "Janus refuses: {message}");
                if message["janus"] == kind {
                    return message;
                }
            }
        })
        .await
    }

    /// An event of the plugin.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let message = self.next("event").await;
            let data = &message["plugindata"]["data"];
            assert!(data.get("error").is_none(), "Janus refuses: {message}");
            if data["result"]["event"] == name {
                return message;
            }
        }
    }

    /// Keeps the session alive until the experiment ends.
    async fn keep(mut self) {
        let mut beat = tokio::time::interval(std::time::Duration::from_secs(25));
        loop {
            tokio::select! {
                _ = beat.tick() => self.send(json!({ "janus": "keepalive" })).await,
                message = self.socket.next() => if message.is_none() { return },
            }
        }
    }
}
