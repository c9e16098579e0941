//! What is remembered for a while of what we sent: which lines of a message are there already, and
//! under which ids. Filled by the listener, which sees the lines of puppets, and by deliveries that
//! were cut short; read by `find` and by the next try.

use crate::proto::DeliveryMark;
use monster_bridge_api::{MessageKey, RemoteId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many messages are remembered.
const MOST: usize = 4096;

/// Recently seen lines of ours.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    state: Mutex<State>,
}

/// One message at one place: a message of a link goes to several channels under the same key.
type Sent = (RemoteId, String);

#[derive(Debug, Default)]
struct State {
    seen: HashMap<Sent, Seen>,
    order: VecDeque<Sent>,
}

/// What is there of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Of how many lines the message is made; 0 if unknown.
    pub(crate) parts: u32,
    /// The lines that are there, with the ids they got.
    pub(crate) lines: BTreeMap<u32, Option<String>>,
}

impl Seen {
    /// Adds a line.
    pub(crate) fn add(&mut self, mark: &DeliveryMark, msgid: Option<&str>) {
        self.parts = self.parts.max(mark.parts);
        let id = self.lines.entry(mark.part).or_default();
        if id.is_none() {
            *id = msgid.map(str::to_owned);
        }
    }

    /// True if every line is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts > 0 && (0..self.parts).all(|part| self.lines.contains_key(&part))
    }

    /// How many lines at the front are there.
    pub(crate) fn front(&self) -> usize {
        self.lines.keys().zip(0..).take_while(|(part, at)| *part == at).count()
    }

    /// The ids of the lines at the front.
    pub(crate) fn front_ids(&self) -> Vec<Option<String>> {
        self.lines.values().take(self.front()).cloned().collect()
    }
}

impl Marks {
    /// A line of ours was seen on the network.
    pub(crate) fn saw(&self, target: &RemoteId, mark: &DeliveryMark, msgid: Option<&str>) {
        self.state.lock().entry(target, &mark.key).add(mark, msgid);
    }

    /// The first lines of a message of so many lines are certainly there.
    pub(crate) fn sent(&self, target: &RemoteId, key: &MessageKey, parts: usize, ids: &[Option<String>]) {
        let mut state = self.state.lock();
        let seen = state.entry(target, key.as_str());
        seen.parts = u32::try_from(parts).unwrap_or(u32::MAX);
        for (part, id) in (0..).zip(ids) {
            let known = seen.lines.entry(part).or_default();
            if known.is_none() {
                known.clone_from(id);
            }
        }
    }

    /// What is known of a message at a place.
    pub(crate) fn get(&self, target: &RemoteId, key: &MessageKey) -> Option<Seen> {
        self.state.lock().seen.get(&(target.clone(), key.as_str().to_owned())).cloned()
    }
}

impl State {
    fn entry(&mut self, target: &RemoteId, key: &str) -> &mut Seen {
        let sent = (target.clone(), key.to_owned());
        if !self.seen.contains_key(&sent) {
            while self.order.len() >= MOST {
                if let Some(oldest) = self.order.pop_front() {
                    self.seen.remove(&oldest);
                }
            }
            self.order.push_back(sent.clone());
        }
        self.seen.entry(sent).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(part: u32, parts: u32) -> DeliveryMark {
        DeliveryMark { key: "mg-1".to_owned(), part, parts }
    }

    #[test]
    fn only_lines_without_a_gap_count_as_the_front() {
        let mut seen = Seen::default();
        seen.add(&mark(0, 4), Some("a"));
        seen.add(&mark(1, 4), None);
        seen.add(&mark(3, 4), Some("d"));
        assert_eq!((seen.front(), seen.is_whole()), (2, false));
        assert_eq!(seen.front_ids(), [Some("a".to_owned()), None]);
        seen.add(&mark(2, 4), Some("c"));
        assert!(seen.is_whole());
    }

    #[test]
    fn memory_is_bounded() {
        let (marks, room) = (Marks::default(), RemoteId::new("#rust"));
        for n in 0..2 * MOST {
            marks.saw(&room, &DeliveryMark { key: format!("mg-{n}"), part: 0, parts: 1 }, None);
        }
        assert!(marks.state.lock().seen.len() <= MOST && marks.state.lock().order.len() <= MOST);
        assert!(marks.get(&room, &MessageKey::new("mg-0")).is_none());
    }

    #[test]
    fn a_message_in_one_channel_says_nothing_of_the_same_message_in_another() {
        let (marks, key) = (Marks::default(), MessageKey::new("mg-1"));
        marks.saw(&RemoteId::new("#one"), &mark(0, 1), Some("a"));
        assert!(marks.get(&RemoteId::new("#one"), &key).is_some_and(|seen| seen.is_whole()));
        assert!(marks.get(&RemoteId::new("#two"), &key).is_none());
    }
}
