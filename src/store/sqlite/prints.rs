//! Prints: 64-bit hashes of identifiers, by which the journal's indexes find rows.
//!
//! An index over the identifiers themselves would be several times as large, and its pages are
//! what a commit mostly writes. A print is a hint only: whoever finds a row by one compares the
//! identifiers in the row. It is SHA-256 over a secret of the store and the identifiers, each with
//! its length before it, cut off; the secret keeps people from making identifiers that collide.

use aws_lc_rs::digest::{Context, SHA256};

/// Low bits of an origin's print that depend on its author as well; those above depend on venue
/// and id alone, so that all authors' messages of one id at one venue stand side by side.
const AUTHOR_BITS: u32 = 24;

/// Makes prints with the secret of one store.
#[derive(Clone)]
pub(super) struct Printer {
    secret: [u8; 32],
}

impl Printer {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The print of what `author` called `id` at `venue`.
    pub(super) fn origin(&self, venue: &str, author: &str, id: &str) -> i64 {
        let mut context = self.context(b'o', &[venue, id]);
        let both = head(context.clone());
        part(&mut context, author);
        let mask = (1 << AUTHOR_BITS) - 1;
        ((both & !mask) | (head(context) & mask)).cast_signed()
    }

    /// The least and greatest print that anybody's `id` at `venue` can have.
    pub(super) fn origins(&self, venue: &str, id: &str) -> (i64, i64) {
        let mask = (1 << AUTHOR_BITS) - 1;
        let both = head(self.context(b'o', &[venue, id]));
        ((both & !mask).cast_signed(), (both | mask).cast_signed())
    }

    /// The print of `key` in `conversation`.
    pub(super) fn key(&self, conversation: &str, key: &str) -> i64 {
        head(self.context(b'k', &[conversation, key])).cast_signed()
    }

    /// The print of an id that a message was given at `place`.
    pub(super) fn given(&self, place: &str, id: &str) -> i64 {
        head(self.context(b'g', &[place, id])).cast_signed()
    }

    fn context(&self, kind: u8, parts: &[&str]) -> Context {
        let mut context = Context::new(&SHA256);
        context.update(&self.secret);
        context.update(&[kind]);
        for text in parts {
            part(&mut context, text);
        }
        context
    }
}

fn part(context: &mut Context, text: &str) {
    context.update(&(text.len() as u64).to_le_bytes());
    context.update(text.as_bytes());
}

fn head(context: Context) -> u64 {
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_do_not_run_into_each_other() {
        let printer = Printer::new([7; 32]);
        assert_ne!(printer.key("ab", "c"), printer.key("a", "bc"));
        assert_ne!(printer.key("a", "b"), printer.given("a", "b"));
        assert_ne!(Printer::new([8; 32]).key("a", "b"), printer.key("a", "b"));
    }

    proptest! {
        #[test]
        fn every_author_s_print_lies_within_the_range_of_venue_and_id(
            venue in ".*", id in ".*", author in ".*",
        ) {
            let printer = Printer::new([1; 32]);
            let (least, greatest) = printer.origins(&venue, &id);
            prop_assert!((least..=greatest).contains(&printer.origin(&venue, &author, &id)));
        }
    }
}
