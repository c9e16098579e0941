//! Candidates that come before they can be used: while it rings, or while an ICE restart is being
//! answered. And how many a leg may name.

use crate::engine::Remote;
use crate::{Candidate, MAX_CANDIDATES, Refused};

/// A candidate, and the section that it is for, by mid or place, where that was told.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) mid: Option<String>,
    pub(crate) index: Option<u16>,
    pub(crate) remote: Remote,
}

/// A leg's candidates.
#[derive(Debug)]
pub(crate) struct Early {
    /// Those not yet used.
    kept: Vec<Named>,
    /// They are to be kept.
    waiting: bool,
    /// The far side's ICE user name that the next description will bring, or has brought.
    ufrag: String,
    /// How many were named since that one came.
    named: usize,
}

impl Default for Early {
    fn default() -> Early {
        Early { kept: Vec::new(), waiting: true, ufrag: String::new(), named: 0 }
    }
}

impl Early {
    /// A description has come that is not in force yet. With a new user name, earlier candidates
    /// no longer count, unless there was none before.
    pub(crate) fn expect(&mut self, ufrag: &str) {
        if self.ufrag == ufrag {
            return;
        }
        if !self.ufrag.is_empty() {
            self.kept.clear();
            self.named = 0;
        }
        ufrag.clone_into(&mut self.ufrag);
        self.waiting = true;
    }

    /// The description is in force: gives out those that were kept.
    pub(crate) fn release(&mut self) -> impl Iterator<Item = Named> + '_ {
        self.waiting = false;
        self.kept.drain(..)
    }

    /// Takes candidates; gives back those that can be used now.
    pub(crate) fn take(&mut self, candidates: &[Candidate]) -> Result<Vec<Named>, Refused> {
        let mut read = Vec::new();
        // An empty line says that these were all.
        for candidate in candidates.iter().filter(|candidate| !candidate.line.is_empty()) {
            let line = candidate.line.trim();
            let line = line.strip_prefix("a=").unwrap_or(line);
            if line.is_empty() || line == "end-of-candidates" {
                continue;
            }
            let remote = Remote::read(line).map_err(|_| Refused::BadCandidate)?;
            let Candidate { mid, index, .. } = candidate.clone();
            read.push(remote.map(|remote| Named { mid, index, remote }));
        }
        if self.named + read.len() > MAX_CANDIDATES {
            return Err(Refused::TooManyCandidates);
        }
        self.named += read.len();
        let usable = read.into_iter().flatten();
        if self.waiting {
            self.kept.extend(usable);
            return Ok(Vec::new());
        }
        Ok(usable.collect())
    }
}
