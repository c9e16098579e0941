//! Batches (IRCv3 `batch`): which open batch a line belongs to, what is collected in it, and what
//! it was worth when it ends. Called by the session for every line; bounded in every direction,
//! since a server can open a batch and never close it.

use super::{
    line::{Message, Source},
    session::{HistoryItem, RequestId},
    tags::Tags,
};
use std::{collections::HashMap, time::SystemTime};

/// Batches that may be open at a time.
const MAX_OPEN: usize = 64;
/// How deep batches may lie in each other.
const MAX_DEPTH: usize = 4;
/// The most bytes of text one batch may hold.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most lines one batch may hold.
const MAX_LINES: usize = 20_000;

/// What a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchKind {
    /// The lines of one message (`draft/multiline`).
    Multiline,
    /// A piece of history (`chathistory`).
    History,
    /// The answer to `CHATHISTORY TARGETS`.
    Targets,
    /// People who are gone because two servers lost each other.
    Netsplit,
    /// Anything else, e.g. `labeled-response`: its lines count as if they stood alone.
    Transparent,
}

/// An open batch, or one that has just ended.
#[derive(Debug)]
pub(super) struct Batch {
    /// What it is for.
    pub(super) kind: BatchKind,
    /// The line that opened it.
    pub(super) opening: Message,
    /// The batch it lies in.
    pub(super) parent: Option<String>,
    /// The label of the request it answers, from its own line or from what it lies in.
    pub(super) label: Option<String>,
    /// The history request it answers; set by the session.
    pub(super) request: Option<RequestId>,
    /// Multiline: the lines.
    pub(super) lines: Vec<BatchLine>,
    /// History: what was said.
    pub(super) items: Vec<HistoryItem>,
    /// Targets: the names.
    pub(super) targets: Vec<(String, SystemTime)>,
    /// History: id and time of the last line.
    pub(super) last: Option<(Option<String>, Option<SystemTime>)>,
    /// How many lines came.
    pub(super) count: usize,
    /// It held more than we keep.
    pub(super) truncated: bool,
    bytes: usize,
    depth: usize,
}

/// One line of a message of several lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BatchLine {
    text: String,
    concat: bool,
    command: String,
    source: Option<Source>,
    tags: Tags,
}

/// The batches that are open.
#[derive(Debug, Default)]
pub(super) struct Batches(HashMap<String, Batch>);

impl Batches {
    /// Opens a batch: `BATCH +ref type params…`.
    pub(super) fn open(&mut self, opening: Message) {
        let Some(reference) = opening.param(0).strip_prefix('+').map(str::to_owned) else { return };
        let parent = opening.tags.filled("batch").map(str::to_owned).filter(|parent| self.0.contains_key(parent));
        let outer = parent.as_ref().and_then(|parent| self.0.get(parent));
        let depth = outer.map_or(0, |outer| outer.depth + 1);
        if self.0.len() >= MAX_OPEN || depth >= MAX_DEPTH || self.0.contains_key(&reference) {
            return;
        }
        let label = opening.tags.filled("label").map(str::to_owned);
        let kind = match opening.param(1).strip_prefix("draft/").unwrap_or(opening.param(1)) {
            "multiline" => BatchKind::Multiline,
            "chathistory" => BatchKind::History,
            "chathistory-targets" => BatchKind::Targets,
            "netsplit" => BatchKind::Netsplit,
            _ => BatchKind::Transparent,
        };
        let batch = Batch {
            kind,
            parent,
            label: label.or_else(|| outer.and_then(|outer| outer.label.clone())),
            request: None,
            lines: Vec::new(),
            items: Vec::new(),
            targets: Vec::new(),
            last: None,
            count: 0,
            truncated: false,
            bytes: 0,
            depth,
            opening,
        };
        self.0.insert(reference, batch);
    }

    /// Ends a batch: `BATCH -ref`.
    pub(super) fn close(&mut self, closing: &Message) -> Option<Batch> {
        self.0.remove(closing.param(0).strip_prefix('-')?)
    }

    /// The batch of this name.
    pub(super) fn get_mut(&mut self, reference: &str) -> Option<&mut Batch> {
        self.0.get_mut(reference)
    }

    /// Notes which request the batch of this name answers.
    pub(super) fn attribute(&mut self, reference: &str, find: impl FnOnce(&Batch) -> Option<RequestId>) {
        if let Some(batch) = self.0.get_mut(reference) {
            batch.request = find(batch);
        }
    }

    /// The label of the request that a line answers.
    pub(super) fn label_of(&self, message: &Message) -> Option<String> {
        let own = message.tags.filled("label").map(str::to_owned);
        own.or_else(|| self.0.get(message.tags.filled("batch")?)?.label.clone())
    }

    /// The nearest batch of a kind that the batch of this name is or lies in.
    pub(super) fn nearest(&self, reference: &str, kind: BatchKind) -> Option<String> {
        let mut at = reference;
        loop {
            let batch = self.0.get(at)?;
            if batch.kind == kind {
                return Some(at.to_owned());
            }
            at = batch.parent.as_deref()?;
        }
    }
}

impl Batch {
    /// Makes room for a line of so many bytes; false if the batch is full.
    pub(super) fn admit(&mut self, bytes: usize) -> bool {
        self.count += 1;
        self.bytes += bytes;
        let fits = self.bytes <= MAX_BYTES && self.count <= MAX_LINES;
        self.truncated |= !fits;
        fits
    }

    /// Takes a line of a message of several lines.
    pub(super) fn add_line(&mut self, message: Message) {
        if !self.admit(message.last().len()) {
            return;
        }
        let concat =
            message.tags.get("draft/multiline-concat").or_else(|| message.tags.get("multiline-concat")).is_some();
        let text = message.last().to_owned();
        self.lines.push(BatchLine {
            text,
            concat,
            command: message.command,
            source: message.source,
            tags: message.tags,
        });
    }

    /// The one message that the lines are; `None` for an empty batch. The tags are those of the
    /// opening line, completed by those of the first line.
    pub(super) fn assemble(self) -> Option<Message> {
        let mut lines = self.lines.into_iter();
        let first = lines.next()?;
        let mut text = first.text;
        for line in lines {
            if !line.concat {
                text.push('\n');
            }
            text.push_str(&line.text);
        }
        let mut tags = first.tags;
        tags.remove("batch");
        tags.remove("label");
        self.opening.tags.iter().for_each(|(key, value)| tags.set(key, value));
        let target = self.opening.param(2).to_owned();
        let source = self.opening.source.or(first.source);
        Some(Message { tags, source, command: first.command, params: vec![target, text] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        Message::parse(line.as_bytes(), encoding_rs::UTF_8).unwrap()
    }

    fn feed(batches: &mut Batches, lines: &[&str]) -> Vec<Option<Message>> {
        let mut out = Vec::new();
        for line in lines {
            let message = message(line);
            if message.command == "BATCH" && message.param(0).starts_with('+') {
                batches.open(message);
            } else if message.command == "BATCH" {
                out.push(batches.close(&message).and_then(Batch::assemble));
            } else if let Some(batch) = batches.get_mut(message.tags.get("batch").unwrap()) {
                batch.add_line(message);
            }
        }
        out
    }

    #[test]
    fn a_message_of_several_lines_is_put_together() {
        let mut batches = Batches::default();
        let done = feed(
            &mut batches,
            &[
                "@msgid=m1;account=bob :bob!b@h BATCH +1 draft/multiline #c",
                "@batch=1 :bob!b@h PRIVMSG #c :hello",
                "@batch=1 :bob!b@h PRIVMSG #c :",
                "@batch=1 :bob!b@h PRIVMSG #c :how is ",
                "@batch=1;draft/multiline-concat :bob!b@h PRIVMSG #c :everyone?",
                ":bob!b@h BATCH -1",
            ],
        );
        let whole = done[0].clone().unwrap();
        assert_eq!(whole.params, ["#c", "hello\n\nhow is everyone?"]);
        assert_eq!((whole.tags.get("msgid"), whole.nick()), (Some("m1"), "bob"));
    }

    #[test]
    fn an_empty_batch_is_no_message() {
        let done = feed(
            &mut Batches::default(),
            &["BATCH +1 draft/multiline #c", "BATCH -1", "BATCH -2", "BATCH -", "BATCH 1"],
        );
        assert!(done.iter().all(Option::is_none));
    }

    #[test]
    fn a_batch_in_a_batch_has_its_label() {
        let mut batches = Batches::default();
        batches.open(message("@label=L1 BATCH +1 labeled-response"));
        batches.open(message("@batch=1 BATCH +2 chathistory #c"));
        batches.open(message("@batch=2 BATCH +3 draft/multiline #c"));
        assert_eq!(batches.label_of(&message("@batch=3 PRIVMSG #c :x")), Some("L1".into()));
        assert_eq!(batches.nearest("3", BatchKind::History), Some("2".into()));
        assert_eq!(batches.nearest("1", BatchKind::History), None);
        assert_eq!(batches.label_of(&message("@batch=9 PRIVMSG #c :x")), None);
    }

    #[test]
    fn a_server_that_opens_and_never_closes_is_bounded() {
        let mut batches = Batches::default();
        for n in 0..1_000 {
            batches.open(message(&format!("BATCH +{n} draft/multiline #c")));
        }
        assert_eq!(batches.0.len(), MAX_OPEN);
        let long = format!("@batch=0 PRIVMSG #c :{}", "x".repeat(8_000));
        for _ in 0..1_000 {
            batches.get_mut("0").unwrap().add_line(message(&long));
        }
        let batch = batches.get_mut("0").unwrap();
        assert!(batch.truncated && batch.lines.len() * 8_000 <= MAX_BYTES);
        let mut deep = Batches::default();
        for n in 0..10 {
            deep.open(message(&format!("@batch={} BATCH +{n} x", n - 1)));
        }
        assert!(deep.0.values().all(|batch| batch.depth < MAX_DEPTH));
    }
}
