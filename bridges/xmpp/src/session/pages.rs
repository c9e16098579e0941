//! Pages of archives (XEP-0313): what comes for a query is gathered until its answer comes.

use crate::xml::ns;
use minidom::Element;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The most messages of one page that are kept.
const PAGE: usize = 1000;

/// Whose archive, and the query's id.
type Which = (String, String);

type Gathered = Arc<Mutex<HashMap<Which, Vec<Element>>>>;

/// Queries that are under way.
#[derive(Default)]
pub(super) struct Pages(Gathered);

/// One query.
pub(super) struct Page {
    which: Which,
    gathered: Gathered,
}

impl Pages {
    /// A query is about to be sent.
    pub(super) fn expect(&self, archive: &str, id: &str) -> Page {
        let which = (archive.to_owned(), id.to_owned());
        self.0.lock().insert(which.clone(), Vec::new());
        Page { which, gathered: Arc::clone(&self.0) }
    }

    /// Keeps a message that belongs to a query; gives back any other.
    pub(super) fn take(&self, message: Element) -> Option<Element> {
        if message.name() != "message" {
            return Some(message);
        }
        let Some(result) = message.get_child("result", ns::MAM) else { return Some(message) };
        let which = (
            message.attr("from").unwrap_or_default().to_owned(),
            result.attr("queryid").unwrap_or_default().to_owned(),
        );
        // What nobody asked for pretends to be history: it is dropped.
        if let Some(page) = self.0.lock().get_mut(&which)
            && page.len() < PAGE
        {
            page.push(result.clone());
        }
        None
    }
}

impl Page {
    pub(super) fn results(&self) -> Vec<Element> {
        self.gathered.lock().get_mut(&self.which).map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.gathered.lock().remove(&self.which);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_that_nobody_asked_for_is_dropped() {
        let pages = Pages::default();
        let page = pages.expect("room@conf", "q1");
        let message = |from: &str| -> Element {
            format!("<message xmlns='jabber:client' from='{from}'><result xmlns='urn:xmpp:mam:2' queryid='q1' id='7'/></message>")
                .parse()
                .unwrap()
        };
        assert_eq!(pages.take(message("mallory@evil")), None);
        assert_eq!(pages.take(message("room@conf")), None);
        assert_eq!(page.results().len(), 1);
        let plain: Element = "<message xmlns='jabber:client'/>".parse().unwrap();
        assert!(pages.take(plain).is_some());
    }
}
