//! A `jingle` element (XEP-0166 §7): an action upon a session, and what it comes with.

use crate::content::Part;
use crate::error::Refused;
use crate::group::Group;
use crate::message::MAX_ID;
use crate::model::Side;
use crate::ns;
use crate::reason::Reason;
use crate::xml::{Build, attr, words};
use minidom::Element;

words! {
    /// What is done to a session (XEP-0166 §7.2).
    Action {
        /// Accepts contents that were added.
        ContentAccept = "content-accept",
        /// Adds contents.
        ContentAdd = "content-add",
        /// Changes who sends.
        ContentModify = "content-modify",
        /// Refuses contents that were added.
        ContentReject = "content-reject",
        /// Takes contents out.
        ContentRemove = "content-remove",
        /// Says more about the media.
        DescriptionInfo = "description-info",
        /// Says more about security.
        SecurityInfo = "security-info",
        /// Accepts the session.
        SessionAccept = "session-accept",
        /// Tells something: ringing, hold, mute.
        SessionInfo = "session-info",
        /// Begins a session.
        SessionInitiate = "session-initiate",
        /// Ends it.
        SessionTerminate = "session-terminate",
        /// Accepts another kind of transport.
        TransportAccept = "transport-accept",
        /// Candidates, or ICE anew.
        TransportInfo = "transport-info",
        /// Refuses another kind of transport.
        TransportReject = "transport-reject",
        /// Offers another kind of transport.
        TransportReplace = "transport-replace",
    }
}

/// What a session-info tells (XEP-0167 §9, XEP-0181).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Info {
    /// It rings.
    Ringing,
    /// It goes on.
    Active,
    /// On hold.
    Hold,
    /// No longer on hold.
    Unhold,
    /// A content, or all of them, is muted.
    Mute(Option<String>),
    /// And no longer.
    Unmute(Option<String>),
    /// A key was pressed.
    Key(char),
    /// Nobody knows.
    Unknown,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jingle {
    /// Which.
    pub action: Action,
    /// The session's id; with the parties' addresses it names the session.
    pub sid: String,
    /// The full address of who began it, where it is said.
    pub initiator: Option<String>,
    /// The full address of the other party, where it is said.
    pub responder: Option<String>,
    /// Contents.
    pub parts: Vec<Part>,
    /// Which of them go together.
    pub groups: Vec<Group>,
    /// Why.
    pub reason: Option<Reason>,
    /// What is told; of a session-info without anything (a ping) nothing.
    pub infos: Vec<Info>,
}

impl Jingle {
    /// An action without anything.
    pub fn new(action: Action, sid: &str) -> Self {
        Self {
            action,
            sid: sid.to_owned(),
            initiator: None,
            responder: None,
            parts: Vec::new(),
            groups: Vec::new(),
            reason: None,
            infos: Vec::new(),
        }
    }

    /// With contents.
    #[must_use]
    pub fn with_parts(self, parts: Vec<Part>) -> Self {
        Self { parts, ..self }
    }

    /// With a reason.
    #[must_use]
    pub fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Reads one.
    ///
    /// # Errors
    /// With what is to be answered.
    pub fn of_element(element: &Element) -> Result<Self, Refused> {
        if !element.is("jingle", ns::JINGLE) {
            return Err(Refused::bad("this is no jingle element"));
        }
        let sid = attr(element, "sid").filter(|sid| sid.len() <= MAX_ID && !sid.chars().any(char::is_control));
        let action = attr(element, "action").and_then(Action::of).ok_or(Refused::bad("nobody knows this action"))?;
        let mut jingle = Self::new(action, sid.ok_or(Refused::bad("an action without a session"))?);
        jingle.initiator = attr(element, "initiator").map(str::to_owned);
        jingle.responder = attr(element, "responder").map(str::to_owned);
        jingle.parts = Part::all_in(element)?;
        jingle.groups = Group::all_in(element);
        jingle.reason = Reason::of_child(element);
        if action == Action::SessionInfo {
            // (What is of Jingle itself is told by `parts`, `groups` and `reason`.)
            let told = element.children().filter(|child| !child.has_ns(ns::JINGLE) && !child.has_ns(ns::GROUPING));
            jingle.infos = told.map(Info::of_element).take(16).collect();
        }
        Ok(jingle)
    }

    /// Writes it.
    pub fn to_element(&self) -> Element {
        let mut element = Element::bare("jingle", ns::JINGLE)
            .with("action", self.action.as_str())
            .with("sid", &self.sid)
            .with_some("initiator", self.initiator.as_ref())
            .with_some("responder", self.responder.as_ref());
        let groups = self.groups.iter().map(Group::to_element);
        let rest = self.reason.iter().map(Reason::to_element).chain(self.infos.iter().filter_map(Info::to_element));
        for child in groups.chain(self.parts.iter().map(Part::to_element)).chain(rest) {
            element.append_child(child);
        }
        element
    }
}

impl Info {
    fn of_element(element: &Element) -> Self {
        let name = || attr(element, "name").map(str::to_owned);
        if element.is("dtmf", ns::DTMF) {
            let code = attr(element, "code").and_then(|code| code.chars().next());
            let key = code.map(|code| code.to_ascii_uppercase());
            let key = key.filter(|key| matches!(key, '0'..='9' | 'A'..='D' | '*' | '#'));
            return key.map_or(Self::Unknown, Self::Key);
        }
        if !element.has_ns(ns::RTP_INFO) {
            return Self::Unknown;
        }
        match element.name() {
            "ringing" => Self::Ringing,
            "active" => Self::Active,
            "hold" => Self::Hold,
            "unhold" => Self::Unhold,
            "mute" => Self::Mute(name()),
            "unmute" => Self::Unmute(name()),
            _ => Self::Unknown,
        }
    }

    /// Writes it; what nobody knows cannot be written.
    fn to_element(&self) -> Option<Element> {
        let bare = |name: &str| Element::bare(name, ns::RTP_INFO);
        let named = |info: &str, name: &Option<String>| match name {
            Some(name) => bare(info).with("creator", Side::Initiator.as_str()).with("name", name),
            None => bare(info),
        };
        Some(match self {
            Self::Ringing => bare("ringing"),
            Self::Active => bare("active"),
            Self::Hold => bare("hold"),
            Self::Unhold => bare("unhold"),
            Self::Mute(name) => named("mute", name),
            Self::Unmute(name) => named("unmute", name),
            Self::Key(key) => Element::bare("dtmf", ns::DTMF).with("code", key),
            Self::Unknown => return None,
        })
    }
}
