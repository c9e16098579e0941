//! Cuts the stream of bytes into lines, within bounds: a server that never ends its line costs one
//! buffer and no more. Fed by the I/O half, before the session.

use super::{isupport::MAX_LINE_BYTES, line::MAX_TAG_BYTES};
use std::collections::VecDeque;

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
    done: VecDeque<Vec<u8>>,
    skipping: bool,
    overlong: u64,
}

/// No line is longer, whatever the server says about its own (`LINELEN`).
const LIMIT: usize = MAX_TAG_BYTES + MAX_LINE_BYTES;

impl Lines {
    /// Takes what was read. Take the lines out before the next call: they are bounded by what is
    /// pushed at once.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.extend(&rest[..end]);
            self.finish();
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    /// The next line, without its CR LF; empty lines are left out.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        self.done.pop_front()
    }

    /// How many lines were dropped because they were longer than any line may be.
    pub fn overlong(&self) -> u64 {
        self.overlong
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.open.len() + bytes.len() > LIMIT {
            self.skipping = true;
            self.overlong += 1;
            self.open = Vec::new();
            return;
        }
        self.open.extend_from_slice(bytes);
    }

    fn finish(&mut self) {
        self.skipping = false;
        let mut line = std::mem::take(&mut self.open);
        while line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.is_empty() {
            self.done.push_back(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_without_end_is_dropped_and_the_next_one_is_heard() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.push(&[b'x'; 4096]);
            assert!(lines.open.capacity() <= 2 * LIMIT);
        }
        lines.push(b"rest\r\nPING a\r\n");
        assert_eq!(lines.next_line(), Some(b"PING a".to_vec()));
        assert_eq!((lines.next_line(), lines.overlong()), (None, 1));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_stream_is_cut(parts in prop::collection::vec("[a\r\n]{0,6}", 0..8)) {
            let mut pieces = Lines::default();
            for part in &parts {
                pieces.push(part.as_bytes());
            }
            let mut whole = Lines::default();
            whole.push(parts.concat().as_bytes());
            loop {
                let (a, b) = (pieces.next_line(), whole.next_line());
                prop_assert_eq!(&a, &b);
                if a.is_none() { break; }
            }
        }
    }
}
