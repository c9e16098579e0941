//! Names in addresses and ids on the network: one and the same under the server's case mapping.
//!
//! What the server says of its names (`CASEMAPPING`, `CHANTYPES`), and what it can do, is kept in a
//! file of the instance, because both have to be known before the first connection of a process.
//! A server that was never asked is taken to compare by ASCII: that never merges two channels.

use crate::proto::{BadParam, Isupport, Session, Target, tags};
use monster_bridge_api::{BadName, PlaceKind, RemoteId};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The longest name, in bytes; longer than on any known network, and short enough for a line.
const LONGEST: usize = 200;

/// How names compare on one server.
#[derive(Debug)]
pub(crate) struct Names {
    isupport: RwLock<Isupport>,
    learnt: RwLock<Learnt>,
    file: PathBuf,
}

/// What is kept of a server's 005.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Learnt {
    casemapping: String,
    chantypes: String,
    #[serde(default)]
    abilities: Abilities,
}

/// What a server can do beyond text.
#[expect(clippy::struct_excessive_bools, reason = "each is an ability of its own")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Abilities {
    /// Messages can be withdrawn.
    pub(crate) redacts: bool,
    /// Messages can name the one they answer.
    pub(crate) replies: bool,
    /// Emoji can be put to messages.
    pub(crate) reacts: bool,
    /// It can be shown that somebody types.
    #[serde(default)]
    pub(crate) types: bool,
}

impl Names {
    /// As they were last time, if there was one.
    pub(crate) fn new(data_dir: &Path) -> Self {
        let file = data_dir.join("names.json");
        let learnt = std::fs::read(&file).ok().and_then(|bytes| match serde_json::from_slice::<Learnt>(&bytes) {
            Ok(learnt) => Some(learnt),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "a damaged file is set aside");
                None
            }
        });
        let learnt = learnt.unwrap_or_else(Learnt::nothing);
        Self { isupport: RwLock::new(learnt.to_isupport()), learnt: RwLock::new(learnt), file }
    }

    /// Takes over what the server said, and keeps it. Blocks on the disk where it is news.
    pub(crate) fn learn(&self, session: &Session) {
        let abilities = Abilities {
            redacts: session.redacts(),
            replies: session.passes_tag(tags::REPLY),
            reacts: session.passes_tag(tags::REACT),
            types: session.passes_tag(tags::TYPING),
        };
        self.take_over(&Learnt::of(session.isupport(), abilities));
    }

    fn take_over(&self, learnt: &Learnt) {
        let before = std::mem::replace(&mut *self.learnt.write(), learnt.clone());
        if before != *learnt || !self.file.exists() {
            *self.isupport.write() = learnt.to_isupport();
            if let Err(error) = self.keep(learnt) {
                tracing::warn!(file = %self.file.display(), %error, "the server's case mapping could not be kept");
            }
        }
    }

    /// What the server can do, as far as is known.
    pub(crate) fn abilities(&self) -> Abilities {
        self.learnt.read().abilities
    }

    fn keep(&self, learnt: &Learnt) -> std::io::Result<()> {
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let new = self.file.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(learnt)?)?;
        std::fs::rename(new, &self.file)
    }

    /// The id of a nick or channel as a line spells it.
    pub(crate) fn fold(&self, name: &str) -> RemoteId {
        RemoteId::new(self.isupport.read().fold(name))
    }

    /// The id of a name that came from outside; refuses what could not be one channel or one nick.
    pub(crate) fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        let bad = |why: String| BadName { name: name.to_owned(), why };
        if name.len() > LONGEST {
            return Err(bad(format!("it is longer than {LONGEST} bytes")));
        }
        if name.chars().any(char::is_control) {
            return Err(bad("it holds a control character".to_owned()));
        }
        self.named(name).map_err(|why| bad(why.to_string()))?;
        Ok(self.fold(name))
    }

    /// What can stand in a line for an id.
    pub(crate) fn target(&self, id: &RemoteId) -> Result<Target, BadParam> {
        self.named(id.as_str())
    }

    /// What can stand in a line for a name; only the form is looked at.
    fn named(&self, name: &str) -> Result<Target, BadParam> {
        let isupport = self.isupport.read();
        if isupport.is_channel(name) { Target::channel(name, isupport.chantypes()) } else { Target::nick(name) }
    }

    /// True if the id is a channel's.
    pub(crate) fn is_channel(&self, id: &RemoteId) -> bool {
        self.isupport.read().is_channel(id.as_str())
    }

    /// What an id is.
    pub(crate) fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        if self.is_channel(id) { PlaceKind::Group } else { PlaceKind::Person }
    }
}

impl Learnt {
    fn nothing() -> Self {
        Self { casemapping: "ascii".to_owned(), chantypes: "#&".to_owned(), abilities: Abilities::default() }
    }

    fn of(isupport: &Isupport, abilities: Abilities) -> Self {
        let casemapping = isupport.get("CASEMAPPING").unwrap_or("rfc1459").to_owned();
        Self { casemapping, chantypes: isupport.chantypes().to_owned(), abilities }
    }

    fn to_isupport(&self) -> Isupport {
        let mut isupport = Isupport::default();
        isupport.apply(&format!("CASEMAPPING={}", self.casemapping));
        isupport.apply(&format!("CHANTYPES={}", self.chantypes));
        isupport
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(casemapping: &str) -> (Names, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let names = Names::new(dir.path());
        let mut isupport = Isupport::default();
        isupport.apply(&format!("CASEMAPPING={casemapping}"));
        names.take_over(&Learnt::of(&isupport, Abilities::default()));
        (names, dir)
    }

    #[test]
    fn two_spellings_are_one_id_and_two_channels_are_two() {
        let (names, _dir) = names("rfc1459");
        assert_eq!(names.id_of("#Rust[a]"), names.id_of("#rUST{A}"));
        for (a, b) in [("#rust", "##rust"), ("#rust", "&rust"), ("#rust", "rust"), ("#a\u{e9}", "#ae\u{301}")] {
            assert_ne!(names.id_of(a), names.id_of(b));
        }
    }

    #[test]
    fn a_server_that_was_never_asked_merges_nothing_but_letters() {
        let dir = tempfile::tempdir().expect("a directory");
        let names = Names::new(dir.path());
        assert_eq!(names.id_of("#A"), names.id_of("#a"));
        assert_ne!(names.id_of("#a["), names.id_of("#a{"));
    }

    #[test]
    fn what_was_learnt_outlives_the_process_and_a_damaged_file_does_not_stop_it() {
        let (_, dir) = names("rfc1459");
        assert_eq!(Names::new(dir.path()).id_of("a["), Ok(RemoteId::new("a{")));
        std::fs::write(dir.path().join("names.json"), "{").expect("written");
        assert_eq!(Names::new(dir.path()).id_of("a["), Ok(RemoteId::new("a[")));
    }

    #[test]
    fn nothing_that_could_begin_a_second_line_or_target_is_a_name() {
        let (names, _dir) = names("ascii");
        let long = "x".repeat(201);
        for name in
            ["", "a b", "#a b", "#a,#b", "a\r\nQUIT", "#a\n", "#a\0", "#a\x07", "a!b@c", "$*", "*", ":a", "@#a", &long]
        {
            assert!(names.id_of(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_the_id_of_its_own_name(name in "[#&]?[a-zA-Z0-9\\[\\]{}|^~\\\\é-]{1,20}", rfc in any::<bool>()) {
            let (names, _dir) = names(if rfc { "rfc1459" } else { "ascii" });
            if let Ok(id) = names.id_of(&name) {
                prop_assert_eq!(names.id_of(id.as_str()), Ok(id));
            }
        }
    }
}
