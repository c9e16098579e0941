//! Why a session or an invitation ends (XEP-0166 §7.4), and what that is to a call.

use crate::ns;
use crate::xml::{Build, clean, words};
use minidom::Element;
use monster_bridge_api::EndReason;

/// The longest explanation that is taken or given, in characters.
const MAX_WORDS: usize = 200;

words! {
    /// The condition of a reason.
    Condition {
        /// Another session goes on.
        AlternativeSession = "alternative-session",
        /// In another call.
        Busy = "busy",
        /// The caller gave up.
        Cancel = "cancel",
        /// The way was lost.
        ConnectivityError = "connectivity-error",
        /// Not wanted.
        Decline = "decline",
        /// It took too long.
        Expired = "expired",
        /// The media could not be set up.
        FailedApplication = "failed-application",
        /// No way was found.
        FailedTransport = "failed-transport",
        /// Something else.
        GeneralError = "general-error",
        /// No longer there.
        Gone = "gone",
        /// Codecs do not match.
        IncompatibleParameters = "incompatible-parameters",
        /// The media failed.
        MediaError = "media-error",
        /// Certificates or rules do not match.
        SecurityError = "security-error",
        /// As wished.
        Success = "success",
        /// Nobody answered.
        Timeout = "timeout",
        /// No such media.
        UnsupportedApplications = "unsupported-applications",
        /// No such way.
        UnsupportedTransports = "unsupported-transports",
    }
}

/// Why something ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The condition.
    pub condition: Condition,
    /// In words.
    pub text: Option<String>,
}

impl Reason {
    /// Without words.
    pub fn new(condition: Condition) -> Self {
        Self { condition, text: None }
    }

    /// With words.
    pub fn with_words(condition: Condition, text: &str) -> Self {
        Self { condition, text: Some(text.to_owned()) }
    }

    /// Reads the `reason` in an element. A condition that is not known is a general error.
    pub(crate) fn of_child(parent: &Element) -> Option<Self> {
        // (Version 0.3 of XEP-0353 leaves open in which namespace it is.)
        let element = parent.children().find(|child| child.name() == "reason")?;
        let condition = element.children().find_map(|child| Condition::of(child.name()));
        let text = element.children().find(|child| child.name() == "text").map(|child| shortened(&child.text()));
        let text = text.filter(|text| !text.is_empty());
        Some(Self { condition: condition.unwrap_or(Condition::GeneralError), text })
    }

    /// Writes it.
    pub(crate) fn to_element(&self) -> Element {
        let mut element = Element::bare("reason", ns::JINGLE);
        element.append_child(Element::bare(self.condition.as_str(), ns::JINGLE));
        if let Some(text) = &self.text {
            element.append_child(Element::bare("text", ns::JINGLE).words(&shortened(text)));
        }
        element
    }

    /// What it is to a call.
    pub fn end(&self) -> EndReason {
        let words =
            || self.text.clone().unwrap_or_else(|| format!("the other client says: {}", self.condition.as_str()));
        match self.condition {
            Condition::Success => EndReason::HungUp,
            Condition::Busy => EndReason::Busy,
            Condition::Decline => EndReason::Declined,
            Condition::Cancel => EndReason::Cancelled,
            Condition::Expired | Condition::Timeout => EndReason::NoAnswer,
            Condition::Gone => EndReason::Gone,
            Condition::AlternativeSession => EndReason::AnsweredElsewhere,
            _ => EndReason::Failed(words()),
        }
    }
}

impl From<&EndReason> for Reason {
    fn from(end: &EndReason) -> Self {
        match end {
            EndReason::HungUp => Self::new(Condition::Success),
            EndReason::Declined => Self::new(Condition::Decline),
            EndReason::Busy => Self::new(Condition::Busy),
            EndReason::Cancelled => Self::new(Condition::Cancel),
            EndReason::NoAnswer => Self::new(Condition::Timeout),
            EndReason::AnsweredElsewhere => Self::with_words(Condition::Cancel, "answered on another device"),
            EndReason::Gone => Self::new(Condition::Gone),
            EndReason::NoMedia => Self::with_words(Condition::ConnectivityError, "no media came"),
            EndReason::GatewayStopped => Self::with_words(Condition::Gone, "the gateway stops"),
            EndReason::Failed(why) => Self::with_words(Condition::FailedApplication, why),
            _ => Self::new(Condition::GeneralError),
        }
    }
}

fn shortened(text: &str) -> String {
    clean(text.trim()).chars().take(MAX_WORDS).collect()
}
