//! What has been said lately at one place: which id it has there, ours among it. Bounded; what is
//! older is in the archive, where there is one. One for each room, and one for all private words.

use crate::message::Saying;
use monster_bridge_api::{EventId, EventKind, RemoteId};
use std::collections::{HashMap, HashSet, VecDeque};

/// How many messages are remembered.
const MESSAGES: usize = 2000;

/// The last messages of a room.
#[derive(Default)]
pub(crate) struct Memory {
    /// Author and their own id → the room's.
    ids: HashMap<(RemoteId, String), EventId>,
    order: VecDeque<(RemoteId, String)>,
    marks: HashMap<String, EventId>,
    mark_order: VecDeque<String>,
    reactions: HashMap<(RemoteId, String), Vec<String>>,
    reaction_order: VecDeque<(RemoteId, String)>,
}

impl Memory {
    /// Somebody's message has come.
    pub(crate) fn heard(&mut self, author: &RemoteId, own: &str, id: &EventId) {
        let key = (author.clone(), own.to_owned());
        if self.ids.insert(key.clone(), id.clone()).is_none() {
            self.order.push_back(key);
            if self.order.len() > MESSAGES
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
    }

    /// The room's id of what its author calls `own`; `own` itself if it is not known.
    pub(crate) fn id_of(&self, author: &RemoteId, own: &str) -> EventId {
        self.ids.get(&(author.clone(), own.to_owned())).cloned().unwrap_or_else(|| EventId::new(own))
    }

    /// A message of ours has come back.
    pub(crate) fn mark(&mut self, key: &str, id: &EventId) {
        if self.marks.insert(key.to_owned(), id.clone()).is_none() {
            self.mark_order.push_back(key.to_owned());
            if self.mark_order.len() > MESSAGES
                && let Some(oldest) = self.mark_order.pop_front()
            {
                self.marks.remove(&oldest);
            }
        }
    }

    /// The room's id of a message of ours.
    pub(crate) fn marked(&self, key: &str) -> Option<EventId> {
        self.marks.get(key).cloned()
    }

    /// What somebody's message means, with the ids of the events: one, none, or several where several
    /// emoji came at once. `own` is what its author calls it, `id` what others do.
    pub(crate) fn events(
        &mut self,
        author: &RemoteId,
        own: Option<&str>,
        id: &EventId,
        said: Saying,
    ) -> Vec<(EventId, EventKind)> {
        if let Some(own) = own {
            self.heard(author, own, id);
        }
        match said {
            // Only a room itself says what was moderated.
            Saying::Moderation { .. } => Vec::new(),
            Saying::Message(mut content) => {
                content.reply_to = content.reply_to.map(|to| self.id_of(author, to.as_str()));
                vec![(id.clone(), EventKind::Message(content))]
            }
            Saying::Correction { id: target, content } => {
                vec![(id.clone(), EventKind::Edit { target: self.id_of(author, &target), content })]
            }
            Saying::Retraction { id: target, reason } => {
                vec![(id.clone(), EventKind::Recall { target: self.id_of(author, &target), reason })]
            }
            Saying::Reactions { id: target, emoji } => {
                let (added, gone) = self.react(author, &target, emoji);
                let target = self.id_of(author, &target);
                let each = |emoji: String, removed: bool| {
                    let id = EventId::new(format!("{id}/{}{emoji}", if removed { '-' } else { '+' }));
                    (id, EventKind::Reaction { target: target.clone(), emoji, removed })
                };
                let gone = gone.into_iter().map(|emoji| each(emoji, true));
                gone.chain(added.into_iter().map(|emoji| each(emoji, false))).collect()
            }
        }
    }

    /// An author of ours puts an emoji to a message, or takes it back; gives all of theirs.
    pub(crate) fn put(&mut self, author: &RemoteId, target: &str, emoji: &str, remove: bool) -> Vec<String> {
        let key = (author.clone(), target.to_owned());
        let mut all = self.reactions.get(&key).cloned().unwrap_or_default();
        all.retain(|one| one != emoji);
        if !remove {
            all.push(emoji.to_owned());
        }
        self.react(author, target, all.clone());
        all
    }

    /// An author's emoji for a message are these now; gives those that are new and those that are gone.
    pub(crate) fn react(&mut self, author: &RemoteId, target: &str, emoji: Vec<String>) -> (Vec<String>, Vec<String>) {
        let key = (author.clone(), target.to_owned());
        let before = self.reactions.get(&key).cloned().unwrap_or_default();
        let had: HashSet<&String> = before.iter().collect();
        let added = emoji.iter().filter(|one| !had.contains(one)).cloned().collect();
        let gone = before.iter().filter(|one| !emoji.contains(one)).cloned().collect();
        if self.reactions.insert(key.clone(), emoji).is_none() {
            self.reaction_order.push_back(key);
            if self.reaction_order.len() > MESSAGES
                && let Some(oldest) = self.reaction_order.pop_front()
            {
                self.reactions.remove(&oldest);
            }
        }
        (added, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_come_and_go_one_by_one() {
        let (mut memory, bob) = (Memory::default(), RemoteId::new("bob@x"));
        let all = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(memory.react(&bob, "1", all(&["👍"])), (all(&["👍"]), vec![]));
        assert_eq!(memory.react(&bob, "1", all(&["👍", "🎉"])), (all(&["🎉"]), vec![]));
        assert_eq!(memory.react(&bob, "1", vec![]), (vec![], all(&["👍", "🎉"])));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut memory, bob) = (Memory::default(), RemoteId::new("bob@x"));
        for n in 0..MESSAGES * 2 {
            memory.heard(&bob, &n.to_string(), &EventId::new(format!("s{n}")));
            memory.mark(&n.to_string(), &EventId::new(format!("s{n}")));
        }
        assert_eq!((memory.ids.len(), memory.marks.len()), (MESSAGES, MESSAGES));
        assert_eq!(memory.id_of(&bob, "3999"), EventId::new("s3999"));
        assert_eq!(memory.id_of(&bob, "0"), EventId::new("0"));
    }
}
