//! Sections that go together (XEP-0338, RFC 5888).

use crate::xml::{Build, attr, children, is_word};
use crate::{ns, xml};
use minidom::Element;

/// The most groups, and the most names in one.
const MAX: usize = 16;

/// Sections that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How: `BUNDLE`, `LS`.
    pub semantics: String,
    /// Which, by name.
    pub names: Vec<String>,
}

impl Group {
    /// One way for all.
    pub fn bundle(names: Vec<String>) -> Self {
        Self { semantics: "BUNDLE".to_owned(), names }
    }

    /// Whether its sections share one way.
    pub fn is_bundle(&self) -> bool {
        self.semantics == "BUNDLE"
    }

    /// Whether a section belongs to it.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// Reads the groups in an element.
    pub(crate) fn all_in(parent: &Element) -> Vec<Self> {
        let group = |element: &Element| {
            let names = children(element, "content", ns::GROUPING).filter_map(|content| attr(content, "name"));
            let names: Vec<String> = names.take(MAX).map(str::to_owned).collect();
            Some(Self { semantics: xml::word(element, "semantics")?, names }).filter(|group| !group.names.is_empty())
        };
        children(parent, "group", ns::GROUPING).filter_map(group).take(MAX).collect()
    }

    /// Writes it.
    pub(crate) fn to_element(&self) -> Element {
        let group = Element::bare("group", ns::GROUPING).with("semantics", &self.semantics);
        self.names
            .iter()
            .fold(group, |group, name| group.child(Element::bare("content", ns::GROUPING).with("name", name)))
    }

    /// Reads the value of `a=group`.
    pub(crate) fn of_line(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace().filter(|word| is_word(word));
        let semantics = words.next()?.to_owned();
        let names: Vec<String> = words.take(MAX).map(str::to_owned).collect();
        Some(Self { semantics, names }).filter(|group| !group.names.is_empty())
    }
}
