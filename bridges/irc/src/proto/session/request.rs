//! What one can ask a session for, and what it answers. The types only; `sending` and `asking` do
//! the work.

use super::event::{Attribution, Heard};
use crate::proto::param::Target;
use std::time::SystemTime;

/// Names one message (or reaction, redaction …) that waits for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendToken(pub(super) u64);

/// Names one request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// A message to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// To whom.
    pub target: Target,
    /// How it is meant.
    pub manner: Manner,
    /// The words with mIRC codes; `\n` between lines.
    pub text: String,
    /// The gateway's key of the message, for the delivery tag; letters, digits, `-`, `_`.
    pub key: Option<String>,
    /// The `msgid` of the message that is answered.
    pub reply_to: Option<String>,
    /// Speak under this nick (`RELAYMSG`, where [`super::Session::relays`]); only in channels.
    pub speak_as: Option<String>,
    /// How many lines at the front are there already, from an earlier try.
    pub skip: usize,
}

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manner {
    /// `PRIVMSG`.
    Message,
    /// `NOTICE`.
    Notice,
    /// `/me`.
    Action,
}

/// Whether somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypingState {
    /// They do.
    Active,
    /// They stopped for a moment.
    Paused,
    /// They have sent or deleted what they typed.
    Done,
}

/// Why the session does not take something at all. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Registration is not over, or the session is.
    #[error("the connection to the IRC server is not up")]
    NotConnected,
    /// Too much waits already.
    #[error("too many lines wait to be sent on this connection")]
    Full,
    /// There is nothing to say.
    #[error("there is nothing to send")]
    Blank,
    /// It does not fit into a line.
    #[error("it does not fit into one line of IRC")]
    TooLong,
    /// The server cannot do it.
    #[error("the IRC server cannot do that ({0})")]
    Unsupported(&'static str),
    /// A parameter cannot be sent.
    #[error("`{what}` cannot be sent: {why}")]
    BadParam {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        why: crate::proto::param::BadParam,
    },
}

/// What became of something that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// The server refused it, in words for a person. `lines_sent` lines at the front had gone out
    /// before.
    #[error("{why}")]
    Refused {
        /// For the person who sent it.
        why: String,
        /// How many lines at the front the server had taken.
        lines_sent: usize,
        /// Later it may be taken (too fast, server busy).
        temporary: bool,
    },
    /// The connection ended before any of it was written: it has not reached the server.
    #[error("{0}")]
    NotSent(String),
    /// It was written and not acknowledged: it may have arrived.
    #[error("{why}")]
    Uncertain {
        /// What happened.
        why: String,
        /// How many lines at the front the server had certainly taken, with their ids.
        ids: Vec<Option<String>>,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To [`super::Session::join`]: we are in, and the members are known.
    Joined {
        /// The channel as the server spells it.
        channel: String,
    },
    /// To [`super::Session::whois`].
    Whois(Whois),
    /// To [`super::Session::channel_info`].
    Channel(ChannelInfo),
    /// To [`super::Session::history`].
    History(History),
    /// To [`super::Session::history_targets`]: the names with the time of their last message.
    Targets(Vec<(String, SystemTime)>),
    /// It is done: `part`, `knock`, `change_nick`.
    Done,
}

/// A request was refused, or not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RequestFailure {
    /// Of what kind.
    pub kind: FailureKind,
    /// For a person.
    pub why: String,
}

/// The kinds of failure that are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// There is no such nick or channel.
    Unknown,
    /// The channel key is wrong or missing (475).
    BadKey,
    /// The channel is for invited people only (473).
    InviteOnly,
    /// We are banned (474).
    Banned,
    /// The channel is full (471).
    Full,
    /// Only people who are logged in may come (477).
    NeedsAccount,
    /// Only people on TLS may come (489, 490).
    NeedsTls,
    /// The server sends us on to another channel (470); we did not follow.
    Forwarded(String),
    /// We are in too many channels (405).
    TooMany,
    /// Not now; try later (437, 480, 263).
    Later,
    /// Another nick has the name (433, 436).
    NickInUse,
    /// The server refused for another reason.
    Refused,
    /// The server cannot do it.
    Unsupported,
    /// There was no answer in time.
    Timeout,
    /// The connection ended first.
    Disconnected,
}

/// What `WHOIS` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whois {
    /// The nick in its own spelling.
    pub nick: String,
    /// The user name.
    pub user: String,
    /// The host as the server shows it.
    pub host: String,
    /// The real name.
    pub realname: String,
    /// The account, if they are logged in.
    pub account: Option<String>,
    /// The server they are on, with its description.
    pub server: Option<String>,
    /// Their away message.
    pub away: Option<String>,
    /// How long they have said nothing, in seconds.
    pub idle: Option<u64>,
    /// When they came, in seconds since 1970.
    pub signon: Option<u64>,
    /// The channels we may know about, with signs (`@#rust`).
    pub channels: Vec<String>,
    /// They are an operator of the network.
    pub operator: bool,
    /// Their connection is encrypted.
    pub secure: bool,
    /// They are a program.
    pub bot: bool,
}

/// What can be known about a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The name as the server spells it.
    pub name: String,
    /// The topic; empty for none.
    pub topic: String,
    /// Who set the topic, and when in seconds since 1970.
    pub topic_by: Option<(String, Option<u64>)>,
    /// The modes that are set, without parameters: `mnt`.
    pub modes: String,
    /// The members' nicks, sorted, with the highest sign each has.
    pub members: Vec<(String, Option<char>)>,
    /// True if ordinary members may not speak (`+m`).
    pub moderated: bool,
}

/// Which part of a conversation's history is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryRange {
    /// The newest messages, not older than the point if there is one.
    Latest(Option<Point>),
    /// What came after the point, oldest first.
    After(Point),
    /// What came before the point.
    Before(Point),
    /// What lies on both sides of the point.
    Around(Point),
    /// What lies between the points.
    Between(Point, Point),
}

/// A point in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// A message.
    Msgid(String),
    /// A moment.
    Time(SystemTime),
}

/// A piece of history, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The target asked about.
    pub target: String,
    /// What was said and done.
    pub items: Vec<HistoryItem>,
    /// Id and time of the last line of any kind, from where the next request goes on.
    pub last: Option<(Option<String>, Option<SystemTime>)>,
    /// How many lines of any kind the server sent; 0 is the end.
    pub lines: usize,
    /// True if the server sent more than we were ready to keep.
    pub truncated: bool,
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryItem {
    /// A message.
    Said(Box<Heard>),
    /// A reaction.
    Reacted {
        /// Who, where and when.
        by: Box<Attribution>,
        /// The `msgid` of the message.
        target: String,
        /// The emoji.
        emoji: String,
        /// True if it was taken back.
        removed: bool,
    },
    /// A message was withdrawn.
    Redacted {
        /// Who, where and when.
        by: Box<Attribution>,
        /// The `msgid` of the message.
        target: String,
        /// Why, where it was said.
        reason: Option<String>,
    },
}
