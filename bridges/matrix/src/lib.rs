//! The bridge to Matrix, in two modes over one mapping (docs/decisions/0013-matrix.md).
//!
//! `id`, `html`, `map` and `book` know Matrix and no server: identifiers and their names, formatted
//! text, events, which room has which name. The two modes are built on these.

#![forbid(unsafe_code)]

pub mod book;
pub mod html;
pub mod id;
pub mod map;
mod secret;

pub use secret::Secret;

/// What a configuration names this kind of bridge (`kind = "matrix"`).
pub const KIND: &str = "matrix";
