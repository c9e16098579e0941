//! The typed model of frames. Reading is in `read`, writing in `write`; what a frame leads to is the
//! core's business.

use crate::{Address, CallContext, CallLine};
use std::borrow::Cow;

/// The limit on one frame that a gateway has by default, in bytes; the socket enforces it.
pub const DEFAULT_MAX_FRAME_BYTES: usize = 256 * 1024;

/// The longest `messageId`, also where one is referred to (`recallMessageId`, `replyTo`,
/// `replaces`), in bytes.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;

/// The longest `nickname` of a request, in bytes.
pub const MAX_NICKNAME_BYTES: usize = 256;

/// The longest `pass`, in bytes.
pub const MAX_PASS_BYTES: usize = 1024;

/// The longest `reaction`, in bytes. (Emoji are sequences: a family is 25 bytes.)
pub const MAX_REACTION_BYTES: usize = 64;

/// The title of the `info` item by which an account says that it reads the optional extra fields;
/// its value is `1`.
pub const EXTENSIONS_TITLE: &str = "monster.ext";

/// One frame: a JSON object in one WebSocket text message.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame<'a> {
    /// Somebody wants something; it has a `code`.
    Request(Request<'a>),
    /// The answer to a request; it has a `statusCode`.
    Response(Response<'a>),
}

impl Frame<'_> {
    /// The frame's `messageId`; empty for an answer that has none.
    pub fn message_id(&self) -> &str {
        match self {
            Frame::Request(request) => &request.message_id,
            Frame::Response(response) => &response.message_id,
        }
    }

    /// The frame without borrowed parts.
    pub fn into_owned(self) -> Frame<'static> {
        match self {
            Frame::Request(request) => Frame::Request(request.into_owned()),
            Frame::Response(response) => Frame::Response(response.into_owned()),
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The sender's id of it, which makes it idempotent; 1 to [`MAX_MESSAGE_ID_BYTES`] bytes.
    pub message_id: Cow<'a, str>,
    /// What is wanted.
    pub body: RequestBody<'a>,
    /// The optional extra fields.
    pub ext: Ext<'a>,
}

impl<'a> Request<'a> {
    /// A request without extra fields.
    pub fn new(message_id: impl Into<Cow<'a, str>>, body: RequestBody<'a>) -> Self {
        Self { message_id: message_id.into(), body, ext: Ext::default() }
    }

    /// The answer to this request, with nothing but the status.
    pub fn answer(&self, status: Status) -> Response<'static> {
        Response::new(self.message_id.to_string(), status)
    }

    /// The request without borrowed parts.
    pub fn into_owned(self) -> Request<'static> {
        Request { message_id: owned(self.message_id), body: self.body.into_owned(), ext: self.ext.into_owned() }
    }
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RequestBody<'a> {
    /// 1000: who are you?
    Info,
    /// 1001: let me be in relation with you.
    Join {
        /// The verification code, where one was given.
        pass: Option<Cow<'a, str>>,
    },
    /// 1004: I end the relation.
    Leave,
    /// 2001: a message.
    Text {
        /// What it says (decoded from the base64 on the wire).
        text: Cow<'a, str>,
    },
    /// 2002 and 2003: call signalling.
    Call {
        /// The code: 2002 voice, 2003 video.
        media: Media,
        /// What is signalled.
        context: CallContext,
    },
    /// 2004: an earlier message is withdrawn, or a call ended.
    Recall {
        /// The `messageId` of what is withdrawn.
        target: Cow<'a, str>,
    },
}

impl RequestBody<'_> {
    /// The `code` on the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Info => "1000",
            Self::Join { .. } => "1001",
            Self::Leave => "1004",
            Self::Text { .. } => "2001",
            Self::Call { media: Media::Voice, .. } => "2002",
            Self::Call { media: Media::Video, .. } => "2003",
            Self::Recall { .. } => "2004",
        }
    }

    /// The body without borrowed parts.
    pub fn into_owned(self) -> RequestBody<'static> {
        match self {
            Self::Info => RequestBody::Info,
            Self::Join { pass } => RequestBody::Join { pass: pass.map(owned) },
            Self::Leave => RequestBody::Leave,
            Self::Text { text } => RequestBody::Text { text: owned(text) },
            Self::Call { media, context } => RequestBody::Call { media, context },
            Self::Recall { target } => RequestBody::Recall { target: owned(target) },
        }
    }
}

/// What a call is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// 2002.
    Voice,
    /// 2003.
    Video,
}

/// The optional extra fields of a request, for peers that said that they read them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ext<'a> {
    /// Who wrote it, where that is not the connection's own account.
    pub from: Option<Address>,
    /// Whom it is for: what a home socket sends to; or, on what is pushed to it, the group it was
    /// said in or the owner.
    pub to: Option<Address>,
    /// What people call the author.
    pub nickname: Option<Cow<'a, str>>,
    /// When it was said, ms since the epoch.
    pub time: Option<u64>,
    /// The `messageId` of the message that this one answers.
    pub reply_to: Option<Cow<'a, str>>,
    /// The `messageId` of the message that this one replaces.
    pub replaces: Option<Cow<'a, str>>,
    /// An emoji for the message named in `reply_to`.
    pub reaction: Option<Cow<'a, str>>,
    /// What the line says that a call has left. It is written and never read.
    pub call: Option<Box<CallLine>>,
}

impl Ext<'_> {
    /// The fields without borrowed parts.
    pub fn into_owned(self) -> Ext<'static> {
        Ext {
            from: self.from,
            to: self.to,
            nickname: self.nickname.map(owned),
            time: self.time,
            reply_to: self.reply_to.map(owned),
            replaces: self.replaces.map(owned),
            reaction: self.reaction.map(owned),
            call: self.call,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Response<'a> {
    /// The `messageId` of the request; empty if there was none to be read.
    pub message_id: Cow<'a, str>,
    /// How it went.
    pub status: Status,
    /// 1000: what people call the account.
    pub nickname: Option<Cow<'a, str>>,
    /// 1000: URL of a picture.
    pub picurl: Option<Cow<'a, str>>,
    /// 1000: what the account is. `None` also for a number that is not known here.
    pub account_type: Option<AccountType>,
    /// 1000: what the account tells about itself.
    pub info: Vec<InfoItem<'a>>,
    /// 1001 (`type` on the wire): what was decided. `None` also for a number that is not known here.
    pub decision: Option<Decision>,
    /// What went wrong, for a person.
    pub error: Option<Cow<'a, str>>,
    /// [`Status::Elsewhere`]: the address under which the account lives now.
    pub location: Option<Address>,
}

impl<'a> Response<'a> {
    /// An answer with nothing but a status.
    pub fn new(message_id: impl Into<Cow<'a, str>>, status: Status) -> Self {
        Self {
            message_id: message_id.into(),
            status,
            nickname: None,
            picurl: None,
            account_type: None,
            info: Vec::new(),
            decision: None,
            error: None,
            location: None,
        }
    }

    /// The same with words about what went wrong.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<Cow<'a, str>>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// The same with what was decided about a 1001.
    #[must_use]
    pub fn with_decision(mut self, decision: Decision) -> Self {
        self.decision = Some(decision);
        self
    }

    /// True if the account says that it reads the optional extra fields.
    pub fn reads_extensions(&self) -> bool {
        self.info.iter().any(|item| item.title == EXTENSIONS_TITLE && item.value == "1")
    }

    /// The response without borrowed parts.
    pub fn into_owned(self) -> Response<'static> {
        Response {
            message_id: owned(self.message_id),
            status: self.status,
            nickname: self.nickname.map(owned),
            picurl: self.picurl.map(owned),
            account_type: self.account_type,
            info: self.info.into_iter().map(InfoItem::into_owned).collect(),
            decision: self.decision,
            error: self.error.map(owned),
            location: self.location,
        }
    }
}

/// One row of what an account tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfoItem<'a> {
    /// What it is about, e.g. `language`.
    pub title: Cow<'a, str>,
    /// What there is to say.
    pub value: Cow<'a, str>,
}

impl<'a> InfoItem<'a> {
    /// A row.
    pub fn new(title: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        Self { title: title.into(), value: value.into() }
    }

    /// The row without borrowed parts.
    pub fn into_owned(self) -> InfoItem<'static> {
        InfoItem { title: owned(self.title), value: owned(self.value) }
    }
}

/// How a request went, as hundreds: 204 reads as 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 100: here is the information (1000, 1001).
    Information,
    /// 200: accepted and safely stored.
    Accepted,
    /// 300: the account lives elsewhere.
    Elsewhere,
    /// 400: the request is at fault; the same again will fail again.
    BadRequest,
    /// 500: the answering side is at fault; the same again may work later.
    Unavailable,
}

impl Status {
    /// The status of a number from 100 to 599.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            100..=199 => Some(Self::Information),
            200..=299 => Some(Self::Accepted),
            300..=399 => Some(Self::Elsewhere),
            400..=499 => Some(Self::BadRequest),
            500..=599 => Some(Self::Unavailable),
            _ => None,
        }
    }

    /// The `statusCode` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "100",
            Self::Accepted => "200",
            Self::Elsewhere => "300",
            Self::BadRequest => "400",
            Self::Unavailable => "500",
        }
    }

    /// True for 100 and 200.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Information | Self::Accepted)
    }
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountType {
    /// 1.
    Person,
    /// 2.
    Group,
    /// 3: a group in which ordinary members only read.
    Channel,
}

impl AccountType {
    /// The type of a number on the wire.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Person),
            2 => Some(Self::Group),
            3 => Some(Self::Channel),
            _ => None,
        }
    }

    /// The `accountType` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "1",
            Self::Group => "2",
            Self::Channel => "3",
        }
    }
}

/// What was decided about a 1001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// 1.
    Accepted,
    /// 2: somebody has to approve it.
    Waiting,
    /// 3: the verification code is wrong.
    WrongPass,
}

impl Decision {
    /// The decision of a number on the wire.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Accepted),
            2 => Some(Self::Waiting),
            3 => Some(Self::WrongPass),
            _ => None,
        }
    }

    /// The `type` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "1",
            Self::Waiting => "2",
            Self::WrongPass => "3",
        }
    }
}

/// A text message that is no valid frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FrameError {
    pub(crate) message_id: Option<String>,
    pub(crate) reason: String,
    pub(crate) is_response: bool,
}

impl FrameError {
    /// The frame's `messageId`, if one could be read that is not too long.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// True if what came was meant as an answer (it has a `statusCode`).
    pub fn is_response(&self) -> bool {
        self.is_response
    }

    /// What to answer: a 400 in words. `None` for a bad answer, as answers are never answered: two
    /// peers would go on about each other's errors for ever.
    pub fn to_response(&self) -> Option<Response<'static>> {
        if self.is_response {
            return None;
        }
        let message_id = self.message_id.clone().unwrap_or_default();
        Some(Response::new(message_id, Status::BadRequest).with_error(self.reason.clone()))
    }
}

/// The text without its borrow.
fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
