//! Changes that the user's client asks for within the session. Each becomes an offer to the gateway;
//! what the gateway answers becomes the client's answer. One at a time: what comes meanwhile waits.

use super::{Asked, Dialogue, Stage};
use crate::content::Part;
use crate::error::Refused;
use crate::jingle::{Action, Jingle};
use crate::model::{Content, MAX_CANDIDATES, MAX_CONTENTS, Senders, Session, Transport};
use crate::reason::{Condition, Reason};
use monster_bridge_api::{CallStep, EndReason, IceCandidate};

/// The most changes that wait.
const MAX_DEFERRED: usize = 8;

/// A change that the client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add(Vec<Content>),
    Modify(Vec<(String, Senders)>),
    Remove(Vec<String>),
    Restart(Vec<(String, Transport)>),
    Hold(bool),
}

/// The change that the gateway's answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theirs {
    /// The user's side before it.
    before: Session,
    was_held: bool,
    adds: Vec<String>,
    restarts: Vec<String>,
}

impl Dialogue {
    pub(super) fn content_add(&mut self, jingle: &Jingle) -> Result<(), Refused> {
        let creator = self.role.other();
        let (mut added, mut foreign) = (Vec::new(), Vec::new());
        for part in &jingle.parts {
            if self.remote.content(&part.name).is_some_and(|known| known.live) {
                return Err(Refused::bad("there is a content of this name"));
            }
            match part.clone().into_content() {
                Some(content) => added.push(Content { creator, ..content }),
                None => foreign.push(Part { media: None, transport: None, senders: None, ..part.clone() }),
            }
        }
        if added.len() + foreign.len() == 0 || self.remote.contents.len() + added.len() > MAX_CONTENTS {
            return Err(Refused::bad("no contents, or too many"));
        }
        let mut whole = self.remote.clone();
        whole.contents.extend(added.iter().cloned());
        let bundled = |group: &&crate::group::Group| group.is_bundle();
        let said = jingle.groups.iter().find(bundled).or(self.remote.groups.iter().find(bundled)).cloned();
        whole.groups = said.clone().into_iter().collect();
        if !added.is_empty() {
            // What is not bundled has a way of its own, and says which.
            if whole.is_bundled() || added.iter().all(|content| content.transport.credentials.is_some()) {
                self.make_way_for_adding()?;
                self.change(Change::Add(added))?;
                self.remote.groups = said.into_iter().collect();
            } else {
                foreign.extend(added.iter().map(Part::bare));
            }
        }
        if !foreign.is_empty() {
            self.reject_contents(foreign, Reason::new(Condition::UnsupportedApplications));
        }
        Ok(())
    }

    /// Two content-adds that cross (XEP-0166 §7.2.16): the initiator's goes first.
    fn make_way_for_adding(&mut self) -> Result<(), Refused> {
        if !self.ours.as_ref().is_some_and(super::ours::Ours::adds) {
            return Ok(());
        }
        if self.role == crate::model::Side::Initiator {
            return Err(Refused::tie_break());
        }
        self.take_back();
        Ok(())
    }

    pub(super) fn content_modify(&mut self, parts: &[Part]) -> Result<(), Refused> {
        let mut changes = Vec::new();
        for part in parts {
            let senders = part.senders.ok_or(Refused::bad("a change that does not say who sends"))?;
            let known = self.remote.content(&part.name).filter(|known| known.live);
            if known.ok_or(Refused::bad("there is no such content"))?.senders != senders {
                changes.push((part.name.clone(), senders));
            }
        }
        if changes.is_empty() { Ok(()) } else { self.change(Change::Modify(changes)) }
    }

    pub(super) fn content_remove(&mut self, parts: &[Part]) -> Result<(), Refused> {
        let is_live = |name: &String| self.remote.content(name).is_some_and(|known| known.live);
        let names: Vec<String> = parts.iter().map(|part| part.name.clone()).filter(is_live).collect();
        if names.is_empty() {
            return Ok(());
        }
        if self.remote.live().all(|content| names.contains(&content.name)) {
            // Nothing is left of the session.
            self.end_with(Reason::new(Condition::Success));
            let device = self.device.clone().unwrap_or_default();
            self.over(Some((&device, EndReason::HungUp)));
            return Ok(());
        }
        self.change(Change::Remove(names))
    }

    pub(super) fn hold(&mut self, held: bool) -> Result<(), Refused> {
        if self.stage == Stage::Up { self.change(Change::Hold(held)) } else { Ok(()) }
    }

    /// Candidates, or ICE anew: a user and password that are not the client's present ones. With an offer
    /// of ours to do so they are its answer.
    pub(super) fn transport_info(&mut self, from: &str, parts: &[Part]) -> Result<(), Refused> {
        let mut found = Vec::new();
        let mut anew = Vec::new();
        for part in parts {
            let Some(index) = self.remote.contents.iter().position(|content| content.name == part.name) else {
                return Err(Refused::bad("there is no such content"));
            };
            let Some(transport) = &part.transport else { continue };
            let user = transport.credentials.as_ref();
            let content = &self.remote.contents[index];
            let of_it = |way: &&Content| self.remote.share_a_way(way, content) || *way == content;
            let is_known = self.remote.live().filter(of_it).any(|way| way.transport.credentials.as_ref() == user);
            let is_anew = user.is_some() && !is_known;
            if self.stage == Stage::Up && is_anew {
                anew.push((part.name.clone(), transport.clone()));
                continue;
            }
            let mid = self.remote.mid(index);
            let known = &mut self.remote.contents[index].transport.candidates;
            for candidate in &transport.candidates {
                if known.len() < MAX_CANDIDATES && !known.contains(candidate) {
                    if self.described {
                        known.push(candidate.clone());
                    }
                    let (mid, index) = (Some(mid.clone()), u16::try_from(index).ok());
                    found.push(IceCandidate { line: candidate.to_line(), mid, index });
                }
            }
        }
        if !anew.is_empty() {
            if self.ours.as_ref().is_some_and(super::ours::Ours::restarts) {
                self.restarted(&anew);
            } else {
                self.change(Change::Restart(anew))?;
            }
        }
        if !found.is_empty() {
            self.tell(from, CallStep::Candidates(found));
        }
        Ok(())
    }

    /// Takes a change now, or once what is open is settled.
    fn change(&mut self, change: Change) -> Result<(), Refused> {
        if self.theirs.is_none() && self.ours.is_none() {
            self.apply(change);
        } else if self.deferred.len() < MAX_DEFERRED {
            self.deferred.push_back(change);
        } else {
            return Err(Refused::too_much("too many changes at once"));
        }
        Ok(())
    }

    pub(super) fn next_deferred(&mut self) {
        while self.stage == Stage::Up && self.theirs.is_none() && self.ours.is_none() {
            let Some(change) = self.deferred.pop_front() else { return };
            self.apply(change);
        }
    }

    /// Changes the user's side, and offers it to the gateway.
    fn apply(&mut self, change: Change) {
        let mut theirs =
            Theirs { before: self.remote.clone(), was_held: self.held, adds: Vec::new(), restarts: Vec::new() };
        match change {
            Change::Add(contents) => {
                for content in contents {
                    // (While it waited, the gateway may have taken the name.)
                    let name = content.name.clone();
                    match self.remote.content_mut(&name) {
                        Some(known) if known.live => continue,
                        Some(known) => *known = content,
                        None => self.remote.contents.push(content),
                    }
                    theirs.adds.push(name);
                }
                self.align();
            }
            Change::Modify(changes) => {
                for (name, senders) in changes {
                    self.remote.content_mut(&name).into_iter().for_each(|content| content.senders = senders);
                }
            }
            Change::Remove(names) => {
                for name in names {
                    if let Some(content) = self.remote.content_mut(&name) {
                        *content = Content::off(name, content.creator, content.media.kind);
                    }
                }
            }
            Change::Restart(transports) => theirs.restarts = self.renew(&transports),
            Change::Hold(held) => self.held = held,
        }
        if self.remote == theirs.before && self.held == theirs.was_held {
            return;
        }
        self.theirs = Some(theirs);
        let sdp = Some(self.their_offer());
        self.tell_own(CallStep::Update { sdp, muted: None });
    }

    /// The client's new ICE user and password: of the sections that are told, and of those that share a
    /// way with one of them. Gives the names that were told.
    pub(super) fn renew(&mut self, transports: &[(String, Transport)]) -> Vec<String> {
        let before = self.remote.clone();
        for content in self.remote.contents.iter_mut().filter(|content| content.live) {
            let told = transports.iter().find(|(name, _)| *name == content.name).map(|(_, told)| told);
            let shares = |name: &str| before.content(name).is_some_and(|other| before.share_a_way(other, content));
            let shared = || transports.iter().find(|(name, _)| shares(name)).map(|(_, shared)| shared);
            let Some(credentials) = told.or_else(shared).and_then(|anew| anew.credentials.clone()) else { continue };
            content.transport = content.transport.restarted(credentials);
            content.transport.candidates = told.map(|told| told.candidates.clone()).unwrap_or_default();
        }
        transports.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The gateway's answer.
    pub(super) fn answer(&mut self, sdp: &str) -> Result<(), String> {
        let local = self.read_ours(sdp).map_err(|error| error.to_string())?;
        let Some(theirs) = self.theirs.take() else {
            return Err("nothing of the other client's waits for an answer".to_owned());
        };
        self.local = local;
        let parts = |names: &[String], whole: bool, local: &Session| -> Vec<Part> {
            let of = names.iter().filter_map(|name| local.content(name)).filter(|content| content.live == whole);
            of.map(if whole { Part::whole } else { Part::bare }).collect()
        };
        let (taken, refused) = (parts(&theirs.adds, true, &self.local), parts(&theirs.adds, false, &self.local));
        if !taken.is_empty() {
            let mut jingle = Jingle::new(Action::ContentAccept, &self.sid).with_parts(taken);
            jingle.groups.clone_from(&self.remote.groups);
            self.within(&jingle, Asked::Within);
        }
        if !refused.is_empty() {
            for part in &refused {
                if let Some(content) = self.remote.content_mut(&part.name) {
                    *content = Content::off(part.name.clone(), content.creator, content.media.kind);
                }
            }
            self.reject_contents(refused, Reason::new(Condition::IncompatibleParameters));
        }
        if !theirs.restarts.is_empty() {
            let mut parts = parts(&theirs.restarts, true, &self.local);
            // What tells an answer from an offer for some clients: it has candidates.
            let candidates = self.local.live().find(|content| !content.transport.candidates.is_empty());
            let candidates = candidates.map(|content| content.transport.candidates.clone()).unwrap_or_default();
            for part in &mut parts {
                (part.media, part.senders) = (None, None);
                if let Some(transport) = part.transport.as_mut().filter(|transport| transport.candidates.is_empty()) {
                    transport.candidates.clone_from(&candidates);
                }
            }
            self.within(&Jingle::new(Action::TransportInfo, &self.sid).with_parts(parts), Asked::Within);
        }
        self.next_deferred();
        Ok(())
    }

    /// The gateway does not take the change: all is as it was before.
    pub(super) fn change_declined(&mut self, why: &str) {
        let Some(theirs) = self.theirs.take() else { return };
        let refused: Vec<Part> =
            theirs.adds.iter().filter_map(|name| self.remote.content(name)).map(Part::bare).collect();
        self.remote = theirs.before;
        self.held = theirs.was_held;
        self.align();
        if !refused.is_empty() {
            self.reject_contents(refused, Reason::with_words(Condition::FailedApplication, why));
        }
        self.next_deferred();
    }

    fn reject_contents(&mut self, parts: Vec<Part>, reason: Reason) {
        self.within(&Jingle::new(Action::ContentReject, &self.sid).with_parts(parts).because(reason), Asked::Within);
    }
}
