//! Drives the gateway's own binary under load and prints what it measured: the figures of
//! `docs/performance.md`. One command an experiment; each starts its own gateway with temporary
//! data, and ends everything it started.
//!
//! Driver and gateway share the machine: CPU time of both is printed beside every rate.
#![expect(clippy::print_stdout, reason = "figures are what this program is for")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "an experiment that cannot go on panics")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have a few digits")]

mod bare;
mod calls;
mod figures;
mod idle;
mod irc;
mod matrix;
mod relay;
mod start;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Measures the gateway under load")]
struct Arguments {
    /// The program to measure.
    #[arg(long, default_value = "monster-gateway")]
    gateway: PathBuf,
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// Monster to Monster: senders and as many receivers, as fast as it goes, at half that rate, and at
    /// half of the rate that is asked for.
    Relay {
        /// How many senders, each with a receiver of its own.
        #[arg(long, default_value_t = 200)]
        senders: usize,
        /// Messages a sender has unanswered at the most.
        #[arg(long, default_value_t = 16)]
        window: usize,
        /// How long each of the three parts takes, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Monster to IRC through Ergo.
    Irc {
        /// How many senders, each with a puppet and a channel of its own.
        #[arg(long, default_value_t = 20)]
        senders: usize,
        /// How many people on IRC are in each of the channels.
        #[arg(long, default_value_t = 1)]
        listeners: usize,
        /// How long, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Monster to Matrix and back through Synapse.
    Matrix {
        /// How many rooms, with a Monster account and a Matrix user in each.
        #[arg(long, default_value_t = 20)]
        pairs: usize,
        /// How many messages in each direction, in all rooms together.
        #[arg(long, default_value_t = 2_000)]
        messages: usize,
    },
    /// Resident memory with many ghosts in one Matrix room.
    MatrixGhosts {
        /// How many.
        #[arg(long, default_value_t = 2_000)]
        ghosts: usize,
    },
    /// The join of a large Matrix room, and what others notice of it.
    MatrixJoin {
        /// How many members the room has.
        #[arg(long, default_value_t = 1_000)]
        members: usize,
    },
    /// Home sockets on which nothing happens.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 20_000)]
        sockets: usize,
    },
    /// Start to ready with a full store.
    Start {
        /// Address mappings in the store.
        #[arg(long, default_value_t = 100_000)]
        mappings: usize,
        /// Deliveries that wait in the journal.
        #[arg(long, default_value_t = 100_000)]
        deliveries: usize,
    },
    /// Calls, through the gateway or something to compare it with.
    Calls {
        /// What they go through.
        #[arg(long, value_enum, default_value = "gateway")]
        through: calls::Through,
        /// What is sent.
        #[arg(long, value_enum, default_value = "voice")]
        kind: calls::Kind,
        /// How many calls, with two senders each.
        #[arg(long, default_value_t = 50)]
        calls: usize,
        /// How long, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// A forwarder that calls are compared with; started by `calls`.
    #[command(hide = true)]
    Forward {
        /// Where to listen.
        ip: std::net::IpAddr,
        /// Decrypts and encrypts each packet.
        #[arg(long)]
        srtp: bool,
    },
    /// The store alone: the rows of the relay experiment, from as many callers.
    Bare {
        /// How many callers.
        #[arg(long, default_value_t = 3200)]
        callers: usize,
        /// How long, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    // It is started in a directory of its own; a bare name is looked for in PATH.
    let path = std::fs::canonicalize(&arguments.gateway).unwrap_or(arguments.gateway);
    let gateway = path.to_str().expect("the path is text").to_owned();
    match arguments.experiment {
        Experiment::Relay { senders, window, seconds } => {
            bare::run(senders * window, seconds).await;
            relay::run(&gateway, senders, window, seconds).await;
        }
        Experiment::Irc { senders, listeners, seconds } => irc::run(&gateway, senders, listeners, seconds).await,
        Experiment::Matrix { pairs, messages } => matrix::messages(&gateway, pairs, messages).await,
        Experiment::MatrixGhosts { ghosts } => matrix::ghosts(&gateway, ghosts).await,
        Experiment::MatrixJoin { members } => matrix::large_room(&gateway, members).await,
        Experiment::Calls { through, kind, calls, seconds } => {
            calls::run(&gateway, through, kind, calls, seconds).await;
        }
        Experiment::Forward { ip, srtp } => calls::forwarder::serve(ip, srtp, |port| println!("{port}")),
        Experiment::Idle { sockets } => idle::run(&gateway, sockets).await,
        Experiment::Start { mappings, deliveries } => start::run(&gateway, mappings, deliveries).await,
        Experiment::Bare { callers, seconds } => bare::run(callers, seconds).await,
    }
}
