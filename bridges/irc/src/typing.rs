//! Showing on IRC that somebody elsewhere types (the client-only tag `+typing`): through their puppet,
//! where it is there already. Nobody connects, joins or asks who is who for it, and the bot types for
//! nobody. What IRC users type is heard by `hear`.

use crate::conn::Conn;
use crate::instance::Instance;
use crate::proto::session::TypingState;
use crate::proto::{Session, Target, tags};
use monster_bridge_api::{PersonaId, RemoteId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// That somebody still types is not said more often than this (IRCv3 `typing`: every 3 s).
const AGAIN: Duration = Duration::from_secs(3);
/// So many are remembered; then the memory begins anew.
const MOST: usize = 1024;

/// Who was last shown to type where, and when.
#[derive(Debug, Default)]
pub(crate) struct Typing(Mutex<HashMap<(PersonaId, RemoteId), Instant>>);

impl Typing {
    /// Whether this is to be shown: a beginning, a while later again, and an end of what was shown.
    fn is_news(&self, who: &PersonaId, at: &RemoteId, active: bool, now: Instant) -> bool {
        let mut shown = self.0.lock();
        let which = (who.clone(), at.clone());
        if !active {
            return shown.remove(&which).is_some();
        }
        if shown.get(&which).is_some_and(|last| now.duration_since(*last) < AGAIN) {
            return false;
        }
        if shown.len() >= MOST {
            shown.clear();
        }
        shown.insert(which, now);
        true
    }
}

impl Instance {
    /// Shows that somebody types, or has stopped, where it can be shown.
    pub(crate) fn show_typing(&self, who: &PersonaId, at: &RemoteId, active: bool) {
        let Some(conn) = self.puppets.conn_of(who) else { return };
        let Some(target) = self.where_typed(&conn, who, at) else { return };
        if !conn.look(|session| session.passes_tag(tags::TYPING))
            || !self.typing.is_news(who, at, active, Instant::now())
        {
            return;
        }
        let state = if active { TypingState::Active } else { TypingState::Done };
        if let Err(error) = conn.act(|session: &mut Session| session.typing(&target, state)) {
            tracing::debug!(instance = %self.scope.instance, %at, %error, "typing is not shown");
        }
    }

    /// The channel, if the puppet is in it; whoever the conversation is with, if that is certain now.
    fn where_typed(&self, conn: &Conn, who: &PersonaId, at: &RemoteId) -> Option<Target> {
        let target = self.names.target(at).ok()?;
        if target.is_channel() {
            return conn.look(|session| session.is_in(target.as_str())).then_some(target);
        }
        self.names.target(&self.conversations.certain_nick(conn, who, at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_shown_when_it_begins_and_ends_and_now_and_then_between() {
        let (typing, who, at) = (Typing::default(), PersonaId::new("@alice:gw"), RemoteId::new("#c"));
        let start = Instant::now();
        let shown = |seconds, active| typing.is_news(&who, &at, active, start + Duration::from_secs(seconds));
        assert!(shown(0, true));
        assert!(!shown(2, true));
        assert!(shown(3, true));
        assert!(shown(4, false));
        assert!(!shown(4, false), "what is not shown does not end");
        assert!(shown(5, true), "a new beginning is news");
    }
}
