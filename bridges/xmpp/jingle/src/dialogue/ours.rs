//! Changes that the gateway asks for within the session. An offer is a whole session description: what
//! is different in it is told to the client action by action, and what the client says to those that
//! want an answer becomes the answer to the offer.

use super::theirs::Change;
use super::{Asked, Dialogue};
use crate::candidate::Candidate;
use crate::content::Part;
use crate::error::Refused;
use crate::jingle::{Action, Info, Jingle};
use crate::model::{Content, Kind, Senders, Session, Transport};
use monster_bridge_api::{CallStep, IceCandidate};

/// An offer of the gateway's that the client has not answered in all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    /// Our side before it.
    before: Session,
    /// Contents that were added.
    adds: Vec<String>,
    /// Contents whose ICE begins anew, and of which the client has not said how.
    restarts: Vec<String>,
}

impl Ours {
    pub(super) fn adds(&self) -> bool {
        !self.adds.is_empty()
    }

    pub(super) fn restarts(&self) -> bool {
        !self.restarts.is_empty()
    }
}

/// What is different in an offer.
#[derive(Debug, Default)]
struct Changes {
    adds: Vec<String>,
    removes: Vec<String>,
    modifies: Vec<String>,
    restarts: Vec<String>,
    /// On hold, or no longer.
    hold: Option<bool>,
}

impl Dialogue {
    /// Tells the client what is new in an offer of the gateway's.
    pub(super) fn offer(&mut self, sdp: &str) -> Result<(), String> {
        if self.theirs.is_some() {
            return Err("the other client asks for a change at this moment".to_owned());
        }
        let offered = self.read_ours(sdp).map_err(|error| error.to_string())?;
        let changes = self.changes(&offered);
        let before = std::mem::replace(&mut self.local, offered);
        self.align();
        let mut ours = self.ours.take().unwrap_or_else(|| Ours { before, adds: Vec::new(), restarts: Vec::new() });
        self.tell_removed(&changes.removes);
        self.tell_restarted(&changes.restarts);
        self.tell_senders(&changes);
        if !changes.adds.is_empty() {
            let parts = self.local_parts(&changes.adds, Part::whole);
            let mut jingle = Jingle::new(Action::ContentAdd, &self.sid).with_parts(parts);
            jingle.groups.clone_from(&self.local.groups);
            self.within(&jingle, Asked::Add(changes.adds.clone()));
        }
        ours.restarts.extend(changes.restarts);
        ours.adds.extend(changes.adds);
        self.ours = Some(ours);
        self.settle_ours();
        Ok(())
    }

    fn changes(&self, offered: &Session) -> Changes {
        let mut changes = Changes::default();
        let pending = |name: &String| self.ours.as_ref().is_some_and(|ours| ours.adds.contains(name));
        let peer = self.role.other();
        for content in &offered.contents {
            let name = content.name.clone();
            let there = self.remote.content(&name).is_some_and(|theirs| theirs.live);
            let Some(before) = self.local.content(&name).filter(|_| there) else {
                if content.live && !pending(&name) {
                    changes.adds.push(name);
                }
                continue;
            };
            if !content.live {
                changes.removes.extend(before.live.then_some(name));
                continue;
            }
            if before.live && before.transport.credentials != content.transport.credentials {
                changes.restarts.push(name.clone());
            }
            if !before.live || before.senders != content.senders {
                changes.modifies.push(name);
            }
            let heard = |senders: Senders| senders.include(peer);
            if content.media.kind == Kind::Audio && before.live && heard(before.senders) != heard(content.senders) {
                changes.hold = Some(heard(before.senders));
            }
        }
        changes
    }

    fn local_parts(&self, names: &[String], part: impl Fn(&Content) -> Part) -> Vec<Part> {
        names.iter().filter_map(|name| self.local.content(name)).map(part).collect()
    }

    fn tell_removed(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        for name in names {
            if let Some(content) = self.remote.content_mut(name) {
                *content = Content::off(name.clone(), content.creator, content.media.kind);
            }
        }
        let parts = self.local_parts(names, Part::bare);
        self.within(&Jingle::new(Action::ContentRemove, &self.sid).with_parts(parts), Asked::Within);
    }

    /// ICE anew: user and password first and by themselves, as some clients tell an offer by that; then
    /// the candidates.
    fn tell_restarted(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let of = |content: &Content, candidates: bool| {
            let mut transport = content.transport.clone();
            if !candidates {
                transport.candidates.clear();
            }
            Part { transport: Some(transport), ..Part::bare(content) }
        };
        let parts = self.local_parts(names, |content| of(content, false));
        self.within(&Jingle::new(Action::TransportInfo, &self.sid).with_parts(parts), Asked::Restart);
        let mut parts = self.local_parts(names, |content| of(content, true));
        parts.retain(|part| part.transport.as_ref().is_some_and(|transport| !transport.candidates.is_empty()));
        if !parts.is_empty() {
            self.within(&Jingle::new(Action::TransportInfo, &self.sid).with_parts(parts), Asked::Within);
        }
    }

    /// Hold is told as that; any other change of who sends, content by content.
    fn tell_senders(&mut self, changes: &Changes) {
        if let Some(hold) = changes.hold {
            let info = if hold { Info::Hold } else { Info::Unhold };
            self.within(&Jingle { infos: vec![info], ..Jingle::new(Action::SessionInfo, &self.sid) }, Asked::Within);
        } else if !changes.modifies.is_empty() {
            let modified = |content: &Content| Part { senders: Some(content.senders), ..Part::bare(content) };
            let parts = self.local_parts(&changes.modifies, modified);
            self.within(&Jingle::new(Action::ContentModify, &self.sid).with_parts(parts), Asked::Within);
        }
    }

    /// Answers the gateway's offer, once the client has said everything to it.
    fn settle_ours(&mut self) {
        if self.ours.as_ref().is_some_and(|ours| !ours.adds() && !ours.restarts()) {
            self.ours = None;
            let sdp = Some(self.their_answer());
            self.tell_own(CallStep::Answer { sdp });
            self.next_deferred();
        }
    }

    pub(super) fn content_accept(&mut self, jingle: &Jingle) -> Result<(), Refused> {
        let ours = self.ours.as_ref().map(|ours| ours.adds.clone()).unwrap_or_default();
        if jingle.parts.is_empty() || jingle.parts.iter().any(|part| !ours.contains(&part.name)) {
            return Err(Refused::out_of_order("nobody has added this"));
        }
        let mut remote = self.remote.clone();
        for part in &jingle.parts {
            let content = part.clone().into_content().ok_or(Refused::bad("an answer without sound or pictures"))?;
            if let Some(known) = remote.content_mut(&part.name) {
                *known = Content { creator: known.creator, ..content };
            }
        }
        if !jingle.groups.is_empty() {
            remote.groups.clone_from(&jingle.groups);
        } else if let Some(group) = remote.groups.iter_mut().find(|group| group.is_bundle()) {
            // Who says nothing of BUNDLE means it, unless the content has a way of its own.
            let users: Vec<_> = self.remote.live().map(|content| &content.transport.credentials).collect();
            let user = |part: &Part| part.transport.as_ref().and_then(|transport| transport.credentials.clone());
            let joins = |part: &&Part| user(part).is_none() || users.contains(&&user(part));
            group.names.extend(jingle.parts.iter().filter(joins).map(|part| part.name.clone()));
        }
        self.remote = remote;
        self.added(&jingle.parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>());
        Ok(())
    }

    /// Some refuse without saying what.
    pub(super) fn content_reject(&mut self, parts: &[Part]) -> Result<(), Refused> {
        let ours = self.ours.as_ref().map(|ours| ours.adds.clone()).unwrap_or_default();
        if ours.is_empty() {
            return Err(Refused::out_of_order("nobody has added this"));
        }
        let names: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
        self.not_added(if names.is_empty() { &ours } else { &names });
        Ok(())
    }

    pub(super) fn not_added(&mut self, names: &[String]) {
        let adds = self.ours.as_ref().map(|ours| ours.adds.clone()).unwrap_or_default();
        for name in names.iter().filter(|name| adds.contains(name)) {
            if let Some(content) = self.local.content_mut(name) {
                *content = Content::off(name.clone(), content.creator, content.media.kind);
            }
        }
        self.added(names);
    }

    fn added(&mut self, names: &[String]) {
        if let Some(ours) = &mut self.ours {
            ours.adds.retain(|name| !names.contains(name));
        }
        self.settle_ours();
    }

    /// The client has begun ICE anew, as it was offered.
    pub(super) fn restarted(&mut self, transports: &[(String, Transport)]) {
        let before = self.remote.clone();
        self.renew(transports);
        if let Some(ours) = &mut self.ours {
            let user = |session: &Session, name: &str| session.content(name).map(|it| it.transport.credentials.clone());
            ours.restarts.retain(|name| user(&before, name) == user(&self.remote, name));
        }
        self.settle_ours();
    }

    /// The client's change goes first: the gateway takes its offer back as well, and makes it again.
    pub(super) fn take_back(&mut self) {
        let Some(ours) = self.ours.take() else { return };
        let kept = |content: &Content| ours.before.content(&content.name).is_some();
        self.remote.contents.retain(kept);
        self.local = ours.before;
        self.align();
        self.deferred.retain(|change| !matches!(change, Change::Add(_)));
    }

    /// Candidates of the gateway's.
    pub(super) fn candidates(&mut self, candidates: &[IceCandidate]) {
        let mut parts: Vec<Part> = Vec::new();
        for told in candidates {
            let Some(candidate) = Candidate::of_line(&told.line) else { continue };
            let by_mid = told.mid.as_deref().and_then(|mid| self.remote.name_of(mid)).map(str::to_owned);
            let by_place = || self.local.contents.get(usize::from(told.index.unwrap_or(0)));
            let Some(name) = by_mid.or_else(|| by_place().map(|content| content.name.clone())) else { continue };
            let Some(content) = self.local.content_mut(&name) else { continue };
            let mut part = Part::bare(content);
            let credentials = content.transport.credentials.clone();
            if content.transport.candidates.len() < crate::model::MAX_CANDIDATES {
                content.transport.candidates.push(candidate.clone());
            }
            let known = parts.iter_mut().find(|part| part.name == name).and_then(|part| part.transport.as_mut());
            if let Some(transport) = known {
                transport.candidates.push(candidate);
            } else {
                part.transport = Some(Transport { credentials, candidates: vec![candidate], ..Transport::default() });
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return;
        }
        let jingle = Jingle::new(Action::TransportInfo, &self.sid).with_parts(parts);
        let to = if self.stage == super::Stage::Up {
            self.device.clone().into_iter().collect()
        } else {
            self.invited.clone()
        };
        for device in to {
            self.iq(&device, &jingle, Asked::Within);
        }
    }
}
