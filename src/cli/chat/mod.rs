//! `chat`: a terminal client, to talk to any address from a shell and to script against.
//!
//! It speaks to a gateway over a home socket like any other client, as an account that `home` finds. What lines and frames mean is in `talk` (for people) and `script` (for programs,
//! `--json`): both only say what is to be sent and shown, and this module does it.

mod pending;
mod script;
mod talk;

use super::failure::{Failure, Outcome};
use super::home::{self, Home, Link};
use super::office::{address, seconds};
use super::print;
use clap::Args;
use monster_protocol::Address;
use pending::Pending;
use script::Script;
use serde_json::Value;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::time::Duration;
use talk::Talk;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long answers may take once there is nothing more to send.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Talk to any address from the terminal.
#[derive(Debug, Args)]
pub(super) struct Chat {
    /// Whom to talk to, e.g. `@echo:echo:localhost:7580`. Can be chosen later with `/to`.
    #[arg(value_parser = address)]
    address: Option<Address>,
    /// The local account to talk as. Without it, an account called like you on this machine, which
    /// is made if it is not there. The address or URL (`wss://gw.example.org/alice`) of an account on
    /// another gateway works as well, with its token in `MONSTER_GATEWAY_TOKEN`.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// For programs: each line of standard input is a frame to send, each frame that comes is a line
    /// of standard output. Frames pushed by the gateway are answered with 200.
    #[arg(long)]
    json: bool,
    /// How long to go on listening after the end of standard input, in seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    linger: f64,
}

/// What a line or a frame leads to.
#[derive(Debug, Clone, PartialEq)]
enum Effect {
    /// A request, which is sent again on the next socket if this one ends before its answer.
    Ask(Value),
    /// An answer to what was pushed.
    Answer(Value),
    /// A line for standard output.
    Show(String),
    /// A line for standard error.
    Complain(String),
    /// The end.
    Quit,
}

/// What lines and frames mean.
trait Front {
    /// Before anything else.
    fn begin(&mut self) -> Vec<Effect>;
    /// A line of standard input.
    fn line(&mut self, line: &str) -> Vec<Effect>;
    /// A frame from the gateway.
    fn frame(&mut self, frame: &Value) -> Vec<Effect>;
}

impl Chat {
    pub(super) async fn run(self, config: Option<&Path>) -> Outcome {
        let home = home::find(config, self.account.as_deref()).await?;
        let link = Link::open(&home).await?;
        let front: Box<dyn Front> = if self.json {
            Box::new(Script::new(self.address, Box::new(message_id)))
        } else {
            if std::io::stdin().is_terminal() {
                print::complain(&format!("you are {}; /help tells what you can do", home.account));
            }
            Box::new(Talk::new(home.account.clone(), self.address, Box::new(message_id)))
        };
        let linger = Duration::from_secs_f64(self.linger);
        Session { home, link, front, pending: Pending::default(), linger }.run().await
    }
}

/// A `messageId` that nobody else uses.
fn message_id() -> String {
    format!("chat-{:032x}", rand::random::<u128>())
}

struct Session {
    home: Home,
    link: Link,
    front: Box<dyn Front>,
    pending: Pending,
    linger: Duration,
}

impl Session {
    async fn run(mut self) -> Outcome {
        let mut lines = read_lines();
        let mut input_ended = false;
        let mut end: Option<Instant> = None;
        let begin = self.front.begin();
        if !self.perform(begin).await? {
            return Ok(());
        }
        loop {
            if input_ended {
                self.plan_end(&mut end);
            }
            let effects = tokio::select! {
                line = lines.recv(), if !input_ended && self.pending.has_room() => {
                    if let Some(line) = line {
                        self.front.line(&line)
                    } else {
                        input_ended = true;
                        end = Some(Instant::now() + LAST_ANSWERS);
                        continue;
                    }
                }
                frame = self.link.next() => {
                    let Some(frame) = frame else {
                        self.reconnect(end).await?;
                        continue;
                    };
                    self.hear(&frame)
                }
                () = sleep_until(end) => return self.finish().await,
                stopped = tokio::signal::ctrl_c() => {
                    stopped.map_err(Failure::system)?;
                    return self.finish().await;
                }
            };
            if !self.perform(effects).await? {
                return self.finish().await;
            }
        }
    }

    /// Once all answers are there, what remains is the time to listen.
    fn plan_end(&mut self, end: &mut Option<Instant>) {
        if let Some(quiet) = self.pending.take_quiet() {
            *end = Some(quiet + self.linger);
        }
    }

    fn hear(&mut self, frame: &Value) -> Vec<Effect> {
        if frame.get("statusCode").is_some() {
            self.pending.answered(frame);
        }
        self.front.frame(frame)
    }

    /// False at the end.
    async fn perform(&mut self, effects: Vec<Effect>) -> Outcome<bool> {
        for effect in effects {
            match effect {
                Effect::Ask(frame) => {
                    self.pending.asked(&frame);
                    self.link.send(&frame).await;
                }
                Effect::Answer(frame) => self.link.send(&frame).await,
                Effect::Show(line) => print::line(&line)?,
                Effect::Complain(line) => print::complain(&line),
                Effect::Quit => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn reconnect(&mut self, end: Option<Instant>) -> Outcome {
        print::complain("the connection was lost; trying again");
        self.link = tokio::select! {
            link = Link::open_again(&self.home) => link?,
            () = sleep_until(end) => return Err(Failure::later("the connection was lost")),
            _ = tokio::signal::ctrl_c() => return Err(Failure::later("the connection was lost")),
        };
        print::complain("connected again");
        for frame in self.pending.unanswered() {
            self.link.send(frame).await;
        }
        Ok(())
    }

    async fn finish(mut self) -> Outcome {
        self.link.close().await;
        match self.pending.unanswered().count() {
            0 => Ok(()),
            n => Err(Failure::later(format!("{n} of what was sent got no answer"))),
        }
    }
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Lines of standard input. They are read on a thread of their own, which ends with the process:
/// a read from a terminal cannot be taken back.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if sender.blocking_send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}
