//! What a session tells the I/O half and the bridge: typed events, in the order of the lines that
//! caused them.

use super::request::{Answer, History, RequestFailure, RequestId, SendFailure, SendToken};
use crate::proto::{caps::StsPolicy, line::Source, modes::ModeChange, tags::DeliveryMark};
use std::time::SystemTime;

/// Something that happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Registration is over: ISUPPORT and capabilities are known, the login is settled (or failed
    /// and was not required). Channels can be joined.
    Registered {
        /// The nick the server gave us; not always the wanted one.
        nick: String,
    },
    /// We are logged in to an account, by SASL or by a service.
    LoggedIn {
        /// The account's name.
        account: String,
    },
    /// The login failed; where it is required, [`Event::Closed`] follows.
    LoginFailed {
        /// Why, for a person.
        why: String,
    },
    /// The server has an STS policy. On a connection without TLS: connect again with TLS to its
    /// port ([`Event::Closed`] follows). With TLS: remember it.
    Sts(StsPolicy),
    /// Somebody said something.
    Said(Box<Heard>),
    /// Somebody put an emoji to a message, or took it back.
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
    /// Somebody types, or stopped.
    Typing {
        /// Who and where.
        by: Box<Attribution>,
        /// True while they type (`paused` and `done` are false).
        active: bool,
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
    /// The server has acknowledged what [`super::Session::say`] and its siblings sent.
    Sent {
        /// Which.
        token: SendToken,
        /// For each line, the `msgid` it got, where the server tells: one entry for a
        /// `draft/multiline` message; none in any entry without `echo-message`.
        ids: Vec<Option<String>>,
    },
    /// It was not sent, or nobody knows.
    SendFailed {
        /// Which.
        token: SendToken,
        /// What became of it.
        failure: SendFailure,
    },
    /// A request was answered.
    Answered {
        /// Which.
        request: RequestId,
        /// With what.
        answer: Box<Answer>,
    },
    /// A request was refused, or not answered.
    RequestFailed {
        /// Which.
        request: RequestId,
        /// Why.
        failure: RequestFailure,
    },
    /// The server replays a piece of history that nobody asked for.
    Replayed(Box<History>),
    /// We are in a channel now (asked for or forced); its members follow with
    /// [`Event::MembersKnown`].
    Joined {
        /// The channel as the server spells it.
        channel: String,
    },
    /// All members of a channel we joined are known.
    MembersKnown {
        /// The channel.
        channel: String,
    },
    /// We are no longer in a channel.
    Left {
        /// The channel.
        channel: String,
        /// Who removed us; `None` if we left.
        by: Option<String>,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// Somebody else came to a channel.
    MemberJoined {
        /// The channel.
        channel: String,
        /// Who.
        who: Source,
        /// The account they are logged in to, where the server tells.
        account: Option<String>,
    },
    /// Somebody else left a channel, or was removed.
    MemberLeft {
        /// The channel.
        channel: String,
        /// Who.
        who: Source,
        /// Who removed them; `None` if they left.
        by: Option<String>,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// Somebody else left the network.
    Quit {
        /// Who.
        who: Source,
        /// The channels they were in with us.
        channels: Vec<String>,
        /// Why, where it was said.
        reason: Option<String>,
        /// True if they are only out of sight because two servers lost each other.
        netsplit: bool,
    },
    /// Somebody is called something else; `own` if it is us.
    NickChanged {
        /// The nick before.
        from: String,
        /// The nick now.
        to: String,
        /// True for our own.
        own: bool,
        /// The channels they are in with us.
        channels: Vec<String>,
    },
    /// Somebody logged in to an account, or out of it.
    AccountChanged {
        /// Who.
        nick: String,
        /// The account; `None` for none.
        account: Option<String>,
    },
    /// Somebody is away, or back.
    AwayChanged {
        /// Who.
        nick: String,
        /// What they left as a reason; `None` when back.
        reason: Option<String>,
    },
    /// A channel's topic was changed while we were in it.
    Topic {
        /// The channel.
        channel: String,
        /// By whom.
        by: String,
        /// The new topic; empty for none.
        topic: String,
    },
    /// Modes of a channel were changed.
    Modes {
        /// The channel.
        channel: String,
        /// By whom.
        by: String,
        /// The changes in order.
        changes: Vec<ModeChange>,
    },
    /// A nick that is watched ([`super::Session::watch`]) came or went.
    Presence {
        /// The nick.
        nick: String,
        /// True if it is on the network.
        online: bool,
    },
    /// Somebody invites us to a channel.
    Invited {
        /// Who.
        by: Source,
        /// Whereto.
        channel: String,
    },
    /// The capabilities or ISUPPORT changed after registration.
    FeaturesChanged,
    /// Words of the server, a warning (`WARN`, `NOTE`) or an error nobody waits for: for a log at
    /// debug level.
    ServerSaid(String),
    /// The session is over: write what [`super::Session::take_urgent`] still gives, and close the
    /// connection.
    Closed(CloseReason),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// We took leave.
    Quit,
    /// The server did not answer in time.
    Dead,
    /// The connection was lost; the I/O half says why.
    Lost(String),
    /// The server closed it, with its words.
    Server {
        /// Its words.
        why: String,
        /// It asks to come more slowly: wait at least a minute before the next try.
        throttled: bool,
        /// It will not let us in however often we try (a ban, a wrong password).
        banned: bool,
    },
    /// Registration failed: wrong password, no nick to be had, the login that is required failed.
    Refused(String),
    /// The server wants TLS (STS); see [`Event::Sts`].
    WantsTls,
}

/// Who did something, where, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// Who.
    pub source: Source,
    /// The account they are logged in to, where the server tells.
    pub account: Option<String>,
    /// Where.
    pub place: Place,
    /// True if it is our own connection's doing (an echo, or history of ours).
    pub own: bool,
    /// When, where the server tells.
    pub time: Option<SystemTime>,
    /// The server's id of the line.
    pub msgid: Option<String>,
    /// The gateway's mark, if the line carries one (ours or another gateway's).
    pub mark: Option<DeliveryMark>,
    /// The history request this came with; `None` for what happens now.
    pub history: Option<RequestId>,
}

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a channel.
    Channel {
        /// As the server spells it; [`crate::proto::Isupport::fold`] compares.
        name: String,
        /// Said only to those who have this sign (`@` operators) or a higher one.
        status: Option<char>,
    },
    /// In private, with this nick: the author's, or for what we said ourselves the addressee's.
    Private {
        /// The other's nick.
        peer: String,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Who, where and when.
    pub by: Attribution,
    /// How it was meant.
    pub speech: Speech,
    /// The words with mIRC codes; several lines of a `draft/multiline` message are joined by `\n`.
    pub text: String,
    /// The `msgid` of the message that is answered.
    pub reply_to: Option<String>,
    /// The channel a private message belongs to (`+draft/channel-context`).
    pub channel_context: Option<String>,
    /// Said by a program that says so (tag `bot`).
    pub bot: bool,
    /// The connection that spoke for this nick (`draft/relaymsg`).
    pub relayed_by: Option<String>,
}

/// How a message was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speech {
    /// Said.
    Message,
    /// Said by a program, not to be answered (`NOTICE`).
    Notice,
    /// Done (`CTCP ACTION`).
    Action,
    /// Another CTCP request or, in a notice, reply; the text is what follows the word.
    Ctcp {
        /// `VERSION`, `PING` …, upper case.
        verb: String,
        /// True if it is a reply.
        reply: bool,
    },
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quit => f.write_str("we took leave"),
            Self::Dead => f.write_str("the server no longer answers"),
            Self::Lost(why) | Self::Refused(why) => f.write_str(why),
            Self::Server { why, .. } => write!(f, "the server closed it: {why}"),
            Self::WantsTls => f.write_str("the server wants TLS"),
        }
    }
}
