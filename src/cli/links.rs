//! `link …`: rooms joined into one conversation.

use super::failure::{Failure, Outcome};
use super::office::{Office, address};
use super::print;
use crate::core::NewEnd;
use crate::store::Link;
use clap::{Args, Subcommand, ValueEnum};
use monster_bridge_api::Posting;
use monster_protocol::Address;

#[derive(Debug, Subcommand)]
pub(super) enum LinkCommand {
    /// Join rooms; a room that is in a link already brings the others into it.
    Add(Add),
    /// List the links.
    List(List),
    /// End a link. The rooms stay.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The rooms, e.g. `@#rust:libera:gw.example.org`, or a group of this gateway, which is made if
    /// it is not there.
    #[arg(required = true, num_args = 2.., value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<Address>,
    /// What the groups of this gateway among them ask for when somebody wants to join.
    #[arg(long)]
    pass: Option<String>,
    /// How people appear in the rooms of other networks, where not as their bridge is configured.
    #[arg(long)]
    posting: Option<How>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How people outside a network appear on it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// Each has a connection of their own.
    Puppets,
    /// One connection speaks for all and names them.
    Relay,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its number, as `link list` shows it.
    id: i64,
}

impl LinkCommand {
    /// Whether it changes anything.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List(_))
    }

    pub(super) async fn run(self, office: &Office) -> Outcome {
        match self {
            Self::Add(add) => add.run(office).await,
            Self::List(list) => list.run(office).await,
            Self::Remove(Remove { id }) => Ok(office.admin.remove_link(id).await?),
        }
    }
}

impl Add {
    async fn run(self, office: &Office) -> Outcome {
        let posting = self.posting.map(|how| match how {
            How::Puppets => Posting::Puppets,
            How::Relay => Posting::Relay,
        });
        let ours = office.admin.address_of("anybody")?;
        let ends = self.addresses.into_iter().map(|address| {
            // A group of this gateway shows everybody as they are.
            let local = address.authority() == ours.authority() && address.path().next().is_none();
            NewEnd { address, posting: posting.filter(|_| !local) }
        });
        let link = office.admin.add_link(ends.collect(), self.pass).await?;
        if self.json {
            return print::json(&link);
        }
        print::line(&format!("link {}: {}", link.id, ends_of(&link)))
    }
}

impl List {
    async fn run(self, office: &Office) -> Outcome {
        let links = office.admin.links().await.map_err(Failure::from)?;
        if self.json {
            return print::json(&links);
        }
        let rows: Vec<_> =
            links.iter().map(|link| [link.id.to_string(), print::time(link.created), ends_of(link)]).collect();
        print::table(["ID", "SINCE", "ROOMS"], &rows, "there are no links yet")
    }
}

fn ends_of(link: &Link) -> String {
    let ends = link.ends.iter().map(|end| match &end.posting {
        Some(posting) => format!("{} ({posting})", end.address),
        None => end.address.clone(),
    });
    ends.collect::<Vec<_>>().join("  ")
}
