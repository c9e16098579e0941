//! What each payload type stands for. All sections of a session share the numbers (RFC 9143 §9.2):
//! one that meant two things would make packets ambiguous, and engines stumble over it.

use super::Description;
use crate::Refused;
use crate::format::Key;
use std::collections::HashMap;

/// What payload types stand for, over all descriptions of one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(HashMap<u8, Meaning>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Media(Key),
    Repair(Key),
}

impl Numbers {
    /// These numbers and those of a description, if they agree.
    pub(crate) fn with(&self, description: &Description) -> Result<Numbers, Refused> {
        let mut all = self.clone();
        // (A section with a transport of its own has numbers of its own.)
        let joint = || description.sections.iter().filter(|section| section.transport.is_none());
        for format in joint().filter_map(|section| section.live()).flat_map(|rtp| &rtp.formats) {
            let repair = format.rtx.map(|number| (number, Meaning::Repair(format.key)));
            for (number, meaning) in std::iter::once((format.number, Meaning::Media(format.key))).chain(repair) {
                if *all.0.entry(number).or_insert(meaning) != meaning {
                    return Err(Refused::Malformed("one payload type stands for two codecs"));
                }
            }
        }
        Ok(all)
    }
}
