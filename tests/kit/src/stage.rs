//! The stage of most whole-program tests: an Ergo, a gateway with an instance on it, and somebody at
//! home there.

use crate::{Ergo, Gateway, IrcClient, MonsterClient, Synapse};

/// A bridge section for an Ergo; `extra` are further keys of it.
pub fn irc_section(instance: &str, ergo: &Ergo, extra: &str) -> String {
    irc_section_at(instance, ergo.address, extra)
}

/// The same for an Ergo that is reached at this address.
pub fn irc_section_at(instance: &str, server: std::net::SocketAddr, extra: &str) -> String {
    format!(
        "[bridges.{instance}]\nkind = \"irc\"\nserver = \"{server}\"\ntls = false\nnick = \"{instance}-bot\"\n\
         flood = {{ burst = 10000, per_second = 10000.0 }}\nreconnect = {{ min_ms = 50, max_ms = 500 }}\nconnects_per_minute = 6000\n{extra}\n\n"
    )
}

/// An Ergo, a gateway with the instance `ergo`, and `alice` at home on it.
#[derive(Debug)]
pub struct Stage {
    /// The IRC server.
    pub ergo: Ergo,
    /// The gateway.
    pub gateway: Gateway,
    /// A local account's home socket.
    pub alice: MonsterClient,
}

impl Stage {
    /// Sets it up with the program `binary`; `extra` are further keys of the instance.
    pub async fn new(binary: &str, extra: &str) -> Self {
        let ergo = Ergo::start().await;
        let gateway = Gateway::start(binary, &irc_section("ergo", &ergo, extra)).await;
        let token = gateway.account("alice").await;
        let alice = gateway.home("alice", &token).await;
        Self { ergo, gateway, alice }
    }

    /// Somebody on the IRC server with every capability, in these channels.
    pub async fn irc(&self, nick: &str, channels: &[&str]) -> IrcClient {
        let mut client = IrcClient::connect(self.ergo.address, nick, IrcClient::ALL_CAPS).await;
        for channel in channels {
            client.join(channel).await;
        }
        client
    }

    /// The address of an IRC user or channel.
    pub fn on_irc(&self, name: &str) -> String {
        self.gateway.address(name, "ergo")
    }
}

/// A Synapse that lets an instance in, a gateway with that instance, and `alice` at home on it.
#[derive(Debug)]
pub struct MatrixStage {
    /// The homeserver.
    pub synapse: Synapse,
    /// The gateway.
    pub gateway: Gateway,
    /// A local account's home socket.
    pub alice: MonsterClient,
}

/// A bridge section for a Synapse, in *appservice* mode; `extra` are further keys of it.
pub fn matrix_section(instance: &str, synapse: &Synapse, extra: &str) -> String {
    format!(
        "[bridges.{instance}]\nkind = \"matrix\"\nmode = \"appservice\"\nhomeserver = \"{}\"\nserver_name = \"{}\"\n\
         joins_per_second = 1000\n{extra}\n\n",
        synapse.url(),
        Synapse::NAME
    )
}

impl MatrixStage {
    /// Sets it up with the program `binary`; `extra` are further keys of the instance, `sections` further sections.
    pub async fn new(binary: &str, extra: &str, sections: &str) -> Self {
        let mut synapse = Synapse::prepare();
        let mut gateway = Gateway::prepare(binary, &format!("{}{sections}", matrix_section("matrix", &synapse, extra)));
        let registration = gateway.cli(&["registration", "matrix"]).await;
        synapse.add_service(&registration);
        synapse.run().await;
        gateway.run().await;
        let token = gateway.account("alice").await;
        let alice = gateway.home("alice", &token).await;
        Self { synapse, gateway, alice }
    }

    /// The address of a Matrix user of the homeserver.
    pub fn on_matrix(&self, user: &str) -> String {
        self.gateway.address(&format!("{user}@{}", Synapse::NAME), "matrix")
    }

    /// The address of a room.
    pub fn room(&self, room: &str) -> String {
        self.gateway.address(&room.replacen(':', "@", 1), "matrix")
    }

    /// The id of somebody's ghost.
    pub fn ghost(name: &str) -> String {
        format!("@_monster_{name}:{}", Synapse::NAME)
    }
}
