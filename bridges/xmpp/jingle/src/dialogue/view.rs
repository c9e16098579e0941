//! Both sides' sessions as a dialogue keeps them: the same sections in the same order, named as in
//! Jingle.

use super::Dialogue;
use crate::error::Unreadable;
use crate::group::Group;
use crate::model::{Content, Senders, Session};

impl Dialogue {
    /// Our side, from the gateway's description: its sections under the names that they have in Jingle,
    /// those behind that are new. A section that is missing is turned off.
    pub(super) fn read_ours(&self, sdp: &str) -> Result<Session, Unreadable> {
        let read = Session::of_sdp(sdp, self.role)?;
        let name_of = |mid: &str| self.remote.name_of(mid).map_or_else(|| mid.to_owned(), str::to_owned);
        let mut ours = Session::default();
        for known in &self.remote.contents {
            ours.contents.push(Content::off(known.name.clone(), known.creator, known.media.kind));
        }
        for mut content in read.contents {
            content.name = name_of(&content.name);
            match ours.content_mut(&content.name) {
                Some(known) => *known = Content { creator: known.creator, ..content },
                None => ours.contents.push(content),
            }
        }
        for group in read.groups {
            let names = group.names.iter().map(|mid| name_of(mid)).collect();
            ours.groups.push(Group { names, ..group });
        }
        Ok(ours)
    }

    /// Makes both sides have the same sections: what one lacks is turned off there.
    pub(super) fn align(&mut self) {
        let missing = |from: &Session, to: &Session| -> Vec<Content> {
            let missing = from.contents.iter().filter(|content| to.content(&content.name).is_none());
            missing.map(|content| Content::off(content.name.clone(), content.creator, content.media.kind)).collect()
        };
        self.remote.contents.extend(missing(&self.local, &self.remote));
        self.local.contents.extend(missing(&self.remote, &self.local));
    }

    /// The user's side as an offer to the gateway.
    pub(super) fn their_offer(&mut self) -> String {
        let mut session = self.remote.clone();
        if self.held {
            session.contents.iter_mut().for_each(|content| content.senders = Senders::None);
        }
        self.print(session)
    }

    /// The user's side as the answer to what the gateway has offered.
    pub(super) fn their_answer(&mut self) -> String {
        let mut session = self.remote.clone();
        for content in &mut session.contents {
            let ours = self.local.content(&content.name).filter(|ours| ours.live);
            content.live &= ours.is_some();
            let held = if self.held { Senders::None } else { Senders::Both };
            content.senders = content.senders.and(ours.map_or(Senders::None, |ours| ours.senders)).and(held);
        }
        self.print(session)
    }

    /// The relay wants to be told which sections share a way, also where the client leaves that to be seen.
    fn print(&mut self, mut session: Session) -> String {
        self.versions += 1;
        if session.is_bundled() {
            let names: Vec<String> = session.live().map(|content| content.name.clone()).collect();
            session.groups.retain(|group| !group.is_bundle());
            session.groups.push(Group::bundle(names));
        }
        session.to_sdp(self.role.other(), self.versions)
    }
}
