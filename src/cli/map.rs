//! `map …`: addresses and what they stand for on the networks of bridges.

use super::failure::Outcome;
use super::office::{Office, address};
use super::print;
use clap::{Args, Subcommand};
use monster_protocol::Address;

/// So many mappings are read at a time.
const PAGE: usize = 500;

#[derive(Debug, Subcommand)]
pub(super) enum MapCommand {
    /// List what addresses stand for.
    List(List),
    /// Let an address of this gateway stand for a user or room of another network.
    Add(Add),
    /// Remove what was added.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this bridge instance.
    #[arg(long, value_name = "NAME")]
    bridge: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The bridge instance, e.g. `libera`.
    bridge: String,
    /// The user or room on its network, e.g. `#rust`.
    remote_id: String,
    /// The address, e.g. `@rust:gw.example.org`.
    #[arg(value_parser = address)]
    address: Address,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The bridge instance.
    bridge: String,
    /// The address.
    #[arg(value_parser = address)]
    address: Address,
}

impl MapCommand {
    /// Whether it changes anything.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List(_))
    }

    pub(super) async fn run(self, office: &Office) -> Outcome {
        match self {
            Self::List(list) => list.run(office).await,
            Self::Add(Add { bridge, remote_id, address }) => {
                let mapping = office.admin.add_alias(&bridge, &remote_id, &address).await?;
                print::line(&format!("{} stands for {} on {}", mapping.address, mapping.remote_id, mapping.bridge))
            }
            Self::Remove(Remove { bridge, address }) => Ok(office.admin.remove_alias(&bridge, &address).await?),
        }
    }
}

impl List {
    async fn run(self, office: &Office) -> Outcome {
        if let Some(bridge) = &self.bridge {
            office.admin.known_instance(bridge).await?;
        }
        let mut mappings = Vec::new();
        let mut after = String::new();
        loop {
            let page = office.admin.mappings(self.bridge.as_deref(), &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.address);
            let full = page.len() == PAGE;
            mappings.extend(page);
            if !full {
                break;
            }
        }
        if self.json {
            return print::json(&mappings);
        }
        let rows: Vec<_> = mappings
            .into_iter()
            .map(|mapping| {
                let origin = if mapping.alias { "added" } else { "seen" };
                [mapping.bridge, mapping.remote_id, mapping.address, origin.to_owned()]
            })
            .collect();
        print::table(["BRIDGE", "REMOTE ID", "ADDRESS", "ORIGIN"], &rows, "no address stands for anything yet")
    }
}
