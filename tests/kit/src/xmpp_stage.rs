//! The stage of the tests with XMPP: a Prosody, a gateway that is a component of it, and somebody at
//! home there.

use crate::{Gateway, MonsterClient, Prosody, XmppClient};
use serde_json::json;

/// A Prosody, a gateway with the instance `xmpp`, and `alice` at home on it.
#[derive(Debug)]
pub struct XmppStage {
    /// The XMPP server.
    pub prosody: Prosody,
    /// The gateway.
    pub gateway: Gateway,
    /// A local account's home socket.
    pub alice: MonsterClient,
}

impl XmppStage {
    /// The room of [`XmppStage::in_room`].
    pub const ROOM: &str = "rust@conference.localhost";

    /// Sets it up with the program `binary`; `extra` are further keys of the instance.
    pub async fn new(binary: &str, extra: &str) -> Self {
        let prosody = Prosody::start().await;
        let gateway = Gateway::start(binary, &prosody.section("xmpp", extra)).await;
        let token = gateway.account("alice").await;
        let alice = gateway.home("alice", &token).await;
        Self { prosody, gateway, alice }
    }

    /// Somebody on the XMPP server: `alice`, `bob`, `carol` or `dora`.
    pub async fn client(&self, name: &str) -> XmppClient {
        XmppClient::connect(self.prosody.clients, name, false).await
    }

    /// `bob` in the room, and `alice` too; the room's address for her.
    pub async fn in_room(&mut self) -> (XmppClient, String) {
        let mut bob = self.client("bob").await;
        bob.join(Self::ROOM, "Bob").await;
        let room = self.on_xmpp(Self::ROOM);
        let joined = self.alice.request(json!({"code": "1001", "to": room})).await;
        assert_eq!((&joined["statusCode"], &joined["type"]), (&json!("100"), &json!("1")), "{joined}");
        (bob, room)
    }

    /// The Monster address of an XMPP address.
    pub fn on_xmpp(&self, name: &str) -> String {
        self.gateway.address(name, "xmpp")
    }
}
