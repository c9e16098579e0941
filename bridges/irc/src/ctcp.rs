//! CTCP requests of IRC users to our connections, answered politely and not too often.

use crate::conn::Conn;
use crate::instance::Instance;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// So many answers …
const MOST: usize = 4;
/// … in so long, for all connections of an instance: more is somebody who wants us to flood.
const WITHIN: Duration = Duration::from_secs(10);
/// The longest text that is sent back.
const LONGEST: usize = 100;

/// When answers were given lately.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<VecDeque<Instant>>);

/// Answers a request, if it is one that is answered.
pub(crate) fn answer(instance: &Instance, conn: &Conn, nick: &str, verb: &str, text: &str) {
    let Some(words) = words(verb, text, SystemTime::now()) else { return };
    let Ok(target) = instance.names.target(&monster_bridge_api::RemoteId::new(nick)) else { return };
    if instance.ctcp.may_answer(Instant::now()) {
        conn.act(|session| session.ctcp_reply(&target, verb, &words));
    }
}

impl Answered {
    fn may_answer(&self, now: Instant) -> bool {
        let mut answered = self.0.lock();
        while answered.front().is_some_and(|then| now.duration_since(*then) >= WITHIN) {
            answered.pop_front();
        }
        let may = answered.len() < MOST;
        if may {
            answered.push_back(now);
        }
        may
    }
}

fn words(verb: &str, text: &str, now: SystemTime) -> Option<String> {
    match verb {
        "VERSION" => Some(format!("monster-gateway {}", env!("CARGO_PKG_VERSION"))),
        "PING" => Some(text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()),
        "TIME" => Some(crate::proto::time::format(now)),
        "CLIENTINFO" => Some("ACTION CLIENTINFO PING TIME VERSION".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_requests_is_answered_a_few_times() {
        let (answered, start) = (Answered::default(), Instant::now());
        let at_once = (0..100).filter(|_| answered.may_answer(start)).count();
        assert_eq!(at_once, MOST);
        assert!(answered.may_answer(start + WITHIN));
    }

    #[test]
    fn what_is_sent_back_is_short_and_harmless() {
        assert_eq!(words("PING", "1\r\nQUIT\u{1}", SystemTime::now()).as_deref(), Some("1QUIT"));
        assert_eq!(words("PING", &"x".repeat(500), SystemTime::now()).map(|words| words.len()), Some(LONGEST));
        assert_eq!(words("DCC", "SEND x", SystemTime::now()), None);
    }
}
