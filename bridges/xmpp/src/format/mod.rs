//! Formatted text as XMPP has it: message styling in the words themselves (XEP-0393), both ways, and
//! XHTML-IM (XEP-0071), which older clients send. Pure translations.

mod styling;
mod xhtml;

pub(crate) use styling::{read, write};
pub(crate) use xhtml::read as read_xhtml;

#[cfg(test)]
mod tests;
