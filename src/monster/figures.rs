//! What the Monster side counts, for Prometheus. Each counter is looked up once, as frames are many.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use monster_protocol::{RequestBody, Status};

/// Which kind of socket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A local account's own.
    Home,
    /// Opened by somebody of another server, or who claims to be.
    Peer,
    /// Opened by nobody knows whom.
    Anonymous,
    /// Opened by us.
    Dialled,
}

const CODES: [&str; 7] = ["1000", "1001", "1004", "2001", "2002", "2003", "2004"];

/// The counters.
pub(super) struct Figures {
    sockets: [Gauge; 4],
    requests: [Counter; CODES.len()],
    answers: [Counter; 5],
    pushes: [Counter; CODES.len()],
    answered: Counter,
    malformed: Counter,
    slowed: Counter,
}

impl Figures {
    /// Looks the counters up; after the program has set up its exporter.
    pub(super) fn new() -> Self {
        describe_gauge!("monster_gateway_sockets", "open WebSockets by kind");
        describe_counter!(
            "monster_gateway_frames_total",
            "frames on WebSockets by direction and what they are: a request's code, `answer` with its status, or `malformed`"
        );
        describe_counter!("monster_gateway_slowed_total", "times a socket was read later because of its rate");
        describe_counter!("monster_gateway_identifications_total", "check URLs asked, by outcome");
        describe_counter!("monster_gateway_dials_total", "attempts to open a socket to another server, by outcome");
        let answer = |direction, status| counter!("monster_gateway_frames_total", "direction" => direction, "code" => "answer", "status" => status);
        let request =
            |direction, code| counter!("monster_gateway_frames_total", "direction" => direction, "code" => code);
        Self {
            sockets: ["home", "peer", "anonymous", "dialled"]
                .map(|kind| gauge!("monster_gateway_sockets", "kind" => kind)),
            requests: CODES.map(|code| request("in", code)),
            answers: ["100", "200", "300", "400", "500"].map(|status| answer("out", status)),
            pushes: CODES.map(|code| request("out", code)),
            answered: request("in", "answer"),
            malformed: request("in", "malformed"),
            slowed: counter!("monster_gateway_slowed_total"),
        }
    }

    /// A socket was opened.
    pub(super) fn opened(&self, kind: Kind) {
        self.sockets[kind as usize].increment(1.0);
    }

    /// A socket has ended.
    pub(super) fn ended(&self, kind: Kind) {
        self.sockets[kind as usize].decrement(1.0);
    }

    /// A request came.
    pub(super) fn request(&self, body: &RequestBody<'_>) {
        count(&self.requests, body.code());
    }

    /// A request was answered.
    pub(super) fn answer(&self, status: Status) {
        let at = match status {
            Status::Information => 0,
            Status::Accepted => 1,
            Status::Elsewhere => 2,
            Status::BadRequest => 3,
            Status::Unavailable => 4,
        };
        self.answers[at].increment(1);
    }

    /// A request of ours was put on its way.
    pub(super) fn pushed(&self, code: &str) {
        count(&self.pushes, code);
    }

    /// An answer came.
    pub(super) fn answered(&self) {
        self.answered.increment(1);
    }

    /// Something came that was no frame.
    pub(super) fn malformed(&self) {
        self.malformed.increment(1);
    }

    /// A socket is read later because of its rate.
    pub(super) fn slowed(&self) {
        self.slowed.increment(1);
    }
}

fn count(counters: &[Counter; CODES.len()], code: &str) {
    if let Some(at) = CODES.iter().position(|known| *known == code) {
        counters[at].increment(1);
    }
}

/// A check URL was asked.
pub(super) fn identified(outcome: &'static str) {
    counter!("monster_gateway_identifications_total", "outcome" => outcome).increment(1);
}

/// An attempt to open a socket ended.
pub(super) fn dialled(outcome: &'static str) {
    counter!("monster_gateway_dials_total", "outcome" => outcome).increment(1);
}
